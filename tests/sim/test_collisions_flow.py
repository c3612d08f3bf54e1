"""Single particles offline: which are tracks, and what of the others the calorimeter adds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import detector, flow
from trigforge.sim.collisions.detector import Particles


def particles(pid: int, pt: float, eta: float, copies: int = 1) -> Particles:
    ones = np.ones(copies)
    return Particles(
        np.arange(copies), np.full(copies, pid), pt * ones, eta * ones, 1.0 * ones, pt * np.cosh(eta) * ones
    )


def together(*parts: Particles) -> Particles:
    """Particles of the same interactions, one after the other."""
    return Particles(*(np.concatenate([getattr(p, name) for p in parts]) for name in Particles.__slots__))


def neutral(seen: Particles, found: np.ndarray, seed: int) -> np.ndarray:
    return flow.neutral(detector.hits(seen, np.random.default_rng(seed)), found)


@pytest.mark.parametrize(
    ("pid", "pt", "eta"),
    [(22, 5.0, 0.0), (130, 5.0, 0.0), (211, 0.49, 0.0), (211, 5.0, 2.51), (-211, 5.0, -2.51)],
)
def test_neutral_soft_and_forward_particles_are_no_tracks(pid: int, pt: float, eta: float) -> None:
    assert not flow.tracked(particles(pid, pt, eta, 100), np.random.default_rng(1)).any()


@pytest.mark.parametrize(
    ("pid", "pt", "eta", "efficiency"),
    [(211, 20.0, 0.0, 0.94), (-11, 20.0, -2.0, 0.88), (-2212, 0.7, 1.0, 0.94 * (1 - 0.3 / np.e))],
)
def test_tracks_are_found_by_chance(pid: int, pt: float, eta: float, efficiency: float) -> None:
    found = flow.tracked(particles(pid, pt, eta, 20_000), np.random.default_rng(2))
    assert_allclose(found.mean(), efficiency, atol=4 * np.sqrt(efficiency * (1 - efficiency) / 20_000))


def test_tracks_have_the_resolution_of_the_tracker_and_leave_muons_out() -> None:
    rng = np.random.default_rng(3)
    for pt, eta, sigma in ((10.0, 0.3, np.hypot(0.0015, 0.01)), (400.0, -2.2, np.hypot(0.16, 0.02))):
        tracks = flow.tracks(particles(-211, pt, eta, 20_000), rng)
        assert_allclose([tracks.pt.mean(), tracks.pt.std()], [pt, pt * sigma], rtol=0.03)
        assert_allclose(tracks.energy, tracks.pt * np.cosh(eta))
        assert_array_equal(tracks.eta, eta)
    assert len(flow.tracks(particles(13, 10.0, 0.0, 10), rng).pt) == 0
    assert flow.tracks(particles(211, 0.505, 0.0, 1000), rng).pt.min() > flow.TRACK_PT_MIN_GEV


@pytest.mark.parametrize(
    ("pid", "sigma"), [(22, np.hypot(0.03 / 10, 0.01)), (2112, np.sqrt(0.01 + 0.05**2 + detector.HAD_UNIFORMITY**2))]
)
def test_what_leaves_no_track_is_measured_with_the_offline_resolution(pid: int, sigma: float) -> None:
    lone = neutral(particles(pid, 100.0, 0.01, 20_000), np.zeros(20_000, bool), 4)
    assert_allclose([lone.mean(), lone.std()], [100.0, 100.0 * sigma], rtol=0.03)


def test_muons_and_tracks_leave_nothing_and_missed_tracks_all() -> None:
    assert_array_equal(neutral(particles(13, 20.0, 1.0, 10), np.zeros(10, bool), 5), 0)
    assert_array_equal(neutral(particles(11, 20.0, 1.0, 10), np.ones(10, bool), 5), 0)
    missed = neutral(particles(211, 20.0, 1.0, 5000), np.zeros(5000, bool), 5)
    assert_allclose(missed.mean(), 20.0, rtol=0.02)
    tracks = neutral(particles(211, 20.0, 1.0, 5000), np.ones(5000, bool), 5)
    assert 0.02 < (tracks > 0).mean() < 0.12  # beyond 1.5 standard deviations
    assert tracks.mean() < 1.0


def test_a_neutral_hadron_behind_a_track_is_seen_only_if_it_stands_out() -> None:
    count = 4000
    found = np.arange(2 * count) < count
    for pt, low, high in ((1.0, 0.0, 0.25), (40.0, 0.99, 1.0)):
        both = together(particles(310, 20.0, 1.0, count), particles(130, pt, 1.0, count))
        share = (neutral(both, found, 6) > 0).mean()
        assert low <= share <= high
    photon = together(particles(310, 20.0, 1.0, count), particles(22, 1.0, 1.0, count))
    assert (neutral(photon, found, 6) > 0.5).all()


def test_trigger_and_offline_see_the_same_shower() -> None:
    rng = np.random.default_rng(7)
    hits = detector.hits(particles(2112, 50.0, 1.0, 4000), rng)
    offline, (em, had) = flow.neutral(hits, np.zeros(4000, bool)), detector.towers(hits, rng)
    late = em < 1.0  # the shower is in the hadronic calorimeter alone
    assert np.corrcoef(offline[late], had[late])[0, 1] > 0.6


def test_vertices_need_two_tracks_and_are_nearly_certain_with_many() -> None:
    rng = np.random.default_rng(8)
    for tracks, efficiency in ((0, 0.0), (1, 0.0), (2, 0.5), (3, 0.8), (6, 0.98), (200, 0.98)):
        found = flow.has_vertex(np.full(20_000, tracks), rng)
        assert_allclose(found.mean(), efficiency, atol=4 * np.sqrt(efficiency * (1 - efficiency) / 20_000))
