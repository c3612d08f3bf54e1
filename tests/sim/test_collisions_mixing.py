"""Crossings: the weights are unbiased, the towers add up, the symmetries are applied."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import mixing
from trigforge.sim.collisions.detector import N_ETA, N_PHI
from trigforge.sim.collisions.interactions import Interactions, concatenate, ragged_take
from trigforge.sim.collisions.mixing import Crossings, PileUp

SOFT, HARD = 500, 200


def source(mean: float = 40.0, hard_fraction: float = 0.02) -> PileUp:
    """Hard interactions whose weights span three decades, as a biased generation gives them."""
    weight = np.logspace(0, -3, HARD)
    return PileUp(SOFT, weight / weight.mean(), mean, hard_fraction)


def library(size: int, seed: int = 1) -> Interactions:
    """Interactions of three towers of a few GeV each, without muons and jets."""
    rng = np.random.default_rng(seed)
    empty, none = np.zeros(0, np.float32), np.zeros(size + 1, np.int64)
    energies = [rng.uniform(2, 9, 3 * size).astype(np.float32) for _ in range(2)]
    cells = rng.integers(0, N_ETA * N_PHI, 3 * size).astype(np.uint16)
    weight, pt_hat = np.ones(size), np.ones(size, np.float32)
    start = 3 * np.arange(size + 1)
    return Interactions(weight, pt_hat, start, cells, *energies, none, *[empty] * 3, none, *[empty] * 4)


def hard_of(crossings: Crossings, crossing: int) -> np.ndarray:
    uses = crossings.index[crossings.start[crossing] : crossings.start[crossing + 1]]
    return uses[uses >= SOFT] - SOFT


@pytest.mark.parametrize("mean", [5.0, 40.0, 80.0])
def test_weights_sum_to_one_and_the_mean_number_is_that_of_poisson(mean: float) -> None:
    crossings = mixing.background(source(mean), 60_000, np.random.default_rng(1))
    error = np.sqrt((crossings.weight**2).sum())
    number = np.diff(crossings.start)
    assert_allclose(crossings.weight.sum(), 1.0, atol=4 * error)
    assert_allclose((crossings.weight * number).sum(), mean, atol=4 * error * mean)
    assert_allclose((crossings.weight * number**2).sum(), mean**2 + mean, rtol=0.05)


def test_weights_give_the_hard_spectrum_in_every_stratum() -> None:
    pile_up = source()
    crossings = mixing.background(pile_up, 60_000, np.random.default_rng(2))
    hard = [hard_of(crossings, i) for i in range(len(crossings))]
    number = np.array([len(h) for h in hard])
    poisson = np.exp(-pile_up.mean_hard) * pile_up.mean_hard ** np.arange(4) / np.array([1, 1, 2, 6])
    for k in range(4):
        assert_allclose(crossings.weight[number == k].sum(), poisson[k], rtol=0.05)
    # the hardest of the interactions lies in the tail of 20 library events of smallest weight
    tail = np.array([len(h) > 0 and h.max() >= HARD - 20 for h in hard])
    probability = pile_up.hard_weight[-20:].sum() / HARD
    for k in (1, 2, 3):
        found = crossings.weight[tail & (number == k)]
        expected = poisson[k] * (1 - (1 - probability) ** k)
        assert_allclose(found.sum(), expected, atol=4 * np.sqrt((found**2).sum()))
        assert len(found) > 100


def test_no_crossing_outweighs_its_hardest_interaction() -> None:
    pile_up = source()
    crossings = mixing.background(pile_up, 20_000, np.random.default_rng(3))
    for i in range(2000):
        hard = hard_of(crossings, i)
        if len(hard) > 1:
            scale = crossings.weight[i] / pile_up.hard_weight[hard].min()
            assert scale <= len(hard) * (1 - np.exp(-0.8) * 1.8) / 4000 * (1 + 1e-9)


def test_single_hard_interactions_are_used_equally_often() -> None:
    crossings = mixing.background(source(), 4000, np.random.default_rng(4))
    single = [h[0] for h in (hard_of(crossings, i) for i in range(len(crossings))) if len(h) == 1]
    assert np.ptp(np.bincount(single, minlength=HARD)) <= 1


def test_a_signal_crossing_holds_one_signal_and_poisson_pile_up() -> None:
    crossings = mixing.signal(source(), SOFT + HARD, SOFT + HARD + 50, 20_000, np.random.default_rng(5))
    signals = crossings.index >= SOFT + HARD
    assert_array_equal(np.bincount(crossings.owners()[signals]), 1)
    assert_array_equal(np.bincount(crossings.index[signals] - SOFT - HARD), 400)
    assert_allclose(np.diff(crossings.start).mean() - 1, 40.0, atol=0.2)
    assert_allclose(crossings.weight.sum(), 1.0)


def test_parts_are_the_whole() -> None:
    crossings = mixing.background(source(), 100, np.random.default_rng(6))
    parts = [crossings.part(0, 30), crossings.part(30, 100)]
    assert_array_equal(np.concatenate([p.index for p in parts]), crossings.index)
    assert_array_equal(np.concatenate([p.weight for p in parts]), crossings.weight)
    assert_array_equal(np.diff(parts[1].start), np.diff(crossings.start)[30:])


def test_the_energy_of_a_crossing_is_that_of_its_interactions() -> None:
    books = library(SOFT + HARD)
    each = np.add.reduceat(books.em, books.tower_start[:-1])
    for mean in (10.0, 80.0):
        crossings = mixing.background(source(mean), 200, np.random.default_rng(7))
        em, _ = mixing.overlay(crossings, books, np.random.default_rng(8))
        expected = np.bincount(crossings.owners(), each[crossings.index], len(crossings))
        lit = (em > 0).sum(axis=(1, 2))
        assert (np.abs(em.sum(axis=(1, 2)) - expected) < 5 * mixing.EM_NOISE_GEV * np.sqrt(lit + 1) + 1e-3).all()
        assert_allclose(em.sum() / crossings.start[-1], each.mean(), rtol=0.03)


def test_turns_and_mirrors_move_towers() -> None:
    books = library(1)
    two = Crossings(
        np.ones(2), np.array([0, 1, 2]), np.zeros(2, np.int32), np.array([0, 10], np.uint8), np.array([False, True])
    )
    em, _ = mixing.overlay(two, books, np.random.default_rng(9))
    moved = np.roll(em[0] > 0, 10, axis=1)[::-1]
    assert_array_equal(em[1] > 0, moved)
    assert (em[0] > 0).sum() == 3


def test_towers_below_the_threshold_read_zero() -> None:
    books = library(1)
    books.em[:] = 1e-3
    one = Crossings(np.ones(500), np.arange(501), np.zeros(500, np.int32), np.zeros(500, np.uint8), np.zeros(500, bool))
    em, _ = mixing.overlay(one, books, np.random.default_rng(10))
    assert em[em > 0].min() >= np.float32(mixing.EM_SUPPRESSION_GEV)
    assert_allclose((em > 0).sum() / 1500, 0.023, atol=0.012)  # two standard deviations of noise


def test_concatenation_and_ragged_take() -> None:
    both = concatenate([library(2, 1), library(3, 2)])
    assert_array_equal(both.tower_start, 3 * np.arange(6))
    place, counts = ragged_take(np.array([0, 2, 2, 5]), np.array([2, 1, 0]))
    assert_array_equal(place, [2, 3, 4, 0, 1])
    assert_array_equal(counts, [3, 0, 2])


def test_a_saved_library_is_the_same(tmp_path) -> None:
    books = library(4)
    books.save(tmp_path)
    loaded = Interactions.load(tmp_path)
    assert_array_equal(loaded.tower, books.tower)
    assert_array_equal(loaded.em, books.em)
