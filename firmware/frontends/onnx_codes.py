"""Quantisers whose scales are not powers of two: whole-number codes, and fixed-point factors in place of float32.

A linear layer of codes sums whole numbers v; the model's float32 value is `unit · v` within a roundoff that is bounded
here for any order of summation. The next quantiser divides by its own scale s and rounds. That is a function of v only
if no v that occurs lies within the roundoff of the edge between two codes; then a short factor in place of `unit / s`
gives the same code for every v that occurs, which is checked edge by edge in exact arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.onnx_tensors import FLOAT32_BITS, Constant, Tensor
from trigforge.firmware.frontends.onnx_walk import Walk, exact_zero, label
from trigforge.fixed import FixedType, Rounding

ROUNDOFF = 2.0**-FLOAT32_BITS
"""Relative error of one float32 operation."""
OTHERS = 4
"""Roundings of a term besides those of additions: of its two factors, their product, and a scale before it."""
MAX_FACTOR_BITS = 40
FIXED_POINT = "fewer bits, other data for the scales, or fixed-point quantisers, such as Int8ActPerTensorFixedPoint"


@dataclass(frozen=True, slots=True)
class Codes:
    """A linear layer in codes: its whole weights and bias, the unit of its sums, and their roundoff in that unit."""

    weights: Constant
    bias: Constant | None
    unit: FloatArray | None = None
    slack: float = 0.0

    def of(self, result: Tensor, axis: int) -> Tensor:
        """The layer's result with its unit, one a channel of an axis if they differ."""
        if self.unit is None:
            return result
        shape = [1] * len(result.shape)
        shape[axis] = -1
        same = (self.unit == self.unit[0]).all()
        return replace(result, unit=self.unit[:1] if same else self.unit.reshape(shape), slack=self.slack)


def one_unit(node: Any, tensor: Tensor) -> Tensor:
    """The tensor, whose values must share one unit if they have one."""
    if tensor.unit is not None and tensor.unit.size > 1:
        raise ExactnessError(f"what enters {label(node)} must have one scale, not one a channel; put a quantiser first")
    return tensor


def coded(
    walk: Walk, node: Any, layer: str, tensor: Tensor, weights: Constant, bias: Constant | None, axis: int
) -> Codes:
    """A linear layer as it is, or in codes if its input or its weights have a unit; `axis` of the weights: outputs."""
    typed = walk.layers.user.of(layer, "weight", left_open=weights.unit is not None)
    if tensor.unit is None and (typed or weights.unit is None):
        return Codes(weights, bias)
    walk.layers.coded = True
    values, units = (np.moveaxis(v, axis, 0) for v in (weights.values, _units(node, weights)))
    units = units.reshape(len(units), -1)
    if (units != units[:, :1]).any() or (units <= 0).any():
        raise ExactnessError(f"the weights of {label(node)} must have one scale above 0, or one an output")
    given = one_unit(node, tensor).unit
    unit = units[:, 0] if given is None else units[:, 0] * given
    matrix = values.reshape(units.shape) / units
    whole = np.rint(weights.values / _units(node, weights)) if weights.unit is not None else weights.values
    offset = None if bias is None else _whole_bias(node, bias, unit)
    slack = _roundoff(tensor, matrix, np.zeros(len(matrix)) if offset is None else offset.values)
    return Codes(Constant(whole, True), offset, unit, slack)


def _roundoff(tensor: Tensor, matrix: FloatArray, bias: FloatArray) -> float:
    """How far float32 sums of products with the rows of a matrix can be off, in any order of summation.

    Every addition is off by its result's roundoff, and that is a sum of some of the terms; every term by its factors'
    and its own.
    """
    ends = np.stack([matrix * float(tensor.grid.low.min()), matrix * float(tensor.grid.high.max())])
    partial = np.maximum(ends.clip(min=0).max(axis=0).sum(axis=1), -ends.clip(max=0).min(axis=0).sum(axis=1))
    terms = abs(ends).max(axis=0).sum(axis=1) + abs(bias)
    additions = (matrix.shape[1] + 1) * (partial + abs(bias))
    slack = 1.01 * ROUNDOFF * (additions + OTHERS * terms) + tensor.slack * abs(matrix).sum(axis=1)
    return float(slack.max())


def _units(node: Any, weights: Constant) -> FloatArray:
    if weights.unit is None:
        if not weights.quantised:
            raise ExactnessError(f"the weights of {label(node)} must be quantised, like what enters it")
        return np.ones(weights.values.shape)
    return np.asarray(weights.unit, dtype=np.float64)


def _whole_bias(node: Any, bias: Constant, unit: FloatArray) -> Constant:
    """The bias in units of the layer's sums."""
    codes = bias.values / unit
    whole = np.rint(codes)
    if (abs(codes - whole) > 4 * ROUNDOFF * abs(whole)).any():
        raise ExactnessError(
            f"the bias of {label(node)} must be quantised with the product of the scales of input and weights, such "
            "as by Brevitas's Int32Bias"
        )
    return Constant(whole, True)


def requantised(walk: Walk, node: Any, tensor: Tensor, scale: FloatArray, zero: FloatArray, kind: FixedType) -> Tensor:
    """`clip(round(x / scale))` of values in a unit, or by a scale that is not a power of two, in codes of the scale."""
    if scale.size != 1 or scale.item() <= 0 or zero.any() or kind.rounding is not Rounding.RND_CONV:
        raise ExactnessError(
            f"{label(node)} must have one scale, no zero point and round to even, or power-of-two scales before and "
            "in it"
        )
    walk.layers.coded = True
    step, given = Fraction(float(scale.item())), np.ones(1) if tensor.unit is None else tensor.unit
    factors = [_factor(node, tensor, Fraction(float(unit)), step, kind) for unit in given.ravel()]
    binary = math.frexp(float(step))[0] == 0.5
    numbers = np.array([float(f * step if binary else f) for f in factors]).reshape(given.shape)
    scaled = walk.affine(f"{node.name}_scale", replace(tensor, unit=None), Constant(numbers, True), exact_zero())
    shift = round(math.log2(step)) if binary else 0
    held = kind.model_copy(update={"integer": kind.integer + shift, "rounding": Rounding.RND})
    result = walk.cast(node.name, scaled, held, sole=True)
    return result if binary else replace(result, unit=np.array([float(step)]))


def _factor(node: Any, tensor: Tensor, unit: Fraction, step: Fraction, kind: FixedType) -> Fraction:
    """The shortest binary factor that rounds every value that occurs as float32 rounds its quotient by the scale."""
    ratio = unit / step
    near = list(_edges(node, tensor, ratio, kind))
    for bits in range(MAX_FACTOR_BITS):
        factor = Fraction(round(ratio * 2**bits), 2**bits)
        if all((factor * value < edge) == below for value, edge, below in near) and factor:
            return factor
    raise ExactnessError(
        f"{label(node)} must have a factor of {MAX_FACTOR_BITS} bits, not {float(ratio)}; try {FIXED_POINT}"
    )


def _edges(node: Any, tensor: Tensor, ratio: Fraction, kind: FixedType) -> Iterator[tuple[Fraction, Fraction, bool]]:
    """The values that can occur next to every edge between two codes, the edge, and whether they are below it."""
    grain = Fraction(2) ** -tensor.grid.fraction
    low, high = Fraction(float(tensor.grid.low.min())), Fraction(float(tensor.grid.high.max()))
    first, last = (math.floor(limit * ratio) for limit in (low, high))
    for code in range(max(kind.low, first - 1), min(kind.high, last + 2)):
        edge = code + Fraction(1, 2)
        slack = Fraction(tensor.slack) * ratio + Fraction(OTHERS * ROUNDOFF) * abs(edge)
        under = math.floor(edge / ratio / grain) * grain
        for value in (under, under + grain):
            distance = abs(value * ratio - edge)
            if not low <= value <= high:
                continue
            if distance <= slack:
                raise ExactnessError(
                    f"{label(node)} must not hang on float32's own roundoff, but the sum {float(value)} lies "
                    f"{float(distance):.2g} from the edge {float(edge)} of two codes and is known to "
                    f"{float(slack):.2g} only; try {FIXED_POINT}"
                )
            yield value, edge, value * ratio < edge
