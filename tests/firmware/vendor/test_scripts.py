"""Scripts for vendor tools: golden files, and the Tcl run by a Tcl interpreter that records the tool's commands.

The golden files are what these functions write: `pytest tests/firmware/vendor/test_scripts.py --basetemp=DIR` leaves
them in DIR/test_scripts_are_those_of_the_go*/.
"""

from __future__ import annotations

import subprocess
import tkinter
from pathlib import Path

import pytest

from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.hls_tools import HLS_TOOLS
from trigforge.firmware.vendor.scripts import (
    BUILD,
    RUN,
    hls_scripts,
    quartus_scripts,
    tcl_settings,
    vitis_scripts,
    vivado_scripts,
    write_scripts,
)

GOLDEN = Path(__file__).with_name("golden")
TARGETS = Targets(part="xcvu13p-flga2577-2-e", clock_ns=2.5)
INTEL = Targets(part="1SM21BHU2F53E1VG", clock_ns=2.5)
PORT = Port("p", (Word(4, True),))


def design(folder: Path, *names: str) -> RtlDesign:
    return RtlDesign(tuple(folder / name for name in names), "core", "clk", PORT, PORT, 3)


def scripts(kind: str, folder: Path) -> dict[str, str]:
    rtl = design(folder.parent / "rtl" / "src", "a.v", "b.sv", "core.vhd")
    if kind == "vivado":
        return vivado_scripts(rtl, TARGETS, folder)
    if kind == "quartus_rtl":
        return quartus_scripts(rtl, INTEL, folder)
    tool = HLS_TOOLS[kind]
    return hls_scripts(tool, "core", Targets(part=tool.example, clock_ns=2.5))


KINDS = ["vivado", "quartus_rtl", *HLS_TOOLS]


@pytest.mark.parametrize("kind", KINDS)
def test_scripts_are_those_of_the_golden_files(kind, tmp_path):
    folder = tmp_path / kind
    write_scripts(scripts(kind, folder), folder)
    golden = GOLDEN / kind
    assert {p.name for p in folder.iterdir()} == {p.name for p in golden.iterdir()}
    for path in golden.iterdir():
        assert (folder / path.name).read_text() == path.read_text(), path.name


@pytest.mark.parametrize("kind", KINDS)
def test_shell_scripts_are_valid_and_name_the_missing_tool(kind, tmp_path):
    folder = tmp_path / kind
    write_scripts(scripts(kind, folder), folder)
    assert (folder / RUN).stat().st_mode & 0o111 == 0o111
    found = subprocess.run(
        ["/bin/bash", str(folder / RUN)],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert found.returncode == 127
    assert "must be on PATH" in found.stderr


def interpret(folder: Path, environment: dict[str, str], monkeypatch) -> list[str]:
    """Run build.tcl from another folder; commands that Tcl does not know are recorded, with where they were called."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tcl = tkinter.Tcl()
    calls: list[str] = []
    where: set[str] = set()

    def record(*words: str) -> None:
        calls.append(" ".join(words))
        where.add(tcl.eval("pwd"))

    tcl.createcommand("record", record)
    tcl.eval("proc unknown {args} { record {*}$args }; proc puts {args} {}; proc exit {} {}; proc load_package {n} {}")
    monkeypatch.chdir("/")
    tcl.eval(f"source {{{folder / BUILD}}}")
    assert where == {str(folder)}
    return calls


def test_vitis_steps_run_in_order_from_any_folder(tmp_path, monkeypatch):
    write_scripts(vitis_scripts("core", TARGETS), tmp_path)
    calls = interpret(tmp_path, {"TRIGFORGE_STEPS": "export csynth csim"}, monkeypatch)
    assert calls[0] == "open_project -reset core_prj"
    assert "create_clock -period 2.5 -name default" in calls
    assert "set_part xcvu13p-flga2577-2-e" in calls
    assert calls[-3:] == ["csim_design", "csynth_design", "export_design -format ip_catalog"]


def test_vitis_refuses_an_unknown_step(tmp_path, monkeypatch):
    write_scripts(vitis_scripts("core", TARGETS), tmp_path)
    with pytest.raises(tkinter.TclError, match="a step must be csim, csynth, cosim or export, not 'impl'"):
        interpret(tmp_path, {"TRIGFORGE_STEPS": "csynth impl"}, monkeypatch)


def test_vivado_routes_before_it_reports(tmp_path, monkeypatch):
    folder = tmp_path / "vivado"
    write_scripts(scripts("vivado", folder), folder)
    calls = interpret(folder, {}, monkeypatch)
    sources = [call for call in calls if call.startswith("read_")]
    assert sources == [
        "read_verilog ../rtl/src/a.v",
        "read_verilog -sv ../rtl/src/b.sv",
        "read_vhdl -vhdl2008 ../rtl/src/core.vhd",
        "read_xdc -mode out_of_context clock.xdc",
    ]
    assert "synth_design -top core -part xcvu13p-flga2577-2-e -mode out_of_context" in calls
    routed = calls.index("route_design")
    assert calls[routed + 1 : routed + 3] == [
        "report_utilization -file reports/utilization.rpt",
        "report_timing_summary -max_paths 10 -file reports/timing.rpt",
    ]
    assert (folder / "reports").is_dir()


def test_quartus_names_every_source_and_constraint(tmp_path, monkeypatch):
    folder = tmp_path / "quartus"
    write_scripts(scripts("quartus_rtl", folder), folder)
    calls = interpret(folder, {}, monkeypatch)
    assert "set_global_assignment -name DEVICE 1SM21BHU2F53E1VG" in calls
    assert "set_global_assignment -name SYSTEMVERILOG_FILE ../rtl/src/b.sv" in calls
    assert "set_global_assignment -name SDC_FILE clock.sdc" in calls
    assert calls[-2:] == ["execute_flow -compile", "project_close"]


@pytest.mark.parametrize("kind", ["vivado", "quartus_rtl"])
def test_a_source_of_another_language_is_refused(kind, tmp_path, monkeypatch):
    make = vivado_scripts if kind == "vivado" else quartus_scripts
    write_scripts(make(design(tmp_path, "core.c"), TARGETS if kind == "vivado" else INTEL, tmp_path), tmp_path)
    with pytest.raises(tkinter.TclError, match=r"a source must be .v, .sv or .vhd, not 'core.c'"):
        interpret(tmp_path, {}, monkeypatch)


def test_devices_and_paths_that_no_script_can_name_are_refused(tmp_path):
    rtl = design(tmp_path, "core.v")
    with pytest.raises(InputError, match=r"targets.part must be a device that Vivado builds for, not '1SM21"):
        vivado_scripts(rtl, INTEL, tmp_path)
    with pytest.raises(InputError, match=r"targets.part must be a device that Quartus builds for, not 'xcvu13p"):
        quartus_scripts(rtl, TARGETS, tmp_path)
    with pytest.raises(InputError, match=r"must have no spaces to go into a Tcl list, not 'a b.v'"):
        vivado_scripts(design(tmp_path, "a b.v"), TARGETS, tmp_path)
    with pytest.raises(InputError, match="part must have no braces and no backslashes"):
        tcl_settings({"part": "a}b"})
