"""How vendor programs are run: found, timed out, failing, and leaving no report.

No vendor tool takes part. A shell script of the tool's name stands in for it, and only the handling of the process is
tested: arguments, working folder, log, steps, status, time limit and the reports that it left.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.process import run_logged
from trigforge.firmware.vendor.reports import read_csynth, read_vivado
from trigforge.firmware.vendor.scripts import RUN
from trigforge.firmware.vendor.vitis import run_vitis
from trigforge.firmware.vendor.vivado import run_vivado

REPORTS = Path(__file__).with_name("reports")
TOP = "vae_core"


@pytest.fixture
def hls(tmp_path) -> Path:
    source = tmp_path / "hls" / "firmware" / f"{TOP}.cpp"
    source.parent.mkdir(parents=True)
    source.touch()
    return source.parents[1]


@pytest.fixture
def rtl(tmp_path) -> RtlDesign:
    source = tmp_path / "rtl" / f"{TOP}.v"
    source.parent.mkdir()
    source.write_text("module vae_core(input clk); endmodule\n")
    port = Port("p", (Word(4, True),))
    return RtlDesign((source,), TOP, "clk", port, port, 3)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a shell script on PATH in a tool's place, and nothing else but the system's programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def put(name: str, *lines: str) -> None:
        (programs / name).write_text("\n".join(["#!/bin/bash", *lines, ""]))
        (programs / name).chmod(0o755)

    return put


HLS_REPORT = f"{TOP}_prj/solution1/syn/report/csynth.xml"
LEAVE_CSYNTH = f"mkdir -p $(dirname {HLS_REPORT}); cp {REPORTS / 'csynth.xml'} {HLS_REPORT}"
LEAVE_VIVADO = f"mkdir -p reports; cp {REPORTS / 'utilization.rpt'} {REPORTS / 'timing.rpt'} reports/"


@pytest.mark.parametrize(
    ("program", "arguments"), [("vitis-run", "--mode hls --tcl build.tcl"), ("vitis_hls", "-f build.tcl")]
)
def test_vitis_is_started_in_its_folder(program, arguments, hls, stand_in):
    stand_in(program, 'echo "$PWD $* $TRIGFORGE_STEPS" > called', "echo 'trigforge: csynth'", LEAVE_CSYNTH)
    steps: list[str] = []
    found = run_vitis(hls, TOP, Targets(), steps=("export", "csynth"), report=steps.append)
    assert found == read_csynth(REPORTS / "csynth.xml")
    assert (hls / "called").read_text() == f"{hls} {arguments} csynth export\n"
    assert steps == ["csynth"]
    assert (hls / "vitis.log").read_text() == "trigforge: csynth\n"


def test_vivado_is_started_in_its_folder(rtl, stand_in, tmp_path):
    stand_in("vivado", 'echo "$PWD $*" > called', "echo '# puts a'; echo 'trigforge: routing'", LEAVE_VIVADO)
    folder, steps = tmp_path / "vivado", []
    found = run_vivado(rtl, Targets(), folder, report=steps.append)
    assert found == read_vivado(REPORTS / "utilization.rpt", REPORTS / "timing.rpt")
    assert (folder / "called").read_text() == f"{folder} -mode batch -nojournal -log vivado.log -source build.tcl\n"
    assert steps == ["routing"]


def test_a_missing_tool_leaves_scripts_and_says_how_to_run_them(hls, rtl, stand_in, tmp_path):
    with pytest.raises(MissingToolError, match=rf"vitis-run or vitis_hls must be on PATH.* bash {hls}/run.sh"):
        run_vitis(hls, TOP, Targets())
    assert (hls / RUN).is_file()
    folder = tmp_path / "vivado"
    with pytest.raises(MissingToolError, match=rf"vivado must be on PATH.* bash {folder}/run.sh"):
        run_vivado(rtl, Targets(), folder)
    assert (folder / RUN).is_file()


def test_a_failing_tool_is_quoted(hls, stand_in):
    stand_in("vitis_hls", "echo 'ERROR: [HLS 200-70] no license'", "exit 3")
    with pytest.raises(CheckError, match=r"ended with status 3; .*vitis.log ends: ERROR: \[HLS 200-70\] no license"):
        run_vitis(hls, TOP, Targets())


def test_a_tool_that_takes_too_long_is_ended_with_its_children(hls, stand_in):
    stand_in("vitis_hls", "echo started", "(sleep 2; touch survived) &", "sleep 60")
    start = time.monotonic()
    with pytest.raises(CheckError, match=r"bash must end within 0.5 s; .*vitis.log ends: started"):
        run_vitis(hls, TOP, Targets(), timeout_s=0.5)
    assert time.monotonic() - start < 10
    time.sleep(2.5)
    assert not (hls / "survived").exists()


def test_a_report_of_an_earlier_run_is_not_taken(hls, rtl, stand_in, tmp_path):
    stand_in("vitis_hls", LEAVE_CSYNTH)
    stand_in("vivado", LEAVE_VIVADO)
    run_vitis(hls, TOP, Targets())
    run_vivado(rtl, Targets(), tmp_path / "vivado")
    stand_in("vitis_hls", "true")
    stand_in("vivado", f"{LEAVE_VIVADO}; rm reports/timing.rpt")
    with pytest.raises(CheckError, match=r"Vitis HLS must write .*csynth.xml, but did not; see .*vitis.log"):
        run_vitis(hls, TOP, Targets())
    with pytest.raises(CheckError, match=r"Vivado must write .*timing.rpt, but did not; see .*run.log"):
        run_vivado(rtl, Targets(), tmp_path / "vivado")


def test_half_a_report_is_refused(hls, stand_in):
    stand_in("vitis_hls", LEAVE_CSYNTH, f"head -c 900 {HLS_REPORT} > half; mv half {HLS_REPORT}")
    with pytest.raises(InputError, match=r"must be a whole csynth.xml"):
        run_vitis(hls, TOP, Targets())


def test_a_report_of_another_design_is_refused(hls, rtl, stand_in, tmp_path):
    stand_in("vitis_hls", LEAVE_CSYNTH, f"sed -i s/{TOP}/other/ {HLS_REPORT}")
    stand_in("vivado", LEAVE_VIVADO, f"sed -i s/{TOP}/other/ reports/*")
    with pytest.raises(CheckError, match=r"csynth.xml must be of 'vae_core', not 'other'"):
        run_vitis(hls, TOP, Targets())
    with pytest.raises(CheckError, match=r"utilization.rpt must be of 'vae_core', not 'other'"):
        run_vivado(rtl, Targets(), tmp_path / "vivado")


def test_steps_are_checked_before_anything_runs(hls):
    with pytest.raises(InputError, match="a step of Vitis HLS must be one of csim, csynth, cosim, export, not 'impl'"):
        run_vitis(hls, TOP, Targets(), steps=("csynth", "impl"))
    with pytest.raises(InputError, match="must include csynth"):
        run_vitis(hls, TOP, Targets(), steps=("csim",))


def test_a_folder_without_project_is_refused(tmp_path):
    with pytest.raises(InputError, match="must hold the HLS project of 'vae_core'; 'trigforge convert' writes it"):
        run_vitis(tmp_path, TOP, Targets())


def test_output_that_is_no_text_is_logged(tmp_path):
    steps: list[str] = []
    run_logged(["bash", "-c", r"printf '\xff\xfe\ntrigforge: a\n'"], tmp_path, tmp_path / "log", 20, steps.append)
    assert steps == ["a"]
