"""`trigforge emulate`: what PROGRAM may be, the packages, the libraries of others, and what it says to mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.cli import run_command
from trigforge.contract import Collection, InputContract, kinematics
from trigforge.events import iterate_words, write_events
from trigforge.firmware.package.golden import as_events, physical_values
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray

from .firmware.package.toys import CALO, made, toy_program

EVENTS = 700


def contract() -> InputContract:
    collections = (
        Collection(name="L1MET", count=1, fields=kinematics(**{**CALO, "eta_max": 0})),
        Collection(name="L1Jet", count=2, fields=kinematics(**CALO)),
    )
    return InputContract(name="events", collections=collections)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of a run: program, contract, events."""
    folder = tmp_path_factory.mktemp("my-run")
    used = contract()
    used.save(folder / "model/contract.json")
    toy_program(used, 4).save(folder / "firmware/program.json.gz")
    events = as_events(used, np.abs(physical_values(used, EVENTS, 1)) % 50)
    write_events(folder / "events.parquet", ak.with_field(events, np.ones(EVENTS), "weight"))
    return folder


def expected(run: Path) -> tuple[IntArray, IntArray]:
    """The words of the events and the program's scores."""
    words = np.concatenate(list(iterate_words(run / "events.parquet", contract())))
    return words, IntegerProgram.load(run / "firmware/program.json.gz")(words)


def emulate(*arguments: object) -> int:
    return run_command(["emulate", *map(str, arguments)])


@pytest.mark.parametrize("program", ["", "firmware/program.json.gz", "firmware"])
def test_a_program_is_a_file_or_a_folder(run: Path, tmp_path: Path, program: str, capsys) -> None:
    scores = tmp_path / "scores.npy"
    assert emulate(run / program, run / "events.parquet", scores, "--json") == 0
    assert json.loads(capsys.readouterr().out)["events"] == EVENTS
    assert_array_equal(np.load(scores), expected(run)[1])


def test_a_conversion_is_a_folder_too(run: Path, tmp_path: Path) -> None:
    for name in ("firmware/program.json.gz", "model/contract.json"):
        shutil.copy(run / name, tmp_path)
    assert emulate(tmp_path, run / "events.parquet", tmp_path / "scores.npy") == 0
    assert_array_equal(np.load(tmp_path / "scores.npy"), expected(run)[1])


def test_a_plug_in_is_written_and_run_by_the_same_command(run: Path, tmp_path: Path, capsys) -> None:
    """The golden events begin with those that are given."""
    words, scores = expected(run)
    assert emulate(run, run / "events.parquet", "--package", "cmssw", "--out", tmp_path / "plug", "--json") == 0
    name = json.loads(capsys.readouterr().out)["name"]
    assert name == f"firmware_{IntegerProgram.load(run / 'firmware/program.json.gz').digest[:8]}"
    golden = (tmp_path / "plug/test/golden/words.txt").read_text().splitlines()[1 : EVENTS + 1]
    assert_array_equal(np.array([line.split() for line in golden]).astype(int), np.hstack([words, scores]))
    made(tmp_path / "plug", "test")
    types = ("--input-type", "int32_t[9]", "--result-type", "int64_t[4]")
    load = ("--load", tmp_path / f"plug/{name}.so")
    stated = ("--contract", run / "model/contract.json")
    assert emulate(*load, *types, run / "events.parquet", tmp_path / "a.npy", *stated) == 0
    np.save(tmp_path / "words.npy", words)
    assert emulate(*load, *types, tmp_path / "words.npy", tmp_path / "b.npy") == 0
    assert_array_equal(np.load(tmp_path / "a.npy"), scores)
    assert_array_equal(np.load(tmp_path / "b.npy"), scores)
    halves = ("--scale", "pt=0.5", "--scale", "L1Jet_eta=2", *stated)
    values = ("--input-type", "double[9]", "--result-type", "int64_t[4]")
    assert emulate(*load, *values, run / "events.parquet", tmp_path / "c.npy", *halves) == 0
    factors = np.array([0.5, 1, 1, 0.5, 2, 1, 0.5, 2, 1])
    used = contract().encode(as_events(contract(), words * factors))
    assert_array_equal(np.load(tmp_path / "c.npy"), toy_program(contract(), 4)(used))


def test_a_library_is_written_under_the_name_that_is_asked(run: Path, tmp_path: Path) -> None:
    assert emulate(run, "--package", "c", "--name", "mine_v2", "--out", tmp_path / "mine") == 0
    made(tmp_path / "mine", "test")
    assert (tmp_path / "mine/libmine_v2.so").is_file()


LOAD = ("--load", "x.so", "--input-type", "int[9]", "--result-type", "int")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "emulate must be given PROGRAM EVENTS SCORES, not 0 arguments"),
        (("a", "--package", "c", "b", "c"), "emulate --package must be given PROGRAM [EVENTS], not 3 arguments"),
        ((*LOAD, "a"), "emulate --load must be given EVENTS SCORES, not 1 arguments"),
        (("--package", "c", "--load", "x.so", "a"), "--package and --load must not both be given"),
        (("a", "b", "c", "--name", "d"), "--name must be given with --package"),
        (("a", "b", "c", "--scale", "pt=2"), "--scale must be given with --load"),
        (("--load", "x.so", "a", "b"), "--load must be given with --input-type and --result-type, the C++ types"),
        ((*LOAD, "a.npy", "b"), "x.so must be an emulator library, a file such as GTADModel_v5.so; it is not there"),
        (("{dir}", "b", "c"), "must be the folder of a run, a conversion or a project, but it has no program.json.gz"),
        (("{dir}/none.gz", "b", "c"), "none.gz must be a program that trigforge saved"),
        (
            ("{run}/firmware", "b", "c", "--contract", "{dir}/other.json"),
            "the contract must be the one that the program",
        ),
        (("{run}", "--package", "c", "--out", "{dir}"), "must be a new folder or that of an earlier package"),
        (("{run}", "--package", "c", "--name", "int"), "the name of a package must be letters, digits and underscores"),
    ],
)
def test_mistakes_get_one_line(run: Path, tmp_path: Path, arguments: tuple[str, ...], message: str, capsys) -> None:
    contract().model_copy(update={"name": "other"}).save(tmp_path / "other.json")
    assert emulate(*(a.format(dir=tmp_path, run=run) for a in arguments)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("events", "options", "message"),
    [
        ("events.parquet", (), "the contract of the words of {run}/events.parquet must be given with --contract"),
        ("words.npy", ("--contract", "x"), "--contract and --scale must not be given with {run}/words.npy"),
        ("broken.npy", (), "broken.npy must be an array of numbers that numpy saved, but: "),
        (
            "events.parquet",
            ("--scale", "pt=3"),
            "--scale must be FIELD=power of two, such as pt=0.5, not 'pt=3'; fields: ",
        ),
        (
            "events.parquet",
            ("--scale", "x=2"),
            "not 'x=2'; fields: pt, L1MET_pt, eta, L1MET_eta, phi, L1MET_phi, L1Jet_pt",
        ),
    ],
)
def test_numbers_are_taken_exactly(
    run: Path, tmp_path: Path, events: str, options: tuple[str, ...], message: str, capsys
) -> None:
    (run / "broken.npy").write_text("no numbers")
    np.save(run / "words.npy", np.zeros((1, 9)))
    (tmp_path / "x.so").write_text("")
    if "--scale" in options:
        options = (*options, "--contract", str(run / "model/contract.json"))
    load = ("--load", tmp_path / "x.so", "--input-type", "int[9]", "--result-type", "int")
    assert emulate(*load, run / events, tmp_path / "s.npy", *options) == 2
    assert message.format(run=run) in capsys.readouterr().err
