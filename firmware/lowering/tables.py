"""hls4ml's activation tables, bit for bit, and their lookups on symbols.

`nnet_activation.h` fills a table in single precision with the C library's functions and casts every entry to the
table's type. The same functions of the same library are called here, in the same precision, step by step.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, array_of, cast, grid, lookup, matmul
from trigforge.fixed import FixedType, Overflow, Rounding

Float32 = npt.NDArray[np.float32]
Entries = Callable[[FloatArray], FloatArray]
"""The values of a function at the values (n,) of its argument."""

MAX_ENTRIES = 1 << 18
"""Entries of the largest table that is made."""
MAX_TABLE_WIDTH = 48
"""Widest type of an entry, so that a double and a rounding fit into int64."""

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def cast_real(values: npt.ArrayLike, kind: FixedType, where: str) -> FloatArray:
    """Floating-point numbers, infinities among them, cast as `ap_fixed` constructs itself from a `double`."""
    if kind.width > MAX_TABLE_WIDTH:
        raise ExactnessError(f"{where}: the type {kind} must have at most {MAX_TABLE_WIDTH} bits; use a narrower one")
    real = np.clip(np.asarray(values, dtype=np.float64), -(2.0**1000), 2.0**1000)
    if kind.overflow is Overflow.WRAP:
        near = np.fmod(real, 2.0**kind.integer)
    else:
        near = np.clip(real, -(2.0 ** (kind.integer + 1)), 2.0 ** (kind.integer + 1))
    mantissa, exponent = np.frexp(near)
    return kind.to_float(kind.cast(np.ldexp(mantissa, 53).astype(np.int64), 53 - exponent))


@cache
def activation_table(name: str, size: int, kind: FixedType, where: str) -> FloatArray:
    """The table (size,) of an activation: over -8..8, tanh over -4..4, elu and selu over 0..-8 downwards."""
    if not 1 <= size <= MAX_ENTRIES:
        raise ExactnessError(f"{where}: table_size must be 1..{MAX_ENTRIES}, not {size}")
    index = np.arange(size, dtype=np.float64)
    one_sided = name in ("elu", "selu")
    at = -8.0 * index / size if one_sided else span(name) * (index - size / 2.0) / size
    table = cast_real(FUNCTIONS[name](at.astype(np.float32)), kind, f"the table of {where}")
    table.setflags(write=False)
    return table


def span(name: str) -> int:
    """The length of the interval that an activation's table covers."""
    return {"tanh": 8, "elu": 8, "selu": 8}.get(name, 16)


def _mapped(function: Callable[[float], float], values: npt.NDArray[Any]) -> FloatArray:
    return np.array([function(v) for v in values.tolist()], dtype=np.float64)


def _c_float(name: str) -> Callable[[float], float]:
    """A single-precision function of the C library, which hls4ml's compiled simulation calls too."""
    function = getattr(ctypes.CDLL(None), name)
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    return function  # type: ignore[no-any-return]


def exponential(values: Float32) -> Float32:
    """`expf`."""
    return _mapped(_c_float("expf"), values).astype(np.float32)


def _tanh(values: Float32) -> Float32:
    return _mapped(_c_float("tanhf"), values).astype(np.float32)


def _sigmoid(values: Float32) -> Float32:
    return (1.0 / (np.float32(1) + exponential(-values)).astype(np.float64)).astype(np.float32)


def _softplus(values: Float32) -> Float32:
    return _mapped(math.log, exponential(values).astype(np.float64) + 1.0).astype(np.float32)


def _softsign(values: Float32) -> Float32:
    return (values.astype(np.float64) / (abs(values).astype(np.float64) + 1.0)).astype(np.float32)


def _elu(values: Float32) -> Float32:
    return (exponential(values).astype(np.float64) - 1.0).astype(np.float32)


def _selu(values: Float32) -> Float32:
    return (SELU_SCALE * (SELU_ALPHA * (exponential(values).astype(np.float64) - 1.0))).astype(np.float32)


FUNCTIONS: dict[str, Callable[[Float32], Float32]] = {
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "softplus": _softplus,
    "softsign": _softsign,
    "elu": _elu,
    "selu": _selu,
}


def addressed(values: Symbols, name: str, table: FloatArray, where: str) -> tuple[Symbols, Entries]:
    """The address symbols of an activation's table and the entry at each address."""
    size = len(table)
    if name in ("elu", "selu"):
        return indexed(values, table[::-1], size / span(name), size - 1, where)
    return indexed(values, table, size / span(name), span(name) // 2 * size // span(name), where)


def indexed(values: Symbols, table: FloatArray, density: float, offset: int, where: str) -> tuple[Symbols, Entries]:
    """The address symbols of a table whose index is `clamp(trunc(x · density) + offset, 0, size - 1)`, and its entries.

    Addresses that can take more values than the table has entries are truncated and clamped first.
    """
    size = len(table)
    bits = math.ceil(math.log2(max(offset, size - offset, 1))) + 1
    counter = FixedType(signed=True, width=bits, integer=bits, rounding=Rounding.TRN_ZERO, overflow=Overflow.SAT)
    flat = np.asarray(scaled(values, density), dtype=object).ravel()
    if any(abs(float(limit)) >= 2.0**31 for v in flat for limit in (v.low, v.high)):
        raise ExactnessError(f"{where}: the table's index must fit into 32 bits; give its input fewer integer bits")
    parts = [cast(array_of([v], values), counter, where)[0] if count(v) > size else v for v in flat]

    def entries(at: FloatArray) -> FloatArray:
        return table[np.clip(np.trunc(at).astype(np.int64) + offset, 0, size - 1)]

    return array_of(np.array(parts, dtype=object).reshape(values.shape), values), entries


def tabulated(values: Symbols, entries: Entries, where: str) -> Symbols:
    """`entries` of every symbol, by a table over the values that it can take; one of too many is refused."""
    tables: dict[tuple[float, float, float], FloatArray] = {}
    flat = np.asarray(values, dtype=object).ravel()
    results = []
    for value in flat:
        if count(value) > MAX_ENTRIES:
            raise ExactnessError(
                f"{where}: a table must have at most {MAX_ENTRIES} entries, its input can take {count(value)} values; "
                "give its input a narrower type"
            )
        key = float(value.low), float(value.high), float(value.step)
        if key not in tables:
            tables[key] = entries(grid(value))
        results.append(lookup(value, tables[key]) if value.low < value.high else float(tables[key][0]))
    return array_of(np.array(results, dtype=object).reshape(values.shape), values)


def count(value: Any) -> int:
    """How many values a symbol can take by its interval."""
    return round((float(value.high) - float(value.low)) / float(value.step)) + 1


def scaled(values: Symbols, factor: float) -> Symbols:
    """Every symbol times a constant."""
    if math.frexp(factor)[0] == 0.5:
        return values * factor
    return matmul(values.reshape(-1, 1), np.array([[factor]])).reshape(values.shape)
