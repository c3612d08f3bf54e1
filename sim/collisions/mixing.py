"""Crossings made of interactions: how many of which kind, and with which weight.

A zero-bias crossing holds Poisson(µ) inelastic interactions, each hard with probability q. So the number k of hard
ones is Poisson(µq), that of soft ones independently Poisson(µ(1-q)), and one of electroweak strength is there with
probability µ·σ/σ_inelastic. A natural sample draws just that. An enhanced sample gives chosen shares to the strata
k = 0, 1, ≥2 and to each rare process. In a crossing with k hard interactions one of them, at random, is drawn evenly
from the biased library (density u_i = 1/N) and the others by their weights (p_i = w_i / N, mean w = 1). The density
of the set is (1/k) Σ_m u_m Π_{l≠m} p_l, the wanted one Π p_l, so the crossing carries their ratio, the harmonic mean
of the w:

    weight = P(stratum) / N_stratum · k / Σ_m (1 / w_m).

It is unbiased, and the hardest interaction sets the scale, so that no soft-looking weight sits on a hard crossing.
Each use of an interaction is turned by a random multiple of 2π/72 and mirrored in η with probability 1/2, both exact
symmetries of proton-proton collisions, which makes a finite library go further. All functions make the crossings
`first … last - 1` of a sample of `total`, so that a sample of any size is made in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import N_PHI

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pool:
    """The interactions of one process in a library, from place `first` on.

    `weight` is relative, of mean 1; `mean` the number of such interactions in a crossing.
    """

    first: int
    weight: Floats
    mean: float


@dataclass(frozen=True, slots=True)
class PileUp:
    """What a crossing is drawn from; the number of inelastic interactions is `soft.mean + hard.mean` on average."""

    soft: Pool
    hard: Pool
    rare: tuple[Pool, ...] = ()


@dataclass(frozen=True, slots=True)
class Uses:
    """Interactions of a library put into crossings: those of crossing c are `start[c]:start[c + 1]`.

    `turn` is the rotation in towers, `mirror` whether η changes sign.
    """

    start: npt.NDArray[np.int64]
    index: npt.NDArray[np.int32]
    turn: npt.NDArray[np.uint8]
    mirror: npt.NDArray[np.bool_]

    def part(self, first: int, last: int) -> Uses:
        """Those of the crossings first … last - 1."""
        a, b = self.start[first], self.start[last]
        return Uses(self.start[first : last + 1] - a, self.index[a:b], self.turn[a:b], self.mirror[a:b])

    def of(self, crossings: Ints) -> Uses:
        """Those of some crossings, which are numbered anew."""
        counts = np.diff(self.start)[crossings]
        ends = np.cumsum(counts)
        place = np.arange(counts.sum()) + np.repeat(self.start[crossings] - ends + counts, counts)
        start = np.concatenate([[0], ends]).astype(np.int64)
        return Uses(start, self.index[place], self.turn[place], self.mirror[place])

    def owners(self) -> Ints:
        """The crossing of each use."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


@dataclass(frozen=True, slots=True)
class Crossings:
    """Weighted crossings: the interactions `now`, and for each pulse tail those of another crossing (`spill`)."""

    weight: Floats
    now: Uses
    spill: tuple[Uses, ...]

    def __len__(self) -> int:
        return len(self.weight)

    def part(self, first: int, last: int) -> Crossings:
        """The crossings first … last - 1."""
        return Crossings(
            self.weight[first:last], self.now.part(first, last), tuple(uses.part(first, last) for uses in self.spill)
        )


@dataclass(frozen=True, slots=True)
class Span:
    """The crossings first … last - 1 of a sample of `total`."""

    first: int
    last: int
    total: int

    def __len__(self) -> int:
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Strata:
    """The shares of an enhanced sample that hold no, one, and more hard interactions; rare processes take the rest."""

    none: float = 0.25
    one: float = 0.45
    more: float = 0.20


def enhanced_bias(
    source: PileUp, span: Span, spill: int, rng: np.random.Generator, strata: Strata = Strata()
) -> Crossings:
    """Zero-bias crossings, the interesting ones more often, in random order; Σ weight of the sample estimates 1.

    `spill` is the number of other crossings whose pulses reach into this one.
    """
    hard, rare = source.hard, source.rare
    none = np.exp(-hard.mean)
    rest = (1 - strata.none - strata.one - strata.more) / max(len(rare), 1)
    shares = np.array([strata.none, strata.one, strata.more, *[rest] * len(rare)])
    chances = np.array([none, none * hard.mean, 1 - none * (1 + hard.mean), *[pool.mean for pool in rare]])
    stratum, number, sizes = _stratify(shares / shares.sum(), span)
    count = np.minimum(stratum, 1)
    count[stratum == 2] = _at_least_two(hard.mean, int((stratum == 2).sum()), rng)
    count[stratum > 2] = rng.poisson(hard.mean, int((stratum > 2).sum()))
    number[stratum == 2] += sizes[1]  # these two strata go through the library one after the other
    even = np.where((stratum == 1) | (stratum == 2), number % max(len(hard.weight), 1), -1)
    chosen = _hard_ones(hard, count, even, rng)
    weight = (chances / np.maximum(sizes, 1))[stratum] * _harmonic_mean(hard, chosen, even)
    extra = np.full(len(stratum), -1)
    for i, pool in enumerate(rare, start=3):
        place = number[stratum == i] % len(pool.weight)
        extra[stratum == i] = pool.first + place
        weight[stratum == i] *= pool.weight[place]
    return _assemble(source, weight, chosen, extra, spill, rng)


def zero_bias(source: PileUp, span: Span, spill: int, rng: np.random.Generator) -> Crossings:
    """Zero-bias crossings as nature makes them, all of weight 1 / total."""
    extra = np.full(len(span), -1)
    for pool in source.rare:
        here = rng.random(len(span)) < pool.mean
        extra[here] = pool.first + _by_weight(pool, int(here.sum()), rng)
    return _natural(source, np.full(len(span), 1 / span.total), extra, spill, rng)


def signal(source: PileUp, primary: Pool, span: Span, spill: int, rng: np.random.Generator) -> Crossings:
    """Crossings of one of the primary interactions in turn, and Poisson(µ) inelastic ones."""
    place = np.arange(span.first, span.last) % len(primary.weight)
    return _natural(source, primary.weight[place] / span.total, primary.first + place, spill, rng)


@dataclass(frozen=True, slots=True)
class _Hard:
    """Hard interactions: the crossing of each and its place among the hard ones of the library."""

    owner: Ints
    drawn: Ints


PERIOD: Final = 1000
"""Crossings after which the sequence of strata repeats."""
GOLDEN: Final = (5**0.5 - 1) / 2


def _stratify(shares: Floats, span: Span) -> tuple[Ints, Ints, Ints]:
    """Stratum of each crossing, its number within the stratum, and the sizes of all strata in the whole sample."""
    bounds = np.rint(np.cumsum(shares) * PERIOD)
    rank = np.argsort(np.argsort(np.arange(PERIOD) * GOLDEN % 1.0))  # evenly spread over any stretch of the sequence
    pattern = np.searchsorted(bounds, rank, side="right")
    seen = np.cumsum(pattern[:, None] == np.arange(len(shares)), axis=0)  # up to and with each place of the pattern

    def sizes(crossings: Ints) -> Ints:
        """How many of the first crossings lie in each stratum."""
        rest = np.where((crossings % PERIOD)[..., None] > 0, seen[crossings % PERIOD - 1], 0)
        return np.asarray((crossings // PERIOD)[..., None] * seen[-1] + rest)

    place = np.arange(span.first, span.last)
    stratum = pattern[place % PERIOD]
    return stratum, sizes(place)[np.arange(len(place)), stratum], sizes(np.array(span.total))


def _at_least_two(mean: float, count: int, rng: np.random.Generator) -> Ints:
    """Poisson numbers under the condition that they are ≥ 2, by inversion."""
    k = np.arange(2, 100)
    cumulative = np.cumsum(np.cumprod(np.concatenate([[1.0], mean / k[1:]])))
    return np.asarray(k[np.searchsorted(cumulative / cumulative[-1], rng.random(count), side="right")])


def _by_weight(pool: Pool, count: int, rng: np.random.Generator) -> Ints:
    """Places of interactions drawn as often as nature makes them."""
    return rng.choice(len(pool.weight), count, p=pool.weight / pool.weight.sum()) if count else np.zeros(0, np.int64)


def _hard_ones(pool: Pool, count: Ints, even: Ints, rng: np.random.Generator) -> _Hard:
    """`count` hard interactions of each crossing, by weight, but one of them that at place `even` unless it is -1."""
    owner = np.repeat(np.arange(len(count)), count)
    drawn = _by_weight(pool, len(owner), rng)
    chosen = even >= 0
    drawn[(np.cumsum(count) - count)[chosen]] = even[chosen]
    return _Hard(owner, drawn)


def _harmonic_mean(pool: Pool, hard: _Hard, even: Ints) -> Floats:
    """The harmonic mean weight of the hard interactions of crossings with an `even` one, 1 for the others."""
    count = np.bincount(hard.owner, minlength=len(even))
    inverse = np.bincount(hard.owner, 1 / pool.weight[hard.drawn], len(even))
    return np.where(even >= 0, count / np.where(even >= 0, inverse, 1.0), 1.0)


def _natural(source: PileUp, weight: Floats, extra: Ints, spill: int, rng: np.random.Generator) -> Crossings:
    """Crossings of pile-up as nature makes it, and of the interaction at place `extra` unless that is -1."""
    count = rng.poisson(source.hard.mean, len(weight))
    hard = _hard_ones(source.hard, count, np.full(len(weight), -1), rng)
    return _assemble(source, weight, hard, extra, spill, rng)


def _assemble(
    source: PileUp, weight: Floats, hard: _Hard, extra: Ints, spill: int, rng: np.random.Generator
) -> Crossings:
    """Crossings of the hard interactions, the `extra` ones and Poisson numbers of soft ones."""
    crossings = np.arange(len(weight))
    none = np.full(len(weight), -1)
    others = []
    for _ in range(spill):
        count = rng.poisson(source.hard.mean, len(weight))
        others.append(_uses(source, _hard_ones(source.hard, count, none, rng), none, crossings, rng))
    return Crossings(weight, _uses(source, hard, extra, crossings, rng), tuple(others))


def _uses(source: PileUp, hard: _Hard, extra: Ints, crossings: Ints, rng: np.random.Generator) -> Uses:
    soft = rng.poisson(source.soft.mean, len(crossings))
    owner = np.concatenate([hard.owner, crossings[extra >= 0], np.repeat(crossings, soft)])
    index = np.concatenate(
        [
            source.hard.first + hard.drawn,
            extra[extra >= 0],
            source.soft.first + rng.integers(0, max(len(source.soft.weight), 1), soft.sum()),
        ]
    )
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=len(crossings))
    return Uses(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        index=index[order].astype(np.int32),
        turn=rng.integers(0, N_PHI, len(index), dtype=np.uint8),
        mirror=rng.random(len(index)) < 0.5,
    )
