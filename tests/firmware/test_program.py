"""`IntegerProgram`: exact against alkaid's interpreter on random programs; files, identity and errors."""

from __future__ import annotations

import gzip
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.firmware.circuit import Operation
from trigforge.firmware.program import IntegerProgram, Provenance

from .random_programs import random_program, random_words

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_the_program_equals_alkaids_interpreter(seed: int) -> None:
    program = random_program(seed)
    words = random_words(program, 200, seed)
    real = np.stack([t.to_float(words[:, i]) for i, t in enumerate(program.inputs)], axis=1)
    assert_array_equal(program.to_float(program(words)), program.comb.predict(real))


def test_random_programs_cover_every_operation() -> None:
    used = {type(n.operation) for seed in range(60) for n in random_program(seed).circuit.nodes}
    assert used == set(get_args(Operation))


@given(seeds)
def test_save_and_load_give_the_same_function(tmp_path_factory, seed: int) -> None:
    program = random_program(seed)
    path = tmp_path_factory.mktemp("program") / "p.json.gz"
    program.save(path)
    loaded = IntegerProgram.load(path)
    words = random_words(program, 50, seed)
    assert loaded.digest == program.digest
    assert_array_equal(loaded(words), program(words))


def test_the_digest_names_the_function_not_its_origin() -> None:
    program = random_program(7)
    renamed = IntegerProgram(program.comb, program.inputs, Provenance(framework="elsewhere"))
    assert renamed.digest == program.digest
    assert random_program(8).digest != program.digest


def test_real_values_of_outputs_round_trip() -> None:
    program = random_program(3)
    words = program(random_words(program, 100, 3))
    assert_array_equal(program.from_float(program.to_float(words)), words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (np.zeros((3, 2), int), r"words must be integers of shape \(n, 4\), not int64 of shape \(3, 2\)"),
        (np.zeros((3, 4)), r"not float64 of shape \(3, 4\)"),
        (np.full((1, 4), 10**6), r"word 0 must be in -?\d+..\d+, not 1000000..1000000"),
    ],
)
def test_wrong_words_are_refused(words: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        random_program(1)(words)


@pytest.mark.parametrize(
    "content", [b"", b"not gzip", gzip.compress(b"[]", mtime=0), gzip.compress(b'{"format": "x"}', mtime=0)]
)
def test_a_file_that_is_no_program_is_refused(tmp_path, content: bytes) -> None:
    path = tmp_path / "p.json.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"p.json.gz must be"):
        IntegerProgram.load(path)


def test_the_saved_file_is_reproducible(tmp_path) -> None:
    program = random_program(5)
    program.save(tmp_path / "a")
    program.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads(gzip.decompress((tmp_path / "a").read_bytes()))["format"] == "trigforge-program-1"
