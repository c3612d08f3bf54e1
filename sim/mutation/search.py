"""Vectors for a mutant that the bench's own do not catch: towards the ends and the zero of the values near it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from trigforge.firmware.circuit import operands
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.sim.bounds.reach import node_values
from trigforge.sim.mutation.flat import FlatCore

GENERATIONS: Final = 14
CHILDREN: Final = 256
PARENTS: Final = 12
_NEAR: Final = 2
"""Statements away from the faulty one, before and after it."""

Goal = Callable[[IntArray], IntArray]
"""How far values (n,) are from what is wanted."""


def climbing_vectors(
    program: IntegerProgram,
    flat: FlatCore,
    nodes: Sequence[int],
    limits: tuple[IntArray, IntArray],
    known: IntArray,
    seed: int,
) -> IntArray:
    """All events (n, words) within `limits` on the way from `known` ones to extreme and small values near `nodes`."""
    generator = np.random.default_rng(seed)
    goals: tuple[Goal, ...] = (np.negative, np.positive, np.abs)
    seen = []
    for node in neighbours(flat, nodes):
        for goal in goals:
            best = known
            for _ in range(GENERATIONS):
                (values,) = node_values(flat.circuit, best, program.inputs, [node])
                parents = best[np.argsort(goal(values), kind="stable")[:PARENTS]]
                children = _children(parents, *limits, generator)
                best = np.concatenate([parents, children])
                seen.append(children)
    return np.concatenate(seen)


def neighbours(flat: FlatCore, nodes: Sequence[int]) -> tuple[int, ...]:
    """Some nodes, and those a few operations before and after them."""
    after: dict[int, list[int]] = {}
    for index, node in enumerate(flat.circuit.nodes):
        for source in operands(node):
            after.setdefault(source, []).append(index)
    found = dict.fromkeys(nodes)
    for step in (lambda k: operands(flat.circuit.nodes[k]), lambda k: after.get(k, [])):
        ring: Sequence[int] = nodes
        for _ in range(_NEAR):
            ring = [other for k in ring for other in step(k)]
            found |= dict.fromkeys(ring)
    known = flat.prover.facts.known
    return tuple(k for k in found if known[k].low < known[k].high)


def _children(parents: IntArray, low: IntArray, high: IntArray, generator: np.random.Generator) -> IntArray:
    """Events with a few words of a parent at an end, at zero or anywhere, and some others a little off."""
    rows = parents[generator.integers(0, len(parents), CHILDREN)]
    choices = [
        np.broadcast_to(low, rows.shape),
        np.broadcast_to(high, rows.shape),
        np.broadcast_to(np.clip(0, low, high), rows.shape),
        generator.integers(low, high, rows.shape, endpoint=True),
        np.clip(rows + generator.integers(-3, 4, rows.shape), low, high),
    ]
    share = 2.0 ** -generator.integers(1, 7, (CHILDREN, 1))
    changed = generator.random(rows.shape) < share
    return np.where(changed, np.choose(generator.integers(0, len(choices), rows.shape), choices), rows)
