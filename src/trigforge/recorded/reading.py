"""Files with inputs and recorded columns to chunks of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import awkward as ak
import numpy as np

from trigforge.contract import Collection, InputContract
from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.recorded.columns import Recorded
from trigforge.recorded.sources import EventSource
from trigforge.recorded.study import Chunk

CHUNK: Final = 50_000
"""Events compared at a time."""
PLACES: Final = ("run", "luminosityBlock", "event", "bunchCrossing")
"""Columns that say where an event is, in NanoAOD's names."""
WORDS: Final = "words"
"""The usual name of one column of all words."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the words of a contract are: one column of lists, one column a word, or objects in collections."""

    block: str | None
    words: tuple[str, ...]
    collections: tuple[Collection, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Plain columns to read."""
        return self.words if self.block is None else (self.block,)


def find_layout(source: EventSource, contract: InputContract, block: str | None) -> Layout:
    """Hardware words if the source has them (`block` names their column), else objects of the contract's collections.

    A source with neither raises `InputError` that names what is missing.
    """
    if block is not None and block not in source.names:
        raise InputError(f"the events must have the column {block!r} of words; they have {_known(source)}")
    if block is not None or WORDS in source.names:
        return Layout(block or WORDS, (), ())
    if set(contract.word_names) <= source.names:
        return Layout(None, contract.word_names, ())
    missing = [c.name for c in contract.collections if not source.has(c)]
    if missing:
        raise InputError(
            f"the events must have the words of contract {contract.name!r} ({contract.word_names[0]} …, or one column "
            f"{WORDS!r}) or its collections with their fields; missing collections: {', '.join(missing)}; "
            f"they have {_known(source)}"
        )
    return Layout(None, (), contract.collections)


def read_chunks(
    source: EventSource, contract: InputContract, layout: Layout, recorded: Sequence[Recorded], size: int = CHUNK
) -> Iterator[Chunk]:
    """The events in chunks of at most `size`, each with the words of the event before and after it."""
    if size < 1:
        raise InputError(f"chunk must be at least 1 event, not {size!r}")
    names = list(dict.fromkeys(c.name for c in recorded))
    missing = [name for name in names if name not in source.names]
    if missing:
        raise InputError(f"the events must have the recorded columns {', '.join(missing)}; they have {_known(source)}")
    places = [name for name in PLACES if name in source.names]
    wanted = list(dict.fromkeys((*layout.columns, *names, *places)))
    waiting: Chunk | None = None
    first = 0
    for found in source.ranges(wanted, layout.collections, size):
        words = _words(found, contract, layout)
        chunk = Chunk(
            first=first,
            words=words,
            before=0,
            after=0,
            recorded={name: found[name] for name in names},
            places={name: _integers(name, found[name]) for name in places},
        )
        first += len(words)
        if waiting is not None:
            own = waiting.words[waiting.before :]
            yield _padded(waiting, waiting.words, after=words[:1])
            chunk = _padded(chunk, np.concatenate([own[-1:], words]), before=1)
        waiting = chunk
    if waiting is not None:
        yield waiting


def _padded(chunk: Chunk, words: IntArray, *, before: int | None = None, after: IntArray | None = None) -> Chunk:
    """The chunk with other words around it."""
    return Chunk(
        first=chunk.first,
        words=words if after is None else np.concatenate([words, after]),
        before=chunk.before if before is None else before,
        after=0 if after is None else len(after),
        recorded=chunk.recorded,
        places=chunk.places,
    )


def _words(found: dict[str, ak.Array], contract: InputContract, layout: Layout) -> IntArray:
    """Words int64 (n, words) of a range, whether they are in their ranges or not."""
    if layout.collections:
        return contract.encode(ak.zip({c.name: found[c.name] for c in layout.collections}, depth_limit=1))
    if layout.block is None:
        return np.stack([_integers(name, found[name]) for name in layout.words], axis=1)
    values = found[layout.block]
    shape = f"lists of {contract.words} integers, the words of contract {contract.name!r}"
    if values.ndim != 2 or ak.any(ak.num(values) != contract.words):
        raise InputError(f"column {layout.block!r} must hold {shape}, not {values.type.content} of other lengths")
    return _integers(layout.block, ak.flatten(values)).reshape(-1, contract.words)


def _integers(name: str, values: ak.Array) -> IntArray:
    """A column of integers that are all there."""
    if values.ndim != 1 or ak.any(ak.is_none(values)):
        raise InputError(f"column {name!r} must hold one integer an event everywhere, not {values.type.content}")
    numbers = ak.to_numpy(ak.drop_none(values)) if len(values) else np.zeros(0, dtype=np.int64)
    if numbers.dtype.kind not in "biu":
        raise InputError(f"column {name!r} must hold integers, not {numbers.dtype}")
    return numbers.astype(np.int64)


def _known(source: EventSource) -> str:
    """The first columns of a source, for an error."""
    names = sorted(source.names)
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
