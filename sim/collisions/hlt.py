"""Jets and pile-up density as a high-level trigger makes them from calorimeter towers."""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numba
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI, TOWER_ETA, TOWER_PHI
from trigforge.sim.collisions.interactions import FloatArray
from trigforge.sim.collisions.jets import RADIUS, anti_kt

TOWER_MIN_GEV: Final = 1.0
"""Transverse energy from which a tower takes part."""
JET_PT_MIN_GEV: Final = 15.0
JET_ETA_MAX: Final = 4.5
RHO_CELL: Final = 6
"""Side of a cell for ρ in towers, 0.52 × 0.52."""
RHO_ETA_TOWERS: Final = 30
"""ρ is the median over |η| < 30 towers = 2.61."""

_ETA: Final = (np.arange(N_ETA) - ETA_HALF + 0.5) * TOWER_ETA
_PHI: Final = (np.arange(N_PHI) + 0.5) * TOWER_PHI


def rho(towers: FloatArray) -> npt.NDArray[np.float64]:
    """Median pt density in GeV per unit area (arXiv:0707.1378) of tower energies (n, 114, 72)."""
    central = np.where(towers >= TOWER_MIN_GEV, towers, 0)[:, ETA_HALF - RHO_ETA_TOWERS : ETA_HALF + RHO_ETA_TOWERS]
    cells = central.reshape(len(towers), 2 * RHO_ETA_TOWERS // RHO_CELL, RHO_CELL, N_PHI // RHO_CELL, RHO_CELL)
    sums = cells.sum(axis=(2, 4)).reshape(len(towers), 2 * RHO_ETA_TOWERS // RHO_CELL * (N_PHI // RHO_CELL))
    area = RHO_CELL**2 * TOWER_ETA * TOWER_PHI
    return np.asarray(np.median(sums, axis=1) / area, dtype=np.float64) if len(sums) else np.zeros(0)


def hlt_jets(towers: FloatArray, seeded: npt.NDArray[np.bool_]) -> ak.Array:
    """Anti-kT 0.4 jets of the seeded crossings; the others get empty lists: pt, eta, phi, mass, area.

    Massless towers at their centres, pile-up not subtracted. `area` counts the tower centres that a jet would
    catch as ghosts of no energy (arXiv:0802.1188): those within 0.4 and nearest in units of 1/pt.
    """
    crossing, ieta, iphi = np.nonzero((towers >= TOWER_MIN_GEV) & seeded[:, None, None])
    pt, eta, phi = towers[crossing, ieta, iphi].astype(np.float64), _ETA[ieta], _PHI[iphi]
    counts = np.bincount(crossing, minlength=len(towers))
    jets = anti_kt(pt, eta, phi, pt * np.cosh(eta), counts, JET_PT_MIN_GEV)
    jets = jets[np.abs(jets.eta) < JET_ETA_MAX]
    number = ak.to_numpy(ak.num(jets))
    flat = ak.flatten(jets)
    area = _areas(np.concatenate([[0], np.cumsum(number)]), *(ak.to_numpy(flat[n]) for n in ("pt", "eta", "phi")))
    return ak.with_field(jets, ak.unflatten(area, number), "area")


kernel: Any = numba.njit(cache=True, nogil=True)


@kernel
def _areas(start, pt, eta, phi):  # type: ignore[no-untyped-def]
    area = np.zeros(len(pt))
    best = np.full((N_ETA, N_PHI), -1)
    for event in range(len(start) - 1):
        distance = np.full((N_ETA, N_PHI), np.inf)
        for jet in range(start[event], start[event + 1]):
            middle = int(np.floor(eta[jet] / TOWER_ETA)) + ETA_HALF
            column = int(np.floor(phi[jet] / TOWER_PHI))
            for row in range(max(middle - 5, 0), min(middle + 6, N_ETA)):
                for near in range(column - 5, column + 6):
                    square = (_ETA[row] - eta[jet]) ** 2 + ((near + 0.5) * TOWER_PHI - phi[jet]) ** 2
                    if square < RADIUS**2 and square / pt[jet] ** 2 < distance[row, near % N_PHI]:
                        distance[row, near % N_PHI] = square / pt[jet] ** 2
                        best[row, near % N_PHI] = jet
        for row in range(N_ETA):
            for near in range(N_PHI):
                if distance[row, near] < np.inf:
                    area[best[row, near]] += TOWER_ETA * TOWER_PHI
    return area
