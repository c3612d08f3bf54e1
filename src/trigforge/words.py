"""Real outputs of a level as exact integers, so that levels are compared by equality."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray

COMPARISON_BITS: Final = 16
"""Levels are compared on a grid this many bits finer than the output's least significant bit."""


def words_of(program: IntegerProgram, values: npt.NDArray[np.float64], where: str) -> IntArray:
    """Real outputs (n, outputs) as exact integers, on a grid finer than the program's so that differences show."""
    fractions = np.array([t.fraction + COMPARISON_BITS for t in program.outputs])
    scaled = np.ldexp(values, fractions)
    mantissas: IntArray = np.rint(scaled).astype(np.int64)
    if not np.array_equal(mantissas, scaled):
        bad = values[mantissas != scaled].flat[0]
        raise CheckError(f"every output of {where} must be a multiple of 2^-{fractions.max()}, not {bad!r}")
    return mantissas
