"""`FixedType.cast` against an independent exact reference in rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.fixed import FixedType, Overflow, Rounding


def rounded(value: Fraction, mode: Rounding) -> int:
    """The integer that the text of the `ap_fixed` manual asks for."""
    floor, rest = math.floor(value), value - math.floor(value)
    if rest == 0:
        return floor
    if mode is Rounding.TRN:
        return floor
    if mode is Rounding.TRN_ZERO:
        return math.trunc(value)
    if rest != Fraction(1, 2):
        return floor + (rest > Fraction(1, 2))
    return {
        Rounding.RND: floor + 1,
        Rounding.RND_MIN_INF: floor,
        Rounding.RND_ZERO: math.trunc(value),
        Rounding.RND_INF: floor + 1 if value > 0 else floor,
        Rounding.RND_CONV: floor + floor % 2,
    }[mode]


def overflowed(value: int, t: FixedType) -> int:
    if t.overflow is Overflow.WRAP:
        value %= 1 << t.width
        return value - (1 << t.width) if t.signed and value >= 1 << (t.width - 1) else value
    top = (1 << (t.width - 1)) - 1 if t.signed else (1 << t.width) - 1
    bottom = (-top if t.overflow is Overflow.SAT_SYM else -top - 1) if t.signed else 0
    return max(bottom, min(top, value))


types = st.builds(
    FixedType,
    signed=st.booleans(),
    width=st.integers(2, 24),
    integer=st.integers(-4, 24),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from(Overflow),
)


@given(types, st.lists(st.integers(-(2**30), 2**30), min_size=1, max_size=40), st.integers(-6, 20))
def test_cast_is_exact(t: FixedType, mantissas: list[int], fraction: int) -> None:
    expected = [
        overflowed(rounded(Fraction(m) * Fraction(2) ** (t.fraction - fraction), t.rounding), t) for m in mantissas
    ]
    assert_array_equal(t.cast(mantissas, fraction), expected)


@given(types, st.integers(0, 2**32 - 1))
def test_floats_of_a_type_round_trip(t: FixedType, seed: int) -> None:
    mantissas = np.random.default_rng(seed).integers(t.low, t.high + 1, 50)
    assert_array_equal(t.from_float(t.to_float(mantissas)), mantissas)


def test_off_grid_floats_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a value of ap_fixed<8,4,TRN,WRAP> must be a multiple of 2\^-4, not .*0\.03"):
        FixedType(signed=True, width=8, integer=4).from_float([0.5, 0.03])


def test_cast_broadcasts_the_fraction_over_words() -> None:
    t = FixedType(signed=True, width=8, integer=4)
    assert_array_equal(t.cast([[64, 64]], np.array([4, 6])), [[64, 16]])
