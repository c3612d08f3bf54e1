"""Single particles in the detector: the tower they hit, what they leave, what is lost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import detector
from trigforge.sim.collisions.detector import Particles


def particles(pid: int, pt: float, eta: float, phi: float, copies: int = 1) -> Particles:
    ones = np.ones(copies)
    return Particles(
        np.arange(copies), np.full(copies, pid), pt * ones, eta * ones, phi * ones, pt * np.cosh(eta) * ones
    )


def towers(seen: Particles, rng: np.random.Generator) -> detector.Towers:
    """Towers when the tracker finds nothing."""
    return detector.towers(seen, np.zeros(len(seen.pt), bool), rng)


@pytest.mark.parametrize("eta", [-4.95, -1.0, -0.01, 0.01, 2.2, 4.95])
@pytest.mark.parametrize("phi", [-3.1, -0.01, 0.01, 3.1])
def test_a_photon_lights_the_tower_it_points_to(eta: float, phi: float) -> None:
    lit = towers(particles(22, 50.0, eta, phi), np.random.default_rng(1))
    assert_array_equal(lit.cell // detector.N_PHI, np.floor(eta / detector.TOWER_ETA) + detector.ETA_HALF)
    assert_array_equal(lit.cell % detector.N_PHI, np.floor(phi / detector.TOWER_PHI) % detector.N_PHI)
    assert lit.had[0] == 0
    assert lit.em[0] > 10


def test_the_mean_response_is_one_for_photons_and_lower_for_soft_hadrons() -> None:
    rng = np.random.default_rng(2)
    photon = towers(particles(22, 20.0, 0.5, 1.0, 4000), rng)
    pion = towers(particles(130, 5.0, 0.5, 1.0, 4000), rng)
    assert_allclose(photon.em.mean(), 20.0, rtol=0.01)
    expected = detector.hadron_response(np.array([5.0 * np.cosh(0.5)]))[0]
    assert expected < 0.95
    assert_allclose((pion.em + pion.had).mean(), 5.0 * expected, rtol=0.03)
    assert_allclose(detector.hadron_response(np.array([50.0])), 1.0)


def test_neutrinos_are_invisible_and_curling_tracks_are_lost() -> None:
    rng = np.random.default_rng(3)
    assert len(towers(particles(12, 50.0, 0.5, 1.0), rng).cell) == 0
    assert len(towers(particles(211, 0.5, 0.5, 1.0), rng).cell) == 0
    assert len(towers(particles(130, 0.5, 0.5, 1.0), rng).cell) == 1


def test_opposite_charges_bend_to_opposite_sides() -> None:
    rng = np.random.default_rng(4)
    columns = [towers(particles(pid, 2.0, 0.5, 1.0), rng).cell[0] % detector.N_PHI for pid in (211, 22, -211)]
    assert columns[0] < columns[1] < columns[2]


def test_muons_are_kept_and_few_hadrons_decay_to_softer_ones() -> None:
    rng = np.random.default_rng(5)
    assert_allclose(detector.muons(particles(-13, 30.0, 1.0, 1.0), rng).pt, 30.0)
    assert len(detector.muons(particles(13, 30.0, 2.6, 1.0), rng).pt) == 0
    kaons = detector.muons(particles(321, 10.0, 0.0, 1.0, 100_000), rng)
    probability = 0.636 * (1 - np.exp(-detector.RADIUS_M * 0.4937 / (10.0 * 3.71)))
    visible = (1 - 0.2) / (1 - (0.1057 / 0.4937) ** 2)  # the muon keeps more than 2 of the 10 GeV
    assert_allclose(len(kaons.pt) / 100_000, probability * visible, rtol=0.1)
    assert kaons.pt.max() <= 10.0


def test_tracks_are_charged_central_and_found_by_chance() -> None:
    rng = np.random.default_rng(6)
    for pid, pt, eta in ((22, 5.0, 0.0), (130, 5.0, 0.0), (211, 0.49, 0.0), (211, 5.0, 2.51), (-211, 5.0, -2.51)):
        assert not detector.tracked(particles(pid, pt, eta, 1.0, 100), rng).any()
    for pid, pt, eta, efficiency in (
        (211, 20.0, 0.0, 0.94),
        (-11, 20.0, -2.0, 0.88),
        (-2212, 0.7, 1.0, 0.94 * (1 - 0.3 / np.e)),
    ):
        found = detector.tracked(particles(pid, pt, eta, 1.0, 20_000), rng)
        assert_allclose(found.mean(), efficiency, atol=4 * np.sqrt(efficiency * (1 - efficiency) / 20_000))


def test_tracks_have_the_resolution_of_the_tracker_and_leave_muons_out() -> None:
    rng = np.random.default_rng(7)
    for pt, eta, sigma in ((10.0, 0.3, np.hypot(0.0015, 0.01)), (400.0, -2.2, np.hypot(0.16, 0.02))):
        tracks = detector.tracks(particles(-211, pt, eta, 1.0, 20_000), rng)
        assert_allclose([tracks.pt.mean(), tracks.pt.std()], [pt, pt * sigma], rtol=0.03)
        assert_allclose(tracks.energy, tracks.pt * np.cosh(eta))
        assert_array_equal(tracks.eta, eta)
    assert len(detector.tracks(particles(13, 10.0, 0.0, 1.0, 10), rng).pt) == 0
    assert detector.tracks(particles(211, 0.505, 0.0, 1.0, 1000), rng).pt.min() > detector.TRACK_PT_MIN_GEV


@pytest.mark.parametrize(("pid", "sigma"), [(22, np.hypot(0.03 / 10, 0.01)), (2112, np.hypot(1.0 / 10, 0.05))])
def test_what_leaves_no_track_is_measured_with_the_offline_resolution(pid: int, sigma: float) -> None:
    lit = towers(particles(pid, 100.0, 0.01, 1.0, 20_000), np.random.default_rng(8))
    assert_allclose([lit.neutral.mean(), lit.neutral.std()], [100.0, 100.0 * sigma], rtol=0.03)


def test_a_particle_is_a_track_or_neutral_and_always_in_the_trigger_towers() -> None:
    rng = np.random.default_rng(9)
    pions = particles(211, 20.0, 1.0, 1.0, 200)
    found = np.arange(200) < 150
    lit = detector.towers(pions, found, rng)
    order = lit.event
    assert_array_equal(lit.neutral > 0, ~found[order])
    assert ((lit.em + lit.had) > 0).all()
    muons = towers(particles(13, 20.0, 1.0, 1.0, 10), rng)
    assert_array_equal(muons.neutral, 0)
    assert ((muons.em + muons.had) > 0).all()


def test_charges_are_those_of_particles_and_antiparticles() -> None:
    codes = np.array([11, -11, 13, -13, 211, -211, 2212, -2212, 22, 130, 3222, 3112, -3112, 2112])
    ones = np.ones(len(codes))
    all_of_them = Particles(np.zeros(len(codes), int), codes, ones, ones, ones, ones)
    assert_array_equal(detector.charge(all_of_them), [-1, 1, -1, 1, 1, -1, 1, -1, 0, 0, 1, -1, 1, 0])


def test_vertices_need_two_tracks_and_are_nearly_certain_with_many() -> None:
    rng = np.random.default_rng(10)
    for tracks, efficiency in ((0, 0.0), (1, 0.0), (2, 0.5), (3, 0.8), (6, 0.98), (200, 0.98)):
        found = detector.has_vertex(np.full(20_000, tracks), rng)
        assert_allclose(found.mean(), efficiency, atol=4 * np.sqrt(efficiency * (1 - efficiency) / 20_000))
