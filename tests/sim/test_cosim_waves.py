"""Recorded signals: FST files of every simulator, read by an independent reader and held against the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pywellen
from tests.firmware.random_programs import random_program, random_words

from trigforge.errors import InputError
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.fixed import IntArray
from trigforge.sim.cosim import SimulatorName, find_simulator, simulate
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.simulators import LANGUAGE
from trigforge.sim.cosim.timing import Plan
from trigforge.sim.cosim.verilate import Purpose

PERIOD_PS = 4000


def values_at(waves: Path, name: str, times: IntArray) -> list[int]:
    """The value of a signal of the top, which GHDL does not name, at ascending times in picoseconds."""
    recorded = pywellen.Waveform(str(waves))
    unit = {"1ps": 1, "1fs": 1000}[str(recorded.timescale)]
    names = name, f"dut.{name}"
    signal = next(v for v in recorded.all_vars() if v.full_name in names)
    changed, values = zip(*signal.tv, strict=True)
    return [values[k - 1] for k in np.searchsorted(np.array(changed), unit * times, side="right").tolist()]


@pytest.mark.parametrize("name", list(SimulatorName))
def test_the_file_holds_what_the_ports_showed(name: SimulatorName, tmp_path: Path) -> None:
    simulator, program = find_simulator(name), random_program(5)
    design = write_rtl(program, Targets(language=LANGUAGE[name]), tmp_path / "rtl", "dut")
    words, waves = random_words(program, 50, 1), tmp_path / "a b.fst"
    result = simulate(design, words, simulator, tmp_path / "build", clock_period_ns=PERIOD_PS / 1000, waves=waves)
    np.testing.assert_array_equal(result.outputs, program(words))
    plan = Plan.of(len(words), design.latency_clocks)
    falls = PERIOD_PS * (plan.prologue + 2 + np.arange(len(words)))
    given = [int(bits, 2) for bits in design.inputs.pack(words)]
    seen = [int(bits, 2) for bits in design.outputs.pack(result.outputs)]
    assert values_at(waves, "model_inp", falls) == given
    assert values_at(waves, "model_out", falls + PERIOD_PS * design.latency_clocks - 1) == seen
    assert values_at(waves, "clk", falls) == [0] * len(words)
    assert values_at(waves, "clk", falls - 1) == [1] * len(words)
    inside = [v.full_name for v in pywellen.Waveform(str(waves)).all_vars() if v.full_name.count(".") > 0]
    assert len(inside) > 20


def test_waves_need_a_build_of_their_own_and_a_place(tmp_path: Path) -> None:
    simulator, program = find_simulator("icarus"), random_program(5)
    design = write_rtl(program, Targets(), tmp_path / "rtl", "dut")
    plan, stimulus = Plan.of(4, design.latency_clocks), design.inputs.pack(random_words(program, 4, 1)[:4])
    plain = build(design, simulator, tmp_path / "build", 60)
    with pytest.raises(InputError, match=r"^to record waves, a simulation must be built for waves, not for bench$"):
        play(design, simulator, plain, stimulus, plan, 1, 5.0, 60, tmp_path / "x.fst")
    made = build(design, simulator, tmp_path / "build", 60, Purpose.WAVES)
    assert made.executable != plain.executable
    for place in (tmp_path / "x.vcd", tmp_path / "nowhere" / "x.fst"):
        with pytest.raises(InputError, match=r"^waves must be an \.fst file in a folder that exists, not '.*/x\.\w+'$"):
            play(design, simulator, made, stimulus, plan, 1, 5.0, 60, place)
