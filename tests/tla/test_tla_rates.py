"""Rate identities, and both schools of prescaling against each other and against enumeration."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from toy_events import toy_events, toy_scores

from trigforge.errors import InputError
from trigforge.tla.menu import Menu, Seed, decide, default_menu
from trigforge.tla.prescale import acceptance, counting_prescale
from trigforge.tla.rates import RateTable, any_accepted, measure_rates, other_seeds, tabulate_rates
from trigforge.units import crossing_rate_hz

HZ = crossing_rate_hz(2544)


def menu_of(prescales: list[float]) -> Menu:
    return Menu(name="m", seeds=tuple(Seed(name=f"S{i}", score=0, prescale=p) for i, p in enumerate(prescales)))


def sample(seeds: int, events: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.exponential(1, events)
    return {f"S{i}": rng.random(events) < 0.4 for i in range(seeds)}, weights / weights.sum()


prescales = st.lists(st.one_of(st.just(0.0), st.just(1.0), st.floats(1, 20)), min_size=1, max_size=4)
seeds = st.integers(0, 2**32 - 1)


@given(prescales, seeds)
def test_rates_equal_enumeration_of_all_outcomes(values: list[float], seed: int) -> None:
    decisions, weights = sample(len(values), 12, seed)
    table = tabulate_rates(menu_of(values), decisions, weights)
    union, pure, shared = 0.0, np.zeros(len(values)), np.zeros(len(values))
    for event, weight in enumerate(weights):
        p = [decisions[f"S{i}"][event] / v if v else 0.0 for i, v in enumerate(values)]
        for outcome in product((0, 1), repeat=len(p)):
            chance = weight * np.prod([q if o else 1 - q for o, q in zip(outcome, p, strict=True)])
            union += chance * any(outcome)
            for i in np.flatnonzero(outcome):
                shared[i] += chance / sum(outcome)
                pure[i] += chance * (sum(outcome) == 1)
    assert table.or_hz == pytest.approx(HZ * union)
    assert [s.pure_hz for s in table.seeds] == pytest.approx(HZ * pure)
    assert [s.proportional_hz for s in table.seeds] == pytest.approx(HZ * shared)


@given(prescales, seeds)
def test_identities(values: list[float], seed: int) -> None:
    decisions, weights = sample(len(values), 50, seed)
    table = tabulate_rates(menu_of(values), decisions, weights)
    assert sum(s.proportional_hz for s in table.seeds) == pytest.approx(table.or_hz)
    for i, s in enumerate(table.seeds):
        tiny = 1e-9 * HZ
        assert s.pure_hz <= s.proportional_hz + tiny <= s.total_hz + 2 * tiny <= s.raw_hz + 3 * tiny
        assert s.total_hz <= table.or_hz + tiny
        assert s.total_hz == pytest.approx(s.raw_hz / s.prescale if s.prescale else 0)
        assert table.overlap_hz[i][i] == pytest.approx(s.total_hz)
        without = menu_of([0.0 if j == i else v for j, v in enumerate(values)])
        assert table.or_hz - tabulate_rates(without, decisions, weights).or_hz == pytest.approx(s.pure_hz, abs=tiny)
    assert_array_equal(np.array(table.overlap_hz), np.array(table.overlap_hz).T)


@given(seeds)
def test_without_prescales_the_or_is_the_plain_or_with_its_error(seed: int) -> None:
    decisions, weights = sample(3, 50, seed)
    table = tabulate_rates(menu_of([1, 1, 1]), decisions, weights)
    accepted = np.any(list(decisions.values()), axis=0)
    assert table.or_hz == pytest.approx(HZ * weights[accepted].sum())
    assert table.or_err_hz == pytest.approx(HZ * np.sqrt(np.sum(weights[accepted] ** 2)))
    assert_array_equal(any_accepted(menu_of([1, 1, 1]), decisions, ("S0", "S1", "S2")) == 1, accepted)


@given(st.lists(st.booleans(), max_size=300), st.one_of(st.just(0.0), st.floats(1, 40)), st.integers(1, 1000))
def test_the_counter_is_the_hardware_one(fired: list[bool], prescale: float, precision: int) -> None:
    counter, expected = 0, []
    for f in fired:
        counter += precision * f
        accept = bool(f and prescale and counter >= round(prescale * precision))
        counter -= round(prescale * precision) * accept
        expected.append(accept)
    assert_array_equal(counting_prescale(np.array(fired, dtype=bool), prescale, precision), expected)


@given(st.floats(1, 40).map(lambda p: round(p, 2)), seeds)
def test_counting_and_weighting_agree_within_one_event(prescale: float, seed: int) -> None:
    fired = np.random.default_rng(seed).random(5000) < 0.3
    assert abs(counting_prescale(fired, prescale).sum() - acceptance(fired, prescale).sum()) <= 1


def test_counting_of_two_seeds_agrees_with_the_weighted_or() -> None:
    rng = np.random.default_rng(5)
    decisions = {"S0": rng.random(200_000) < 0.2, "S1": rng.random(200_000) < 0.1}
    table = tabulate_rates(menu_of([3.5, 2.0]), decisions, np.full(200_000, 1 / 200_000))
    counted = counting_prescale(decisions["S0"], 3.5) | counting_prescale(decisions["S1"], 2.0)
    assert abs(HZ * counted.mean() - table.or_hz) < 4 * HZ * np.sqrt(counted.sum()) / 200_000


def test_the_default_menu_on_toy_events(tmp_path: Path) -> None:
    events, scores = toy_events(20_000), toy_scores(20_000)
    menu = default_menu().with_thresholds({"nominal": 4000})
    table = measure_rates(menu, events, scores)
    weights = np.asarray(events["weight"])
    assert table.seed("L1_Anomaly").raw_hz == pytest.approx(HZ * weights[scores >= 4000].sum())
    assert 0 < table.seed("L1_SingleJet180").raw_err_hz < 0.1 * table.seed("L1_SingleJet180").raw_hz
    table.save(tmp_path / "rates.json")
    assert RateTable.load(tmp_path / "rates.json") == table


def test_a_menu_above_the_cap_says_so() -> None:
    decisions = {"S0": np.arange(1000) < 100}
    table = tabulate_rates(menu_of([1]), decisions, np.full(1000, 1e-3))
    assert table.exceeds_cap
    assert table.notes[0].startswith("the menu accepts 2860.9 ± 286.1 kHz, above the Level-1 cap of 100 kHz")
    assert tabulate_rates(menu_of([100]), decisions, np.full(1000, 1e-3)).notes == ()


def test_the_other_seeds_exclude_those_that_are_off() -> None:
    decisions = {"S0": np.array([True, False]), "S1": np.array([False, True]), "S2": np.array([True, True])}
    assert other_seeds(menu_of([1, 1, 0]), decisions, "S0").tolist() == [False, True]
    assert other_seeds(menu_of([1]), decisions, "S0").tolist() == [False, False]


def test_decisions_are_not_rounded_to_events() -> None:
    assert decide(menu_of([5]), toy_events(10), np.zeros(10, dtype=np.int64))["S0"].all()


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"prescale must be 0 \(off\) or at least 1, not 0\.3"):
        counting_prescale(np.array([True]), 0.3)
    table = tabulate_rates(menu_of([1]), {"S0": np.array([True])}, [1.0])
    with pytest.raises(InputError, match=r"seed must be one of S0, not 'S9'"):
        table.seed("S9")
