"""Quartus without Quartus: summaries written by hand in its format, and a stand-in for `quartus_sh` on PATH.

No tool of Intel's takes part. What is tested is how our driver calls it, what files it finds then, and how what it
would leave is read; not that Quartus accepts them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firmware.random_programs import random_program
from trigforge.cli_synth import kept_rtl
from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.project import Project, Targets
from trigforge.firmware.synthesis import Block, Family, Resources, Synthesis
from trigforge.firmware.synthesis.compare import LEFT_TO_QUARTUS, MULTIPLIERS, Subject, compare_estimates, quartus_row
from trigforge.firmware.vendor.quartus import is_intel, run_quartus
from trigforge.firmware.vendor.quartus_reports import QuartusReport, read_quartus

REPORTS = Path(__file__).with_name("reports")
PART = "1SM21BHU2F53E1VG"
TARGETS = Targets(part=PART, clock_ns=5.0, ns_per_level=0.5)

FAKE = """#!{python}
import re, sys
from pathlib import Path
if sys.argv[1:] != ["-t", "build.tcl"]:
    sys.exit(f"arguments {{sys.argv[1:]}}")
given = dict(re.findall(r"^set (\\w+) {{(.*?)}}$", Path("settings.tcl").read_text(), re.DOTALL | re.MULTILINE))
sources = given["sources"].split()
modules = "".join(Path(source).read_text() for source in sources)
if not re.search(rf"^\\s*module {{given['top']}}\\b", modules, re.MULTILINE):
    sys.exit(f"no module {{given['top']}}")
if f"get_ports {{given['clock']}}]" not in Path("clock.sdc").read_text() or given["part"] != "{part}":
    sys.exit("no clock, or another part")
build = Path("build.tcl").read_text()
output = re.search(r"PROJECT_OUTPUT_DIRECTORY (\\w+)", build)[1]
if "execute_flow -compile" not in build:
    sys.exit("nothing is compiled")
print("\\ntrigforge: synthesis, placement and routing")
Path(output).mkdir(exist_ok=True)
for stage in {stages}:
    text = (Path("{reports}") / f"quartus_pro.{{stage}}.summary").read_text()
    Path(output, f"{{given['top']}}.{{stage}}.summary").write_text(text.replace("vae_core", {name}))
"""


def read(edition: str, **rest: object) -> QuartusReport:
    fit, sta = (REPORTS / f"quartus_{edition}.{stage}.summary" for stage in ("fit", "sta"))
    return read_quartus(fit, sta, "clk", 5.0, **rest)


def test_summaries_of_a_device_with_alms_are_read() -> None:
    assert read("pro") == QuartusReport(
        design="vae_core", device=PART, estimator="Quartus Prime 21.4.0 Pro place and route", cells=2345, unit="ALM",
        ff=1467, dsp=3, bram=2, clock_ns=5.0, wns_ns=-0.125, whs_ns=0.017,
        failing=("Slow 900mV 0C Model Setup 'clk'",),
    )  # fmt: skip
    assert read("pro").achieved_clock_ns == 5.125


def test_summaries_of_a_device_with_logic_elements_are_read() -> None:
    found = read("lite")
    assert (found.cells, found.unit, found.ff, found.dsp, found.bram) == (7654, "logic element", 1467, 4, 0)
    assert (found.estimator, found.device) == ("Quartus Prime 20.1.0 Lite place and route", "10M50DAF484C7G")
    assert (found.achieved_clock_ns, found.failing) == (3.75, ())


SPOILED = {
    "contain 'Device :'": ("fit", "Device : ", "Devices : "),
    "contain 'Top-level Entity Name :'": ("fit", "Top-level", "Top level"),
    r"contain 'Logic utilization \(in ALMs\)' or 'Total logic elements'": ("fit", "Logic utilization", "Utilization"),
    "contain 'Total dedicated logic registers' or 'Total registers'": ("fit", "Total dedicated", "Dedicated"),
    r"Total DSP Blocks in .* must be a whole number, not 'some'": ("fit", "3 / 3,960 ( < 1 % )", "some"),
    "the version of Quartus in .* must be such as": ("fit", "21.4.0 Build", "Build"),
    "slack of Setup of 'clk'; the clock must be constrained": ("sta", "Setup", "Recovery"),
    "slack of Hold of 'clk'; the clock must be constrained": ("sta", "Hold", "Removal"),
    "must be of the one clock 'clk', but has 'other' too": ("sta", "Hold 'clk'", "Hold 'other'"),
    "the slack of Slow 900mV 100C Model Setup 'clk' in .* must be a number, not 'n/a'": ("sta", "0.412", "n/a"),
    'must name the check and the clock of every slack, not "Slow 900mV 100C Model Set': ("sta", "Setup", "Set"),
}


@pytest.mark.parametrize("message", SPOILED)
def test_a_spoiled_summary_is_refused(tmp_path: Path, message: str) -> None:
    for stage in ("fit", "sta"):
        shutil.copy(REPORTS / f"quartus_pro.{stage}.summary", tmp_path / stage)
    stage, old, new = SPOILED[message]
    text = (tmp_path / stage).read_text()
    assert old in text
    (tmp_path / stage).write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_quartus(tmp_path / "fit", tmp_path / "sta", "clk", 5.0)


def test_a_fitter_that_failed_is_an_error(tmp_path: Path) -> None:
    text = (REPORTS / "quartus_pro.fit.summary").read_text().replace("Successful -", "Failed -")
    (tmp_path / "fit").write_text(text)
    with pytest.raises(CheckError, match=r"the Fitter of Quartus must succeed, but .*fit says 'Failed - Thu"):
        read_quartus(tmp_path / "fit", REPORTS / "quartus_pro.sta.summary", "clk", 5.0)
    with pytest.raises(InputError, match="absent cannot be read"):
        read_quartus(tmp_path / "absent", REPORTS / "quartus_pro.sta.summary", "clk", 5.0)


def test_memory_that_is_counted_in_bits_has_no_blocks(tmp_path: Path) -> None:
    text = (REPORTS / "quartus_lite.fit.summary").read_text().replace("bits : 0 /", "bits : 9,216 /")
    (tmp_path / "fit").write_text(text)
    assert read_quartus(tmp_path / "fit", REPORTS / "quartus_lite.sta.summary", "clk", 5.0).bram is None


def test_a_row_says_what_its_cells_are_and_what_fails() -> None:
    row = quartus_row(read("pro"))
    assert (row.stage, row.tool) == ("place and route", "Quartus Prime 21.4.0 Pro place and route, on virtual pins")
    assert (row.lut, row.ff, row.dsp, row.bram, row.period_ns) == (2345, 1467, 3, 2, 5.125)
    assert row.note == f"LUT: ALMs of {PART}; Slow 900mV 0C Model Setup 'clk' fails"
    assert quartus_row(read("lite")).note == "LUT: logic elements of 10M50DAF484C7G"


@pytest.mark.parametrize(
    ("part", "known"),
    [
        (PART, True),
        ("Arria10", True),
        ("10AX115N4F45E3SG", True),
        ("xcvu13p-flga2577-2-e", False),
        ("LFE5U-25F", False),
    ],
)
def test_parts_of_intel_are_known(part: str, known: bool) -> None:
    assert is_intel(part) == known


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a stand-in for quartus_sh first on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def put(stages: tuple[str, ...] = ("fit", "sta"), name: str = 'given["top"]') -> None:
        text = FAKE.format(python=sys.executable, part=PART, reports=REPORTS, stages=stages, name=name)
        (programs / "quartus_sh").write_text(text)
        (programs / "quartus_sh").chmod(0o755)

    return put


@pytest.fixture
def rtl(tmp_path: Path) -> RtlDesign:
    source = tmp_path / "rtl" / "vae_core.v"
    source.parent.mkdir()
    source.write_text("module vae_core(input clk); endmodule\n")
    port = Port("p", (Word(4, signed=True),))
    return RtlDesign((source,), "vae_core", "clk", port, port, 3)


def test_a_stand_in_for_quartus_gets_a_whole_project_and_is_read(
    rtl: RtlDesign, stand_in: Callable[..., None], tmp_path: Path
) -> None:
    stand_in()
    steps: list[str] = []
    assert run_quartus(rtl, TARGETS, tmp_path / "quartus", report=steps.append) == read("pro")
    assert steps == ["synthesis, placement and routing"]


def test_a_stand_in_for_quartus_that_leaves_less_is_an_error(
    rtl: RtlDesign, stand_in: Callable[..., None], tmp_path: Path
) -> None:
    folder = tmp_path / "quartus"
    stand_in()
    run_quartus(rtl, TARGETS, folder)
    stand_in(stages=("fit",))
    with pytest.raises(CheckError, match=r"Quartus must write .*vae_core.sta.summary, but did not; see .*run.log"):
        run_quartus(rtl, TARGETS, folder)
    stand_in(name="'other'")
    with pytest.raises(CheckError, match=r"vae_core.fit.summary must be of 'vae_core', not 'other'"):
        run_quartus(rtl, TARGETS, folder)
    rtl.sources[0].write_text("module other(input clk); endmodule\n")
    with pytest.raises(CheckError, match=r"ended with status 1; .*run.log ends: no module vae_core"):
        run_quartus(rtl, TARGETS, folder)


def test_without_quartus_the_scripts_are_left(rtl: RtlDesign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    folder = tmp_path / "quartus"
    with pytest.raises(MissingToolError, match=rf"quartus_sh must be on PATH.* bash {folder}/run.sh"):
        run_quartus(rtl, TARGETS, folder)
    assert (folder / "run.sh").is_file()


def mapped(block: Block, family: Family, _: Path) -> Synthesis:
    """What Yosys would say, in no time."""
    used = Resources(lut=9, ff=4, dsp=0, bram=0, carry=0, estimator="Yosys")
    return Synthesis(block=block.top, sources_digest="", family=family, resources=used, levels=2)


def test_a_comparison_has_a_row_of_the_stand_in_for_quartus(
    stand_in: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, project = random_program(5), Project(name="dut", targets=TARGETS)
    design, pipeline = kept_rtl(project, program, tmp_path / "out")
    subject = Subject("dut", program, design, pipeline, project.targets)
    with pytest.raises(InputError, match=f"must be of a family that Yosys maps to here, .*, not '{PART}'; give --fam"):
        compare_estimates(subject, tmp_path / "cache")
    stand_in()
    found = compare_estimates(subject, tmp_path / "cache")
    assert [row.stage for row in found.rows] == ["estimate", "estimate", "place and route"]
    assert (found.rows[-1].lut, found.rows[-1].period_ns, found.multipliers) == (2345, 5.125, LEFT_TO_QUARTUS)
    monkeypatch.setattr("trigforge.firmware.synthesis.compare.synthesise", mapped)
    both = compare_estimates(subject, tmp_path / "cache", Family.XCUP)
    assert [row.stage for row in both.rows] == ["estimate", "estimate", "mapping", "place and route"]
    assert (both.rows[2].note, both.multipliers) == (f"pipelined for {PART}", MULTIPLIERS)
