"""Rules of layers without weights: pooling, reshaping and merging."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.qkeras_network import Tensor, window_shape
from trigforge.firmware.frontends.qkeras_parameters import SavedLayer
from trigforge.firmware.frontends.qkeras_quantizers import read_quantizer
from trigforge.firmware.frontends.qkeras_translation import Rule, Translation, activated
from trigforge.firmware.frontends.qkeras_weights import quantise
from trigforge.fixed import FixedType, Overflow, Rounding


def _pooling(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    (source,) = inputs
    window = _whole_numbers(layer.config["pool_size"])
    strides = _whole_numbers(layer.config["strides"] or window)
    padding, average = layer.config["padding"], "Average" in layer.class_name
    shape = window_shape(source.shape[:-1], window, strides, padding)
    padded = any((o - 1) * s + w > n for o, s, w, n in zip(shape, strides, window, source.shape[:-1], strict=True))
    if padded and average:
        raise ExactnessError(f"{layer.label}: it must average unpadded windows, not padding={padding!r}; pad its input")
    if padded:
        source = _signed(to, layer, source)
    config = {"pool_size": window, "strides": strides, "padding": padding}
    return _pooled(to, layer, source, config, (*shape, source.shape[-1]), math.prod(window))


def _global_pooling(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    """A window over the whole input: hls4ml 1.3 derives wrong shapes for its own global pooling."""
    (source,) = inputs
    window = list(source.shape[:-1])
    config = {"pool_size": window, "strides": window, "padding": "valid"}
    kept = (*[1] * len(window), source.shape[-1])
    result = _pooled(to, layer, source, config, kept, math.prod(window))
    if layer.config.get("keepdims"):
        return result
    return to.network.reshaped(f"{layer.name}_flat", "Flatten", {}, result, source.shape[-1:])


def _pooled(
    to: Translation, layer: SavedLayer, source: Tensor, config: Mapping[str, Any], shape: tuple[int, ...], area: int
) -> Tensor:
    """The pooling layer; an average of `area` values, times `area` and a quantised `1 / area` in QKeras's own."""
    plain, average = layer.class_name.removeprefix("Q").removeprefix("Global"), "Average" in layer.class_name
    if average and area & (area - 1):
        raise ExactnessError(
            f"{layer.label}: it must average a power of two of values, not {area}; choose such a window"
        )
    saved = layer.config.get("average_quantizer")
    name = layer.name if saved is None else f"{layer.name}_mean"
    fraction = source.fraction + (area.bit_length() - 1) * average
    result = to.network.add(name, plain, config, (source,), shape, fraction)
    if saved is not None:
        factor = quantise(read_quantizer(saved, f"{layer.label}, average_quantizer"), np.array(1 / area))
        result = to.network.affine(layer.name, result, area * factor, np.zeros(1))
    return activated(to, layer, result)


def _signed(to: Translation, layer: SavedLayer, source: Tensor) -> Tensor:
    """The values in a signed type: hls4ml pads a maximum with the top bit alone, the smallest value only if signed."""
    if source.kind is None:
        raise ExactnessError(f"{layer.label}: a padded maximum must follow a quantiser; put a QActivation before it")
    if source.kind.signed:
        return source
    kind = FixedType(
        signed=True,
        width=source.kind.width + 1,
        integer=source.kind.integer + 1,
        rounding=Rounding.RND_CONV,
        overflow=Overflow.SAT,
    )
    return to.network.cast(f"{layer.name}_signed", source, kind)


def _flatten(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    return to.network.reshaped(layer.name, "Flatten", {}, inputs[0], (math.prod(inputs[0].shape),))


def _reshape(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    asked, size = [int(n) for n in layer.config["target_shape"]], math.prod(inputs[0].shape)
    known = math.prod(n for n in asked if n != -1)
    shape = tuple(size // known if n == -1 else n for n in asked)
    return to.network.reshaped(layer.name, "Reshape", {"target_shape": list(shape)}, inputs[0], shape)


def _permute(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    dims = [int(n) for n in layer.config["dims"]]
    shape = tuple(inputs[0].shape[n - 1] for n in dims)
    return to.network.reshaped(layer.name, "Permute", {"dims": dims}, inputs[0], shape)


def _merge(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    """Two inputs at a time, as hls4ml merges them; an average of exactly two."""
    if len(inputs) < 2 or any(tensor.shape != inputs[0].shape for tensor in inputs):
        raise ExactnessError(
            f"{layer.label}: its inputs must have one shape, not {[t.shape for t in inputs]}; repeat the smaller one"
        )
    if layer.class_name in ("Average", "Subtract") and len(inputs) != 2:
        raise ExactnessError(f"{layer.label}: it must have two inputs, not {len(inputs)}; merge in pairs")
    result = inputs[0]
    for index, other in enumerate(inputs[1:], 2):
        name = layer.name if index == len(inputs) else f"{layer.name}_{index}"
        result = to.network.merge(name, layer.class_name, result, other)
    return result


def _concatenate(to: Translation, layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    """Two inputs at a time; the axis counts from the end, where hls4ml counts no batch."""
    axis, rank = int(layer.config.get("axis", -1)), len(inputs[0].shape)
    axis = axis - rank - 1 if axis > 0 else axis
    result = inputs[0]
    for index, other in enumerate(inputs[1:], 2):
        name = layer.name if index == len(inputs) else f"{layer.name}_{index}"
        shape = list(result.shape)
        shape[axis] += other.shape[axis]
        fraction = max(result.fraction, other.fraction)
        result = to.network.add(name, "Concatenate", {"axis": axis}, (result, other), tuple(shape), fraction)
    return replace(result, computed=True)


def _identity(_to: Translation, _layer: SavedLayer, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0]


def _whole_numbers(value: Any) -> list[int]:
    return [int(n) for n in value] if isinstance(value, Sequence) else [int(value)]


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "ActivityRegularization": _identity,
        "Add": _merge,
        "AlphaDropout": _identity,
        "Average": _merge,
        "AveragePooling1D": _pooling,
        "AveragePooling2D": _pooling,
        "Concatenate": _concatenate,
        "Dropout": _identity,
        "Flatten": _flatten,
        "GaussianDropout": _identity,
        "GaussianNoise": _identity,
        "GlobalAveragePooling1D": _global_pooling,
        "GlobalAveragePooling2D": _global_pooling,
        "GlobalMaxPooling1D": _global_pooling,
        "GlobalMaxPooling2D": _global_pooling,
        "MaxPooling1D": _pooling,
        "MaxPooling2D": _pooling,
        "Maximum": _merge,
        "Minimum": _merge,
        "Multiply": _merge,
        "Permute": _permute,
        "QAveragePooling2D": _pooling,
        "QGlobalAveragePooling2D": _global_pooling,
        "Reshape": _reshape,
        "SpatialDropout1D": _identity,
        "SpatialDropout2D": _identity,
        "Subtract": _merge,
    }
)
"""Rules by layer class."""
