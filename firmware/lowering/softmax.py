"""Rule of softmax: hls4ml's exponential and inverse tables, its sums, products and types in each implementation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.choice import by_sign, constants, greatest
from trigforge.firmware.lowering.layer import (
    SEVERITY,
    Outcome,
    Width,
    covering_type,
    examine,
    input_type,
    label,
    type_of,
)
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, added, array_of, cast
from trigforge.firmware.lowering.tables import Float32, cast_real, exponential, indexed, tabulated
from trigforge.fixed import FixedType

Results = tuple[list[Symbols], tuple[Width, ...]]
"""The values of every position of a slice, and what inner types lose."""
PRODUCT_BITS = 53
"""Bits of a product whose limits double precision still holds."""
LEGACY_TABLE = FixedType(signed=True, width=18, integer=8)
"""The type of both tables and of the sums of the legacy implementation."""


def softmax(node: Any, inputs: list[Symbols]) -> Outcome:
    """Softmax over slices of values (n_outer · n_slice · n_inner), in one of hls4ml's implementations."""
    (values,) = inputs
    outer, inner = int(node.get_attr("n_outer", 1)), int(node.get_attr("n_inner", 1))
    if outer * inner == 1 and math.prod(values.shape[:-1]) > 1 and not node.get_attr("_bit_exact", False):
        raise ExactnessError(
            f"{label(node)}: hls4ml sums over all of {values.shape}, not over its last axis; use a Softmax layer "
            "instead of the activation's name"
        )
    slices = values.reshape(outer, -1, inner)
    terms = [slices[:, i] for i in range(slices.shape[1])]
    match str(node.get_attr("implementation")):
        case "latency":
            results, widths = _latency(node, terms)
        case "stable":
            results, widths = _stable(node, terms)
        case "legacy":
            results, widths = _legacy(node, terms)
        case "argmax":
            results, widths = _argmax(terms), ()
        case other:
            raise ExactnessError(
                f"{label(node)}: the implementation must be latency, stable, legacy or argmax, not {other!r}"
            )
    stacked = np.stack([np.asarray(r, dtype=object) for r in results], axis=1)
    return Outcome(array_of(stacked, values), widths)


def _argmax(terms: list[Symbols]) -> list[Symbols]:
    """1 for the first of the greatest, 0 for the others."""
    results = []
    for i, term in enumerate(terms):
        one, zero = constants(1.0, term), constants(0.0, term)
        for other in terms[:i]:
            one = by_sign(added([other, -term]), one, zero)
        for other in terms[i + 1 :]:
            one = by_sign(added([term, -other]), zero, one)
        results.append(one)
    return results


def _latency(node: Any, terms: list[Symbols]) -> Results:
    """The exponentials of the inputs themselves."""
    return _normalised(node, terms, input_type(node), _size(node, "exp_table_size"), 1.0, ())


def _stable(node: Any, terms: list[Symbols]) -> Results:
    """The exponentials of what the inputs are below the greatest, in a type that may wrap."""
    highest, kind, size = greatest(terms), input_type(node), _size(node, "exp_table_size")
    if node.get_attr("inp_norm_t") is not None:
        below = type_of(node, "inp_norm_t")
    elif kind.signed:
        below = FixedType(signed=False, width=kind.width - 1, integer=kind.integer - 1)
        size = min(_size(node, "inv_table_size"), 1 << below.width)
    else:
        below = FixedType(signed=False, width=kind.width, integer=kind.integer)
    where = f"the differences of {label(node)}"
    distances = [_not_negative(added([highest, -term]), where) for term in terms]
    width = _worst(examine(node.name, "difference", distance, below) for distance in distances)
    return _normalised(node, [cast(d, below, where) for d in distances], below, size, -1.0, (width,))


def _normalised(
    node: Any, terms: list[Symbols], kind: FixedType, size: int, sign: float, widths: tuple[Width, ...]
) -> Results:
    """`exp(±terms)` times the inverse of their sum, by tables addressed with the top bits of their arguments."""
    exp_type, accumulator, inverse_type = (type_of(node, n) for n in ("exp_table_t", "accum_t", "inv_table_t"))
    inherits = node.get_attr("inv_inp_t").name == "model_default_t"
    sum_type = exp_type if inherits else type_of(node, "inv_inp_t")
    where, scale = label(node), np.float32(sign) * np.float32(str(node.get_attr("exp_scale", 1.0)))

    def powers_at(at: Float32) -> FloatArray:
        return exponentials(at, scale, exp_type, where)

    def inverses_at(at: Float32) -> FloatArray:
        return inverses(at, inverse_type, where)

    raw = [_top_bits(term, kind, size, powers_at, f"the exponential table of {where}") for term in terms]
    powers = [cast(term, accumulator, where) for term in raw]
    width = _worst(examine(node.name, "accumulator", part, accumulator) for part in (*raw, added(raw)))
    total = _tree(powers, accumulator, where)
    inner = (*widths, width, examine(node.name, "sum", total, sum_type))
    total = cast(total, sum_type, where)
    inverse = _top_bits(total, sum_type, _size(node, "inv_table_size"), inverses_at, f"the inverse table of {where}")
    return [_product(power, inverse, where) for power in powers], inner


def exponentials(at: Float32, scale: np.float32, kind: FixedType, where: str) -> FloatArray:
    """`exp(scale · at)` in single precision, cast to the table's type."""
    return cast_real(exponential(at * scale), kind, where)


def inverses(at: Float32, kind: FixedType, where: str) -> FloatArray:
    """`1 / at` in single precision, cast to the table's type; the inverse of 0 is the greatest number."""
    with np.errstate(divide="ignore"):
        return cast_real(np.float32(1) / at, kind, where)


def _top_bits(
    values: Symbols, kind: FixedType, size: int, function: Callable[[Float32], FloatArray], where: str
) -> Symbols:
    """`function` of the top bits of values of a type, as many as address a table of `size` entries."""
    bits = max(1, math.ceil(math.log2(size)))
    if bits > kind.width:
        raise ExactnessError(
            f"{where} must have at most 2^{kind.width} entries, one for each value of {kind}, not {size}"
        )
    top = FixedType(signed=kind.signed, width=bits, integer=kind.integer)

    def entries(at: FloatArray) -> FloatArray:
        address = int((top.from_float(at) & ((1 << bits) - 1)).max())
        if address >= size:
            raise ExactnessError(f"{where} must have more than {address} entries, not {size}; use a power of two")
        return function(at.astype(np.float32))

    return tabulated(cast(values, top, where), entries, where)


def _tree(terms: Sequence[Symbols], kind: FixedType, where: str) -> Symbols:
    """The sum by hls4ml's balanced tree, every partial sum cast to a type."""
    if len(terms) == 1:
        return terms[0]
    left = 1 << ((len(terms) - 1).bit_length() - 1)
    return cast(added([_tree(terms[:left], kind, where), _tree(terms[left:], kind, where)]), kind, where)


def _product(left: Symbols, right: Symbols, where: str) -> Symbols:
    bits = covering_type(left, where).width + covering_type(right, where).width
    if bits > PRODUCT_BITS:
        raise ExactnessError(
            f"{where}: its products must fit into {PRODUCT_BITS} bits, not {bits}; use narrower accum and inv_table"
        )
    return left * right


def _not_negative(values: Symbols, where: str) -> Symbols:
    """Differences that are 0 or more whatever their intervals say, without their sign bits."""
    flat = np.asarray(values, dtype=object).ravel()
    known = [_unsigned(v, values, where) if v.low < 0 < v.high else v for v in flat]
    return array_of(np.array(known, dtype=object).reshape(values.shape), values)


def _unsigned(value: Any, like: Symbols, where: str) -> Any:
    _, integer, fraction = (int(n) for n in value.kif)
    kind = FixedType(signed=False, width=integer + fraction, integer=integer)
    return cast(array_of([value], like), kind, where)[0]


def _legacy(node: Any, terms: list[Symbols]) -> Results:
    """`1 / Σ_j exp(x_j - x_i)` over tables that cover -8..8 and 0..64."""
    where, exp_size, inverse_size = label(node), _size(node, "exp_table_size"), _size(node, "inv_table_size")
    at = 16.0 * (np.arange(exp_size) - exp_size / 2.0) / exp_size
    exp_table = cast_real(exponential(at.astype(np.float32)), LEGACY_TABLE, where)
    points = (64.0 * np.arange(inverse_size) / inverse_size).astype(np.float32).astype(np.float64)
    inverse_table = cast_real(np.divide(1.0, points, out=np.zeros_like(points), where=points > 0), LEGACY_TABLE, where)
    results, widths = [], []
    for i, term in enumerate(terms):
        total = constants(0.0, term)
        for j, other in enumerate(terms):
            if i == j:
                power = constants(1.0, term)
            else:
                difference = added([other, -term])
                power = tabulated(*indexed(difference, exp_table, exp_size / 16, 8 * exp_size // 16, where), where)
            total = added([total, power])
            widths.append(examine(node.name, "accumulator", total, LEGACY_TABLE))
            total = cast(total, LEGACY_TABLE, where)
        results.append(tabulated(*indexed(total, inverse_table, inverse_size / 64, 0, where), where))
    return results, (_worst(widths),)


def _worst(widths: Iterable[Width]) -> Width:
    return max(widths, key=lambda width: SEVERITY[width.loss])


def _size(node: Any, name: str) -> int:
    return int(node.get_attr(name, node.get_attr("table_size")))
