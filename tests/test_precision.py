"""Rounding to fewer bits, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.precision import round_mantissa

NORMAL = st.floats(min_value=2.0**-100, max_value=2.0**100, width=32)


@given(NORMAL, st.integers(1, 23), st.booleans())
def test_the_nearest_number_of_so_many_bits_is_taken(size: float, bits: int, negative: bool) -> None:
    value = -size if negative else size
    step = Fraction(2) ** (int(np.frexp(np.float32(size))[1]) - 1 - bits)
    whole, rest = divmod(Fraction(size), step)
    expected = (whole + (2 * rest >= step)) * step
    rounded = round_mantissa([value], bits)
    assert rounded.dtype == np.float32
    assert Fraction(float(rounded[0])) == (-expected if negative else expected)


@given(st.lists(st.floats(width=32), max_size=20), st.integers(1, 23))
def test_rounding_twice_is_rounding_once(values: list[float], bits: int) -> None:
    once = round_mantissa(values, bits)
    assert_array_equal(round_mantissa(once, bits), once)


def test_known_values_carries_and_what_is_no_number() -> None:
    assert_array_equal(round_mantissa([1.25, 1.24, 1.75, -1.25, 3.9, 0.0], 1), [1.5, 1.0, 2.0, -1.5, 4.0, 0.0])
    special = np.array([np.inf, -np.inf, np.nan, -0.0], np.float32)
    assert_array_equal(round_mantissa(special, 5), special)
    assert np.signbit(round_mantissa(special, 5)[3])
    worst = np.array([0x7FFF_FFFF], np.uint32).view(np.float32)
    assert np.isnan(round_mantissa(worst, 5)[0])
    exact = np.array([[1 / 3, 2 / 3]], np.float32)
    assert_array_equal(round_mantissa(exact, 23), exact)


@pytest.mark.parametrize("bits", [0, 24, -1])
def test_impossible_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match=rf"bits of a float32 mantissa must be in 1..23, not {bits}"):
        round_mantissa([1.0], bits)
