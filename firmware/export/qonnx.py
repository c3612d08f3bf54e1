"""QONNX: every cast and every learnt constant is a `Quant` node, everything else a standard operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.export.builder import Builder, Constant, Dialect, Tensor
from trigforge.firmware.export.graph import write_model
from trigforge.firmware.export.grids import FLOAT_BITS, Grid
from trigforge.firmware.export.limits import clipped
from trigforge.firmware.export.targets import Target
from trigforge.firmware.lowering import Lowering
from trigforge.firmware.lowering.symbols import FloatArray
from trigforge.fixed import Overflow, Rounding

DOMAIN = "qonnx.custom_op.general"
MODES: Mapping[Rounding, str] = MappingProxyType(
    {
        Rounding.TRN: "FLOOR",
        Rounding.TRN_ZERO: "DOWN",
        Rounding.RND: "FLOOR",
        Rounding.RND_MIN_INF: "FLOOR",
        Rounding.RND_INF: "HALF_UP",
        Rounding.RND_ZERO: "HALF_DOWN",
        Rounding.RND_CONV: "ROUND",
    }
)
"""QONNX's rounding modes; half a step, or almost, is added before the FLOOR of the two that it lacks."""


def export_qonnx(graph: Any, contract: InputContract, lowering: Lowering, path: Path) -> None:
    """Write a converted model as QONNX for a batch of one; `lowering` is what `lower(graph, contract)` gave.

    Inputs are the real values of `contract.model_input`, outputs the real values of the program's words. The file is
    complete or not there. Raises `ExactnessError` naming the layer for what has no `Quant` form, such as a type that
    wraps reachable values, and `MissingToolError` without the package onnx.
    """
    write_model(Qonnx(), graph, contract, lowering, path, batch=1)


@dataclass(frozen=True, slots=True)
class Qonnx(Dialect):
    """`Quant` nodes of QONNX's general domain, which give single precision."""

    def cast(self, builder: Builder, tensor: Tensor, target: Target, layer: str) -> Tensor:
        """`Quant`, and `Max` and `Min` where elements have limits of their own."""
        rounds = target.rounds(tensor.grid)
        if target.wraps:
            raise ExactnessError(
                f"layer {layer!r}: {target.text} must not wrap reachable values, for which QONNX has no Quant; widen "
                "it, let it saturate (SAT), or export plain ONNX"
            )
        if not (rounds or target.beyond or target.overflow is not Overflow.WRAP):
            return tensor
        done = target.rounded(tensor.grid) if rounds else tensor.grid
        done = target.limited(done) if target.beyond else done
        if done.steps > 2.0**FLOAT_BITS:
            if not (rounds or target.beyond):
                return tensor
            raise ExactnessError(
                f"layer {layer!r}: {target.text} must give at most {FLOAT_BITS} bits, as QONNX's Quant does; quantise "
                "it more coarsely, or export plain ONNX"
            )
        moved = _moved(builder, tensor, target, layer) if rounds else tensor
        return _quantised(builder, moved, target, done, MODES[target.rounding] if rounds else "ROUND", layer)

    def learnt(self, builder: Builder, values: FloatArray, double: bool, layer: str) -> str:
        """The constant through a `Quant` of the narrowest integers that hold it."""
        constants = Grid.of_constants(values)
        if constants.steps > 2.0**FLOAT_BITS:
            return builder.constant(layer, values.astype(np.float64))
        fraction = int(constants.fraction.max(initial=0)) if values.any() else 0
        steps = np.ldexp(values, fraction)
        signed = bool((values < 0).any())
        bits = max(_bits(float(steps.max(initial=0.0))), _bits(-float(steps.min(initial=0.0)) - 1)) + signed
        given = builder.constant(layer, np.asarray(values, dtype=np.float32))
        name = builder.free(f"{layer}_weights")
        settings = {"signed": int(signed), "narrow": 0, "rounding_mode": "ROUND"}
        inputs = [given, *_scalars(builder, layer, np.array(2.0**-fraction), max(bits, 1 + signed))]
        builder.node("Quant", inputs, name, DOMAIN, **settings)
        builder.note_constant(name, values.shape)
        return _widened(builder, name, values.shape) if double else name


def _widened(builder: Builder, name: str, shape: tuple[int, ...]) -> str:
    result = builder.free(f"{name}_double")
    builder.node("Cast", [name], result, to=builder.onnx.TensorProto.DOUBLE)
    builder.note_constant(result, shape, double=True)
    return result


def _bits(largest: float) -> int:
    return int(largest).bit_length() if largest > 0 else 0


def _scalars(builder: Builder, layer: str, scale: FloatArray, bits: int) -> list[str]:
    """Scale, zero point and bit width."""
    return [builder.constant(layer, np.asarray(v, dtype=np.float32)) for v in (scale, 0.0, bits)]


def _moved(builder: Builder, tensor: Tensor, target: Target, layer: str) -> Tensor:
    """The tensor moved by what turns rounding into FLOOR, for the modes that QONNX lacks."""
    half = target.lsb / 2
    match target.rounding:
        case Rounding.RND:
            offset = half
        case Rounding.RND_MIN_INF:
            offset = np.maximum(half - np.ldexp(1.0, -tensor.grid.finest), 0.0)
        case _:
            return tensor
    aligned = Constant(builder.aligned(offset, tensor))
    return builder.op(layer, "Add", [tensor, aligned], tensor.grid.affine(1.0, offset))


def _quantised(builder: Builder, tensor: Tensor, target: Target, done: Grid, mode: str, layer: str) -> Tensor:
    """One `Quant` that covers every element's limits, and the limits themselves where they are narrower."""
    signed = bool((target.low < 0).any())
    narrow = signed and bool((target.low == -target.high).all())
    width = int(max(_bits(float(target.high.max())), _bits(-float(target.low.min()) - 1))) + signed
    bits = max(width, 1 + signed)
    if bits > FLOAT_BITS and target.beyond:
        raise ExactnessError(
            f"layer {layer!r}: {target.text} must saturate at {FLOAT_BITS} bits at most, as QONNX's Quant does; "
            "narrow it, or export plain ONNX"
        )
    inputs = [tensor.name, *_scalars(builder, layer, builder.aligned(target.lsb, tensor), bits)]
    result = replace(tensor, name=builder.free(f"{layer}_quant"), grid=done, double=False)
    builder.node("Quant", inputs, result.name, DOMAIN, signed=int(signed), narrow=int(narrow), rounding_mode=mode)
    builder.note(result)
    low, high = -(2.0 ** (bits - 1)) + narrow if signed else 0.0, 2.0 ** (bits - signed) - 1
    if target.beyond and not ((target.low == low).all() and (target.high == high).all()):
        return clipped(builder, result, target.low * target.lsb, target.high * target.lsb, layer)
    return result
