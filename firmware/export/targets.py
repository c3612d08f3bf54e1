"""`Target`: what a tensor is cast to, element by element, and what the cast does to the values that reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trigforge.firmware.export.grids import Grid
from trigforge.firmware.lowering.layer import Loss
from trigforge.firmware.lowering.symbols import FloatArray
from trigforge.fixed import FixedType, IntArray, Overflow, Rounding


@dataclass(frozen=True, slots=True)
class Target:
    """A fixed-point type for every element: mantissas `low..high` of 2^-`fraction`.

    The arrays have the tensor's shape or none. `beyond`: values outside the limits reach it.
    """

    fraction: IntArray
    low: FloatArray
    high: FloatArray
    rounding: Rounding
    overflow: Overflow
    beyond: bool
    text: str
    """How messages name it."""

    @classmethod
    def of_type(cls, kind: FixedType, loss: Loss) -> Target:
        """One type for all elements."""
        limits = np.array(float(kind.low)), np.array(float(kind.high))
        beyond = loss in (Loss.SATURATES, Loss.WRAPS)
        return cls(np.array(kind.fraction), *limits, kind.rounding, kind.overflow, beyond, str(kind))

    @classmethod
    def of_types(
        cls, kinds: Sequence[FixedType | None], losses: Sequence[Loss], shape: tuple[int, ...], modes: FixedType
    ) -> Target:
        """A type an element, all with the modes of `modes`; None makes the element 0."""
        known = [kind for kind in kinds if kind is not None]
        coarsest = min((kind.fraction for kind in known), default=0)
        text = f"types of its elements up to {max(known, key=lambda kind: kind.width, default=modes)}"
        rows = [(coarsest, 0, 0) if kind is None else (kind.fraction, kind.low, kind.high) for kind in kinds]
        fraction, low, high = (np.array(column).reshape(shape) for column in zip(*rows, strict=True))
        beyond = any(loss in (Loss.SATURATES, Loss.WRAPS) for loss in losses)
        return cls(fraction, low.astype(float), high.astype(float), modes.rounding, modes.overflow, beyond, text)

    @property
    def lsb(self) -> FloatArray:
        """The value of the last bit."""
        return np.ldexp(1.0, -self.fraction)

    @property
    def wraps(self) -> bool:
        """Whether reachable values come out wrong."""
        return self.beyond and self.overflow is Overflow.WRAP

    def rounds(self, grid: Grid) -> bool:
        """Whether values of a grid lose fraction bits."""
        return bool((grid.fraction > self.fraction).any())

    def rounded(self, grid: Grid) -> Grid:
        """A grid whose values have been rounded, in any mode."""
        low, high = np.floor(grid.low / self.lsb) * self.lsb, np.ceil(grid.high / self.lsb) * self.lsb
        return Grid(low, high, np.minimum(grid.fraction, self.fraction))

    def limited(self, grid: Grid) -> Grid:
        """A rounded grid within the limits."""
        low, high = (np.broadcast_to(limit * self.lsb, grid.shape) for limit in (self.low, self.high))
        if self.wraps:
            return Grid(low, high, grid.fraction)
        return Grid(np.clip(grid.low, low, high), np.clip(grid.high, low, high), grid.fraction)
