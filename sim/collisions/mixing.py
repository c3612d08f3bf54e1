"""Crossings made of interactions: how many of which kind, with which weight, and their towers added up.

A zero-bias crossing holds Poisson(µ) inelastic interactions, each hard with probability q. So the number k of hard
ones is Poisson(µq), that of soft ones independently Poisson(µ(1-q)). Strata k = 0, 1, ≥2 get chosen shares of the
sample. In a crossing with k hard interactions one of them, at random, is drawn evenly from the biased library
(density u_i = 1/N) and the others by their weights (p_i = w_i / N, mean w = 1). The density of the set is
(1/k) Σ_m u_m Π_{l≠m} p_l, the wanted one Π p_l, so the crossing carries their ratio, the harmonic mean of the w:

    weight = P(stratum) / N_stratum · k / Σ_m (1 / w_m).

It is unbiased, and the hardest interaction sets the scale, so that no soft-looking weight sits on a hard crossing.
Each use of an interaction is turned by a random multiple of 2π/72 and mirrored in η with probability 1/2, both exact
symmetries of proton-proton collisions, which makes a finite library go further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import N_ETA, N_PHI
from trigforge.sim.collisions.interactions import FloatArray, Interactions

EM_NOISE_GEV: Final = 0.15
HAD_NOISE_GEV: Final = 0.20
EM_SUPPRESSION_GEV: Final = 0.30
HAD_SUPPRESSION_GEV: Final = 0.40
"""Noise of a lit tower and the transverse energy below which its compartment reads zero; empty towers, for which
that is two standard deviations, stay empty."""
NOISE_TABLE: Final = 1 << 16

Ints = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Crossings:
    """Crossings as lists of uses of interactions of one library: those of crossing c are `start[c]:start[c + 1]`.

    `turn` is the rotation in towers, `mirror` whether η changes sign.
    """

    weight: npt.NDArray[np.float64]
    start: npt.NDArray[np.int64]
    index: npt.NDArray[np.int32]
    turn: npt.NDArray[np.uint8]
    mirror: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    def part(self, first: int, last: int) -> Crossings:
        """The crossings first … last - 1."""
        a, b = self.start[first], self.start[last]
        return Crossings(
            self.weight[first:last],
            self.start[first : last + 1] - a,
            self.index[a:b],
            self.turn[a:b],
            self.mirror[a:b],
        )

    def owners(self) -> Ints:
        """The crossing of each use."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))


@dataclass(frozen=True, slots=True)
class PileUp:
    """What a crossing is drawn from: a library of `soft` soft interactions, then hard ones of mean-1 `hard_weight`.

    `mean` is the mean number µ of inelastic interactions, `hard_fraction` the q of them that are hard.
    """

    soft: int
    hard_weight: npt.NDArray[np.float64]
    mean: float
    hard_fraction: float

    @property
    def mean_hard(self) -> float:
        """Mean number of hard interactions in a crossing."""
        return self.mean * self.hard_fraction


@dataclass(frozen=True, slots=True)
class Strata:
    """The shares of a background sample that hold no, one, and two or more hard interactions."""

    none: float = 0.35
    one: float = 0.45


def background(source: PileUp, count: int, rng: np.random.Generator, strata: Strata = Strata()) -> Crossings:
    """`count` zero-bias crossings in random order; Σ weight estimates 1."""
    none = np.exp(-source.mean_hard)
    probability = np.array([none, none * source.mean_hard, 1 - none * (1 + source.mean_hard)])
    first, second = round(count * strata.none), round(count * (strata.none + strata.one))
    sizes = np.array([first, second - first, count - second])
    hard = np.repeat([0, 1, 2], sizes)
    hard[second:] = _at_least_two(source.mean_hard, sizes[2], rng)
    even = np.arange(count) % len(source.hard_weight)  # every hard interaction equally often
    order = rng.permutation(count)
    return _assemble(source, hard[order], (probability / sizes).repeat(sizes)[order], even[order], rng)


def signal(source: PileUp, first: int, last: int, count: int, rng: np.random.Generator) -> Crossings:
    """`count` crossings of one of the interactions first … last - 1 in turn, and Poisson(µ) inelastic ones."""
    hard = rng.poisson(source.mean_hard, count)
    base = _assemble(source, hard, np.full(count, 1 / count), None, rng)
    index = np.insert(base.index, base.start[:-1], first + np.arange(count) % (last - first))
    return _oriented(base.weight, np.diff(base.start) + 1, index, rng)


def _at_least_two(mean: float, count: int, rng: np.random.Generator) -> Ints:
    """Poisson numbers under the condition that they are ≥ 2, by inversion."""
    k = np.arange(2, 100)
    cumulative = np.cumsum(np.cumprod(np.concatenate([[1.0], mean / k[1:]])))
    return np.asarray(k[np.searchsorted(cumulative / cumulative[-1], rng.random(count), side="right")])


def _assemble(source: PileUp, hard: Ints, base: Any, even: Ints | None, rng: np.random.Generator) -> Crossings:
    """Crossings with `hard` hard interactions each; with `even`, one of them is that of the biased library."""
    weight, count = source.hard_weight, len(hard)
    owner = np.repeat(np.arange(count), hard)
    drawn = rng.choice(len(weight), len(owner), p=weight / weight.sum())
    total = base
    if even is not None:
        starts = np.concatenate([[0], np.cumsum(hard)])[:-1]
        drawn[starts[hard > 0]] = even[hard > 0]
        inverse = np.bincount(owner, 1 / weight[drawn], count)
        total = base * np.where(hard > 0, hard / np.maximum(inverse, 1e-300), 1.0)
    soft = rng.poisson(source.mean - source.mean_hard, count)
    index = np.concatenate([source.soft + drawn, rng.integers(0, source.soft, soft.sum())])
    owners = np.concatenate([owner, np.repeat(np.arange(count), soft)])
    return _oriented(total, hard + soft, index[np.argsort(owners, kind="stable")], rng)


def _oriented(weight: Any, counts: Ints, index: Ints, rng: np.random.Generator) -> Crossings:
    return Crossings(
        weight=weight,
        start=np.concatenate([[0], np.cumsum(counts)]),
        index=index.astype(np.int32),
        turn=rng.integers(0, N_PHI, len(index), dtype=np.uint8),
        mirror=rng.random(len(index)) < 0.5,
    )


def overlay(crossings: Crossings, library: Interactions, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Electromagnetic and hadronic transverse energies of all towers in GeV, float32 of shape (n, 114, 72)."""
    shape = (len(crossings), N_ETA, N_PHI)
    em, had = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    _add(crossings.start, crossings.index, crossings.turn, crossings.mirror, *_towers(library), em, had)
    table = rng.standard_normal(NOISE_TABLE).astype(np.float32)
    _suppress(em, table, rng.integers(0, NOISE_TABLE, len(em)), EM_NOISE_GEV, EM_SUPPRESSION_GEV)
    _suppress(had, table, rng.integers(0, NOISE_TABLE, len(em)), HAD_NOISE_GEV, HAD_SUPPRESSION_GEV)
    return em, had


# The kernels are numba's and untyped.
kernel: Any = numba.njit(cache=True, nogil=True)


def _towers(library: Interactions) -> tuple[Any, Any, Any, Any]:
    return library.tower_start, library.tower, library.em, library.had


@kernel
def _add(start, index, turn, mirror, tower_start, tower, em, had, out_em, out_had):  # type: ignore[no-untyped-def]
    for crossing in range(len(start) - 1):
        for use in range(start[crossing], start[crossing + 1]):
            interaction = index[use]
            for t in range(tower_start[interaction], tower_start[interaction + 1]):
                eta = tower[t] // N_PHI
                phi = (tower[t] % N_PHI + turn[use]) % N_PHI
                if mirror[use]:
                    eta = N_ETA - 1 - eta
                out_em[crossing, eta, phi] += em[t]
                out_had[crossing, eta, phi] += had[t]


@kernel
def _suppress(towers, table, first, noise, threshold):  # type: ignore[no-untyped-def]
    """Add noise to lit towers, then zero those below the threshold."""
    for crossing in range(len(towers)):
        place = first[crossing]
        for eta in range(N_ETA):
            for phi in range(N_PHI):
                value = towers[crossing, eta, phi]
                if value > 0:
                    value += noise * table[place % NOISE_TABLE]
                    towers[crossing, eta, phi] = value if value >= threshold else 0
                place += 1
