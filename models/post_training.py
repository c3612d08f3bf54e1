"""Post-training quantisation: fixed-point types for a network trained in floating point, calibrated on background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.errors import InputError
from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.value import Value

SHAPES: Final = ("Reshape", "Flatten", "MaxPooling2D")
"""Layers that pass values on."""
Types = dict[str, dict[str, str]]


class PostTraining(Value):
    """Bits of all weights and of all activations, and the share of calibration values that may saturate.

    `headroom` are integer bits of activations beyond that: anomalies reach further than the background does.
    """

    weight_bits: int = Field(default=8, ge=2, le=18)
    activation_bits: int = Field(default=8, ge=2, le=18)
    clipped: float = Field(default=1e-4, ge=0, lt=0.1)
    headroom: int = Field(default=1, ge=0, le=8)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a tensor's values are: a grid of `fraction` bits and the largest magnitude that can occur."""

    fraction: int
    largest: float
    signed: bool

    @classmethod
    def of(cls, kind: FixedType) -> Reach:
        """Everything that a type holds."""
        step = 2.0**-kind.fraction
        return cls(kind.fraction, max(abs(kind.low), abs(kind.high)) * step, kind.signed)

    @property
    def exact(self) -> FixedType:
        """The type that holds all of it."""
        integer = int(np.floor(np.log2(max(self.largest, 2.0**-self.fraction)))) + 1 + int(self.signed)
        return FixedType(signed=self.signed, width=max(1, integer + self.fraction), integer=integer)


def calibrate(model: Any, input_type: FixedType, values: npt.NDArray[np.float32], settings: PostTraining) -> Types:
    """hls4ml's types by layer and variable of a float model for calibration inputs `values` (n, words).

    Weights: the fewest integer bits that hold them, rounded. Activations: the fewest integer bits with which at most
    `clipped` of the calibration values saturate. Sums, differences and the score are exact, so nothing wraps.
    """
    import keras

    tensors = {layer.name: layer for layer in model.layers if type(layer).__name__ != "InputLayer"}
    probe = keras.Model(model.input, [layer.output for layer in tensors.values()])
    outputs = probe.predict(values, batch_size=16384, verbose=0)
    seen = dict(zip(tensors, outputs if isinstance(outputs, list) else [outputs], strict=True))
    reach = {model.input.name: Reach.of(input_type)}
    types: Types = {}
    for name, layer in tensors.items():
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        before = [reach[tensor.name] for tensor in given]
        reach[layer.output.name] = _layer(layer, name, before, seen[name], settings, types)
    return types


def _layer(
    layer: Any, name: str, before: list[Reach], seen: npt.NDArray[np.float32], settings: PostTraining, types: Types
) -> Reach:
    """Choose the types of one layer, note them in `types`, and say what its output is."""
    kind = type(layer).__name__
    if kind in SHAPES:
        return before[0]
    if kind in ("Dense", "Conv2D"):
        return _linear(layer, name, before[0], seen, settings, types)
    if kind == "Subtract":
        result = Reach(max(r.fraction for r in before), sum(r.largest for r in before), signed=True)
    elif kind == "Dot":
        terms = layer.input[0].shape[-1]
        square = layer.input[0] is layer.input[1]
        largest = terms * before[0].largest * before[1].largest
        result = Reach(sum(r.fraction for r in before), largest, signed=not square)
    else:
        raise InputError(
            f"layer {name!r} ({kind}) must be Dense, Conv2D, Subtract, Dot or one of {', '.join(SHAPES)} to be "
            "quantised after training; train it quantised"
        )
    types[name] = {"result": str(result.exact), **({"accum": str(result.exact)} if kind == "Dot" else {})}
    return result


def _linear(
    layer: Any, name: str, before: Reach, seen: npt.NDArray[np.float32], settings: PostTraining, types: Types
) -> Reach:
    """Types of a layer with a kernel: rounded weights, exact sums, and an output from its values on background."""
    activation = layer.activation.__name__
    if activation not in ("linear", "relu"):
        raise InputError(f"activation of layer {name!r} must be linear or relu, not {activation}; train it quantised")
    kernel, *rest = (np.asarray(w, dtype=np.float64) for w in layer.get_weights())
    weight, bias = (_holding(_largest(w), settings.weight_bits, signed=True) for w in (kernel, rest[0] if rest else 0))
    rounded = np.abs(kernel) + 2.0 ** -(weight.fraction + 1)  # at most
    sums = rounded.reshape(-1, kernel.shape[-1]).sum(axis=0)
    largest = float(sums.max()) * before.largest + 2.0 ** (bias.integer - 1)
    exact = Reach(max(weight.fraction + before.fraction, bias.fraction), largest, signed=True).exact
    edge = float(np.quantile(np.abs(seen), 1.0 - settings.clipped)) * 2.0**settings.headroom
    kept = _holding(edge, settings.activation_bits, signed=activation == "linear")
    types[name] = {"weight": str(weight), "bias": str(bias), "accum": str(exact), "result": str(exact)}
    node = f"{name}_relu" if activation == "relu" else name
    types[node] = {**types.get(node, {}), "result": str(kept)}
    return Reach.of(kept)


def _largest(weights: npt.ArrayLike) -> float:
    return float(np.abs(weights).max())


def _holding(largest: float, bits: int, *, signed: bool) -> FixedType:
    """The type of so many bits with the fewest integer bits that reaches `largest`; rounds and saturates."""
    integer = int(np.ceil(np.log2(max(largest, 2.0**-12)))) + int(signed)
    return FixedType(signed=signed, width=bits, integer=integer, rounding=Rounding.RND, overflow=Overflow.SAT)
