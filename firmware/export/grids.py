"""Which values every element of a tensor can take, and therefore which floating-point type computes with them exactly.

A sum of products is exact in any order of its terms if all terms are multiples of one 2^-f and the sum of their
magnitudes is at most 2^p · 2^-f, p the significant bits of the floating-point type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.firmware.lowering.symbols import FloatArray, Symbols, bounds
from trigforge.fixed import FixedType, IntArray

FLOAT_BITS, DOUBLE_BITS = 24, 53
NO_BITS = -1024
"""Fraction bits of what is constantly 0."""
Move = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def fractions(values: FloatArray) -> IntArray:
    """Fraction bits of every number, negative for multiples of 2, 4, …"""
    mantissas, exponents = np.frexp(np.asarray(values, dtype=np.float64))
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = np.where(whole == 0, 1, whole & -whole).astype(np.float64)
    return np.where(whole == 0, NO_BITS, 53 - exponents - np.log2(lowest).astype(np.int64)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Grid:
    """Every element lies in `low..high` and is a multiple of 2^-`fraction`; three arrays in the tensor's shape."""

    low: FloatArray
    high: FloatArray
    fraction: IntArray

    @classmethod
    def of_symbols(cls, values: Symbols) -> Grid:
        """What interval arithmetic knows about symbols."""
        low, high, step = bounds(values)
        used = (low != 0) | (high != 0)
        return cls(low, high, np.where(used, np.rint(-np.log2(step)), NO_BITS).astype(np.int64))

    @classmethod
    def of_type(cls, kind: FixedType, shape: tuple[int, ...]) -> Grid:
        """All values of a type."""
        low, high = np.full(shape, kind.low * kind.lsb), np.full(shape, kind.high * kind.lsb)
        return cls(low, high, np.full(shape, kind.fraction))

    @classmethod
    def of_constants(cls, values: FloatArray) -> Grid:
        """Constants."""
        array = np.asarray(values, dtype=np.float64)
        return cls(array, array, fractions(array))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the batch axis."""
        return self.low.shape

    @property
    def reach(self) -> FloatArray:
        """The largest magnitude of every element."""
        return np.maximum(abs(self.low), abs(self.high))

    @property
    def steps(self) -> float:
        """The largest magnitude in units of its element's step."""
        return float(np.ldexp(self.reach, self.fraction).max(initial=0.0))

    @property
    def finest(self) -> int:
        """The most fraction bits of any element that is not constantly 0."""
        used = self.fraction[self.fraction > NO_BITS // 2]
        return int(used.max()) if used.size else 0

    def moved(self, move: Move) -> Grid:
        """The grid of elements in other places."""
        return Grid(move(self.low), move(self.high), move(self.fraction))

    def affine(self, scale: FloatArray | float, offset: FloatArray | float) -> Grid:
        """`value · scale + offset`."""
        scales, offsets = np.asarray(scale, dtype=np.float64), np.asarray(offset, dtype=np.float64)
        ends = np.stack([self.low * scales, self.high * scales])
        scaled = np.maximum(self.fraction + fractions(scales), NO_BITS)
        return Grid(ends.min(0) + offsets, ends.max(0) + offsets, np.maximum(scaled, fractions(offsets)))

    def plus(self, other: Grid) -> Grid:
        """The sum."""
        return Grid(self.low + other.low, self.high + other.high, np.maximum(self.fraction, other.fraction))

    def times(self, other: Grid) -> Grid:
        """The product."""
        ends = np.stack([a * b for a in (self.low, self.high) for b in (other.low, other.high)])
        return Grid(ends.min(0), ends.max(0), np.maximum(self.fraction + other.fraction, NO_BITS))

    def bounded(self, low: FloatArray | float, high: FloatArray | float) -> Grid:
        """The nearer limit where a value lies outside `low..high`."""
        finite = [np.where(np.isfinite(limit), limit, 0.0) for limit in (low, high)]
        limits = np.maximum(fractions(finite[0]), fractions(finite[1]))
        return Grid(np.clip(self.low, low, high), np.clip(self.high, low, high), np.maximum(self.fraction, limits))


def largest(left: Grid, right: Grid) -> Grid:
    """The element-wise maximum."""
    low, high = np.maximum(left.low, right.low), np.maximum(left.high, right.high)
    return Grid(low, high, np.maximum(left.fraction, right.fraction))


def least(left: Grid, right: Grid) -> Grid:
    """The element-wise minimum."""
    low, high = np.minimum(left.low, right.low), np.minimum(left.high, right.high)
    return Grid(low, high, np.maximum(left.fraction, right.fraction))


def symmetric(reach: FloatArray, fraction: IntArray) -> Grid:
    """Everything up to a magnitude."""
    return Grid(-reach, reach, fraction)


def joined(parts: list[Grid], axis: int) -> Grid:
    """Grids one after the other along an axis."""
    return Grid(
        *(np.concatenate([getattr(part, name) for part in parts], axis) for name in ("low", "high", "fraction"))
    )


def weighted(values: Grid, matrix: FloatArray, bias: FloatArray) -> tuple[Grid, Grid]:
    """The grids of `bias + values @ matrix` and of all its partial sums, for values (…, n) and constants (…, n, m)."""
    up, down = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
    rows = values.fraction if values.low.ndim == 1 else values.fraction.max(axis=-2)
    finest = (rows[..., :, None] + fractions(matrix)).max(axis=-2)
    low, high = values.low @ up + values.high @ down + bias, values.high @ up + values.low @ down + bias
    finest = np.maximum(finest, NO_BITS) if values.low.ndim == 1 else np.maximum(finest, NO_BITS)[..., None, :]
    fraction = np.broadcast_to(np.maximum(finest, fractions(bias)), low.shape)
    return Grid(low, high, fraction), symmetric(values.reach @ abs(matrix) + abs(bias), fraction)
