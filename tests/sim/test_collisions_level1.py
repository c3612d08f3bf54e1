"""Level-1 objects of hand-made towers, word by word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.sim.collisions import level1
from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI
from trigforge.sim.collisions.level1 import CaloObjects, calo_objects

SHAPE = (1, N_ETA, N_PHI)


def with_tower(ieta: int, iphi: int, em: float = 0.0, had: float = 0.0, flat: float = 0.0) -> CaloObjects:
    """Objects of one tower over a flat hadronic background; `ieta` counts from η = 0."""
    towers = np.zeros(SHAPE, np.float32), np.full(SHAPE, flat, np.float32)
    towers[0][0, ieta + ETA_HALF, iphi] += em
    towers[1][0, ieta + ETA_HALF, iphi] += had
    return calo_objects(*towers)


@given(st.integers(-ETA_HALF, ETA_HALF - 1), st.integers(0, N_PHI - 1), st.integers(30, 511))
def test_one_tower_is_one_jet_with_the_words_of_its_centre(ieta: int, iphi: int, pt: int) -> None:
    found = with_tower(ieta, iphi, had=pt / 2)
    assert found.jet_count[0] == 1
    assert_array_equal(found.jets[0, 0], [pt, 2 * ieta + 1, 2 * iphi + 1])
    assert_array_equal(found.jets[0, 1:], 0)


@pytest.mark.parametrize("flat", [0.5, 2.0, 4.0, 10.0])
@pytest.mark.parametrize("ieta", [-ETA_HALF, -ETA_HALF + 2, -ETA_HALF + 5, 0, ETA_HALF - 7, ETA_HALF - 1])
@pytest.mark.parametrize("iphi", [0, 40, 71])
def test_the_donut_subtracts_a_flat_background_exactly(flat: float, ieta: int, iphi: int) -> None:
    assert with_tower(ieta, iphi, flat=flat).jet_count[0] == 0
    assert with_tower(ieta, iphi, had=14.5, flat=flat).jet_count[0] == 0
    assert_array_equal(with_tower(ieta, iphi, had=40.0, flat=flat).jets[0, 0], [80, 2 * ieta + 1, 2 * iphi + 1])


def test_a_hard_neighbour_spoils_only_one_strip() -> None:
    towers = np.zeros(SHAPE, np.float32)
    towers[0, 60, 10], towers[0, 60, 15] = 40.0, 60.0
    assert_array_equal(calo_objects(towers * 0, towers).jets[0, :2, 0], [120, 80])


def test_jets_wrap_around_in_phi_and_equal_towers_make_one_jet() -> None:
    towers = np.zeros(SHAPE, np.float32)
    towers[0, 60, 71] = towers[0, 60, 0] = 20.0
    found = calo_objects(towers * 0, towers)
    assert found.jet_count[0] == 1
    assert found.jets[0, 0, 0] == 80


def test_jets_are_ordered_limited_and_saturate() -> None:
    towers = np.zeros(SHAPE, np.float32)
    pts = 15 + np.arange(20)
    towers[0, 8:104:24, 2:72:14] = np.random.default_rng(1).permutation(pts).reshape(4, 5)
    found = calo_objects(towers * 0, towers)
    assert_array_equal(found.jets[0, :, 0], 2 * pts[::-1][: level1.JETS])
    towers[0, 50:59, 0:9] = 1000.0
    assert calo_objects(towers, towers).jets[0, 0, 0] == level1.JET_MAX


def test_a_cluster_needs_little_hadronic_energy_and_a_central_place() -> None:
    assert_array_equal(with_tower(3, 5, em=40.0, had=5.0).egs[0, 0], [80, 7, 11])
    assert with_tower(3, 5, em=40.0, had=5.5).eg_count[0] == 0
    assert with_tower(3, 5, em=3.5).eg_count[0] == 0
    assert with_tower(33, 5, em=40.0).eg_count[0] == 1
    assert with_tower(34, 5, em=40.0).eg_count[0] == 0
    assert with_tower(3, 5, em=400.0).egs[0, 0, 0] == level1.EG_MAX


def test_a_cluster_gathers_its_neighbours_in_phi() -> None:
    towers = np.zeros(SHAPE, np.float32)
    towers[0, 60, 71], towers[0, 60, 0], towers[0, 61, 71] = 10.0, 5.0, 2.0
    assert_array_equal(calo_objects(towers, towers * 0).egs[0, 0], [30, 7, 143])


@given(st.integers(0, N_PHI - 1), st.integers(20, 511))
def test_missing_energy_is_opposite_to_a_tower(iphi: int, pt: int) -> None:
    found = with_tower(0, iphi, had=pt / 2).met[0]
    assert abs(int(found[0]) - pt) <= 1
    assert found[1] == (2 * iphi + 1 + 72) % 144


def test_balanced_and_low_towers_have_no_missing_energy() -> None:
    towers = np.zeros(SHAPE, np.float32)
    towers[0, 60, 10] = towers[0, 60, 46] = 50.0
    assert_array_equal(calo_objects(towers * 0, towers).met[0], 0)
    assert_array_equal(with_tower(0, 3, had=2.5).met[0], 0)
    assert with_tower(0, 3, had=3.0).met[0, 0] > 0
    assert_array_equal(with_tower(50, 3, had=5.5).met[0], 0)
