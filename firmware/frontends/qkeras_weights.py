"""The weight quantisers of QKeras 0.9, applied as inference applies them.

Element-wise arithmetic is float32, as in QKeras. Where QKeras rounds a logarithm or a mean, which float32 libraries
evaluate differently in the last bits, a value too close to the rounding threshold is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.qkeras_quantizers import Quantizer

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]

EPSILON = np.float32(1e-7)
"""Keras's `epsilon()`, which QKeras adds to scales and below which it takes a value for zero."""

LOG2_ERROR = 4e-6
"""Bound on the float32 error of QKeras's base-2 logarithms of scales and weights."""

EXACT_LOG2 = 12
"""Largest |k| for which the float32 quotient `log(2^k) / log(2)` is k, whatever the library."""


def quantise(quantizer: Quantizer, values: npt.ArrayLike) -> FloatArray:
    """Weights as QKeras's inference quantises them, exactly; any shape, the last axis holds the channels."""
    rule = WEIGHTS.get(quantizer.name)
    if rule is None:
        raise ExactnessError(
            f"{quantizer.where}: a weight quantiser must be one of {', '.join(sorted(WEIGHTS))}, not {quantizer.name!r}"
        )
    array = np.asarray(values, dtype=np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{quantizer.where}: the weights must be finite; the training diverged")
    return rule(quantizer, array)


def fixed_scale(quantizer: Quantizer) -> FloatArray:
    """The scale that `alpha` states: a power of two, or one per channel."""
    alpha = quantizer["alpha"]
    if isinstance(alpha, str):
        raise quantizer.refuse(
            "alpha", "a power of two", "an activation has no weights to find a scale from: set alpha=1"
        )
    scale = np.asarray(1.0 if alpha is None else alpha, dtype=np.float64)
    if not _powers_of_two(scale):
        raise quantizer.refuse("alpha", "a power of two", "retrain with alpha=1 or alpha='auto_po2'")
    return scale


def _bits(quantizer: Quantizer, values: Float32Array) -> FloatArray:
    """`2^integer · clip(round(x 2^(n - integer)), -2^n, 2^n - 1) / 2^n`, n = bits without the sign."""
    signed = int(bool(quantizer["keep_negative"]))
    unsigned = int(quantizer["bits"]) - signed
    if isinstance(quantizer["alpha"], str):
        return _bits_auto(quantizer, values)
    scale = fixed_scale(quantizer)
    if unsigned == 0:
        sign = np.where(values < 0, -1.0, 1.0)
        return scale * (sign if signed else (sign + 1) / 2)
    lsb = 2.0 ** (int(quantizer["integer"]) - unsigned)
    levels = np.rint(values.astype(np.float64) / lsb)
    low = signed * (-(2**unsigned) + int(quantizer["symmetric"]))
    codes: FloatArray = np.clip(levels, low, 2**unsigned - 1)
    return scale * lsb * codes


def _bits_auto(quantizer: Quantizer, values: Float32Array) -> FloatArray:
    """`quantized_bits` whose scale is found from the weights."""
    unit = np.float32(2.0 ** int(quantizer["integer"]))
    x = values / unit
    half = np.float32(2 ** (int(quantizer["bits"]) - 1) - 1)
    scale = np.abs(x).max(axis=_channel_axes(x), keepdims=True) * np.float32(2) / (half * np.float32(2))

    def levels(step: Float32Array) -> Float32Array:
        size = np.floor(np.abs(x) / step + np.float32(0.5))
        return np.asarray(np.sign(x) * np.minimum(size, half), dtype=np.float32)

    if quantizer["alpha"] == "auto_po2":
        scale = _nearest_power(quantizer, scale)
        for _ in range(5):
            codes = levels(scale)
            scale = _fitted_scale(quantizer, x, codes)
    elif not _powers_of_two(scale.astype(np.float64)):
        raise quantizer.refuse(
            "alpha",
            f"a power of two, 'auto' found {float(scale.flat[0])!r}",
            "retrain with alpha='auto_po2' or alpha=1",
        )
    else:
        codes = levels(scale)
    return np.asarray(float(unit) * codes.astype(np.float64) * scale.astype(np.float64))


def _binary(quantizer: Quantizer, values: Float32Array) -> FloatArray:
    """`scale · sign(x)`, with sign(0) = 1; {0, 1} instead of {-1, 1} with `use_01`."""
    sign = np.where(values < 0, np.float32(-1), np.float32(1))
    if quantizer.parameters.get("use_01"):
        sign = (sign + np.float32(1)) / np.float32(2)
    scale = _fitted_scale(quantizer, values, sign) if isinstance(quantizer["alpha"], str) else fixed_scale(quantizer)
    return np.asarray(scale, dtype=np.float64) * sign.astype(np.float64)


def _ternary(quantizer: Quantizer, values: Float32Array) -> FloatArray:
    """`scale · sign(x)` where |x| reaches the threshold, else 0."""
    if not isinstance(quantizer["alpha"], str):
        threshold = np.float32(0.33 if quantizer["threshold"] is None else quantizer["threshold"])
        return fixed_scale(quantizer) * np.where(np.abs(values) >= threshold, np.sign(values), 0).astype(np.float64)
    axes = _channel_axes(values) if values.ndim > 1 else None
    scale = np.float32(2) * np.abs(values).max(axis=axes, keepdims=True) / np.float32(3)
    if quantizer["alpha"] == "auto_po2":
        scale = _nearest_power(quantizer, scale)
    codes = np.zeros_like(values)
    for _ in range(int(quantizer["number_of_unrolls"])):
        codes = np.where(np.abs(scale * np.rint(values / scale)) >= scale / np.float32(2), np.sign(values), 0)
        codes = codes.astype(np.float32)
        scale = _fitted_scale(quantizer, values, codes)
    return np.asarray(scale.astype(np.float64) * codes.astype(np.float64))


def _po2(quantizer: Quantizer, values: Float32Array) -> FloatArray:
    """`±2^e`, e the rounded logarithm, limited to what the bits hold; zero becomes the smallest."""
    sign = np.where(values < 0, -1.0, 1.0)
    return sign * power_of_two(quantizer, np.abs(values))


def _relu_po2(quantizer: Quantizer, values: Float32Array) -> FloatArray:
    """`2^e` of the positive part; with a slope, `-2^e` of the scaled negative part."""
    positive = power_of_two(quantizer, np.maximum(values, np.float32(0)))
    slope = np.float32(quantizer["negative_slope"])
    if slope == 0:
        return positive
    negative = power_of_two(quantizer, np.maximum(-values, np.float32(0)) * slope)
    return np.where(values >= 0, positive, -negative)


def exponent_range(quantizer: Quantizer) -> tuple[int, int]:
    """The exponents (before doubling by `quadratic_approximation`) that `quantized_po2` or `quantized_relu_po2` has."""
    limit = quantizer["max_value"]
    bits = int(quantizer["bits"]) - (quantizer.name == "quantized_po2") - (limit is None or limit > 1)
    if bits < 0:
        raise quantizer.refuse("bits", "large enough for the exponent and its sign", "use more bits")
    high = 2**bits - 1
    return -(2**bits), 2 * (high // 2) if quantizer["quadratic_approximation"] else high


def power_of_two(quantizer: Quantizer, magnitude: Float32Array) -> FloatArray:
    """`2^clip(round(log2 |x|))` of float32 magnitudes, as QKeras clips and rounds it."""
    low, high = exponent_range(quantizer)
    factor = 2 if quantizer["quadratic_approximation"] else 1
    limited = np.maximum(magnitude, EPSILON)
    if quantizer["max_value"] is not None:
        limited = np.minimum(limited, np.float32(quantizer["max_value"]))
    logarithm = np.log2(limited.astype(np.float64)) / factor
    exponent = rounded_log2(quantizer, logarithm, magnitude >= EPSILON)
    return 2.0 ** (factor * np.where(magnitude < EPSILON, low, np.clip(exponent, low, high)))


def rounded_log2(quantizer: Quantizer, logarithm: FloatArray, counted: npt.NDArray[np.bool_]) -> FloatArray:
    """Logarithms rounded as the quantiser asks; `ExactnessError` where float32 might round the other way."""
    if quantizer.parameters.get("log2_rounding", "rnd") == "floor":
        whole = np.rint(logarithm)
        doubtful = (np.abs(logarithm - whole) < LOG2_ERROR) & ((logarithm != whole) | (np.abs(whole) > EXACT_LOG2))
        result = np.floor(logarithm)
    else:
        doubtful = np.abs(logarithm - np.floor(logarithm) - 0.5) < LOG2_ERROR
        result = np.rint(logarithm)
    if (doubtful & counted).any():
        raise ExactnessError(
            f"{quantizer.where}: {quantizer.name} rounds the logarithm {float(logarithm[doubtful & counted][0])!r}, "
            "which float32 cannot decide; train one more step"
        )
    return np.asarray(result, dtype=np.float64)


def _nearest_power(quantizer: Quantizer, scale: Float32Array) -> Float32Array:
    logarithm = np.log2((scale + EPSILON).astype(np.float64))
    return np.asarray(2.0 ** rounded_log2(quantizer, logarithm, np.ones(scale.shape, bool)), dtype=np.float32)


def _fitted_scale(quantizer: Quantizer, values: Float32Array, codes: Float32Array) -> Float32Array:
    """The least-squares scale `Σ x q / Σ q²` of every channel, to the nearest power of two if `alpha` asks for it."""
    products, squares = (values * codes).astype(np.float64), (codes * codes).astype(np.float64)
    if values.ndim > 1:
        axes = _channel_axes(values)
        products, squares = products.mean(axis=axes, keepdims=True), squares.mean(axis=axes, keepdims=True)
    scale = (products / (squares + float(EPSILON))).astype(np.float32)
    if quantizer["alpha"] == "auto_po2":
        return _nearest_power(quantizer, scale)
    raise quantizer.refuse(
        "alpha", f"a power of two, 'auto' found {float(scale.flat[0])!r}", "retrain with alpha='auto_po2' or alpha=1"
    )


def _channel_axes(values: Float32Array) -> tuple[int, ...]:
    return tuple(range(values.ndim - 1)) if values.ndim > 1 else (0,)


def _powers_of_two(scale: FloatArray) -> bool:
    mantissa, _ = np.frexp(scale)
    return bool((mantissa == 0.5).all())


WEIGHTS: Mapping[str, Callable[[Quantizer, Float32Array], FloatArray]] = MappingProxyType(
    {
        "quantized_bits": _bits,
        "binary": _binary,
        "ternary": _ternary,
        "quantized_po2": _po2,
        "quantized_relu_po2": _relu_po2,
    }
)
"""Quantisers that weights may have."""
