"""Fewer bits for numbers in files: what a compressor then finds is zeros."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError

MANTISSA_BITS: Final = 23


def round_mantissa(values: npt.ArrayLike, bits: int) -> npt.NDArray[np.float32]:
    """`values` as float32 with the first `bits` of the 23 bits of the mantissa, the rest zero: within 2^-(bits + 1).

    To nearest, ties away from zero, as NanoAOD does; carries go into the exponent, so that the largest float32
    becomes infinite. Infinities and NaN stay. Raises `InputError` unless 1 ≤ bits ≤ 23.
    """
    if not 1 <= bits <= MANTISSA_BITS:
        raise InputError(f"bits of a float32 mantissa must be in 1..{MANTISSA_BITS}, not {bits!r}")
    exact = np.asarray(values, dtype=np.float32)
    dropped = MANTISSA_BITS - bits
    half = np.uint32((1 << dropped) >> 1)
    mask = np.uint32(0xFFFF_FFFF >> dropped << dropped)
    rounded = ((exact.view(np.uint32) + half) & mask).view(np.float32)
    return np.where(np.isfinite(exact), rounded, exact)
