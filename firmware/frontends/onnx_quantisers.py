"""Rules of QONNX's quantisers: `Quant` (`IntQuant`) and `BipolarQuant` on tensors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.onnx_codes import requantised
from trigforge.firmware.frontends.onnx_tensors import Constant, Tensor
from trigforge.firmware.frontends.onnx_walk import Walk, attribute, exact_zero, label, without_batch
from trigforge.fixed import FixedType, Overflow, Rounding

ROUNDING: Mapping[str, Rounding] = MappingProxyType(
    {
        "ROUND": Rounding.RND_CONV,
        "HALF_EVEN": Rounding.RND_CONV,
        "FLOOR": Rounding.TRN,
        "DOWN": Rounding.TRN_ZERO,
        "HALF_UP": Rounding.RND_INF,
        "HALF_DOWN": Rounding.RND_ZERO,
    }
)
"""QONNX's rounding modes that `ap_fixed` has; its HALF_UP and HALF_DOWN go away from and towards zero."""
SIGN = FixedType(signed=True, width=1, integer=1, rounding=Rounding.TRN, overflow=Overflow.SAT)
"""Minus one for every negative value, else zero."""


def quant(walk: Walk, node: Any) -> None:
    """`(clip(round(x / scale + zero_point)) - zero_point) · scale`.

    With one scale and no zero point it is a cast; else a shift by powers of two, a cast to integers, and back.
    """
    tensor = walk.held(node)
    scale, zero = (
        without_batch(walk.required(node, k, what).values, len(tensor.shape) + 1)
        for k, what in ((1, "scale"), (2, "zero point"))
    )
    bits = walk.required(node, 3, "bit width").values
    if bits.size != 1 or float(bits.item()) != int(bits.item()) or (zero != np.rint(zero)).any():
        raise ExactnessError(
            f"{label(node)} must have one whole bit width and whole zero points, not {bits} and {zero}"
        )
    width, signed = int(bits.item()), bool(attribute(node, "signed", 1))
    if width == 1 and signed and not zero.any():
        check_scale(node, scale)
        walk.tensor(node)
        walk.tensors[node.output[0]] = bipolar(walk, node, tensor, scale)
        return
    kind = _integers(node, width, signed)
    fold = requantised if needs_codes(tensor, scale) else quantised
    walk.tensors[node.output[0]] = fold(walk, node, tensor, scale, zero, kind)


def needs_codes(tensor: Tensor, scale: FloatArray) -> bool:
    """Whether a quantiser has a scale that is not a power of two, or its input has."""
    return tensor.unit is not None or bool((np.frexp(scale)[0] != 0.5).any())


def quantised(
    walk: Walk,
    node: Any,
    tensor: Tensor,
    scale: FloatArray,
    zero: FloatArray,
    kind: FixedType,
    *,
    whole_first: bool = False,
) -> Tensor:
    """A node's input divided by a power of two, shifted by its zero point, cast to whole numbers, and all that back.

    `whole_first`: rounded before the shift, which moves ties to the other neighbour for odd zero points.
    """
    if (scale == scale.flat[0]).all() and not zero.any():
        shifted = kind.model_copy(update={"integer": kind.integer + int(np.log2(scale.flat[0]))})
        return walk.cast(node.name, tensor, shifted, sole=_is_sole(walk, node))
    before = Constant(1 / scale, True)
    if whole_first and (zero % 2).any():
        tensor = walk.affine(f"{node.name}_divide", tensor, before, exact_zero())
        bits = tensor.grid.covering(f"what enters {label(node)}").integer + 2
        rounded = FixedType(signed=True, width=bits, integer=bits, rounding=kind.rounding)
        tensor, before = walk.cast(f"{node.name}_round", tensor, rounded, sole=True), Constant(np.ones(1), True)
    small = walk.affine(f"{node.name}_scale", tensor, before, Constant(zero, True))
    whole = walk.cast(node.name, small, kind, sole=True)
    return walk.affine(f"{node.name}_rescale", whole, Constant(scale, True), Constant(-zero * scale, True))


def quantize_linear(walk: Walk, node: Any) -> None:
    """QuantizeLinear, perhaps Clip, and DequantizeLinear: `(clip(round(x / scale) + zero) - zero) · scale`."""
    follower = walk.graph.sole_consumer(node.output[0])
    limits = walk.graph.whole_numbers(node)
    made = []
    if follower is not None and follower.op_type == "Clip":
        made.append(follower.output[0])
        given = [walk.constant(follower, k) for k in (1, 2)]
        limits = [(end if g is None else int(g.values.item())) for end, g in zip(limits, given, strict=True)]
        follower = walk.graph.sole_consumer(follower.output[0])
    parameters = [[walk.constant(n, k) for k in (1, 2)] for n in (node, follower) if n is not None]
    if follower is None or follower.op_type != "DequantizeLinear" or not _agree(*parameters):
        raise InputError(
            f"{label(node)} must be followed by a DequantizeLinear alone, of the same scale and zero point"
        )
    scale, zero = (_along_axis(walk, node, c.values if c else np.zeros(1)) for c in parameters[0])
    low, high = limits
    signed, width = low < 0, int(high - min(low, 0)).bit_length()
    overflow = Overflow.SAT_SYM if low == -high else Overflow.SAT
    kind = FixedType(signed=signed, width=width, integer=width, rounding=Rounding.RND_CONV, overflow=overflow)
    if (kind.low, kind.high) != (low, high):
        raise ExactnessError(f"{label(node)} must clip to the codes of a whole number of bits, not to {low}..{high}")
    tensor = walk.held(node)
    if needs_codes(tensor, scale):
        result = requantised(walk, node, tensor, scale, zero, kind)
    else:
        result = quantised(walk, node, tensor, scale, zero, kind, whole_first=True)
    walk.tensors.update(dict.fromkeys([*made, follower.output[0]], result))


def _agree(first: list[Constant | None], second: list[Constant | None]) -> bool:
    """Whether scales and zero points are the same; a zero point left out is zero."""
    pairs = [
        (a.values if a else np.zeros(1), b.values if b else np.zeros(1)) for a, b in zip(first, second, strict=True)
    ]
    return all(np.array_equal(np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape)), b) for a, b in pairs)


def _along_axis(walk: Walk, node: Any, values: FloatArray) -> FloatArray:
    """A constant a channel of QuantizeLinear, shaped to broadcast without the batch axis."""
    if values.size == 1:
        return values.reshape(1)
    rank = len(walk.held(node).shape)
    shape = [1] * (rank + 1)
    shape[int(attribute(node, "axis", 1))] = -1
    return np.asarray(values.reshape(shape)[0], dtype=np.float64)


def trunc(walk: Walk, node: Any) -> None:
    """`clip(round(x / output_scale)) · output_scale` of values that are multiples of `scale`, as Brevitas truncates."""
    tensor = walk.tensor(node)
    if len(node.input) != 6:
        raise InputError(
            f"{label(node)} must have an output scale (QONNX's version 2); export with Brevitas 0.12 or newer"
        )
    scale, zero, _, output_scale, bits = (walk.required(node, k, "parameters").values for k in range(1, 6))
    for given in (scale, output_scale):
        check_scale(node, given)
    if scale.size != 1 or output_scale.size != 1 or bits.size != 1 or zero.any():
        raise ExactnessError(f"{label(node)} must have one scale, one bit width and no zero point")
    if tensor.grid.fraction > -np.log2(scale.item()):
        raise ExactnessError(f"what enters {label(node)} must be multiples of its scale {scale.item()}")
    kind = _integers(node, int(bits.item()), bool(attribute(node, "signed", 1)), "FLOOR")
    shifted = kind.model_copy(update={"integer": kind.integer + int(np.log2(output_scale.item()))})
    walk.tensors[node.output[0]] = walk.cast(node.name, tensor, shifted, sole=_is_sole(walk, node))


def bipolar_quant(walk: Walk, node: Any) -> None:
    """`+scale` for x ≥ 0, else `-scale`."""
    tensor = walk.tensor(node)
    scale = without_batch(walk.required(node, 1, "scale").values, len(tensor.shape) + 1)
    check_scale(node, scale)
    walk.tensors[node.output[0]] = bipolar(walk, node, tensor, scale)


def bipolar(walk: Walk, node: Any, tensor: Tensor, scale: FloatArray) -> Tensor:
    """The sign as a cast to one bit, then `2 · scale · sign + scale`."""
    sign = walk.cast(f"{node.name}_sign", tensor, SIGN, sole=_is_sole(walk, node))
    return walk.affine(node.name, sign, Constant(2 * scale, True), Constant(scale, True))


def check_scale(node: Any, scale: FloatArray) -> None:
    """Raise `ExactnessError` unless every scale is a power of two."""
    odd = scale[np.frexp(scale)[0] != 0.5]
    if odd.size:
        raise ExactnessError(
            f"the scale of {label(node)} must be a power of two, not {odd.flat[0]}: no integer arithmetic repeats its "
            "float rounding; train with fixed-point quantisers, such as Brevitas's Int8ActPerTensorFixedPoint"
        )


def _integers(node: Any, width: int, signed: bool, usual: str = "ROUND") -> FixedType:
    """The integer type of a quantiser."""
    mode, narrow = str(attribute(node, "rounding_mode", usual)).upper(), bool(attribute(node, "narrow", 0))
    if mode not in ROUNDING:
        raise ExactnessError(f"the rounding mode of {label(node)} must be one of {', '.join(ROUNDING)}, not {mode!r}")
    if narrow and (not signed or width == 1):
        raise ExactnessError(f"{label(node)} must be signed with 2 bits or more to be narrow; set narrow = 0")
    overflow = Overflow.SAT_SYM if narrow else Overflow.SAT
    return FixedType(signed=signed, width=width, integer=width, rounding=ROUNDING[mode], overflow=overflow)


def _is_sole(walk: Walk, node: Any) -> bool:
    return walk.graph.sole_consumer(node.input[0]) is not None
