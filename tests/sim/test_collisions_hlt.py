"""HLT jets, areas and ρ of hand-made towers."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import hlt
from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI, TOWER_ETA, TOWER_PHI
from trigforge.sim.collisions.jets import RADIUS


def towers(*lit: tuple[int, int, float], crossings: int = 1) -> np.ndarray:
    grid = np.zeros((crossings, N_ETA, N_PHI), np.float32)
    for ieta, iphi, pt in lit:
        grid[:, ieta + ETA_HALF, iphi] = pt
    return grid


def test_a_tower_is_a_jet_at_its_centre_with_the_area_of_a_circle() -> None:
    jet = hlt.hlt_jets(towers((5, 71, 40.0)), np.array([True]))[0, 0]
    assert_allclose([jet.pt, jet.eta, jet.phi], [40.0, 5.5 * TOWER_ETA, -TOWER_PHI / 2], rtol=1e-6)
    assert_allclose(jet.area, np.pi * RADIUS**2, rtol=0.06)
    assert jet.mass < 1e-2


def test_near_jets_share_their_area() -> None:
    jets = hlt.hlt_jets(towers((0, 10, 100.0), (5, 10, 30.0)), np.array([True]))[0]
    assert len(jets) == 2
    assert jets.area[0] > jets.area[1]
    assert ak.sum(jets.area) < 2 * np.pi * RADIUS**2 * 0.95


def test_only_seeded_crossings_and_jets_in_range_are_kept() -> None:
    grid = towers((0, 10, 100.0), (20, 10, 9.0), (55, 30, 60.0), crossings=3)
    jets = hlt.hlt_jets(grid, np.array([True, False, True]))
    assert_array_equal(ak.num(jets), [1, 0, 1])
    assert_array_equal(ak.num(hlt.hlt_jets(grid, np.zeros(3, bool))), 0)


def test_rho_is_the_median_density_whatever_the_jets() -> None:
    grid = np.full((2, N_ETA, N_PHI), 1.5, np.float32)
    grid[1, 50:60, 20:30] = 50.0
    assert_allclose(hlt.rho(grid), 1.5 / (TOWER_ETA * TOWER_PHI), rtol=1e-5)
    assert_allclose(hlt.rho(grid * 0.5), 0.0)
    assert hlt.rho(grid[:0]).shape == (0,)


def test_jets_that_pile_up_explains_are_dropped() -> None:
    grid = np.full((1, N_ETA, N_PHI), 1.5, np.float32)
    grid[0, ETA_HALF + 3, 10] = 60.0
    jets = hlt.hlt_jets(grid, np.array([True]))[0]
    corrected = jets.pt - hlt.rho(grid)[0] * jets.area
    assert ak.num(jets, axis=0) < 15
    assert ak.all(corrected >= hlt.JET_PT_MIN_GEV)
    assert_allclose(corrected[0], 58.5, atol=3)
    assert jets.area[0] > 0.4
