"""`trigforge compare` from files to exit codes: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from recorded.cases import CONTRACT, scores, small_program, words_of, write

from trigforge.cli import run_command
from trigforge.recorded import Comparison

EVENTS = 600
FAULT = "L1Jet0_pt is truncated by 1 bit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted program with its contract, and recordings with and without a fault."""
    made = tmp_path_factory.mktemp("compare")
    small_program().save(made / "program" / "program.json.gz")
    CONTRACT.save(made / "program" / "contract.json")
    words = words_of(EVENTS)
    wrong = words.copy()
    wrong[:, 3] = wrong[:, 3] // 2 * 2
    places = {"run": np.full(EVENTS, 3), "bunchCrossing": np.arange(EVENTS) % 50}
    recorded = {"good": scores(words), "bad": scores(wrong), "real": scores(wrong) / 4, "off": scores(words) / 3}
    write(made / "events.parquet", words, {**recorded, **places, "bit": scores(words) >= 90})
    write(made / "none.parquet", words[:0], {"good": recorded["good"][:0]})
    return made


def compare(
    folder: Path, *arguments: str, events: str = "events.parquet", out: str = "out", plots: bool = False
) -> int:
    paths = (str(folder / "program"), str(folder / events))
    drawn = () if plots else ("--no-plots",)
    return run_command(["compare", *paths, *arguments, "--out", str(folder / out), *drawn])


def test_agreement_is_a_success(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folder, "-r", "good", "-r", "bit", "-t", "90", "--json") == 0
    said = capsys.readouterr()
    result = Comparison.model_validate_json(said.out)
    assert (result.mismatch.count, result.mismatch.total, result.program) == (0, EVENTS, small_program().digest)
    assert [c.label for c in result.columns] == ["good", "bit>=90"]
    assert f"all {EVENTS} events agree" in said.err
    assert Comparison.load(folder / "out" / "comparison.json") == result


def test_a_fault_is_a_failed_check_and_named_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folder, "-r", "real", "-t", "90", "--examples", "7", "--json", out="bad", plots=True) == 1
    said = capsys.readouterr()
    result = Comparison.model_validate_json(said.out)
    (line,) = [line for line in said.err.splitlines() if line.startswith("trigforge: ")]
    wrong = result.mismatch.count
    assert f"at most a fraction 0 of events must mismatch, but {wrong} of {EVENTS} do: {wrong} of {wrong}" in line
    assert FAULT in line
    assert "(Holm)" in said.err
    assert "both " in said.err
    for name in ("where", "score", "bits", "plane", "causes", "conditions"):
        assert (folder / "bad" / f"{name}.svg").stat().st_size > 1000
        pixels = matplotlib.image.imread(folder / "bad" / f"{name}.png")
        assert pixels.std() > 0.02
    assert pq.read_table(folder / "bad" / "examples.parquet").num_rows == 7


def test_examples_are_replayed_by_emulate_and_by_compare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folder, "-r", "bad", out="again") == 1
    examples = folder / "again" / "examples.parquet"
    table = pq.read_table(examples).to_pydict()
    assert run_command(["emulate", str(folder / "program"), str(examples), str(folder / "scores.npy")]) == 0
    assert_array_equal(np.load(folder / "scores.npy")[:, 0], table["emulated bad"])
    assert_array_equal(np.array(table["words"]), words_of(EVENTS)[table["entry"]])
    assert set(table["run"]) == {3}
    assert compare(folder, "-r", "recorded bad", events="again/examples.parquet", out="third") == 1
    assert "100 of 100 mismatches vanish if " + FAULT in capsys.readouterr().err


def test_the_allowed_rate_decides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folder, "-r", "bad", "--allow", "0.9") == 0
    assert compare(folder, "-r", "bad", "--allow", "0.01") == 1
    assert "at most a fraction 0.01 of events must mismatch" in capsys.readouterr().err


def test_what_cannot_be_compared_is_no_success(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folder, "-r", "good", events="none.parquet") == 1
    assert "at least one event must be compared, but of 0 none could" in capsys.readouterr().err
    assert compare(folder, "-r", "off", "--allow", "0.5") == 1
    said = capsys.readouterr().err
    assert "off the output's grid" in said
    assert "events not comparable: 0 with words out of range; 0 values missing, " in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--recorded'"),
        (("-r", "nothing"), "the events must have the recorded columns nothing; they have bad, bit, bunchCrossing"),
        (("-r", "bit"), "give 'bit>=N' or one --threshold, not 0"),
        (("-r", "good", "-r", "good"), "recorded must name at least one column and each once"),
        (("-r", "good", "-t", "3", "-t", "3"), "thresholds must be given once each, not 3, 3"),
        (("-r", "good", "--tree", "Events"), "must be a ROOT file to have a --tree"),
        (("-r", "good", "--allow", "2"), "2.0 is not in the range 0<=x<=1"),
        (("-r", "good", "--contract", "none.json"), "none.json cannot be read"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    folder: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(folder, *arguments, out="refused") == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert message in line
    assert not (folder / "refused").exists()


def test_the_record_is_plain_json(folder: Path) -> None:
    assert compare(folder, "-r", "bad", out="record") == 1
    record = json.loads((folder / "record" / "comparison.json").read_text())
    assert record["causes"][0]["hypothesis"]["name"] == FAULT
    assert 0 < record["mismatch"]["low"] < record["mismatch"]["count"] / EVENTS < record["mismatch"]["high"] < 1
