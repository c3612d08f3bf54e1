"""The statements of a core as nodes of its flat circuit: what each reads, and what reads it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from trigforge.firmware.circuit import Input, operands
from trigforge.sim.mutation.flat import FlatCore
from trigforge.sim.mutation.netlist import Netlist, Slice, Statement
from trigforge.sim.mutation.schemata import Fault

_REGISTER = re.compile(r"register logic(\d+)_inp")


@dataclass(frozen=True, eq=False)
class Graph:
    """A core's statements, by the nodes of its flat circuit that they drive."""

    netlist: Netlist
    flat: FlatCore

    def place(self, node: int) -> tuple[int, str]:
        """The stage of a node, and the signal there that it is."""
        stage = bisect_right(self.flat.starts, node) - 1
        return stage, f"v{node - self.flat.starts[stage]}"

    def node(self, stage: int, signal: str) -> int:
        """The node that a stage's signal is."""
        return self.flat.starts[stage] + int(signal[1:])

    def statement(self, node: int) -> Statement:
        """What drives a node."""
        stage, signal = self.place(node)
        return self.netlist.stages[stage].statements[signal]

    def is_driven(self, node: int) -> bool:
        """Whether a node has a statement: those of no bits have none."""
        stage, signal = self.place(node)
        return signal in self.netlist.stages[stage].statements

    def is_word(self, node: int) -> bool:
        """Whether a node is a word of the core's input."""
        return isinstance(self.flat.circuit.nodes[node].operation, Input)

    def sources(self, node: int) -> tuple[int, ...]:
        """The nodes that a node reads: of its stage, or of the one before."""
        statement = self.statement(node)
        if statement.primitive == "field":
            return tuple(filter(self.is_driven, operands(self.flat.circuit.nodes[node])))
        stage = self.netlist.stages[statement.stage]
        slices = [stage.slice_of(operand) for operand in statement.operands]
        return tuple(dict.fromkeys(self.node(statement.stage, own.signal) for own in slices if own is not None))

    @cached_property
    def ends(self) -> frozenset[int]:
        """The nodes that the core's output is."""
        return frozenset(term.source for term in self.flat.circuit.outputs if term and self.is_driven(term.source))

    @cached_property
    def readers(self) -> dict[int, tuple[int, ...]]:
        """Nodes on which the core's output depends, and which of them read them."""
        found: dict[int, list[int]] = {node: [] for node in sorted(self.before(self.ends))}
        for node in found:
            for source in self.sources(node):
                found[source].append(node)
        return {node: tuple(readers) for node, readers in found.items()}

    def before(self, nodes: Iterable[int], steps: int | None = None) -> set[int]:
        """Some nodes, and those that they are made of by a number of operations (None: by any)."""
        return _around(nodes, steps, self.sources)

    def behind(self, nodes: Iterable[int], steps: int | None = None) -> set[int]:
        """Some nodes, and what is made of them by a number of operations and matters."""
        return _around(nodes, steps, self.readers.__getitem__)

    def faulty(self, fault: Fault) -> tuple[int, ...]:
        """The nodes that a fault makes wrong and on which the output depends.

        Of a fault in a register these are what reads its wrong bits; of one in the output's register, what drives them.
        """
        stages = self.netlist.stages
        register = _REGISTER.fullmatch(fault.stage)
        if register is not None and fault.moved is not None:
            number, (high, low) = int(register[1]), fault.moved
            names = [own.site.target for own, bits in stages[number].fields() if bits.low <= high and low <= bits.high]
        elif fault.moved is not None:
            number = len(stages) - 1
            names = [source.signal for _, source in stages[number].driving(Slice("", *fault.moved))]
        else:
            number = int(fault.stage.removeprefix("stage "))
            names = [change.site.target for change in fault.changes]
        return tuple(sorted({self.node(number, name) for name in names} & self.readers.keys()))


def _around(nodes: Iterable[int], steps: int | None, neighbours: Callable[[int], Iterable[int]]) -> set[int]:
    found = set(nodes)
    ring, count = found, 0
    while ring and (steps is None or count < steps):
        ring = {other for node in ring for other in neighbours(node)} - found
        found, count = found | ring, count + 1
    return found
