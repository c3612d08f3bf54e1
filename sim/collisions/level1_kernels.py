"""The kernels of `level1`: integers in counts of 0.5 GeV in rows of towers, compiled.

A row holds the 72 towers in φ between copies of the last and the first `PAD`, so that no window has to wrap. Lists
of objects are (slots, 3), pt, η and φ words, hardest first.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI

PAD: Final = 4
TOWER_MAX: Final = 511

JET_HALF: Final = 4
JET_SEED: Final = 8
JET_MIN: Final = 30
JET_MAX: Final = 2047
JETS: Final = 12
RING_SHARE: Final = N_PHI // (2 * JET_HALF + 1) - 1
"""The rest of the ring of a jet in areas of its window: 63 to 9 towers in φ."""

JET_SCALE_TOWERS: Final = 34
JET_SCALE_SHIFT: Final = 3
"""The calibration: jets with their centre in the first 34 towers of each side, |η| < 2.96, get an eighth more. The
response of jets of 50 to 200 GeV is 0.8 to 0.9 without."""

HT_JET_MIN: Final = 60
HT_ETA_TOWERS: Final = 29
"""Jets with their centre in the first 29 towers of each side, |η| < 2.5."""
HT_MAX: Final = 4095

EG_SEED: Final = 4
EG_MIN: Final = 8
EG_MAX: Final = 511
EGS: Final = 12
EG_ETA_TOWERS: Final = 34
"""Clusters have their centre in the first 34 towers of each side, up to η word 67."""
H_OVER_E_SHIFT: Final = 3
"""Hadronic energy behind a cluster at most 1/8 of its own."""

ISO_ETA_HALF: Final = 2
ISO_PHI_HALF: Final = 4
ISO_VETO_PHI_HALF: Final = 2
LIT_ETA_TOWERS: Final = 4
LIT_TOWERS: Final = 2 * LIT_ETA_TOWERS * N_PHI
"""The towers that are counted, if lit, as the measure of pile-up: |ieta| ≤ 4."""
ISO_PT_SHIFT: Final = 4
ISO_MEAN: Final = 97.0
ISO_SIGMAS: Final = 2.2
_LIT_SHARE: Final = np.arange(LIT_TOWERS + 1) / (LIT_TOWERS + 1)
_ISO_PILE_UP: Final = ISO_MEAN * -np.log1p(-_LIT_SHARE)
ISO_LIMIT: Final = np.rint(_ISO_PILE_UP + ISO_SIGMAS * np.sqrt(_ISO_PILE_UP)).astype(np.int64)
"""A cluster is isolated if the energy around it is at most `ISO_LIMIT[lit] + (pt >> ISO_PT_SHIFT)`. Assumptions: the
pile-up in the window is 97 counts times its occupancy -ln(1 - lit towers / 577), fitted to Z → ee at mean pile-up from
20 to 200; the limit lies 2.2 square roots above it, for 90 % of the electrons, and rises by 1/16 of the cluster."""

MET_TOWER_MIN: Final = 2 + (3 * np.arange(LIT_TOWERS + 1) >> 5)
"""Least word of a tower in the missing transverse energy, by the number of lit towers. Assumed: a line near the
constant thresholds with which W + jet and tt̄ with 100 to 150 GeV of it passed best at a given zero-bias rate, at mean
pile-up of 60, 140 and 200."""
MET_FORWARD_TOWERS: Final = 34
MET_FORWARD_SHIFT: Final = 1
"""Beyond the first 34 towers of each side it is twice that."""
MET_MAX: Final = 4095
ANGLE_BITS: Final = 10
"""Fraction bits of the cosines that weigh towers in the missing transverse energy."""

REGIONS_PHI: Final = 18
REGIONS_ETA: Final = 14
REGION_MAX: Final = 1023
REGION_PHI_TOWERS: Final = N_PHI // REGIONS_PHI
REGION_EDGES: Final = np.array([0, 4, 8, 12, 16, 20, 25, 34])
"""Rows of towers from η = 0 at which regions end."""
REGION_ROWS: Final = ETA_HALF + np.concatenate([-REGION_EDGES[:0:-1], REGION_EDGES])

_ANGLE: Final = (np.arange(N_PHI) + 0.5) * 2 * np.pi / N_PHI
COSINE: Final = np.rint(np.cos(_ANGLE) * 2**ANGLE_BITS).astype(np.int64)
SINE: Final = np.rint(np.sin(_ANGLE) * 2**ANGLE_BITS).astype(np.int64)

# The kernels are numba's and untyped.
kernel: Any = numba.njit(cache=True, nogil=True)


@kernel
def reconstruct(em, had, jets, jet_count, egs, eg_count, eg_iso, ht, met):  # type: ignore[no-untyped-def]
    """Fill the objects of all crossings."""
    em_words, words = np.empty((N_ETA, N_PHI + 2 * PAD), np.int32), np.empty((N_ETA, N_PHI + 2 * PAD), np.int32)
    highest, ring, column = np.empty(N_ETA, np.int32), np.empty(N_ETA, np.int32), np.empty(N_PHI, np.int32)
    for c in range(len(em)):
        digitise(em[c], had[c], em_words, words)
        _survey(words, highest, ring)
        jet_count[c], ht[c] = _find_jets(words, highest, ring, jets[c])
        eg_count[c] = _find_egs(em_words, words, highest, egs[c])
        lit = _count_lit(words)
        _isolate(em_words, words, lit, egs[c], eg_count[c], eg_iso[c])
        met[c, 0], met[c, 1] = _missing(words, highest, lit, column)


@kernel
def digitise(em, had, em_words, words):  # type: ignore[no-untyped-def]
    """Electromagnetic words and their sum with the hadronic ones of towers (114, 72) in GeV."""
    for eta in range(N_ETA):
        for phi in range(N_PHI):
            em_word = np.int32(min(np.float64(em[eta, phi]) * 2 + 0.5, np.float64(TOWER_MAX)))
            had_word = np.int32(min(np.float64(had[eta, phi]) * 2 + 0.5, np.float64(TOWER_MAX)))
            em_words[eta, PAD + phi] = em_word
            words[eta, PAD + phi] = em_word + had_word
        for i in range(PAD):
            for rows in (em_words, words):
                rows[eta, i] = rows[eta, N_PHI + i]
                rows[eta, N_PHI + PAD + i] = rows[eta, PAD + i]


@kernel
def _survey(words, highest, ring):  # type: ignore[no-untyped-def]
    """The highest tower and the sum of every row."""
    for eta in range(N_ETA):
        high, total = np.int32(0), np.int32(0)
        for phi in range(PAD, PAD + N_PHI):
            high = max(high, words[eta, phi])
            total += words[eta, phi]
        highest[eta], ring[eta] = high, total


@kernel
def _is_peak(words, eta, at, half):  # type: ignore[no-untyped-def]
    """Whether no neighbour is higher; of equal ones that of larger η, then φ, wins."""
    here = words[eta, at]
    for row in range(max(eta - half, 0), min(eta + half + 1, N_ETA)):
        for place in range(at - half, at + half + 1):
            there = words[row, place]
            if there > here or (there == here and (row > eta or (row == eta and place > at))):
                return False
    return True


@kernel
def _sum(words, eta_half, eta, at, half):  # type: ignore[no-untyped-def]
    """The sum of the window of `half` towers to either side of the place `at`, cut by the edge in η."""
    total = 0
    for row in range(max(eta - eta_half, 0), min(eta + eta_half + 1, N_ETA)):
        for place in range(at - half, at + half + 1):
            total += words[row, place]
    return total


@kernel
def _find_jets(words, highest, ring, jets):  # type: ignore[no-untyped-def]
    """Number of jets in the list, and HT."""
    count, total = 0, 0
    for eta in range(N_ETA):
        if highest[eta] < JET_SEED:
            continue
        central = ETA_HALF - HT_ETA_TOWERS <= eta < ETA_HALF + HT_ETA_TOWERS
        for at in range(PAD, PAD + N_PHI):
            if words[eta, at] >= JET_SEED and _is_peak(words, eta, at, JET_HALF):
                pt = _jet(words, ring, eta, at)
                if pt >= JET_MIN:
                    count = _insert(jets, count, pt, eta, at)
                if central and pt >= HT_JET_MIN:
                    total += pt
    return count, min(total, HT_MAX)


@kernel
def _jet(words, ring, eta, at):  # type: ignore[no-untyped-def]
    """The pt of a jet: its window less the mean of the rest of its rows, calibrated."""
    window, rows = _sum(words, JET_HALF, eta, at, JET_HALF), 0
    for row in range(max(eta - JET_HALF, 0), min(eta + JET_HALF + 1, N_ETA)):
        rows += ring[row]
    pt = window - (rows - window) // RING_SHARE
    if ETA_HALF - JET_SCALE_TOWERS <= eta < ETA_HALF + JET_SCALE_TOWERS:
        pt += pt >> JET_SCALE_SHIFT
    return min(pt, JET_MAX)


@kernel
def _find_egs(em_words, words, highest, egs):  # type: ignore[no-untyped-def]
    """Number of e/γ clusters in the list: peaks and their neighbours in φ, with enough and little hadronic energy."""
    count = 0
    for eta in range(ETA_HALF - EG_ETA_TOWERS, ETA_HALF + EG_ETA_TOWERS):
        if highest[eta] < EG_SEED:
            continue
        for at in range(PAD, PAD + N_PHI):
            if em_words[eta, at] >= EG_SEED and _is_peak(em_words, eta, at, 1):
                pt = _sum(em_words, 0, eta, at, 1)
                behind = _sum(words, 0, eta, at, 1) - pt
                if pt >= EG_MIN and behind << H_OVER_E_SHIFT <= pt:
                    count = _insert(egs, count, min(pt, EG_MAX), eta, at)
    return count


@kernel
def _insert(found, count, pt, eta, at):  # type: ignore[no-untyped-def]
    """Insert an object into a list ordered by pt (equals: first come first), dropping the last if it is full."""
    place = count
    while place > 0 and found[place - 1, 0] < pt:
        place -= 1
    if place == len(found):
        return count
    for i in range(min(count, len(found) - 1), place, -1):
        found[i] = found[i - 1]
    found[place, 0], found[place, 1], found[place, 2] = pt, 2 * (eta - ETA_HALF) + 1, 2 * (at - PAD) + 1
    return min(count + 1, len(found))


@kernel
def _count_lit(words):  # type: ignore[no-untyped-def]
    """The number of lit towers at |ieta| ≤ 4."""
    lit = 0
    for eta in range(ETA_HALF - LIT_ETA_TOWERS, ETA_HALF + LIT_ETA_TOWERS):
        for at in range(PAD, PAD + N_PHI):
            lit += words[eta, at] > 0
    return lit


@kernel
def _isolate(em_words, words, lit, egs, count, isolated):  # type: ignore[no-untyped-def]
    """Whether the energy around each cluster is within the limit."""
    for i in range(count):
        limit = ISO_LIMIT[lit] + (egs[i, 0] >> ISO_PT_SHIFT)
        isolated[i] = around(em_words, words, (egs[i, 1] - 1) // 2 + ETA_HALF, egs[i, 2] // 2 + PAD) <= limit


@kernel
def around(em_words, words, eta, at):  # type: ignore[no-untyped-def]
    """Transverse energy in the window about a cluster less its footprint."""
    footprint = _sum(em_words, 0, eta, at, ISO_VETO_PHI_HALF)
    behind = _sum(words, 0, eta, at, 1) - _sum(em_words, 0, eta, at, 1)
    return _sum(words, ISO_ETA_HALF, eta, at, ISO_PHI_HALF) - footprint - behind


@kernel
def _missing(words, highest, lit, column):  # type: ignore[no-untyped-def]
    """Words of missing transverse energy and its φ: minus the vector sum over the towers above threshold."""
    column[:] = 0
    for eta in range(N_ETA):
        central = ETA_HALF - MET_FORWARD_TOWERS <= eta < ETA_HALF + MET_FORWARD_TOWERS
        threshold = MET_TOWER_MIN[lit] if central else MET_TOWER_MIN[lit] << MET_FORWARD_SHIFT
        if highest[eta] >= threshold:
            for phi in range(N_PHI):
                word = words[eta, PAD + phi]
                column[phi] += word if word >= threshold else np.int32(0)
    x, y = 0, 0
    for phi in range(N_PHI):
        x -= column[phi] * COSINE[phi]
        y -= column[phi] * SINE[phi]
    size = int(np.sqrt(x * x + y * y)) >> ANGLE_BITS
    if size == 0:
        return 0, 0
    phi_word = int(np.rint(np.arctan2(y, x) * N_PHI / np.pi)) % (2 * N_PHI)
    return min(size, MET_MAX), phi_word


@kernel
def sum_regions(em, had, found):  # type: ignore[no-untyped-def]
    """Fill the regions of all crossings."""
    em_words, words = np.empty((N_ETA, N_PHI + 2 * PAD), np.int32), np.empty((N_ETA, N_PHI + 2 * PAD), np.int32)
    column = np.empty(N_PHI + 2 * PAD, np.int32)
    for c in range(len(em)):
        digitise(em[c], had[c], em_words, words)
        for region_eta in range(REGIONS_ETA):
            column[:] = 0
            for eta in range(REGION_ROWS[region_eta], REGION_ROWS[region_eta + 1]):
                column += words[eta]
            for region_phi in range(REGIONS_PHI):
                first = PAD + region_phi * REGION_PHI_TOWERS - REGION_PHI_TOWERS // 2
                total = column[first : first + REGION_PHI_TOWERS].sum()
                found[c, region_phi * REGIONS_ETA + region_eta] = min(total, REGION_MAX)
