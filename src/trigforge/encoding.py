"""Events to contract words: one compiled pass over the flat values of every field.

numba takes half a second to load, so `InputContract.encode` imports this module when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numba
import numpy as np
import numpy.typing as npt

from trigforge.contract import Collection, Field, InputContract, OutOfRange
from trigforge.errors import InputError
from trigforge.fixed import IntArray

BLOCK = 2048
"""Events whose words stay in the cache while their fields are written one after the other."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One field of a collection: its flat values, event `i` at `starts[i]:starts[i + 1]`, and where its words go."""

    owner: str
    field: Field
    first_word: int
    stride: int
    count: int
    starts: IntArray
    values: npt.NDArray[Any]

    def at(self, slot: int) -> float:
        """The value of the object `slot % count` of the event `slot // count`, 0 where there is none."""
        event, place = divmod(slot, self.count)
        index = self.starts[event] + place
        return float(self.values[index]) if index < self.starts[event + 1] else 0.0


def encode_events(contract: InputContract, events: ak.Array, policy: OutOfRange) -> IntArray:
    """Words int64 (n, words) of events in physical units, as `InputContract.encode` documents."""
    missing = [c.name for c in contract.collections if c.name not in ak.fields(events)]
    if missing:
        raise InputError(
            f"events must have the collections of contract {contract.name!r}; missing: {', '.join(missing)}"
        )
    words, columns, width = np.empty((len(events), contract.words), dtype=np.int64), [], 0
    for collection in contract.collections:
        columns += list(_columns(collection, events[collection.name], width))
        width += collection.width
    bad = np.full((len(columns), 2), -1)
    for start in range(0, len(words), BLOCK):
        block = slice(start, start + BLOCK)
        for column, slots in zip(columns, bad, strict=True):
            f = column.field
            span = (f.lsb, float(f.low), float(f.high), f.cyclic)
            first, step = column.first_word, column.stride
            _fill(words[block], start, column.starts, column.values, first, step, column.count, *span, slots)
    for column, slots in zip(columns, bad, strict=True):
        _refuse(column, int(slots[0]), int(slots[1]), policy)
    return words


def _refuse(column: _Column, not_finite: int, outside: int, policy: OutOfRange) -> None:
    """Raise for the first slots whose value is not finite or outside its range; -1 where there is none."""
    f = column.field
    if not_finite >= 0:
        raise InputError(f"{column.owner}.{f.name} must be finite, not {column.at(not_finite)}")
    if outside >= 0 and policy is OutOfRange.REFUSE:
        raise InputError(
            f"{column.owner}.{f.name} must be in {f.low * f.lsb:g}..{f.high * f.lsb:g} {f.unit}, "
            f"not {column.at(outside):g}; the policy 'saturate' clips it"
        )


def _columns(collection: Collection, objects: ak.Array, first_word: int) -> Iterator[_Column]:
    """The fields of a collection; missing objects inside lists count as 0, as padding does."""
    missing = [f.name for f in collection.fields if f.name not in ak.fields(objects)]
    if missing:
        names = ", ".join(f.name for f in collection.fields)
        raise InputError(f"collection {collection.name} must have {names}; missing {', '.join(missing)}")
    starts = _starts(collection.name, objects)
    for i, field in enumerate(collection.fields):
        values = _flat(f"{collection.name}.{field.name}", objects[field.name])
        where = (first_word + i, len(collection.fields), collection.count)
        yield _Column(collection.name, field, *where, starts, values)


def _starts(owner: str, objects: ak.Array) -> IntArray:
    if objects.ndim == 1:
        return np.arange(len(objects) + 1)
    if objects.ndim != 2:
        raise InputError(f"collection {owner} must be records or lists of records, not lists in lists")
    counts = ak.to_numpy(ak.fill_none(ak.num(objects, axis=1), -1))
    if (counts < 0).any():
        raise InputError(
            f"collection {owner} must have a list in every event, not None in event {int(np.argmax(counts < 0))}; "
            "an event without objects has an empty list"
        )
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _flat(name: str, values: ak.Array) -> npt.NDArray[Any]:
    """The values of a field as a read-only contiguous array of float32 or float64."""
    flat = ak.fill_none(values if values.ndim == 1 else ak.flatten(values, axis=1), 0.0)
    numbers = ak.to_numpy(flat) if flat.ndim == 1 and "union" not in str(flat.type) else np.empty(0, dtype=object)
    if numbers.dtype.kind not in "fiub":
        raise InputError(f"{name} must be one number an object, not {flat.type.content}")
    kept = numbers.dtype in (np.float32, np.float64)
    contiguous = np.ascontiguousarray(numbers if kept else numbers.astype(np.float64)).view()
    contiguous.flags.writeable = False
    return contiguous


kernel: Any = numba.njit(cache=True, nogil=True, error_model="numpy")


@kernel
def _word(value, lsb, low, high, cyclic):  # type: ignore[no-untyped-def]
    """The word of a value, and 0 if it is inside its range, 1 if it is saturated, 2 if it is not finite."""
    steps = np.rint(value / lsb)
    if low <= steps <= high:
        return np.int64(steps), 0
    if not math.isfinite(value) or (cyclic and not math.isfinite(steps)):
        return np.int64(0), 2
    if cyclic:
        rest = np.fmod(steps, high + 1)
        return np.int64(rest + high + 1 if rest < 0 else rest), 0
    return np.int64(low if steps < low else high), 1


@kernel
def _fill(words, event, starts, values, first, stride, count, lsb, low, high, cyclic, bad):  # type: ignore[no-untyped-def]
    """Write one field of the events from `event` on to `words`; `bad` keeps the first slots with flags 2 and 1."""
    padding, padding_flag = _word(0.0, lsb, low, high, cyclic)
    for row in range(len(words)):
        start = starts[event + row]
        size = min(starts[event + row + 1] - start, count)
        for place in range(size):
            word, flag = _word(np.float64(values[start + place]), lsb, low, high, cyclic)
            words[row, first + place * stride] = word
            if flag > 0 and bad[2 - flag] < 0:
                bad[2 - flag] = (event + row) * count + place
        for place in range(size, count):
            words[row, first + place * stride] = padding
        if padding_flag > 0 and size < count and bad[1] < 0:
            bad[1] = (event + row) * count + size
