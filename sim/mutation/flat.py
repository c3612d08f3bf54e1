"""The stages of a core as one circuit, whose nodes are the statements of its sources, and what their values can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trigforge.firmware.circuit import (
    Circuit,
    Input,
    Node,
    Sum,
    Term,
    Wrap,
    decode,
    renumbered,
)
from trigforge.firmware.design import Word
from trigforge.firmware.pipeline import Pipeline, split
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.sim.bounds.prover import Prover
from trigforge.sim.bounds.reach import Reach

Limits = tuple[tuple[int, int], ...]
"""Smallest and largest value of every word of a port."""


@dataclass(frozen=True, slots=True, eq=False)
class FlatCore:
    """`circuit`: statement v<n> of stage k is node `starts[k]` + n; `words[k]` is what stage k is given, the last of
    them what the output register is."""

    circuit: Circuit
    starts: tuple[int, ...]
    words: tuple[tuple[Word, ...], ...]
    limits: tuple[Limits, ...]
    """The values that the words can have if the core's input is within its limits."""
    prover: Prover
    """What is proved of the circuit's nodes."""


def flatten(program: IntegerProgram, pipeline: Pipeline, low: IntArray, high: IntArray) -> FlatCore:
    """The flat core that `write_rtl` wrote with `pipeline`, for input words in `low..high` (each (words,))."""
    combs = tuple(split(program, pipeline).logic.values())
    circuits = [decode(comb) for comb in combs]
    nodes: list[Node] = []
    starts: list[int] = []
    given: Sequence[Term | None] = ()
    for circuit in circuits:
        start = len(nodes)
        starts.append(start)
        nodes += [_moved(node, start, given) for node in circuit.nodes]
        given = [None if t is None else replace(t, source=t.source + start) for t in circuit.outputs]
    whole = Circuit(tuple(nodes), circuits[0].inputs, tuple(given), circuits[-1].output_formats)
    prover = Prover(whole, program.inputs, low, high)
    reach = prover.facts.reach
    words = [tuple(Word(int(k + i + f), bool(k)) for k, i, f in comb.inp_kifs.T) for comb in combs]
    limits = [
        _limits(own, circuit, reach[start : start + len(circuit.nodes)])
        for own, circuit, start in zip(words, circuits, starts, strict=True)
    ]
    words.append(tuple(Word(int(k + i + f), bool(k)) for k, i, f in program.comb.out_kifs.T))
    return FlatCore(whole, tuple(starts), tuple(words), tuple(limits), prover)


def _limits(words: Sequence[Word], circuit: Circuit, reach: Sequence[Reach]) -> Limits:
    """The limits of a stage's words; of one that it does not read, all values."""
    limits = [word.limits for word in words]
    for node, own in zip(circuit.nodes, reach, strict=True):
        if isinstance(node.operation, Input):
            limits[node.operation.index] = own.low, own.high
    return tuple(limits)


def _moved(node: Node, start: int, given: Sequence[Term | None]) -> Node:
    """A node of a stage with its sources `start` further on; its inputs are the outputs of the stage before."""
    operation = node.operation
    if isinstance(operation, Input) and given:
        term = given[operation.index]
        source = Sum(()) if term is None else Sum((term,)) if term.negative else Wrap(term.source, term.shift)
        return replace(node, operation=source)
    return replace(node, operation=renumbered(operation, lambda k: k + start))
