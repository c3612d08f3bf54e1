"""`trigforge build --tool`: which files of a run a tool gets, and where its report goes.

A shell script stands in for Vitis HLS; see `test_runs`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trigforge.cli import TARGETS
from trigforge.cli_build import build_with, describe
from trigforge.config import STORED, RunConfig
from trigforge.errors import MissingToolError
from trigforge.firmware.project import Project
from trigforge.firmware.vendor.reports import HlsReport, read_csynth, read_vivado
from trigforge.stages import STAGES

REPORTS = Path(__file__).with_name("reports")


@pytest.fixture
def run(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A run's folder and its projects' folder, converted as far as the tool looks; PATH without vendor tools."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    out, projects = tmp_path / "out", tmp_path / "projects"
    RunConfig(project=Project(name="vae")).save(out / STORED)
    source = projects / "vae" / "build" / "hls" / "firmware" / "vae_core.cpp"
    source.parent.mkdir(parents=True)
    source.touch()
    return out, projects


def test_vitis_report_is_saved_with_the_run(run, tmp_path, capsys):
    program = tmp_path / "bin" / "vitis_hls"
    program.parent.mkdir()
    where = "vae_core_prj/solution1/syn/report"
    program.write_text(f"#!/bin/bash\nmkdir -p {where}\ncp {REPORTS / 'csynth.xml'} {where}/\n")
    program.chmod(0o755)
    build_with("vitis", *run, as_json=True)
    saved = HlsReport.load(run[0] / "firmware" / "vitis.json")
    assert saved == read_csynth(REPORTS / "csynth.xml")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"tool": "vitis", "report": saved.model_dump(mode="json")}
    assert "23456 LUT" in printed.err


def test_a_missing_tool_names_the_run_s_scripts(run):
    with pytest.raises(MissingToolError, match=r"bash .*/projects/vae/build/hls/run.sh"):
        build_with("vitis", *run, as_json=False)


def test_tools_build_upon_stages_that_exist():
    assert all(stage in STAGES for stages in TARGETS.values() for stage in stages)


def test_reports_in_one_line():
    assert describe(read_csynth(REPORTS / "csynth.xml")) == (
        "23456 LUT, 4321 FF, 17 DSP, 2 BRAM18, 0 URAM (Vitis HLS 2024.1 csynth); 10 clocks, II 1, 3.612 of 5 ns"
    )
    assert describe(read_vivado(REPORTS / "utilization.rpt", REPORTS / "timing.rpt")) == (
        "12345 LUT, 6789 FF, 12 DSP, 7 BRAM18, 1 URAM (Vivado 2024.1 place and route); 5.219 of 5 ns, 11 endpoints fail"
    )
