"""Verification of a trigger: played in a simulator, compared with its model on every clock, its latency measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError
from trigforge.firmware.design import Bits, Port, RtlDesign, Word
from trigforge.firmware.rtl import Decisions, Stimulus, TriggerTop, predict, predict_bus
from trigforge.fixed import IntArray
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.certificate import TRIGGER_LEVEL, LevelResult, compare
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.packed import harness
from trigforge.sim.cosim.simulators import Simulator, SimulatorName
from trigforge.sim.cosim.timing import Plan
from trigforge.sim.cosim.trigger_stimulus import TriggerVectors

HARNESS: Final = "packed_trigger"
OUTPUTS: Final = (
    "out_strobe", "out_valid", "out_accept", "out_bx", "out_score", "out_raw", "out_bits", "bus_rdata",
)  # fmt: skip
"""Ports that are compared on every clock; `out_score` as its scores, `out_raw` and `out_bits` bit by bit."""

_CONTROLS: Final = {"rst": 1, "in_bc0": 1, "in_lumi": 1, "in_valid": 1, "bus_write": 1, "bus_addr": 12, "bus_wdata": 32}
_WRITE, _ADDRESS = 4, 5


@dataclass(frozen=True, slots=True)
class TriggerResult:
    """What a simulated trigger answered compared with its model, and what was measured."""

    level: LevelResult
    """An event is a clock, of a crossing with a `collision`, of an `empty` one, or `idle`; an element is a word of
    `PackedTrigger.names`."""
    latency_clocks: int
    """Measured: rising clock edges from the words of a crossing to its `out_strobe`."""
    clocks_per_second: float
    build_seconds: float
    simulator: str


@dataclass(frozen=True, slots=True)
class PackedTrigger:
    """A trigger with its ports packed into two, `given` and `seen`, so that the project's bench can play it."""

    trigger: TriggerTop
    design: RtlDesign
    names: tuple[str, ...]
    """What every word of `seen` is."""

    @classmethod
    def write(cls, trigger: TriggerTop, sources: tuple[Path, ...], folder: Path) -> PackedTrigger:
        """Write the module that packs the ports of a trigger, whose sources `TriggerTop.write` wrote, to `folder`."""
        outputs = output_words(trigger)
        inputs = Port("given", (*(Word(bits, signed=False) for bits in _CONTROLS.values()), *trigger.core.inputs.words))
        seen = Port("seen", tuple(word for words in outputs.values() for word in words))
        path = folder / f"{HARNESS}.sv"
        folder.mkdir(parents=True, exist_ok=True)
        given = _CONTROLS | {"in_words": trigger.core.inputs.bits}
        shown = {name: Port(name, words).bits for name, words in outputs.items()}
        path.write_text(harness(HARNESS, [trigger.top], given, shown), encoding="utf-8")
        design = RtlDesign((*sources, path), HARNESS, "clk", inputs, seen, trigger.latency_clocks)
        names = tuple(
            name if len(words) == 1 else f"{name}[{i}]" for name, words in outputs.items() for i in range(len(words))
        )
        return cls(trigger, design, names)

    def given(self, vectors: TriggerVectors, *, undefined: bool) -> Bits:
        """The inputs before every clock; if asked for, what means nothing and all before the first reset is X."""
        stimulus = vectors.stimulus
        controls = np.zeros((len(vectors.words), len(_CONTROLS)), dtype=np.int64)
        for column, array in enumerate((stimulus.reset, stimulus.bc0, stimulus.lumi, stimulus.valid)):
            controls[:, column] = array
        for clock, write in stimulus.writes:
            controls[clock, _WRITE:] = 1, write.address, write.value
        for clock, address in stimulus.reads:
            controls[clock, _ADDRESS] = address
        given = self.design.inputs.pack(np.concatenate([controls, vectors.words], axis=1))
        if not undefined:
            return given
        digits = self.design.inputs.digits(given).copy()
        digits[vectors.meaningless, : self.trigger.core.inputs.bits] = ord("X")
        digits[: int(np.argmax(stimulus.reset))] = ord("X")
        packed: Bits = digits.view(f"S{self.design.inputs.bits}")[:, 0]
        return packed

    def play(
        self, vectors: TriggerVectors, simulator: Simulator, build_dir: Path, seed: int = 1, timeout_s: float = 1800.0
    ) -> tuple[Bits, float, float]:
        """The outputs just before every clock, the seconds that it took, and those of the build."""
        clocks = len(vectors.words)
        plan = Plan(clocks, hold=1, probes=np.zeros(0, dtype=np.int64), order=np.arange(clocks, dtype=np.int64))
        built = build(self.design, simulator, build_dir, timeout_s)
        given = self.given(vectors, undefined=simulator.name is SimulatorName.ICARUS)
        trace, seconds = play(self.design, simulator, built, given, plan, seed, 5.0, timeout_s)
        return trace, seconds, built.seconds

    def compare(self, vectors: TriggerVectors, trace: Bits) -> LevelResult:
        """The trace against the model, on every clock after the first reset; raises `CheckError` for undefined bits."""
        stimulus, decisions = vectors.stimulus, predict(self.trigger, vectors.stimulus)
        start = int(np.argmax(stimulus.reset)) + 1
        self._require_defined(trace, start)
        expected = expected_words(self.trigger, stimulus, decisions)
        kinds = clock_kinds(stimulus, decisions)
        got = self.design.outputs.unpack(trace[start:])
        return compare(TRIGGER_LEVEL, expected[start:], got, kinds[start:], self.names, first_clock=start)

    def latency(self, vectors: TriggerVectors, trace: Bits) -> int:
        """Clocks from the first BC0 after every reset to the first strobe; raises `CheckError` unless as declared."""
        strobe = self.design.outputs.digits(trace)[:, -1] == ord("1")
        resets = np.flatnonzero(vectors.stimulus.reset)
        found = set()
        for start, end in zip(resets, [*resets[1:], len(strobe)], strict=True):
            marks = np.flatnonzero(vectors.stimulus.bc0[start + 1 : end])
            strobes = np.flatnonzero(strobe[start + 1 : end])
            if len(marks) and len(strobes):
                found.add(int(strobes[0] - marks[0]))
        if found != {self.trigger.latency_clocks}:
            said = ", ".join(map(str, sorted(found))) or "no strobe"
            raise CheckError(
                f"the latency of {self.trigger.top!r} must be {self.trigger.latency_clocks} clocks as declared, but "
                f"{said} was measured"
            )
        return self.trigger.latency_clocks

    def _require_defined(self, trace: Bits, start: int) -> None:
        digits = self.design.outputs.digits(trace[start:])[:, ::-1]
        undefined = (digits != ord("0")) & (digits != ord("1"))
        if undefined.any():
            row, position = (int(k) for k in np.argwhere(undefined)[0])
            word, bit = self.design.outputs.locate(position)
            raise CheckError(
                f"every output bit of {self.trigger.top!r} must be 0 or 1 after a reset, but bit {bit} of "
                f"{self.names[word]} is {chr(digits[row, position])} at clock {row + start}; "
                f"{int(undefined.any(axis=1).sum())} of {len(digits)} clocks have undefined bits"
            )


def simulate_trigger(
    packed: PackedTrigger, vectors: TriggerVectors, simulator: Simulator, build_dir: Path, timeout_s: float = 1800.0
) -> TriggerResult:
    """Play a stimulus into a trigger and compare it with its model on every clock.

    Raises `CheckError` if it does not compile, an output has undefined bits or its latency is not the declared one.
    """
    trace, seconds, build_seconds = packed.play(vectors, simulator, build_dir, timeout_s=timeout_s)
    level = packed.compare(vectors, trace)
    latency = packed.latency(vectors, trace) if level.ok else packed.trigger.latency_clocks
    return TriggerResult(level, latency, len(trace) / max(seconds, 1e-9), build_seconds, simulator.label)


def expected_words(trigger: TriggerTop, stimulus: Stimulus, decisions: Decisions) -> IntArray:
    """The words of the output ports (clocks, words) before every clock: a crossing's until the next or a reset."""
    columns = [decisions.valid, decisions.passed.any(axis=1), decisions.bx, decisions.scores]
    shown = np.column_stack([*columns, decisions.raw, decisions.passed]).astype(np.int64)
    rows = np.concatenate([np.zeros((1, shown.shape[1]), dtype=np.int64), shown])
    row = np.full(len(stimulus.reset) + 2, -1)
    row[np.flatnonzero(stimulus.reset) + 1] = 0
    row[decisions.clock] = np.arange(1, len(rows))
    row = row[: len(stimulus.reset)]
    held = row[np.maximum.accumulate(np.where(row >= 0, np.arange(len(row)), 0))]
    return np.column_stack([row > 0, rows[held], predict_bus(trigger, stimulus)]).astype(np.int64)


def output_words(trigger: TriggerTop) -> dict[str, tuple[Word, ...]]:
    """The words of every port of `OUTPUTS`."""
    bit = Word(1, signed=False)
    words = dict.fromkeys(OUTPUTS, (bit,)) | {"out_score": trigger.score_port.words}
    words |= dict.fromkeys(("out_raw", "out_bits"), (bit,) * trigger.algorithms)
    return words | {
        "out_bx": (Word((trigger.orbit - 1).bit_length(), signed=False),),
        "bus_rdata": (Word(32, signed=False),),
    }


def clock_kinds(stimulus: Stimulus, decisions: Decisions) -> npt.NDArray[np.str_]:
    """What the outputs show on every clock."""
    kinds = np.full(len(stimulus.reset) + 2, "", dtype="U9")
    kinds[0] = "idle"
    kinds[np.flatnonzero(stimulus.reset) + 1] = "idle"
    kinds[decisions.clock] = np.where(decisions.valid, "collision", "empty")
    kinds = kinds[: len(stimulus.reset)]
    held: npt.NDArray[np.str_] = kinds[np.maximum.accumulate(np.where(kinds != "", np.arange(len(kinds)), 0))]
    return held
