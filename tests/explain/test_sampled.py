"""Sampled contributions: exact sums, errors that are right, and agreement with enumeration."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.contract import Collection, InputContract, kinematics
from trigforge.errors import InputError
from trigforge.explain import explain, explain_objects, explain_words
from trigforge.explain.exact import DENOMINATOR
from trigforge.explain.explaining import PAIRS
from trigforge.explain.objects import Layout
from trigforge.fixed import FixedType

from .games import CALO, contract, entangled, events, linear


def test_sampled_objects_agree_with_enumeration_within_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    used = contract()
    words = events(used, 150, seed=4, absent=0.2)
    exact, left = explain_objects(entangled, used, words)
    monkeypatch.setattr("trigforge.explain.explaining.MOST_OBJECTS", 0)
    sampled, also_left = explain_objects(entangled, used, words)
    assert_array_equal(also_left, left)
    assert_array_equal(sampled.numerators.sum(axis=1), (exact.scores - int(exact.baseline)) * 2 * PAIRS)
    there = sampled.errors > 0
    pulls = (sampled.values - exact.values)[there] / sampled.errors[there]
    assert there.sum() > 500
    assert abs(pulls.mean()) < 0.15
    assert 0.8 < pulls.std() < 1.2


def test_more_objects_than_can_be_enumerated_are_sampled() -> None:
    used = InputContract.of_type("regions", 30, FixedType(signed=False, width=8, integer=8))
    words = np.random.default_rng(3).integers(0, 256, (4, 30))
    words[0, 5:] = 0
    factors = np.arange(30)
    found, left = explain_objects(lambda w: w.astype(np.int64) @ factors, used, words)
    assert_array_equal(found.denominators, [DENOMINATOR, *[2 * PAIRS] * 3])
    assert_array_equal(found.numerators, words * factors * found.denominators[:, None])
    assert_array_equal(found.scores[:, None] - left, words * factors)


def test_words_of_a_linear_score_are_explained_by_their_terms() -> None:
    used = contract()
    factors, score = linear(used)
    words, others = events(used, 20, seed=6), events(used, PAIRS, seed=7)
    found = explain_words(score, used, words, others)
    terms = (words * len(others) - others.sum(axis=0)) * factors
    layout = Layout.of(used)
    by_object = [np.bincount(layout.of_word, row).astype(np.int64) for row in terms]
    sums = [np.bincount(layout.of_word, row).astype(np.int64) for row in found.numerators]
    unranked = slice(0, 3)
    assert_array_equal(found.numerators[:, unranked], 2 * terms[:, unranked])
    assert_array_equal(np.stack(sums), 2 * np.stack(by_object))
    assert found.baseline * len(others) == int(score(others).sum())


def test_words_share_what_their_object_is_worth() -> None:
    """Owen values by their definition: the mean over all orders in which the words of an object join together."""
    jets = Collection(name="L1Jet", count=2, fields=kinematics(**CALO))
    used = InputContract(name="tiny", collections=(jets,))
    words, others = events(used, 1, seed=2, absent=0.0), events(used, PAIRS, seed=9, absent=0.3)
    layout, factors = Layout.of(used), np.array([7, -3, 2, 11, 5, -1])

    def score(w):
        return np.minimum(np.abs(w.astype(np.int64) @ factors) + w[:, 0] * w[:, 4].astype(np.int64) // 8, 9000)

    expected, orders = np.zeros(6), 0
    for first, second in permutations(([0, 1, 2], [3, 4, 5])):
        for order in ([*a, *b] for a in permutations(first) for b in permutations(second)):
            keep = np.zeros((7, 6), dtype=bool)
            for step, word in enumerate(order):
                keep[step + 1 :, word] = True
            along = np.mean([score(layout.mixed(keep, words[0], o)) for o in others], axis=0)
            expected[list(order)] += np.diff(along)
            orders += 1
    found = [explain_words(score, used, words, others, seed) for seed in range(40)]
    mean = np.mean([f.values[0] for f in found], axis=0)
    spread = np.std([f.values[0] for f in found], axis=0) / np.sqrt(len(found))
    assert (np.abs(mean - expected / orders) < 5 * spread + 1e-9).all()


def test_all_events_have_the_background_as_their_baseline_and_repeat() -> None:
    used = contract()
    words, others = events(used, 12, seed=1), events(used, 10, seed=2)
    whole = explain(entangled, used, words, others, seed=3)
    repeats = -(-PAIRS // len(others))
    assert whole.by_word.baseline * len(others) == int(entangled(others).sum())
    assert_array_equal(whole.by_word.denominators, 2 * repeats * len(others))
    again = explain(entangled, used, words, others, seed=3)
    assert_array_equal(again.by_word.numerators, whole.by_word.numerators)
    other = explain(entangled, used, words, others, seed=4)
    assert (other.by_word.numerators != whole.by_word.numerators).any()
    assert_array_equal(other.objects.numerators, whole.objects.numerators)


def test_mixed_events_are_those_that_a_trigger_could_send() -> None:
    used = contract()
    layout = Layout.of(used)
    seen = []

    def score(words):
        seen.append(words.copy())
        return entangled(words)

    explain(score, used, events(used, 3, seed=1), events(used, 5, seed=2))
    for words in seen:
        assert_array_equal(layout.in_order(words), words)


def test_one_background_event_is_too_few() -> None:
    used = contract()
    with pytest.raises(InputError, match="background must be at least 2 events, not 1"):
        explain_words(entangled, used, events(used, 2), events(used, 1))
