"""A plug-in that takes an experiment's own types: exactly the same scores, or it is refused before it is written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.firmware.package import Experiment, load_emulator, parse_input, parse_type, write_package

from .test_package import flip
from .toys import exported, fails, made, toy_contract, toy_package, toy_program, toy_words

INPUT, RESULT = "ap_fixed<20,15>[13]", "std::array<ap_fixed<50,30>,4>"


def scale() -> tuple[float, ...]:
    return tuple(0.5 if f.name == "pt" else 1.0 for f in toy_contract().fields)


def experiment(input_type: str = INPUT, result_type: str = RESULT) -> Experiment:
    return Experiment(parse_input(input_type), parse_type(result_type), scale())


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    write_package("cmssw", replace(toy_package("toy_v7", 1), experiment=experiment()), folder)
    made(folder, "test")
    return folder


@pytest.mark.parametrize("prefix", ["", "const "])
def test_it_takes_the_place_of_a_library_of_these_types(typed: Path, tmp_path: Path, prefix: str) -> None:
    contract = toy_contract()
    program, words = toy_program(contract, 1), toy_words(contract, 10_000, 3)
    scores = load_emulator(typed / "toy_v7.so", prefix + INPUT, RESULT, tmp_path)(words * np.array(scale()))
    shifts = 20 - np.array([kind.fraction for kind in program.outputs])
    assert_array_equal(scores, program(words) << shifts)


def test_its_own_types_are_kept_and_nothing_is_exported(typed: Path, tmp_path: Path) -> None:
    contract = toy_contract()
    program, words = toy_program(contract, 1), toy_words(contract, 1000, 4)
    scores = load_emulator(typed / "toy_v7.so", "int32_t[13]", "int64_t[4]", tmp_path)(words)
    assert_array_equal(scores, program(words))
    assert exported(typed / "toy_v7.so") == ["create_model", "destroy_model"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, 0, 1 / 32), "threw in prepare_input of event 0: L1MET0_pt must be a whole number of its steps"),
        ((1, 3, 600.0), "threw in prepare_input of event 1: L1Jet0_pt must be in 0..1023, not 1200"),
    ],
)
def test_what_is_no_word_is_refused(typed: Path, tmp_path: Path, change: tuple[int, int, float], message: str) -> None:
    values = toy_words(toy_contract(), 2, 1) * np.array(scale())
    values[change[:2]] = change[2]
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        load_emulator(typed / "toy_v7.so", INPUT, RESULT, tmp_path)(values)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mantissa >> input_shifts[i]", "mantissa >> (input_shifts[i] + 1)", "must be a whole number of its steps"),
        (
            "= score * (INT64_C(1)",
            "= (score ^ 1) * (INT64_C(1)",
            "number 0 of the result of event 0 must be that of score",
        ),
    ],
)
def test_its_own_test_can_fail(typed: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    copy = shutil.copytree(typed, tmp_path / "copy")
    source = copy / "src/model.cpp"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    assert message in fails(copy, "test")


def test_the_sanitizers_are_content(typed: Path) -> None:
    made(typed, "sanitize")


def test_one_flipped_bit_fails_there_too(typed: Path) -> None:
    golden = typed / "test/golden/words.txt"
    text = golden.read_text()
    golden.write_text(flip(text, -1))
    try:
        assert "its checksum differs" in fails(typed, "test")
    finally:
        golden.write_text(text)


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (("ap_fixed<20,15>[12]", RESULT), "the input type must have 13 numbers, one a word of contract 'toy', not 12"),
        (("int32_t[13]", RESULT), r"the input type must not be int32_t\*: a plug-in takes it as words or values alr"),
        (("float[13]", RESULT), "the input type must be of integers or fixed-point numbers, not float"),
        (
            ("ap_fixed<8,8>[13]", RESULT),
            r"every word of L1MET0_pt, 0\.\.1023, times 0.5 must be a number of ap_fixed<8",
        ),
        (("ap_int<20>[13]", RESULT), r"every word of L1MET0_pt, 0\.\.1023, times 0.5 must be a number of ap_int<20>"),
        (
            (INPUT, "ap_fixed<50,30>"),
            "the result type must have 4 numbers, one a score, not 1, as ap_fixed<50, 30> has",
        ),
        (
            (INPUT, "ap_fixed<9,3>[4]"),
            r"every score of type .* must be a number of ap_fixed<9, 3> exactly; give the mod",
        ),
        ((INPUT, "ap_ufixed<50,30>[4]"), r"every score of type .* must be a number of ap_ufixed<50, 30> exactly"),
        ((INPUT, "int64_t[4]"), r"the result type must not be int64_t\*: a plug-in writes it already"),
    ],
)
def test_types_that_are_not_exact_are_refused(tmp_path: Path, types: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_package("cmssw", replace(toy_package("toy_v7", 1), experiment=experiment(*types)), tmp_path)


def test_a_c_library_takes_no_cpp_types(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the types of an experiment must be given with the form cmssw only"):
        write_package("c", replace(toy_package("toy_v7", 1), experiment=experiment()), tmp_path)
