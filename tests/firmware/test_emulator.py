"""The native emulator: equal to the program, word for word, on random programs, sizes and thread counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.emulator import compile_emulator

from .random_programs import random_program, random_words


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("emulators")


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_the_emulator_equals_the_program(cache: Path, seed: int) -> None:
    program = random_program(seed)
    words = random_words(program, 131, seed)
    assert_array_equal(compile_emulator(program, cache)(words), program(words))


@pytest.mark.parametrize("events", [0, 1, 15, 16, 17, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_size_and_thread_count(cache: Path, events: int, threads: int) -> None:
    program = random_program(11)
    words = random_words(program, 1000, 11)[:events]
    assert_array_equal(compile_emulator(program, cache)(words, threads), program(words))


def test_wide_programs_use_wide_lanes(cache: Path) -> None:
    program = random_program(5, depth=6, width=30)
    words = random_words(program, 100, 4)
    emulator = compile_emulator(program, cache)
    assert emulator.lane_bits == 64
    assert_array_equal(emulator(words), program(words))


def test_words_outside_their_types_are_refused(cache: Path) -> None:
    emulator = compile_emulator(random_program(1), cache)
    for events, bad in ((1, 0), (40, 33), (64, 5), (1000, 999)):
        words = np.zeros((events, 4), int)
        words[bad, 2] = 10**6
        with pytest.raises(
            InputError, match=rf"the words of event {bad} must lie in the ranges of the program's inputs"
        ):
            emulator(words)
    with pytest.raises(InputError, match=r"words must be integers of shape \(n, 4\), not int64 of shape \(2, 3\)"):
        emulator(np.zeros((2, 3), int))
    with pytest.raises(InputError, match="words must fit into 32 bits"):
        emulator(np.full((3, 4), 2**33))
    with pytest.raises(InputError, match="not float64 of shape"):
        emulator(np.zeros((3, 4)))


def test_a_missing_compiler_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"g\+\+ must be on PATH to compile the emulator"):
        compile_emulator(random_program(2), tmp_path)
