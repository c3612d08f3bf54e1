"""Level-1 muons: efficiency, resolution, charge, order and words."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge import units
from trigforge.contract import level1_contract
from trigforge.sim.collisions import muons
from trigforge.sim.collisions.muons import level1_muons


def of_one_kind(pt: float, eta: float, phi: float, n: int = 20_000, charge: int = 1) -> muons.MuonWords:
    ones = np.ones(n)
    rng = np.random.default_rng(1)
    return level1_muons(np.arange(n), n, pt * ones, eta * ones, phi * ones, np.full(n, charge, np.int8), rng)


def test_efficiency_turns_on_to_its_plateau() -> None:
    assert_allclose(of_one_kind(30.0, 0.5, 1.0).count.mean(), muons.PLATEAU, atol=0.01)
    assert of_one_kind(2.0, 0.5, 1.0).count.mean() < 0.05
    assert of_one_kind(30.0, 2.41, 1.0).count.sum() == 0


def test_words_scatter_about_the_truth() -> None:
    words = of_one_kind(20.0, 0.5, -0.5).words
    assert_allclose(np.median(words[:, 0]) * units.PT_LSB_GEV, 20.0, atol=0.5)
    assert_allclose(words[:, 1].mean() * units.MUON_ETA_LSB, 0.5, atol=0.002)
    assert_allclose(words[:, 2].mean() * 2 * np.pi / units.MUON_PHI_STEPS, 2 * np.pi - 0.5, atol=0.002)


def mixture(value: Callable[[float], float], spread: float) -> float:
    """A probability that depends on the resolution, for the core and the tail together."""
    return (1 - muons.TAIL_SHARE) * value(spread) + muons.TAIL_SHARE * value(muons.TAIL_FACTOR * spread)


@pytest.mark.parametrize(("eta", "side"), [(0.5, 0), (2.0, 1)])
def test_the_curvature_scatters_by_scattering_and_positions(eta: float, side: int) -> None:
    for pt in (20.0, 60.0):
        found = of_one_kind(pt, eta, 0.0, 60_000)
        relative = pt * found.charge / (found.words[:, 0] * units.PT_LSB_GEV)
        expected = math.hypot(muons.SCATTERING[side], muons.POSITION[side] * pt)
        for sigmas in (0.5, 1.0, 2.0):
            share = mixture(lambda s, cut=sigmas * expected: math.erf(cut / (s * math.sqrt(2))), expected)
            found_share = (np.abs(relative - 1) < sigmas * expected).mean()
            steps = math.exp(-(sigmas**2) / 2) * units.PT_LSB_GEV / pt / expected  # of the words at the edges
            assert_allclose(found_share, share, atol=4 * math.sqrt(share * (1 - share) / len(relative)) + steps)


@pytest.mark.parametrize("charge", [-1, 1])
def test_the_charge_is_wrong_as_often_as_the_curvature_changes_sign(charge: int) -> None:
    assert (of_one_kind(20.0, 0.5, 0.0, charge=charge).charge == charge).mean() > 0.99
    found = of_one_kind(400.0, 2.0, 0.0, 60_000, charge)
    spread = math.hypot(muons.SCATTERING[1], muons.POSITION[1] * 400.0)
    wrong = mixture(lambda s: math.erfc(1 / (s * math.sqrt(2))) / 2, spread)
    assert found.charge.dtype == np.int8
    assert_allclose((found.charge != charge).mean(), wrong, atol=4 * math.sqrt(wrong / len(found.charge)))


def test_muons_are_ordered_and_at_most_eight() -> None:
    rng = np.random.default_rng(2)
    owner = np.repeat([0, 2], [20, 3])
    found = level1_muons(owner, 3, rng.uniform(10, 300, 23), np.zeros(23), np.zeros(23), np.ones(23), rng)
    assert_array_equal(found.count[[0, 1]], [8, 0])
    assert (np.diff(found.words[:8, 0]) <= 0).all()
    assert len(found.words) == len(found.charge) == found.count.sum()


def test_charges_stay_with_their_muons_when_they_are_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muons, "TAIL_SHARE", 0.0)
    n = 2_000
    pt, charge = np.tile([5.0, 50.0, 15.0], n), np.tile([1, -1, 1], n)
    found = level1_muons(np.repeat(np.arange(n), 3), n, pt, 0 * pt, 0 * pt, charge, np.random.default_rng(3))
    hard = found.words[:, 0] > 120
    assert_array_equal(found.charge[hard], -1)
    assert_array_equal(found.charge[found.words[:, 0] < 30], 1)
    assert hard.sum() > n / 8


def test_pt_saturates_at_the_highest_word_of_the_contract() -> None:
    (field,) = (f for c in level1_contract().collections if c.name == "L1Mu" for f in c.fields if f.name == "pt")
    assert of_one_kind(2000.0, 0.5, 0.0).words[:, 0].max() == field.high


def test_no_muons_are_no_words() -> None:
    none = np.zeros(0)
    found = level1_muons(none.astype(int), 4, none, none, none, none, np.random.default_rng(3))
    assert found.words.shape == (0, 3)
    assert_array_equal(found.charge, none)
    assert_array_equal(found.count, np.zeros(4))
