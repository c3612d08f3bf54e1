"""Rules of linear ONNX operators: MatMul, Gemm, Conv, BatchNormalization."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.onnx_codes import coded
from trigforge.firmware.frontends.onnx_einsum import product
from trigforge.firmware.frontends.onnx_tensors import Constant, Grid, Tensor
from trigforge.firmware.frontends.onnx_walk import Walk, attribute, label, sums
from trigforge.firmware.frontends.onnx_windows import Windows, windows_of

MAX_MATMUL_RANK = 3


def matmul(walk: Walk, node: Any) -> None:
    """`x @ W` on the last axis, with the bias that an `Add` behind it brings; W a constant matrix or a tensor."""
    if all(name in walk.tensors for name in node.input):
        product(walk, node)
        return
    weights = walk.required(node, 1, "right factor")
    if weights.values.ndim != 2:
        raise InputError(f"the right factor of {label(node)} must be a matrix, not of shape {weights.values.shape}")
    tensor = walk.held(node)
    bias, output = walk.bias_after(node, weights.values.shape[1], len(tensor.shape))
    walk.tensors[output] = dense(walk, node, tensor, weights, bias)


def gemm(walk: Walk, node: Any) -> None:
    """`alpha · x @ W + beta · b` with constant W and b."""
    weights, bias = walk.required(node, 1, "matrix"), walk.constant(node, 2)
    tensor = walk.held(node)
    if attribute(node, "transA", 0) or len(tensor.shape) != 1:
        raise InputError(f"{label(node)} must multiply a batch of vectors; give the matrix on the right")
    turned = attribute(node, "transB", 0)
    matrix = weights.values.T if turned else weights.values
    alpha = attribute(node, "alpha", 1.0)
    unit = None if weights.unit is None else abs(alpha) * (weights.unit.T if turned else weights.unit)
    scaled = replace(weights, values=matrix * alpha, unit=unit)
    output = node.output[0]
    if bias is None:
        bias, output = walk.bias_after(node, matrix.shape[1], 1)
    else:
        values = np.broadcast_to(bias.values * attribute(node, "beta", 1.0), (1, matrix.shape[1])).reshape(-1)
        bias = replace(bias, values=values)
    walk.tensors[output] = dense(walk, node, tensor, scaled, bias)


def dense(walk: Walk, node: Any, tensor: Tensor, weights: Constant, bias: Constant | None) -> Tensor:
    """A Dense layer, or a convolution of width one over tensors of more axes."""
    tensor = walk.stored(tensor, last=False)
    layer = walk.layers.name(node.name)
    codes = coded(walk, node, layer, tensor, weights, bias, axis=1)
    matrix = walk.layers.constant(layer, "weight", codes.weights)
    offset = None if codes.bias is None else walk.layers.constant(layer, "bias", codes.bias)
    n_in, n_out = matrix.shape
    rank = len(tensor.shape)
    if tensor.shape[-1] != n_in or rank > MAX_MATMUL_RANK:
        raise InputError(
            f"{label(node)} must multiply up to {MAX_MATMUL_RANK} axes with {n_in} last, not {tensor.shape}"
        )
    grid = sums(tensor.grid, matrix, np.zeros(n_out) if offset is None else offset)
    attributes: dict[str, Any] = {"weight_data": matrix, "bias_data": offset, "n_in": n_in, "n_out": n_out}
    kind = "Dense"
    if rank > 1:
        sides = tensor.shape[:-1]
        kind = f"Conv{rank - 1}D"
        pointwise = Windows(sides, (1,) * len(sides), (1,) * len(sides), ((0, 0),) * len(sides))
        attributes = {
            **pointwise.convolution(n_in, n_out),
            "weight_data": matrix.reshape(*[1] * len(sides), n_in, n_out),
            "bias_data": offset,
        }
    return codes.of(walk.layers.add(layer, kind, [tensor], grid, attributes, accumulates=True), axis=-1)


def convolution(walk: Walk, node: Any) -> None:
    """Conv over one or two axes with constant kernel; groups other than depthwise become zeros of a full kernel."""
    weights, bias = walk.required(node, 1, "kernel"), walk.constant(node, 2)
    tensor = walk.stored(walk.held(node), last=True)
    group, channels = int(attribute(node, "group", 1)), tensor.shape[0]
    kernel = dilated(weights.values, attribute(node, "dilations"))
    if kernel.ndim not in (3, 4):
        raise InputError(f"{label(node)} must convolve one or two axes, not {kernel.ndim - 2}")
    n_filt, output = kernel.shape[0], node.output[0]
    if bias is None:
        bias, output = walk.bias_after(node, n_filt, 1)
    depthwise = group == channels == n_filt and group > 1
    if group > 1 and not depthwise:
        kernel = ungrouped(kernel, group)
    layer = walk.layers.name(node.name)
    unit = None if weights.unit is None else np.ones(kernel.shape) * _per_output(node, weights.unit)
    codes = coded(walk, node, layer, tensor, replace(weights, values=kernel, unit=unit), bias, axis=0)
    kernel = walk.layers.constant(layer, "weight", codes.weights)
    offset = None if codes.bias is None else walk.layers.constant(layer, "bias", codes.bias)
    windows = windows_of(node, tensor.shape[1:], kernel.shape[2:])
    added = np.zeros(n_filt) if offset is None else offset
    grid = (
        depthwise_sums(tensor.grid, kernel, added, windows) if depthwise else _sums(tensor.grid, kernel, added, windows)
    )
    data = np.moveaxis(kernel, (0, 1), (-1, -2))
    attributes: dict[str, Any] = {**windows.convolution(channels, n_filt), "bias_data": offset}
    name = f"Conv{kernel.ndim - 2}D"
    if depthwise:
        name = f"Depthwise{name}"
        attributes |= {"depthwise_data": np.swapaxes(data, -1, -2), "depth_multiplier": 1}
    else:
        attributes["weight_data"] = data
    result = walk.layers.add(layer, name, [tensor], grid, attributes, accumulates=True)
    walk.tensors[output] = codes.of(result, axis=0)


def _per_output(node: Any, unit: FloatArray) -> FloatArray:
    """The scale of every filter, shaped to broadcast over its kernel."""
    scales = unit.reshape(len(unit), -1)
    if (scales != scales[:, :1]).any():
        raise ExactnessError(f"the kernel of {label(node)} must have one scale, or one a filter")
    return unit[(slice(None), *[slice(1)] * (unit.ndim - 1))]


def ungrouped(kernel: FloatArray, group: int) -> FloatArray:
    """The kernel (filters, channels, …) of a grouped convolution with the zeros between its groups written out."""
    n_filt, inner = kernel.shape[:2]
    full = np.zeros((n_filt, inner * group, *kernel.shape[2:]))
    for index in range(n_filt):
        start = index // (n_filt // group) * inner
        full[index, start : start + inner] = kernel[index]
    return full


def dilated(kernel: FloatArray, dilations: list[int] | None) -> FloatArray:
    """The kernel with the zeros of its dilation written out."""
    if not dilations or set(dilations) == {1}:
        return kernel
    sides = [(n - 1) * d + 1 for n, d in zip(kernel.shape[2:], dilations, strict=True)]
    full = np.zeros((*kernel.shape[:2], *sides))
    places: tuple[Any, ...] = (..., *(slice(None, None, d) for d in dilations))
    full[places] = kernel
    return full


def _sums(grid: Grid, kernel: FloatArray, bias: FloatArray, windows: Windows) -> Grid:
    """The range of a convolution's results (filters, …)."""
    low, high = (np.moveaxis(windows.slide(v, 0.0), 0, -2) for v in (grid.low, grid.high))
    outer = low.shape[:-2]
    flat = Grid(low.reshape(*outer, -1), high.reshape(*outer, -1), grid.fraction)
    result = sums(flat, kernel.reshape(len(kernel), -1).T, bias)
    return result.transpose((low.ndim - 2, *range(low.ndim - 2)))


def depthwise_sums(grid: Grid, kernel: FloatArray, bias: FloatArray, windows: Windows) -> Grid:
    """The range of a depthwise convolution's results, channel by channel."""
    parts = [
        _sums(
            Grid(grid.low[c : c + 1], grid.high[c : c + 1], grid.fraction), kernel[c : c + 1], bias[c : c + 1], windows
        )
        for c in range(len(kernel))
    ]
    return Grid(
        np.concatenate([p.low for p in parts]),
        np.concatenate([p.high for p in parts]),
        max(p.fraction for p in parts),
    )


def batch_normalization(walk: Walk, node: Any) -> None:
    """`(x - mean) / sqrt(variance + epsilon) · gamma + beta`, channel by channel, as one scale and one offset."""
    tensor = walk.tensor(node)
    parameters = [walk.required(node, k, "parameters") for k in range(1, 5)]
    gamma, beta, mean, variance = (p.values for p in parameters)
    scale = gamma / np.sqrt(variance + float(np.float32(attribute(node, "epsilon", 1e-5))))
    shape = (-1, *[1] * (len(tensor.shape) - 1))
    constants = [Constant(values.reshape(shape)) for values in (scale, beta - mean * scale)]
    walk.tensors[node.output[0]] = walk.affine(node.name, tensor, *constants)
