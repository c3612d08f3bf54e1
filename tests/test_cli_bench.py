"""`trigforge bench emulator`: what it measures is consistent, and what differs is not measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from trigforge import bench_emulator as bench
from trigforge.cli import run_command
from trigforge.firmware.emulator import Emulator

FROZEN = Path(__file__).parent / "qkeras_zoo" / "frozen" / "frozen.h5"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with np.load(FROZEN.with_suffix(".npz")) as file:
        kind = str(file["kind"])
    shutil.copy(FROZEN, tmp_path)
    (tmp_path / "project.toml").write_text(
        f'name = "small"\n[model]\nfile = "{FROZEN.name}"\ninput = "{kind}"\n[verification]\nrandom = 100\n'
    )
    return tmp_path


def test_competitors_are_measured_on_the_same_words(project: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(bench, "DATA_BYTES", 1 << 22)
    assert run_command(["bench", "emulator", str(project), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    report = bench.BenchReport.model_validate(said)
    (speed,) = report.projects
    assert report.read_gb_per_second > 0.1
    assert report.lane_gbits_per_second > 1
    # What is faster by orders of magnitude is so on any machine.
    assert speed.over_csim > 5
    assert speed.over_alkaid > 1
    assert 0 < speed.of_roof < 1.5
    assert speed.all_cores <= 1.5 * speed.add_roof
    assert speed.peak_mb < 200


def test_an_emulator_that_differs_is_not_measured(project: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(bench, "DATA_BYTES", 1 << 20)
    right = Emulator.__call__
    monkeypatch.setattr(Emulator, "__call__", lambda self, *args, **options: right(self, *args, **options) + 1)
    assert run_command(["bench", "emulator", str(project)]) == 1
    assert "the emulator must equal the program of small, but differs in" in capsys.readouterr().err


def test_there_must_be_a_project(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["bench", "emulator"]) == 2
    assert "a project must be given, or the working folder must hold hls_projects" in capsys.readouterr().err
