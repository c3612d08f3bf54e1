"""A feed-forward pipeline as a function: what its outputs are of its inputs of earlier clocks, registers removed."""

from __future__ import annotations

from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter

from trigforge.errors import InputError
from trigforge.sim.formal.aig import Aig, Literal
from trigforge.sim.formal.netlist import FALSE_BIT, TRUE_BIT, Bit, Netlist

Source = Callable[[Bit, int], Literal]
"""The literal of an input's bit a number of clocks ago."""


def unroll(netlist: Netlist, aig: Aig, source: Source, top: str) -> dict[str, tuple[Literal, ...]]:
    """The output ports, as literals of the inputs' earlier values; power-up values can then no longer matter.

    Exact also where paths through a different number of registers meet. Raises `InputError` if a register feeds
    itself: then outputs depend on all of the past.
    """
    order = _in_order(netlist, top)
    needed = _delays(netlist, order)
    before = {r.output: r.next for r in netlist.registers}
    free = set(netlist.unknown)
    values: dict[tuple[Bit, int], Literal] = {}
    for bit in order:
        for delay in needed.get(bit, ()):
            if bit in netlist.gates:
                gate = netlist.gates[bit]
                value = aig.gate(gate.kind, [values[operand, delay] for operand in gate.operands])
            elif bit in before:
                value = values[before[bit], delay + 1]
            elif bit in (FALSE_BIT, TRUE_BIT):
                value = bit
            else:
                value = aig.input() if bit in free else source(bit, delay)
            values[bit, delay] = value
    return {name: tuple(values[bit, 0] for bit in bits) for name, bits in netlist.outputs.items()}


def _operands(netlist: Netlist) -> dict[Bit, tuple[Bit, ...]]:
    """The bits that a bit is made of, through one gate or register; none for inputs and constants."""
    return {bit: gate.operands for bit, gate in netlist.gates.items()} | {
        r.output: (r.next,) for r in netlist.registers
    }


def _in_order(netlist: Netlist, top: str) -> list[Bit]:
    """All bits that the outputs depend on, a bit after those that it is made of."""
    operands = _operands(netlist)
    graph: dict[Bit, tuple[Bit, ...]] = {}
    waiting = [bit for bits in netlist.outputs.values() for bit in bits]
    while waiting:
        bit = waiting.pop()
        if bit not in graph:
            graph[bit] = operands.get(bit, ())
            waiting += graph[bit]
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        raise InputError(f"{top!r} must be a feed-forward pipeline, but one of its registers feeds itself") from None


def _delays(netlist: Netlist, order: list[Bit]) -> dict[Bit, set[int]]:
    """How many clocks ago the value of a bit matters to the outputs."""
    operands, registers = _operands(netlist), {r.output for r in netlist.registers}
    needed: dict[Bit, set[int]] = {bit: {0} for bits in netlist.outputs.values() for bit in bits}
    for bit in reversed(order):
        delays = needed.get(bit, set())
        later = {d + 1 for d in delays} if bit in registers else delays
        for operand in operands.get(bit, ()):
            needed.setdefault(operand, set()).update(later)
    return needed
