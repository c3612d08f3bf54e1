"""Towers of crossings: energies add up, symmetries and pulses are applied, noise is suppressed."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import mixing, overlay
from trigforge.sim.collisions.detector import N_ETA, N_PHI
from trigforge.sim.collisions.interactions import Interactions
from trigforge.sim.collisions.level1 import regions
from trigforge.sim.collisions.mixing import Crossings, PileUp, Pool, Span, Uses
from trigforge.sim.collisions.overlay import Pulse


def library(size: int, seed: int = 1) -> Interactions:
    """Interactions of three towers of a few GeV each, without muons, tracks and jets."""
    rng = np.random.default_rng(seed)
    empty, none = np.zeros(0, np.float32), np.zeros(size + 1, np.int64)
    em, had, neutral = (rng.uniform(2, 9, 3 * size).astype(np.float32) for _ in range(3))
    return Interactions(
        weight=np.ones(size),
        pt_hat=np.ones(size, np.float32),
        scale=np.ones(size, np.float32),
        vertex=np.ones(size, bool),
        tower_start=3 * np.arange(size + 1),
        tower=rng.integers(0, N_ETA * N_PHI, 3 * size).astype(np.uint16),
        em=em,
        had=had,
        neutral=neutral,
        muon_charge=np.zeros(0, np.int8),
        **{f"{kind}_start": none for kind in ("muon", "track", "jet")},
        **{f"{kind}_{name}": empty for kind in ("muon", "track", "jet") for name in ("pt", "eta", "phi")},
        jet_mass=empty,
    )


def uses(counts: list[int], index: list[int], turn: list[int], mirror: list[bool]) -> Uses:
    return Uses(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array(index, np.int32),
        np.array(turn, np.uint8),
        np.array(mirror, bool),
    )


def one_each(count: int) -> Uses:
    return uses([1] * count, [0] * count, [0] * count, [False] * count)


def test_the_energy_of_a_crossing_is_that_of_its_interactions() -> None:
    books = library(700)
    each = np.add.reduceat(books.em, books.tower_start[:-1])
    pile_up = PileUp(Pool(0, np.ones(500), 39.0), Pool(500, np.ones(200), 1.0))
    crossings = mixing.zero_bias(pile_up, Span(0, 200, 200), 0, np.random.default_rng(7))
    em, _ = overlay.overlay(crossings, books, (), np.random.default_rng(8))
    expected = np.bincount(crossings.now.owners(), each[crossings.now.index], len(crossings))
    lit = (em > 0).sum(axis=(1, 2))
    assert (np.abs(em.sum(axis=(1, 2)) - expected) < 5 * overlay.EM_NOISE_GEV * np.sqrt(lit + 1) + 1e-3).all()
    neutral = overlay.overlay_neutral(crossings.now, books).sum(axis=(1, 2))
    summed = np.add.reduceat(books.neutral, books.tower_start[:-1])
    assert_allclose(neutral, np.bincount(crossings.now.owners(), summed[crossings.now.index]), rtol=1e-5)


def test_turns_and_mirrors_move_towers() -> None:
    books = library(1)
    two = Crossings(np.ones(2), uses([1, 1], [0, 0], [0, 10], [False, True]), ())
    em, _ = overlay.overlay(two, books, (), np.random.default_rng(9))
    assert_array_equal(em[1] > 0, np.roll(em[0] > 0, 10, axis=1)[::-1])
    assert (em[0] > 0).sum() == 3


def test_a_pulse_adds_its_fraction_of_another_crossing() -> None:
    books, empty = library(1), uses([0] * 400, [], [], [])
    pulse = Pulse(offset=-1, em=0.5, had=0.25)
    late = Crossings(np.ones(400), empty, (one_each(400),))
    em, had = overlay.overlay(late, books, (pulse,), np.random.default_rng(10))
    assert_allclose(em.sum(axis=(1, 2)).mean(), 0.5 * books.em.sum(), rtol=0.01)
    assert_allclose(had.sum(axis=(1, 2)).mean(), 0.25 * books.had.sum(), rtol=0.02)


def test_an_undershoot_is_taken_away_and_never_negative() -> None:
    books = library(1)
    undershoot = Pulse(offset=-1, em=-0.5, had=-2.0)
    both = Crossings(np.ones(400), one_each(400), (one_each(400),))
    em, had = overlay.overlay(both, books, (undershoot,), np.random.default_rng(11))
    assert_allclose(em.sum(axis=(1, 2)).mean(), 0.5 * books.em.sum(), rtol=0.01)
    assert_array_equal(had, 0)


def test_towers_below_the_threshold_read_zero() -> None:
    books = library(1)
    books.em[:] = overlay.EM_SUPPRESSION_GEV - overlay.EM_NOISE_GEV
    books.had[:] = overlay.HAD_SUPPRESSION_GEV - 2 * overlay.HAD_NOISE_GEV
    em, had = overlay.overlay(Crossings(np.ones(500), one_each(500), ()), books, (), np.random.default_rng(10))
    assert em[em > 0].min() >= np.float32(overlay.EM_SUPPRESSION_GEV)
    assert had[had > 0].min() >= np.float32(overlay.HAD_SUPPRESSION_GEV)
    assert_allclose((em > 0).sum() / 1500, 0.159, atol=0.035)  # more than one standard deviation of noise
    assert_allclose((had > 0).sum() / 1500, 0.023, atol=0.014)  # more than two


def test_the_least_words_of_towers_are_one_count_and_two() -> None:
    em, had = np.zeros((2, 2, N_ETA, N_PHI), np.float32)
    em[0, 57, 0], had[1, 57, 0] = overlay.EM_SUPPRESSION_GEV, overlay.HAD_SUPPRESSION_GEV
    assert_array_equal(regions(em, had).sum(axis=1), [1, 2])
