"""Rules of layers with weights, and of activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.qkeras_network import Tensor
from trigforge.firmware.frontends.qkeras_parameters import SHORT_BITS, SavedLayer, grid_bits
from trigforge.firmware.frontends.qkeras_translation import Rule, Translation, activated, require


def _activation(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    return activated(to, layer, inputs[0], own=True)


def _dense(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    kernel, bias = to.parameters.kernel(layer), to.parameters.bias(layer)
    return activated(to, layer, to.network.linear(layer.name, inputs[0], kernel, bias))


def _dense_folded(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    return activated(to, layer, to.network.linear(layer.name, inputs[0], *to.parameters.folded(layer)))


def _convolution(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    return _convolved(to, layer, inputs[0], to.parameters.kernel(layer), to.parameters.bias(layer))


def _convolution_folded(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    return _convolved(to, layer, inputs[0], *to.parameters.folded(layer))


def _depthwise(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    kernel = by_channel(to.parameters.kernel(layer, "depthwise_kernel"))
    return _convolved(to, layer, inputs[0], kernel, to.parameters.bias(layer))


def _depthwise_folded(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    kernel, bias = to.parameters.folded(layer, "depthwise_kernel")
    return _convolved(to, layer, inputs[0], by_channel(kernel), bias)


def _separable(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    depthwise = by_channel(to.parameters.kernel(layer, "depthwise_kernel"))
    first = _window(to, layer, f"{layer.name}_depthwise", inputs[0], depthwise, None)
    pointwise = to.parameters.kernel(layer, "pointwise_kernel")
    pointwise = pointwise.reshape(pointwise.shape[-2:])
    return activated(to, layer, to.network.linear(layer.name, first, pointwise, to.parameters.bias(layer)))


def by_channel(kernel: FloatArray) -> FloatArray:
    """A depthwise kernel (*window, channels, multiplier) as a full one, zero between different channels."""
    *window, channels, multiplier = kernel.shape
    full = kernel[..., None, :] * np.eye(channels)[:, :, None]
    return full.reshape(*window, channels, channels * multiplier)


def _convolved(
    to: Translation, layer: SavedLayer, source: Tensor, kernel: FloatArray, bias: FloatArray | None
) -> Tensor:
    return activated(to, layer, _window(to, layer, layer.name, source, kernel, bias))


def _window(
    to: Translation, layer: SavedLayer, name: str, source: Tensor, kernel: FloatArray, bias: FloatArray | None
) -> Tensor:
    rank = kernel.ndim - 2
    strides = [int(n) for n in layer.config["strides"]][:rank]
    for key in ("dilation_rate", "groups"):
        require(layer, key, (None, 1, [1], [1, 1]), "hls4ml has neither dilated nor grouped convolutions")
    require(layer, "padding", ("valid", "same"), "pad by hand")
    return to.network.convolution(name, source, kernel, bias, strides, layer.config["padding"])


def _normalisation(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    axis, rank = layer.config.get("axis", -1), len(inputs[0].shape)
    if (axis if isinstance(axis, int) else axis[0]) not in (-1, rank):
        raise ExactnessError(f"{layer.label}: its axis must be the last, not {axis}; normalise over channels")
    return to.network.affine(layer.name, inputs[0], *to.parameters.normalisation(layer))


def _leaky(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    slope = float(np.float32(layer.config.get("alpha", layer.config.get("negative_slope", 0.3))))
    if grid_bits(np.array([slope])) > SHORT_BITS:
        raise ExactnessError(
            f"{layer.label}: its slope must be a short binary number such as 0.25, not {slope!r}; retrain"
        )
    return to.network.slope(layer.name, inputs[0], slope)


def _relu(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    for key in ("max_value", "negative_slope", "threshold"):
        require(layer, key, (None, 0), "use QActivation('quantized_relu(...)'), which saturates")
    return to.network.relu(layer.name, inputs[0])


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Activation": _activation,
        "BatchNormalization": _normalisation,
        "Conv1D": _convolution,
        "Conv2D": _convolution,
        "Dense": _dense,
        "DepthwiseConv1D": _depthwise,
        "DepthwiseConv2D": _depthwise,
        "LeakyReLU": _leaky,
        "QActivation": _activation,
        "QBatchNormalization": _normalisation,
        "QConv1D": _convolution,
        "QConv2D": _convolution,
        "QConv2DBatchnorm": _convolution_folded,
        "QDense": _dense,
        "QDenseBatchnorm": _dense_folded,
        "QDepthwiseConv2D": _depthwise,
        "QDepthwiseConv2DBatchnorm": _depthwise_folded,
        "QSeparableConv1D": _separable,
        "QSeparableConv2D": _separable,
        "ReLU": _relu,
        "SeparableConv1D": _separable,
        "SeparableConv2D": _separable,
    }
)
"""Rules by layer class."""
