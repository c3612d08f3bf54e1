"""What flows through an imported ONNX graph: exact value ranges, tensors held by hls4ml layers, and constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.fixed import MAX_WIDTH, FixedType, Overflow

FLOAT32_BITS = 24
"""Significant bits of a float32."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Every value that elements can take: `low` ≤ value ≤ `high`, a multiple of 2^-`fraction`."""

    low: FloatArray
    high: FloatArray
    fraction: int

    @classmethod
    def of_type(cls, kind: FixedType, shape: tuple[int, ...]) -> Grid:
        """All values of a type."""
        return cls(np.full(shape, kind.low * kind.lsb), np.full(shape, kind.high * kind.lsb), kind.fraction)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the batch axis."""
        return self.low.shape

    @property
    def bits(self) -> int:
        """Significant bits of the largest magnitude."""
        largest = max(abs(float(self.low.min())), abs(float(self.high.max())))
        return int(np.ldexp(largest, self.fraction)).bit_length()

    def covering(self, where: str) -> FixedType:
        """The narrowest type that holds every value; `ExactnessError` if none does."""
        least, most = (int(np.ldexp(float(v), self.fraction)) for v in (self.low.min(), self.high.max()))
        signed = least < 0
        width = max(max(most, 0).bit_length(), max(-least - 1, 0).bit_length()) + signed
        if width > MAX_WIDTH:
            raise ExactnessError(
                f"{where} must fit into {MAX_WIDTH} bits, it needs {width}; quantise what enters it to fewer bits"
            )
        width = max(width, 1)
        return FixedType(signed=signed, width=width, integer=width - self.fraction)

    def cast(self, kind: FixedType) -> Grid:
        """What is left after a cast to `kind`; casts are monotone unless they wrap."""
        mantissas = [np.rint(np.ldexp(v, self.fraction)).astype(np.int64) for v in (self.low, self.high)]
        fraction = min(self.fraction, kind.fraction)
        if kind.overflow is Overflow.WRAP:
            integer = min(MAX_WIDTH - kind.fraction, 64)
            wide = FixedType(signed=True, width=integer + kind.fraction, integer=integer, rounding=kind.rounding)
            low, high = (wide.cast(m, self.fraction) for m in mantissas)
            inside = (low >= kind.low) & (high <= kind.high)
            low, high = np.where(inside, low, kind.low), np.where(inside, high, kind.high)
        else:
            low, high = (kind.cast(m, self.fraction) for m in mantissas)
        return Grid(kind.to_float(low), kind.to_float(high), fraction)

    def affine(self, scale: FloatArray, offset: FloatArray) -> Grid:
        """The range of `value · scale + offset`, element by element."""
        ends = np.stack([self.low * scale, self.high * scale])
        fraction = max(self.fraction + fraction_bits(scale), fraction_bits(offset))
        return Grid(ends.min(axis=0) + offset, ends.max(axis=0) + offset, fraction)

    def reshape(self, shape: tuple[int, ...]) -> Grid:
        """The same values in another shape."""
        return Grid(self.low.reshape(shape), self.high.reshape(shape), self.fraction)

    def transpose(self, axes: tuple[int, ...]) -> Grid:
        """The same values with the axes in another order."""
        return Grid(self.low.transpose(axes), self.high.transpose(axes), self.fraction)


@dataclass(frozen=True, slots=True)
class Tensor:
    """The output of an hls4ml layer.

    `grid` has ONNX's order of axes (channels first) without the batch; `last`: the layer holds channels last. With a
    `unit` the layer holds codes: the model's value is `unit` (one, or one a channel) times what the layer holds, but
    for the roundoff of float32, which is at most `slack` units.
    """

    layer: str
    grid: Grid
    last: bool = False
    unit: FloatArray | None = None
    slack: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in ONNX's order, without the batch axis."""
        return self.grid.shape


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant; `quantised` ones lie on a binary grid by training, others say in `origin` why they do not.

    The values of a quantiser whose scale is not a power of two are whole multiples of `unit`, element by element.
    """

    values: FloatArray
    quantised: bool = False
    origin: str = ""
    unit: FloatArray | None = None


def fraction_bits(values: FloatArray) -> int:
    """The fewest fraction bits that hold every value exactly; negative where all are multiples of 2, 4, …"""
    mantissas, exponents = np.frexp(np.asarray(values, dtype=np.float64)[np.asarray(values) != 0])
    if not mantissas.size:
        return 0
    integers = np.ldexp(mantissas, 53).astype(np.int64)
    zeros = np.log2((integers & -integers).astype(np.float64)).astype(np.int64)
    return int((53 - exponents - zeros).max())


def constant_grid(values: FloatArray) -> Grid:
    """The grid of a constant array."""
    return Grid(values, values, fraction_bits(values))


def round_to(values: FloatArray, kind: FixedType) -> FloatArray:
    """Real values cast to a type, with its rounding and overflow."""
    scaled = np.ldexp(values, kind.fraction)
    floor = np.floor(scaled)
    rest = scaled - floor
    quarters = np.select([rest == 0, rest < 0.5, rest == 0.5], [0, 1, 2], 3)
    limit = 2.0 ** (MAX_WIDTH - 3)
    mantissas = np.clip(floor, -limit, limit).astype(np.int64) * 4 + quarters
    return kind.to_float(kind.cast(mantissas, kind.fraction + 2))
