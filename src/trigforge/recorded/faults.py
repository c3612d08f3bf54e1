"""Known faults of deployed triggers as changes of input words, each re-emulated to see which mismatches it explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from trigforge.contract import Collection, Field, InputContract
from trigforge.fixed import IntArray
from trigforge.recorded.conditions import present

Change = Callable[[IntArray], IntArray]
"""Words (n, count, fields) of a collection to words of the same shape."""

ALL_PAIRS: Final = 10
"""Objects of a collection up to which every pair is tried as swapped; beyond, neighbours only."""


@dataclass(frozen=True, slots=True)
class Part:
    """The words `start..start + width` of a collection, and what happens to them."""

    start: int
    collection: Collection
    change: Change


@dataclass(frozen=True, slots=True)
class WordFault:
    """A hypothesis: the firmware saw other words, changed in `parts`; there, those of the event `shift` further."""

    name: str
    parts: tuple[Part, ...]
    touched: int
    """Number of words concerned: of equally good hypotheses the one that needs fewer is named."""
    shift: int = 0

    def apply(self, words: IntArray, rows: IntArray, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
        """Which of some rows of words (n, words) the fault changes, and their words then, clipped into their ranges.

        At the first and the last event of a file, which have a neighbour on one side only, nothing is shifted.
        """
        at = rows + self.shift
        origin = np.where((at >= 0) & (at < len(words)), at, rows)
        moved, blocks = np.zeros(len(rows), dtype=bool), []
        for part in self.parts:
            width = part.collection.width
            block = slice(part.start, part.start + width)
            shape = (len(rows), part.collection.count, len(part.collection.fields))
            changed = part.change(words[origin, block].reshape(shape)).reshape(len(rows), width)
            clipped = np.clip(changed, low[block], high[block])
            moved |= (clipped != words[rows, block]).any(axis=1)
            blocks.append((block, clipped))
        which = np.flatnonzero(moved)
        result = words[rows[which]]
        for block, clipped in blocks:
            result[:, block] = clipped[which]
        return which, result


def word_faults(contract: InputContract) -> tuple[WordFault, ...]:
    """All hypotheses about the words of a contract, from whole events to single words."""
    starts = np.cumsum([0, *(c.width for c in contract.collections)])
    placed = [(int(start), c) for start, c in zip(starts[:-1], contract.collections, strict=True)]
    whole = tuple(Part(start, c, _same) for start, c in placed)
    found = [
        WordFault(f"the inputs are those of the {side} event", whole, contract.words, shift)
        for side, shift in (("preceding", -1), ("following", 1))
    ]
    for start, collection in placed:
        found += _of_collection(start, collection)
    return (*found, *_of_equal_fields(placed))


def _of_collection(start: int, c: Collection) -> Iterator[WordFault]:
    fields, count = range(len(c.fields)), c.count

    def one(name: str, change: Change, touched: int, shift: int = 0) -> WordFault:
        return WordFault(name, (Part(start, c, change),), touched, shift)

    for side, shift in (("preceding", -1), ("following", 1)):
        yield one(f"{c.name} is that of the {side} event", _same, c.width, shift)
    yield one(f"{c.name} is zero (masked)", _zeroed(slice(None)), c.width)
    for f, g in combinations(fields, 2):
        text = f"{c.fields[f].name} and {c.fields[g].name} of {c.name} are swapped"
        yield one(text, _fields_swapped(f, g), 2 * count)
    for f, field in enumerate(c.fields):
        for text, change in _of_field(field, everywhere=True):
            owner = f"every {c.name} {field.name}" if count > 1 else f"{c.name}0_{field.name}"
            yield one(f"{owner} {text}", _on_field(f, slice(None), change), count)
    if count > 1:
        for text, change, touched in _of_objects(c):
            yield one(text, change, touched)


def _of_objects(c: Collection) -> Iterator[tuple[str, Change, int]]:
    """Faults of single objects of a collection of several, and of their order."""
    yield f"the order of {c.name} is reversed", lambda block: block[:, ::-1], c.width
    pairs = combinations(range(c.count), 2) if c.count <= ALL_PAIRS else ((i, i + 1) for i in range(c.count - 1))
    for i, j in pairs:
        yield f"{c.name}{i} and {c.name}{j} are swapped", _objects_swapped(i, j), 2 * len(c.fields)
    for i in range(c.count):
        if len(c.fields) > 1:
            yield f"{c.name}{i} is zero", _zeroed(slice(i, i + 1)), len(c.fields)
        for f, field in enumerate(c.fields):
            for text, change in _of_field(field, everywhere=False):
                yield f"{c.name}{i}_{field.name} {text}", _on_field(f, slice(i, i + 1), change), 1


def _of_equal_fields(placed: list[tuple[int, Collection]]) -> Iterator[WordFault]:
    """Faults of all fields of one name at once, such as every pt."""
    for name in dict.fromkeys(f.name for _, c in placed for f in c.fields):
        owners = [(s, c, f) for s, c in placed for f, field in enumerate(c.fields) if _varies(c.fields[f], name)]
        if len(owners) < 2:
            continue
        texts = [dict(_of_field(c.fields[f], everywhere=True)) for _, c, f in owners]
        touched = sum(c.count for _, c, _ in owners)
        for text in texts[0]:
            if all(text in known for known in texts):
                parts = tuple(
                    Part(s, c, _on_field(f, slice(None), known[text]))
                    for (s, c, f), known in zip(owners, texts, strict=True)
                )
                yield WordFault(f"every {name} {text}", parts, touched)


def _varies(field: Field, name: str) -> bool:
    return field.name == name and field.low < field.high


def _of_field(field: Field, *, everywhere: bool) -> Iterator[tuple[str, Change]]:
    """What may happen to the words of a field of the objects that are there, each as a verb and a change."""
    if field.low == field.high:
        return
    size = field.high + 1
    for k in range(1, min(4 if everywhere else 3, field.bits)):
        yield f"is truncated by {k} bit{'s' * (k > 1)}", _truncated(k)
    for step in (1, -1):
        yield f"is {'high' if step > 0 else 'low'} by one", _moved(step, size if field.cyclic else 0)
    if field.low < 0:
        yield "has its sign flipped", np.negative
    elif field.cyclic:
        yield "has its sign flipped", lambda words: -words % size
        if everywhere:
            yield "is half a turn off", _moved(size // 2, size)
    else:
        yield "is read as 0 where saturated", lambda words: np.where(words == field.high, 0, words)
    yield "is zero", np.zeros_like
    if everywhere and not field.cyclic:
        yield "is in units of two (halved)", lambda words: words >> 1
        yield "is in units of a half (doubled)", lambda words: words << 1
        for k in range(1, min(3, field.bits)):
            yield f"wraps at {field.bits - k} bits", _wrapped(field.bits - k, signed=field.signed)


def _same(block: IntArray) -> IntArray:
    return block


def _zeroed(objects: slice) -> Change:
    def change(block: IntArray) -> IntArray:
        copy = block.copy()
        copy[:, objects] = 0
        return copy

    return change


def _fields_swapped(f: int, g: int) -> Change:
    def change(block: IntArray) -> IntArray:
        copy = block.copy()
        copy[:, :, [f, g]] = block[:, :, [g, f]]
        return copy

    return change


def _objects_swapped(i: int, j: int) -> Change:
    def change(block: IntArray) -> IntArray:
        copy = block.copy()
        copy[:, [i, j]] = block[:, [j, i]]
        return copy

    return change


def _on_field(field: int, objects: slice, change: Change) -> Change:
    """`change` of one field of some objects, where they are present."""

    def apply(block: IntArray) -> IntArray:
        copy = block.copy()
        words = block[:, objects, field]
        copy[:, objects, field] = np.where(present(block)[:, objects], change(words), words)
        return copy

    return apply


def _truncated(bits: int) -> Change:
    return lambda words: words >> bits << bits


def _moved(step: int, modulus: int) -> Change:
    return lambda words: (words + step) % modulus if modulus else words + step


def _wrapped(bits: int, *, signed: bool) -> Change:
    half = (1 << (bits - 1)) if signed else 0
    return lambda words: ((words + half) & ((1 << bits) - 1)) - half
