"""Test vectors within the limits of every word: physics, random, corners, walking ones, saturations, objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.sim.cosim.directed import constrained_words, object_words

KINDS = ("physics", "random", "corner", "walking", "saturating", "object", "constrained", "frozen", "directed")
"""The kinds of vectors, in the order in which they are put: those of `make_vectors`, those that obey a contract, and
those that were searched for to close coverage."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Words int64 (n, words) and the kind (n,) of every event."""

    words: IntArray
    kinds: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.words.ndim != 2 or self.words.dtype != np.int64 or self.kinds.shape != self.words.shape[:1]:
            raise InputError(
                "vectors must be int64 words of shape (n, words) with n kinds, "
                f"not {self.words.dtype} {self.words.shape} with {self.kinds.shape}"
            )

    def __len__(self) -> int:
        return len(self.words)

    def counts(self) -> dict[str, int]:
        """Number of events of every kind that occurs."""
        kinds, counts = np.unique(self.kinds, return_counts=True)
        return {str(k): int(c) for k, c in zip(kinds, counts, strict=True)}

    def extended(self, kind: str, words: IntArray) -> Vectors:
        """These vectors and behind them others (m, words) of one kind."""
        if kind not in KINDS:
            raise InputError(f"the kind of a vector must be one of {', '.join(KINDS)}, not {kind!r}")
        added = Vectors(words, np.full(len(words), kind))
        if words.shape[1] != self.words.shape[1]:
            raise InputError(f"vectors that are added must have {self.words.shape[1]} words, not {words.shape[1]}")
        return Vectors(np.concatenate([self.words, added.words]), np.concatenate([self.kinds, added.kinds]))

    def thinned(self, events: int) -> Vectors:
        """About `events` of the vectors, evenly spaced, each kind in its proportion and at least once."""
        if events < 1:
            raise InputError(f"the number of events to keep must be at least 1, not {events!r}")
        keep = []
        for kind, count in self.counts().items():
            share = min(count, max(1, round(events * count / len(self))))
            keep.append(np.flatnonzero(self.kinds == kind)[np.linspace(0, count - 1, share).round().astype(np.int64)])
        chosen = np.sort(np.concatenate(keep)) if keep else np.zeros(0, dtype=np.int64)
        return Vectors(self.words[chosen], self.kinds[chosen])


def make_vectors(
    low: IntArray, high: IntArray, *, random: int, saturating: int, seed: int, physics: IntArray | None = None
) -> Vectors:
    """Vectors for words with values in `low..high` (each of shape (words,)), reproducible from `seed`.

    Random: uniform in the limits. Corner: all low, all high, all zero, alternating, one word extreme and the rest zero.
    Walking: one bit of one word. Saturating: every word at one of its two limits. Physics: the caller's, checked.
    Raises `InputError` if limits are inverted or a physics word lies outside them.
    """
    low, high = np.asarray(low, dtype=np.int64), np.asarray(high, dtype=np.int64)
    _check_limits(low, high)
    if random < 0 or saturating < 0:
        raise InputError(f"numbers of vectors must not be negative, not {min(random, saturating)!r}")
    generator = np.random.default_rng(seed)
    parts = {
        "physics": _checked(physics, low, high),
        "random": generator.integers(low, high, (random, len(low)), dtype=np.int64, endpoint=True),
        "corner": _stack(_corners(low, high), len(low)),
        "walking": _stack(_walking(low, high), len(low)),
        "saturating": np.where(generator.integers(0, 2, (saturating, len(low))) == 1, high, low),
    }
    kinds = np.concatenate([np.full(len(rows), kind) for kind, rows in parts.items()])
    return Vectors(np.concatenate(list(parts.values())), kinds)


def contract_vectors(
    contract: InputContract,
    *,
    random: int,
    saturating: int,
    constrained: int,
    seed: int,
    physics: IntArray | None = None,
) -> Vectors:
    """The vectors of `make_vectors` within a contract's limits, and events that obey it: directed and random objects.

    Raises `InputError` as `make_vectors` does.
    """
    low, high = contract.limits()
    vectors = make_vectors(low, high, random=random, saturating=saturating, seed=seed, physics=physics)
    objects = vectors.extended("object", object_words(contract))
    return objects.extended("constrained", constrained_words(contract, constrained, seed))


def _check_limits(low: IntArray, high: IntArray) -> None:
    if low.ndim != 1 or low.shape != high.shape or not low.size:
        raise InputError(f"limits must be two arrays of one length, not of shapes {low.shape} and {high.shape}")
    if (low > high).any():
        word = int(np.argmax(low > high))
        raise InputError(f"the limits of word {word} must be ordered, not {int(low[word])}..{int(high[word])}")


def _checked(physics: IntArray | None, low: IntArray, high: IntArray) -> IntArray:
    if physics is None:
        return np.zeros((0, len(low)), dtype=np.int64)
    if physics.ndim != 2 or physics.shape[1] != len(low) or physics.dtype != np.int64:
        raise InputError(
            f"physics vectors must be int64 of shape (n, {len(low)}), not {physics.dtype} of shape {physics.shape}"
        )
    bad = (physics < low) | (physics > high)
    if bad.any():
        event, word = (int(k) for k in np.argwhere(bad)[0])
        raise InputError(
            f"word {word} of physics vector {event} must be {low[word]}..{high[word]}, not {int(physics[event, word])}"
        )
    return physics


def _stack(rows: Iterator[IntArray], width: int) -> IntArray:
    """Distinct rows (n, width) in the order in which they first occur."""
    unique = {row.tobytes(): row for row in rows}
    return np.array(list(unique.values()), dtype=np.int64).reshape(len(unique), width)


def _corners(low: IntArray, high: IntArray) -> Iterator[IntArray]:
    zero = np.clip(0, low, high)
    odd = np.arange(len(low)) % 2 == 1
    yield from (low, high, zero, np.where(odd, high, low), np.where(odd, low, high))
    for word in range(len(low)):
        for extreme in (low, high):
            row = zero.copy()
            row[word] = extreme[word]
            yield row


def _walking(low: IntArray, high: IntArray) -> Iterator[IntArray]:
    zero = np.clip(0, low, high)
    for word in range(len(low)):
        for bit in range(max(int(high[word]).bit_length(), int(low[word]).bit_length())):
            for value in (1 << bit, -(1 << bit)):
                if low[word] <= value <= high[word]:
                    row = zero.copy()
                    row[word] = value
                    yield row
