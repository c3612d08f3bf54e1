"""Emulator libraries of others: run with the types that they cast to; whatever else they do becomes one line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.package import EmulatorLibrary, load_emulator
from trigforge.firmware.package.ap_types import ap_types
from trigforge.firmware.package.cpp_types import declare, layout, parse_input, parse_type, pointer, scalars, spell
from trigforge.firmware.package.templates import TEMPLATES
from trigforge.fixed import FixedType

from .toys import toy_contract, toy_program, toy_words

FOREIGN = """
#include "emulator.h"
#include "ap_fixed.h"
#include <array>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace foreign {
typedef ap_fixed<18, 13> unscaled_t;
typedef ap_fixed<10, 7, AP_RND_CONV, AP_SAT> result_t;
typedef ap_ufixed<18, 14> loss_t;
typedef std::pair<std::array<result_t, 2>, loss_t> pair_t;

class Emulator : public hls4mlEmulator::Model {
    unscaled_t x[3];
    pair_t y;
public:
    void prepare_input(std::any input) override {
        const unscaled_t *given = std::any_cast<unscaled_t *>(input);
        for (int i = 0; i < 3; ++i) x[i] = given[i];
        std::printf("a library that talks on its standard output\\n");
    }
    void predict() override {
        if (x[2] == 3000) throw std::runtime_error("no such event");
        if (x[2] == 2000) *static_cast<volatile int *>(nullptr) = 1;
        if (x[2] == 1000) throw 7;
        if (x[2] == 500) std::exit(0);
        y.first[0] = x[0] - x[1];
        y.first[1] = x[0] >> 2;
        y.second = x[0] * x[0] + x[1] * x[1];
    }
    void read_result(std::any result) override { *std::any_cast<pair_t *>(result) = y; }
};
}  // namespace foreign

extern "C" hls4mlEmulator::Model *create_model() { return new foreign::Emulator; }
extern "C" void destroy_model(hls4mlEmulator::Model *m) { delete m; }
"""
INPUT = "ap_fixed<18,13>[3]"
RESULT = "std::pair<std::array<ap_fixed<10,7,AP_RND_CONV,AP_SAT>,2>, ap_ufixed<18,14>>"

Load = Callable[..., EmulatorLibrary]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "foreign.cpp").write_text(FOREIGN)
    headers = [f"-I{TEMPLATES / 'cmssw'}", f"-I{ap_types()}"]
    command = ["g++", "-std=c++17", "-O1", "-w", "-fPIC", "-shared", *headers, "-o", "foreign.so", "foreign.cpp"]
    subprocess.run(command, cwd=folder, check=True, timeout=200)
    return folder / "foreign.so"


@pytest.fixture(scope="module")
def emulator(foreign: Path, tmp_path_factory: pytest.TempPathFactory) -> EmulatorLibrary:
    return load_emulator(foreign, INPUT, RESULT, tmp_path_factory.mktemp("runner"))


def test_a_foreign_library_gives_its_own_mantissas(emulator: EmulatorLibrary) -> None:
    """Against the same arithmetic in exact integers: casts by `FixedType`."""
    rng = np.random.default_rng(1)
    x = rng.integers(-(1 << 17), 1 << 17, (10_000, 3))
    x[:, 2] = 0
    x[:2000] >>= 8
    scores = emulator(x / 32)
    assert scores.dtype == np.dtype([("first", "<i8", (2,)), ("second", "<i8")])
    kept = FixedType.model_validate("ap_fixed<10,7,AP_RND_CONV,AP_SAT>")
    loss = FixedType.model_validate("ap_ufixed<18,14>")
    assert_array_equal(scores["first"][:, 0], kept.cast(x[:, 0] - x[:, 1], 5))
    assert_array_equal(scores["first"][:, 1], kept.cast(x[:, 0] >> 2, 5))
    assert_array_equal(scores["second"], loss.cast(x[:, 0] ** 2 + x[:, 1] ** 2, 10))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3000, r"foreign.so must take every event, but it threw in predict of event 2: no such event$"),
        (1000, r"threw in predict of event 2: an exception that is no std::exception$"),
        (2000, r"must not crash, but it did in predict of event 2 \(SIGSEGV\); it may .* check --input-type"),
        (500, r"must run to its end, but it stopped in predict of event 2: exit code 0$"),
    ],
)
def test_what_a_library_does_to_its_process_is_one_line(emulator: EmulatorLibrary, value: int, message: str) -> None:
    numbers = np.zeros((4, 3))
    numbers[2, 2] = value
    with pytest.raises(InputError, match=message):
        emulator(numbers)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [[0.0, 1.5, 1 / 64]],
            r"number 2 of event 0 must be a value of ap_fixed<18, 13>, not 0.015625: its values are ",
        ),
        (
            [[0, 0, 0], [0, 4096, 0]],
            r"number 1 of event 1 .* not 4096.0: .* are -4096\.\.4095\.97 in steps of 0\.03125",
        ),
        ([[0.0, np.nan, 0.0]], "number 1 of event 0 must be a value of .* not nan"),
        ([[0, 2**60 + 1, 0]], r"integers of the input must be less than 2\^53"),
        ([[0, 1]], r"numbers of shape \(n, 3\) for ap_fixed<18, 13>\*, not int64 of shape \(1, 2\)"),
        (["abc"], r"numbers of shape \(n, 3\) .* not <U3"),
    ],
)
def test_numbers_that_the_input_does_not_hold_are_refused(
    emulator: EmulatorLibrary, values: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        emulator(values)  # type: ignore[arg-type]


def test_no_events_give_no_results(emulator: EmulatorLibrary) -> None:
    assert emulator(np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    ("input_type", "result_type", "message"),
    [
        (
            "ap_fixed<18,12>[3]",
            RESULT,
            r"prepare_input of .*foreign.so .* not ap_fixed<18, 12>\* \(.*\); change --input-type; pointers that it .*"
            + re.escape("ap_fixed<18, 13, AP_TRN, AP_WRAP, 0>*"),
        ),
        (
            INPUT,
            "ap_ufixed<18,14>",
            r"read_result of .*, not ap_ufixed<18, 14>\* \(.*\); change --result-type; pointers that it knows: .*"
            + re.escape("std::pair<std::array<ap_fixed<10, 7, AP_RND_CONV, AP_SAT, 0>, 2>, ap_ufixed<18, 14, AP_TR"),
        ),
        ("ap_fixed<18,13>[2]", RESULT, r"crash, but it did in prepare_input of event 0 \(SIGSEGV\); it may read or"),
    ],
)
def test_other_types_than_the_library_casts_to_are_refused(
    foreign: Path, tmp_path: Path, input_type: str, result_type: str, message: str
) -> None:
    """An input that is too short is read beyond its end, which is caught."""
    loaded = load_emulator(foreign, input_type, result_type, tmp_path)
    with pytest.raises(InputError, match=message):
        loaded(np.zeros((1, loaded.inputs)))


def test_our_own_plug_in_gives_the_scores_of_the_program(cmssw: Path, tmp_path: Path) -> None:
    contract = toy_contract()
    program, words = toy_program(contract, 1), toy_words(contract, 10_000, 9)
    scores = program(words)
    plug_in = cmssw / "toy_v1.so"
    assert_array_equal(load_emulator(plug_in, "int32_t[13]", "int64_t[4]", tmp_path)(words), scores)
    physical = load_emulator(plug_in, "const std::array<double,13>", "std::array<double,4>", tmp_path)
    lsb = np.array([f.lsb for f in contract.fields])
    assert_array_equal(physical(words * lsb), program.to_float(scores))


@pytest.mark.parametrize(
    ("result_type", "message"),
    [
        (
            "int64_t[5]",
            r"must write every number of int64_t\[5\], but it left number 4 as it was; make --result-type sh",
        ),
        ("int64_t[3]", r"must write int64_t\[3\] only, but it wrote beyond; make --result-type longer"),
    ],
)
def test_a_result_of_another_length_is_refused(cmssw: Path, tmp_path: Path, result_type: str, message: str) -> None:
    loaded = load_emulator(cmssw / "toy_v1.so", "int32_t[13]", result_type, tmp_path)
    with pytest.raises(InputError, match=message):
        loaded(toy_words(toy_contract(), 2, 1))


def test_an_event_that_the_plug_in_refuses_is_named(cmssw: Path, tmp_path: Path) -> None:
    words = toy_words(toy_contract(), 3, 1)
    words[1, 0] = -1
    with pytest.raises(InputError, match=r"threw in prepare_input of event 1: L1MET0_pt must be in 0\.\.1023, not -1"):
        load_emulator(cmssw / "toy_v1.so", "int32_t[13]", "int64_t[4]", tmp_path)(words)


def test_files_that_are_no_emulators_are_refused(library: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not a library")
    for file, message in (
        (text, r"text.so must be a library that loads, but: .*; put what it needs on LD_LIBRARY_PATH"),
        (
            library / "libtoy_v1.so",
            "must be an hls4ml emulator with create_model and destroy_model; it has no create_m",
        ),
    ):
        loaded = load_emulator(file, "int32_t[13]", "int64_t[4]", tmp_path / "runner")
        with pytest.raises(InputError, match=message):
            loaded(np.zeros((1, 13), int))
    with pytest.raises(InputError, match=r"none.so must be an emulator library, .* it is not there"):
        load_emulator(tmp_path / "none.so", "int[1]", "int", tmp_path)
    with pytest.raises(InputError, match=r"must hold ap_fixed.h; give the folder .* with --ap-types"):
        load_emulator(text, "int[1]", "int", tmp_path, tmp_path)


def test_a_missing_compiler_is_named(cmssw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"g\+\+ must be on PATH to run an emulator library"):
        load_emulator(cmssw / "toy_v1.so", "int[1]", "int", tmp_path)


@pytest.mark.parametrize(
    ("text", "spelt", "held", "declared", "numbers"),
    [
        ("float [12]", "float[12]", "float*", "typedef float T[12];", 12),
        ("ap_uint<10>[18][14]", "ap_uint<10>[18][14]", "ap_uint<10>(*)[14]", "typedef ap_uint<10> T[18][14];", 252),
        ("ap_ufixed<8, -2>", "ap_ufixed<8, -2>", "ap_ufixed<8, -2>*", "typedef ap_ufixed<8, -2> T;", 1),
        (
            "std::tuple<double,std::array<int,2>,bool>",
            "std::tuple<double, std::array<int, 2>, bool>",
            "std::tuple<double, std::array<int, 2>, bool>*",
            "typedef std::tuple<double, std::array<int, 2>, bool> T;",
            4,
        ),
    ],
)
def test_types_are_read_as_cpp_reads_them(text: str, spelt: str, held: str, declared: str, numbers: int) -> None:
    kind = parse_type(text)
    assert (spell(kind), pointer(kind), declare(kind, "T"), len(scalars(kind))) == (spelt, held, declared, numbers)
    assert layout(kind).itemsize == 8 * numbers
    assert parse_input(f"const {text}").held == f"const {held}"


def test_an_input_may_be_held_by_value() -> None:
    assert parse_input("std::array<int,3> by value").held == "std::array<int, 3>"
    with pytest.raises(
        InputError, match=r"an array cannot be held by value in a std::any, as 'int\[3\] by value' says"
    ):
        parse_input("int[3] by value")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a type is missing at its end"),
        ("ap_fixed<18>", "ap_fixed takes a width and integer bits"),
        ("ap_fixed<18,13", "'>' is missing at its end"),
        ("ap_fixed<18,13>>", "'>' is not expected there"),
        ("ap_fixed<99,13>", r"a width must be 1\.\.62, not 99"),
        ("ap_fixed<18,13,RND>", "ap_fixed takes modes such as AP_RND, AP_SAT"),
        ("ap_uint<3,AP_SAT>", "ap_uint takes no modes"),
        ("int[0]", "a number of elements must be positive, not '0'"),
        ("std::pair<int>", "a pair has two types, not 1"),
        ("std::vector<int>", "'std::vector' is not a type that is known"),
        ("long long", "write int64_t, uint32_t"),
        ('int[1]; system("x")', "is no part of a type"),
        ("int[1000000][1000000]", "it has more than a million elements"),
    ],
)
def test_a_text_that_is_no_type_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=f"a type must be written as in C.*{problem}"):
        parse_type(text)
