"""Sums of products as hls4ml's C++ forms them: every product and partial sum is cast to the accumulator's type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trigforge.firmware.lowering.layer import Loss, Outcome, examine, label, type_of
from trigforge.firmware.lowering.symbols import (
    FloatArray,
    Symbols,
    add_constants,
    added,
    array_of,
    bounds,
    cast,
    constant_fraction,
    fraction_bits,
    matmul,
)
from trigforge.fixed import FixedType, Overflow


def products_summed(
    node: Any,
    values: Symbols,
    matrix: FloatArray,
    bias: FloatArray | None,
    *,
    offsets: FloatArray | float = 0.0,
    product: FixedType | None = None,
) -> Outcome:
    """`bias + Σ_i (values_i · matrix_i + offsets_i)` for values (…, n), in the layer's `accum_t`.

    Matrix and offsets are (n, m); every product is cast to `product` first, if there is one.
    """
    start = np.zeros(matrix.shape[1]) if bias is None else bias
    shifts = np.broadcast_to(np.asarray(offsets, dtype=np.float64), matrix.shape)
    low, high, _ = bounds(values)
    reach = np.maximum(abs(low), abs(high)) @ abs(matrix) + abs(shifts).sum(axis=0) + abs(start)
    finest = max(_product_fraction(values, matrix), constant_fraction(shifts), constant_fraction(start))
    exact = add_constants(matmul(values, matrix), start + shifts.sum(axis=0))
    if product is not None:
        kind, where = type_of(node, "accum_t"), f"the accumulator of {label(node)}"
        terms = [shifted_products(values[..., i], matrix[i], product, where) for i in range(len(matrix))]
        return Outcome(
            _step_by_step(terms, start, kind, where, alone=True), (examine(node.name, "accumulator", exact, kind),)
        )
    return _in_accumulator(node, exact, finest, reach, lambda: _all_products(values, matrix, shifts), start)


def shifted_products(values: Symbols, weights: FloatArray, kind: FixedType, where: str) -> Symbols:
    """Every value (…) shifted by every power of two (m), value, shift and negation each in the type `kind`."""
    held = cast(values, kind, where)
    size = array_of(np.broadcast_to(np.asarray(held, dtype=object)[..., None], (*held.shape, len(weights))), held)
    return cast(cast(size * abs(weights), kind, where) * np.sign(weights), kind, where)


def summed(node: Any, terms: Sequence[Symbols], start: FloatArray | float = 0.0, *, alone: bool = True) -> Outcome:
    """`start` plus terms of one shape, in their order, in the layer's `accum_t`.

    Terms are cast to it before they are added (`alone`), or only the partial sums are.
    """
    first = np.asarray(start, dtype=np.float64)
    exact = added([add_constants(terms[0], first), *terms[1:]])
    limits = [bounds(term) for term in terms]
    reach = abs(first) + sum(np.maximum(abs(low), abs(high)) for low, high, _ in limits)
    finest = max(constant_fraction(first), *(fraction_bits(term) for term in terms))
    return _in_accumulator(node, exact, finest, reach, lambda: terms, first, alone=alone)


def _in_accumulator(
    node: Any,
    exact: Symbols,
    finest: int,
    reach: FloatArray,
    terms: Callable[[], Sequence[Symbols]],
    start: FloatArray,
    *,
    alone: bool = True,
) -> Outcome:
    """The sum as the accumulator holds it.

    Wrapping commutes with addition, so a wrapping accumulator that keeps all fraction bits may be cast once; one that
    saturates is exact if it is signed and no partial sum can reach its limits. Otherwise every step is cast, as the C++
    does it.
    """
    kind = type_of(node, "accum_t")
    width = examine(node.name, "accumulator", exact, kind)
    where = f"the accumulator of {label(node)}"
    inside = kind.signed and bool(reach.max() <= kind.high * kind.lsb)
    if finest > kind.fraction or (kind.overflow is not Overflow.WRAP and not inside):
        return Outcome(_step_by_step(terms(), start, kind, where, alone), (width,))
    return Outcome(exact if width.loss is Loss.NONE else cast(exact, kind, where), (width,))


def _step_by_step(terms: Sequence[Symbols], start: FloatArray, kind: FixedType, where: str, alone: bool) -> Symbols:
    """`((start + terms[0]) + terms[1]) + …`; start, partial sums and, if `alone`, terms are cast to `kind`."""
    total = cast(array_of(np.broadcast_to(start, terms[0].shape), terms[0]), kind, where)
    for term in terms:
        total = total + (cast(term, kind, where) if alone else term)
        if kind.overflow is not Overflow.WRAP or not alone:
            total = cast(total, kind, where)
    return cast(total, kind, where)


def _product_fraction(values: Symbols, matrix: FloatArray) -> int:
    """Fraction bits that hold every product that is not constantly 0."""
    rows = [fraction_bits(values[..., i]) + constant_fraction(row) for i, row in enumerate(matrix) if row.any()]
    return max(rows, default=0)


def _all_products(values: Symbols, matrix: FloatArray, shifts: FloatArray) -> list[Symbols]:
    """Term i: the products (…, m) of input i with its weights, shifted; a symbol meets all its weights at once."""
    flat = np.asarray(values, dtype=object).reshape(-1, len(matrix))
    places: dict[int, list[tuple[int, int]]] = {}
    for place in np.ndindex(flat.shape):
        places.setdefault(id(flat[place]), []).append(place)
    products = np.empty((*flat.shape, matrix.shape[1]), dtype=object)
    for met in places.values():
        rows = [column for _, column in met]
        for place, row in zip(met, _scaled(flat[met[0]], matrix[rows], values), strict=True):
            products[place] = row
    terms = products.reshape(*values.shape, matrix.shape[1])
    return [add_constants(array_of(terms[..., i, :], values), shifts[i]) for i in range(len(matrix))]


def _scaled(value: Any, weights: FloatArray, like: Symbols) -> Any:
    """One symbol times an array of weights."""
    if value.low == value.high:
        return float(value.low) * weights
    distinct, places = np.unique(weights, return_inverse=True)
    scaled = np.asarray(matmul(array_of([value], like), distinct[None]), dtype=object)
    return scaled[places].reshape(weights.shape)
