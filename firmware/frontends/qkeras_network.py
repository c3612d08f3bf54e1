"""A network of plain Keras 2 layers with exact weights, as hls4ml's Keras parser takes it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.qkeras_activations import Affine, Cast, Slope, Staircase, Step
from trigforge.firmware.lowering.symbols import constant_fraction
from trigforge.fixed import FixedType, Overflow, Rounding


@dataclass(frozen=True, slots=True)
class Tensor:
    """The result of a plain layer: its shape without the batch, and the grid 2^-fraction that its values lie on.

    `kind` is the type of a tensor that was cast. hls4ml merges a cast into the layer before it, which is exact only
    where that layer computes: `computed` says so.
    """

    name: str
    shape: tuple[int, ...]
    fraction: int
    kind: FixedType | None = None
    computed: bool = True


@dataclass(slots=True)
class Network:
    """Plain layers in order, their weights, and the types of inputs and casts; every method appends a layer."""

    layers: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, Mapping[str, FloatArray]] = field(default_factory=dict)
    types: dict[str, FixedType] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        class_name: str,
        config: Mapping[str, Any],
        inputs: Sequence[Tensor],
        shape: tuple[int, ...],
        fraction: int,
        weights: Mapping[str, FloatArray] | None = None,
    ) -> Tensor:
        """Append a Keras layer; its name becomes a C++ identifier that no other layer has."""
        unique = self._unique(name)
        self.layers.append(
            {
                "class_name": class_name,
                "name": unique,
                "config": {"name": unique, "data_format": "channels_last", **config},
                "inbound_nodes": [[[tensor.name, 0, 0, {}] for tensor in inputs]] if inputs else [],
            }
        )
        self.weights[unique] = weights or {}
        self.shapes[unique] = shape
        return Tensor(unique, shape, fraction)

    def input(self, name: str, shape: tuple[int, ...], kind: FixedType) -> Tensor:
        """A model input of a type."""
        config = {"batch_input_shape": [None, *shape], "dtype": "float32"}
        tensor = self.add(name, "InputLayer", config, (), shape, kind.fraction)
        self.types[tensor.name] = kind
        return replace(tensor, kind=kind, computed=False)

    def cast(self, name: str, source: Tensor, kind: FixedType) -> Tensor:
        """The values cast to a type, in a computed layer of its own if the one before is none."""
        if not source.computed:
            source = self.slope(f"{name}_copy", source, 1.0)
        tensor = self.add(name, "Activation", {"activation": "linear"}, (source,), source.shape, kind.fraction)
        self.types[tensor.name] = kind
        return replace(tensor, kind=kind, computed=False)

    def slope(self, name: str, source: Tensor, slope: float) -> Tensor:
        """`x` where positive, else `slope · x`; with slope 1 a copy."""
        fraction = source.fraction + max(constant_fraction(np.array(slope)), 0)
        return self.add(name, "LeakyReLU", {"alpha": slope}, (source,), source.shape, fraction)

    def relu(self, name: str, source: Tensor) -> Tensor:
        """`max(x, 0)`."""
        return self.add(name, "Activation", {"activation": "relu"}, (source,), source.shape, source.fraction)

    def affine(self, name: str, source: Tensor, scale: FloatArray, offset: FloatArray) -> Tensor:
        """`scale · x + offset` per channel; nothing at all for `x` itself, which hls4ml would remove with its type."""
        if (scale == 1).all() and (offset == 0).all():
            return source
        channels = source.shape[-1]
        weights = {
            "gamma": np.broadcast_to(scale, channels).astype(np.float64),
            "beta": np.broadcast_to(offset, channels).astype(np.float64),
            "moving_mean": np.zeros(channels),
            "moving_variance": np.ones(channels),
        }
        config = {"epsilon": 0.0, "scale": True, "center": True, "axis": [len(source.shape)]}
        fraction = max(source.fraction + constant_fraction(scale), constant_fraction(offset))
        return self.add(name, "BatchNormalization", config, (source,), source.shape, fraction, weights)

    def linear(self, name: str, source: Tensor, kernel: FloatArray, bias: FloatArray | None) -> Tensor:
        """`x W + b` over the last axis, for kernels (inputs, outputs)."""
        ranks = len(source.shape) - 1
        if ranks == 0:
            shape, fraction = (kernel.shape[1],), _product_fraction(source, kernel, bias)
            config = {"units": kernel.shape[1], "use_bias": bias is not None}
            return self.add(name, "Dense", config, (source,), shape, fraction, _weights(kernel, bias))
        if ranks > 2:
            raise ExactnessError(
                f"layer {name!r} must have inputs of at most 3 dimensions, not {source.shape}; reshape them"
            )
        return self.convolution(name, source, kernel.reshape(*[1] * ranks, *kernel.shape), bias, [1] * ranks, "valid")

    def convolution(
        self,
        name: str,
        source: Tensor,
        kernel: FloatArray,
        bias: FloatArray | None,
        strides: Sequence[int],
        padding: str,
    ) -> Tensor:
        """A convolution with kernels (*window, channels, filters)."""
        window = kernel.shape[:-2]
        config = {
            "filters": kernel.shape[-1],
            "kernel_size": list(window),
            "strides": list(strides),
            "padding": padding,
            "use_bias": bias is not None,
        }
        shape = (*window_shape(source.shape[:-1], window, strides, padding), kernel.shape[-1])
        fraction = _product_fraction(source, kernel, bias)
        return self.add(name, f"Conv{len(window)}D", config, (source,), shape, fraction, _weights(kernel, bias))

    def reshaped(
        self, name: str, class_name: str, config: Mapping[str, Any], source: Tensor, shape: tuple[int, ...]
    ) -> Tensor:
        """The same values in another shape or order."""
        tensor = self.add(name, class_name, config, (source,), shape, source.fraction)
        return replace(tensor, kind=source.kind, computed=False)

    def steps(self, name: str, source: Tensor, steps: Sequence[Step]) -> Tensor:
        """The steps of an activation, the last under the activation's own name."""
        for index, step in enumerate(steps):
            label = name if index == len(steps) - 1 else f"{name}_{index}"
            match step:
                case Cast(kind):
                    source = self.cast(label, source, kind)
                case Affine(scale, offset):
                    source = self.affine(label, source, np.array(scale), np.array(offset))
                case Slope(slope):
                    source = self.slope(label, source, slope)
                case Staircase():
                    source = self._staircase(label, source, step)
        return source

    def _staircase(self, name: str, source: Tensor, stair: Staircase) -> Tensor:
        """One bit a threshold, `[2^f (x - t) + 1 > 0]`, worth its rise if that is a power of two; then their sum."""
        terms = []
        for index, (threshold, rise) in enumerate(zip(stair.thresholds, stair.rises, strict=True)):
            mantissa, exponent = math.frexp(rise)
            worth, integer = (rise, exponent) if mantissa == 0.5 else (1.0, 1)
            scale, offset = worth * 2.0**source.fraction, worth * (1 - threshold * 2.0**source.fraction)
            compared = self.affine(f"{name}_compare{index}", source, np.array(scale), np.array(offset))
            bit = FixedType(signed=False, width=1, integer=integer, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
            term = self.cast(f"{name}_bit{index}", compared, bit)
            terms.append(self.affine(f"{name}_rise{index}", term, np.array(rise / worth), np.zeros(1)))
        while len(terms) > 1:
            pairs = [self.merge(f"{name}_sum", "Add", *terms[i : i + 2]) for i in range(0, len(terms) - 1, 2)]
            terms = [*pairs, *terms[2 * len(pairs) :]]
        return self.affine(name, terms[0], np.ones(1), np.array(stair.base))

    def merge(self, name: str, class_name: str, first: Tensor, second: Tensor) -> Tensor:
        """Two tensors of one shape, element by element, by a Keras merge layer."""
        fraction = max(first.fraction, second.fraction) + (class_name == "Average")
        if class_name == "Multiply":
            fraction = first.fraction + second.fraction
        return self.add(name, class_name, {}, (first, second), first.shape, fraction)

    def _unique(self, name: str) -> str:
        base = re.sub(r"\W", "_", name)
        base = base if base[:1].isalpha() else f"layer_{base}"
        taken = {used.lower() for used in self.shapes}
        choices = (base, *(f"{base}_{n}" for n in range(2, len(taken) + 3)))
        return next(choice for choice in choices if choice.lower() not in taken)


def window_shape(shape: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str) -> tuple[int, ...]:
    """The shape that a sliding window gives, as Keras counts it."""
    if padding == "valid":
        return tuple((n - w) // s + 1 for n, w, s in zip(shape, window, strides, strict=True))
    return tuple(math.ceil(n / s) for n, s in zip(shape, strides, strict=True))


def _weights(kernel: FloatArray, bias: FloatArray | None) -> dict[str, FloatArray]:
    return {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}


def _product_fraction(source: Tensor, kernel: FloatArray, bias: FloatArray | None) -> int:
    product = source.fraction + constant_fraction(kernel)
    return product if bias is None else max(product, constant_fraction(bias))
