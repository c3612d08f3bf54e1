"""Families, netlists and what is counted in them, on netlists small enough to check by hand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.synthesis import (
    NETLIST,
    Block,
    Family,
    family_of,
    logic_levels,
    nextpnr_command,
    nextpnr_version,
    read_statistics,
    synthesise,
    yosys_version,
)
from trigforge.firmware.synthesis.tools import run_tool

MAC = Path(__file__).with_name("mac.v")


@pytest.mark.parametrize(
    ("part", "family"),
    [
        ("xcvu13p-flga2577-2-e", Family.XCUP),
        ("xcku5p-ffvb676-2-e", Family.XCUP),
        ("XC7VX690T-ffg1927-2", Family.XC7),
        ("LFE5U-85F-8BG381C", Family.ECP5),
    ],
)
def test_the_part_decides_the_family(part: str, family: Family) -> None:
    assert family_of(part) is family


def test_a_part_of_no_known_family_is_refused() -> None:
    with pytest.raises(InputError, match=r"must be of a family .* xcup \(UltraScale\+\).* not '1SM21BHU2F53E1VG'"):
        family_of("1SM21BHU2F53E1VG")


def test_cells_are_counted_by_kind() -> None:
    cells = {"LUT6": 3, "SRL16E": 2, "RAM64M": 1, "INV": 4, "FDRE": 5, "CARRY4": 6, "RAMB36E2": 1, "BUFG": 1, "LUT4": 1}
    text = "noise " + json.dumps({"design": {"num_cells_by_type": cells}})
    found = read_statistics(text, "x", Family.XCUP)
    assert (found.lut, found.shift, found.inverters, found.ff, found.carry, found.bram) == (7, 2, 4, 5, 6, 1)
    cells = {"LUT4": 7, "CCU2C": 3, "TRELLIS_FF": 2, "PFUMX": 9, "MULT18X18D": 1, "DP16KD": 1, "$scopeinfo": 8}
    found = read_statistics(json.dumps({"design": {"num_cells_by_type": cells}}), "x", Family.ECP5)
    assert (found.lut, found.ff, found.carry, found.dsp, found.bram) == (7, 2, 3, 1, 1)


def netlist(folder: Path, cells: dict[str, tuple[str, dict[str, int], dict[str, int]]]) -> Path:
    """A netlist of cells by name: kind, inputs and outputs with their wires."""
    content = {
        name: {
            "type": kind,
            "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
            "connections": {port: [bit] for port, bit in (inputs | outputs).items()},
        }
        for name, (kind, inputs, outputs) in cells.items()
    }
    (folder / NETLIST).write_text(json.dumps({"modules": {"m": {"attributes": {"top": "1"}, "cells": content}}}))
    return folder


def test_a_carry_chain_is_one_level_of_an_ecp5(tmp_path: Path) -> None:
    cells = {
        "a": ("LUT4", {"A": 2}, {"Z": 3}),
        "c0": ("CCU2C", {"A0": 3, "CIN": 9}, {"COUT": 4}),
        "c1": ("CCU2C", {"B0": 2, "CIN": 4}, {"S0": 5}),
        "b": ("LUT4", {"A": 5}, {"Z": 6}),
        "m": ("PFUMX", {"ALUT": 6}, {"Z": 7}),
        "f": ("TRELLIS_FF", {"DI": 7}, {"Q": 2}),
    }
    assert logic_levels(netlist(tmp_path, cells), Family.ECP5) == 3


def test_luts_alone_are_levels_of_xilinx_devices_and_shift_registers_end_a_path(tmp_path: Path) -> None:
    cells = {
        "a": ("LUT6", {"I0": 2}, {"O": 3}),
        "c": ("CARRY4", {"S": 3}, {"O": 4}),
        "b": ("LUT2", {"I0": 4}, {"O": 5}),
        "s": ("SRL16E", {"D": 5}, {"Q": 6}),
        "d": ("LUT3", {"I0": 6}, {"O": 7}),
    }
    assert logic_levels(netlist(tmp_path, cells), Family.XCUP) == 2


def test_a_block_is_mapped_once_until_a_source_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, cache = tmp_path / "mac.v", tmp_path / "cache"
    shutil.copy(MAC, source)
    block = Block((source,), "mac", "clk")
    first = synthesise(block, Family.ECP5, cache)
    assert first.resources.estimator == f"{yosys_version()} synth_ecp5 -nodsp"
    assert first.resources.ff == 16
    assert first.resources.dsp == 0
    assert first.resources.lut > 16
    assert first.sources_digest == block.digest
    monkeypatch.setattr("trigforge.firmware.synthesis.yosys.run_tool", refuse)
    assert synthesise(block, Family.ECP5, cache) == first
    source.write_text(source.read_text().replace("+ word", "- word"))
    with pytest.raises(AssertionError, match="a tool was started"):
        synthesise(block, Family.ECP5, cache)
    assert [path.name for path in cache.iterdir()] == [path.name for path in cache.glob("map_*")]


def refuse(*_: object) -> str:
    raise AssertionError("a tool was started")


def test_what_a_tool_left_when_it_failed_stays(tmp_path: Path) -> None:
    source = tmp_path / "mac.v"
    source.write_text("module mac (")
    with pytest.raises(
        CheckError, match=r"yosys failed on mac: .*syntax error.*; see .*/failed_map_\w+/yosys\.log$"
    ) as e:
        synthesise(Block((source,), "mac", "clk"), Family.ECP5, tmp_path / "cache")
    assert Path(str(e.value).split("; see ")[1]).is_file()
    with pytest.raises(InputError, match=r"the source .*none\.v of 'mac' cannot be read: No such file"):
        synthesise(Block((tmp_path / "none.v",), "mac", "clk"), Family.ECP5, tmp_path / "cache")


def test_a_tool_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match=r"sleep did not finish mac within 0\.1 s; see .*sleep\.log"):
        run_tool(["sleep", "20"], tmp_path, "mac", tmp_path / "sleep.log", 0.1)


def test_a_missing_place_and_route_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(MissingToolError, match=r"nextpnr-ecp5 must be installed for .*; 'pip install yowasp-nextpnr-e"):
        nextpnr_command()


def test_a_program_that_is_no_nextpnr_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nextpnr-ecp5"
    program.write_text("#!/bin/sh\necho cannot open shared object >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CheckError, match="--version' must say its version, but said 'cannot open shared object'; inst"):
        nextpnr_version()
