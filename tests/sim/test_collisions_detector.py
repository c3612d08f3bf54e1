"""Single particles in the detector: the tower they hit, what they leave, what is lost."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Lit:
    """Lit towers and what the trigger sees in them."""

    cell: np.ndarray
    em: np.ndarray
    had: np.ndarray


def towers(seen: Particles, rng: np.random.Generator) -> Lit:
    hits = detector.hits(seen, rng)
    return Lit(hits.cell, *detector.towers(hits, rng))


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
    energy = np.array([5.0 * np.cosh(0.5)])
    had_response, em_response = detector.hadron_response(energy)[0], detector.groom(energy, detector.ECAL_H_OVER_E)[0]
    early = detector.ECAL_INTERACTS / 2 + (1 - detector.ECAL_INTERACTS) * detector.MIP_EM_GEV / energy[0]
    expected = early * em_response + (1 - early) * had_response
    assert expected < 0.9
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


def test_charges_are_those_of_particles_and_antiparticles() -> None:
    codes = np.array([11, -11, 13, -13, 211, -211, 2212, -2212, 22, 130, 3222, 3112, -3112, 2112])
    ones = np.ones(len(codes))
    all_of_them = Particles(np.zeros(len(codes), int), codes, ones, ones, ones, ones)
    assert_array_equal(detector.charge(all_of_them), [-1, 1, -1, 1, 1, -1, 1, -1, 0, 0, 1, -1, 1, 0])


def test_a_tower_knows_its_particles_and_sums_what_is_transverse() -> None:
    three = Particles(
        np.array([1, 0, 1]), np.array([22, 12, 22]), np.full(3, 5.0), np.full(3, 1.0), np.zeros(3), np.full(3, 7.7)
    )
    hits = detector.hits(three, np.random.default_rng(6))
    assert_array_equal(hits.place, [0, 2])
    assert_array_equal(hits.tower, [0, 0])
    assert_array_equal(hits.event, [1])
    assert_allclose(hits.sums(np.array([3.0, 4.0])), 7.0 / np.cosh(1.0))


def test_the_hadronic_response_differs_from_tower_to_tower_and_not_on_average() -> None:
    hits = detector.hits(particles(130, 500.0, 0.0, 1.0, 40_000), np.random.default_rng(7))
    assert_allclose([hits.gain.mean(), hits.gain.std()], [1.0, detector.HAD_UNIFORMITY], rtol=0.02)
    exact = detector.smear(np.full(40_000, 400.0), ((0.0, 0.1), (0.0, 0.2)), np.arange(40_000) % 2 == 1, hits.em_draw)
    assert_allclose([exact[::2].std(), exact[1::2].std()], [40.0, 80.0], rtol=0.03)
    assert_allclose(exact.mean(), 400.0, rtol=0.01)
