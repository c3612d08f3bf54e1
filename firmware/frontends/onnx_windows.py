"""Rules of pooling and padding, and the windows that they share with convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.onnx_codes import one_unit
from trigforge.firmware.frontends.onnx_tensors import Grid, Tensor
from trigforge.firmware.frontends.onnx_walk import Walk, attribute, label


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows that slide over one or two axes: sides, kernel, strides, and padding before and after every axis."""

    sides: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def outputs(self) -> tuple[int, ...]:
        """Number of windows along every axis."""
        return tuple(
            (side + sum(pad) - size) // stride + 1
            for side, size, stride, pad in zip(self.sides, self.kernel, self.strides, self.pads, strict=True)
        )

    def slide(self, values: FloatArray, padding: float) -> FloatArray:
        """What lies in every window: (channels, sides…) to (channels, windows…, kernel elements)."""
        padded = np.pad(values, ((0, 0), *self.pads), constant_values=padding)
        axes = tuple(range(1, values.ndim))
        views = np.lib.stride_tricks.sliding_window_view(padded, self.kernel, axis=axes)
        chosen = views[(slice(None), *(slice(None, None, s) for s in self.strides))]
        return chosen.reshape(*chosen.shape[: values.ndim], -1)

    def geometry(self) -> dict[str, Any]:
        """hls4ml's attributes of padding, strides and sides."""
        names = [("height", "top", "bottom"), ("width", "left", "right")][2 - len(self.sides) :]
        result: dict[str, Any] = {"data_format": "channels_last"}
        for axis, (name, before, after) in enumerate(names):
            result |= {
                f"in_{name}": self.sides[axis],
                f"out_{name}": self.outputs[axis],
                f"stride_{name}": self.strides[axis],
                f"pad_{before}": self.pads[axis][0],
                f"pad_{after}": self.pads[axis][1],
            }
        return result

    def _sizes(self, prefix: str) -> dict[str, int]:
        return dict(zip([f"{prefix}_height", f"{prefix}_width"][2 - len(self.sides) :], self.kernel, strict=True))

    def convolution(self, n_chan: int, n_filt: int) -> dict[str, Any]:
        """hls4ml's attributes of a convolution."""
        return {**self.geometry(), **self._sizes("filt"), "n_chan": n_chan, "n_filt": n_filt}

    def pooling(self, n_filt: int) -> dict[str, Any]:
        """hls4ml's attributes of a pooling layer."""
        result = {**self.geometry(), **self._sizes("pool"), "n_filt": n_filt}
        if len(self.sides) == 1:
            result |= {"n_in": self.sides[0], "n_out": self.outputs[0]}
        return result


def windows_of(node: Any, sides: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """The windows of an ONNX node, its automatic padding worked out."""
    rank = len(sides)
    strides = tuple(attribute(node, "strides") or [1] * rank)
    pads = list(attribute(node, "pads") or [0] * 2 * rank)
    automatic = attribute(node, "auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        missing = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(sides, kernel, strides, strict=True)]
        half = [n // 2 if automatic == "SAME_UPPER" else n - n // 2 for n in missing]
        pads = [*half, *(n - h for n, h in zip(missing, half, strict=True))]
    padding = tuple(zip(pads[:rank], pads[rank:], strict=True))
    windows = Windows(sides, tuple(kernel), strides, padding)
    if rank not in (1, 2) or min(pads) < 0 or min(windows.outputs) < 1:
        raise InputError(f"{label(node)} must slide over one or two axes with padding of zero or more, not {windows}")
    return windows


def pooling(walk: Walk, node: Any) -> None:
    """MaxPool and AveragePool; a mean must be over a power of two of values."""
    largest = node.op_type == "MaxPool"
    tensor = walk.stored(one_unit(node, walk.held(node)) if largest else walk.tensor(node), last=True)
    if attribute(node, "ceil_mode", 0) or set(attribute(node, "dilations") or [1]) != {1} or len(node.output) > 1:
        raise InputError(f"{label(node)} must have neither ceil_mode nor dilations nor indices; use plain windows")
    windows = windows_of(node, tensor.shape[1:], tuple(attribute(node, "kernel_shape")))
    if largest:
        walk.tensors[node.output[0]] = max_pool(walk, node, tensor, windows)
    else:
        count_pad = bool(attribute(node, "count_include_pad", 0))
        walk.tensors[node.output[0]] = average_pool(walk, node, tensor, windows, count_pad)


def global_pooling(walk: Walk, node: Any) -> None:
    """GlobalMaxPool and GlobalAveragePool, as one window."""
    tensor = walk.stored(walk.tensor(node), last=True)
    sides = tensor.shape[1:]
    windows = windows_of(node, sides, sides)
    pool = max_pool if node.op_type == "GlobalMaxPool" else average_pool
    walk.tensors[node.output[0]] = pool(walk, node, tensor, windows)


def reduce_mean(walk: Walk, node: Any) -> None:
    """ReduceMean over all axes behind the channels, as GlobalAveragePool."""
    tensor = walk.stored(walk.tensor(node), last=True)
    axes = walk.constant(node, 1)
    given = attribute(node, "axes") if axes is None else axes.values.astype(int).tolist()
    rank = len(tensor.shape) + 1
    if rank < 3 or sorted(a % rank for a in given or []) != list(range(2, rank)):
        raise InputError(f"{label(node)} must average all axes behind the channels, not {given}; use GlobalAveragePool")
    pooled = average_pool(walk, node, tensor, windows_of(node, tensor.shape[1:], tensor.shape[1:]))
    if not attribute(node, "keepdims", 1):
        channels = tensor.shape[0]
        name = walk.layers.name(f"{pooled.layer}_flat")
        grid = pooled.grid.reshape((channels,))
        flat = walk.layers.add(name, "Reshape", [pooled], grid, {"target_shape": [channels]})
        pooled = Tensor(flat.layer, flat.grid)
    walk.tensors[node.output[0]] = pooled


def max_pool(walk: Walk, node: Any, tensor: Tensor, windows: Windows) -> Tensor:
    """The largest value in every window; padding never wins."""
    low = windows.slide(tensor.grid.low, -math.inf).max(axis=-1)
    high = windows.slide(tensor.grid.high, -math.inf).max(axis=-1)
    if float(tensor.grid.low.min()) >= 0 and any(map(any, windows.pads)):
        tensor, windows = padded(walk, node, tensor, windows)
    grid = Grid(low, high, tensor.grid.fraction)
    result = _pool(walk, node, "Max", tensor, windows, grid, {})
    return replace(result, unit=tensor.unit, slack=tensor.slack)


def average_pool(walk: Walk, node: Any, tensor: Tensor, windows: Windows, count_pad: bool = False) -> Tensor:
    """The mean of every window."""
    inside = windows.slide(np.ones(tensor.shape), float(count_pad)).sum(axis=-1)
    shifts = np.log2(inside)
    if not (shifts == np.rint(shifts)).all() and not walk.layers.user.everywhere:
        counts = sorted(set(inside.ravel().astype(int).tolist()))
        raise ExactnessError(
            f"{label(node)} must average a power of two of values, not {counts}; choose such a window, or sum and "
            "train the scale into the next layer"
        )
    low, high = (windows.slide(v, 0.0).sum(axis=-1) for v in (tensor.grid.low, tensor.grid.high))
    grid = Grid(low / inside, high / inside, tensor.grid.fraction + math.ceil(shifts.max()))
    attributes = {"count_pad": count_pad}
    result = _pool(walk, node, "Average", tensor, windows, grid, attributes)
    total = Grid(np.minimum(low, low / inside), np.maximum(high, high / inside), grid.fraction)
    types = walk.layers.types[result.layer]
    if walk.layers.user.of(result.layer, "accum", left_open=False) is None:
        types["accum"] = total.covering(f"the accumulator of layer {result.layer!r}")
    return result


def padded(walk: Walk, node: Any, tensor: Tensor, windows: Windows) -> tuple[Tensor, Windows]:
    """The tensor with the windows' zeros written out, and the windows without them.

    hls4ml 1.3 pads the windows of MaxPool with the type's highest bit, which is the largest value of an unsigned type.
    """
    sides = tuple(n + sum(p) for n, p in zip(windows.sides, windows.pads, strict=True))
    geometry = {k: v for k, v in windows.geometry().items() if not k.startswith(("out_", "stride_"))}
    names = ["out_height", "out_width"][2 - len(sides) :]
    geometry |= {"n_chan": tensor.shape[0], **dict(zip(names, sides, strict=True))}
    low, high = (np.pad(v, ((0, 0), *windows.pads)) for v in (tensor.grid.low, tensor.grid.high))
    grid = Grid(low, high, tensor.grid.fraction)
    name = walk.layers.name(f"{node.name}_padding")
    result = walk.layers.add(name, f"ZeroPadding{len(sides)}D", [tensor], grid, geometry)
    result = replace(result, unit=tensor.unit, slack=tensor.slack)
    return result, Windows(sides, windows.kernel, windows.strides, ((0, 0),) * len(sides))


def pad(walk: Walk, node: Any) -> None:
    """Pad with zeros behind the channels."""
    tensor = walk.stored(walk.tensor(node), last=True)
    amounts, value = walk.constant(node, 1), walk.constant(node, 2)
    pads = (attribute(node, "pads") if amounts is None else amounts.values.astype(int).tolist()) or []
    rank = len(tensor.shape) + 1
    zero = value is None or not value.values.any()
    if attribute(node, "mode", "constant") != "constant" or not zero or len(pads) != 2 * rank or rank not in (3, 4):
        raise InputError(f"{label(node)} must pad one or two axes with zeros")
    if any(pads[:2]) or any(pads[rank : rank + 2]) or min(pads) < 0:
        raise InputError(f"{label(node)} must pad behind the channels only, by zero or more, not by {pads}")
    ones = (1,) * (rank - 2)
    windows = Windows(tensor.shape[1:], ones, ones, tuple(zip(pads[2:rank], pads[rank + 2 :], strict=True)))
    walk.tensors[node.output[0]] = padded(walk, node, tensor, windows)[0]


def _pool(
    walk: Walk, node: Any, kind: str, tensor: Tensor, windows: Windows, grid: Grid, attributes: dict[str, Any]
) -> Tensor:
    layer = walk.layers.name(node.name)
    name = f"{kind}Pooling{len(windows.sides)}D"
    given = {**windows.pooling(tensor.shape[0]), **attributes}
    return walk.layers.add(layer, name, [tensor], grid, given, accumulates=True)
