"""Crossings: the weights are unbiased, pieces make the whole, every kind of interaction comes as often as it should."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import mixing
from trigforge.sim.collisions.mixing import Crossings, PileUp, Pool, Span, Strata

SOFT, HARD, RARE = 500, 200, 60
SIZE = 60_000


def source(mean: float = 40.0, hard_fraction: float = 0.02, rare: float = 1e-4) -> PileUp:
    """Hard interactions whose weights span three decades, as a biased generation gives them, and one rare process."""
    weight, photons = np.logspace(0, -3, HARD), np.linspace(0.5, 1.5, RARE)
    return PileUp(
        soft=Pool(0, np.ones(SOFT), mean * (1 - hard_fraction)),
        hard=Pool(SOFT, weight / weight.mean(), mean * hard_fraction),
        rare=(Pool(SOFT + HARD, photons / photons.mean(), rare),),
    )


def whole(size: int) -> Span:
    return Span(0, size, size)


def kinds(crossings: Crossings) -> np.ndarray:
    """Numbers of soft, hard and rare interactions in each crossing."""
    kind = np.digitize(crossings.now.index, [SOFT, SOFT + HARD])
    return np.stack(
        [np.bincount(crossings.now.owners()[kind == k], minlength=len(crossings)) for k in range(3)], axis=1
    )


def hard_of(crossings: Crossings, crossing: int) -> np.ndarray:
    uses = crossings.now.index[crossings.now.start[crossing] : crossings.now.start[crossing + 1]]
    return uses[(uses >= SOFT) & (uses < SOFT + HARD)] - SOFT


@pytest.mark.parametrize("mean", [5.0, 40.0, 120.0])
def test_enhanced_weights_sum_to_one_and_the_mean_number_is_that_of_poisson(mean: float) -> None:
    crossings = mixing.enhanced_bias(source(mean), whole(SIZE), 0, np.random.default_rng(1))
    error = np.sqrt((crossings.weight**2).sum())
    number = kinds(crossings)[:, :2].sum(axis=1)
    assert_allclose(crossings.weight.sum(), 1.0, atol=4 * error)
    assert_allclose((crossings.weight * number).sum(), mean, atol=4 * error * mean)
    assert_allclose((crossings.weight * number**2).sum(), mean**2 + mean, rtol=0.05)


def test_enhanced_weights_give_the_hard_spectrum_in_every_stratum() -> None:
    pile_up = source(rare=0.0)
    mean = pile_up.hard.mean
    crossings = mixing.enhanced_bias(pile_up, whole(SIZE), 0, np.random.default_rng(2))
    hard = [hard_of(crossings, i) for i in range(len(crossings))]
    number = np.array([len(h) for h in hard])
    poisson = np.exp(-mean) * mean ** np.arange(4) / np.array([1, 1, 2, 6])
    for k in range(4):
        assert_allclose(crossings.weight[number == k].sum(), poisson[k], rtol=0.05)
    # the hardest of the interactions lies in the tail of 20 library events of smallest weight
    tail = np.array([len(h) > 0 and h.max() >= HARD - 20 for h in hard])
    probability = pile_up.hard.weight[-20:].sum() / HARD
    for k in (1, 2, 3):
        found = crossings.weight[tail & (number == k) & (crossings.weight > 0)]
        expected = poisson[k] * (1 - (1 - probability) ** k)
        assert_allclose(found.sum(), expected, atol=4 * np.sqrt((found**2).sum()))
        assert len(found) > 100


def test_a_rare_process_comes_as_often_as_its_cross_section_says() -> None:
    pile_up = source()
    crossings = mixing.enhanced_bias(pile_up, whole(SIZE), 0, np.random.default_rng(3))
    rare = kinds(crossings)[:, 2]
    assert set(rare) == {0, 1}
    assert_allclose(rare.mean(), 0.1, atol=1e-3)
    assert_allclose(crossings.weight[rare == 1].sum(), 1e-4, rtol=0.01)
    place = crossings.now.index[crossings.now.index >= SOFT + HARD] - SOFT - HARD
    counts = np.bincount(place, crossings.weight[rare == 1][np.argsort(np.flatnonzero(rare))], RARE)
    assert_allclose(counts / counts.sum(), pile_up.rare[0].weight / RARE, rtol=0.02)


def test_no_crossing_outweighs_its_hardest_interaction() -> None:
    pile_up = source()
    strata = Strata()
    crossings = mixing.enhanced_bias(pile_up, whole(20_000), 0, np.random.default_rng(4), strata)
    mean = pile_up.hard.mean
    for i in np.flatnonzero((kinds(crossings)[:, 1] > 1) & (kinds(crossings)[:, 2] == 0))[:2000]:
        hard = hard_of(crossings, i)
        scale = crossings.weight[i] / pile_up.hard.weight[hard].min()
        assert scale <= len(hard) * (1 - np.exp(-mean) * (1 + mean)) / (20_000 * strata.more) * (1 + 1e-9)


def test_single_hard_interactions_are_used_equally_often() -> None:
    crossings = mixing.enhanced_bias(source(), whole(4000), 0, np.random.default_rng(5))
    number = kinds(crossings)
    single = [hard_of(crossings, i)[0] for i in np.flatnonzero((number[:, 1] == 1) & (number[:, 2] == 0))]
    assert np.ptp(np.bincount(single, minlength=HARD)) <= 1


def test_natural_crossings_are_poisson() -> None:
    crossings = mixing.zero_bias(source(rare=0.01), whole(SIZE), 0, np.random.default_rng(6))
    number = kinds(crossings)
    assert_array_equal(crossings.weight, 1 / SIZE)
    for kind, mean in enumerate((39.2, 0.8, 0.01)):
        assert_allclose(number[:, kind].mean(), mean, atol=4 * np.sqrt(mean / SIZE))
        assert_allclose(number[:, kind].var(), mean, rtol=0.15)
    used = np.bincount(crossings.now.index[(crossings.now.index >= SOFT) & (crossings.now.index < SOFT + HARD)] - SOFT)
    weight = source().hard.weight
    assert_allclose(used[:20].sum() / used.sum(), weight[:20].sum() / weight.sum(), rtol=0.03)


def test_a_signal_crossing_holds_one_signal_and_poisson_pile_up() -> None:
    primary = Pool(SOFT + HARD + RARE, np.repeat([0.5, 1.5], 25), 0.0)
    crossings = mixing.signal(source(), primary, whole(20_000), 0, np.random.default_rng(7))
    chosen = crossings.now.index >= primary.first
    assert_array_equal(np.bincount(crossings.now.owners()[chosen]), 1)
    assert_array_equal(np.bincount(crossings.now.index[chosen] - primary.first), 400)
    assert_allclose(np.diff(crossings.now.start).mean() - 1, 40.0, atol=0.2)
    assert_allclose(crossings.weight.sum(), 1.0)
    assert_allclose(crossings.weight, primary.weight[crossings.now.index[chosen] - primary.first] / 20_000)


def test_pulses_of_other_crossings_come_from_pile_up_of_the_same_mean() -> None:
    crossings = mixing.zero_bias(source(), whole(20_000), 2, np.random.default_rng(8))
    assert len(crossings.spill) == 2
    for uses in crossings.spill:
        assert_allclose(np.diff(uses.start).mean(), 40.0, atol=0.2)
        assert not np.array_equal(uses.index[:100], crossings.now.index[:100])


def test_no_pile_up_is_possible_for_a_signal() -> None:
    nothing = Pool(0, np.zeros(0), 0.0)
    crossings = mixing.signal(PileUp(nothing, nothing), Pool(0, np.ones(3), 0.0), whole(6), 1, np.random.default_rng(9))
    assert_array_equal(crossings.now.index, [0, 1, 2, 0, 1, 2])
    assert_array_equal(crossings.spill[0].start, 0)


@given(st.integers(1, 5000), st.lists(st.integers(0, 5000), max_size=5))
def test_pieces_have_the_strata_of_the_whole(total: int, cuts: list[int]) -> None:
    shares = np.array([0.25, 0.45, 0.2, 0.05, 0.05])
    stratum, number, sizes = mixing._stratify(shares, Span(0, total, total))
    assert_array_equal(np.bincount(stratum, minlength=5), sizes)
    for k in range(5):
        assert_array_equal(number[stratum == k], np.arange(sizes[k]))
    edges = sorted({0, total, *(c for c in cuts if c < total)})
    parts = [mixing._stratify(shares, Span(a, b, total)) for a, b in pairwise(edges)]
    assert_array_equal(np.concatenate([p[0] for p in parts]), stratum)
    assert_array_equal(np.concatenate([p[1] for p in parts]), number)
    assert_allclose(sizes, shares * total, atol=3)


def test_parts_are_the_whole() -> None:
    crossings = mixing.zero_bias(source(), whole(100), 1, np.random.default_rng(10))
    parts = [crossings.part(0, 30), crossings.part(30, 100)]
    assert_array_equal(np.concatenate([p.weight for p in parts]), crossings.weight)
    for pick in (lambda c: c.now, lambda c: c.spill[0]):
        assert_array_equal(np.concatenate([pick(p).index for p in parts]), pick(crossings).index)
        assert_array_equal(np.diff(pick(parts[1]).start), np.diff(pick(crossings).start)[30:])
