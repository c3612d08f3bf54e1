"""Exact arithmetic on alkaid's symbolic numbers: inputs, casts with every mode of `ap_fixed`, constant products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import ExactnessError
from trigforge.fixed import FixedType, Overflow, Rounding

Symbols = Any  # alkaid's FVArray, an untyped NumPy subclass
FloatArray = npt.NDArray[np.float64]

SOLVER = {"hard_dc": 2}
SPAN = 20
"""Bits that the entries of a matrix may span in one call of alkaid's solver."""
COEFFICIENT_BITS = 24
"""Bits of a coefficient that alkaid reads without loss."""


def interval_symbols(low: FloatArray, high: FloatArray, step: FloatArray) -> Symbols:
    """One symbol an element, over the multiples of `step` in `low..high`."""
    from alkaid.trace import FVArray

    return FVArray.from_lhs(low, high, step, solver_options=SOLVER)


def type_symbols(kinds: Sequence[FixedType]) -> Symbols:
    """One symbol a type, over everything that the type holds."""
    low, high, step = (
        np.array(v, dtype=np.float64) for v in zip(*((t.low, t.high, t.lsb) for t in kinds), strict=True)
    )
    return interval_symbols(low * step, high * step, step)


def array_of(values: Any, like: Symbols) -> Symbols:
    """An array of symbols and constants as symbols with the options of `like`.

    In row-major order, since alkaid 0.8.2 leaves the constants of other arrays as they are.
    """
    from alkaid.trace import FVArray

    return FVArray(np.array(values, dtype=object, order="C"), like.solver_options, hwconf=like.hwconf)


def concatenate(parts: Sequence[Symbols], axis: int = 0) -> Symbols:
    """Arrays of symbols joined along an axis."""
    return array_of(np.concatenate([np.asarray(part, dtype=object) for part in parts], axis=axis), parts[0])


def bounds(values: Symbols) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The smallest value, the largest value and the step of every symbol, in double precision."""
    flat = np.asarray(values, dtype=object).ravel()
    limits = [(float(v.low), float(v.high), float(v.step)) for v in flat]
    low, high, step = np.array(limits, dtype=np.float64).reshape(len(flat), 3).T
    return low.reshape(values.shape), high.reshape(values.shape), step.reshape(values.shape)


def fraction_bits(values: Symbols) -> int:
    """Fraction bits that hold every symbol (negative if all are multiples of a higher power of two)."""
    _, high, step = bounds(values)
    low, _, _ = bounds(values)
    used = step[(low != 0) | (high != 0)]
    return int(-np.log2(used.min())) if used.size else 0


def cast(values: Symbols, target: FixedType, where: str) -> Symbols:
    """Symbols cast to a type with its rounding and overflow, as `ap_fixed` casts them."""
    if target.overflow not in (Overflow.WRAP, Overflow.SAT, Overflow.SAT_SYM):
        raise ExactnessError(f"{where}: overflow {target.overflow.value} must be WRAP, SAT or SAT_SYM")
    flat = np.asarray(values, dtype=object).ravel()
    results = [_cast_constant(float(v.low), target) if v.low == v.high else _cast_symbol(v, target) for v in flat]
    return array_of(np.array(results, dtype=object).reshape(values.shape), values)


def _cast_symbol(value: Any, target: FixedType) -> Any:
    rounded = value if float(value.step) >= target.lsb else _rounded(value, target.lsb, target.rounding)
    k, i, f = int(target.signed), target.integer - int(target.signed), target.fraction
    if rounded.low == rounded.high:
        return _cast_constant(float(rounded.low), target)
    return rounded.quantize(k, i, f, target.overflow.value, "TRN")


def _cast_constant(value: float, target: FixedType) -> float:
    """A constant cast to a type; alkaid 0.8.2 wraps constants of unsigned types wrongly."""
    fraction = constant_fraction(np.array([value]))
    return float(target.to_float(target.cast(int(math.ldexp(value, fraction)), fraction)))


def _rounded(value: Any, lsb: float, rounding: Rounding) -> Any:
    """What becomes `value` rounded to a multiple of `lsb` once it is rounded down; alkaid itself knows two modes."""
    if lsb > float(value.step) * 2.0**SPAN:
        value = _shortened(value, lsb / 4)
    step, half = float(value.step), lsb / 2
    match rounding:
        case Rounding.TRN:
            return value
        case Rounding.TRN_ZERO:
            return value + value.is_negative() * (lsb - step)
        case Rounding.RND:
            return value + half
        case Rounding.RND_MIN_INF:
            return value + (half - step)
        case Rounding.RND_ZERO:
            return value + value.is_negative() * step + (half - step)
        case Rounding.RND_INF:
            return value - value.is_negative() * step + half
        case Rounding.RND_CONV:
            return _to_even(value + half, lsb)


def _shortened(value: Any, lsb: float) -> Any:
    """`value` rounded down to a multiple of `lsb`, plus half of that if anything was dropped: it rounds as `value`."""
    f = round(-math.log2(lsb))
    k, i, fraction = (int(n) for n in value.kif)
    floor = value.quantize(k, max(i, -f), f, "WRAP", "TRN")
    return floor + value.quantize(0, -f, fraction, "WRAP", "TRN").unary_bit_op("any") * (lsb / 2)


def _to_even(value: Any, lsb: float) -> Any:
    """`value` rounded down to a multiple of `lsb`, and by another `lsb` if it is an odd multiple already."""
    f = round(-math.log2(lsb))
    k, i, fraction = (int(n) for n in value.kif)
    even = value.quantize(k, max(i, 1 - f), f - 1, "WRAP", "TRN")
    if fraction <= f:
        return even
    odd = value.quantize(0, 1 - f, f, "WRAP", "TRN")
    between = value.quantize(0, -f, fraction, "WRAP", "TRN").unary_bit_op("any")
    return even + between.msb_mux(odd, 0.0)


def matmul(values: Symbols, matrix: FloatArray) -> Symbols:
    """`values @ matrix` for values (…, n) and constants (n, m), exact.

    Faults of alkaid 0.8.2 are kept away: it reads steps and constants in single precision, so matrices whose entries
    span more bits are split and symbols with such coefficients made atomic; it looks groups of one-bit values up in
    tables addressed by the values themselves, which is wrong for a lone sign bit (0 or -1), so it must add then; and it
    fails on values that are all 0, as those of a filter that was pruned, whose products are written down.
    """
    from alkaid.trace import FVArray

    low, high, _ = bounds(values)
    nothing = ((low == 0) & (high == 0)).all(axis=-1)
    if nothing.any():
        found = np.zeros((*nothing.shape, np.shape(matrix)[1]), dtype=object)
        if not nothing.all():
            found[~nothing] = np.asarray(matmul(values[~nothing], matrix), dtype=object)
        return array_of(found, values)
    k, i, f = values.kif
    if ((k == 1) & (k + i + f == 1)).any():
        values = FVArray(values, {**values.solver_options, "binary_lut": False}, hwconf=values.hwconf)
    values = atomic(values, COEFFICIENT_BITS - SPAN)
    parts = [values @ part for part in _narrow_parts(np.asarray(matrix, dtype=np.float64))]
    return added(parts)


def added(terms: Sequence[Symbols]) -> Symbols:
    """The exact sum of arrays of symbols, at least one, as a tree of the fewest levels: neighbours first."""
    rest = list(terms)
    while len(rest) > 1:
        pairs = [atomic(a + b, COEFFICIENT_BITS) for a, b in zip(rest[::2], rest[1::2], strict=False)]
        rest = pairs + rest[2 * len(pairs) :]
    return rest[0]


def add_constants(values: Symbols, constants: FloatArray | float) -> Symbols:
    """`values + constants`; constants of more than 24 significant bits raise `ExactnessError`."""
    wide = np.asarray(constants, dtype=np.float64)
    if not np.array_equal(wide.astype(np.float32), wide):
        bad = wide[wide.astype(np.float32) != wide].flat[0]
        raise ExactnessError(f"a constant that is added must have at most 24 significant bits, not {bad!r}")
    return atomic(values + wide, COEFFICIENT_BITS)


def atomic(values: Symbols, bits: int) -> Symbols:
    """The same symbols; one that is a sum with coefficients of more than `bits` bits forgets what it is a sum of."""
    flat = np.asarray(values, dtype=object).ravel()
    if not any(_is_wide(v, bits) for v in flat):
        return values
    return array_of(np.array([_forgetful(v, bits) for v in flat], dtype=object).reshape(values.shape), values)


def _is_wide(value: Any, bits: int) -> bool:
    """Whether a coefficient of a symbol, or its constant, spans more than `bits` bits."""
    affine = value._affine
    steps = [coefficient * atom.qint.step for atom, coefficient in affine.coeffs.items()]
    return any(_span(v) > bits for v in (*steps, affine.bias))


def _forgetful(value: Any, bits: int) -> Any:
    if not _is_wide(value, bits) or not value._affine.coeffs:
        return value
    from alkaid.trace.affine_interval import AffineInterval
    from alkaid.types import QInterval

    affine = value._affine
    parts = np.array([affine.bias, *(c * atom.qint.step for atom, c in affine.coeffs.items())])
    interval = QInterval(float(value.low), float(value.high), 2.0 ** -constant_fraction(parts))
    return value._with(_affine=AffineInterval.new(interval))


def _span(value: float) -> int:
    """Bits from the highest to the lowest that is set."""
    if not value:
        return 0
    whole = int(math.ldexp(math.frexp(value)[0], 53))
    return 53 - (whole & -whole).bit_length() + 1


def _narrow_parts(matrix: FloatArray) -> list[FloatArray]:
    """Matrices whose sum is `matrix`, the entries of each spanning at most `SPAN` bits."""
    fraction = constant_fraction(matrix)
    rest = np.ldexp(matrix, fraction)
    parts = []
    while abs(rest).max(initial=0) >= 2.0**SPAN:
        low = rest - np.rint(np.ldexp(rest, -SPAN)) * 2.0**SPAN
        parts.append(np.ldexp(low, -fraction))
        rest, fraction = np.ldexp(rest - low, -SPAN), fraction - SPAN
    return [*parts, np.ldexp(rest, -fraction)]


def constant_fraction(values: FloatArray) -> int:
    """Fraction bits that hold every constant."""
    used = np.asarray(values, dtype=np.float64).ravel()
    used = used[used != 0]
    if not used.size:
        return 0
    mantissa, exponent = np.frexp(used)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int((53 - exponent - trailing).max())


def lookup(value: Any, table: FloatArray) -> Any:
    """The symbol `table[(value - low) / step]`: one real entry a value that `value` can take, ascending."""
    entries = np.asarray(table, dtype=np.float64)
    if len(entries) != len(grid(value)):
        raise AssertionError("a table must have one entry a value")
    if (entries == entries[0]).all():
        return value.from_const(float(entries[0]), hwconf=value.hwconf)
    parts = [value.lookup(part) if part.any() else 0.0 for part in _narrow_parts(entries)]
    return sum(parts[1:], start=parts[0])


def grid(value: Any) -> FloatArray:
    """Every value that a symbol can take by its interval, ascending."""
    count = round((float(value.high) - float(value.low)) / float(value.step)) + 1
    return float(value.low) + float(value.step) * np.arange(count, dtype=np.float64)
