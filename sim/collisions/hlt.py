"""Jets and pile-up density as a high-level trigger makes them from calorimeter towers."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI, TOWER_ETA, TOWER_PHI
from trigforge.sim.collisions.interactions import FloatArray
from trigforge.sim.collisions.jets import Jets, anti_kt, areas
from trigforge.sim.collisions.pileup import median_density

TOWER_MIN_GEV: Final = 1.0
"""Transverse energy from which a tower takes part; a higher one is faster, but bends ρ as a function of pile-up."""
JET_PT_MIN_GEV: Final = 10.0
"""Least pt - ρ·area of a jet."""
JET_ETA_MAX: Final = 4.5
RHO_ETA_TOWERS: Final = 30
"""ρ is the median over |η| < 30 towers = 2.61."""

TOWER_CENTRE_ETA: Final = (np.arange(N_ETA) - ETA_HALF + 0.5) * TOWER_ETA
TOWER_CENTRE_PHI: Final = (np.arange(N_PHI) + 0.5) * TOWER_PHI


def rho(towers: FloatArray) -> npt.NDArray[np.float64]:
    """Median pt density in GeV per unit area (arXiv:0707.1378) of tower energies (n, 114, 72)."""
    return median_density(towers[:, ETA_HALF - RHO_ETA_TOWERS : ETA_HALF + RHO_ETA_TOWERS], TOWER_MIN_GEV)


def hlt_jets(towers: FloatArray, seeded: npt.NDArray[np.bool_]) -> ak.Array:
    """Anti-kT 0.4 jets of the seeded crossings; the others get empty lists: pt, eta, phi, mass, area.

    `towers` (n, 114, 72) in GeV are massless at their centres. Pile-up is not subtracted, but jets with less than
    10 GeV of pt - ρ·area are dropped, which are mostly pile-up.
    """
    here = np.flatnonzero(seeded)
    towers = towers[here]
    place, ieta, iphi = np.nonzero(towers >= TOWER_MIN_GEV)
    pt, eta, phi = towers[place, ieta, iphi], TOWER_CENTRE_ETA[ieta], TOWER_CENTRE_PHI[iphi]
    jets = anti_kt(pt, eta, phi, pt * np.cosh(eta), np.bincount(place, minlength=len(here)), JET_PT_MIN_GEV)
    return standing_out(jets, np.repeat(rho(towers), jets.counts), seeded)


def standing_out(jets: Jets, density: npt.NDArray[np.float64], seeded: npt.NDArray[np.bool_]) -> ak.Array:
    """Lists for all crossings of the jets of the seeded ones, with their area, if pt - ρ·area ≥ 10 GeV.

    `density` is ρ at each jet.
    """
    area = areas(jets)
    kept = (jets.pt - density * area >= JET_PT_MIN_GEV) & (np.abs(jets.eta) < JET_ETA_MAX)
    chosen = jets[kept]
    counts = np.zeros(len(seeded), np.int64)
    counts[seeded] = chosen.counts
    return replace(chosen, counts=counts).lists(area=area[kept])
