"""Jets and pile-up density as an offline reconstruction makes them: tracks, and towers of what leaves none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import ETA_HALF
from trigforge.sim.collisions.flow import TRACKER_ETA
from trigforge.sim.collisions.hlt import JET_PT_MIN_GEV, TOWER_CENTRE_ETA, TOWER_CENTRE_PHI, standing_out
from trigforge.sim.collisions.interactions import FloatArray
from trigforge.sim.collisions.jets import anti_kt
from trigforge.sim.collisions.pileup import median_density

NEUTRAL_MIN_GEV: Final = 1.0
"""Transverse energy from which a tower takes part, as in the trigger."""
RHO_ETA_TOWERS: Final = 27
"""ρ is the median over |η| < 27 towers = 2.35, inside the tracker."""
FORWARD_TOWERS: Final = (30, 54)
"""Beyond the tracker the median is over 30 to 54 towers = 2.61 to 4.70."""
PION_MASS_GEV: Final = 0.1396


@dataclass(frozen=True, slots=True)
class Tracks:
    """Tracks of n crossings: the crossing `owner` of each, its pt in GeV, η and φ at the vertex."""

    owner: npt.NDArray[Any]
    pt: npt.NDArray[Any]
    eta: npt.NDArray[Any]
    phi: npt.NDArray[Any]


def rho_offline(neutral: FloatArray) -> npt.NDArray[np.float64]:
    """Median density in GeV per unit area (arXiv:0707.1378) of the neutral energies (n, 114, 72) inside the tracker.

    That is what charged-hadron subtraction leaves of central pile-up, so pt - ρ·area is right there (CMS calls it
    `fixedGridRhoFastjetCentralNeutral`). Beyond |η| = 2.5 the charged particles of pile-up remain too, which a
    calibration in bins of η has to take off.
    """
    return median_density(neutral[:, ETA_HALF - RHO_ETA_TOWERS : ETA_HALF + RHO_ETA_TOWERS], NEUTRAL_MIN_GEV)


def offline_jets(neutral: FloatArray, tracks: Tracks, seeded: npt.NDArray[np.bool_]) -> ak.Array:
    """Anti-kT 0.4 jets of the seeded crossings; the others get empty lists: pt, eta, phi, mass, area.

    `neutral` (n, 114, 72) in GeV are massless towers at their centres, `tracks` pions; those of pile-up must not be
    among them (charged-hadron subtraction). Pile-up is not subtracted, but jets with less than 10 GeV of
    pt - ρ·area are dropped, ρ beyond |η| = 2.5 being the median there.
    """
    here = seeded[tracks.owner]
    pt, eta, phi = tracks.pt[here], tracks.eta[here], tracks.phi[here]
    owner = (np.cumsum(seeded) - 1)[tracks.owner[here]]
    neutral = neutral[seeded]
    place, ieta, iphi = np.nonzero(neutral >= NEUTRAL_MIN_GEV)
    tower, tower_eta = neutral[place, ieta, iphi], TOWER_CENTRE_ETA[ieta]
    crossing = np.concatenate([place, owner])
    order = np.argsort(crossing, kind="stable")
    jets = anti_kt(
        np.concatenate([tower, pt])[order],
        np.concatenate([tower_eta, eta])[order],
        np.concatenate([TOWER_CENTRE_PHI[iphi], phi])[order],
        np.concatenate([tower * np.cosh(tower_eta), np.hypot(pt * np.cosh(eta), PION_MASS_GEV)])[order],
        np.bincount(crossing, minlength=len(neutral)),
        JET_PT_MIN_GEV,
    )
    central = np.abs(jets.eta) < TRACKER_ETA
    densities = [np.repeat(values, jets.counts) for values in (rho_offline(neutral), _rho_forward(neutral))]
    return standing_out(jets, np.where(central, *densities), seeded)


def _rho_forward(neutral: FloatArray) -> npt.NDArray[np.float64]:
    """The density beyond the tracker, where the charged particles of pile-up remain."""
    first, last = FORWARD_TOWERS
    forward = [neutral[:, ETA_HALF - last : ETA_HALF - first], neutral[:, ETA_HALF + first : ETA_HALF + last]]
    return median_density(np.concatenate(forward, axis=1), NEUTRAL_MIN_GEV)
