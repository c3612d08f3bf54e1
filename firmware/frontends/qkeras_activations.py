"""The activation quantisers of QKeras 0.9 as exact steps: casts, scalings, slopes and staircases.

Every quantiser is an exact function of values on a known binary grid. Those that are not a cast (signs, powers of
two, real tanh) have finitely many output values, so they are a staircase: comparisons with constants on that grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.qkeras_quantizers import Quantizer
from trigforge.firmware.frontends.qkeras_weights import exponent_range, fixed_scale, power_of_two
from trigforge.fixed import FixedType, Overflow, Rounding

MAX_STEPS = 64
"""Most comparisons per value of a staircase."""

FLOAT32_ERROR = 2e-6
"""Bound on the float32 error of QKeras's tanh, sigmoid and powers of two, relative to one."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A cast to a type."""

    kind: FixedType


@dataclass(frozen=True, slots=True)
class Affine:
    """`scale · x + offset`."""

    scale: float
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Slope:
    """`x` where positive, else `slope · x`."""

    slope: float


@dataclass(frozen=True, slots=True)
class Staircase:
    """`base + Σ risesₖ · [x ≥ thresholdsₖ]`; thresholds are multiples of the input's least significant bit."""

    base: float
    thresholds: tuple[float, ...]
    rises: tuple[float, ...]


Step = Cast | Affine | Slope | Staircase


def rounded(signed: bool, width: int, integer: int, overflow: Overflow = Overflow.SAT) -> FixedType:
    """The type that rounds to nearest even and saturates, as QKeras does; `integer` includes the sign."""
    return FixedType(signed=signed, width=width, integer=integer, rounding=Rounding.RND_CONV, overflow=overflow)


def activation_steps(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    """The steps of a quantiser on values that are multiples of 2^-fraction."""
    rule = ACTIVATIONS.get(quantizer.name)
    if rule is None:
        raise ExactnessError(
            f"{quantizer.where}: an activation must be one of {', '.join(sorted(ACTIVATIONS))}, not {quantizer.name!r}"
        )
    return rule(quantizer, fraction)


def _bits(quantizer: Quantizer, _: int) -> tuple[Step, ...]:
    signed, bits, integer = bool(quantizer["keep_negative"]), int(quantizer["bits"]), int(quantizer["integer"])
    scale = _scalar_scale(quantizer)
    if signed and bits == 1:
        return (Staircase(-scale, (0.0,), (2 * scale,)),)
    if bits < 1:
        raise quantizer.refuse("bits", "at least 1", "use more bits")
    overflow = Overflow.SAT_SYM if signed and quantizer["symmetric"] else Overflow.SAT
    cast = Cast(rounded(signed, bits, integer + signed, overflow))
    return (cast,) if scale == 1 else (cast, Affine(scale))


def _relu(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    bits, integer, slope = int(quantizer["bits"]), int(quantizer["integer"]), float(quantizer["negative_slope"])
    if quantizer["use_sigmoid"]:
        raise quantizer.refuse("use_sigmoid", "0", "train with the plain quantized_relu")
    bound = quantizer["relu_upper_bound"]
    if bound is not None and bound < 2.0**integer * (1 - 2.0 ** -(bits - (slope != 0))):
        raise quantizer.refuse(
            "relu_upper_bound",
            "None or above the largest code",
            "the file does not say whether it clips (is_quantized_clip is not saved): choose bits and integer instead",
        )
    if slope == 0:
        return (Cast(rounded(False, bits, integer)),)
    if slope * 2 ** (bits - 1) < 1 or math.frexp(slope)[0] != 0.5:
        raise quantizer.refuse(
            "negative_slope", "a power of two of at least one least significant bit", "use more bits"
        )
    finest = max(fraction, bits - 1 - integer)
    limited = rounded(True, max(integer + 1 + finest, 2), integer + 1)
    return Cast(limited), Slope(slope), Cast(rounded(True, bits, integer + 1))


def _tanh(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    """`clip(round(2^n t) / 2^n, -1, 1 - 2^-n)`, n = bits - 1; t = clip(x, -1, 1), or tanh(x) if asked for."""
    bits, symmetric = int(quantizer["bits"]), int(bool(quantizer["symmetric"]))
    if bits < 2:
        raise quantizer.refuse("bits", "at least 2", "use more bits")
    if not quantizer["use_real_tanh"]:
        return (Cast(rounded(True, bits, 1, Overflow.SAT_SYM if symmetric else Overflow.SAT)),)
    levels = np.arange(-(2 ** (bits - 1)) + symmetric, 2 ** (bits - 1)) * 2.0 ** (1 - bits)
    halfway = levels[:-1] + 2.0**-bits
    return (_crossings(quantizer, fraction, levels, np.arctanh(halfway), 1 - halfway**2),)


def _sigmoid(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    """`clip(round(2^n s) / 2^n, 0, 1 - 2^-n)`, n = bits; s = clip(x/2 + 1/2, 0, 1), or the sigmoid if asked for."""
    bits, symmetric = int(quantizer["bits"]), int(bool(quantizer["symmetric"]))
    if bits < 2:
        raise quantizer.refuse("bits", "at least 2", "use more bits")
    if quantizer["use_real_sigmoid"]:
        levels = np.arange(symmetric, 2**bits) * 2.0**-bits
        halfway = levels[:-1] + 2.0 ** (-bits - 1)
        return (_crossings(quantizer, fraction, levels, np.log(halfway / (1 - halfway)), halfway * (1 - halfway)),)
    if symmetric:
        return Affine(0.5), Cast(rounded(True, bits, 0, Overflow.SAT_SYM)), Affine(1.0, 0.5)
    return Affine(0.5, 0.5), Cast(rounded(False, bits, 0))


def _binary(quantizer: Quantizer, _: int) -> tuple[Step, ...]:
    scale = _scalar_scale(quantizer)
    low = 0.0 if quantizer.parameters.get("use_01") else -scale
    return (Staircase(low, (0.0,), (scale - low,)),)


def _binary_function(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    """`round(clip(x/2 + 1/2, 0, 1))`, which is 0 at x = 0; doubled and lowered by one for `binary_tanh`."""
    low = -1.0 if quantizer.name == "binary_tanh" else 0.0
    return (Staircase(low, (2.0**-fraction,), (1.0 - low,)),)


def _ternary(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    scale, lsb = _scalar_scale(quantizer), 2.0**-fraction
    threshold = float(np.float32(0.33 if quantizer["threshold"] is None else quantizer["threshold"]))
    if threshold < 0:
        raise quantizer.refuse("threshold", "at least 0", "retrain with a positive threshold")
    above = max(math.ceil(threshold / lsb), 1)
    return (Staircase(-scale, ((1 - above) * lsb, above * lsb), (scale, scale)),)


def _po2(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    levels, starts = _po2_levels(quantizer, fraction)
    rises = np.diff(levels)
    mirrored = tuple(2.0**-fraction - start for start in reversed(starts))
    return (
        Staircase(
            -float(levels[-1]),
            (*mirrored, 0.0, *starts),
            (*(float(r) for r in reversed(rises)), 2 * float(levels[0]), *(float(r) for r in rises)),
        ),
    )


def _relu_po2(quantizer: Quantizer, fraction: int) -> tuple[Step, ...]:
    if quantizer["negative_slope"]:
        raise quantizer.refuse("negative_slope", "0 in an activation", "train with negative_slope=0")
    levels, starts = _po2_levels(quantizer, fraction)
    return (Staircase(float(levels[0]), starts, tuple(float(r) for r in np.diff(levels))),)


def _po2_levels(quantizer: Quantizer, fraction: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """The magnitudes that the quantiser gives to 0, lsb, 2 lsb, …, and the multiples of lsb at which they change."""
    if quantizer["quadratic_approximation"]:
        raise quantizer.refuse(
            "quadratic_approximation", "False in an activation", "its steps are ties, which float32 breaks at random"
        )
    low, high = exponent_range(quantizer)
    if high - low > MAX_STEPS:
        raise quantizer.refuse("bits", f"such that it has at most {MAX_STEPS} exponents", "use fewer bits")
    if quantizer["max_value"] is not None:
        largest = power_of_two(quantizer, np.array([quantizer["max_value"]], dtype=np.float32))
        high = int(np.log2(largest)[0])
    floor = quantizer["log2_rounding"] == "floor"
    exponents = np.arange(low, high + 1)
    boundaries = 2.0 ** (exponents[1:] - (0.0 if floor else 0.5))
    stair = _crossings(quantizer, fraction, 2.0**exponents, boundaries, 1 / boundaries, exact=floor)
    return np.cumsum([stair.base, *stair.rises]), stair.thresholds


def _crossings(
    quantizer: Quantizer,
    fraction: int,
    levels: np.ndarray,
    boundaries: np.ndarray,
    derivative: np.ndarray,
    exact: bool = False,
) -> Staircase:
    """The staircase that reaches `levels[k + 1]` above `boundaries[k]`, on multiples of 2^-fraction.

    `derivative` is that of the function that float32 evaluates, at the boundaries: a multiple that float32 cannot
    tell from a boundary is refused. `exact` boundaries belong to the step above them.
    """
    if len(boundaries) > MAX_STEPS:
        raise quantizer.refuse("bits", f"such that it has at most {MAX_STEPS + 1} levels", "use fewer bits")
    scaled = np.ldexp(boundaries, fraction)
    nearest = np.rint(scaled)
    distance = np.abs(nearest - scaled) * 2.0**-fraction * np.abs(derivative)
    doubtful = (distance < FLOAT32_ERROR) & ~(exact & (nearest == scaled))
    if doubtful.any():
        edge = float(boundaries[doubtful][0])
        raise ExactnessError(
            f"{quantizer.where}: {quantizer.name} steps at {edge!r}, which float32 cannot tell from a multiple of "
            f"2^-{fraction} that its input takes; quantise the input to fewer fraction bits first"
        )
    multiples = np.ceil(scaled)
    thresholds, rises = [], []
    for multiple in dict.fromkeys(multiples.tolist()):
        reached = np.flatnonzero(multiples == multiple)
        thresholds.append(multiple * 2.0**-fraction)
        rises.append(float(levels[reached[-1] + 1] - levels[reached[0]]))
    return Staircase(float(levels[0]), tuple(thresholds), tuple(rises))


def _scalar_scale(quantizer: Quantizer) -> float:
    scale = fixed_scale(quantizer)
    if scale.size != 1:
        raise quantizer.refuse("alpha", "one number", "scale per channel in the next layer's weights")
    return float(scale.flat[0])


ACTIVATIONS: Mapping[str, Callable[[Quantizer, int], tuple[Step, ...]]] = MappingProxyType(
    {
        "quantized_bits": _bits,
        "quantized_relu": _relu,
        "quantized_tanh": _tanh,
        "quantized_sigmoid": _sigmoid,
        "binary": _binary,
        "binary_tanh": _binary_function,
        "binary_sigmoid": _binary_function,
        "ternary": _ternary,
        "quantized_po2": _po2,
        "quantized_relu_po2": _relu_po2,
    }
)
"""Quantisers that activations may have."""
