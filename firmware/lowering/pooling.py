"""Rules of poolings."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.accumulate import summed
from trigforge.firmware.lowering.choice import greatest
from trigforge.firmware.lowering.layer import Outcome, examine, input_type, label, type_of
from trigforge.firmware.lowering.symbols import Symbols, array_of, bounds, cast, matmul
from trigforge.firmware.lowering.windows import require_channels_last, windows
from trigforge.fixed import FixedType, Rounding

EXACT_BITS = 53
"""Bits of the intervals of symbols, which are doubles."""


def pooling(node: Any, inputs: list[Symbols]) -> Outcome:
    """The maximum or the average of every window, padding counted if `count_pad`."""
    view = windows(node, "pool")
    if node.get_attr("pool_op") == "Max":
        return _maximum(node, view.cut(inputs[0], _lowest(input_type(node))))
    inside = (view.pixels >= 0).sum(axis=1)
    counts = np.full_like(inside, view.pixels.shape[1]) if node.get_attr("count_pad", False) else inside
    return _average(node, view.cut(inputs[0], 0.0), [int(count) for count in counts])


def global_pooling(node: Any, inputs: list[Symbols]) -> Outcome:
    """The maximum or the average of every channel."""
    require_channels_last(node)
    values = inputs[0].reshape(1, -1, int(node.get_attr("n_filt")))
    return _maximum(node, values) if node.get_attr("pool_op") == "Max" else _average(node, values, [values.shape[1]])


def _lowest(kind: FixedType) -> float:
    """The value whose highest bit alone is set: hls4ml pads maxima with it, unsigned types included."""
    bit = 2.0 ** (kind.width - 1) * kind.lsb
    return -bit if kind.signed else bit


def _maximum(node: Any, values: Symbols) -> Outcome:
    """The greatest value of windows (windows, size, channels), as the accumulator holds it."""
    return _held(node, greatest([values[:, place] for place in range(values.shape[1])]))


def _held(node: Any, values: Symbols) -> Outcome:
    kind = type_of(node, "accum_t")
    width = examine(node.name, "accumulator", values, kind)
    return Outcome(cast(values, kind, f"the accumulator of {label(node)}"), (width,))


def _average(node: Any, values: Symbols, counts: list[int]) -> Outcome:
    """The sums of windows (windows, size, channels) divided by each window's count."""
    sums = summed(node, [values[:, place] for place in range(values.shape[1])], alone=False)
    kind = type_of(node, "accum_t")
    parts = [quotient(row, count, kind, label(node)) for row, count in zip(sums.values, counts, strict=True)]
    return Outcome(array_of(np.stack([np.asarray(part, dtype=object) for part in parts]), values), sums.inner)


def quotient(values: Symbols, divisor: int, kind: FixedType, where: str) -> Symbols:
    """Values of a type divided by a positive integer, as `ap_fixed` divides: towards zero, on the type's grid.

    For `m = floor(2^s / n) + 1` and s such that `(m n - 2^s) max|x| < 2^s`, `x / n` towards zero is `floor(x m / 2^s)`,
    plus 1 for negative x (Granlund and Montgomery, doi:10.1145/178243.178249).
    """
    target = FixedType(signed=True, width=kind.width + 1, integer=kind.integer + 1, rounding=Rounding.TRN_ZERO)
    if divisor & (divisor - 1) == 0:
        return cast(values * (1.0 / divisor), target, where)
    low, high, _ = bounds(values)
    largest = int(max(-low.min(), high.max()) / kind.lsb)
    shift = 0
    while ((1 << shift) // divisor + 1) * divisor - (1 << shift) > ((1 << shift) - 1) // max(largest, 1):
        shift += 1
    multiplier = (1 << shift) // divisor + 1
    if (multiplier * largest).bit_length() > EXACT_BITS:
        raise ExactnessError(f"{where}: an average over {divisor} must have a narrower accumulator than {kind}")
    products = matmul(values[..., None], np.array([[float(multiplier) * 2.0**-shift]]))[..., 0]
    floor = cast(products, target.model_copy(update={"rounding": Rounding.TRN}), where)
    return floor + np.signbit(values) * kind.lsb
