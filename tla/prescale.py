"""The two schools of prescaling: expected probability (weighting) and the hardware counter (counting)."""

from __future__ import annotations

import numpy as np

from trigforge.errors import InputError
from trigforge.weighted import BoolArray, FloatArray

PRECISION = 100
"""Steps of one unit of prescale in the counter: two decimals."""


def acceptance(fired: BoolArray, prescale: float) -> FloatArray:
    """Probability of a seed after its prescale, fired / prescale, shape of `fired`; a prescale of 0 is off."""
    _check(prescale)
    return fired / prescale if prescale else np.zeros(fired.shape)


def counting_prescale(fired: BoolArray, prescale: float, precision: int = PRECISION) -> BoolArray:
    """Which fires (n,), in time order, the hardware accepts.

    counter += precision per fire; accept when counter >= round(prescale · precision), then subtract that. So the
    k-th fire is accepted where floor(k · precision / round(prescale · precision)) rises.
    """
    _check(prescale)
    if prescale == 0:
        return np.zeros(len(fired), dtype=np.bool_)
    count = np.cumsum(np.asarray(fired, dtype=np.bool_), dtype=np.int64)
    accepted = count * precision // round(prescale * precision)
    return np.asarray(np.diff(accepted, prepend=0) > 0)


def _check(prescale: float) -> None:
    if prescale != 0 and not prescale >= 1:
        raise InputError(f"prescale must be 0 (off) or at least 1, not {prescale!r}")
