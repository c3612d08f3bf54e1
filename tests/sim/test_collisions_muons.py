"""Level-1 muons: efficiency, resolution, order and words."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from trigforge import units
from trigforge.sim.collisions import muons
from trigforge.sim.collisions.muons import level1_muons


def of_one_kind(pt: float, eta: float, phi: float, n: int = 20_000) -> muons.MuonWords:
    ones = np.ones(n)
    return level1_muons(np.arange(n), n, pt * ones, eta * ones, phi * ones, np.random.default_rng(1))


def test_efficiency_turns_on_to_its_plateau() -> None:
    assert_allclose(of_one_kind(30.0, 0.5, 1.0).count.mean(), muons.PLATEAU, atol=0.01)
    assert of_one_kind(2.0, 0.5, 1.0).count.mean() < 0.05
    assert of_one_kind(30.0, 2.41, 1.0).count.sum() == 0


def test_words_scatter_about_the_truth() -> None:
    words = of_one_kind(20.0, 0.5, -0.5).words
    assert_allclose(np.median(words[:, 0]) * units.PT_LSB_GEV, 20.0, atol=0.5)
    assert_allclose(words[:, 1].mean() * units.MUON_ETA_LSB, 0.5, atol=0.002)
    assert_allclose(words[:, 2].mean() * 2 * np.pi / units.MUON_PHI_STEPS, 2 * np.pi - 0.5, atol=0.002)


def test_muons_are_ordered_and_at_most_eight() -> None:
    rng = np.random.default_rng(2)
    owner = np.repeat([0, 2], [20, 3])
    found = level1_muons(owner, 3, rng.uniform(10, 300, 23), np.zeros(23), np.zeros(23), rng)
    assert_array_equal(found.count[[0, 1]], [8, 0])
    assert (np.diff(found.words[:8, 0]) <= 0).all()
    assert len(found.words) == found.count.sum()
    assert found.words[:, 0].max() <= muons.PT_MAX


def test_no_muons_are_no_words() -> None:
    none = np.zeros(0)
    found = level1_muons(none.astype(int), 4, none, none, none, np.random.default_rng(3))
    assert found.words.shape == (0, 3)
    assert_array_equal(found.count, np.zeros(4))
