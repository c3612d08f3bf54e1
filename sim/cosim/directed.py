"""Events that obey an input contract, directed and random: objects ordered by pT, hardest first, then padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trigforge.contract import Collection, Field, InputContract
from trigforge.errors import InputError
from trigforge.fixed import IntArray

ORDERED_BY = "pt"
"""The field by which the objects of a collection are ordered, falling; a collection without it is not ordered."""
EDGE_SHARE, FULL_SHARE = 1 / 8, 1 / 4
"""Share of values at an edge of their range, and of events in which a collection of several objects is full."""


def object_words(contract: InputContract) -> IntArray:
    """Distinct directed events (n, words) of a contract.

    No object at all; all fields at an end of their range; one object in every slot, of smallest, of odd (half-unit) and
    of largest pT, at both ends of η and on both sides of φ = 0; one object fewer than full, and padding between two
    objects; full collections of all such objects, neighbours on both sides of φ = 0, and of steps of one in pT.
    """
    rows = [np.zeros(contract.words, dtype=np.int64), *contract.limits()]
    start = 0
    for collection in contract.collections:
        for block in _blocks(collection):
            row = np.zeros(contract.words, dtype=np.int64)
            row[start : start + collection.width] = block.ravel()
            rows.append(row)
        start += collection.width
    rows += _everything(contract)
    low, high = contract.limits()
    allowed = [np.clip(row, low, high) for row in rows]
    unique = {row.tobytes(): row for row in allowed}
    return np.array(list(unique.values()), dtype=np.int64).reshape(-1, contract.words)


def constrained_words(contract: InputContract, events: int, seed: int) -> IntArray:
    """Random events (events, words) of a contract, reproducible from `seed`.

    A collection is full or of any multiplicity, hardest object first; unsigned words are
    log-uniform up to their largest value, signed ones uniform or log-uniform about 0, cyclic ones uniform; all are at
    an edge of their range every now and then.
    """
    if events < 0:
        raise InputError(f"the number of constrained events must not be negative, not {events!r}")
    generator = np.random.default_rng(seed)
    parts = [_random_objects(collection, events, generator) for collection in contract.collections]
    return np.concatenate([part.reshape(events, part.shape[1] * part.shape[2]) for part in parts], axis=1)


def _blocks(collection: Collection) -> Iterator[IntArray]:
    """Directed contents (count, fields) of one collection, all others being empty."""
    objects = _extreme_objects(collection.fields)
    for slot in range(collection.count):
        for one in objects:
            block = np.zeros((collection.count, len(collection.fields)), dtype=np.int64)
            block[slot] = one
            yield block
    if collection.count < 2:
        return
    largest = objects[-1]
    for slot in range(collection.count):
        full = np.tile(largest, (collection.count, 1))
        full[slot] = 0
        yield full
    yield from _full(collection)


def _everything(contract: InputContract) -> Iterator[IntArray]:
    """All collections full at once, with each kind of content."""
    for blocks in zip(*map(_full, contract.collections), strict=True):
        yield np.concatenate([block.ravel() for block in blocks])


def _full(collection: Collection) -> Iterator[IntArray]:
    """Full collections: equal objects of each extreme, alternating sides of φ = 0 and of η, and falling steps in pT."""
    fields = collection.fields
    slots = np.arange(collection.count)
    for pt in (_smallest, _odd, _largest):
        yield np.stack([np.full(collection.count, pt(f) if _is_magnitude(f) else f.low) for f in fields], axis=1)
        sides = [np.where(slots % 2 == 0, f.low, f.high) for f in fields]
        yield np.stack(
            [np.full(collection.count, pt(f)) if _is_magnitude(f) else s for f, s in zip(fields, sides, strict=True)],
            axis=1,
        )
    steps = [
        np.clip(f.high - slots, f.low, f.high) if _is_magnitude(f) else np.full(len(slots), f.high) for f in fields
    ]
    yield np.stack(steps, axis=1)


def _extreme_objects(fields: tuple[Field, ...]) -> IntArray:
    """Objects (n, fields) of smallest, odd and largest magnitude, the others at both their ends; the largest last."""
    ends = [(pt, side) for pt in (_smallest, _odd, _largest) for side in range(4)]
    return np.array(
        [[pt(f) if _is_magnitude(f) else _side(f, side, k) for k, f in enumerate(fields)] for pt, side in ends],
        dtype=np.int64,
    )


def _side(field: Field, side: int, place: int) -> int:
    """One of the field's ends, neighbouring fields taking all four combinations."""
    return field.high if (side >> (place % 2)) & 1 else field.low


def _is_magnitude(field: Field) -> bool:
    return not field.signed and not field.cyclic


def _smallest(field: Field) -> int:
    return min(field.low + 1, field.high)


def _odd(field: Field) -> int:
    """An odd word in the middle of the range: a half unit where the unit is two words."""
    middle = (field.low + field.high) // 2 | 1
    return min(middle, field.high)


def _largest(field: Field) -> int:
    return field.high


def _random_objects(collection: Collection, events: int, generator: np.random.Generator) -> IntArray:
    """Objects (events, count, fields), ordered and padded."""
    shape = (events, collection.count)
    values = np.stack([_random_values(f, shape, generator) for f in collection.fields], axis=2)
    names = [f.name for f in collection.fields]
    if ORDERED_BY in names:
        order = np.argsort(-values[:, :, names.index(ORDERED_BY)], axis=1, kind="stable")
        values = np.take_along_axis(values, order[:, :, None], axis=1)
    some = generator.integers(0, collection.count, events, endpoint=True)
    full = FULL_SHARE if collection.count > 1 else 1 - EDGE_SHARE
    present = np.where(generator.random(events) < full, collection.count, some)
    absent = np.arange(collection.count) >= present[:, None]
    values[absent] = np.clip(0, [f.low for f in collection.fields], [f.high for f in collection.fields])
    return values


def _random_values(field: Field, shape: tuple[int, int], generator: np.random.Generator) -> IntArray:
    flat = generator.integers(field.low, field.high, shape, dtype=np.int64, endpoint=True)
    if not field.cyclic:
        reach = max(abs(field.low), abs(field.high)) + 1
        steep = np.floor(np.exp(generator.random(shape) * np.log(reach))).astype(np.int64)
        steep = np.where(generator.random(shape) < 0.5, -steep, steep) if field.signed else steep
        flat = np.where(generator.random(shape) < 0.5, flat, steep) if field.signed else steep
    edges = np.where(generator.random(shape) < 0.5, field.high, _near_low(field))
    values: IntArray = np.where(generator.random(shape) < EDGE_SHARE, edges, flat)
    return np.clip(values, field.low, field.high)


def _near_low(field: Field) -> int:
    """The lower edge of what an object that is present has: padding is 0, so a magnitude is one step more."""
    return _smallest(field) if _is_magnitude(field) else field.low
