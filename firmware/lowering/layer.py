"""What a rule gives for a layer, and what interval arithmetic proves about its types."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, bounds
from trigforge.fixed import MAX_WIDTH, FixedType, Overflow, Rounding
from trigforge.value import Value


class Loss(StrEnum):
    """What a type does to the values that reach it."""

    NONE = "none"
    """Proved to hold every reachable value."""
    ROUNDS = "rounds"
    """Drops fraction bits, in its rounding mode."""
    SATURATES = "saturates"
    """Clips reachable values."""
    WRAPS = "wraps"
    """Not proved wide enough: values beyond its range come out wrong."""


SEVERITY = {loss: rank for rank, loss in enumerate(Loss)}


class Width(Value):
    """A type in a layer and what must pass through it.

    `needed` is the narrowest type that holds every value that interval arithmetic finds reachable.
    """

    layer: str
    place: str
    """`accumulator`, `quantiser` or `result`; of a softmax also `difference` and `sum`."""
    given: FixedType
    needed: FixedType
    loss: Loss

    def __str__(self) -> str:
        return f"{self.place} of {self.layer}: {self.given} {self.loss.value} ({self.needed} needed)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A layer's values before the cast to its result type, and what its inner types lose.

    `final` values have their own element-wise types and are not cast again.
    """

    values: Symbols
    inner: tuple[Width, ...] = ()
    final: bool = False


def label(node: Any) -> str:
    """How messages name a layer."""
    return f"layer {node.name!r} ({node.class_name})"


def fixed_type(precision: Any, where: str) -> FixedType:
    """The `FixedType` of an hls4ml precision object: `ap_fixed`, `ap_int`, or the bit of a binary value."""
    floating = not (hasattr(precision, "width") and hasattr(precision, "integer")) or hasattr(precision, "exponent")
    if floating or getattr(precision, "saturation_bits", None):
        raise ExactnessError(f"{where}: the type {precision} must be fixed point; set it in the hls4ml config")
    defaults = {"rounding_mode": Rounding.TRN.value, "saturation_mode": Overflow.WRAP.value}
    modes = [str(getattr(precision, name, mode)).rsplit(".", 1)[-1] for name, mode in defaults.items()]
    try:
        rounding, overflow = Rounding(modes[0]), Overflow(modes[1])
    except ValueError:
        raise ExactnessError(f"{where}: the type {precision} must have modes of ap_fixed, not {modes}") from None
    width, integer = int(precision.width), int(precision.integer)
    return FixedType(signed=bool(precision.signed), width=width, integer=integer, rounding=rounding, overflow=overflow)


def type_of(node: Any, attribute: str) -> FixedType:
    """The type that hls4ml gave an attribute of a layer, such as `accum_t`."""
    return fixed_type(node.get_attr(attribute).precision, f"{attribute} of {label(node)}")


def result_type(node: Any) -> FixedType:
    """The type of a layer's output variable."""
    return fixed_type(node.get_output_variable().type.precision, f"the result of {label(node)}")


def input_type(node: Any) -> FixedType:
    """The type of a layer's only input variable."""
    return fixed_type(node.get_input_variable().type.precision, f"the input of {label(node)}")


def weight(node: Any, name: str) -> FloatArray:
    """A weight array as the hardware holds it: the decimals that hls4ml writes, cast to the weights' type.

    Rounding and saturation are the type's own; weights that would wrap raise `ExactnessError`.
    """
    variable = node.weights[name]
    where = f"{name} of {label(node)}"
    kind = fixed_type(variable.type.precision, where)
    written = np.array([float(text) for text in variable], dtype=np.float64).reshape(np.shape(variable.data))
    if not written.any():
        return written
    if not (np.isfinite(written).all() and (abs(written) < 2.0**MAX_WIDTH * kind.lsb).all()):
        raise ExactnessError(f"{where} must be finite and below {2.0**MAX_WIDTH * kind.lsb:g}; retrain or scale them")
    width, integer = min(MAX_WIDTH, 64 + kind.fraction), min(MAX_WIDTH - kind.fraction, 64)
    wide = FixedType(signed=True, width=width, integer=integer, rounding=kind.rounding)
    mantissa, exponent = np.frexp(written)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    spare = np.log2(np.where(whole == 0, 1 << 53, whole & -whole).astype(np.float64)).astype(np.int64)
    rounded = wide.cast(whole >> spare, 53 - exponent - spare)
    if kind.overflow is Overflow.WRAP and rounded.size and (rounded.min() < kind.low or rounded.max() > kind.high):
        raise ExactnessError(
            f"{where} must fit into {kind}, not {written.min():g}..{written.max():g}; widen the type or let it saturate"
        )
    return kind.to_float(kind.cast(rounded, kind.fraction))


def examine(layer: str, place: str, values: Symbols, given: FixedType) -> Width:
    """What casting `values` to `given` loses, by interval arithmetic."""
    needed = covering_type(values, f"{place} of layer {layer!r}")
    low, high, _ = bounds(values)
    least, most = (_rounded(float(v), needed.fraction, given) for v in (low.min(initial=0), high.max(initial=0)))
    if least < given.low * given.lsb or most > given.high * given.lsb:
        loss = Loss.WRAPS if given.overflow is Overflow.WRAP else Loss.SATURATES
    else:
        loss = Loss.ROUNDS if needed.fraction > given.fraction else Loss.NONE
    return Width(layer=layer, place=place, given=given, needed=needed, loss=loss)


def _rounded(value: float, fraction: int, kind: FixedType) -> float:
    """A value with so many fraction bits, rounded as a type rounds it, whatever its size."""
    if fraction <= kind.fraction:
        return value
    wide = {"signed": True, "width": MAX_WIDTH, "integer": MAX_WIDTH - kind.fraction, "overflow": Overflow.WRAP}
    mantissa = kind.model_copy(update=wide).cast(int(math.ldexp(value, fraction)), fraction)
    return float(mantissa) * kind.lsb


def combined(widths: Sequence[Width]) -> tuple[Width, ...]:
    """One width for the parts of one place: the worst loss, and the type that holds what any part needs."""
    if not widths:
        return ()
    needed = [width.needed for width in widths]
    signed, fraction = any(kind.signed for kind in needed), max(kind.fraction for kind in needed)
    integer = max(kind.integer - kind.signed for kind in needed) + signed
    worst = max(widths, key=lambda width: SEVERITY[width.loss])
    if integer + fraction > MAX_WIDTH:
        raise ExactnessError(
            f"{worst.place} of layer {worst.layer!r} must fit into {MAX_WIDTH} bits; use narrower types"
        )
    covering = FixedType(signed=signed, width=integer + fraction, integer=integer)
    return (worst.model_copy(update={"needed": covering}),)


def covering_type(values: Symbols, where: str) -> FixedType:
    """The narrowest type that holds every value of every symbol; `ExactnessError` if none of ours does."""
    low, high, step = bounds(values)
    used = (low != 0) | (high != 0)
    if not used.any():
        return FixedType(signed=False, width=1, integer=1)
    lsb = float(step[used].min())
    least, most = float(low.min()), float(high.max())
    bits = max(_bits(most / lsb), _bits(-least / lsb - 1)) + (least < 0)
    width = max(bits, 1)
    if width > MAX_WIDTH:
        raise ExactnessError(f"{where} must fit into {MAX_WIDTH} bits, it needs {width}; use narrower types")
    return FixedType(signed=least < 0, width=width, integer=width + round(math.log2(lsb)))


def _bits(largest: float) -> int:
    """Bits of an unsigned number up to `largest`."""
    return int(largest).bit_length() if largest > 0 else 0
