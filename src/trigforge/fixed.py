"""Fixed-point types with the semantics of `ap_fixed`, in exact integer arithmetic.

A value is a pair (mantissa, fraction bits): mantissa · 2^-fraction. Mantissas are int64; nothing here is a float.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from .value import Value

IntArray = npt.NDArray[np.int64]

TYPE_TEXT = re.compile(r"(?:ap_)?(u)?fixed<(\d+),(-?\d+)(?:,(?:AP_)?(\w+))?(?:,(?:AP_)?(\w+))?>")
MAX_WIDTH = 62
"""Widest type: every intermediate then fits into int64."""


class Rounding(StrEnum):
    """What happens to fraction bits that a type does not hold; the names are `ap_fixed`'s."""

    TRN = "TRN"
    """Towards minus infinity."""
    TRN_ZERO = "TRN_ZERO"
    """Towards zero."""
    RND = "RND"
    """To nearest, ties towards plus infinity."""
    RND_ZERO = "RND_ZERO"
    """To nearest, ties towards zero."""
    RND_INF = "RND_INF"
    """To nearest, ties away from zero."""
    RND_MIN_INF = "RND_MIN_INF"
    """To nearest, ties towards minus infinity."""
    RND_CONV = "RND_CONV"
    """To nearest, ties to even."""


class Overflow(StrEnum):
    """What happens to a value outside the range of a type; the names are `ap_fixed`'s."""

    WRAP = "WRAP"
    SAT = "SAT"
    SAT_SYM = "SAT_SYM"
    """Saturates to ±maximum, so that the most negative code never occurs in a signed type."""


class FixedType(Value):
    """`ap_[u]fixed<width, integer, rounding, overflow>`: `width` bits, of which `integer` before the point.

    `integer` includes the sign bit, may be negative or exceed `width`, as in `ap_fixed`.
    """

    signed: bool
    width: int = Field(ge=1, le=MAX_WIDTH)
    integer: int = Field(ge=-64, le=64)
    rounding: Rounding = Rounding.TRN
    overflow: Overflow = Overflow.WRAP

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        """The fields of a type written as in HLS: `[ap_][u]fixed<width,integer[,rounding[,overflow]]>`."""
        if not isinstance(data, str):
            return data
        found = TYPE_TEXT.fullmatch(data.replace(" ", ""))
        if found is None:
            raise ValueError(f"a type must be written like 'fixed<16,6,RND,SAT>', not {data!r}")
        modes = {"rounding": found[4] or "TRN", "overflow": found[5] or "WRAP"}
        return {"signed": not found[1], "width": int(found[2]), "integer": int(found[3]), **modes}

    @model_validator(mode="after")
    def _one_bit_signed_is_empty_when_symmetric(self) -> FixedType:
        if self.signed and self.width == 1 and self.overflow is Overflow.SAT_SYM:
            raise ValueError("a signed SAT_SYM type must have at least 2 bits")
        return self

    @property
    def fraction(self) -> int:
        """Number of fraction bits."""
        return self.width - self.integer

    @property
    def lsb(self) -> float:
        """Value of the least significant bit."""
        return 2.0**-self.fraction

    @property
    def low(self) -> int:
        """Smallest mantissa."""
        if not self.signed:
            return 0
        return -(1 << (self.width - 1)) + (self.overflow is Overflow.SAT_SYM)

    @property
    def high(self) -> int:
        """Largest mantissa."""
        return (1 << (self.width - self.signed)) - 1

    def __str__(self) -> str:
        name = "ap_fixed" if self.signed else "ap_ufixed"
        return f"{name}<{self.width},{self.integer},{self.rounding.value},{self.overflow.value}>"

    def cast(self, mantissa: npt.ArrayLike, fraction: int | npt.NDArray[Any]) -> IntArray:
        """Mantissas of this type for the values `mantissa · 2^-fraction` (arrays broadcast), as hardware casts them."""
        values, fractions = np.broadcast_arrays(np.asarray(mantissa, dtype=np.int64), np.asarray(fraction))
        rounded = _round(values, fractions - self.fraction, self.rounding)
        return self._overflow(rounded)

    def to_float(self, mantissa: IntArray) -> npt.NDArray[np.float64]:
        """The real values of mantissas of this type; exact for widths up to 53 bits."""
        return np.ldexp(mantissa.astype(np.float64), -self.fraction)

    def from_float(self, value: npt.ArrayLike) -> IntArray:
        """The mantissas of real numbers that lie on this type's grid; others raise `ValueError`."""
        scaled = np.ldexp(np.asarray(value, dtype=np.float64), self.fraction)
        mantissa = np.rint(scaled).astype(np.int64)
        if not np.array_equal(mantissa.astype(np.float64), scaled):
            bad = np.asarray(value, dtype=np.float64)[mantissa != scaled].flat[0]
            raise ValueError(f"a value of {self} must be a multiple of 2^-{self.fraction}, not {bad!r}")
        return mantissa

    def _overflow(self, mantissa: IntArray) -> IntArray:
        if self.overflow is not Overflow.WRAP:
            clipped: IntArray = np.clip(mantissa, self.low, self.high)
            return clipped
        masked: IntArray = mantissa & np.int64((1 << self.width) - 1)
        return np.where(masked > self.high, masked - (1 << self.width), masked)


def _round(mantissa: IntArray, drop: npt.NDArray[Any], mode: Rounding) -> IntArray:
    """Remove `drop` fraction bits (negative: append zeros), rounding by `mode`."""
    left = mantissa << np.clip(-drop, 0, 63)
    drop = np.clip(drop, 0, 62)
    floor = mantissa >> drop
    rest = mantissa - (floor << drop)
    half = np.where(drop > 0, np.int64(1) << np.clip(drop - 1, 0, 62), 0)
    inexact, tie, above = rest > 0, (rest == half) & (drop > 0), rest > half
    negative = mantissa < 0
    up = {
        Rounding.TRN: np.zeros_like(tie),
        Rounding.TRN_ZERO: inexact & negative,
        Rounding.RND: above | tie,
        Rounding.RND_ZERO: above | (tie & negative),
        Rounding.RND_INF: above | (tie & ~negative),
        Rounding.RND_MIN_INF: above,
        Rounding.RND_CONV: above | (tie & ((floor & 1) == 1)),
    }[mode]
    rounded: IntArray = np.where(drop > 0, floor + up, left)
    return rounded
