"""Working points: the smallest threshold that keeps a background efficiency, a total or a pure rate, and its error.

A pure rate is that of crossings which no other unprescaled seed of the menu accepts. Errors of thresholds come from a
Poisson bootstrap over groups of dependent crossings: replicas of the background, common to all scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.models.metrics.roc import Scores
from trigforge.models.metrics.values import Measured, Refused, enough, too_few
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, crossing_rate_hz
from trigforge.value import Value
from trigforge.weighted import MIN_EFFECTIVE_EVENTS, BoolArray, FloatArray, check_weights, effective_events, squared_sum

Number = np.integer[Any] | np.floating[Any]

REPLICAS = 200
"""Replicas of the background; errors are then known to 5 %."""


class Target(StrEnum):
    """What a working point keeps."""

    BACKGROUND_EFFICIENCY = "background efficiency"
    TOTAL_RATE = "total rate"
    PURE_RATE = "pure rate"


class WorkingPoint(Value):
    """A background efficiency, or a rate in kHz, that a threshold must not exceed."""

    target: Target
    value: float = Field(gt=0)

    @property
    def title(self) -> str:
        """What tables call it."""
        if self.target is Target.BACKGROUND_EFFICIENCY:
            return f"background efficiency {self.value:g}"
        return f"{self.value:g} kHz {'pure' if self.target is Target.PURE_RATE else 'total'}"


class Cut(Value):
    """`score >= threshold`: rates in kHz, and the effective events behind the rate or efficiency that was asked for."""

    threshold: int | float
    rate_khz: Measured
    pure_rate_khz: Measured | None
    effective_events: float = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Background:
    """Crossings that measure rates: `weights` (n,) that sum to 1, `groups` (n,) of dependent ones, numbered from 0.

    `others` (n,) is the OR of the other unprescaled seeds; without it there is no pure rate.
    """

    weights: FloatArray
    groups: IntArray | None = None
    others: BoolArray | None = None
    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES
    pure_weights: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_weights(self.weights)
        for name, values in (("groups", self.groups), ("others", self.others)):
            if values is not None and values.shape != self.weights.shape:
                raise InputError(f"{name} must have shape {self.weights.shape} as the weights, not {values.shape}")
        pure = self.weights if self.others is None else np.where(self.others, 0.0, self.weights)
        object.__setattr__(self, "pure_weights", pure)

    @property
    def crossing_khz(self) -> float:
        """Rate of crossings of colliding bunches in kHz."""
        return crossing_rate_hz(self.colliding_bunches) / 1e3

    def weights_for(self, target: Target) -> FloatArray:
        """The weights (n,) that count for a target: those of crossings no other seed accepts for a pure rate."""
        if target is not Target.PURE_RATE:
            return self.weights
        if self.others is None:
            raise InputError("a pure rate must have the decisions of the other seeds, others=, not None")
        return self.pure_weights

    def allowed(self, point: WorkingPoint) -> float:
        """The sum of weights that a working point may accept."""
        if point.target is Target.BACKGROUND_EFFICIENCY:
            return point.value * float(self.weights.sum())
        return point.value / self.crossing_khz


def find_cut(
    scores: Scores, background: Background, point: WorkingPoint, required: float = MIN_EFFECTIVE_EVENTS
) -> Cut | Refused:
    """The smallest threshold on scores (n,) within the working point, an integer for integer scores.

    Refused where fewer than `required` effective background events pass.
    """
    weights = background.weights_for(point.target)
    order = np.argsort(-scores, kind="stable")
    within = int(np.count_nonzero(np.cumsum(weights[order]) <= background.allowed(point)))
    below = scores[order][within] if within < len(scores) else _below(scores)
    passed = scores > below
    effective = _effective(weights, passed, background.groups)
    if not enough(effective, required):
        return too_few(effective)
    return Cut(
        threshold=threshold_above(below),
        rate_khz=_rate(background.weights, passed, background),
        pure_rate_khz=None if background.others is None else _rate(background.pure_weights, passed, background),
        effective_events=effective,
    )


def threshold_above(below: Number) -> int | float:
    """The smallest threshold that refuses the score `below`: the next integer, or the next real number."""
    if isinstance(below, np.integer):
        return int(below) + 1
    return float(np.nextafter(np.float64(below), np.inf))


@dataclass(frozen=True, slots=True)
class Replicas:
    """A Poisson bootstrap: how often (r, groups) every group of crossings occurs in every replica."""

    counts: npt.NDArray[np.uint8]
    of_event: IntArray
    """The group of every crossing (n,)."""
    totals: FloatArray
    """Σw of every replica (r,)."""

    def sums(self, cells: IntArray, weights: FloatArray, size: int) -> FloatArray:
        """Σw in every one of `size` cells in every replica (r, size) of crossings (n,) in `cells`."""
        from scipy.sparse import csr_array

        content = csr_array((weights, (cells, self.of_event)), shape=(size, self.counts.shape[1]))
        return np.asarray((content @ self.counts.T).T, dtype=np.float64)


def draw_replicas(background: Background, replicas: int = REPLICAS, seed: int = 1) -> Replicas:
    """Replicas of the background: every group of dependent crossings occurs a Poisson number of times, of mean 1."""
    groups = np.arange(len(background.weights)) if background.groups is None else background.groups
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.0, (replicas, int(groups.max()) + 1)).astype(np.uint8)
    together = np.bincount(groups, background.weights, minlength=counts.shape[1])
    return Replicas(counts, groups, np.asarray(counts.astype(np.float64) @ together))


def replica_cuts(scores: Scores, background: Background, points: Sequence[WorkingPoint], replicas: Replicas) -> Scores:
    """The highest score that every replica's threshold refuses, (points, r): events pass with `score > cut`."""
    falling = np.argsort(-scores, kind="stable")
    cuts: dict[WorkingPoint, Scores] = {}
    for alike in ([p for p in points if (p.target is Target.PURE_RATE) == pure] for pure in (False, True)):
        if alike:
            weights = background.weights_for(alike[0].target)
            order = falling[weights[falling] > 0]
            cuts |= _cuts_by_weight(scores, order, weights, {p: background.allowed(p) for p in alike}, replicas)
    return np.array([cuts[point] for point in points])


def _cuts_by_weight(
    scores: Scores,
    order: npt.NDArray[np.intp],
    weights: FloatArray,
    allowed: dict[WorkingPoint, float],
    replicas: Replicas,
) -> dict[WorkingPoint, Scores]:
    """The cuts of working points that count the same `weights`; `order` are crossings, the highest score first."""
    depth = int(np.count_nonzero(np.cumsum(weights[order]) <= 1.5 * max(allowed.values()))) + 100
    while True:
        top = order[:depth]
        sums = np.cumsum(replicas.counts[:, replicas.of_event[top]] * weights[top], axis=1)
        ranked, cuts = np.append(scores[top], _below(scores)), {}
        for point, most in allowed.items():
            relative = point.target is Target.BACKGROUND_EFFICIENCY
            limits = point.value * replicas.totals if relative else np.full(len(sums), most)
            cuts[point] = np.count_nonzero(sums <= limits[:, None], axis=1)
        if depth >= len(order) or all((within < len(top)).all() for within in cuts.values()):
            return {point: ranked[within] for point, within in cuts.items()}
        depth *= 4


def _below(scores: Scores) -> Number:
    """A value below all scores, of their kind."""
    lowest: Number = scores.min()
    below: Number = lowest - 1 if isinstance(lowest, np.integer) else np.nextafter(lowest, -np.inf)
    return below


def _rate(weights: FloatArray, passed: BoolArray, background: Background) -> Measured:
    groups = None if background.groups is None else background.groups[passed]
    scale, kept = background.crossing_khz, weights[passed]
    return Measured(value=scale * float(kept.sum()), error=scale * float(np.sqrt(squared_sum(kept, groups))))


def _effective(weights: FloatArray, passed: BoolArray, groups: IntArray | None) -> float:
    return effective_events(weights[passed], None if groups is None else groups[passed])
