"""The Level-1 trigger objects of a crossing, in integers on the grid of `contract.level1_contract`.

Tower energies are rounded to 0.5 GeV and saturate at 255.5 GeV a compartment; an η word counts 0.087/2, a φ word
2π/144, so a tower centre has odd words. Jets: 9×9 towers about a local maximum, less the pile-up of the "chunky
donut", the three lowest of the four 3×9 strips around it (CMS Level-1, arXiv:2006.10165). e/γ: a
local maximum of electromagnetic energy and its neighbours in φ, with little hadronic energy. Missing transverse
energy: towers above a pile-up threshold, higher for |η| > 2.96.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI
from trigforge.sim.collisions.interactions import FloatArray

TOWER_MAX: Final = 511
JET_HALF: Final = 4
JET_SEED: Final = 8
JET_MIN: Final = 30
JET_MAX: Final = 2047
JETS: Final = 12
EG_SEED: Final = 4
EG_MIN: Final = 8
EG_MAX: Final = 511
EGS: Final = 12
EG_ETA_TOWERS: Final = 34
"""Clusters have their centre in the first 34 towers of each side, up to η word 67."""
H_OVER_E_SHIFT: Final = 3
"""Hadronic energy behind a cluster at most 1/8 of its own."""
MET_TOWER_MIN: Final = 6
MET_FORWARD_TOWERS: Final = 34
MET_FORWARD_TOWER_MIN: Final = 12
MET_MAX: Final = 4095
ANGLE_BITS: Final = 10
"""Fraction bits of the cosines that weigh towers in the missing transverse energy. All energies are in 0.5 GeV."""

_ANGLE: Final = (np.arange(N_PHI) + 0.5) * 2 * np.pi / N_PHI
COSINE: Final = np.rint(np.cos(_ANGLE) * 2**ANGLE_BITS).astype(np.int64)
SINE: Final = np.rint(np.sin(_ANGLE) * 2**ANGLE_BITS).astype(np.int64)

Words = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class CaloObjects:
    """Words (pt, η, φ) of n crossings: `jets` and `egs` (n, 12, 3), hardest first, and their numbers; `met` (n, 2)."""

    jets: Words
    jet_count: Words
    egs: Words
    eg_count: Words
    met: Words


def calo_objects(em: FloatArray, had: FloatArray) -> CaloObjects:
    """Level-1 calorimeter objects of towers in GeV, shape (n, 114, 72)."""
    n = len(em)
    jets, egs = np.zeros((n, JETS, 3), np.int32), np.zeros((n, EGS, 3), np.int32)
    jet_count, eg_count, met = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros((n, 2), np.int32)
    _reconstruct(em, had, jets, jet_count, egs, eg_count, met)
    return CaloObjects(jets, jet_count, egs, eg_count, met)


# The kernels are numba's and untyped.
kernel: Any = numba.njit(cache=True, nogil=True)


@kernel
def _reconstruct(em, had, jets, jet_count, egs, eg_count, met):  # type: ignore[no-untyped-def]
    em_words, had_words = np.empty((N_ETA, N_PHI), np.int64), np.empty((N_ETA, N_PHI), np.int64)
    for crossing in range(len(em)):
        for eta in range(N_ETA):
            for phi in range(N_PHI):
                em_words[eta, phi] = min(int(em[crossing, eta, phi] * 2 + 0.5), TOWER_MAX)
                had_words[eta, phi] = min(int(had[crossing, eta, phi] * 2 + 0.5), TOWER_MAX)
        both = em_words + had_words
        for eta in range(N_ETA):
            for phi in range(N_PHI):
                if both[eta, phi] >= JET_SEED and _is_peak(both, eta, phi, JET_HALF):
                    jet_count[crossing] = _insert(jets[crossing], jet_count[crossing], _jet(both, eta, phi), eta, phi)
                central = ETA_HALF - EG_ETA_TOWERS <= eta < ETA_HALF + EG_ETA_TOWERS
                if central and em_words[eta, phi] >= EG_SEED and _is_peak(em_words, eta, phi, 1):
                    word = _cluster(em_words, had_words, eta, phi)
                    eg_count[crossing] = _insert(egs[crossing], eg_count[crossing], word, eta, phi)
        met[crossing, 0], met[crossing, 1] = _missing(both)


@kernel
def _is_peak(towers, eta, phi, half):  # type: ignore[no-untyped-def]
    """Whether no neighbour is higher; of equal ones that of larger η, then φ, wins."""
    here = towers[eta, phi]
    for d_eta in range(-half, half + 1):
        row = eta + d_eta
        if 0 <= row < N_ETA:
            for d_phi in range(-half, half + 1):
                there = towers[row, (phi + d_phi) % N_PHI]
                if there > here or (there == here and (d_eta > 0 or (d_eta == 0 and d_phi > 0))):
                    return False
    return True


@kernel
def _sum(towers, eta_low, eta_high, phi_low, phi_high):  # type: ignore[no-untyped-def]
    total = 0
    for eta in range(max(eta_low, 0), min(eta_high, N_ETA)):
        for phi in range(phi_low, phi_high):
            total += towers[eta, phi % N_PHI]
    return total


@kernel
def _jet(towers, eta, phi):  # type: ignore[no-untyped-def]
    """The word of a jet's pt, 0 if below the minimum.

    A strip that the edge of the calorimeter cuts is left out, and the pile-up of the three others scaled to the
    area of the (cut) window.
    """
    eta_low, eta_high, phi_low, phi_high = (
        eta - JET_HALF,
        eta + JET_HALF + 1,
        phi - JET_HALF,
        phi + JET_HALF + 1,
    )
    window = _sum(towers, eta_low, eta_high, phi_low, phi_high)
    below, above = (
        _sum(towers, eta_low - 3, eta_low, phi_low, phi_high),
        _sum(towers, eta_high, eta_high + 3, phi_low, phi_high),
    )
    left, right = (
        _sum(towers, eta_low, eta_high, phi_low - 3, phi_low),
        _sum(towers, eta_low, eta_high, phi_high, phi_high + 3),
    )
    rows = min(eta_high, N_ETA) - max(eta_low, 0)
    if eta_low - 3 < 0:
        pile_up = (above + left + right) * 9 * rows // (27 + 6 * rows)
    elif eta_high + 3 > N_ETA:
        pile_up = (below + left + right) * 9 * rows // (27 + 6 * rows)
    else:
        pile_up = below + above + left + right - max(below, above, left, right)
    pt = window - pile_up
    return min(pt, JET_MAX) if pt >= JET_MIN else 0


@kernel
def _cluster(em, had, eta, phi):  # type: ignore[no-untyped-def]
    """The word of an e/γ cluster's pt, 0 if it is too low or too hadronic."""
    pt = _sum(em, eta, eta + 1, phi - 1, phi + 2)
    behind = _sum(had, eta, eta + 1, phi - 1, phi + 2)
    return min(pt, EG_MAX) if pt >= EG_MIN and behind << H_OVER_E_SHIFT <= pt else 0


@kernel
def _insert(found, count, pt, eta, phi):  # type: ignore[no-untyped-def]
    """Insert an object into a list ordered by pt (equals: first come first), dropping the last if it is full."""
    if pt == 0:
        return count
    place = count
    while place > 0 and found[place - 1, 0] < pt:
        place -= 1
    if place == len(found):
        return count
    last = min(count, len(found) - 1)
    for i in range(last, place, -1):
        found[i] = found[i - 1]
    found[place, 0], found[place, 1], found[place, 2] = pt, 2 * (eta - ETA_HALF) + 1, 2 * phi + 1
    return min(count + 1, len(found))


@kernel
def _missing(towers):  # type: ignore[no-untyped-def]
    """Words of missing transverse energy and its φ: minus the vector sum over the towers above threshold."""
    x, y = 0, 0
    for eta in range(N_ETA):
        forward = not ETA_HALF - MET_FORWARD_TOWERS <= eta < ETA_HALF + MET_FORWARD_TOWERS
        threshold = MET_FORWARD_TOWER_MIN if forward else MET_TOWER_MIN
        for phi in range(N_PHI):
            if towers[eta, phi] >= threshold:
                x -= towers[eta, phi] * COSINE[phi]
                y -= towers[eta, phi] * SINE[phi]
    size = int(np.sqrt(x * x + y * y)) >> ANGLE_BITS
    if size == 0:
        return 0, 0
    phi_word = int(np.rint(np.arctan2(y, x) * N_PHI / np.pi)) % (2 * N_PHI)
    return min(size, MET_MAX), phi_word
