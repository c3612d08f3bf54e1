"""`prove_equal`: two pipelines of one interface compute the same words, for all inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import Port, RtlDesign
from trigforge.fixed import IntArray
from trigforge.sim.formal.abc import Engine, decide
from trigforge.sim.formal.aig import Aig, Literal, Word
from trigforge.sim.formal.clock import Clock
from trigforge.sim.formal.netlist import Bit, Netlist, elaborate
from trigforge.sim.formal.unroll import Source, unroll
from trigforge.sim.formal.yosys import OutOfTimeError

Limits = Sequence[tuple[int, int]]
"""Smallest and largest value of every input word."""

SWEEP: Final = "SAT sweeping"
STRUCTURE: Final = "structural hashing"


@dataclass(frozen=True, slots=True)
class Proof:
    """It holds for all inputs; `method` found that out."""

    method: str
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Counterexample:
    """Events that lead to a difference, one a clock, and the outputs for event number `event` of them."""

    words: IntArray
    event: int
    expected: IntArray
    got: IntArray
    seconds: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """Neither proved nor refuted within the time."""

    reason: str
    seconds: float


Result = Proof | Counterexample | Unknown


@dataclass(slots=True)
class Events:
    """Free input words of a stream of events, shared by the pipelines that are compared.

    With `limits` a word is a free number moved to the nearest one allowed: it takes all values allowed and no others.
    """

    aig: Aig
    port: Port
    limits: Limits | None = None
    _words: dict[tuple[int, int], Word] = field(default_factory=dict)

    def source(self, port: Sequence[Bit], latency_clocks: int) -> Source:
        """Where a pipeline of this latency finds the bits of its input port."""
        places = {bit: self.port.locate(k) for k, bit in enumerate(port)}

        def literal(bit: Bit, delay: int) -> Literal:
            word, position = places[bit]
            return self.word(latency_clocks - delay, word)[position]

        return literal

    def word(self, event: int, index: int) -> Word:
        """A word of an event, counted from the one whose outputs are compared."""
        if (event, index) not in self._words:
            kind = self.port.words[index]
            bits: Word = tuple(self.aig.input() for _ in range(kind.width))
            if self.limits is not None and self.limits[index] != kind.limits:
                bits = self.aig.clamped(bits, *self.limits[index], kind.signed)
            self._words[event, index] = bits
        return self._words[event, index]

    def values(self, assignment: Mapping[int, bool]) -> tuple[IntArray, int]:
        """The events (n, words) in an assignment, one a clock, and the number of the one that is compared.

        What does not matter has the value that is allowed and nearest to 0.
        """
        numbers = {key for key, _ in self._words} | {0}
        known = self._values(assignment)
        limits = self.limits or [word.limits for word in self.port.words]
        rest = [min(max(0, low), high) for low, high in limits]
        rows = [
            [known.get((event, index), value) for index, value in enumerate(rest)]
            for event in range(min(numbers), max(numbers) + 1)
        ]
        return np.array(rows, dtype=np.int64), -min(numbers)

    def _values(self, assignment: Mapping[int, bool]) -> dict[tuple[int, int], int]:
        literals = [bit for word in self._words.values() for bit in word]
        bits = iter(self.aig.evaluate(assignment, literals))
        return {
            (event, index): number([next(bits) for _ in word], self.port.words[index].signed)
            for (event, index), word in self._words.items()
        }


def number(bits: Sequence[bool], signed: bool) -> int:
    """The number that bits mean, least significant first."""
    value = sum(1 << i for i, bit in enumerate(bits) if bit)
    return value - (1 << len(bits)) if signed and bits and bits[-1] else value


@dataclass(frozen=True, slots=True)
class Elaborated:
    """A design's netlist, its two packed ports and the registers between them."""

    netlist: Netlist
    top: str
    inputs: Port
    outputs: Port
    latency_clocks: int

    @classmethod
    def of(cls, design: RtlDesign, folder: Path, timeout_s: float) -> Elaborated:
        """A Verilog design, elaborated in `folder`; raises what `elaborate` does."""
        netlist = elaborate(design.sources, design.top, folder, timeout_s)
        return cls(netlist, design.top, design.inputs, design.outputs, design.latency_clocks)

    def values(self, events: Events) -> Word:
        """The bits of the output port for the event that is compared."""
        source = events.source(self.netlist.inputs[self.inputs.name], self.latency_clocks)
        return unroll(self.netlist, events.aig, source, self.top)[self.outputs.name]


def prove_equal(
    gold: RtlDesign, gate: RtlDesign, folder: Path, timeout_s: float, limits: Limits | None = None
) -> Result:
    """Whether two pipelines give the same words for every stream of events, each after its own latency.

    Inputs are all that the wires can carry, or what `limits` allows. Raises `InputError` unless both have the same
    words at their ports and are feed-forward Verilog, and `MissingToolError` without Yosys.
    """
    clock = Clock(timeout_s)
    try:
        own = Elaborated.of(gold, folder / "gold", clock.rest)
        other = Elaborated.of(gate, folder / "gate", clock.rest)
    except OutOfTimeError as error:
        return Unknown(str(error), clock.seconds)
    return compare_elaborated(own, other, folder, clock, limits)


def compare_elaborated(
    gold: Elaborated, gate: Elaborated, folder: Path, clock: Clock, limits: Limits | None = None
) -> Result:
    """`prove_equal` of designs that are elaborated already."""
    _require_one_interface(gold, gate)
    events = Events(Aig(), gold.inputs, limits)
    expected, got = gold.values(events), gate.values(events)
    differences = [events.aig.differ(a, b) for a, b in zip(expected, got, strict=True)]
    answer = decide(events.aig, differences, Engine.COMBINATIONAL, folder, clock.rest)
    if answer.never is None:
        return Unknown(f"not decided within {clock.limit_s:g} s", clock.seconds)
    if answer.never:
        return Proof(SWEEP if any(differences) else STRUCTURE, clock.seconds)
    words, event = events.values(answer.trace[0])
    values = events.aig.evaluate(answer.trace[0], (*expected, *got))
    own, other = (_row(bits, gold.outputs) for bits in (values[: len(expected)], values[len(expected) :]))
    if np.array_equal(own, other):
        raise CheckError(f"abc's counterexample in {folder} must tell {gold.top!r} from {gate.top!r}, but does not")
    return Counterexample(words, event, own, other, clock.seconds)


def _row(bits: Sequence[bool], port: Port) -> IntArray:
    """The words of a packed port."""
    values, start = [], 0
    for word in port.words:
        values.append(number(bits[start : start + word.width], word.signed))
        start += word.width
    return np.array(values, dtype=np.int64)


def _require_one_interface(gold: Elaborated, gate: Elaborated) -> None:
    for own, other in ((gold.inputs, gate.inputs), (gold.outputs, gate.outputs)):
        if own.words != other.words:
            raise InputError(
                f"designs that are compared must have the same words at their ports, but {own.name!r} of {gold.top!r} "
                f"and {other.name!r} of {gate.top!r} differ"
            )
