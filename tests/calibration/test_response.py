"""The truncated mean and the bins that the statistics support."""

from __future__ import annotations

import numpy as np
import pytest

from trigforge.calibration.response import JetBinning, measure_response, truncated_mean


def test_the_truncated_mean_and_its_error_of_weighted_gaussians() -> None:
    rng, pulls, widths = np.random.default_rng(3), [], []
    for _ in range(300):
        mean, error, width = truncated_mean(rng.normal(0.9, 0.12, 800), rng.choice([1.0, 0.2], 800))
        pulls.append((mean - 0.9) / error)
        widths.append(width)
    assert np.mean(pulls) == pytest.approx(0, abs=0.25)
    assert 0.88 < np.std(pulls) < 1.12
    assert np.mean(widths) == pytest.approx(0.12, rel=0.03)


def test_the_truncated_mean_ignores_a_tail() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(1.0, 0.1, 9500), rng.uniform(1.5, 4.0, 500)])
    mean, _, _ = truncated_mean(values, np.ones(10_000))
    assert mean == pytest.approx(1.0, abs=0.005)
    assert values.mean() > 1.05


def test_a_single_value_has_a_tiny_but_positive_error() -> None:
    assert truncated_mean(np.array([0.8]), np.array([1.0]))[:2] == (0.8, 1e-9)


def bins_of(pt: np.ndarray, matched: np.ndarray, **options: float) -> list[tuple[float, float]]:
    binning = JetBinning(abs_eta_edges=(0.0, 1.0), pt_edges_gev=(10.0, 20.0, 40.0, 80.0, 160.0), **options)
    one = np.ones(len(pt))
    response = np.random.default_rng(1).normal(0.9, 0.1, len(pt))
    rows = measure_response(pt, 0 * one, np.where(matched, response, np.nan), one, matched, np.arange(len(pt)), binning)
    assert all(b.effective_jets >= binning.min_effective_jets for b in rows)
    return [(b.pt_low_gev, b.pt_high_gev) for b in rows]


def test_poor_bins_join_the_next_and_a_poor_end_is_left_out() -> None:
    pt = np.repeat([15.0, 30.0, 60.0, 120.0], [100, 6, 20, 8])
    assert bins_of(pt, np.ones(len(pt), dtype=bool), min_effective_jets=20) == [(10, 20), (20, 80)]


def test_the_inefficient_foot_is_left_out() -> None:
    pt = np.repeat([15.0, 30.0, 60.0, 120.0], 100)
    matched = np.ones(400, dtype=bool)
    matched[:20] = matched[300:350] = False
    assert bins_of(pt, matched, min_effective_jets=20) == [(20, 40), (40, 80), (80, 160)]
