"""The density of pile-up in a tower grid."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import N_PHI, TOWER_ETA, TOWER_PHI
from trigforge.sim.collisions.interactions import FloatArray

RHO_CELL: Final = 6
"""Side of a cell for ρ in towers, 0.52 × 0.52."""


def median_density(towers: FloatArray, tower_min: float) -> npt.NDArray[np.float64]:
    """Median pt density ρ in GeV per unit area (arXiv:0707.1378) of the cells of a fixed grid: shape (n,).

    `towers` are rows of the tower grid, (n, rows, 72), their number a multiple of 6; those below `tower_min` GeV
    count as empty.
    """
    n, rows, _ = towers.shape
    lit = np.where(towers >= tower_min, towers, np.float32(0))
    cells = lit.reshape(n, rows // RHO_CELL, RHO_CELL, N_PHI // RHO_CELL, RHO_CELL)
    sums = cells.sum(axis=(2, 4), dtype=np.float64).reshape(n, rows * N_PHI // RHO_CELL**2)
    return np.asarray(np.median(sums, axis=1) / (RHO_CELL**2 * TOWER_ETA * TOWER_PHI))
