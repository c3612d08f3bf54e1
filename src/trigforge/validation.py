"""The measurements of `trigforge validate`: jets, rates and weights of simulated samples, with statistical errors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import awkward as ak
import numpy as np
from pydantic import Field

from trigforge.calibration.matching import JetPairs, match_jets
from trigforge.calibration.response import JetBinning, ResponseBin, measure_response
from trigforge.calibration.reuse import interaction_groups
from trigforge.calibration.weighted import BoolArray, FloatArray, effective_events, measure_rate, squared_sum
from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.sim.collisions.dataset import Sample
from trigforge.sim.collisions.validation import GeneratorFacts, PileUpPoint, Point
from trigforge.units import DEFAULT_COLLIDING_BUNCHES
from trigforge.validation_public import PUBLIC_SEEDS, PublicSeed
from trigforge.value import Value

BINNING: Final = JetBinning(
    abs_eta_edges=(0.0, 1.3, 2.5, 3.0, 4.5),
    pt_edges_gev=(20, 25, 30, 40, 50, 65, 85, 110, 150, 200, 300, 450, 700, 1000, 1500),
    min_effective_jets=30,
    min_efficiency=0.5,
)
LEVELS: Final = {"Level-1": ("L1Jet", None), "HLT": ("HLTJet", "rho"), "offline": ("Jet", "rhoOffline")}
"""Collections of jets and the density that is subtracted from them; Level-1 subtracts its own."""

TURN_ON_GEV: Final = 60.0
TURN_ON_ETA: Final = 2.5
TURN_ON_EDGES_GEV: Final = (20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 90, 100, 120, 150, 200, 300)

CURVE_GEV: Final = (*range(4, 40, 2), *range(40, 100, 5), *range(100, 300, 10), *range(300, 1001, 50))
CURVES: Final = (
    PublicSeed(name="single jet", collection="L1Jet", threshold_gev=0, fired=1),
    PublicSeed(name="e/γ, |η| < 2.5", collection="L1EG", threshold_gev=0, max_abs_eta=2.5, fired=1),
    PublicSeed(
        name="isolated e/γ, |η| < 2.5", collection="L1EG", threshold_gev=0, max_abs_eta=2.5, isolated=True, fired=1
    ),
    PublicSeed(name="single muon", collection="L1Mu", threshold_gev=0, fired=1),
    PublicSeed(name="missing energy", collection="L1MET", threshold_gev=0, fired=1),
    PublicSeed(name="HT", collection="L1HT", threshold_gev=0, fired=1),
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


class TurnOn(Value):
    """The fraction of true jets in |η| < 2.5 with a matched jet of at least 60 GeV, in bins of true pt."""

    points: tuple[Point, ...]
    half_gev: float | None
    """True pt of one half of the plateau of 1; nothing if it is not reached."""


class JetLevel(Value):
    """Jets of one level: response and resolution in bins, turn-on."""

    name: str
    bins: tuple[ResponseBin, ...]
    turn_on: TurnOn


class RatePoint(Value):
    """The rate above a threshold."""

    threshold_gev: float
    hz: float
    error_hz: float
    effective_events: float


class RateCurve(Value):
    """Rate against threshold of one object."""

    name: str
    points: tuple[RatePoint, ...]


class SeedRate(Value):
    """A public seed: its rate in the sample, and at the public pile-up here and as published, in Hz (rate, error)."""

    name: str
    threshold_gev: float
    hz: tuple[float, float]
    reference_hz: tuple[float, float]
    reference_effective_events: float
    public_hz: tuple[float, float]

    @property
    def ratio(self) -> tuple[float, float]:
        """Ours over the public rate at the same pile-up, and its error."""
        (ours, error), (theirs, their_error) = self.reference_hz, self.public_hz
        relative = np.hypot(error / ours, their_error / theirs) if ours > 0 else 0.0
        return ours / theirs, float(ours / theirs * relative)


class Closure(Value):
    """A distribution per crossing in the enhanced and in the natural sample, and χ² of their difference."""

    name: str
    enhanced: tuple[Point, ...]
    natural: tuple[Point, ...]
    chi2: float
    ndf: int = Field(ge=0)


class Validation(Value):
    """All measurements on samples and their surroundings."""

    enhanced: Sample
    natural: Sample
    reference: Sample
    interactions: int
    """Different interactions that dominate a crossing of the enhanced sample."""

    effective_events: float
    """Of all weights of the enhanced sample."""

    generator: GeneratorFacts
    pileup: tuple[PileUpPoint, ...]
    jets: tuple[JetLevel, ...]
    curves: tuple[RateCurve, ...]
    seeds: tuple[SeedRate, ...]
    closures: tuple[Closure, ...]


def measure_jets(events: ak.Array) -> tuple[JetLevel, ...]:
    """Response, resolution and turn-on of Level-1, HLT and offline jets against isolated true jets.

    Jets are matched within ΔR < 0.25, ρ·area is subtracted at HLT and offline; nothing is calibrated.
    """
    missing = [name for name in ("GenJet", "HLTJet", "Jet") if name not in ak.fields(events)]
    if missing:
        raise InputError(f"events of the jet validation must have {', '.join(missing)}; simulate with content 'jets'")
    return tuple(_jet_level(name, *source, events) for name, source in LEVELS.items())


def _jet_level(name: str, collection: str, density: str | None, events: ak.Array) -> JetLevel:
    jets = events[collection]
    plain = ak.zip({f: jets[f] for f in ("pt", "eta", "phi")})
    area = jets["area"] if density else ak.zeros_like(jets["pt"])
    rho = events[density] if density else np.zeros(len(events))
    columns = {"weight": events["weight"], "GenJet": events["GenJet"], "rho": rho}
    columns |= {"interaction": events["interaction"], "HLTJet": ak.with_field(plain, area, "area")}
    # Crossings that were not clustered for lack of a Level-1 jet have no HLT jets: they are no inefficiency of those.
    clustered = ak.num(events["Jet"]) > 0
    pairs = match_jets(ak.zip(columns, depth_limit=1)[clustered], BINNING.pt_edges_gev[0])
    subtracted = pairs.pt - pairs.rho * pairs.area
    bins = measure_response(
        pairs.pt_true,
        np.abs(pairs.eta_true),
        subtracted / pairs.pt_true,
        np.ones(len(pairs)),
        pairs.matched,
        pairs.group,
        BINNING,
    )
    return JetLevel(name=name, bins=bins, turn_on=_turn_on(pairs, subtracted))


def _turn_on(pairs: JetPairs, pt: FloatArray) -> TurnOn:
    central = np.abs(pairs.eta_true) < TURN_ON_ETA
    passed = pairs.matched & (np.nan_to_num(pt) >= TURN_ON_GEV)
    points = []
    for low, high in pairwise(TURN_ON_EDGES_GEV):
        here = central & (pairs.pt_true >= low) & (pairs.pt_true < high)
        if here.any():
            p = float(passed[here].mean())
            n = effective_events(np.ones(int(here.sum())), pairs.group[here])
            points.append(Point(low=low, high=high, value=p, error=float(np.sqrt(max(p * (1 - p), 0.25 / n) / n))))
    return TurnOn(points=tuple(points), half_gev=_crossing(points, 0.5))


def _crossing(points: Sequence[Point], level: float) -> float | None:
    """Where a rising curve first reaches a level, by straight lines between the centres of the bins."""
    for before, after in pairwise(points):
        if before.value < level <= after.value:
            a, b = (before.low + before.high) / 2, (after.low + after.high) / 2
            return a + (b - a) * (level - before.value) / (after.value - before.value)
    return None


def leading_pt(events: ak.Array, seed: PublicSeed) -> FloatArray:
    """The pt in GeV of the hardest object that a seed looks at, 0 without one, (n,)."""
    objects: Any = events[seed.collection]
    if seed.collection in ("L1MET", "L1HT"):
        return ak.to_numpy(objects.pt).astype(np.float64)
    if seed.max_abs_eta is not None:
        objects = objects[np.abs(objects.eta) < seed.max_abs_eta]
    if seed.isolated:
        objects = objects[objects.iso == 1]
    return ak.to_numpy(ak.fill_none(ak.max(objects.pt, axis=1), 0.0)).astype(np.float64)


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
    return ak.to_numpy(events["weight"]).astype(np.float64)


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


def measure_closures(enhanced: ak.Array, natural: ak.Array) -> tuple[Closure, ...]:
    """The same distributions of both samples; χ² over the bins that are populated in both."""
    seeds = {seed.name: seed for seed in CURVES}
    return tuple(_closure(seeds[name], edges, enhanced, natural) for name, edges in CLOSURE_EDGES_GEV.items())


def _closure(seed: PublicSeed, edges: Sequence[float], enhanced: ak.Array, natural: ak.Array) -> Closure:
    sides = [_distribution(leading_pt(e, seed), _weights(e), interaction_groups(e), edges) for e in (enhanced, natural)]
    (ours, our_events), (theirs, their_events) = sides
    used = (our_events >= MIN_CLOSURE_EVENTS) & (their_events >= MIN_CLOSURE_EVENTS)
    pulls = [(a.value - b.value) ** 2 / (a.error**2 + b.error**2) for a, b in zip(ours, theirs, strict=True) if b.error]
    kept = [pull for pull, use in zip(pulls, used[[bool(b.error) for b in theirs]], strict=True) if use]
    return Closure(name=seed.name, enhanced=ours, natural=theirs, chi2=float(sum(kept)), ndf=len(kept))


def _distribution(
    values: FloatArray, weights: FloatArray, groups: IntArray, edges: Sequence[float]
) -> tuple[tuple[Point, ...], BoolArray]:
    """Σ weight in bins, and the effective events of each."""
    points, events = [], []
    for low, high in pairwise(edges):
        here = (values >= low) & (values < high)
        error = float(np.sqrt(squared_sum(weights[here], groups[here])))
        points.append(Point(low=low, high=high, value=float(weights[here].sum()), error=error))
        events.append(effective_events(weights[here], groups[here]))
    return tuple(points), np.array(events)
