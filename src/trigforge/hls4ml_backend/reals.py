"""Real numbers converted to fixed point, as `ap_fixed` and `ap_int` convert a `double`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.fixed import FixedType, Overflow, Rounding

Reals = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int32]

BLOCK: Final = 1 << 15
"""Numbers that are converted at once: they stay in the cache."""


def mantissas(values: Reals, kind: FixedType, *, ap_int: bool = False) -> Integers:
    """Mantissas of a type, 32 bits at most with a sign, for any real numbers, rounded and overflowed as the type says.

    With `ap_int` rounded as `ap_int<width>` does instead: towards zero, but what lies between -1/2 and 0 becomes 1 (a
    fault of its header, and so of csim). Infinities overflow like large numbers; NaN raises `InputError`.
    """
    flat, result = np.ascontiguousarray(values).reshape(-1), np.empty(values.size, dtype=np.int32)

    def convert(start: int) -> None:
        result[start : start + BLOCK] = _convert(flat[start : start + BLOCK], kind, ap_int)

    starts = range(0, flat.size, BLOCK)
    if len(starts) <= 1:
        for start in starts:
            convert(start)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(convert, starts))
    return result.reshape(values.shape)


def _convert(values: Reals, kind: FixedType, ap_int: bool) -> Reals:
    """The mantissas of a block as integral doubles."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        exact = values.astype(np.float64)
        scaled = exact * 2.0**kind.fraction
        if kind.fraction < 0:  # what becomes smaller than any double must still round down below zero
            scaled = np.where((scaled == 0) & (exact != 0), np.copysign(0.25, exact), scaled)
        rounded = _round_ap_int(scaled) if ap_int else _round(scaled, kind.rounding)
        least, most = rounded.min(), rounded.max()
        if np.isnan(least):
            raise InputError("inputs must be numbers, but there is a NaN among them")
        return rounded if kind.low <= least and most <= kind.high else _overflow(rounded, kind)


def _round(scaled: Reals, mode: Rounding) -> Reals:
    match mode:
        case Rounding.TRN:
            return np.floor(scaled)
        case Rounding.TRN_ZERO:
            return np.trunc(scaled)
        case Rounding.RND_CONV:
            return np.rint(scaled)
    lower = np.floor(scaled)
    upper, whole, nearest = np.ceil(scaled), np.trunc(scaled), np.rint(scaled)
    match mode:
        case Rounding.RND:
            of_tie = upper
        case Rounding.RND_MIN_INF:
            of_tie = lower
        case Rounding.RND_ZERO:
            of_tie = whole
        case Rounding.RND_INF:
            of_tie = np.where(scaled < 0, lower, upper)
    return np.where(np.abs(scaled - whole) == 0.5, of_tie, nearest)


def _round_ap_int(scaled: Reals) -> Reals:
    return np.where((scaled < 0) & (scaled > -0.5), 1.0, np.trunc(scaled))


def _overflow(rounded: Reals, kind: FixedType) -> Reals:
    if kind.overflow is not Overflow.WRAP:
        return np.clip(rounded, kind.low, kind.high)
    span = 2.0**kind.width
    wrapped = np.fmod(np.where(np.isinf(rounded), 0.0, rounded), span)
    wrapped = np.where(wrapped < 0, wrapped + span, wrapped)
    return np.where(wrapped > kind.high, wrapped - span, wrapped)
