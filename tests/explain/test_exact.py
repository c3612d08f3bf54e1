"""Exact contributions: known games, the definition over all orders, the axioms, and the SHAP library as a witness."""

from __future__ import annotations

import warnings
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.contract import InputContract
from trigforge.errors import CheckError, InputError
from trigforge.explain import Contributions, explain_objects
from trigforge.explain.exact import BLOCK_BITS, DENOMINATOR, coalition_scores, shapley
from trigforge.explain.objects import Layout
from trigforge.fixed import FixedType, IntArray

from .games import contract, entangled, events, linear


def without(used: InputContract, event: IntArray, gone: set[int]) -> IntArray:
    """An event less some objects, the slow and obvious way: those behind move up, zeros follow."""
    words, start, number = [], 0, 0
    for c in used.collections:
        objects = event[start : start + c.width].reshape(c.count, len(c.fields))
        kept = [o for i, o in enumerate(objects) if number + i not in gone and o.any()]
        rest = [np.zeros(len(c.fields), dtype=np.int64)] * (c.count - len(kept))
        words.append(np.concatenate([*kept, *rest]))
        start, number = start + c.width, number + c.count
    return np.concatenate(words)


def by_orders(used: InputContract, event: IntArray) -> list[Fraction]:
    """Shapley values by their definition: the mean over all orders of the present objects."""
    layout = Layout.of(used)
    here = np.flatnonzero(layout.present(event[None])[0]).tolist()
    values, orders = [Fraction(0)] * len(layout.names), list(permutations(here))
    for order in orders:
        gone = set(here)
        before = int(entangled(without(used, event, gone)[None])[0])
        for player in order:
            gone.discard(player)
            after = int(entangled(without(used, event, gone)[None])[0])
            values[player] += Fraction(after - before, len(orders))
            before = after
    return values


def test_contributions_are_the_mean_over_all_orders_to_the_last_digit() -> None:
    used = contract()
    words = events(used, 5, absent=0.35)
    found, left = explain_objects(entangled, used, words)
    for i, event in enumerate(words):
        assert [Fraction(int(n), int(found.denominators[i])) for n in found.numerators[i]] == by_orders(used, event)
        for j in range(len(found.players)):
            assert left[i, j] == entangled(without(used, event, {j})[None])[0]
    assert_array_equal(found.errors, np.zeros(found.numerators.shape))


def test_a_linear_score_is_explained_by_its_terms() -> None:
    used = contract()
    factors, score = linear(used)
    words = events(used, 40, seed=5)
    found, left = explain_objects(score, used, words)
    layout = Layout.of(used)
    terms = np.stack([np.bincount(layout.of_word, t).astype(np.int64) for t in words * factors])
    assert_array_equal(found.numerators, terms * DENOMINATOR)
    assert found.baseline == 7
    assert_array_equal(found.scores[:, None] - left, terms)


def test_absent_and_idle_objects_contribute_nothing_and_all_add_up() -> None:
    used = contract()
    words = events(used, 60, seed=3)
    found, left = explain_objects(lambda w: entangled(w * (np.arange(w.shape[1]) >= 3)), used, words)
    there = Layout.of(used).present(words)
    assert_array_equal(found.numerators[~there], 0)
    assert_array_equal(found.numerators[:, 0], 0)
    assert_array_equal(found.numerators.sum(axis=1), (found.scores - int(found.baseline)) * DENOMINATOR)
    assert_array_equal(left[~there], np.broadcast_to(found.scores[:, None], left.shape)[~there])


def test_more_coalitions_than_a_block_are_all_evaluated() -> None:
    used = contract(jets=BLOCK_BITS - 1)
    layout, event = Layout.of(used), events(used, 1, absent=0.0)[0]
    values = coalition_scores(entangled, layout, event)
    assert len(values) == 1 << (BLOCK_BITS + 2)
    for number in np.random.default_rng(1).integers(0, len(values), 300):
        gone = {j for j in range(len(layout.names)) if not number >> j & 1}
        assert values[number] == entangled(without(used, event, gone)[None])[0]


def test_games_of_one_two_and_no_player() -> None:
    assert_array_equal(shapley(np.array([5])), [])
    assert_array_equal(shapley(np.array([5, 8])), [3 * DENOMINATOR])
    assert_array_equal(shapley(np.array([0, 1, 2, 9])), [4 * DENOMINATOR, 5 * DENOMINATOR])


def test_words_without_a_momentum_keep_their_places() -> None:
    used = InputContract.of_type("regions", 6, FixedType(signed=False, width=8, integer=8))
    words = np.array([[3, 0, 9, 1, 0, 4]])
    found, left = explain_objects(lambda w: w.astype(np.int64) @ 10 ** np.arange(6), used, words)
    assert_array_equal(found.numerators[0] // DENOMINATOR, [3, 0, 900, 1000, 0, 400_000])
    assert left[0, 2] == 401_003


def test_the_shap_library_finds_the_same() -> None:
    """An independent implementation: shap's exact explainer with a masker that takes objects away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # upstream, on import
        import shap
    used = contract()
    words = events(used, 3, seed=8, absent=0.2)
    players = len(Layout.of(used).names)
    found, _ = explain_objects(entangled, used, words)
    for i, event in enumerate(words):

        def score(masks, event=event):
            gone = ({j for j in range(players) if not m[j]} for m in np.asarray(masks))
            return entangled(np.stack([without(used, event, g) for g in gone])).astype(float)

        witness = shap.explainers.Exact(score, shap.maskers.Independent(np.zeros((1, players))))
        theirs = witness(np.ones((1, players))).values[0]
        np.testing.assert_allclose(found.values[i], theirs, rtol=0, atol=1e-6)  # theirs are floats


def test_contributions_that_do_not_add_up_are_refused() -> None:
    parts = (("a", "b"), np.array([10]), Fraction(1, 2))
    rest = (np.array([2]), np.zeros((1, 2)))
    assert_array_equal(Contributions(*parts, np.array([[9, 10]]), *rest).values, [[4.5, 5.0]])
    with pytest.raises(CheckError, match=r"event 0 must add up to score less baseline, 19 in units of 1/2, not 18"):
        Contributions(*parts, np.array([[8, 10]]), *rest)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda w: w[:, :1], r"score must give integers of shape \(\d+,\), not int16 of \(\d+, 1\)"),
        (lambda w: w[:, 0] / 2, r"score must give integers of shape \(\d+,\), not float"),
        (lambda w: w[:, 0].astype(np.int64) << 40, "scores of coalitions must span less than 39620"),
    ],
)
def test_scores_that_cannot_be_explained_get_one_line(score, message: str) -> None:
    used = contract()
    with pytest.raises(InputError, match=message):
        explain_objects(score, used, events(used, 3, absent=0.0))


def test_objects_must_be_hardest_first() -> None:
    used = contract()
    words = events(used, 4, absent=0.0)
    words[2, 9:15] = words[2, [12, 13, 14, 9, 10, 11]]
    with pytest.raises(InputError, match=r"objects of event 2 must be hardest first, but word L1Jet0_pt is not in"):
        explain_objects(entangled, used, words)
