"""Every entry of hls4ml's tables, as its own C++ fills them with g++, and casts of floating-point numbers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fixed_types import PLAIN
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.softmax import exponentials, inverses
from trigforge.firmware.lowering.symbols import FloatArray, type_symbols
from trigforge.firmware.lowering.tables import (
    activation_table,
    addressed,
    cast_real,
    tabulated,
)
from trigforge.firmware.program import trace_program
from trigforge.fixed import FixedType, Overflow, Rounding

NAMES = ("sigmoid", "tanh", "softplus", "softsign", "elu", "selu")
SIZES = (1, 2, 3, 16, 100, 1024, 4096)
TYPES = tuple(
    FixedType(signed=signed, width=width, integer=integer, rounding=rounding, overflow=overflow)
    for signed, width, integer, rounding, overflow in (
        (True, 18, 8, Rounding.TRN, Overflow.WRAP),
        (True, 8, 1, Rounding.RND, Overflow.SAT),
        (False, 9, 1, Rounding.RND_CONV, Overflow.SAT),
        (True, 6, 0, Rounding.TRN_ZERO, Overflow.SAT_SYM),
        (False, 5, 2, Rounding.RND_ZERO, Overflow.WRAP),
        (True, 36, 6, Rounding.RND_INF, Overflow.SAT),
        (True, 7, -2, Rounding.RND_MIN_INF, Overflow.WRAP),
        (True, 4, 9, Rounding.RND_CONV, Overflow.SAT),
    )
)
SOFTMAX = (
    (FixedType(signed=True, width=16, integer=6), 10, 1.0, TYPES[0]),
    (FixedType(signed=False, width=9, integer=4), 9, 0.3, TYPES[2]),
    (FixedType(signed=True, width=8, integer=8), 4, 1.0, TYPES[1]),
    (FixedType(signed=True, width=12, integer=-1), 12, 2.5, TYPES[5]),
    (FixedType(signed=False, width=1, integer=1), 1, 1.0, TYPES[4]),
)
"""Argument's type, address bits, scale and entry's type of softmax tables."""
SIDES = {"tanh": (1, 8), "elu": (-1, 8), "selu": (-1, 8)}
"""Direction and length of what a table covers, if not 1 and 16."""
REALS = 2000


def reals() -> FloatArray:
    rng = np.random.default_rng(5)
    spread = np.ldexp(rng.normal(0, 1, REALS - 100), rng.integers(-70, 70, REALS - 100))
    ties = np.ldexp(rng.integers(-64, 64, 96) + 0.5, rng.integers(-8, 5, 96))
    return np.concatenate([spread, ties, [0.0, -0.0, np.inf, -np.inf]])


def code() -> str:
    lines = [
        '#include "nnet_utils/nnet_activation.h"',
        "#include <cstdio>",
        "#include <limits>",
        "template <class T> void show(const T *t, int n) {",
        '  for (int i = 0; i < n; i++) printf("%a ", (double)t[i]);',
        '  printf("\\n");',
        "}",
        f"static const double reals[] = {{{', '.join(cpp(v) for v in reals())}}};",
    ]
    body = []
    for t, kind in enumerate(TYPES):
        lines.append(f"struct c{t} {{ typedef {cpp_type(kind)} table_t; }};")
        for size in SIZES:
            body += [
                f"{{ c{t}::table_t t[{size}]; nnet::init_{name}_table<c{t}, {size}>(t); show(t, {size}); }}"
                for name in NAMES
            ]
        body.append(f"{{ static c{t}::table_t t[{REALS}]; for (int i = 0; i < {REALS}; i++) t[i] = reals[i];")
        body.append(f"show(t, {REALS}); }}")
    for i, (kind, bits, scale, entry) in enumerate(SOFTMAX):
        size, argument = 1 << bits, cpp_type(kind)
        lines.append(
            f"struct s{i} {{ static const unsigned exp_table_size = {size}, inv_table_size = {size}; "
            f"static constexpr float exp_scale = {scale}; "
            f"typedef {cpp_type(entry)} exp_table_t; typedef {cpp_type(entry)} inv_table_t; }};"
        )
        for call in ("exp_table<{0}, {1}>(t)", "exp_table<{0}, {1}>(t, true)", "invert_table<{0}, {1}>(t)"):
            body.append(f"{{ static {cpp_type(entry)} t[{size}]; nnet::init_{call.format(argument, f's{i}')};")
            body.append(f"show(t, {size}); }}")
    return "\n".join([*lines, "int main() {", *body, "}"])


def cpp(value: float) -> str:
    if np.isinf(value):
        return f"{'-' if value < 0 else ''}std::numeric_limits<double>::infinity()"
    return value.hex()


def cpp_type(kind: FixedType) -> str:
    name = "ap_fixed" if kind.signed else "ap_ufixed"
    return f"{name}<{kind.width}, {kind.integer}, AP_{kind.rounding.value}, AP_{kind.overflow.value}>"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[FloatArray]]:
    import hls4ml

    folder, headers = tmp_path_factory.mktemp("tables"), Path(hls4ml.__file__).parent / "templates" / "vivado"
    (folder / "tables.cpp").write_text(code())
    include = [f"-I{headers}", f"-I{headers / 'ap_types'}"]
    command = ["g++", "-O3", "-std=c++17", "-w", *include, "tables.cpp", "-o", "tables"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    output = subprocess.run([folder / "tables"], capture_output=True, text=True, check=True, timeout=60).stdout
    return [np.array([float.fromhex(v) for v in line.split()]) for line in output.splitlines()]


def test_every_entry_of_every_table_is_the_compilers(printed: list[FloatArray]) -> None:
    lines = iter(printed)
    for kind in TYPES:
        for size in SIZES:
            for name in NAMES:
                assert_array_equal(activation_table(name, size, kind, "x"), next(lines), f"{name} {size} {kind}")
        assert_array_equal(cast_real(reals(), kind, "x"), next(lines), str(kind))
    for kind, bits, scale, entry in SOFTMAX:
        top = FixedType(signed=kind.signed, width=bits, integer=kind.integer)
        order = np.argsort(np.arange(top.low, top.high + 1) & ((1 << bits) - 1))
        at = top.to_float(np.arange(top.low, top.high + 1))[order].astype(np.float32)
        assert_array_equal(exponentials(at, np.float32(scale), entry, "x"), next(lines), f"exp {kind}")
        assert_array_equal(exponentials(at, -np.float32(scale), entry, "x"), next(lines), f"exp(-x) {kind}")
        assert_array_equal(inverses(at, entry, "x"), next(lines), f"inverse {kind}")
    assert next(lines, None) is None


@given(PLAIN, st.sampled_from(NAMES), st.sampled_from([4, 20, 100, 256]))
@settings(max_examples=80, deadline=None)
def test_lookups_on_symbols_equal_the_index_arithmetic(kind: FixedType, name: str, size: int) -> None:
    inputs, words = type_symbols([kind]), np.arange(kind.low, kind.high + 1)[:, None]
    symbols = -(-inputs).relu() if name in ("elu", "selu") else inputs
    table = activation_table(name, size, TYPES[0], "x")
    program = trace_program(inputs, tabulated(*addressed(symbols, name, table, "x"), "x"), [kind])
    whole = [
        int(Fraction(v) * size * sign / length)
        for v in kind.to_float(words[:, 0]).tolist()
        for sign, length in [SIDES.get(name, (1, 16))]
    ]
    offset = {"tanh": 4 * size // 8, "elu": 0, "selu": 0}.get(name, 8 * size // 16)
    expected = table[np.clip(np.array(whole) + offset, 0, size - 1)]
    assert_array_equal(program.to_float(program(words))[:, 0], expected)


def test_wide_entries_are_refused() -> None:
    with pytest.raises(ExactnessError, match="x: the type ap_fixed<50,8,TRN,WRAP> must have at most 48 bits; use a"):
        cast_real(1.0, FixedType(signed=True, width=50, integer=8), "x")
