"""The native emulator: equal to the program, word for word, on random programs, lanes, layouts and thread counts."""

from __future__ import annotations

import ctypes
import multiprocessing
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware import emulator as emulator_module
from trigforge.firmware.emulator import Emulator, compile_emulator
from trigforge.firmware.native import compile as native_compile
from trigforge.firmware.native import compiler_path, load_native, vector_code
from trigforge.firmware.program import IntegerProgram

from .random_programs import random_program, random_words

FEW = settings(max_examples=25)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("emulators")


def native(program: IntegerProgram, cache: Path, least: int | None = None, vector_bytes: int = 0) -> Emulator:
    """An emulator with a chosen narrowest lane and width of vectors."""
    compiler = compiler_path()
    assert compiler is not None
    source = vector_code(program, least).source()
    define = f"#define BYTES {vector_bytes}\n" if vector_bytes else ""
    return Emulator(program, load_native(define + source, compiler, cache))


@FEW
@given(SEEDS)
def test_the_emulator_equals_the_program(cache: Path, seed: int) -> None:
    program = random_program(seed, depth=8)
    words = random_words(program, 131, seed)
    assert_array_equal(compile_emulator(program, cache)(words), program(words))


@FEW
@given(SEEDS, st.sampled_from([8, 16, 32, 64]), st.sampled_from([16, 32, 64]))
def test_every_lane_and_vector_width(cache: Path, seed: int, least: int, vector_bytes: int) -> None:
    program = random_program(seed, inputs=9, depth=6)
    words = random_words(program, 300, seed)
    assert_array_equal(native(program, cache, least, vector_bytes)(words), program(words))


@settings(max_examples=6)
@given(SEEDS)
def test_portable_code_for_every_processor(cache: Path, seed: int) -> None:
    program = random_program(seed, inputs=9, depth=6)
    words, emulator = random_words(program, 300, seed), compile_emulator(program, cache, portable=True)
    assert_array_equal(emulator(words), program(words))
    rows = words.astype(np.int16)
    for variant in runnable_variants():
        run, scores = getattr(emulator.library, f"run_int16_{variant}"), np.zeros_like(program(words))
        run.argtypes, run.restype = emulator.library.run_int16.argtypes, ctypes.c_int64
        assert run(rows.ctypes.data, rows.shape[1], 1, len(rows), scores.ctypes.data) == -1
        assert_array_equal(scores, program(words))


def runnable_variants() -> list[str]:
    """The variants of a portable library that this processor can run."""
    flags = Path("/proc/cpuinfo").read_text()
    variants = native_compile.VARIANTS.get(platform.machine(), {"baseline": ()})
    return [v for v in variants if v == "baseline" or ("avx512bw" if v == "avx512" else v) in flags]


@settings(max_examples=8)
@given(SEEDS)
def test_wide_values_take_wide_lanes(cache: Path, seed: int) -> None:
    program = random_program(seed, depth=6, width=30)
    words = random_words(program, 200, seed)
    assert_array_equal(compile_emulator(program, cache)(words), program(words))


@FEW
@given(SEEDS)
def test_the_fallback_equals_the_program(seed: int) -> None:
    program = random_program(seed)
    words = random_words(program, 50, seed)
    assert_array_equal(Emulator(program, None)(words), program(words))


def test_programs_of_several_functions(cache: Path, monkeypatch) -> None:
    monkeypatch.setattr("trigforge.firmware.native.c_vector.CHUNK", 40)
    program = random_program(3, inputs=6, depth=12)
    code = vector_code(program)
    assert len(code.schedule.instructions) > 100
    words = random_words(program, 500, 3)
    assert_array_equal(native(program, cache)(words), program(words))


@pytest.mark.parametrize("events", [0, 1, 31, 32, 33, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_size_and_thread_count(cache: Path, monkeypatch, events: int, threads: int) -> None:
    monkeypatch.setattr(emulator_module, "CHUNK", 128)
    program = random_program(11)
    words = random_words(program, 1000, 11)[:events]
    assert_array_equal(compile_emulator(program, cache)(words, threads), program(words))


@pytest.mark.parametrize("inputs", [3, 8, 57])
@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4"])
def test_every_type_and_layout_of_words(cache: Path, inputs: int, kind: str) -> None:
    program = random_program(inputs, inputs=inputs, depth=3)
    given_words = random_words(program, 200, 7)
    given_words = np.clip(given_words, 0 if kind.startswith("u") else -128, 127)
    words, emulator, expected = given_words.astype(kind), compile_emulator(program, cache), program(given_words)
    wide = np.zeros((len(words), inputs + 5), dtype=kind)
    wide[:, 2:-3] = words
    layouts = (words, np.asfortranarray(words), wide[:, 2:-3], words[::-1][::-1])
    for layout in layouts:
        assert_array_equal(emulator(layout), expected)
    assert_array_equal(emulator(words[::-3]), expected[::-3])


def test_results_go_where_they_are_wanted(cache: Path) -> None:
    program = random_program(11)
    words, emulator = random_words(program, 100, 11), compile_emulator(program, cache)
    out = np.zeros_like(program(words))
    assert emulator(words, out=out) is out
    assert_array_equal(out, program(words))
    for bad in (out[:-1], out.astype(np.int32), np.asfortranarray(out)):
        with pytest.raises(InputError, match=r"out must be a writeable C array of int64 of shape \(102, \d+\), not"):
            emulator(words, out=bad)


def test_decisions_are_scores_at_or_above_thresholds(cache: Path, monkeypatch) -> None:
    monkeypatch.setattr(emulator_module, "CHUNK", 100)
    program = random_program(11)
    words = random_words(program, 1000, 11)
    scores = program(words)
    thresholds = np.quantile(scores[:, 1], [0.1, 0.5, 0.9]).astype(int)
    emulator = compile_emulator(program, cache)
    assert_array_equal(emulator.decide(words, thresholds, output=1), scores[:, 1, None] >= thresholds)
    for bad in ([0.5], [[1]]):
        with pytest.raises(InputError, match="thresholds must be a list of integers, not"):
            emulator.decide(words, bad)
    with pytest.raises(InputError, match=r"output must be one of the program's \d+, not number 99"):
        emulator.decide(words, [1], output=99)


@pytest.mark.parametrize("compiled", [True, False])
def test_words_outside_their_types_are_refused(cache: Path, monkeypatch, compiled: bool) -> None:
    monkeypatch.setattr(emulator_module, "CHUNK", 256)
    program = random_program(1)
    emulator = compile_emulator(program, cache) if compiled else Emulator(program, None)
    kind = program.inputs[2]
    for value in (kind.high + 1, kind.low - 1, 10**9, 2**40):
        for events, bad in ((1, 0), (40, 33), (64, 5), (1000, 999)):
            words = np.zeros((events, 4), int)
            words[bad:, 2] = value
            expected = rf"word 2 of event {bad} must be in {kind.low}..{kind.high}, .* not {value}; encode"
            for layout in (words, np.asfortranarray(words)):
                with pytest.raises(InputError, match=expected):
                    emulator(layout)
    with pytest.raises(InputError, match=r"words must be integers of shape \(n, 4\), not int64 of shape \(2, 3\)"):
        emulator(np.zeros((2, 3), int))
    with pytest.raises(InputError, match="not float64 of shape"):
        emulator(np.zeros((3, 4)))
    with pytest.raises(InputError, match=r"not above 2\^63"):
        emulator(np.full((3, 4), 2**63, dtype=np.uint64))


def test_the_fallback_is_taken_without_a_compiler(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = random_program(2)
    emulator = compile_emulator(program, tmp_path)
    assert emulator.library is None
    assert_array_equal(emulator(random_words(program, 20, 2)), program(random_words(program, 20, 2)))


def test_a_failing_compiler_is_named(tmp_path, monkeypatch) -> None:
    fake = tmp_path / "g++"
    fake.write_text("#!/bin/sh\necho 'emulator.cpp:1: error: no vectors here' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(MissingToolError, match=r"error: no vectors here; use g\+\+ 12 or newer"):
        compile_emulator(random_program(2), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def _compile(cache: Path) -> bytes:
    program = random_program(4)
    return compile_emulator(program, cache)(random_words(program, 100, 4)).tobytes()


def test_processes_may_compile_at_once(tmp_path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        results = pool.map(_compile, [tmp_path] * 6)
    program = random_program(4)
    assert set(results) == {program(random_words(program, 100, 4)).tobytes()}
    assert len(list(tmp_path.iterdir())) == 1


def test_native_code_is_not_shared_between_processors(tmp_path, monkeypatch) -> None:
    program = random_program(4)
    compile_emulator(program, tmp_path)
    monkeypatch.setattr(native_compile, "_processor", lambda: "another one")
    compile_emulator(program, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


SANITIZED = """
import sys, numpy as np
from pathlib import Path
from random_programs import random_program, random_words
from trigforge.firmware import native
from trigforge.firmware.emulator import Emulator
from trigforge.firmware.native import compile as c

c.FLAGS = tuple(f for f in c.FLAGS if f not in ("-fwrapv", "-std=c++17")) + (
    "-std=c++20", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
for seed in range(4):
    program = random_program(seed, inputs=(3, 8, 12, 57)[seed], depth=6)
    source = native.vector_code(program, (8, 16, None, 32)[seed]).source()
    emulator = Emulator(program, native.load_native(source, "g++", Path(sys.argv[1])))
    words = random_words(program, 203, seed)
    for kind in (np.int16, np.int32, np.int64):
        for layout in (words.astype(kind), np.asfortranarray(words.astype(kind)), words.astype(kind)[::2]):
            assert np.array_equal(emulator(layout, 1), program(np.ascontiguousarray(layout)))
print("clean")
"""


def test_native_code_is_clean_under_sanitizers(tmp_path) -> None:
    asan = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    environment = {
        "LD_PRELOAD": asan.strip(), "ASAN_OPTIONS": "detect_leaks=0", "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parent),
    }  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", SANITIZED, str(tmp_path)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.stdout == "clean\n", result.stderr[-2000:]
