"""Accumulators round, saturate and wrap term by term, exactly as a loop over the hardware's types does."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from fixed_types import PLAIN, types
from hls4ml.model.types import FixedPrecisionType
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.firmware.circuit import Sum
from trigforge.firmware.lowering.accumulate import products_summed, summed
from trigforge.firmware.lowering.layer import Loss
from trigforge.firmware.lowering.symbols import added, constant_fraction, type_symbols
from trigforge.firmware.program import trace_program
from trigforge.fixed import FixedType, IntArray


def node(kind: FixedType) -> SimpleNamespace:
    precision = FixedPrecisionType(kind.width, kind.integer, kind.signed, kind.rounding.value, kind.overflow.value)
    return SimpleNamespace(name="d", class_name="Dense", get_attr={"accum_t": SimpleNamespace(precision=precision)}.get)


def loop(products: list[IntArray], fraction: int, start: IntArray, kind: FixedType) -> IntArray:
    total = kind.cast(start, fraction)
    for product in products:
        total = kind.cast(total + kind.cast(product, fraction), kind.fraction)
    return total


@given(types(), st.lists(PLAIN, min_size=1, max_size=4), st.integers(0, 2**32))
@settings(max_examples=150)
def test_dense_accumulators_equal_the_loop(kind: FixedType, kinds: list[FixedType], seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-9, 10, (len(kinds), 2)) / 2.0 ** rng.integers(0, 4)
    bias = rng.integers(-20, 21, 2) / 4.0
    symbols = type_symbols(kinds)
    outcome = products_summed(node(kind), symbols[None], matrix, bias)
    program = trace_program(symbols, outcome.values.ravel(), kinds)
    words = np.stack([rng.integers(k.low, k.high + 1, 200) for k in kinds], axis=1)
    shift = max(0, constant_fraction(matrix))
    fraction = max(2, *(k.fraction for k in kinds)) + shift
    values = [words[:, i] << (fraction - k.fraction) for i, k in enumerate(kinds)]
    for column in range(2):
        scaled = np.ldexp(matrix[:, column], shift).astype(np.int64)
        products = [v * w >> shift for v, w in zip(values, scaled, strict=True)]
        start = np.full(200, np.ldexp(bias[column], fraction), dtype=np.int64)
        expected = loop(products, fraction, start, kind)
        assert_array_equal(program.to_float(program(words))[:, column], kind.to_float(expected))
    if outcome.inner[0].loss is Loss.NONE:
        values = np.stack([k.to_float(words[:, i]) for i, k in enumerate(kinds)], axis=1)
        assert_array_equal(program.to_float(program(words)), values @ matrix + bias)


@given(types(), st.lists(PLAIN, min_size=1, max_size=4), st.integers(0, 2**32))
@settings(max_examples=100)
def test_sums_of_terms_equal_the_loop(kind: FixedType, kinds: list[FixedType], seed: int) -> None:
    rng, symbols = np.random.default_rng(seed), type_symbols(kinds)
    outcome = summed(node(kind), [symbols[i : i + 1] for i in range(len(kinds))])
    program = trace_program(symbols, outcome.values, kinds)
    words = np.stack([rng.integers(k.low, k.high + 1, 200) for k in kinds], axis=1)
    fraction = max(0, *(k.fraction for k in kinds))
    terms = [words[:, i] << (fraction - k.fraction) for i, k in enumerate(kinds)]
    expected = loop(terms, fraction, np.zeros(200, dtype=np.int64), kind)
    assert_array_equal(program.to_float(program(words))[:, 0], kind.to_float(expected))


@given(st.integers(1, 24), st.integers(0, 2**32))
@settings(max_examples=40)
def test_a_sum_of_terms_is_as_shallow_as_its_number_allows(count: int, seed: int) -> None:
    """alkaid cannot merge products of words with their sum, so every addition is one that `added` made."""
    kinds = [FixedType(signed=True, width=4, integer=4)] * (2 * count)
    symbols = type_symbols(kinds)
    total = added([symbols[i : i + 1] * symbols[i + 1 : i + 2] for i in range(0, 2 * count, 2)])
    program = trace_program(symbols, total, kinds)
    words = np.random.default_rng(seed).integers(-8, 8, (100, 2 * count))
    assert_array_equal(program(words)[:, 0], (words[:, ::2] * words[:, 1::2]).sum(axis=1))
    depths: list[int] = []
    for node_ in program.circuit.nodes:
        operation = node_.operation
        below = max((depths[term.source] for term in operation.terms), default=0) if isinstance(operation, Sum) else 0
        depths.append(below + isinstance(operation, Sum))
    assert max(depths) == (count - 1).bit_length()
