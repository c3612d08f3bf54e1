"""Limits in standard ONNX operators: clipping and wrapping."""

from __future__ import annotations

import numpy as np

from trigforge.firmware.export.builder import Builder, Constant, Tensor
from trigforge.firmware.export.grids import Grid, symmetric
from trigforge.firmware.lowering.symbols import FloatArray


def clipped(builder: Builder, tensor: Tensor, low: FloatArray, high: FloatArray, layer: str) -> Tensor:
    """The nearer limit where a value lies outside `low..high`; limits broadcast in hls4ml's order."""
    grid = tensor.grid.bounded(low, high)
    lowest, highest = builder.aligned(low, tensor), builder.aligned(high, tensor)
    if lowest.ndim == highest.ndim == 0:
        return builder.op(layer, "Clip", [tensor, Constant(lowest), Constant(highest)], grid)
    raised = builder.op(layer, "Max", [tensor, Constant(lowest)], tensor.grid.bounded(low, np.inf))
    return builder.op(layer, "Min", [raised, Constant(highest)], grid)


def wrapped(builder: Builder, tensor: Tensor, low: FloatArray, span: FloatArray, layer: str) -> Tensor:
    """`x - span · floor((x - low) / span)`, spans being powers of two."""
    spans, inverse, lowest = (builder.aligned(v, tensor) for v in (span, 1 / span, low))
    shifted = tensor
    if lowest.any():
        shifted = builder.op(layer, "Sub", [tensor, Constant(lowest)], tensor.grid.affine(1.0, -low))
    turns = shifted.grid.affine(1 / span, 0.0)
    turns_tensor = builder.op(layer, "Mul", [shifted, Constant(inverse)], turns)
    whole = Grid(np.floor(turns.low), np.floor(turns.high), np.minimum(turns.fraction, 0))
    floor = builder.op(layer, "Floor", [turns_tensor], whole)
    taken = builder.op(layer, "Mul", [floor, Constant(spans)], whole.affine(span, 0.0))
    bounds = np.broadcast_to(low, tensor.shape), np.broadcast_to(low + span, tensor.shape)
    within = symmetric(tensor.grid.reach + taken.grid.reach, tensor.grid.fraction)
    return builder.op(layer, "Sub", [tensor, taken], Grid(*bounds, tensor.grid.fraction), within=within)
