"""Metrics against their definitions, weights and ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import InputError
from trigforge.models.metrics import Improvement, Refused, efficiency, improvement, roc
from trigforge.models.metrics.roc import area, placements


@given(st.integers(0, 2**32 - 1))
def test_the_area_is_the_weighted_probability_of_the_right_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    background, signal, weights = rng.integers(0, 9, 40), rng.integers(2, 12, 30), rng.random(40) + 0.1
    pairs = (signal[None] > background[:, None]) + 0.5 * (signal[None] == background[:, None])
    expected = np.average(pairs.mean(axis=1), weights=weights)
    assert roc("x", background, weights, signal).auc.value == pytest.approx(expected, rel=1e-12)


def test_the_error_of_the_area_covers_repeated_experiments() -> None:
    rng = np.random.default_rng(2)
    weights = rng.random(400) * 3
    results = [roc("x", rng.normal(0, 1, 400), weights, rng.normal(1, 1, 300)).auc for _ in range(300)]
    spread = np.std([r.value for r in results])
    assert np.mean([r.error for r in results]) == pytest.approx(spread, rel=0.15)


def test_the_error_of_the_area_knows_of_copies() -> None:
    rng = np.random.default_rng(3)
    background, signal, weights = rng.normal(0, 1, 200), rng.normal(1, 1, 10_000), rng.random(200) + 0.5
    once = roc("x", background, weights, signal).auc
    copied = [np.tile(a, 9) for a in (background, weights)]
    blind = roc("x", *copied, signal).auc
    told = roc("x", *copied, signal, np.tile(np.arange(200), 9)).auc
    assert told.value == pytest.approx(once.value, rel=1e-12)
    assert told.error == pytest.approx(once.error, rel=1e-9)
    assert blind.error < 0.5 * told.error


def test_a_lead_in_area_is_the_difference_with_a_correlated_error() -> None:
    rng = np.random.default_rng(4)
    leads, apart = [], []
    for _ in range(200):
        truth = [rng.normal(0, 1, 300), rng.normal(1, 1, 300)]
        weights = rng.random(300) + 0.2
        a, b = (placements(*_noisy(truth, weights, rng)) for _ in range(2))
        leads.append(area(a, weights, less=b))
        apart.append(np.hypot(area(a, weights).error, area(b, weights).error))
        assert leads[-1].value == pytest.approx(area(a, weights).value - area(b, weights).value, abs=1e-12)
    spread = np.std([m.value for m in leads])
    assert np.mean([m.error for m in leads]) == pytest.approx(spread, rel=0.15)
    assert np.mean(apart) > 2 * spread


def _noisy(truth, weights, rng):
    background, signal = (values + rng.normal(0, 0.3, len(values)) for values in truth)
    return background, weights, signal


def test_a_curve_holds_both_efficiencies_and_their_errors() -> None:
    background, weights = np.arange(100), np.full(100, 0.01)
    curve = roc("x", background, weights, np.arange(50, 150))
    points = zip(curve.background, curve.background_error, curve.signal, curve.signal_error, strict=True)
    for background_efficiency, background_error, found, error in list(points)[1:-1]:
        above = round(100 * background_efficiency)
        passed = np.arange(100) < min(50 + above, 100)
        assert background_error == pytest.approx(np.sqrt(above) / 100, rel=1e-5)
        if background_efficiency > 0:
            assert (found, error) == pytest.approx((passed.mean(), efficiency(passed).error), rel=1e-5)
    assert curve.supported_from == pytest.approx(0.1)


def test_the_best_improvement_is_sought_where_enough_background_is_left() -> None:
    weights = np.full(1000, 1e-3)
    found = improvement(roc("x", np.arange(1000), weights, np.full(400, 5000)))
    assert isinstance(found, Improvement)
    assert found.background in {0.01, 0.011}, "cuts are thinned"
    assert found.best.value == pytest.approx(1 / np.sqrt(found.background))
    assert found.best.error == pytest.approx(found.best.value / (2 * np.sqrt(1000 * found.background)), rel=0.01)
    few = improvement(roc("x", np.arange(9), np.full(9, 1 / 9), np.full(400, 5000)))
    assert few == Refused(reason="no cut has 10 effective background events above it")


def test_copies_of_a_crossing_do_not_support_a_cut() -> None:
    background, weights = np.repeat(np.arange(100), 10), np.full(1000, 1e-3)
    alone, told = (roc("x", background, weights, np.arange(100), g) for g in (None, background))
    assert alone.supported_from == pytest.approx(0.01)
    assert told.supported_from in {0.1, 0.11}, "cuts are thinned"


def test_an_efficiency_of_zero_has_an_error() -> None:
    assert efficiency(np.zeros(100, bool)).value == 0
    assert 0 < efficiency(np.zeros(100, bool)).error < 0.02


def test_empty_samples_are_refused() -> None:
    with pytest.raises(InputError, match="a ROC needs background and signal events, not 0 and 3"):
        roc("x", np.array([]), np.array([]), np.ones(3))
    with pytest.raises(InputError, match="an efficiency needs events"):
        efficiency(np.array([], bool))
