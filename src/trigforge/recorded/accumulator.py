"""`Accumulator`: everything that is counted in a chunk of events; the sum of those of its parts, whatever the cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from trigforge.fixed import IntArray

Place = tuple[int, ...]
Counts = TypeVar("Counts", "ColumnCounts", "FaultCounts", "Accumulator")


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each of several things was, and how often the event mismatched then: two arrays of one shape."""

    events: IntArray
    mismatches: IntArray

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.events + other.events, self.mismatches + other.mismatches)


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """One recorded column against the emulator."""

    compared: int
    missing: int
    off_grid: int
    mismatches: int
    bits_recorded: IntArray
    """Mismatches in which a bit (64,) is set in the recorded word only."""
    bits_emulated: IntArray
    """Mismatches in which a bit (64,) is set in the emulated word only."""
    differences: IntArray
    """Mismatches by sign and number of bits of `recorded - emulated` (127,); the middle one is 0 and stays empty."""
    scores: Tally
    """By bin of the emulated score."""
    plane: IntArray
    """Mismatches by bin of the emulated and of the recorded score."""
    decisions: IntArray
    """By threshold, recorded and emulated decision: (thresholds, 2, 2)."""
    near: Tally
    """By threshold and by sign and number of bits of `emulated - threshold`: (thresholds, 127)."""

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        return _sum(self, other)


@dataclass(frozen=True, slots=True)
class FaultCounts:
    """What re-emulation with each of H faults made of the events on which they were tested."""

    mismatches: int
    """Mismatching events tested."""
    equal: int
    """Equal events tested."""
    explained: IntArray
    """Of the mismatching ones, those that agree with the fault: (H,)."""
    broken: IntArray
    """Of the equal ones, those that no longer agree: (H,)."""
    together: IntArray
    """Mismatching events that agree with each of two faults: (H, H)."""
    deviations: IntArray
    """Mismatching events by hash of the deviation `recorded - emulated`: (256,)."""
    changes: IntArray
    """The same for the change that a fault makes: (H, 256); bin 0 is no change."""
    strata: Tally
    """Events tested by distance of the score from the next threshold, where only bits are compared: (127,)."""
    strata_broken: IntArray
    """Equal events that no longer agree, likewise: (H, 127)."""

    def __add__(self, other: FaultCounts) -> FaultCounts:
        return _sum(self, other)


@dataclass(frozen=True, slots=True)
class Examples:
    """The first mismatching events, at most `limit`, by entry: rows of words, recorded and emulated columns."""

    limit: int
    entries: IntArray
    words: IntArray
    recorded: IntArray
    comparable: IntArray
    emulated: IntArray
    places: Mapping[str, IntArray]

    def __add__(self, other: Examples) -> Examples:
        entries = np.concatenate([self.entries, other.entries])
        first = np.argsort(entries, kind="stable")[: self.limit]

        def join(name: str) -> IntArray:
            both: IntArray = np.concatenate([getattr(self, name), getattr(other, name)])[first]
            return both

        places = {key: np.concatenate([v, other.places[key]])[first] for key, v in self.places.items()}
        return Examples(
            limit=self.limit,
            entries=entries[first],
            words=join("words"),
            recorded=join("recorded"),
            comparable=join("comparable"),
            emulated=join("emulated"),
            places=places,
        )


@dataclass(frozen=True, slots=True)
class Accumulator:
    """Counts of the events seen so far."""

    events: int
    outside: int
    """Events with a word outside its range of the contract; they are not compared."""
    compared: int
    mismatches: int
    """Events in which at least one column differs."""
    columns: tuple[ColumnCounts, ...]
    conditions: Tally
    faults: FaultCounts
    positions: Tally
    """By place in the file, in equal parts."""
    places: Mapping[str, Counter[Place]]
    """Compared events by column and value."""
    places_hit: Mapping[str, Counter[Place]]
    """Mismatching events by column and value."""
    examples: Examples = field(repr=False)

    def __add__(self, other: Accumulator) -> Accumulator:
        return _sum(self, other)


def _sum(left: Counts, right: Counts) -> Counts:
    """The sum of two values of a class, field by field."""
    return type(left)(*(_plus(getattr(left, f.name), getattr(right, f.name)) for f in fields(left)))


def _plus(a: Any, b: Any) -> Any:
    if isinstance(a, tuple):
        return tuple(x + y for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping):
        return {key: a[key] + b[key] for key in a}
    return a + b
