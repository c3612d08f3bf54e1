"""The Level-1 calorimeter objects of a crossing, in integers on the grid of `contract.level1_contract`.

Tower energies are rounded to 0.5 GeV and saturate at 255.5 GeV a compartment; an η word counts 0.087/2, a φ word
2π/144, so a tower centre has odd words.

- Jets: 9×9 towers about a local maximum, less the mean of the rest of their rows around the detector. That is the
  "phi ring" of the CMS Level-1 since 2023, but for a factor: the deployed ring contains the jet, which makes its pt
  7/8 of ours, and a calibration undoes that. Jets of |η| < 2.96 get an eighth more as theirs. (The "chunky donut"
  before it, arXiv:2006.10165, drops the highest of four strips and so subtracts too little, the more so the more
  pile-up.)
- HT: the scalar sum of all jets of pt ≥ 30 GeV and |η| < 2.5.
- e/γ: a local maximum of electromagnetic energy and its neighbours in φ, with little hadronic energy. Isolated, if
  the energy in 5×9 towers about it, without its footprint, is within a limit that rises with its pt and with the
  number of lit towers at |ieta| ≤ 4, as in arXiv:2006.10165. The footprint is the electromagnetic energy of 1×5
  towers and the hadronic energy behind the cluster.
- Missing transverse energy: towers above a threshold that rises with the number of lit towers at |ieta| ≤ 4 and is
  doubled for |η| > 2.96. CMS looks such a threshold up by the same number and |η|.
- Regions: the 18 × 14 (φ × η) of 4×4 trigger towers that CICADA takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions import level1_kernels as kernels
from trigforge.sim.collisions.interactions import FloatArray

REGIONS: Final = kernels.REGIONS_PHI * kernels.REGIONS_ETA

Words = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class CaloObjects:
    """Words of n crossings in counts of 0.5 GeV: `ht` (n,), `met` (n, 2) of pt and φ, and lists, hardest first.

    `jets` and `egs` (n, 12, 3) hold pt, η, φ, and 0 beyond the first `jet_count` and `eg_count` (n,); `eg_iso`
    (n, 12) is 1 for isolated clusters. Saturation: 511 for e/γ, 2047 for jets, 4095 for `ht` and `met`.
    """

    jets: Words
    jet_count: Words
    egs: Words
    eg_count: Words
    eg_iso: npt.NDArray[np.int8]
    ht: Words
    met: Words


def calo_objects(em: FloatArray, had: FloatArray) -> CaloObjects:
    """Level-1 calorimeter objects of towers in GeV, shape (n, 114, 72)."""
    n = len(em)
    found = CaloObjects(
        jets=np.zeros((n, kernels.JETS, 3), np.int32),
        jet_count=np.zeros(n, np.int32),
        egs=np.zeros((n, kernels.EGS, 3), np.int32),
        eg_count=np.zeros(n, np.int32),
        eg_iso=np.zeros((n, kernels.EGS), np.int8),
        ht=np.zeros(n, np.int32),
        met=np.zeros((n, 2), np.int32),
    )
    kernels.reconstruct(
        em, had, found.jets, found.jet_count, found.egs, found.eg_count, found.eg_iso, found.ht, found.met
    )
    return found


def regions(em: FloatArray, had: FloatArray) -> npt.NDArray[np.uint16]:
    """Transverse energies of the calorimeter regions of towers in GeV (n, 114, 72): words (n, 252) up to 1023.

    Region `phi · 14 + eta`, as CICADA flattens them: `phi` counts 20° from -10°, so region 0 is centred at φ = 0;
    `eta` rises with η from -2.96. The edges at |η| = 0, 0.348, 0.696, 1.044, 1.392, 1.740, 2.175 and 2.958 are those
    of our towers next to the deployed ones (…, 2.172, 3.0), so that the outer regions hold 5 and 9 of our rows
    where trigger towers are wider. All towers up to there count, above no threshold.
    """
    found = np.zeros((len(em), REGIONS), np.uint16)
    kernels.sum_regions(em, had, found)
    return found


def coarse(words: npt.NDArray[np.uint16], step: int) -> npt.NDArray[np.uint16]:
    """Region words (n, 252) rounded to multiples of `step`, a power of two, ties to even multiples, up to 1023.

    A model whose input type rounds the same bits away, with `RND_CONV` and `SAT`, reads the same values from either.
    """
    return (np.minimum(np.rint(words / step), kernels.REGION_MAX // step) * step).astype(np.uint16)
