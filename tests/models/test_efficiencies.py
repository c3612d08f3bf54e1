"""Efficiencies, pure and with the menu, and the correlated errors of two scores on the same events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import InputError
from trigforge.models.metrics import Background, Efficiency, Gain, Measured, Refused, Signal, Target, WorkingPoint
from trigforge.models.metrics.efficiencies import Passing, mean_ratio, measure_efficiency, passing
from trigforge.models.metrics.points import draw_replicas

TENTH = WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=0.1)


def passed(
    background: np.ndarray, signals: dict[str, np.ndarray], sample: Background, of: dict[str, Signal]
) -> Passing:
    found = passing(background, signals, sample, of, [TENTH], draw_replicas(sample, 80))[0]
    assert isinstance(found, Passing)
    return found


@given(st.integers(0, 2**32 - 1))
def test_the_gains_are_counts_of_the_same_events(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sample = Background(np.full(400, 1 / 400))
    background, signal, others = rng.integers(0, 90, 400), rng.integers(30, 120, 300), rng.random(300) < 0.4
    of = {"x": Signal(300, None, others)}
    found = passed(background, {"x": signal}, sample, of)
    above = signal >= found.cut.threshold
    expected = {Gain.PLAIN: above, Gain.PURE: above & ~others, Gain.MENU: above | others}
    for gain, events in expected.items():
        np.testing.assert_array_equal(found.signals["x"][gain][0], events)
        efficiency = measure_efficiency(found.signals["x"][gain], of["x"], None)
        assert efficiency.value == np.count_nonzero(events) / 300
        assert efficiency.error == np.hypot(efficiency.signal_error, efficiency.threshold_error)
    pure, menu = found.signals["x"][Gain.PURE][1], found.signals["x"][Gain.MENU][1]
    np.testing.assert_array_equal(np.rint(300 * (menu - pure)), np.count_nonzero(others))


def experiment(rng: np.random.Generator, copies: int) -> tuple[list[Passing], dict[str, Signal]]:
    """Two noisy views of the same background and signals; every crossing of both occurs `copies` times."""
    truth = {"background": rng.exponential(1.0, 1200), "x": rng.exponential(2.0, 800), "y": rng.exponential(3.0, 800)}
    weights = np.repeat(rng.choice([1.0, 0.3], 1200), copies)
    sample = Background(weights / weights.sum(), np.repeat(np.arange(1200), copies))
    of = {n: Signal(800 * copies, np.repeat(np.arange(800), copies)) for n in ("x", "y")}
    views = []
    for _ in range(2):
        scores = {n: np.repeat(v + rng.normal(0, 0.2, len(v)), copies) for n, v in truth.items()}
        views.append(passed(scores.pop("background"), scores, sample, of))
    return views, of


@pytest.mark.parametrize("copies", [1, 3])
def test_errors_cover_repeated_experiments(copies: int) -> None:
    rng = np.random.default_rng(5)
    own, leads, ratios, means = [], [], [], []
    for _ in range(160):
        views, of = experiment(rng, copies)
        a, b = (v.signals["x"][Gain.PLAIN] for v in views)
        compared = measure_efficiency(b, of["x"], a)
        assert isinstance(compared.ratio, Measured)
        assert compared.lead is not None
        own.append((compared.value, compared.error))
        leads.append((compared.lead.value, compared.lead.error))
        ratios.append((compared.ratio.value, compared.ratio.error))
        first, second = ({n: s[Gain.PLAIN] for n, s in v.signals.items()} for v in views)
        mean = mean_ratio(first, second, of)
        assert isinstance(mean, Measured)
        means.append((mean.value, mean.error))
    for pairs in (own, leads, ratios, means):
        values, errors = np.array(pairs).T
        assert errors.mean() == pytest.approx(values.std(), rel=0.17)
    assert np.mean([e for _, e in leads]) < 0.6 * np.mean([e for _, e in own])
    assert np.mean([v for v, _ in means]) == pytest.approx(1.0, abs=0.01)


def test_the_same_score_is_level_with_itself() -> None:
    rng = np.random.default_rng(6)
    sample, of = Background(np.full(500, 1 / 500)), {"x": Signal(1000)}
    found = passed(rng.normal(0, 1, 500), {"x": rng.normal(1, 1, 1000)}, sample, of)
    again = measure_efficiency(found.signals["x"][Gain.PLAIN], of["x"], found.signals["x"][Gain.PLAIN])
    assert again.lead is not None
    assert again.lead.value == 0
    assert 0 < again.lead.error < 1.5e-3
    assert isinstance(again.ratio, Measured)
    assert again.ratio.value == 1


def test_a_ratio_to_almost_nothing_is_refused() -> None:
    few, many = (np.arange(100) < 9, np.zeros(10)), (np.arange(100) < 50, np.zeros(10))
    found = measure_efficiency(few, Signal(100), many)
    assert found.ratio == Refused(reason="9 effective signal events pass the other score, fewer than 10")
    mean = mean_ratio({"x": many}, {"x": few}, {"x": Signal(100)})
    assert mean == Refused(reason="fewer than 10 events of x pass the other score")


def test_nothing_passing_still_has_an_error() -> None:
    found = measure_efficiency((np.zeros(100, bool), np.zeros(10)), Signal(100), None)
    assert found == Efficiency(value=0, signal_error=found.signal_error, threshold_error=0)
    assert 0 < found.signal_error < 0.01


def test_a_signal_must_be_whole() -> None:
    with pytest.raises(InputError, match=r"others must have shape \(10,\), not \(3,\)"):
        Signal(10, None, np.ones(3, bool))
    assert Signal(10).gains == (Gain.PLAIN,)


def test_copies_of_a_signal_event_count_once() -> None:
    rng, fixed = np.random.default_rng(7), np.zeros(10)
    a, b = rng.random(2000) < 0.5, rng.random(2000) < 0.4
    once = measure_efficiency((b, fixed), Signal(2000), (a, fixed))
    copies = (np.repeat(b, 4), fixed), Signal(8000, np.repeat(np.arange(2000), 4)), (np.repeat(a, 4), fixed)
    told = measure_efficiency(*copies)
    for found, expected in ((told.lead, once.lead), (told.ratio, once.ratio)):
        assert isinstance(found, Measured)
        assert isinstance(expected, Measured)
        assert found.error == pytest.approx(expected.error, rel=0.01)
    assert told.signal_error == pytest.approx(once.signal_error, rel=0.01)
