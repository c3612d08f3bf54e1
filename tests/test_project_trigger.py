"""`[trigger]` of a project: what it may say, what is written beside the core, and its level of the certificate."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trigforge import stages_firmware
from trigforge.cli import run_command
from trigforge.cli_verify import describe
from trigforge.config import RunConfig
from trigforge.conversion import ConvertedModel, convert_project
from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.filling import BCMS_LIKE, NOMINAL
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import TriggerTop, read_tops, write_rtl, write_tops
from trigforge.firmware.rtl.project_tops import TRIGGER, record_file
from trigforge.firmware.rtl.project_trigger import TriggerRecord
from trigforge.hardware import trigger_subject
from trigforge.pipeline import Run
from trigforge.sim.cosim import Certificate, find_simulator
from trigforge.sim.cosim.certificate import TRIGGER_LEVEL
from trigforge.sim.cosim.certify import certify_trigger, trigger_simulator
from trigforge.sim.cosim.vectors import make_vectors
from trigforge.verification import CERTIFICATE_FILE, REQUIRED, verify

from .test_verification import make_project, quietly

SHORT = '[trigger]\nscores = [0, 2]\nalgorithms = [2, 1]\norbit = 60\nfilling = "[12b+3e]x4"\n'


def project_of(folder: Path, table: str = SHORT, **targets: object) -> Project:
    """A small project with a trigger."""
    make_project(folder)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in targets.items()]
    text = (folder / "project.toml").read_text() + table + "[targets]\n" + "".join(lines)
    if targets.get("language") == "vhdl":
        text = text.replace('simulator = "icarus"', 'simulator = "ghdl"')
    (folder / "project.toml").write_text(text)
    return Project.load(folder / "project.toml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@pytest.fixture(scope="module")
def small(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ConvertedModel:
    return convert_project(project_of(folder), folder, tmp_path_factory.mktemp("build"))


def written(small: ConvertedModel, project: Project, folder: Path) -> TriggerTop:
    core = write_rtl(small.program, project.targets, folder / "rtl", project.top)
    trigger = write_tops(project, small.program, core, folder).trigger
    assert trigger is not None
    return trigger


def test_the_defaults_are_those_of_the_lhc(tmp_path: Path) -> None:
    project = project_of(tmp_path, "[trigger]\n")
    trigger = project.trigger
    assert trigger is not None
    assert (trigger.orbit, trigger.scheme, trigger.compares(3), project.clocks_per_bx) == (3564, NOMINAL, (0, 1, 2), 5)
    bcms = trigger.model_copy(update={"filling": "bcms", "algorithms": (1, 2, 1)})
    assert (bcms.scheme, bcms.compares(3)) == (BCMS_LIKE, (0, 1, 1, 2))
    assert Project.parse({"name": "core_alone"}, "x").trigger is None


@pytest.mark.parametrize(("clock_ns", "clocks"), [(25, 1), (6.25, 4), (5, 5), (4.1667, 6), (3.125, 8), (2.778, 9)])
def test_multiples_of_40_mhz(tmp_path: Path, clock_ns: float, clocks: int) -> None:
    assert project_of(tmp_path, clock_ns=clock_ns).clocks_per_bx == clocks


REFUSED = {
    "clock": (
        "[targets]\nclock_ns = 3.0\n[trigger]\n",
        r"integer \(a multiple of 40 MHz\), such as 2.7778 or 3.125, not 3;",
    ),
    "orbit": ("[trigger]\norbit = 60\n", "trigger: filling must have the orbit's 60 crossings, not 3564"),
    "filling": ('[trigger]\nfilling = "72c"\n', "trigger: a filling scheme must consist of runs such as"),
    "scores": ("[trigger]\nscores = [1, 1]\n", r"scores must be distinct indices of outputs, not \[1, 1\]"),
    "no number": ("[trigger]\nalgorithms = [0]\n", r"algorithms must be at least 1 for every score, not \[0\]"),
    "numbers": (
        "[trigger]\nscores = [0]\nalgorithms = [1, 1]\n",
        r"one number or one for each of 1 scores, not \[1, 1\]",
    ),
    "key": (
        "[trigger]\nalgos = 1\n",
        "unknown key 'trigger.algos'; known keys here: algorithms, filling, orbit, scores",
    ),
}


@pytest.mark.parametrize(("table", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_trigger_is_refused(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "project.toml").write_text('name = "small"\n' + table)
    with pytest.raises(InputError, match=message):
        Project.load(tmp_path / "project.toml")


def test_scores_that_the_program_has_not_are_refused(small: ConvertedModel, tmp_path: Path) -> None:
    for change, message in (
        ({"scores": (0, 3), "algorithms": (1,)}, r"scores must be 0\.\.2, outputs of the program, not \[0, 3\]"),
        ({"scores": (), "algorithms": (1, 1)}, r"one number or one for each of 3 scores, not \[1, 1\]"),
    ):
        trigger = small.project.trigger.model_copy(update=change)
        with pytest.raises(InputError, match=message):
            written(small, small.project.model_copy(update={"trigger": trigger}), tmp_path)


def test_a_trigger_is_written_beside_the_core_and_found_there(small: ConvertedModel, tmp_path: Path) -> None:
    trigger = written(small, small.project, tmp_path)
    record = TriggerRecord.load(record_file(tmp_path, TRIGGER))
    assert [a.output for a in record.algorithms] == [0, 0, 2]
    assert [a.first_bit for a in record.algorithms] == [0, 0, trigger.score_port.words[0].width]
    assert (record.clocks_per_bx, record.latency_clocks) == (5, trigger.core.latency_clocks + 2)
    assert all((tmp_path / "trigger" / name).is_file() for name in record.sources)
    assert read_tops(small.project, small.program, trigger.core, tmp_path).trigger == trigger
    other = small.project.model_copy(update={"trigger": small.project.trigger.model_copy(update={"scores": (0, 1)})})
    with pytest.raises(InputError, match="must be of this project; run 'trigforge build' again"):
        read_tops(other, small.program, trigger.core, tmp_path)
    (tmp_path / "trigger" / "tf_align.sv").unlink()
    with pytest.raises(InputError, match=r"must hold the trigger 'small_trigger', but tf_align\.sv is missing"):
        read_tops(small.project, small.program, trigger.core, tmp_path)


def test_the_budget_is_the_triggers(small: ConvertedModel, tmp_path: Path) -> None:
    core = write_rtl(small.program, small.project.targets, tmp_path / "rtl", small.project.top)
    budget = {"latency_budget_ns": 5.0 * core.latency_clocks + 9}
    tight = small.project.model_copy(update={"targets": small.project.targets.model_copy(update=budget)})
    with pytest.raises(
        InputError, match=r"at least \d+ ns for the trigger of 'small' \(\d+ clocks of the core and 2 beh"
    ):
        write_tops(tight, small.program, core, tmp_path)


def test_the_certificate_has_the_trigger(small: ConvertedModel, folder: Path, tmp_path: Path) -> None:
    core = write_rtl(small.program, small.project.targets, tmp_path / "rtl", small.project.top)
    verified = verify(small, folder, core, tmp_path, find_simulator("icarus"), quietly, 40)
    verified.require()
    certificate = verified.certificate
    assert verified.required == (*REQUIRED, TRIGGER_LEVEL)
    level = certificate.levels[-1]
    assert (level.name, level.mismatches) == (TRIGGER_LEVEL, 0)
    assert level.vectors.keys() == {"collision", "empty", "idle"}
    assert certificate.trigger_latency_clocks == certificate.latency_clocks + 2
    assert certificate.trigger_latency_ns == certificate.latency_ns + 10
    assert len(certificate.digests["trigger"]) == 64
    assert f"; trigger {certificate.trigger_latency_clocks} clocks = " in "\n".join(describe(certificate))
    certificate.require_latency(certificate.trigger_latency_ns)
    with pytest.raises(CheckError, match=rf"but {certificate.trigger_latency_clocks} clocks of 5 ns are"):
        certificate.require_latency(certificate.latency_ns)
    certificate.save(tmp_path / CERTIFICATE_FILE)
    assert Certificate.load(tmp_path / CERTIFICATE_FILE) == certificate
    alone = certificate.model_copy(update={"levels": certificate.levels[:-1], "trigger_latency_clocks": None})
    assert "trigger_latency_clocks" not in alone.model_dump_json()
    with pytest.raises(CheckError, match="must hold the levels program_vs_trigger, but does not"):
        replace(verified, certified=replace(verified.certified, certificate=alone)).require()


def test_one_changed_character_of_the_trigger_is_found(small: ConvertedModel, tmp_path: Path) -> None:
    trigger = written(small, small.project, tmp_path)
    source = tmp_path / "trigger" / "tf_threshold.sv"
    source.write_text(source.read_text().replace(">= (limit", "> (limit"))
    vectors = make_vectors(*small.contract.limits(), random=100, saturating=20, seed=1)
    level = {"name": "csim_vs_program", "words": 1, "mismatches": 0}
    plain = {"name": "small", "levels": [level], "vectors": {}, "ii": 1, "clock_ns": 5, "tools": {}, "digests": {}}
    before = Certificate.parse(plain | {"latency_clocks": trigger.core.latency_clocks}, "x")
    subject = trigger_subject(small.project, trigger, small.program, tmp_path / "trigger")
    after, _ = certify_trigger(before, subject, vectors, find_simulator("icarus"), tmp_path / "sim")
    with pytest.raises(
        CheckError, match=r"program_vs_trigger must agree on every word, but \d+ of \d+ differ; first at"
    ):
        after.require(TRIGGER_LEVEL)


def test_a_vhdl_core_gets_a_trigger_too(small: ConvertedModel, folder: Path, tmp_path: Path) -> None:
    """Around its netlist as GHDL writes it, in a simulator of Verilog."""
    try:
        ghdl = find_simulator("ghdl")
    except MissingToolError as error:
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(str(error))
    project = project_of(tmp_path, language="vhdl")
    converted = replace(small, project=project)
    core = write_rtl(small.program, project.targets, tmp_path / "rtl", project.top)
    verified = verify(converted, folder, core, tmp_path, ghdl, quietly, 40)
    verified.require()
    certificate = verified.certificate
    assert certificate.levels[-1].name == TRIGGER_LEVEL
    assert certificate.tools["simulator"].startswith("GHDL")
    assert certificate.tools["trigger_simulator"] == trigger_simulator(ghdl).label
    netlist = (tmp_path / "trigger" / "core" / "small_core.v").read_text()
    assert "module small_core" in netlist
    assert str(tmp_path) not in netlist
    trigger = read_tops(project, small.program, core, tmp_path).trigger
    assert trigger.core.sources == (tmp_path / "trigger" / "core" / "small_core.v",)


def test_the_command_shows_the_trigger(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["verify", str(folder), "--out", str(tmp_path), "--events", "20", "--json"]) == 0
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert said["trigger_latency_ns"] == said["trigger_latency_clocks"] * 5.0
    assert said["levels"][-1]["name"] == TRIGGER_LEVEL
    assert "program_vs_trigger" in captured.err
    assert (tmp_path / "trigger" / "small_trigger.sv").is_file()
    assert np.all([level["mismatches"] == 0 for level in said["levels"]])


def test_a_run_writes_the_trigger_and_sees_what_changes_it(small: ConvertedModel, tmp_path: Path) -> None:
    def run_of(**changes: object) -> Run:
        trigger = small.project.trigger.model_copy(update=changes)
        project = small.project.model_copy(update={"trigger": trigger})
        return Run(RunConfig(project=project), tmp_path / "run", tmp_path / "projects")

    run, source = run_of(), tmp_path / "projects" / "small" / "build" / "trigger" / "tf_rates.sv"
    small.program.save(run.path("firmware", "program.json.gz"))
    said = stages_firmware.make_rtl(run, quietly)
    assert said.endswith("; trigger of 3 algorithms, 6 clocks, 5 a crossing")
    first = stages_firmware.rtl_state(run)
    assert stages_firmware.rtl_is_intact(run)
    for change in ({"algorithms": (1, 1)}, {"scores": (0, 1)}, {"filling": "60b"}):
        assert not stages_firmware.rtl_is_intact(run_of(**change))
    source.write_text(source.read_text() + "// edited\n")
    assert stages_firmware.rtl_is_intact(run)
    edited = stages_firmware.rtl_state(run)
    stages_firmware.make_rtl(run_of(filling="60b"), quietly)
    assert len({first, edited, stages_firmware.rtl_state(run_of(filling="60b"))}) == 3
    source.unlink()
    assert not stages_firmware.rtl_is_intact(run)
