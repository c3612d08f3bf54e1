"""Choices between symbols: by a sign, the greatest of several, limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trigforge.firmware.lowering.symbols import Symbols, added, array_of


def by_sign(signs: Symbols, negative: Symbols, other: Symbols) -> Symbols:
    """Element by element `negative` where the sign's symbol is below 0, else `other`; arrays of one shape."""
    trios = zip(*(np.asarray(part, dtype=object).ravel() for part in (signs, negative, other)), strict=True)
    chosen = [_by_sign(*trio) for trio in trios]
    return array_of(np.array(chosen, dtype=object).reshape(signs.shape), signs)


def greatest(values: Sequence[Symbols]) -> Symbols:
    """The element-wise maximum of arrays of one shape."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    left, right = greatest(values[:half]), greatest(values[half:])
    return by_sign(added([left, -right]), right, left)


def between(values: Symbols, low: Symbols, high: Symbols) -> Symbols:
    """Every value, or the nearer limit if it lies outside `low..high`."""
    below = by_sign(added([values, -low]), low, values)
    return by_sign(added([high, -below]), high, below)


def constants(value: float, like: Symbols) -> Symbols:
    """A constant in the shape of an array of symbols."""
    return array_of(np.full(like.shape, value, dtype=object), like)


def _by_sign(sign: Any, negative: Any, other: Any) -> Any:
    """alkaid's `msb_mux` takes the highest bit, which is the sign only of what can be negative."""
    if sign.low >= 0:
        return other
    if sign.high < 0:
        return negative
    reach = min(negative.low, other.low), max(negative.high, other.high), min(negative.step, other.step)
    return sign.msb_mux(negative, other, tuple(float(v) for v in reach))
