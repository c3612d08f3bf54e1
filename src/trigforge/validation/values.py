"""What `trigforge validate` measures, as frozen values."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from trigforge.calibration.response import ResponseBin
from trigforge.sim.collisions.dataset import Sample
from trigforge.sim.collisions.validation import GeneratorFacts, PileUpPoint, Point
from trigforge.value import Value


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
    """Of the enhanced sample."""

    reference_curves: tuple[RateCurve, ...]
    """At the pile-up of the public rates."""

    seeds: tuple[SeedRate, ...]
    closures: tuple[Closure, ...]
