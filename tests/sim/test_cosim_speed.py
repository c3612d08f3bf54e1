"""The benchmark of simulations: every way is measured, and a wrong RTL has no speed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.firmware.random_programs import random_program

from trigforge.errors import CheckError
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.sim.cosim import find_simulator
from trigforge.sim.cosim.bench_cosim import COCOTB_EVENTS, CosimSpeed, measure_cosim


def test_every_way_is_measured_and_a_wrong_core_is_not(tmp_path: Path) -> None:
    program = random_program(5)
    design = write_rtl(program, Targets(), tmp_path / "rtl", "dut")
    simulators = find_simulator("verilator"), find_simulator("icarus")
    speed = measure_cosim("small", program, design, simulators, tmp_path / "sim", 100_000)
    assert (speed.project, speed.inputs, speed.latency_clocks) == ("small", 4, design.latency_clocks)
    assert [way.name for way in speed.ways[:2]] == ["cocotb", "bulk, 1 model"]
    assert speed.ways[-1].name == "cocotb"
    assert [way.events for way in speed.ways if way.name != "cocotb"] == [100_000] * (len(speed.ways) - 2)
    assert [way.events for way in speed.ways if way.name == "cocotb"] == [COCOTB_EVENTS[s.name] for s in simulators]
    assert all(way.build_seconds > 0 and way.run_seconds > 0 for way in speed.ways)
    assert CosimSpeed.model_validate(speed.model_dump(mode="json")) == speed
    other = random_program(5, depth=4)
    with pytest.raises(CheckError, match=r"^the RTL of small must equal its program, but differs in Icarus"):
        measure_cosim("small", other, design, simulators[1:], tmp_path / "sim")
