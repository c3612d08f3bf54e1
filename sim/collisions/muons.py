"""The Level-1 muon trigger: efficiency and resolution drawn for every muon of a crossing, on the muon grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge import units

ETA_MAX: Final = 2.4
BARREL_ETA: Final = 1.24
PLATEAU: Final = 0.94
TURN_ON: Final = ((3.5, 0.35), (2.6, 0.35))
"""(pt of half efficiency, width) in GeV in the barrel and in the endcap: muons must reach the stations."""
SCATTERING: Final = (0.18, 0.24)
POSITION: Final = (0.0015, 0.0025)
"""Relative resolution a ⊕ b·pt of the curvature q/pt, pt in GeV, in the barrel and in the endcap: multiple scattering
in the iron, and positions in the chambers, which limit a straight track. Assumptions; at 200 GeV the charge of 0.2 %
of the muons in the barrel and of 4 % in the endcap is wrong."""
TAIL_SHARE: Final = 0.05
TAIL_FACTOR: Final = 3.0
"""So many muons are measured with so many times that resolution. Set by the public rates of single muons from 7 to 25
GeV (docs/simulation.md): soft muons of badly wrong pt make most of what passes a high threshold."""
ETA_RESOLUTION: Final = 0.012
PHI_RESOLUTION: Final = 0.02
PHI_SCATTERING: Final = 0.10
"""φ at the vertex is known to 0.02 ⊕ 0.10 GeV / pt."""
PT_MIN: Final = 4
PT_MAX: Final = 511
MUONS: Final = 8
_ETA_WORD_MAX: Final = round(2.45 / units.MUON_ETA_LSB)

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class MuonWords:
    """Words (pt, η, φ) of the muons of n crossings (m, 3), hardest first in each, and their charges ±1 (m,).

    `count` (n,) of them belong to each crossing. pt saturates at 511 counts of 0.5 GeV.
    """

    words: npt.NDArray[np.int32]
    charge: npt.NDArray[np.int8]
    count: npt.NDArray[np.int64]


def level1_muons(
    owner: Numbers,
    crossings: int,
    pt: Numbers,
    eta: Numbers,
    phi: Numbers,
    charge: Numbers,
    rng: np.random.Generator,
) -> MuonWords:
    """Level-1 muons from true ones (pt in GeV, charge ±1), each in crossing `owner`: at most 8 of at least 2 GeV.

    What is smeared is the curvature q/pt, so that a straight track may get the wrong charge.
    """
    barrel = np.abs(eta) < BARREL_ETA
    half, width = (np.where(barrel, *pair) for pair in zip(*TURN_ON, strict=True))
    efficiency = PLATEAU * (np.abs(eta) < ETA_MAX) / (1 + np.exp(np.clip((half - pt) / width, -50, 50)))
    resolution = np.hypot(np.where(barrel, *SCATTERING), np.where(barrel, *POSITION) * pt)
    resolution = np.where(rng.random(len(pt)) < TAIL_SHARE, TAIL_FACTOR, 1.0) * resolution
    curvature = charge * (1 + resolution * rng.standard_normal(len(pt))) / pt
    words = np.stack(
        [
            np.clip(np.rint(1 / np.maximum(np.abs(curvature), 1e-3) / units.PT_LSB_GEV), 0, PT_MAX),
            np.rint((eta + ETA_RESOLUTION * rng.standard_normal(len(pt))) / units.MUON_ETA_LSB),
            np.rint(_smeared_phi(pt, phi, rng) * units.MUON_PHI_STEPS / (2 * np.pi)) % units.MUON_PHI_STEPS,
        ],
        axis=1,
    ).astype(np.int32)
    words[:, 1] = np.clip(words[:, 1], -_ETA_WORD_MAX, _ETA_WORD_MAX)
    seen = np.flatnonzero((rng.random(len(pt)) < efficiency) & (words[:, 0] >= PT_MIN))
    kept = seen[_hardest(owner[seen], words[seen, 0], crossings)]
    sign = np.where(curvature[kept] < 0, -1, 1).astype(np.int8)
    return MuonWords(words[kept], sign, np.bincount(owner[kept], minlength=crossings))


def _hardest(owner: Numbers, pt: Numbers, crossings: int) -> Numbers:
    """Places of the first 8 of each crossing, in order of crossing and falling pt."""
    order = np.lexsort((-pt, owner))
    first = np.searchsorted(owner[order], np.arange(crossings))
    return order[np.arange(len(order)) - first[owner[order]] < MUONS]


def _smeared_phi(pt: Numbers, phi: Numbers, rng: np.random.Generator) -> Numbers:
    return phi + np.hypot(PHI_RESOLUTION, PHI_SCATTERING / pt) * rng.standard_normal(len(pt))
