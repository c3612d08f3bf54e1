"""Working points against counting by hand, and their errors against repeated experiments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.calibration.thresholds import threshold_for
from trigforge.errors import InputError
from trigforge.models.metrics import Background, Cut, Refused, Target, WorkingPoint, find_cut
from trigforge.models.metrics.points import draw_replicas, replica_cuts

SEEDS = st.integers(0, 2**32 - 1)


def sample(seed: int, n: int = 120, grouped: bool = False) -> tuple[np.ndarray, Background]:
    rng = np.random.default_rng(seed)
    weights = rng.choice([1.0, 0.25], n) * rng.uniform(0.9, 1.1, n)
    groups = rng.integers(0, n // 2, n) if grouped else None
    return rng.integers(-20, 40, n), Background(weights / weights.sum(), groups, rng.random(n) < 0.3)


def point(target: Target, fraction: float, background: Background) -> WorkingPoint:
    """The working point that keeps a fraction of all crossings."""
    rate = target is not Target.BACKGROUND_EFFICIENCY
    return WorkingPoint(target=target, value=fraction * (background.crossing_khz if rate else 1.0))


@given(SEEDS, st.sampled_from(Target), st.floats(0.01, 0.9), st.booleans())
def test_the_threshold_is_the_smallest_within_the_working_point(
    seed: int, target: Target, fraction: float, real: bool
) -> None:
    scores, background = sample(seed)
    scores = scores / 8 if real else scores
    cut = find_cut(scores, background, point(target, fraction, background), required=0)
    assert isinstance(cut, Cut)
    counted = np.where(background.others & (target is Target.PURE_RATE), 0, background.weights)

    def kept(threshold: float) -> float:
        return float(counted[scores >= threshold].sum())

    assert kept(cut.threshold) <= fraction + 1e-9
    lower = np.nextafter(cut.threshold, -np.inf) if real else cut.threshold - 1
    assert kept(lower) > fraction - 1e-9 or not (scores < cut.threshold).any()
    assert isinstance(cut.threshold, float if real else int)
    assert cut.rate_khz.value == pytest.approx(
        background.crossing_khz * background.weights[scores >= cut.threshold].sum()
    )


@given(SEEDS, st.floats(0.05, 0.9), st.booleans(), st.booleans())
def test_integer_thresholds_are_those_of_the_threshold_table(
    seed: int, fraction: float, pure: bool, grouped: bool
) -> None:
    scores, background = sample(seed, grouped=grouped)
    wanted = point(Target.PURE_RATE if pure else Target.TOTAL_RATE, fraction, background)
    row = threshold_for(
        scores,
        background.weights,
        wanted.value,
        others=background.others,
        groups=background.groups,
        min_effective_events=0,
        pure=pure,
    )
    cut = find_cut(scores, background, wanted, required=0)
    assert isinstance(cut, Cut)
    assert cut.threshold == row.threshold
    assert (cut.rate_khz.value, cut.rate_khz.error) == pytest.approx((row.rate_khz, row.rate_err_khz))
    assert cut.pure_rate_khz is not None
    assert (cut.pure_rate_khz.value, cut.pure_rate_khz.error) == pytest.approx(
        (row.pure_rate_khz, row.pure_rate_err_khz)
    )


@given(SEEDS, st.floats(0.002, 0.5), st.booleans(), st.booleans())
def test_a_replica_is_the_sample_with_its_groups_repeated(
    seed: int, fraction: float, grouped: bool, real: bool
) -> None:
    scores, background = sample(seed, 700, grouped)
    scores = scores + np.random.default_rng(seed).random(700) if real else scores
    points = [point(target, fraction, background) for target in Target]
    replicas = draw_replicas(background, 5, seed)
    found = replica_cuts(scores, background, points, replicas)
    assert found.shape == (3, 5)
    assert found.dtype == scores.dtype
    for r, counts in enumerate(replicas.counts):
        weights = background.weights * counts[replicas.of_event]
        for i, target in enumerate(Target):
            scale = weights.sum() if target is Target.BACKGROUND_EFFICIENCY else 1.0
            counted = np.where(background.others & (target is Target.PURE_RATE), 0, weights)
            assert counted[scores > found[i, r]].sum() <= fraction * scale + 1e-9
            assert counted[scores >= found[i, r]].sum() > fraction * scale - 1e-9 or found[i, r] < scores.min()


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("copies", [1, 4])
def test_the_error_of_a_threshold_covers_repeated_experiments(target: Target, copies: int) -> None:
    """The spread of the tail beyond the cut, an exponential's, over experiments is the bootstrap's on average."""
    rng = np.random.default_rng(11)
    values, errors = [], []
    for trial in range(150):
        scores = np.repeat(rng.exponential(1.0, 1500), copies)
        weights = np.repeat(rng.choice([1.0, 0.2], 1500), copies)
        total = weights.sum() if target is Target.BACKGROUND_EFFICIENCY else 900.0 * copies
        groups, others = np.repeat(np.arange(1500), copies), np.repeat(rng.random(1500) < 0.3, copies)
        background = Background(weights / total, groups, others)
        wanted = point(target, 0.05, background)
        cut = find_cut(scores, background, wanted)
        assert isinstance(cut, Cut)
        values.append(np.exp(-0.5 * cut.threshold))
        varied = replica_cuts(scores, background, [wanted], draw_replicas(background, 60, trial))[0]
        errors.append(np.exp(-0.5 * varied).std())
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_too_few_background_events_are_no_working_point() -> None:
    weights = np.full(1000, 1e-3)
    cut = find_cut(
        np.arange(1000), Background(weights), WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=9.5e-3)
    )
    assert cut == Refused(reason="9 effective background events pass, fewer than 10")
    copied = Background(weights, np.arange(1000) // 4)
    cut = find_cut(np.arange(1000), copied, WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=0.03))
    assert isinstance(cut, Refused)


def test_a_working_point_that_keeps_all_has_the_lowest_score_as_threshold() -> None:
    background = Background(np.full(100, 0.01))
    everything = WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=2.0)
    for scores in (np.arange(5, 105), np.linspace(0.5, 0.7, 100)):
        cut = find_cut(scores, background, everything)
        assert isinstance(cut, Cut)
        assert cut.threshold == scores[0]


def test_titles_say_what_is_kept() -> None:
    titles = [WorkingPoint(target=t, value=0.25).title for t in Target]
    assert titles == ["background efficiency 0.25", "0.25 kHz total", "0.25 kHz pure"]


def test_a_pure_rate_needs_the_other_seeds() -> None:
    background = Background(np.full(100, 0.01))
    with pytest.raises(InputError, match="a pure rate must have the decisions of the other seeds, others=, not None"):
        find_cut(np.arange(100), background, WorkingPoint(target=Target.PURE_RATE, value=1.0))
    with pytest.raises(InputError, match=r"groups must have shape \(100,\) as the weights, not \(3,\)"):
        Background(np.full(100, 0.01), np.arange(3))
    with pytest.raises(InputError, match="a pure rate must have the OR of the other seeds"):
        threshold_for(np.arange(100), background.weights, 1.0, pure=True)
