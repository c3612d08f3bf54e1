"""Metrics against their definitions, weights and ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import InputError
from trigforge.models.metrics import efficiency, roc, threshold_at_fpr


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


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 0.9))
def test_the_threshold_is_the_smallest_that_keeps_the_rate(seed: int, fpr: float) -> None:
    rng = np.random.default_rng(seed)
    scores, weights = rng.integers(0, 50, 200), rng.random(200)
    cut = threshold_at_fpr(scores, weights, fpr)

    def passing(threshold: int) -> float:
        return float(weights[scores >= threshold].sum() / weights.sum())

    assert passing(cut) <= fpr + 1e-12
    assert cut == 0 or passing(cut - 1) > fpr or not (scores == cut - 1).any()


def test_an_efficiency_of_zero_has_an_error() -> None:
    assert efficiency(np.zeros(100, bool)).value == 0
    assert 0 < efficiency(np.zeros(100, bool)).error < 0.02


def test_empty_samples_are_refused() -> None:
    with pytest.raises(InputError, match="a ROC needs background and signal events, not 0 and 3"):
        roc("x", np.array([]), np.array([]), np.ones(3))
    with pytest.raises(InputError, match="an efficiency needs events"):
        efficiency(np.array([], bool))
