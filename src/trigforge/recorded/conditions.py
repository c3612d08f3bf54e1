"""Conditions on the input words of an event, with which mismatches may go together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

from trigforge.contract import Collection, Field, InputContract
from trigforge.fixed import FixedType, IntArray

Mask = npt.NDArray[np.bool_]
Condition = tuple[str, Mask]


def conditions(
    contract: InputContract, outputs: tuple[FixedType, ...], words: IntArray, emulated: IntArray
) -> Iterator[Condition]:
    """Name and mask (n,) of every simple condition on words (n, words) and emulated outputs (n, outputs).

    A word: at its highest or lowest value, zero, negative, each bit set, at the wrap of a cyclic one. An object:
    present (any word differs from the padding 0). A collection: its number of objects. An output: at a limit of its
    type.
    """
    start = 0
    for collection in contract.collections:
        block = words[:, start : start + collection.width].reshape(len(words), collection.count, len(collection.fields))
        start += collection.width
        yield from _of_collection(collection, block)
    for i, kind in enumerate(outputs):
        yield f"output {i} = {kind.high} (highest)", emulated[:, i] == kind.high
        yield f"output {i} = {kind.low} (lowest)", emulated[:, i] == kind.low


def condition_names(contract: InputContract, outputs: tuple[FixedType, ...]) -> tuple[str, ...]:
    """The names of all conditions in their order."""
    nothing = np.zeros((0, contract.words), dtype=np.int64)
    return tuple(name for name, _ in conditions(contract, outputs, nothing, np.zeros((0, len(outputs)), np.int64)))


def present(block: IntArray) -> Mask:
    """Which objects (n, count) of words (n, count, fields) are there; an only object of a collection always is."""
    if block.shape[1] == 1:
        return np.ones(block.shape[:2], dtype=bool)
    return np.asarray((block != 0).any(axis=2))


def _of_collection(collection: Collection, block: IntArray) -> Iterator[Condition]:
    here = present(block)
    several = collection.count > 1
    if several:
        number = here.sum(axis=1)
        for k in range(collection.count + 1):
            yield f"{k} {collection.name} present", number == k
        for i in range(collection.count):
            yield f"{collection.name}{i} present", here[:, i]
    for f, field in enumerate(collection.fields):
        if several and field.low < field.high:
            yield f"any {collection.name} {field.name} = {field.high} (highest)", (block[:, :, f] == field.high).any(1)
    per_word = (
        _of_word(f"{collection.name}{i}_{field.name}", field, block[:, i, f], here[:, i])
        for i in range(collection.count)
        for f, field in enumerate(collection.fields)
        if field.low < field.high
    )
    yield from chain.from_iterable(per_word)


def _of_word(name: str, field: Field, word: IntArray, here: Mask) -> Iterator[Condition]:
    yield f"{name} = 0", word == 0
    yield f"{name} = {field.high} (highest)", word == field.high
    if field.low < 0:
        yield f"{name} = {field.low} (lowest)", word == field.low
        yield f"{name} < 0", word < 0
    if field.cyclic:
        yield f"{name} at its wrap (0 or {field.high})", here & ((word == 0) | (word == field.high))
    for bit in range(field.bits):
        yield f"bit {bit} of {name} set", (word >> bit) & 1 == 1
