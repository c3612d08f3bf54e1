"""Integer bins, exact for every word: powers of two of differences, quarter octaves of scores."""

from __future__ import annotations

from typing import Final

import numpy as np

from trigforge.fixed import FixedType, IntArray

BITS: Final = 64
EXPONENTS: Final = 2 * BITS - 1
"""Bins of signed powers of two: 0 in the middle, ±1, ±2..3, ±4..7 and so on."""
_POWERS: Final = 1 << np.arange(BITS - 1, dtype=np.int64)
STEPS: Final = 4
"""Bins of a score in a factor of two."""


def exponent_bins(values: IntArray) -> IntArray:
    """The bin of every value: the number of bits of its magnitude, with its sign, counted from the middle."""
    size = np.searchsorted(_POWERS, np.abs(values), side="right")
    return np.asarray(BITS - 1 + np.sign(values) * size, dtype=np.int64)


def exponent_range(index: int) -> tuple[int, int]:
    """The smallest and the largest value of a bin of `exponent_bins`."""
    size = index - (BITS - 1)
    if size == 0:
        return 0, 0
    low, high = 1 << (abs(size) - 1), (1 << abs(size)) - 1
    return (low, high) if size > 0 else (-high, -low)


def score_edges(kind: FixedType, *, bit: bool) -> IntArray:
    """Edges of the bins of a score of this type, or of a trigger bit."""
    if bit:
        return np.array([0, 1, 2])
    steps = STEPS * (kind.width - kind.signed)
    positive = sorted({0, *(int(2 ** (k / STEPS)) for k in range(steps)), kind.high + 1})
    negative = [-edge + 1 for edge in positive[:1:-1]] if kind.signed else []
    return np.array([*negative, *positive], dtype=np.int64)


def score_bins(scores: IntArray, edges: IntArray) -> IntArray:
    """The bin of every score; what lies outside the type is put into its first or last bin."""
    return np.asarray(np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2), dtype=np.int64)
