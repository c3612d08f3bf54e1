"""Rates and effective counts of weighted events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import InputError
from trigforge.units import crossing_rate_hz
from trigforge.weighted import check_weights, effective_events, measure_rate, refuse_unsupported


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=50), st.floats(1e-3, 1e3))
def test_effective_events_are_at_most_the_events_and_free_of_scale(weights: list[float], scale: float) -> None:
    n = effective_events(weights)
    assert 1 - 1e-9 <= n <= len(weights) + 1e-9
    assert effective_events(scale * np.array(weights)) == pytest.approx(n)


def test_equal_weights_count_one_each() -> None:
    assert effective_events([0.25] * 7) == pytest.approx(7)
    assert effective_events([]) == 0


def test_the_error_of_a_rate_is_the_spread_of_repeated_samples() -> None:
    rng, rates, errors = np.random.default_rng(5), [], []
    for _ in range(400):
        weights = rng.choice([1.0, 0.1], 2000) / (0.55 * 2000)
        rate = measure_rate(weights, rng.random(2000) < 0.05, 2544)
        rates.append(rate.hz)
        errors.append(rate.error_hz)
    assert np.mean(rates) == pytest.approx(0.05 * crossing_rate_hz(2544), rel=0.02)
    assert np.std(rates) == pytest.approx(np.mean(errors), rel=0.12)


def test_probabilities_scale_rate_and_error() -> None:
    full, half = (measure_rate([0.5, 0.5], [p, p], 100) for p in (1.0, 0.5))
    assert (half.hz, half.error_hz) == (full.hz / 2, full.error_hz / 2)


def test_bad_weights_are_refused() -> None:
    with pytest.raises(InputError, match=r"weights must be a list of at least one number, not .* shape \(0,\)"):
        check_weights([])
    with pytest.raises(InputError, match=r"weights must be finite and not negative, not nan"):
        check_weights([float("nan")])
    with pytest.raises(InputError, match=r"weights must sum to 1 per crossing, not 2; divide the weights"):
        check_weights([1.0, 1.0])
    with pytest.raises(InputError, match=r"weights and decisions must have one shape, not \(2,\) and \(1,\)"):
        measure_rate([0.5, 0.5], [True], 100)


def test_a_refusal_says_how_many_crossings_would_do() -> None:
    assert refuse_unsupported("x", 100, 10.0, 0.1, 10.0) is None
    with pytest.raises(InputError, match=r"x must have at least 10 .* not 2: it needs about 5e\+02 crossings"):
        refuse_unsupported("x", 100, 2.0, 0.1, 10.0)
    with pytest.raises(InputError, match=r"not 0: it needs about 1e\+05 crossings \(there are 100\)"):
        refuse_unsupported("x", 100, 0.0, 1e-4, 10.0)
