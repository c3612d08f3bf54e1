"""Plain ONNX: casts are arithmetic that floating-point numbers do exactly, so that any runtime gives the same words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trigforge.contract import InputContract
from trigforge.firmware.export.builder import BATCH, Builder, Constant, Dialect, Tensor
from trigforge.firmware.export.graph import write_model
from trigforge.firmware.export.grids import Grid
from trigforge.firmware.export.limits import clipped, wrapped
from trigforge.firmware.export.targets import Target
from trigforge.firmware.lowering import Lowering
from trigforge.firmware.lowering.symbols import FloatArray
from trigforge.fixed import Rounding


def export_onnx(graph: Any, contract: InputContract, lowering: Lowering, path: Path) -> None:
    """Write a converted model in standard ONNX operators; `lowering` is what `lower(graph, contract)` gave.

    Inputs (batch, …) are the real values of `contract.model_input`, outputs the real values of the program's words;
    single precision where it is proved exact, else double. The file is complete or not there. Raises `ExactnessError`
    naming the layer for what double precision does not hold, and `MissingToolError` without the package onnx.
    """
    write_model(PlainOnnx(), graph, contract, lowering, path, batch=BATCH)


@dataclass(frozen=True, slots=True)
class PlainOnnx(Dialect):
    """Standard operators only."""

    def cast(self, builder: Builder, tensor: Tensor, target: Target, layer: str) -> Tensor:
        """Scale to whole numbers, round, scale back; clip or wrap."""
        if target.rounds(tensor.grid):
            tensor = self._rounded(builder, tensor, target, layer)
        if not target.beyond:
            return tensor
        low, high = target.low * target.lsb, target.high * target.lsb
        if target.wraps:
            return wrapped(builder, tensor, low, high - low + target.lsb, layer)
        return clipped(builder, tensor, low, high, layer)

    def learnt(self, builder: Builder, values: FloatArray, double: bool, layer: str) -> str:
        """An initialiser."""
        return builder.constant(layer, values.astype(np.float64 if double else np.float32))

    def _rounded(self, builder: Builder, tensor: Tensor, target: Target, layer: str) -> Tensor:
        scale = 1 / target.lsb
        done = target.rounded(tensor.grid)
        steps = tensor.grid.affine(scale, 0.0)
        if (scale != 1).any():
            tensor = builder.op(layer, "Mul", [tensor, Constant(builder.aligned(scale, tensor))], steps)
        whole = _round(builder, tensor, target.rounding, layer)
        if (scale != 1).any():
            return builder.op(layer, "Mul", [whole, Constant(builder.aligned(target.lsb, tensor))], done)
        return whole


def _round(builder: Builder, tensor: Tensor, mode: Rounding, layer: str) -> Tensor:
    """Numbers rounded to whole ones."""
    match mode:
        case Rounding.TRN:
            return _step(builder, tensor, "Floor", layer)
        case Rounding.RND:
            return _step(builder, _half(builder, tensor, 0.5, layer), "Floor", layer)
        case Rounding.RND_MIN_INF:
            return _step(builder, _half(builder, tensor, -0.5, layer), "Ceil", layer)
        case Rounding.RND_CONV:
            return _step(builder, tensor, "Round", layer)
    size = builder.op(layer, "Abs", [tensor], Grid(np.zeros(tensor.shape), tensor.grid.reach, tensor.grid.fraction))
    if mode is Rounding.RND_ZERO:
        size = _step(builder, _half(builder, size, -0.5, layer), "Ceil", layer)
    else:
        size = _step(builder, _half(builder, size, 0.5, layer) if mode is Rounding.RND_INF else size, "Floor", layer)
    one = np.ones(tensor.shape)
    sign = builder.op(layer, "Sign", [tensor], Grid(-one, one, np.zeros(tensor.shape, dtype=np.int64)))
    return builder.op(layer, "Mul", [size, sign], size.grid.times(sign.grid))


def _half(builder: Builder, tensor: Tensor, half: float, layer: str) -> Tensor:
    return builder.op(layer, "Add", [tensor, Constant(np.array(half))], tensor.grid.affine(1.0, half))


def _step(builder: Builder, tensor: Tensor, kind: str, layer: str) -> Tensor:
    grid = Grid(np.floor(tensor.grid.low), np.ceil(tensor.grid.high), np.minimum(tensor.grid.fraction, 0))
    return builder.op(layer, kind, [tensor], grid)
