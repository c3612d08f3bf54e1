"""Particle flow, large-radius jets and the partons that made them."""

from __future__ import annotations

from functools import cache
from typing import Any

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions.detector import Particles
from trigforge.sim.collisions.fatjets import (
    ECAL_CELL,
    TRACK_PT_MAX_GEV,
    Partons,
    anti_kt_constituents,
    match,
    particle_flow,
    partons,
)
from trigforge.sim.collisions.generate import start_pythia
from trigforge.sim.collisions.labelled import JET_TAGGING_SOURCES
from trigforge.sim.collisions.processes import Process, Role

PI, PHOTON, NEUTRON, MUON, NEUTRINO = 211, 22, 2112, 13, 14


def particles(pid: Any, pt: Any, eta: Any = 0.3, phi: Any = 1.0, size: int = 1) -> Particles:
    """So many equal massless particles of one event."""
    columns = [np.full(size, float(x)) for x in (pt, eta, phi)]
    return Particles(np.zeros(size, np.int64), np.full(size, pid), *columns, columns[0] * np.cosh(columns[1]))


def measure(one: Particles) -> Particles:
    return particle_flow(one, np.random.default_rng(1))


@cache
def batch(*settings: str) -> ak.Array:
    """A few events of real Pythia without shower nor hadrons."""
    bare = ("PartonLevel:MPI = off", "PartonLevel:ISR = off", "PartonLevel:FSR = off", "HadronLevel:all = off")
    return start_pythia(Process("test", "test", Role.SIGNAL, (*settings, *bare)), 1).nextBatch(40)


def settings_of(label: int) -> tuple[str, ...]:
    return JET_TAGGING_SOURCES[label].process.settings


@pytest.mark.parametrize(
    ("pid", "pt", "expected"),
    [(PI, 20, PI), (-321, 20, -PI), (PHOTON, 20, PHOTON), (NEUTRON, 20, 130), (-MUON, 900, -MUON), (PI, 300, 130)],
)
def test_what_a_particle_is_taken_for(pid: int, pt: float, expected: int) -> None:
    assert_array_equal(measure(particles(pid, pt)).pid, [expected])


def test_neutrinos_soft_and_forward_particles_are_not_seen() -> None:
    for unseen in (particles(NEUTRINO, 50), particles(PI, 0.3), particles(PHOTON, 0.1), particles(PI, 20, eta=3.1)):
        assert len(measure(unseen).pt) == 0


def test_tracks_keep_their_direction_and_have_their_resolution() -> None:
    found = measure(particles(PI, 100, size=4000))
    assert_array_equal(found.eta, 0.3)
    assert_array_equal(found.phi, 1.0)
    assert found.pt.mean() == pytest.approx(100, rel=2e-3)
    assert found.pt.std() == pytest.approx(100 * np.hypot(0.025, 0.015), rel=0.05)


def test_photons_of_one_cell_are_one_candidate() -> None:
    one = particles(PHOTON, 5, size=40)
    found = measure(one)
    assert len(found.pt) == 1
    assert abs(found.eta[0] - 0.3) <= ECAL_CELL / 2
    assert abs(found.phi[0] - 1.0) <= 0.0176 / 2


@pytest.mark.parametrize(("pid", "spread"), [(PHOTON, 0.0072), (NEUTRON, 0.37)])
def test_calorimeters_keep_energies_on_average(pid: int, spread: float) -> None:
    many = particles(pid, 70, size=40_000)
    apart = Particles(np.arange(40_000), many.pid, many.pt, many.eta, many.phi, many.energy)
    energy = measure(apart).energy
    assert energy.mean() == pytest.approx(many.energy[0], rel=0.01)
    assert energy.std() / energy.mean() == pytest.approx(spread, rel=0.1)


def test_cells_join_across_phi_zero_and_stay_in_range() -> None:
    phi = np.linspace(-np.pi, np.pi, 1000, endpoint=False)
    ring = Particles(*(np.zeros(1000, np.int64), np.full(1000, PHOTON)), np.full(1000, 9.0), 0 * phi, phi, phi * 0 + 9)
    found = measure(ring)
    assert len(found.phi) == int(2 * np.pi / ECAL_CELL)
    assert np.all((found.phi >= -np.pi) & (found.phi < np.pi))


def test_jets_are_those_of_fastjet_with_their_constituents_hardest_first() -> None:
    import fastjet

    rng = np.random.default_rng(5)
    event = np.sort(rng.integers(0, 6, 400))
    event[event == 3] = 4  # an event without particles
    pt, eta, phi = rng.exponential(30, 400) + 0.5, rng.normal(0, 1, 400), rng.uniform(-np.pi, np.pi, 400)
    every = Particles(event, rng.choice([PI, PHOTON], 400), pt, eta, phi, pt * np.cosh(eta) + 0.1)
    found = anti_kt_constituents(every, 6, 0.8, 50.0)
    assert len(found) == 6
    for number in range(6):
        here = every[event == number]
        momenta = [here.pt * np.cos(here.phi), here.pt * np.sin(here.phi), here.pt * np.sinh(here.eta), here.energy]
        pseudo = [fastjet.PseudoJet(*map(float, p)) for p in zip(*momenta, strict=True)]
        sequence = fastjet.ClusterSequence(pseudo, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.8))
        expected = sorted(sequence.inclusive_jets(50.0), key=lambda jet: -jet.pt())
        assert_allclose(found[number].pt, [jet.pt() for jet in expected], rtol=1e-9)
        assert_allclose(found[number].mass, [jet.m() for jet in expected], rtol=1e-6)
        assert_array_equal(ak.num(found[number].Constituent), [len(jet.constituents()) for jet in expected])
    hardest = found.Constituent.pt
    assert ak.all(hardest[:, :, 1:] <= hardest[:, :, :-1])


def test_hadronic_tops_are_found_with_their_quarks() -> None:
    found = partons(batch(*settings_of(4)))
    tops = found[found.code == 6]
    assert_array_equal(np.bincount(tops.event), 2)
    assert np.all(np.isfinite(tops.quark_eta))
    assert np.median(tops.mass) == pytest.approx(173, abs=2)
    bosons = found[found.code == 24]
    assert_array_equal(np.bincount(bosons.event), 2)
    assert not np.any(np.isin(tops.quark_eta[:, 2], bosons.eta))
    assert_array_equal(np.isnan(bosons.quark_eta), np.tile([False, False, True], (len(bosons.code), 1)))


def test_the_quarks_of_a_boson_are_around_it() -> None:
    found = partons(batch(*settings_of(2)))
    bosons = found[found.code == 24]
    assert len(bosons.code) == 40
    low, high = np.nanmin(bosons.quark_eta, axis=1), np.nanmax(bosons.quark_eta, axis=1)
    assert np.all((low - 1e-6 <= bosons.eta) & (bosons.eta <= high + 1e-6))


def test_leptonic_decays_are_not_found() -> None:
    found = partons(batch("Top:gg2ttbar = on", "24:onMode = off", "24:onIfAny = 11 13"))
    assert not np.any(np.isin(found.code, (6, 24)))


def test_the_partons_of_qcd_are_those_of_the_hard_process() -> None:
    gluons, quarks = partons(batch(*settings_of(0))), partons(batch(*settings_of(1)))
    assert_array_equal(gluons.code, np.full(80, 21))
    assert_array_equal(gluons.event, np.repeat(np.arange(40), 2))
    assert gluons.pt == pytest.approx(1000, abs=15.01)
    assert quarks.code.max() < 6


def test_a_jet_matches_the_one_parton_whose_quarks_are_all_inside() -> None:
    nan = np.nan
    truth = Partons(
        event=np.array([0, 0, 1, 2, 2]),
        code=np.full(5, 24),
        pt=np.full(5, 1000.0),
        eta=np.array([0.0, 1.5, 0.0, 0.0, 0.1]),
        phi=np.array([3.1, 0.0, 0.0, 0.0, 0.0]),
        mass=np.full(5, 80.0),
        quark_eta=np.array([[0.1, -0.1, nan], [1.5, 1.6, nan], [0.1, 0.9, nan], [nan] * 3, [nan] * 3]),
        quark_phi=np.array([[3.1, -3.1, nan], [0.0, 0.1, nan], [0.0, 0.0, nan], [nan] * 3, [nan] * 3]),
    )
    event = np.array([0, 0, 1, 2, 0])
    eta, phi = np.array([0.0, 1.4, 0.0, 0.0, 0.0]), np.array([-3.1, 0.0, 0.0, 0.0, 1.5])
    assert_array_equal(match(event, eta, phi, truth, 0.8), [0, 1, -1, -1, -1])


def test_the_hardest_tracks_are_measured_by_the_calorimeter() -> None:
    below, above = (measure(particles(PI, TRACK_PT_MAX_GEV + d, size=1)) for d in (-1, 1))
    assert (below.pid[0], above.pid[0]) == (PI, 130)
