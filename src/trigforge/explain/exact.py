"""Shapley values of present objects by evaluating the firmware on every coalition: no sampling, no rounding.

The value of a coalition is the firmware's score of the event that has these objects alone (those behind a removed
object move up). With weights W(s) = s! (n - s - 1)! / n! the contribution of object i is
Σ_{S∌i} W(|S|) (v(S ∪ i) - v(S)) (Shapley 1953; arXiv:1705.07874). W(s) · lcm(1..n) is an integer, so contributions are
integers over one denominator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import comb, lcm
from typing import Final

import numpy as np

from trigforge.errors import InputError
from trigforge.explain.objects import Layout, Score, scores_of
from trigforge.fixed import IntArray

MOST_OBJECTS: Final = 20
"""Events with at most so many objects are enumerated: 2^20 evaluations, about a tenth of a second."""
DENOMINATOR: Final = lcm(*range(1, MOST_OBJECTS + 1))
"""Of all enumerated contributions: 232 792 560."""
BLOCK_BITS: Final = 15
"""Coalitions that are evaluated at a time, as a power of two: their words stay in the cache."""


@dataclass(frozen=True, slots=True)
class Enumerated:
    """One event: contributions times `DENOMINATOR` and the score without each object, both (objects,)."""

    numerators: IntArray
    without: IntArray


def enumerate_objects(score: Score, layout: Layout, event: IntArray) -> Enumerated:
    """The exact contributions of the objects of one event (words,); absent ones contribute 0."""
    here = np.flatnonzero(layout.present(event[None])[0])
    values = coalition_scores(score, layout, event)
    if (int(values.max()) - int(values.min())) * DENOMINATOR > np.iinfo(np.int64).max:
        raise InputError(
            f"scores of coalitions must span less than {np.iinfo(np.int64).max // DENOMINATOR} for exact contributions "
            f"in 64 bits, not {values.min()}..{values.max()}; explain an output of fewer bits"
        )
    numerators = np.zeros(len(layout.names), dtype=np.int64)
    without = np.full(len(layout.names), values[-1])
    numerators[here] = shapley(values)
    without[here] = values[len(values) - 1 - (1 << np.arange(len(here)))]
    return Enumerated(numerators, without)


def coalition_scores(score: Score, layout: Layout, event: IntArray) -> IntArray:
    """Scores (2^n,) of every coalition of the n present objects: bit i of the index stands for the i-th of them."""
    tables = list(_tables(layout, event))
    objects = sum(bits for _, _, bits in tables)
    values, step = np.empty(1 << objects, dtype=np.int64), 1 << BLOCK_BITS
    for start in range(0, len(values), step):
        built, shift = np.empty((min(step, len(values)), len(event)), dtype=layout.kind), 0
        for words, table, bits in tables:
            _fill(built[:, words], start, table, shift)
            shift += bits
        values[start : start + step] = scores_of(score, built)
    return values


def shapley(values: IntArray) -> IntArray:
    """Contributions times `DENOMINATOR`, (n,), of a game's values (2^n,); exact if they fit into 64 bits."""
    players = len(values).bit_length() - 1
    joined, absent = _weights(players)
    weighted = values * joined
    left_out = np.sum(values * absent)
    halves = (np.sum(weighted.reshape(-1, 2, 1 << i)[:, 1]) for i in range(players))
    return np.array([half - left_out for half in halves], dtype=np.int64)


def _fill(words: IntArray, start: int, table: IntArray, shift: int) -> None:
    """Write a collection's words for the coalitions from number `start` on, row number >> shift of `table`, cyclic."""
    runs, at = min(1 << shift, len(words)), (start >> shift) & (len(table) - 1)
    rows = table[at : at + max(1, len(words) >> shift)]
    words.reshape(-1, len(rows), runs, table.shape[1])[...] = rows[:, None]


def _tables(layout: Layout, event: IntArray) -> Iterator[tuple[slice, IntArray, int]]:
    """For each collection where its words are, its words for every coalition of its n objects (2^n, width), and n."""
    there = layout.present(event[None])[0]
    for block in layout.blocks:
        owners = layout.of_word[block.words]
        here = owners[0] + np.flatnonzero(there[owners[0] : owners[-1] + 1])
        ids = np.arange(1 << len(here))
        bits = np.full(len(there), len(here))
        bits[here] = np.arange(len(here))
        keep = np.zeros((len(ids), len(event)), dtype=np.bool_)
        keep[:, block.words] = (ids[:, None] >> bits[owners]) & 1
        kept = layout.mixed(keep, event, layout.padding)
        yield block.words, np.ascontiguousarray(kept[:, block.words]), len(here)


@lru_cache(maxsize=2 * MOST_OBJECTS)
def _weights(players: int) -> tuple[IntArray, IntArray]:
    """For every coalition S, times `DENOMINATOR`: W(|S| - 1) + W(|S|), and W(|S|); terms that do not exist are 0."""
    sizes = np.zeros(1, dtype=np.int64)
    for _ in range(players):
        sizes = np.concatenate([sizes, sizes + 1])
    shares = [DENOMINATOR // (players * comb(players - 1, s)) for s in range(players)]
    joins, absent = np.array([0, *shares]), np.array([*shares, 0])
    return (joins + absent)[sizes], absent[sizes]
