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
CURVATURE_RESOLUTION: Final = (0.18, 0.24)
"""Relative resolution of q/pt in the barrel and in the endcap."""
ETA_RESOLUTION: Final = 0.012
PHI_RESOLUTION: Final = 0.02
PHI_SCATTERING: Final = 0.10
"""φ at the vertex is known to 0.02 ⊕ 0.10 GeV / pt."""
PT_MIN: Final = 4
PT_MAX: Final = 511
MUONS: Final = 8

Floats = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class MuonWords:
    """Words (pt, η, φ) of the muons of n crossings (m, 3), hardest first in each; `count` (n) of them in each."""

    words: npt.NDArray[np.int32]
    count: npt.NDArray[np.int64]


def level1_muons(
    owner: Floats, crossings: int, pt: Floats, eta: Floats, phi: Floats, rng: np.random.Generator
) -> MuonWords:
    """Level-1 muons from true ones, each in crossing `owner`: at most 8 of at least 2 GeV."""
    barrel = np.abs(eta) < BARREL_ETA
    half, width = (np.where(barrel, *pair) for pair in zip(*TURN_ON, strict=True))
    efficiency = PLATEAU * (np.abs(eta) < ETA_MAX) / (1 + np.exp(np.clip((half - pt) / width, -50, 50)))
    curvature = (1 + np.where(barrel, *CURVATURE_RESOLUTION) * rng.standard_normal(len(pt))) / pt
    words = np.stack(
        [
            np.clip(np.rint(1 / np.maximum(np.abs(curvature), 1e-3) / units.PT_LSB_GEV), 0, PT_MAX),
            np.rint((eta + ETA_RESOLUTION * rng.standard_normal(len(pt))) / units.MUON_ETA_LSB),
            np.rint(_smeared_phi(pt, phi, rng) * units.MUON_PHI_STEPS / (2 * np.pi)) % units.MUON_PHI_STEPS,
        ],
        axis=1,
    ).astype(np.int32)
    words[:, 1] = np.clip(words[:, 1], -_ETA_WORD_MAX, _ETA_WORD_MAX)
    seen = (rng.random(len(pt)) < efficiency) & (words[:, 0] >= PT_MIN)
    words, owner = words[seen], owner[seen]
    order = np.lexsort((-words[:, 0], owner))
    words, owner = words[order], owner[order]
    first = np.searchsorted(owner, np.arange(crossings))
    kept = np.arange(len(owner)) - first[owner] < MUONS
    return MuonWords(words[kept], np.bincount(owner[kept], minlength=crossings))


_ETA_WORD_MAX: Final = round(2.45 / units.MUON_ETA_LSB)


def _smeared_phi(pt: Floats, phi: Floats, rng: np.random.Generator) -> Floats:
    return phi + np.hypot(PHI_RESOLUTION, PHI_SCATTERING / pt) * rng.standard_normal(len(pt))
