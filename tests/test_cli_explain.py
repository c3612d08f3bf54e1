"""`trigforge explain`: what it writes, which events it takes, and what it says to mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from trigforge.calibration.thresholds import ThresholdRow, ThresholdTable, scan_thresholds, threshold_for
from trigforge.cli import run_command
from trigforge.contract import Collection, InputContract, kinematics
from trigforge.events import iterate_words, write_events
from trigforge.explain import Explanations, Kind
from trigforge.explain.objects import Layout
from trigforge.firmware.package.golden import as_events, physical_values
from trigforge.firmware.program import IntegerProgram

from .firmware.package.toys import CALO, toy_program

EVENTS = 300


def contract() -> InputContract:
    collections = (
        Collection(name="L1MET", count=1, fields=kinematics(**{**CALO, "eta_max": 0})),
        Collection(name="L1Jet", count=2, fields=kinematics(**CALO)),
    )
    return InputContract(name="events", collections=collections)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of a run: program, contract, threshold, events."""
    folder = tmp_path_factory.mktemp("my-run")
    used = contract()
    used.save(folder / "model/contract.json")
    program = toy_program(used, 4)
    program.save(folder / "firmware/program.json.gz")
    words = used.encode(as_events(used, np.abs(physical_values(used, EVENTS, 1)) % 50))
    sorted_words = Layout.of(used).in_order(words).astype(np.int64)
    write_events(
        folder / "events.parquet", ak.with_field(used.decode(sorted_words), np.full(EVENTS, 1 / EVENTS), "weight")
    )
    scores = program(sorted_words)[:, 0]
    row = threshold_for(scores, np.full(EVENTS, 1 / EVENTS), 3000.0)
    row.save(folder / "calibration/threshold.json")
    table = scan_thresholds(scores, np.full(EVENTS, 1 / EVENTS), program_digest=program.digest)
    table.save(folder / "calibration/thresholds.json")
    return folder


def explain(*arguments: object) -> int:
    return run_command(["explain", *map(str, arguments)])


def test_events_are_explained_and_everything_is_written(run: Path, tmp_path: Path, capsys) -> None:
    few = ("--count", 40, "--words", 5, "--shown", 1, "--out", tmp_path / "out")
    assert explain(run, run / "events.parquet", *few, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    found = Explanations.load(tmp_path / "out/explanations.json")
    row = ThresholdRow.load(run / "calibration/threshold.json")
    assert said["threshold"] == found.threshold == row.threshold
    assert [g.kind for g in found.groups] == [Kind.BACKGROUND, Kind.ACCEPTED]
    names = {"explanations.json", "explanations.parquet"}
    names |= {f"{n}.{f}" for n in ("objects", "fields", "event_1", "event_2") for f in ("png", "svg")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names == {Path(f).name for f in said["files"]}
    table = pq.read_table(tmp_path / "out/explanations.parquet")
    assert len(table) == said["events"]
    words = np.concatenate(list(iterate_words(run / "events.parquet", contract())))
    scores = IntegerProgram.load(run / "firmware/program.json.gz")(words)[:, 0]
    assert_array_equal(table["score"].to_numpy(), scores[table["event"].to_numpy()])


def test_another_output_and_threshold_can_be_asked_for(run: Path, tmp_path: Path) -> None:
    options = ("--count", 5, "--words", 2, "--shown", 0, "--output", 1, "--threshold", 0, "--out", tmp_path)
    assert explain(run, run / "events.parquet", *options) == 0
    found = Explanations.load(tmp_path / "explanations.json")
    assert (found.output, found.threshold, found.shown) == (1, 0, ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{run}", "{run}/none.parquet"), "none.parquet"),
        (("{run}", "{run}/events.parquet", "--output", "9"), "--output must be 0..3, outputs of the program, not 9"),
        (("{dir}", "{run}/events.parquet"), "must be the folder of a run, a conversion or a project"),
        (("{run}/firmware", "{run}/events.parquet", "--contract", "{dir}/other.json"), "the contract must be the one"),
        (("{dir}/far",), "EVENTS must be given for contract 'far': samples of collisions have no Far"),
        (("{dir}/stale", "{run}/events.parquet"), "threshold.json must be of the program of"),
    ],
)
def test_mistakes_get_one_line(run: Path, tmp_path: Path, arguments: tuple[str, ...], message: str, capsys) -> None:
    contract().model_copy(update={"name": "other"}).save(tmp_path / "other.json")
    far = InputContract(name="far", collections=(Collection(name="Far", count=2, fields=kinematics(**CALO)),))
    far.save(tmp_path / "far/contract.json")
    toy_program(far, 1).save(tmp_path / "far/program.json.gz")
    stale = tmp_path / "stale"
    contract().save(stale / "model/contract.json")
    toy_program(contract(), 5).save(stale / "firmware/program.json.gz")
    for name, kind in (("threshold", ThresholdRow), ("thresholds", ThresholdTable)):
        kind.load(run / f"calibration/{name}.json").save(stale / f"calibration/{name}.json")
    where = ("--out", str(tmp_path / "out"))
    assert explain(*(a.format(dir=tmp_path, run=run) for a in arguments), *where) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
