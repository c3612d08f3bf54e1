"""Crossings that share an interaction are found, and count once in errors."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from toy_events import toy_events

from trigforge.calibration.response import truncated_mean
from trigforge.calibration.thresholds import threshold_for
from trigforge.reuse import interaction_groups
from trigforge.tla.spectrum import fill_spectrum
from trigforge.weighted import effective_events, measure_rate, squared_sum


def with_interactions(numbers: list[int]) -> ak.Array:
    return ak.with_field(toy_events(len(numbers)), np.array(numbers, dtype=np.int32), "interaction")


def test_crossings_of_one_interaction_are_one_group() -> None:
    groups = interaction_groups(with_interactions([7, 3, 7, 2_000_000_000, 3, 7, 0]))
    assert groups.dtype == np.int64
    assert len(np.unique(groups)) == groups.max() + 1 == 4
    np.testing.assert_array_equal(groups[[0, 0, 1]], groups[[2, 5, 4]])


def test_crossings_of_unknown_interaction_are_groups_of_their_own() -> None:
    groups = interaction_groups(with_interactions([-1, 1, -1, 1, -1, 0, 5, 4]))
    assert len(np.unique(groups)) == 7
    assert groups[1] == groups[3]
    np.testing.assert_array_equal(interaction_groups(toy_events(20)), np.arange(20))
    assert len(interaction_groups(with_interactions([1, 2])[:0])) == 0


def reused(rng: np.random.Generator, interactions: int, uses: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups, hardness and smeared hardness of crossings: about `interactions` different ones, each in `uses`."""
    hardness = rng.exponential(1.0, rng.poisson(interactions))
    smeared = np.repeat(hardness, uses) * rng.normal(1, 0.2, len(hardness) * uses)
    return np.repeat(np.arange(len(hardness)), uses), np.repeat(hardness, uses), smeared


def test_quoted_errors_are_the_spread_of_independent_samples() -> None:
    rng, toys, interactions, uses = np.random.default_rng(3), 600, 300, 12
    rates, responses = [], []
    for _ in range(toys):
        numbers, hardness, smeared = reused(rng, interactions, uses)
        events = ak.zip({"weight": np.full(len(numbers), 1 / (interactions * uses)), "interaction": numbers})
        order = rng.permutation(len(numbers))
        groups, accepted = interaction_groups(events[order]), smeared[order] > 1.5
        weights = ak.to_numpy(events["weight"])
        grouped, naive = (measure_rate(weights, accepted, 2544, g) for g in (groups, None))
        rates.append((grouped.hz, grouped.error_hz, naive.error_hz))
        response = (smeared / hardness + 0.3 * np.sin(40 * hardness))[order]
        known, blind = (truncated_mean(response, weights, g) for g in (groups, None))
        responses.append((known[0], known[1], blind[1]))
    for sample in (np.array(rates), np.array(responses)):
        spread, (_, grouped, naive) = sample[:, 0].std(ddof=1), np.sqrt((sample**2).mean(axis=0))
        assert abs(grouped / spread - 1) < 4 / np.sqrt(2 * toys)
        assert naive < 0.5 * spread


def test_copies_add_rate_but_no_precision() -> None:
    rng = np.random.default_rng(1)
    weights, accepted = rng.exponential(1, 400), rng.random(400) < 0.3
    weights /= weights.sum()
    groups = np.tile(np.arange(400), 5)
    once = measure_rate(weights, accepted, 2544)
    copied = measure_rate(np.tile(weights / 5, 5), np.tile(accepted, 5), 2544, groups)
    assert (copied.hz, copied.error_hz) == pytest.approx((once.hz, once.error_hz))
    assert copied.effective_events == pytest.approx(once.effective_events)
    assert effective_events(np.tile(weights, 5)) > 4.9 * effective_events(weights)


def test_thresholds_and_spectra_know_of_groups() -> None:
    rng = np.random.default_rng(2)
    scores, groups = rng.integers(0, 40, 600), rng.integers(0, 60, 600)
    weights = rng.exponential(1, 600)
    weights /= weights.sum()
    row = threshold_for(scores, weights, 5e3, groups=groups, others=scores % 2 == 0)
    above = scores >= row.threshold
    hz = row.rate_khz / weights[above].sum()
    assert row.rate_err_khz == pytest.approx(hz * np.sqrt(squared_sum(weights * above, groups)))
    pure = above & (scores % 2 == 1)
    assert row.pure_rate_err_khz == pytest.approx(hz * np.sqrt(squared_sum(weights * pure, groups)))
    spectrum = fill_spectrum(scores + 0.5, weights, (0.0, 10.0, 40.0), groups)
    for i, inside in enumerate((scores < 10, scores >= 10)):
        assert spectrum.contents[i] == pytest.approx(weights[inside].sum())
        assert spectrum.errors[i] == pytest.approx(np.sqrt(squared_sum(weights * inside, groups)))
