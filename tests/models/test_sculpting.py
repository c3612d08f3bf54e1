"""Divergence of spectra: exact cases, and sculpting told from chance."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.models.metrics import Background, Refused, Sculpting, jensen_shannon, sculpting, sculpting_variables
from trigforge.models.metrics.points import draw_replicas
from trigforge.models.metrics.sculpting import weighted_quantiles

HISTOGRAMS = st.lists(st.floats(0, 1e6), min_size=4, max_size=4).filter(lambda h: sum(h) > 1)


def test_the_divergence_is_its_definition() -> None:
    assert jensen_shannon([1, 3], [2, 6]) == 0
    assert jensen_shannon([1, 0], [0, 5]) == 1
    half = 0.5 * (np.log2(1 / 0.75) + 0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25))
    assert jensen_shannon([2, 0], [3, 3]) == pytest.approx(half, rel=1e-14)
    np.testing.assert_array_equal(jensen_shannon([[1, 0], [1, 1]], [1, 1]) > 0, [True, False])
    assert jensen_shannon([0, 0], [1, 1]) == 0


@given(HISTOGRAMS, HISTOGRAMS)
def test_the_divergence_is_symmetric_and_within_a_bit(p: list[float], q: list[float]) -> None:
    assert 0 <= jensen_shannon(p, q) <= 1
    assert jensen_shannon(p, q) == pytest.approx(float(jensen_shannon(q, p)), abs=1e-12)


def test_weighted_quantiles_are_those_of_repeated_values() -> None:
    values, repeats = np.array([5.0, 1.0, 3.0, 4.0]), np.array([2, 5, 1, 2])
    quantiles = [0.1, 0.5, 0.6, 0.85]
    expected = np.quantile(np.repeat(values, repeats), quantiles, method="inverted_cdf")
    np.testing.assert_array_equal(weighted_quantiles(values, repeats / 10, quantiles), np.unique(expected))


def measure(rng: np.random.Generator, pull: float, copies: int = 1, n: int = 3000) -> Sculpting | Refused:
    """Sculpting by a score that depends on the variable as strongly as `pull`, of weighted, copied crossings."""
    variable = np.repeat(rng.exponential(1.0, n), copies)
    weights = np.repeat(rng.choice([1.0, 0.1], n), copies)
    background = Background(weights / weights.sum(), np.repeat(np.arange(n), copies))
    score = pull * variable + np.repeat(rng.normal(0, 1, n), copies)
    accepted = score > np.quantile(score, 0.95)
    return sculpting("mass", variable, accepted, background, draw_replicas(background, 100), seed=1)


@pytest.mark.parametrize("copies", [1, 5])
def test_chance_is_not_called_sculpting(copies: int) -> None:
    rng = np.random.default_rng(1)
    found = [measure(rng, 0.0, copies) for _ in range(100)]
    values = [f for f in found if isinstance(f, Sculpting)]
    assert len(values) == 100
    p = np.array([f.p_value for f in values])
    assert np.mean(p < 0.1) < 0.19
    assert 0.35 < p.mean() < 0.65
    divergences, chances = (
        np.array([m.value for m in ms]) for ms in zip(*((f.divergence, f.chance) for f in values), strict=True)
    )
    assert divergences.mean() == pytest.approx(chances.mean(), rel=0.15)
    assert divergences.mean() > 0.005


def test_sculpting_is_beyond_chance_and_its_error_covers_repeated_experiments() -> None:
    rng = np.random.default_rng(2)
    found = [f for f in (measure(rng, 1.0) for _ in range(100)) if isinstance(f, Sculpting)]
    assert all(f.beyond_chance for f in found)
    spread = np.std([f.divergence.value for f in found])
    assert np.mean([f.divergence.error for f in found]) == pytest.approx(spread, rel=0.25)


def test_a_handful_of_events_is_not_quoted() -> None:
    variable = np.arange(100.0)
    background = Background(np.full(100, 0.01))
    few = sculpting("mass", variable, variable > 90.5, background, draw_replicas(background, 10))
    assert few == Refused(reason="9 effective background events pass, fewer than 10")
    variable[85:] = np.nan
    few = sculpting("mass", variable, np.arange(100) > 76.5, background, draw_replicas(background, 10))
    assert few == Refused(reason="8 effective background events pass, fewer than 10")


def test_variables_are_of_the_level_1_jets() -> None:
    jets = [
        [
            {"pt": 50.0, "eta": 1.0, "phi": 0.0},
            {"pt": 40.0, "eta": -1.0, "phi": np.pi},
            {"pt": 20.0, "eta": 0, "phi": 0},
        ],
        [{"pt": 35.0, "eta": 0.0, "phi": 0.0}],
        [],
    ]
    events = ak.Array({"L1Jet": [*jets], "nPU": [3, 4, 5]})
    found = sculpting_variables(events)
    mass = np.sqrt(2 * 50 * 40 * (np.cosh(2.0) + 1))
    np.testing.assert_allclose(found["dijet mass"], [mass, np.nan, np.nan], rtol=1e-12)
    np.testing.assert_array_equal(found["HT"], [90.0, 35.0, 0.0])
    np.testing.assert_array_equal(found["pile-up"], [3.0, 4.0, 5.0])
    assert set(sculpting_variables(events[["L1Jet"]])) == {"dijet mass", "HT"}
