"""`explain`: what objects and words add to the integer score of events."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.explain.contributions import Contributions
from trigforge.explain.exact import DENOMINATOR, MOST_OBJECTS, enumerate_objects
from trigforge.explain.objects import Layout, Score, scores_of
from trigforge.explain.sampled import Players, Sampled, sample_event
from trigforge.fixed import IntArray

T = TypeVar("T")
PAIRS: Final = 64
"""Pairs of orders of a sampled event, unless there are more background events."""


@dataclass(frozen=True, slots=True)
class Explained:
    """The contributions of objects (taken away) and of words (replaced) of the same events.

    `without` (n, objects) are the scores of the events without each object, those behind it moved up; where there is no
    such object it is the event's score.
    """

    words: IntArray
    objects: Contributions
    without: IntArray
    by_word: Contributions


def explain(
    score: Score, contract: InputContract, words: npt.ArrayLike, background: npt.ArrayLike, seed: int = 1
) -> Explained:
    """Explain events (n, words) by their objects and, against background events (m, words), by their words."""
    objects, without = explain_objects(score, contract, words, seed)
    by_word = explain_words(score, contract, words, background, seed)
    return Explained(contract.check(words), objects, without, by_word)


def explain_objects(
    score: Score, contract: InputContract, words: npt.ArrayLike, seed: int = 1
) -> tuple[Contributions, IntArray]:
    """Contributions of objects that are taken away, and the score without each of them (n, objects).

    The players are the objects that are there; the baseline is the score of the event without any. Exact for up to
    `MOST_OBJECTS` objects; events with more are sampled in `PAIRS` pairs of random orders.
    """
    layout = Layout.of(contract)
    events = layout.check(words)
    many = layout.present(events).sum(axis=1) > MOST_OBJECTS
    shape = (len(events), len(layout.names))
    numerators, errors, without = np.zeros(shape, dtype=np.int64), np.zeros(shape), np.empty(shape, dtype=np.int64)
    enumerated = _each(lambda i: enumerate_objects(score, layout, events[i]), np.flatnonzero(~many))
    for i, exact in zip(np.flatnonzero(~many), enumerated, strict=True):
        numerators[i], without[i] = exact.numerators, exact.without
    sampled = _each(lambda i: _sampled_objects(score, layout, events[i], (seed, i)), np.flatnonzero(many))
    for i, (found, left) in zip(np.flatnonzero(many), sampled, strict=True):
        numerators[i], errors[i], without[i] = found.sums, found.errors, left
    baseline = Fraction(int(scores_of(score, layout.padding[None])[0]))
    denominators = np.where(many, 2 * PAIRS, DENOMINATOR)
    found_scores = scores_of(score, events)
    return Contributions(layout.names, found_scores, baseline, numerators, denominators, errors), without


def explain_words(
    score: Score, contract: InputContract, words: npt.ArrayLike, background: npt.ArrayLike, seed: int = 1
) -> Contributions:
    """Contributions of words that are replaced by those of background events (m, words), with standard errors.

    The baseline is the mean score of the background events. The words of an object join one after the other (Owen
    values), so that they add up to what the object of that rank is worth against the background's.
    """
    layout = Layout.of(contract)
    events, others = layout.check(words), layout.check(background)
    if len(others) < 2:
        raise InputError(f"background must be at least 2 events, not {len(others)}")
    others = np.tile(others, (-(-PAIRS // len(others)), 1))
    players = Players(np.eye(contract.words, dtype=np.bool_), layout.of_word)
    found = _each(lambda i: sample_event(score, layout, events[i], others, players, (seed, i)), range(len(events)))
    return Contributions(
        players=contract.word_names,
        scores=scores_of(score, events),
        baseline=Fraction(int(scores_of(score, others).sum()), len(others)),
        numerators=np.array([s.sums for s in found], dtype=np.int64).reshape(-1, contract.words),
        denominators=np.full(len(events), 2 * len(others)),
        errors=np.array([s.errors for s in found]).reshape(-1, contract.words),
    )


def _sampled_objects(score: Score, layout: Layout, event: IntArray, seed: tuple[int, ...]) -> tuple[Sampled, IntArray]:
    """The sampled contributions of an event with many objects, and the score without each."""
    belongs = layout.of_word == np.arange(len(layout.names))[:, None]
    players = Players(belongs, np.arange(len(belongs)))
    found = sample_event(score, layout, event, np.tile(layout.padding, (PAIRS, 1)), players, seed)
    return found, scores_of(score, layout.mixed(~belongs, event, layout.padding))


def _each(task: Callable[[int], T], events: Sequence[int] | IntArray) -> list[T]:
    """The task's results for all events, on all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda i: task(int(i)), events))
