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


@pytest.mark.parametrize("eta", [-4.95, -1.0, -0.01, 0.01, 2.2, 4.95])
@pytest.mark.parametrize("phi", [-3.1, -0.01, 0.01, 3.1])
def test_a_photon_lights_the_tower_it_points_to(eta: float, phi: float) -> None:
    lit = detector.towers(particles(22, 50.0, eta, phi), np.random.default_rng(1))
    assert_array_equal(lit.cell // detector.N_PHI, np.floor(eta / detector.TOWER_ETA) + detector.ETA_HALF)
    assert_array_equal(lit.cell % detector.N_PHI, np.floor(phi / detector.TOWER_PHI) % detector.N_PHI)
    assert lit.had[0] == 0
    assert lit.em[0] > 10


def test_the_mean_response_is_one_for_photons_and_lower_for_soft_hadrons() -> None:
    rng = np.random.default_rng(2)
    photon = detector.towers(particles(22, 20.0, 0.5, 1.0, 4000), rng)
    pion = detector.towers(particles(130, 5.0, 0.5, 1.0, 4000), rng)
    assert_allclose(photon.em.mean(), 20.0, rtol=0.01)
    expected = detector.hadron_response(np.array([5.0 * np.cosh(0.5)]))[0]
    assert expected < 0.95
    assert_allclose((pion.em + pion.had).mean(), 5.0 * expected, rtol=0.03)
    assert_allclose(detector.hadron_response(np.array([50.0])), 1.0)


def test_neutrinos_are_invisible_and_curling_tracks_are_lost() -> None:
    rng = np.random.default_rng(3)
    assert len(detector.towers(particles(12, 50.0, 0.5, 1.0), rng).cell) == 0
    assert len(detector.towers(particles(211, 0.5, 0.5, 1.0), rng).cell) == 0
    assert len(detector.towers(particles(130, 0.5, 0.5, 1.0), rng).cell) == 1


def test_opposite_charges_bend_to_opposite_sides() -> None:
    rng = np.random.default_rng(4)
    columns = [detector.towers(particles(pid, 2.0, 0.5, 1.0), rng).cell[0] % detector.N_PHI for pid in (211, 22, -211)]
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
