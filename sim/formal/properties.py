"""`prove_property`: the output `broken` of an observer around a hand-written module is never 1, whatever comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

from trigforge.errors import InputError
from trigforge.sim.formal.abc import Engine, decide
from trigforge.sim.formal.aig import FALSE, TRUE, Aig, Literal
from trigforge.sim.formal.clock import Clock
from trigforge.sim.formal.equal import Proof, Unknown
from trigforge.sim.formal.netlist import FALSE_BIT, TRUE_BIT, Bit, Netlist, elaborate
from trigforge.sim.formal.yosys import OutOfTimeError

BROKEN: Final = "broken"
REACHABILITY: Final = "property-directed reachability"
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Trace:
    """Values of the input ports, clock by clock from power-up on, that break a property in the last of them."""

    clocks: tuple[Mapping[str, int], ...]
    seconds: float


def prove_property(
    module: Path, parameters: Mapping[str, int], folder: Path, timeout_s: float
) -> Proof | Trace | Unknown:
    """Whether the observer `<module>_property` (beside this file) can ever say that the module is broken.

    From every state that the module can power up in, for all inputs in all clocks. Raises what `elaborate` does.
    """
    clock, top = Clock(timeout_s), f"{module.stem}_property"
    observer = _FOLDER / f"{top}.sv"
    if not observer.is_file():
        raise InputError(f"a property must be written for {module.stem!r}, but there is no {observer.name}")
    try:
        netlist = elaborate((module, observer), top, folder, clock.rest, parameters)
    except OutOfTimeError as error:
        return Unknown(str(error), clock.seconds)
    aig = Aig()
    ports = {name: tuple(aig.input() for _ in bits) for name, bits in netlist.inputs.items()}
    broken = _machine(netlist, aig, ports, top)
    answer = decide(aig, [broken], Engine.SEQUENTIAL, folder, clock.rest)
    if answer.never is None:
        return Unknown(f"not decided within {timeout_s:g} s", clock.seconds)
    if answer.never:
        return Proof(REACHABILITY, clock.seconds)
    rows = tuple(
        {name: sum(1 << i for i, bit in enumerate(bits) if row[bit >> 1]) for name, bits in ports.items()}
        for row in answer.trace
    )
    return Trace(rows, clock.seconds)


def _machine(netlist: Netlist, aig: Aig, ports: Mapping[str, tuple[Literal, ...]], top: str) -> Literal:
    """The literal of `broken`, all registers as latches of `aig`."""
    values: dict[Bit, Literal] = {FALSE_BIT: FALSE, TRUE_BIT: TRUE}
    for name, bits in netlist.inputs.items():
        values |= dict(zip(bits, ports[name], strict=True))
    values |= {bit: aig.input() for bit in netlist.unknown}
    started = aig.latch()
    aig.latches[started >> 1] = TRUE
    latches = {r.output: aig.latch() for r in netlist.registers}
    for r in netlist.registers:
        # a latch begins with 0: one that begins with 1 is stored inverted, and any value is a free one in clock 0
        latch = latches[r.output]
        values[r.output] = latch ^ (r.first or 0) if r.first is not None else aig.choose(started, latch, aig.input())
    try:
        order = TopologicalSorter({bit: gate.operands for bit, gate in netlist.gates.items()}).static_order()
        for bit in order:
            if bit in netlist.gates:
                gate = netlist.gates[bit]
                values[bit] = aig.gate(gate.kind, [values[operand] for operand in gate.operands])
    except CycleError:
        raise InputError(f"{top!r} must hold no loop without a register") from None
    for r in netlist.registers:
        aig.latches[latches[r.output] >> 1] = values[r.next] ^ (r.first or 0)
    return values[netlist.outputs[BROKEN][0]]
