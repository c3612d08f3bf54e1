"""Convolutions and poolings: ONNX's own operators in single precision, gathered windows in double."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.firmware.export.builder import Constant, Operand, Tensor
from trigforge.firmware.export.grids import Grid, weighted
from trigforge.firmware.export.step import Result, Step
from trigforge.firmware.export.targets import Target
from trigforge.firmware.lowering.layer import Loss, input_type, type_of
from trigforge.firmware.lowering.symbols import FloatArray
from trigforge.firmware.lowering.windows import Windows, windows
from trigforge.fixed import FixedType, Rounding


@dataclass(frozen=True, slots=True)
class Kernel:
    """Windows and what multiplies their values: (size · channels, filters), or (size, channels) if `depthwise`."""

    view: Windows
    matrix: FloatArray
    bias: FloatArray
    depthwise: bool = False
    learnt: bool = True
    extent: str = "filt"
    """What hls4ml's attributes call the size of a window."""

    @property
    def full(self) -> FloatArray:
        """The matrix (size · channels, filters) with the zeros of other channels."""
        if not self.depthwise:
            return self.matrix
        channels = self.view.channels
        return (self.matrix[:, :, None] * np.eye(channels)).reshape(-1, channels)

    def weights(self, extent: tuple[int, ...]) -> FloatArray:
        """ONNX's kernel (filters, channels of a group, …)."""
        if self.depthwise:
            return np.moveaxis(self.matrix.reshape(*extent, self.view.channels), -1, 0)[:, None]
        shaped = self.matrix.reshape(*extent, self.view.channels, -1)
        return np.moveaxis(shaped, (-1, -2), (0, 1))


def convolved(step: Step, kernel: Kernel) -> Tensor:
    """The sums over all windows, as the accumulator holds them, in the shape of the layer's output."""
    tensor = step.inputs[0]
    values = tensor.grid.moved(lambda a: patches(a, kernel.view).reshape(len(kernel.view.pixels), -1))
    flat, flat_within = weighted(values, kernel.full, kernel.bias)
    shape = (*_output_sides(step), kernel.full.shape[1])
    grid, within = (g.moved(lambda a: a.reshape(shape)) for g in (flat, flat_within))
    if kernel.learnt and step.rounds_terms(within):
        terms = products(step, gathered(step, kernel.view), kernel.full)
        return step.reshaped(step.rounded_sum(terms, kernel.bias), shape)
    if tensor.double or step.builder.needs_double(step.name, within):
        rows = gathered(step, kernel.view)
        total = step.op("MatMul", [rows, Constant(kernel.full, learnt=kernel.learnt)], flat, within=flat_within)
        if kernel.bias.any():
            total = step.op("Add", [total, Constant(kernel.bias, learnt=kernel.learnt)], flat, within=flat_within)
        return step.accumulated(step.reshaped(total, shape), within)
    sides = _geometry(step, kernel.extent)
    weights = kernel.weights(tuple(sides["kernel_shape"]))
    operands: list[Operand] = [step.builder.stored(tensor, first=True), Constant(weights, learnt=kernel.learnt)]
    if kernel.bias.any():
        operands.append(Constant(kernel.bias, learnt=kernel.learnt))
    group = kernel.view.channels if kernel.depthwise else 1
    return step.accumulated(step.op("Conv", operands, grid, within=within, group=group, **sides), within)


def products(step: Step, tensor: Tensor, matrix: FloatArray) -> Tensor:
    """The products (…, n, m) of values (…, n) and constants (…, n, m)."""
    column = step.reshaped(tensor, (*tensor.shape, 1))
    grid = column.grid.times(Grid.of_constants(matrix))
    return step.op("Mul", [column, Constant(matrix, learnt=True)], grid)


def patches(values: npt.NDArray[Any], view: Windows) -> npt.NDArray[Any]:
    """The values (windows, size, channels) under every window, padding 0."""
    image = values.reshape(-1, view.channels)
    return np.concatenate([image, np.zeros((1, view.channels), dtype=values.dtype)])[view.pixels]


def gathered(step: Step, view: Windows) -> Tensor:
    """The values (windows, size · channels) under every window; runtimes convolve in single precision only."""
    builder = step.builder
    image = step.reshaped(step.input(), (int(np.prod(step.inputs[0].shape[:-1])), view.channels))
    pads = builder.whole(step.name, [0, 0, 0, 0, 1, 0])
    padded = step.op("Pad", [image, pads], image.grid.moved(lambda a: np.pad(a, ((0, 1), (0, 0)))))
    places = np.where(view.pixels < 0, len(image.grid.low), view.pixels)
    index = builder.whole(step.name, places)
    taken = step.op("Gather", [padded, index], padded.grid.moved(lambda a: a[places]), axis=1)
    return step.reshaped(taken, (len(places), places.shape[1] * view.channels))


def _output_sides(step: Step) -> tuple[int, ...]:
    """The pixels of the output along every axis; a global pooling has one."""
    if step.node.class_name.startswith("Global"):
        return (1,) * (len(step.inputs[0].shape) - 1)
    return tuple(int(n) for n in step.node.get_output_variable().shape[:-1])


def _geometry(step: Step, size: str) -> dict[str, list[int]]:
    """Kernel, strides and padding of a layer whose attributes call a window's extent `size`_height and `size`_width."""
    extent = step.inputs[0].shape[:-1]
    if step.node.class_name.startswith("Global"):
        return {"kernel_shape": list(extent), "strides": [1] * len(extent), "pads": [0] * 2 * len(extent)}
    axes = ["height", "width"][2 - len(extent) :]
    sides = [("top", "bottom"), ("left", "right")][2 - len(extent) :]
    node = step.node
    return {
        "kernel_shape": [int(node.get_attr(f"{size}_{axis}")) for axis in axes],
        "strides": [int(node.get_attr(f"stride_{axis}")) for axis in axes],
        "pads": [int(node.get_attr(f"pad_{side}", 0)) for k in range(2) for side in (pair[k] for pair in sides)],
    }


def pooling(step: Step) -> Result:
    """`MaxPool`, or the mean of every window towards zero."""
    view = windows(step.node, "pool")
    if step.node.get_attr("pool_op") == "Max":
        return Result(_held(step, _maximum(step, view)))
    inside = (view.pixels >= 0).sum(axis=1)
    counts = np.full_like(inside, view.pixels.shape[1]) if step.node.get_attr("count_pad", False) else inside
    return Result(_average(step, view, counts))


def global_pooling(step: Step) -> Result:
    """The maximum or the mean of every channel."""
    tensor = step.inputs[0]
    sides, channels = tensor.shape[:-1], tensor.shape[-1]
    view = Windows(channels, np.arange(int(np.prod(sides)))[None])
    if step.node.get_attr("pool_op") == "Max":
        return Result(_held(step, _maximum(step, view)))
    return Result(_average(step, view, np.array([view.pixels.shape[1]])))


def _held(step: Step, tensor: Tensor) -> Tensor:
    return step.cast(tensor, Target.of_type(type_of(step.node, "accum_t"), step.loss("accumulator")))


def _maximum(step: Step, view: Windows) -> Tensor:
    """hls4ml pads with a value whose highest bit alone is set, the largest but one half of an unsigned type."""
    kind, tensor = input_type(step.node), step.builder.stored(step.inputs[0], first=True)
    sides = _geometry(step, "pool")
    padding = 2.0 ** (kind.width - 1) * kind.lsb * (-1.0 if kind.signed else 1.0)
    if any(sides["pads"]) and (not kind.signed or (view.pixels < 0).all(axis=1).any()):
        rank = len(sides["kernel_shape"])
        margins = [(a, b) for a, b in zip(sides["pads"][:rank], sides["pads"][rank:], strict=True)]
        tensor = padded(step, tensor, [*margins, (0, 0)], padding)
        sides["pads"] = [0] * 2 * rank
    shape = (*_output_sides(step), view.channels)
    image = tensor.grid.reach
    top = np.broadcast_to(image.max(), shape)
    finest = np.broadcast_to(tensor.grid.fraction.max(), shape)
    return step.op("MaxPool", [tensor], Grid(-top, top, finest), **sides)


def padded(step: Step, tensor: Tensor, margins: list[tuple[int, int]], value: float) -> Tensor:
    """A constant around the values; margins in hls4ml's order of axes."""
    ends = Grid.of_constants(np.array(value))
    low, high, fraction = (
        np.pad(part, margins, constant_values=end)
        for part, end in zip(
            (tensor.grid.low, tensor.grid.high, tensor.grid.fraction), (value, value, int(ends.fraction)), strict=True
        )
    )
    stored = [margins[-1], *margins[:-1]] if tensor.first else margins
    pads = step.builder.whole(step.name, [0, *(a for a, _ in stored), 0, *(b for _, b in stored)])
    return step.op("Pad", [tensor, pads, Constant(np.array(value))], Grid(low, high, fraction))


def _average(step: Step, view: Windows, counts: npt.NDArray[Any]) -> Tensor:
    """The sums in the accumulator's type, divided towards zero on its grid."""
    kind, size = type_of(step.node, "accum_t"), view.pixels.shape[1]
    ones = Kernel(view, np.ones((size, view.channels)), np.zeros(view.channels), True, False, "pool")
    wide = FixedType(signed=True, width=kind.width + 1, integer=kind.integer + 1, rounding=Rounding.TRN_ZERO)
    target = Target.of_type(wide, Loss.NONE)
    total = convolved(step, ones)
    divisors = counts.reshape((*total.shape[:-1], 1)).astype(np.float64)
    if (divisors == 1).all():
        return step.cast(total, target)
    exact = (np.frexp(divisors)[0] == 0.5).all()
    finest = total.grid.fraction + np.log2(divisors).astype(np.int64) if exact else total.grid.fraction
    low, high = total.grid.low / divisors, total.grid.high / divisors
    grid = Grid(low, high, finest if exact else np.full(total.shape, kind.fraction + 1))
    quotient = step.op("Div", [total, Constant(step.builder.aligned(divisors, total))], grid, within=total.grid)
    return step.cast(quotient, target)
