"""Plays a stimulus into a `TriggerTop` in a real simulator, and the trace that its model says must come out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trigforge.firmware.design import Bits, Port, RtlDesign, Word
from trigforge.firmware.rtl import Decisions, Stimulus, TriggerTop
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Simulator
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.timing import Plan

BIT = Word(1, signed=False)
CONTROLS = {"rst": 1, "in_bc0": 1, "in_lumi": 1, "in_valid": 1, "bus_write": 1, "bus_addr": 12, "bus_wdata": 32}
HARNESS = "packed_ports"


@dataclass(frozen=True, slots=True)
class Harness:
    """A trigger with its ports packed into two, so that the project's bench can play it."""

    trigger: TriggerTop
    design: RtlDesign
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, trigger: TriggerTop, folder: Path, mutation: tuple[str, str, str] | None = None) -> Harness:
        """Write all sources to `folder`; a mutation replaces the one place of a text in a hand-written module."""
        folder.mkdir(parents=True)
        texts = trigger.emit()
        if mutation is not None:
            module, old, new = mutation
            assert texts[f"{module}.sv"].count(old) == 1, f"{old!r} must occur once in {module}"
            texts[f"{module}.sv"] = texts[f"{module}.sv"].replace(old, new)
        outputs = {"out_strobe": 1, "out_valid": 1, "out_accept": 1, "out_bx": (trigger.orbit - 1).bit_length()}
        outputs |= {"out_score": trigger.score_word.width, "out_raw": trigger.algorithms}
        outputs |= {"out_bits": trigger.algorithms, "bus_rdata": 32}
        inputs = Port("given", (*(Word(bits, signed=False) for bits in CONTROLS.values()), *trigger.core.inputs.words))
        words = [
            trigger.score_word if name == "out_score" else Word(bits, signed=False) for name, bits in outputs.items()
        ]
        texts[f"{HARNESS}.sv"] = _harness(trigger, inputs, outputs)
        written = [folder / name for name in texts]
        for path, text in zip(written, texts.values(), strict=True):
            path.write_text(text)
        sources = (*trigger.core.sources, *written)
        design = RtlDesign(sources, HARNESS, "clk", inputs, Port("seen", tuple(words)), trigger.latency_clocks)
        return cls(trigger, design, tuple(outputs))

    def play(
        self, stimulus: Stimulus, words: IntArray, reads: dict[int, int], simulator: Simulator, build_dir: Path
    ) -> Bits:
        """The packed outputs just before every clock; words of crossings that are not valid are undefined."""
        clocks = len(words)
        controls = np.zeros((clocks, len(CONTROLS)), dtype=np.int64)
        for column, array in enumerate((stimulus.reset, stimulus.bc0, stimulus.lumi, stimulus.valid)):
            controls[:, column] = array
        for clock, write in stimulus.writes:
            controls[clock, 4:] = 1, write.address, write.value
        for clock, address in reads.items():
            assert not controls[clock, 4]
            controls[clock, 5] = address
        given = self.design.inputs.pack(np.concatenate([controls, words], axis=1))
        if simulator.name == "icarus":
            digits = self.design.inputs.digits(given).copy()
            digits[~stimulus.valid, : self.trigger.core.inputs.bits] = ord("X")
            digits[: np.argmax(stimulus.reset)] = ord("X")
            given = digits.view(f"S{self.design.inputs.bits}")[:, 0]
        empty = np.zeros(0, dtype=np.int64)
        plan = Plan(clocks, hold=1, probes=empty, order=np.arange(clocks, dtype=np.int64))
        built = build(self.design, simulator, build_dir, 200)
        return play(self.design, simulator, built, given, plan, 7, 5.0, 200)[0]

    def differences(self, trace: Bits, stimulus: Stimulus, expected: Decisions) -> list[str]:
        """The first clocks and outputs, after the first reset, that are not what the model says; bus reads apart."""
        names = self.outputs[:-1]
        want = replace(self.design.outputs, words=self.design.outputs.words[:-1]).pack(self._held(stimulus, expected))
        start = int(np.argmax(stimulus.reset)) + 1
        got = self.design.outputs.digits(trace)[:, 32:]
        bad = got != want.view(np.uint8).reshape(len(want), -1)
        bad[:start] = False
        found = []
        for clock in np.flatnonzero(bad.any(axis=1))[:3]:
            place = self.design.outputs.locate(int(np.flatnonzero(bad[clock][::-1])[0]))
            found.append(f"clock {clock}: {names[place[0]]} {bytes(got[clock]).decode()} not {want[clock].decode()}")
        return found

    def read(self, trace: Bits, clock: int) -> str:
        """What the bus answers to an address given at `clock`, in binary."""
        return str(trace[clock + 1][:32].decode())

    def _held(self, stimulus: Stimulus, expected: Decisions) -> IntArray:
        """The outputs (clocks, names without the bus): a crossing's from its clock on until the next or a reset."""
        weights = 1 << np.arange(self.trigger.algorithms)
        columns = [expected.valid, expected.passed.any(axis=1), expected.bx, expected.scores]
        rows = np.stack([*columns, expected.raw @ weights, expected.passed @ weights], axis=1)
        at = dict(zip(expected.clock.tolist(), rows, strict=True))
        held = np.zeros((len(stimulus.reset), 1 + rows.shape[1]), dtype=np.int64)
        for clock in range(1, len(held)):
            if clock in at:
                held[clock] = [1, *at[clock]]
            elif not stimulus.reset[clock - 1]:
                held[clock, 1:] = held[clock - 1, 1:]
        return held


def _harness(trigger: TriggerTop, inputs: Port, outputs: dict[str, int]) -> str:
    """SystemVerilog of a module `packed_ports`: the first input and the first output in the least significant bits."""
    given = "{in_words, " + ", ".join(reversed(CONTROLS)) + "}"
    seen = "{" + ", ".join(reversed(outputs)) + "}"
    wires = CONTROLS | {"in_words": trigger.core.inputs.bits}
    lines = [f"    wire [{bits - 1}:0] {name};" for name, bits in (wires | outputs).items()]
    names = ", ".join(f".{name}" for name in (*wires, *outputs))
    width = sum(outputs.values())
    return "\n".join(
        [
            f"module {HARNESS} (input clk, input [{inputs.bits - 1}:0] given, output [{width - 1}:0] seen);",
            *lines,
            f"    assign {given} = given;",
            f"    assign seen = {seen};",
            f"    {trigger.top} dut (.clk, {names});",
            "endmodule\n",
        ]
    )
