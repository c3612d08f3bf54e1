"""The Level-1 calorimeter algorithms once more, slow and plain: windows summed tower by tower, no tables, no exits."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions import level1_kernels as kernels
from trigforge.sim.collisions.detector import ETA_HALF, N_ETA, N_PHI

Words = npt.NDArray[np.int64]
Object = tuple[int, int, int]


def slow_words(energy: npt.NDArray[np.float32]) -> Words:
    return np.minimum(np.floor(energy.astype(np.float64) * 2 + 0.5), 511).astype(np.int64)


def window(words: Words, eta: int, phi: int, eta_half: int, phi_half: int) -> Words:
    rows = [row for row in range(eta - eta_half, eta + eta_half + 1) if 0 <= row < N_ETA]
    return words[np.ix_(rows, [(phi + d) % N_PHI for d in range(-phi_half, phi_half + 1)])]


def is_peak(words: Words, eta: int, phi: int, half: int) -> bool:
    around = window(words, eta, phi, half, half)
    centre = min(eta, half) * around.shape[1] + half
    return bool((around <= words[eta, phi]).all() and (around.ravel()[centre + 1 :] < words[eta, phi]).all())


def peaks(words: Words, seed: int, half: int) -> Iterator[tuple[int, int]]:
    return ((eta, phi) for eta, phi in np.argwhere(words >= seed).tolist() if is_peak(words, eta, phi, half))


def calibrated(pt: int, eta: int) -> int:
    """The pt word of a jet at an η word: an eighth more within 34 towers of 0.087."""
    return pt + pt // 8 if abs(eta) < 2 * 34 else pt


def slow_jets(words: Words) -> list[Object]:
    """All jets, before any list is cut: pt, η and φ words."""
    found = []
    for eta, phi in peaks(words, 8, 4):
        inside = int(window(words, eta, phi, 4, 4).sum())
        ring = int(words[max(eta - 4, 0) : eta + 5].sum())
        pt = inside - (ring - inside) * 9 // 63
        found.append((min(calibrated(pt, 2 * (eta - ETA_HALF) + 1), 2047), 2 * (eta - ETA_HALF) + 1, 2 * phi + 1))
    return [jet for jet in found if jet[0] >= 30]


def slow_ht(jets: list[Object]) -> int:
    return min(sum(pt for pt, eta, _ in jets if pt >= 60 and abs(eta * 0.087 / 2) < 2.5), 4095)


def slow_lit(words: Words) -> int:
    return int((words[ETA_HALF - 4 : ETA_HALF + 4] > 0).sum())


def slow_egs(em: Words, words: Words) -> list[tuple[int, int, int, int]]:
    """All clusters: pt, η and φ words and isolation."""
    found = []
    pile_up = kernels.ISO_MEAN * -math.log(1 - slow_lit(words) / 577)
    for eta, phi in peaks(em, 4, 1):
        pt, behind = int(window(em, eta, phi, 0, 1).sum()), int(window(words - em, eta, phi, 0, 1).sum())
        if pt < 8 or behind * 8 > pt or not -34 <= eta - ETA_HALF < 34:
            continue
        around = window(words, eta, phi, 2, 4).sum() - window(em, eta, phi, 0, 2).sum() - behind
        limit = round(pile_up + kernels.ISO_SIGMAS * math.sqrt(pile_up)) + min(pt, 511) // 16
        found.append((min(pt, 511), 2 * (eta - ETA_HALF) + 1, 2 * phi + 1, int(around <= limit)))
    return found


def slow_met(words: Words) -> tuple[int, int]:
    row = np.abs(np.arange(N_ETA) + 0.5 - ETA_HALF)[:, None]
    central = 2 + slow_lit(words) * 3 // 32
    column = np.where(words >= np.where(row < 34, central, 2 * central), words, 0).sum(axis=0)
    angle = [(phi + 0.5) * 2 * math.pi / N_PHI for phi in range(N_PHI)]
    x = -sum(int(sum_) * round(1024 * math.cos(a)) for sum_, a in zip(column, angle, strict=True))
    y = -sum(int(sum_) * round(1024 * math.sin(a)) for sum_, a in zip(column, angle, strict=True))
    size = math.isqrt(x * x + y * y) // 1024
    return (min(size, 4095), round(math.atan2(y, x) * 72 / math.pi) % 144) if size else (0, 0)


def slow_regions(words: Words) -> list[int]:
    edges = np.array([0.0, 0.348, 0.696, 1.044, 1.392, 1.740, 2.175, 2.958])
    sums = np.zeros((18, 14), np.int64)
    for eta, phi in np.argwhere(words > 0).tolist():
        centre = (eta + 0.5 - ETA_HALF) * 0.087
        ring = int(np.searchsorted(edges, abs(centre))) - 1
        if ring < 7:
            sums[(phi + 2) % N_PHI // 4, 7 + ring if centre > 0 else 6 - ring] += words[eta, phi]
    return [min(int(sums[phi, eta]), 1023) for phi in range(18) for eta in range(14)]
