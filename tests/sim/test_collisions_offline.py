"""Offline jets and ρ of hand-made tracks and towers, and jets of real Pythia events against the HLT's."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import hlt, offline
from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI, TOWER_ETA, TOWER_PHI
from trigforge.sim.collisions.interactions import Interactions
from trigforge.sim.collisions.matching import match_jets
from trigforge.sim.collisions.offline import Tracks
from trigforge.sim.collisions.processes import HARD
from trigforge.sim.collisions.reduce import reduce_batch

EVENTS = 400


def tracks(*found: tuple[int, float, float, float]) -> Tracks:
    columns = np.array(found, float).reshape(-1, 4).T
    return Tracks(columns[0].astype(int), *(column.astype(np.float32) for column in columns[1:]))


def empty(crossings: int) -> np.ndarray:
    return np.zeros((crossings, N_ETA, N_PHI), np.float32)


def test_tracks_and_towers_make_one_jet() -> None:
    grid = empty(2)
    grid[1, ETA_HALF, 10] = 20.0
    phi = 10.5 * TOWER_PHI
    jets = offline.offline_jets(grid, tracks((1, 15.0, 0.1, phi), (1, 5.0, 0.1, phi + 0.2)), np.array([True, True]))
    assert_array_equal(ak.num(jets), [0, 1])
    assert_allclose(jets.pt[1, 0], 40.0, rtol=0.01)
    assert_allclose(jets.phi[1, 0], (20 * phi + 15 * phi + 5 * (phi + 0.2)) / 40, atol=1e-3)
    lone = offline.offline_jets(empty(1), tracks((0, 30.0, 1.0, 1.0)), np.array([True]))[0, 0]
    assert_allclose([lone.pt, lone.eta, lone.phi], [30.0, 1.0, 1.0], rtol=1e-6)
    assert_allclose(lone.mass, offline.PION_MASS_GEV, rtol=0.01)
    assert ak.fields(jets) == ["pt", "eta", "phi", "mass", "area"]


def test_only_seeded_crossings_get_their_own_tracks() -> None:
    every = tracks(*[(crossing, 20.0 + crossing, 0.0, 1.0) for crossing in (3, 0, 2, 1)])
    jets = offline.offline_jets(empty(5), every, np.array([False, True, False, True, True]))
    assert_allclose(ak.flatten(jets.pt), [21, 23], rtol=1e-6)
    assert_array_equal(ak.num(jets), [0, 1, 0, 1, 0])
    assert_array_equal(ak.num(offline.offline_jets(empty(2), tracks(), np.ones(2, bool))), 0)


def test_rho_is_that_inside_the_tracker_and_forward_jets_must_beat_their_own() -> None:
    grid = empty(1)
    grid[:, ETA_HALF - 28 : ETA_HALF + 28] = 1.6
    grid[:, : ETA_HALF - 28] = grid[:, ETA_HALF + 28 :] = 4.0
    assert_allclose(offline.rho_offline(grid), 1.6 / (TOWER_ETA * TOWER_PHI), rtol=1e-5)
    assert_array_equal(offline.rho_offline(grid * 0.5), 0.0)
    grid[0, ETA_HALF + 40, 20] = 90.0
    jets = offline.offline_jets(grid, tracks(), np.array([True]))[0]
    forward = jets[np.abs(jets.eta) > 2.9]
    per_tower = 4.0 / (TOWER_ETA * TOWER_PHI)
    assert ak.all(forward.pt - per_tower * forward.area >= offline.JET_PT_MIN_GEV)
    assert ak.any(np.abs(forward.eta - 40.5 * TOWER_ETA) < 0.1)


@pytest.fixture(scope="module")
def library() -> Interactions:
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for setting in (*HARD.commands, "Random:setSeed = on", "Random:seed = 7"):
        assert pythia.readString(setting)
    assert pythia.init()
    return reduce_batch(pythia.nextBatch(EVENTS, errorMode="skip"), True, np.random.default_rng(1))


def grid_of(library: Interactions, energy: Any) -> np.ndarray:
    grid = np.zeros((EVENTS, N_ETA * N_PHI), np.float32)
    grid[np.repeat(np.arange(EVENTS), np.diff(library.tower_start)), library.tower] = energy
    return grid.reshape(EVENTS, N_ETA, N_PHI)


def response(jets: ak.Array, gen: ak.Array) -> np.ndarray:
    """pt over true pt of matched central jets of 60 to 400 GeV."""
    found = match_jets(jets, gen)
    true = gen[ak.mask(found, found >= 0)]
    chosen = (true.pt > 60) & (true.pt < 400) & (np.abs(true.eta) < 2.0)
    return ak.to_numpy(ak.drop_none(ak.flatten(ak.mask(jets.pt / true.pt, chosen))))


def test_offline_jets_are_nearer_the_truth_than_those_of_the_trigger(library: Interactions) -> None:
    owner = np.repeat(np.arange(EVENTS), np.diff(library.track_start))
    found = Tracks(owner, library.track_pt, library.track_eta, library.track_phi)
    columns = {name: getattr(library, f"jet_{name}") for name in ("pt", "eta", "phi")}
    gen = ak.unflatten(ak.zip(columns), np.diff(library.jet_start))
    seeded = np.ones(EVENTS, bool)
    trigger = response(hlt.hlt_jets(grid_of(library, library.em + library.had), seeded), gen)
    best = response(offline.offline_jets(grid_of(library, library.neutral), found, seeded), gen)
    assert min(len(trigger), len(best)) > 200
    assert_allclose(np.median(best), 0.98, atol=0.03)
    assert 0.75 < np.median(trigger) < 0.95
    widths = [np.subtract(*np.quantile(r, [0.84, 0.16])) / 2 / np.median(r) for r in (best, trigger)]
    assert widths[0] < 0.1
    assert widths[0] < 0.8 * widths[1]
