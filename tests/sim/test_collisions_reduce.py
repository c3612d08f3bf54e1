"""Interactions of real Pythia events: every array is what its particles say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import detector, flow
from trigforge.sim.collisions.interactions import Interactions, concatenate, ragged_take
from trigforge.sim.collisions.reduce import reduce_batch, stable_particles

EVENTS = 60


@pytest.fixture(scope="module")
def batch() -> Any:
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for setting in ("Print:quiet = on", "Beams:eCM = 13600.", "Random:setSeed = on", "Random:seed = 5"):
        pythia.readString(setting)
    pythia.readString("HardQCD:all = on")
    pythia.readString("PhaseSpace:pTHatMin = 100.")
    assert pythia.init()
    return pythia.nextBatch(EVENTS, errorMode="skip")


@pytest.fixture(scope="module")
def hard(batch: Any) -> Interactions:
    return reduce_batch(batch, True, np.random.default_rng(1))


def test_pile_up_is_the_same_without_jets_and_tracks(batch: Any, hard: Interactions) -> None:
    soft = reduce_batch(batch, False, np.random.default_rng(1))
    for name in ("weight", "pt_hat", "scale", "vertex", "tower", "em", "had", "neutral", "muon_pt", "muon_charge"):
        assert_array_equal(getattr(soft, name), getattr(hard, name), name)
    for name in ("track", "jet"):
        assert_array_equal(getattr(soft, f"{name}_start"), np.zeros(EVENTS + 1))
        assert len(getattr(soft, f"{name}_pt")) == 0
        assert getattr(hard, f"{name}_start")[-1] == len(getattr(hard, f"{name}_phi")) > EVENTS


def test_towers_are_cells_in_order_and_at_most_once_an_interaction(hard: Interactions) -> None:
    owner = np.repeat(np.arange(EVENTS), np.diff(hard.tower_start))
    key = owner * detector.N_ETA * detector.N_PHI + hard.tower
    assert (np.diff(key) > 0).all()
    for energy in (hard.em, hard.had, hard.neutral):
        assert energy.dtype == np.float32
        assert energy.min() >= 0
    assert ((hard.em + hard.had + hard.neutral) > 0).all()


def test_tracks_and_neutral_towers_hold_the_energy_of_the_particles(batch: Any, hard: Interactions) -> None:
    particles = stable_particles(batch)
    seen = particles[detector.visible(particles) & (np.abs(particles.eta) < detector.ETA_MAX)]
    offline = hard.track_pt.sum() + hard.neutral.sum()
    assert_allclose(offline, seen.pt.sum(), rtol=0.05)  # what curls up in the field is lost
    assert (np.abs(hard.track_eta) < flow.TRACKER_ETA).all()
    assert hard.track_pt.min() >= np.float32(flow.TRACK_PT_MIN_GEV)
    inner = np.abs(hard.tower.astype(int) // detector.N_PHI - detector.ETA_HALF + 0.5) * detector.TOWER_ETA < 2.4
    share = hard.neutral[inner].sum() / (hard.neutral[inner].sum() + hard.track_pt.sum())
    assert 0.3 < share < 0.55  # photons a quarter, neutral hadrons a tenth, lost tracks


def test_the_scale_is_that_of_the_highest_tower_or_muon(hard: Interactions) -> None:
    for i in range(EVENTS):
        towers = slice(*hard.tower_start[i : i + 2])
        muons = hard.muon_pt[slice(*hard.muon_start[i : i + 2])]
        assert_allclose(hard.scale[i], max((hard.em + hard.had)[towers].max(), muons.max(initial=0)), rtol=1e-6)


def test_muons_have_their_charge(batch: Any, hard: Interactions) -> None:
    assert hard.muon_charge.dtype == np.int8
    assert len(hard.muon_charge) == len(hard.muon_pt) > 0
    assert_array_equal(np.unique(hard.muon_charge), [-1, 1])


def test_saved_and_joined_interactions_are_the_same(hard: Interactions, tmp_path: Path) -> None:
    hard.save(tmp_path)
    loaded = Interactions.load(tmp_path)
    both = concatenate([loaded, hard])
    for name in Interactions.__slots__:
        assert_array_equal(getattr(loaded, name), getattr(hard, name), name)
        assert getattr(both, name).dtype == getattr(hard, name).dtype
    place, counts = ragged_take(both.track_start, np.array([EVENTS + 3, 3]))
    assert counts[0] == counts[1] > 0
    assert_array_equal(both.track_pt[place[: counts[0]]], hard.track_pt[slice(*hard.track_start[3:5])])
