"""The parameters of a saved QKeras layer as exact numbers: quantised, folded, or cast to a type that the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.qkeras_quantizers import Quantizer, read_quantizer
from trigforge.firmware.frontends.qkeras_weights import Float32Array, quantise
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType

SHORT_BITS = 18
"""Widest grid on which a parameter without a quantiser is taken as it is."""

QUANTIZERS = MappingProxyType({"depthwise_kernel": "depthwise_quantizer", "pointwise_kernel": "pointwise_quantizer"})
TRAINABLE = frozenset({"quantized_bits", "binary", "ternary"})
"""Kernel quantisers that QKeras sets to `alpha='auto_po2'` when none is given."""


@dataclass(frozen=True, slots=True)
class SavedLayer:
    """A layer of the file: its class, its configuration and its arrays."""

    name: str
    class_name: str
    config: Mapping[str, Any]
    arrays: Mapping[str, Float32Array]

    @property
    def label(self) -> str:
        """How messages name the layer."""
        return f"layer {self.name!r} ({self.class_name})"

    def array(self, name: str) -> Float32Array:
        """A weight array; `InputError` if the file does not hold it."""
        if name not in self.arrays:
            raise InputError(
                f"{self.label} must hold the array {name!r}, not only {sorted(self.arrays)}; save the whole model again"
            )
        return self.arrays[name]

    def quantizer(self, key: str, trainable: bool = False) -> Quantizer | None:
        """The quantiser saved under `key`; a trainable one without a scale finds it from the weights."""
        saved = self.config.get(key)
        if saved is None:
            return None
        quantizer = read_quantizer(saved, f"{self.label}, {key}")
        if trainable and quantizer.name in TRAINABLE and quantizer["alpha"] is None:
            found = {**quantizer.parameters, "alpha": "auto_po2", "symmetric": True}
            return replace(quantizer, parameters=MappingProxyType(found))
        return quantizer


def read_type(text: str, where: str) -> FixedType:
    """The type that text such as `ufixed<8,2,RND,SAT>` names."""
    try:
        return FixedType.model_validate(text)
    except ValidationError:
        raise InputError(f"{where} must be a type such as 'fixed<16,6,RND,SAT>', not {text!r}") from None


def cast_values(values: npt.ArrayLike, kind: FixedType) -> FloatArray:
    """Real numbers cast to a type, exactly; bits below the third beyond its last only say that something follows."""
    scaled = np.ldexp(np.asarray(values, dtype=np.float64), kind.fraction + 3)
    if np.abs(scaled).max(initial=0.0) >= 2.0**61:
        raise InputError(f"values cast to {kind} must be below {2.0 ** (58 - kind.fraction)!r}; use a wider type")
    whole = np.floor(scaled)
    return kind.to_float(kind.cast(whole.astype(np.int64) | (whole != scaled), kind.fraction + 3))


@dataclass(frozen=True, slots=True)
class Parameters:
    """What turns saved parameters into exact ones: the user's types for those that QKeras left open."""

    precision: Precision

    def given(self, layer: SavedLayer, variable: str) -> FixedType | None:
        """The type that the user gave a variable of a layer by name."""
        text = self.precision.layers.get(layer.name, {}).get(variable)
        return None if text is None else read_type(text, f"precision.layers.{layer.name}.{variable}")

    def exact(self, layer: SavedLayer, variable: str, values: npt.ArrayLike, quantizer: Quantizer | None) -> FloatArray:
        """Values of `weight`, `bias` or `scale` by the layer's quantiser, else by the user's type, else as they are."""
        kind = self.given(layer, variable)
        if quantizer is not None:
            if kind is not None:
                raise InputError(
                    f"precision.layers.{layer.name} must name what the model leaves open, not {variable!r}, which "
                    f"{quantizer.name} quantises; remove it"
                )
            return quantise(quantizer, values)
        array = np.asarray(values, dtype=np.float64)
        if kind is None and self.precision.default:
            kind = read_type(self.precision.default, "precision.default")
        if kind is not None:
            return cast_values(array, kind)
        bits = grid_bits(array)
        if bits > SHORT_BITS:
            raise ExactnessError(
                f"{layer.label}: its {variable} must have a quantiser or at most {SHORT_BITS} bits, not {bits}; train "
                f"it with one, or set precision.layers.{layer.name}.{variable}, such as 'fixed<16,6,RND,SAT>'"
            )
        return array

    def kernel(self, layer: SavedLayer, name: str = "kernel") -> FloatArray:
        """The kernel of a layer without folded batch normalisation."""
        return self.exact(
            layer, "weight", layer.array(name), layer.quantizer(QUANTIZERS.get(name, f"{name}_quantizer"), True)
        )

    def bias(self, layer: SavedLayer) -> FloatArray | None:
        """The bias of a layer without folded batch normalisation, if it has one."""
        if not layer.config.get("use_bias"):
            return None
        return self.exact(layer, "bias", layer.array("bias"), layer.quantizer("bias_quantizer"))

    def folded(self, layer: SavedLayer, name: str = "kernel") -> tuple[FloatArray, FloatArray]:
        """Kernel and bias with the moving statistics folded in: `W γ/√(σ² + ε)` and `(b - µ) γ/√(σ² + ε) + β`.

        TensorFlow's float32 inverse square root may be one unit in the last place off; weights that this would move
        to another code are refused.
        """
        quantizers = layer.quantizer(QUANTIZERS.get(name, f"{name}_quantizer"), True), layer.quantizer("bias_quantizer")
        inverse = inverse_deviation(layer, layer.array("moving_variance"))
        results = []
        for candidate in (inverse, np.nextafter(inverse, np.float32(0)), np.nextafter(inverse, np.float32(np.inf))):
            kernel, bias = _fold(layer, name, candidate)
            pairs = zip(("weight", "bias"), (kernel, bias), quantizers, strict=True)
            results.append([self.exact(layer, variable, values, q) for variable, values, q in pairs])
        for variable, first, *others in zip(("kernel", "bias"), *results, strict=True):
            if any(not np.array_equal(first, other) for other in others):
                raise ExactnessError(
                    f"{layer.label}: its folded {variable} must round to the same code for every float32 inverse "
                    "square root, but one lies on the edge between two; train one more step"
                )
        return results[0][0], results[0][1]

    def normalisation(self, layer: SavedLayer) -> tuple[FloatArray, FloatArray]:
        """Scale `γ/√(σ² + ε)` and offset `β - µ γ/√(σ² + ε)` of a batch normalisation."""
        mean, variance = _statistic(layer, "mean", "moving_mean"), _statistic(layer, "variance", "moving_variance")
        scale = inverse_deviation(layer, variance)
        if layer.config.get("scale", True):
            scale = scale * _statistic(layer, "gamma", "gamma", trainable=True)
        offset = -mean * scale
        if layer.config.get("center", True):
            offset = _statistic(layer, "beta", "beta") + offset
        return self.exact(layer, "scale", scale, None), self.exact(layer, "bias", offset, None)


def inverse_deviation(layer: SavedLayer, variance: Float32Array) -> Float32Array:
    """`1/√(σ² + ε)` in float32, correctly rounded."""
    total = (variance + np.float32(layer.config["epsilon"])).astype(np.float64)
    if not (total > 0).all():
        raise InputError(f"{layer.label}: its variances must be positive, not {float(total.min())!r}")
    return (1 / np.sqrt(total)).astype(np.float32)


def grid_bits(values: FloatArray) -> int:
    """Bits of the narrowest binary grid that holds all values, the sign apart."""
    used = np.abs(values[values != 0])
    if not used.size:
        return 0
    mantissa, exponent = np.frexp(used)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int(exponent.max() - (exponent - 53 + trailing).min())


def _fold(layer: SavedLayer, name: str, inverse: Float32Array) -> tuple[Float32Array, Float32Array]:
    kernel = layer.array(name)
    if layer.config.get("scale", True):
        inverse = inverse * layer.array("gamma")
    bias = layer.array("bias") if layer.config.get("use_bias") else np.float32(0)
    folded = inverse * (bias - layer.array("moving_mean"))
    if layer.config.get("center", True):
        folded = folded + layer.array("beta")
    return (inverse.reshape(kernel.shape[2:]) if name == "depthwise_kernel" else inverse) * kernel, folded


def _statistic(layer: SavedLayer, variable: str, array: str, trainable: bool = False) -> Float32Array:
    """A parameter of a batch normalisation, quantised if it has a quantiser."""
    quantizer = layer.quantizer(f"{variable}_quantizer", trainable)
    values = layer.array(array)
    return values if quantizer is None else quantise(quantizer, values).astype(np.float32)
