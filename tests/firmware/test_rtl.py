"""RTL and its estimate: packing, ownership, and Yosys' cells against a known design."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import DESIGN_FILE, read_rtl, write_rtl
from trigforge.firmware.synthesis import estimate, read_statistics, yosys_command

from .random_programs import random_program


def test_the_ports_hold_every_wired_bit(tmp_path: Path) -> None:
    program = random_program(3)
    design = write_rtl(program, Targets(), tmp_path / "rtl", "dut")
    text = (tmp_path / "rtl/src/dut.v").read_text()
    assert f"[{design.inputs.bits - 1}:0] model_inp" in text
    assert f"[{design.outputs.bits - 1}:0] model_out" in text
    assert len(design.inputs.words) == len(program.inputs)


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    write_rtl(random_program(3), Targets(), tmp_path / "rtl", "old")
    design = write_rtl(random_program(4), Targets(), tmp_path / "rtl", "new")
    assert not any("old" in path.name for path in design.sources)


def test_rtl_of_another_program_is_refused(tmp_path: Path) -> None:
    write_rtl(random_program(3), Targets(), tmp_path / "rtl", "dut")
    with pytest.raises(InputError, match=r"must be of program \w{12}, not \w{12}; run 'trigforge build' again"):
        read_rtl(random_program(4), tmp_path / "rtl", "dut")
    shutil.rmtree(tmp_path / "rtl/src")
    with pytest.raises(InputError, match="must hold the Verilog of 'dut'"):
        read_rtl(random_program(3), tmp_path / "rtl", "dut")
    (tmp_path / "rtl" / DESIGN_FILE).unlink()
    with pytest.raises(InputError, match=r"design.json cannot be read"):
        read_rtl(random_program(3), tmp_path / "rtl", "dut")


def test_yosys_counts_at_least_the_pipeline_registers(tmp_path: Path) -> None:
    design = write_rtl(random_program(6), Targets(), tmp_path / "a b" / "rtl", "dut")
    found = estimate(design, tmp_path / "a b" / "yosys")
    assert found.lut > 0
    assert found.dsp == 0
    assert 0 < found.ff <= (design.inputs.bits + design.outputs.bits) * design.latency_clocks
    assert found.estimator.startswith("Yosys ")


def test_broken_verilog_is_reported_with_its_line(tmp_path: Path) -> None:
    design = write_rtl(random_program(6), Targets(), tmp_path / "rtl", "dut")
    design.sources[0].write_text("module broken (")
    with pytest.raises(CheckError, match=r"yosys failed on dut: .*syntax error"):
        estimate(design, tmp_path / "yosys")


def test_statistics_are_counted_by_kind() -> None:
    text = 'noise {"design": {"num_cells_by_type": {"LUT6": 3, "LUT2": 1, "FDRE": 5, "CARRY4": 2, "BUFG": 1}}}'
    found = read_statistics(text, "x")
    assert (found.lut, found.ff, found.carry, found.dsp, found.bram) == (4, 5, 2, 0, 0)


def test_a_missing_yosys_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(MissingToolError, match="yosys must be installed for resource estimates; 'pip install yowasp-"):
        yosys_command()
