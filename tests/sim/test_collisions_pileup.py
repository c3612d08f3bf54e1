"""The median density of hand-made towers."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions.detector import N_PHI, TOWER_ETA, TOWER_PHI
from trigforge.sim.collisions.pileup import median_density


def test_the_density_is_the_median_of_the_cells() -> None:
    cells = np.arange(3 * 12, dtype=np.float32).reshape(3, 12)
    towers = np.zeros((1, 18, N_PHI), np.float32)
    towers[0, 2::6, 3::6] = cells + 1  # one lit tower in each cell
    assert_allclose(median_density(towers, 0.5), 18.5 / (36 * TOWER_ETA * TOWER_PHI), rtol=1e-6)


def test_dim_towers_are_empty_and_no_crossings_have_no_density() -> None:
    towers = np.full((2, 12, N_PHI), 0.9, np.float32)
    assert_array_equal(median_density(towers, 1.0), [0.0, 0.0])
    assert median_density(towers[:0], 1.0).shape == (0,)
