"""Known faults between the output of the firmware and the recorded number, as changes of output words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from trigforge.fixed import FixedType, IntArray

LOST_BITS: Final = 8
"""Most bits that are tried as lost at either end of a score."""
SINGLE_BITS: Final = 24
"""Bits of an integer that single precision holds."""

Change = Callable[[IntArray], IntArray]


@dataclass(frozen=True, slots=True)
class OutputFault:
    """A hypothesis: what is recorded is made of the outputs (n, outputs) by `change`."""

    name: str
    change: Change
    touched: int = 0


def output_faults(outputs: tuple[FixedType, ...]) -> tuple[OutputFault, ...]:
    """All hypotheses about scores of these types; the widest one decides how many bits are tried."""
    kind = max(outputs, key=lambda t: t.width)
    found = [*_precision(kind), *_range(kind), *_bits(kind)]
    if len(outputs) > 1:
        found.append(OutputFault("the outputs are in reverse order", lambda y: y[:, ::-1]))
    return tuple(found)


def _precision(kind: FixedType) -> Iterator[OutputFault]:
    for k in range(1, min(LOST_BITS, kind.width - 1) + 1):
        text = f"{k} low bit{'s' * (k > 1)}"
        yield OutputFault(f"the score is truncated by {text}", _scaled(-k, k))
        yield OutputFault(f"the score is recorded without its {text}", _scaled(-k))
        yield OutputFault(f"the score is recorded times {1 << k}", _scaled(k))
    if kind.width > SINGLE_BITS:
        yield OutputFault("the score is stored in single precision", lambda y: y.astype(np.float32).astype(np.int64))
    yield OutputFault("the score is low by one (or its threshold compared with > instead of >=)", lambda y: y - 1)
    yield OutputFault("the score is high by one", lambda y: y + 1)


def _range(kind: FixedType) -> Iterator[OutputFault]:
    for k in range(1, min(LOST_BITS, kind.width - 1) + 1):
        bits = kind.width - k
        yield OutputFault(f"the score is wrapped to {bits} bits", _wrapped(bits, signed=kind.signed))
        yield OutputFault(f"the score is saturated at {bits} bits", _saturated(bits, signed=kind.signed))
    sign = "unsigned" if kind.signed else "signed"
    yield OutputFault(f"the score is read as {sign}", _wrapped(kind.width, signed=not kind.signed))
    yield OutputFault("the score is always 0", np.zeros_like)
    yield OutputFault(f"the score is always {kind.high} (saturated)", lambda y: np.full_like(y, kind.high))


def _bits(kind: FixedType) -> Iterator[OutputFault]:
    for size in (16, 32):
        if kind.width <= size:
            yield OutputFault(f"the bytes of the score are swapped in {size} bits", _swapped(size, signed=kind.signed))
    for b in range(kind.width):
        yield OutputFault(f"bit {b} of the score is inverted", _inverted(b, kind))
        for value in (0, 1):
            yield OutputFault(f"bit {b} of the score is stuck at {value}", _stuck(b, value, kind))


def _scaled(*shifts: int) -> Change:
    """Shifts one after the other, to the left where positive."""

    def change(y: IntArray) -> IntArray:
        for k in shifts:
            y = y << k if k > 0 else y >> -k
        return y

    return change


def _saturated(bits: int, *, signed: bool) -> Change:
    kind = FixedType(signed=signed, width=bits, integer=bits)
    return lambda y: np.clip(y, kind.low, kind.high)


def _wrapped(bits: int, *, signed: bool) -> Change:
    half = (1 << (bits - 1)) if signed else 0
    return lambda y: ((y + half) & ((1 << bits) - 1)) - half


def _swapped(size: int, *, signed: bool) -> Change:
    word = np.dtype(f"{'i' if signed else 'u'}{size // 8}")
    return lambda y: y.astype(word).byteswap().astype(np.int64)


def _inverted(bit: int, kind: FixedType) -> Change:
    wrap = _wrapped(kind.width, signed=kind.signed)
    return lambda y: wrap(y ^ (1 << bit))


def _stuck(bit: int, value: int, kind: FixedType) -> Change:
    wrap = _wrapped(kind.width, signed=kind.signed)
    return lambda y: wrap(y | (1 << bit) if value else y & ~(1 << bit))
