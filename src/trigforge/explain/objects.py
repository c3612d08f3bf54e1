"""The objects of a contract's words, and events that are put together from some objects of others.

A trigger hands over objects hardest first. An object that is taken away therefore leaves no hole: those behind it move
up, and the last rank is padding. Words that come from another event are put in order too, so that the firmware is never
asked about an event that a trigger could not have sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import IntArray

Score = Callable[[IntArray], IntArray]
"""The integer scores (n,) of contract words (n, words)."""
BoolArray = npt.NDArray[np.bool_]
ORDERED_BY: Final = "pt"
"""The field by which a trigger orders the objects of a collection; without it objects keep their places."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where the words of a collection are: `count` objects of `fields` words from word `first` on, ordered `by`."""

    first: int
    count: int
    fields: int
    by: int | None

    @property
    def words(self) -> slice:
        """Its words."""
        return slice(self.first, self.first + self.count * self.fields)


@dataclass(frozen=True, slots=True)
class Layout:
    """A contract, taken apart into objects once."""

    contract: InputContract
    names: tuple[str, ...]
    """`<collection><rank>` of every object."""
    of_word: IntArray
    """The object that every word belongs to (words,)."""
    padding: IntArray
    """The words of an event without objects (words,): 0, or what is nearest to it in a word's range."""
    blocks: tuple[Block, ...]
    kind: type[Any]
    """The narrowest integer that holds every word: what the emulator reads fastest."""

    @classmethod
    def of(cls, contract: InputContract) -> Self:
        """The layout of a contract."""
        low, high = contract.limits()
        names = tuple(f"{c.name}{i}" for c in contract.collections for i in range(c.count))
        sizes = [len(c.fields) for c in contract.collections for _ in range(c.count)]
        blocks, first = [], 0
        for c in contract.collections:
            by = next((i for i, f in enumerate(c.fields) if f.name == ORDERED_BY and c.count > 1), None)
            blocks.append(Block(first, c.count, len(c.fields), by))
            first += c.width
        spans = ((t, np.iinfo(t)) for t in (np.int16, np.int32, np.int64))
        kind = next(t for t, span in spans if span.min <= low.min() and high.max() <= span.max)
        of_word = np.repeat(np.arange(len(sizes)), sizes)
        return cls(contract, names, of_word, np.clip(0, low, high).astype(kind), tuple(blocks), kind)

    def check(self, words: npt.ArrayLike) -> IntArray:
        """Checked words (n, words) whose objects are hardest first, else `InputError` naming event and collection."""
        checked = self.contract.check(words).astype(self.kind)
        wrong = (self.in_order(checked) != checked).any(axis=0)
        if wrong.any():
            word = int(np.argmax(wrong))
            event = int(np.argmax(self.in_order(checked)[:, word] != checked[:, word]))
            raise InputError(
                f"the objects of event {event} must be hardest first, but word {self.contract.word_names[word]} is not "
                f"in the order of {ORDERED_BY}; sort them as the trigger does"
            )
        return checked

    def present(self, words: IntArray) -> BoolArray:
        """Which objects of events (n, words) are there, (n, objects): those with a word that differs from padding."""
        firsts = np.flatnonzero(np.diff(self.of_word, prepend=-1))
        return np.asarray(np.logical_or.reduceat(words != self.padding, firsts, axis=1))

    def in_order(self, words: IntArray) -> IntArray:
        """A copy of words (n, words) with the objects of every collection hardest first and padding last."""
        ordered = np.array(words, dtype=self.kind, order="C")
        self._put_in_order(ordered)
        return ordered

    def mixed(self, keep: BoolArray, event: IntArray, others: IntArray) -> IntArray:
        """Events (n, words), in order, with the words of `event` where `keep` (n, words) is and else of `others`."""
        words = np.empty(keep.shape, dtype=self.kind)
        words[...] = others
        np.copyto(words, event.astype(self.kind), where=keep)
        self._put_in_order(words)
        return words

    def _put_in_order(self, words: IntArray) -> None:
        from trigforge.explain.kernels import put_in_order

        for block in self.blocks:
            if block.by is not None:
                put_in_order(words[:, block.words].reshape(-1, block.count, block.fields), block.by)


def scores_of(score: Score, words: IntArray) -> IntArray:
    """Scores (n,) of words (n, words); anything but so many integers is an `InputError`."""
    values = np.asarray(score(words))
    if values.shape != (len(words),) or values.dtype.kind not in "iu":
        raise InputError(f"score must give integers of shape ({len(words)},), not {values.dtype} of {values.shape}")
    return values.astype(np.int64, copy=False)
