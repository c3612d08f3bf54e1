"""A search for vectors that tell a mutant: its effect is led from one choice of the core to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from trigforge.fixed import IntArray
from trigforge.sim.mutation.effects import Effect

GENERATIONS: Final = 150
PATIENCE: Final = 40
"""Generations without progress after which a search is given up."""
CHILDREN: Final = 512
PARENTS: Final = 48
START: Final = 2048
"""Most known events among which the first parents are."""


def telling_vectors(
    effect: Effect, limits: tuple[IntArray, IntArray], near: IntArray, known: IntArray, seed: Sequence[int]
) -> IntArray | None:
    """A few events (n, words) within `limits` of which one shows the fault; None if none was found.

    The first parents are the events `near` and some of those that are `known` (each (n, words)).

    They are streamed in this order: of a fault in a register what counts is the event before, or the next one.
    """
    generator = np.random.default_rng(seed)
    events = np.concatenate([near, known[generator.permutation(len(known))[:START]]])
    events = np.concatenate([events, _quieter(events, *limits, generator)])
    best, stale = None, 0
    for _ in range(GENERATIONS):
        found = effect.reached(events)
        if found.seen.any():
            place = int(np.argmax(found.seen))
            return np.stack([events[place - 1], events[place], events[place - 1]])
        order = np.lexsort((generator.random(len(events)), -found.fitness))[:PARENTS]
        top = int(found.fitness[order[0]])
        best, stale = (top, 0) if best is None or top > best else (best, stale + 1)
        if stale > PATIENCE:
            return None
        parents = events[order]
        others = parents[generator.integers(0, len(parents), CHILDREN // 4)]
        quiet = _quieter(others, *limits, generator)
        events = np.concatenate([parents, _children(parents, *limits, known, generator), quiet])
    return None


def _quieter(events: IntArray, low: IntArray, high: IntArray, generator: np.random.Generator) -> IntArray:
    """Events of which any share of the words is zero: what saturates shows nothing."""
    zero = generator.random(events.shape) < generator.random((len(events), 1))
    return np.where(zero, np.clip(0, low, high), events)


def _children(
    parents: IntArray, low: IntArray, high: IntArray, known: IntArray, generator: np.random.Generator
) -> IntArray:
    """Events with one or more words of a parent at an end, at zero, anywhere, a little off or as in another event."""
    rows = parents[generator.integers(0, len(parents), CHILDREN)]
    steps = generator.choice([-1, 1], rows.shape) * (1 << generator.integers(0, 10, rows.shape))
    choices = [
        np.broadcast_to(low, rows.shape),
        np.broadcast_to(high, rows.shape),
        np.broadcast_to(np.clip(0, low, high), rows.shape),
        generator.integers(low, high, rows.shape, endpoint=True),
        np.clip(rows + generator.integers(-3, 4, rows.shape), low, high),
        np.clip(rows + steps, low, high),
        known[generator.integers(0, len(known), CHILDREN)],
    ]
    share = 2.0 ** -generator.integers(0, 8, (CHILDREN, 1))
    share = np.where(share == 1.0, 1.5 / rows.shape[1], share)
    changed = generator.random(rows.shape) < share
    return np.where(changed, np.choose(generator.integers(0, len(choices), rows.shape), choices), rows)
