"""Casts and constant products on symbols equal exact integer arithmetic for every type, mode and constant."""

from __future__ import annotations

import numpy as np
import pytest
from fixed_types import PLAIN, types
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.firmware.lowering.symbols import array_of, cast, grid, lookup, matmul, type_symbols
from trigforge.firmware.program import trace_program
from trigforge.fixed import FixedType, Rounding


def every_word(kind: FixedType) -> np.ndarray:
    return np.arange(kind.low, kind.high + 1)[:, None]


@given(PLAIN, types())
@settings(max_examples=400)
def test_a_cast_equals_fixed_point_arithmetic(source: FixedType, target: FixedType) -> None:
    symbols, words = type_symbols([source]), every_word(source)
    program = trace_program(symbols, cast(symbols, target, "x"), [source])
    expected = target.to_float(target.cast(words, source.fraction))
    assert_array_equal(program.to_float(program(words)), expected)


@given(st.integers(0, 2**32))
@settings(max_examples=40)
def test_products_with_constants_of_any_width_are_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, outputs, bits = rng.integers(1, 7), rng.integers(1, 5), int(rng.integers(1, 40))
    kinds = [
        FixedType(signed=bool(rng.integers(0, 2)), width=int(w), integer=int(rng.integers(-2, 6)))
        for w in rng.integers(1, 8, inputs)
    ]
    whole = rng.integers(-(1 << bits), (1 << bits) + 1, (inputs, outputs)) * (rng.random((inputs, outputs)) < 0.8)
    matrix = np.ldexp(whole.astype(float), int(rng.integers(-bits, 3)))
    symbols = type_symbols(kinds)
    program = trace_program(symbols, matmul(symbols, matrix), kinds)
    words = np.stack([rng.integers(k.low, k.high + 1, 300) for k in kinds], axis=1)
    values = np.stack([k.to_float(words[:, i]) for i, k in enumerate(kinds)], axis=1)
    assert_array_equal(program.to_float(program(words)), values @ matrix)


@given(PLAIN, st.integers(0, 2**32), st.sampled_from([-3.0, -1.0, 0.5, 1.0, 6.0]))
@settings(max_examples=60)
def test_tables_of_any_width_are_looked_up_exactly(kind: FixedType, seed: int, scale: float) -> None:
    rng, symbols, words = np.random.default_rng(seed), type_symbols([kind]), every_word(kind)
    scaled = (symbols * scale)[0]
    table = np.ldexp(rng.integers(-(1 << 40), 1 << 40, len(grid(scaled))).astype(float), -30)
    program = trace_program(symbols, array_of([lookup(scaled, table)], symbols), [kind])
    positions = np.searchsorted(grid(scaled), kind.to_float(words[:, 0]) * scale)
    assert_array_equal(program.to_float(program(words))[:, 0], table[positions])


def test_constants_of_arrays_in_any_order_become_symbols() -> None:
    (symbol,) = type_symbols([FixedType(signed=True, width=4, integer=2)])
    columns = np.array([[symbol, 0.5, 1.0], [2.0, 3.0, symbol]], dtype=object).T
    like = type_symbols([FixedType(signed=True, width=4, integer=2)])
    for values in (columns, np.broadcast_to(np.array([[0.5], [1.5]]), (2, 3))):
        assert_array_equal(array_of(values, like).shape, values.shape)
        assert all(hasattr(value, "low") for value in np.asarray(array_of(values, like), dtype=object).ravel())


@pytest.mark.parametrize("rounding", list(Rounding))
def test_casts_that_drop_more_bits_than_alkaids_constants_hold_are_exact(rounding: Rounding) -> None:
    source = FixedType(signed=True, width=34, integer=4)
    target = FixedType(signed=True, width=5, integer=4, rounding=rounding)
    rng, symbols = np.random.default_rng(0), type_symbols([source])
    near_ties = (rng.integers(-15, 16, 500) << 28) + rng.integers(-1, 2, 500)
    words = np.concatenate([rng.integers(source.low, source.high + 1, 2000), rng.integers(-40, 40, 500), near_ties])
    program = trace_program(symbols, cast(symbols, target, "x"), [source])
    expected = target.to_float(target.cast(words[:, None], source.fraction))
    assert_array_equal(program.to_float(program(words[:, None])), expected)


def test_products_of_values_that_are_all_zero_are_zero() -> None:
    kind = FixedType(signed=False, width=3, integer=2)
    given, matrix = type_symbols([kind] * 9), np.full((9, 1), 0.125)
    rows = array_of(np.stack([np.asarray(given * scale, dtype=object) for scale in (1.0, 0.0)]), given)
    words = np.random.default_rng(1).integers(0, 8, (50, 9))
    expected = kind.to_float(words) @ matrix
    for values, results in ((rows[1], 0 * expected), (rows, np.hstack([expected, 0 * expected]))):
        program = trace_program(given, matmul(values, matrix).reshape(-1), [kind] * 9)
        assert_array_equal(program.to_float(program(words)), results)
