"""Thresholds and rates of integer scores, against counting by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.calibration.thresholds import ThresholdTable, scan_thresholds, threshold_for
from trigforge.errors import InputError
from trigforge.units import crossing_rate_hz

BUNCHES = 2544
CROSSING_KHZ = crossing_rate_hz(BUNCHES) / 1e3


def background(n: int = 5000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.choice([1.0, 0.01], n)
    return rng.exponential(50.0, n).astype(np.int64), weights / weights.sum()


@given(
    st.lists(st.integers(-50, 50), min_size=40, max_size=200),
    st.floats(0.001, 1.0),
    st.integers(0, 2**32 - 1),
)
def test_the_threshold_is_the_smallest_within_the_target(scores: list[int], fraction: float, seed: int) -> None:
    s = np.array(scores)
    w = np.random.default_rng(seed).uniform(0.5, 1.5, len(s))
    w /= w.sum()
    target = fraction * CROSSING_KHZ
    row = threshold_for(s, w, target, min_effective_events=0)
    assert row.rate_khz <= target
    assert row.rate_khz == pytest.approx(CROSSING_KHZ * w[s >= row.threshold].sum())
    if row.threshold > s.min():
        assert CROSSING_KHZ * w[s >= row.threshold - 1].sum() > target * (1 - 1e-12)


def test_errors_are_from_squared_weights() -> None:
    s, w = background()
    row = threshold_for(s, w, 3000.0)
    above = s >= row.threshold
    assert row.rate_err_khz == pytest.approx(CROSSING_KHZ * np.sqrt(np.sum(w[above] ** 2)))
    assert row.effective_events == pytest.approx(w[above].sum() ** 2 / np.sum(w[above] ** 2))


def test_pure_rate_excludes_events_of_other_seeds() -> None:
    s, w = background()
    others = np.random.default_rng(3).random(len(s)) < 0.5
    row = threshold_for(s, w, 3000.0, others=others)
    assert row.pure_rate_khz == pytest.approx(CROSSING_KHZ * w[(s >= row.threshold) & ~others].sum())
    assert row.summary()["pure_rate_khz"] == row.pure_rate_khz
    assert threshold_for(s, w, 3000.0).pure_rate_khz is None


def test_a_full_table_agrees_with_the_direct_threshold_at_every_rate() -> None:
    s, w = background()
    table = scan_thresholds(s, w, program_digest="a" * 64, rows=10_000)
    for rate in np.geomspace(table.rows[-1].rate_khz * 1.001, CROSSING_KHZ, 50):
        assert table.threshold_at(rate) == threshold_for(s, w, rate)
    for threshold in range(table.rows[-1].threshold):
        assert table.rate_at(threshold).rate_khz == pytest.approx(CROSSING_KHZ * w[s >= threshold].sum())


def test_a_thinned_table_keeps_its_ends_and_bounds_rates_from_above() -> None:
    s, w = background(50_000)
    full = scan_thresholds(s, w, program_digest="a" * 64, rows=10_000)
    thin = scan_thresholds(s, w, program_digest="a" * 64, rows=20)
    assert len(thin.rows) <= 22 < len(full.rows)
    assert (thin.rows[0], thin.rows[-1]) == (full.rows[0], full.rows[-1])
    for row in full.rows:
        assert thin.rate_at(row.threshold).rate_khz >= row.rate_khz
        assert thin.threshold_at(row.rate_khz).rate_khz <= row.rate_khz


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    s, w = background()
    table = scan_thresholds(s, w, program_digest="a" * 64, others=s > 100)
    table.save(tmp_path / "table.json")
    assert ThresholdTable.load(tmp_path / "table.json") == table


def test_a_table_is_bound_to_its_program() -> None:
    table = scan_thresholds(*background(), program_digest="a" * 64)
    assert table.for_program("a" * 64) is table
    with pytest.raises(InputError, match=r"must be of the program it is used with, 'bbbbbbbbbbbb', not 'aaaaaaaaaaaa'"):
        table.for_program("b" * 64)


def test_rates_beyond_the_statistics_are_refused_with_the_crossings_needed() -> None:
    s, w = np.arange(1000), np.full(1000, 1e-3)
    with pytest.raises(InputError, match=r"target rate of 100 kHz must have at least 10 effective.*about 3\.3e\+03 c"):
        threshold_for(s, w, 100.0)
    with pytest.raises(InputError, match=r"about 1e\+04 crossings \(there are 1000\)"):
        threshold_for(s, w, 1.001 * CROSSING_KHZ / 1000)


def test_a_saturated_score_is_refused() -> None:
    s, w = np.full(1000, 255), np.full(1000, 1e-3)
    with pytest.raises(InputError, match=r"at least 10 effective events behind it, not 0"):
        threshold_for(s, w, 1000.0)


def test_bad_input_is_refused() -> None:
    s, w = background()
    with pytest.raises(InputError, match=r"weights must sum to 1 per crossing, not 0\.5"):
        threshold_for(s, w / 2, 100.0)
    with pytest.raises(InputError, match=r"weights must be finite and not negative, not -1\.0"):
        threshold_for(s, np.where(w == w[0], -1.0, w), 100.0)
    with pytest.raises(InputError, match=r"scores must be integers of shape \(5000,\), not float64"):
        threshold_for(s.astype(float), w, 100.0)
    with pytest.raises(InputError, match=r"target rate must be positive, not 0"):
        threshold_for(s, w, 0)
    with pytest.raises(InputError, match=r"OR of the other seeds must have shape \(5000,\), not \(1,\)"):
        threshold_for(s, w, 100.0, others=[True])


def test_look_ups_outside_the_table_are_refused() -> None:
    table = scan_thresholds(*background(), program_digest="a" * 64)
    with pytest.raises(InputError, match=r"rate must be at least .* kHz, the smallest of this table, not 1e-06"):
        table.threshold_at(1e-6)
    with pytest.raises(InputError, match=r"threshold must be at most \d+, the largest of this table, not 99999"):
        table.rate_at(99999)


def test_a_table_that_is_not_monotone_is_refused() -> None:
    data = scan_thresholds(*background(), program_digest="a" * 64).model_dump()
    data["rows"] = data["rows"][::-1]
    with pytest.raises(InputError, match=r"thresholds must rise and rates fall strictly"):
        ThresholdTable.parse(data, where="table")
