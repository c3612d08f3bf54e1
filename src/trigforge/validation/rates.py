"""Rates of Level-1 objects against thresholds and public seeds, and what weights do to distributions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import awkward as ak
import numpy as np

from trigforge.fixed import IntArray
from trigforge.reuse import interaction_groups
from trigforge.sim.collisions.validation import Point
from trigforge.units import DEFAULT_COLLIDING_BUNCHES
from trigforge.validation.public import PUBLIC_SEEDS, Selection
from trigforge.validation.values import Closure, RateCurve, RatePoint, SeedRate
from trigforge.weighted import FloatArray, effective_events, measure_rate, squared_sum

CURVE_GEV: Final = (*range(4, 40, 2), *range(40, 100, 5), *range(100, 300, 10), *range(300, 1001, 50))
CURVES: Final = (
    Selection(name="single jet", collection="L1Jet"),
    Selection(name="e/γ, |η| < 2.5", collection="L1EG", max_abs_eta=2.5),
    Selection(name="isolated e/γ, |η| < 2.5", collection="L1EG", max_abs_eta=2.5, isolated=True),
    Selection(name="single muon", collection="L1Mu"),
    Selection(name="missing energy", collection="L1MET"),
    Selection(name="HT", collection="L1HT"),
)
CLOSURE_EDGES_GEV: Final = {
    "single jet": (15, 20, 25, 30, 35, 40, 50, 60, 80, 120),
    "e/γ, |η| < 2.5": (4, 5, 6, 7, 8, 10, 12, 15, 20, 30),
    "single muon": (2, 3, 4, 5, 7, 10, 15),
    "missing energy": (0, 10, 20, 30, 40, 50, 60, 80, 100, 130),
    "HT": (30, 40, 60, 80, 100, 130, 170, 220),
}
MIN_CLOSURE_EVENTS: Final = 10.0
"""Effective events that a bin of the closure must have in both samples."""


def leading_pt(events: ak.Array, seed: Selection) -> FloatArray:
    """The pt in GeV of the hardest object that a seed looks at, 0 without one, (n,)."""
    objects: Any = events[seed.collection]
    if seed.collection in ("L1MET", "L1HT"):
        return np.asarray(objects.pt, dtype=np.float64)
    if seed.max_abs_eta is not None:
        objects = objects[np.abs(objects.eta) < seed.max_abs_eta]
    if seed.isolated:
        objects = objects[objects.iso == 1]
    return np.asarray(ak.fill_none(ak.max(objects.pt, axis=1), 0.0), dtype=np.float64)


def measure_curves(events: ak.Array) -> tuple[RateCurve, ...]:
    """Rate against threshold of each single object, as far as an event is left."""
    weights, groups = _weights(events), interaction_groups(events)
    curves = []
    for seed in CURVES:
        pt = leading_pt(events, seed)
        thresholds = [t for t in CURVE_GEV if np.any(pt >= t)]
        curves.append(RateCurve(name=seed.name, points=tuple(_rate(weights, pt, t, groups) for t in thresholds)))
    return tuple(curves)


def _weights(events: ak.Array) -> FloatArray:
    return np.asarray(events["weight"], dtype=np.float64)


def _rate(weights: FloatArray, pt: FloatArray, threshold: float, groups: IntArray) -> RatePoint:
    rate = measure_rate(weights, pt >= threshold, DEFAULT_COLLIDING_BUNCHES, groups)
    return RatePoint(
        threshold_gev=threshold, hz=rate.hz, error_hz=rate.error_hz, effective_events=rate.effective_events
    )


def measure_seeds(events: ak.Array, reference: ak.Array) -> tuple[SeedRate, ...]:
    """Rates of the public seeds in `events`, and in `reference` events of the public pile-up."""
    rows = []
    for seed in PUBLIC_SEEDS:
        here, there = (
            _rate(_weights(e), leading_pt(e, seed), seed.threshold_gev, interaction_groups(e))
            for e in (events, reference)
        )
        rows.append(
            SeedRate(
                name=seed.name,
                threshold_gev=seed.threshold_gev,
                hz=(here.hz, here.error_hz),
                reference_hz=(there.hz, there.error_hz),
                reference_effective_events=there.effective_events,
                public_hz=(seed.hz, seed.error_hz),
            )
        )
    return tuple(rows)


def measure_closures(enhanced: ak.Array, natural: ak.Array, *, one_library: bool) -> tuple[Closure, ...]:
    """The same distributions of both samples; χ² over the bins that are populated in both.

    Samples of `one_library` may differ by the choice of crossings only, so that crossings count as independent.
    """
    seeds = {seed.name: seed for seed in CURVES}
    groups = [np.arange(len(e)) if one_library else interaction_groups(e) for e in (enhanced, natural)]
    sides = list(zip((enhanced, natural), groups, strict=True))
    return tuple(_closure(seeds[name], edges, sides) for name, edges in CLOSURE_EDGES_GEV.items())


def _closure(seed: Selection, edges: Sequence[float], samples: Sequence[tuple[ak.Array, IntArray]]) -> Closure:
    sides = [_distribution(leading_pt(e, seed), _weights(e), groups, edges) for e, groups in samples]
    (ours, our_events), (theirs, their_events) = sides
    used = (our_events >= MIN_CLOSURE_EVENTS) & (their_events >= MIN_CLOSURE_EVENTS)
    pulls = [(a.value - b.value) ** 2 / (a.error**2 + b.error**2) for a, b in zip(ours, theirs, strict=True) if b.error]
    kept = [pull for pull, use in zip(pulls, used[[bool(b.error) for b in theirs]], strict=True) if use]
    return Closure(name=seed.name, enhanced=ours, natural=theirs, chi2=float(sum(kept)), ndf=len(kept))


def _distribution(
    values: FloatArray, weights: FloatArray, groups: IntArray, edges: Sequence[float]
) -> tuple[tuple[Point, ...], FloatArray]:
    """Σ weight in bins, and the effective events of each."""
    points, events = [], []
    for low, high in pairwise(edges):
        here = (values >= low) & (values < high)
        error = float(np.sqrt(squared_sum(weights[here], groups[here])))
        points.append(Point(low=low, high=high, value=float(weights[here].sum()), error=error))
        events.append(effective_events(weights[here], groups[here]))
    return tuple(points), np.array(events)
