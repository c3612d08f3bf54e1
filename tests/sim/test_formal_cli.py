"""`trigforge prove`: the table of theorems, its file, and the errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trigforge import cli_prove
from trigforge.errors import CheckError, InputError
from trigforge.sim.formal import Proofs, Theorem, Verdict, theorems

PROJECTS = Path(__file__).parents[2] / "hls_projects"
SMALL = {"tf_threshold": ({"BITS": 2},)}


def test_a_projects_theorems_are_written_and_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(theorems, "SHAPES", SMALL)
    cli_prove.prove_project(PROJECTS / "regions_brevitas", tmp_path / "out", PROJECTS, 100.0, core=False, as_json=True)
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    proofs = Proofs.load(tmp_path / "out" / cli_prove.PROOFS_FILE)
    assert [t.name for t in proofs.theorems] == ["tf_threshold", "normaliser"]
    assert proofs.counts == {Verdict.PROVED: 2, Verdict.REFUTED: 0, Verdict.UNKNOWN: 0}
    assert content["ok"] is True
    assert content["tools"]["yosys"].startswith("Yosys ")
    assert "2 proved, 0 refuted, 0 unknown" in printed.err


def test_what_is_not_decided_in_time_is_unknown_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theorems, "SHAPES", SMALL)
    cli_prove.prove_project(PROJECTS / "regions_brevitas", tmp_path / "out", PROJECTS, 0.01, core=False, as_json=False)
    proofs = Proofs.load(tmp_path / "out" / cli_prove.PROOFS_FILE)
    assert {t.verdict for t in proofs.theorems} == {Verdict.UNKNOWN}


def test_a_refuted_theorem_fails_with_its_counterexample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "rtl" / "tf_threshold.sv"
    module.parent.mkdir()
    module.write_text((theorems.MODULES / module.name).read_text().replace(">=", ">"))
    monkeypatch.setattr(theorems, "SHAPES", SMALL)
    monkeypatch.setattr(theorems, "MODULES", module.parent)
    with pytest.raises(CheckError, match=r"tf_threshold \(BITS 2\) must hold, but does not: clock 0: rst="):
        cli_prove.prove_project(
            PROJECTS / "regions_brevitas", tmp_path / "out", PROJECTS, 100.0, core=False, as_json=False
        )


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"PROJECT must be the folder of a project.toml"):
        cli_prove.prove_project(tmp_path, tmp_path / "out", PROJECTS, None, core=False, as_json=False)


def test_a_time_that_is_negative_is_no_theorem() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Theorem(name="a", statement="b", scope="c", verdict=Verdict.PROVED, detail="d", seconds=-1.0)
