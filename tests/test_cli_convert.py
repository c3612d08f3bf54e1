"""`trigforge convert MODEL`: what it writes and prints, and what it says to wrong files and options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.cli import run_command
from trigforge.firmware.program import IntegerProgram

FROZEN = Path(__file__).parent / "qkeras_zoo" / "frozen" / "frozen.h5"


@pytest.fixture(scope="module")
def frozen() -> dict[str, np.ndarray]:
    with np.load(FROZEN.with_suffix(".npz")) as file:
        return dict(file)


def test_a_saved_model_becomes_its_program(frozen, tmp_path: Path, capsys) -> None:
    asked = ["convert", str(FROZEN), "--input", str(frozen["kind"]), "--out", str(tmp_path)]
    assert run_command([*asked, "--explain", "--to", "onnx", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(level["name"], level["mismatches"]) for level in said["levels"]] == [("csim_vs_program", 0)]
    assert said["divergence"] is None
    assert {width["place"] for width in said["widths"]} >= {"accumulator", "result"}
    assert all(width["loss"] != "wraps" for width in said["widths"])
    program = IntegerProgram.load(tmp_path / "program.json.gz")
    assert program.digest == said["program"]
    assert_array_equal(program.to_float(program(frozen["mantissas"])), frozen["outputs"])
    assert (tmp_path / "hls" / "firmware" / "frozen_core.cpp").is_file()
    assert Path(said["export"]).is_file()
    assert json.loads((tmp_path / "conversion.json").read_text())["program"] == program.digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([str(FROZEN)], "must have either input"),
        ([str(FROZEN), "--input", "int8"], "a type must be written like 'fixed<16,6,RND,SAT>', not 'int8'"),
        (["model.pb", "--input", "fixed<8,4>"], "model.pb must be a model file"),
        (["none.h5", "--input", "fixed<8,4>"], "none.h5 must be a QKeras model file"),
        (["none.onnx", "--input", "fixed<8,4>"], "none.onnx must be an ONNX file, but there is none"),
        (["none.keras", "--input", "fixed<8,4>"], "must be a Keras 3 model file (.keras), but there is none"),
        ([str(FROZEN), "--input", "fixed<8,4>", "--sampling", "z"], "sampling must be given for Keras 3 models"),
        (["--explain"], "--explain, --to and the options of a model must be given with MODEL"),
    ],
)
def test_wrong_files_and_options_are_one_line(arguments: list[str], message: str, tmp_path: Path, capsys) -> None:
    assert run_command(["convert", *arguments, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said.replace("convert", "", 1) or said.splitlines()[-1].startswith("trigforge: ")
    assert not (tmp_path / "out" / "hls").exists()


def test_options_of_a_project_are_in_its_file(tmp_path: Path, capsys) -> None:
    (tmp_path / "project.toml").write_text('name = "two"\n')
    assert run_command(["convert", str(tmp_path), "--sampling", "z"]) == 2
    assert "options of a model must be in" in capsys.readouterr().err
    assert run_command(["convert", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "project 'two' must name a model file to be converted alone" in capsys.readouterr().err


def test_a_model_with_two_outputs_needs_a_score(tmp_path: Path, capsys) -> None:
    import keras

    words = keras.Input((3,), name="words")
    heads = [keras.layers.Dense(2, name=name)(words) for name in ("mean", "spread")]
    keras.Model(words, heads).save(tmp_path / "two.keras")
    asked = ["convert", str(tmp_path / "two.keras"), "--input", "fixed<8,4>", "--precision", "fixed<16,6,RND,SAT>"]
    assert run_command([*asked, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "the model must have one output, not 2 (mean, spread), or a score" in said
    assert not (tmp_path / "out" / "hls").exists()
