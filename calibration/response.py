"""The mean jet response in bins of true pt and |η|, with errors, from weighted pairs of jets."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from trigforge.fixed import IntArray
from trigforge.value import Value
from trigforge.weighted import BoolArray, FloatArray, effective_events, squared_sum

TRUNCATION = 2.0
"""The mean is of responses within so many standard deviations of it."""

TRUNCATED_WIDTH = 0.8796
"""Standard deviation of a unit Gaussian cut at ±2σ: (1 - 4φ(2)/P)^1/2 with P = 0.9545 inside."""

ERROR_OF_MOVING_CUT = 1.2925
"""P / (P - 4φ(2)): the cut follows the mean, which adds to its variance (Huber's M-estimator)."""

ITERATIONS = 20

Edges = Annotated[tuple[float, ...], Field(min_length=2)]


class JetBinning(Value):
    """Bins of a jet calibration and the statistics that they must have."""

    abs_eta_edges: Edges = (0.0, 0.8, 1.3, 2.0, 2.5, 3.2, 4.7)
    pt_edges_gev: Edges = (
        *(15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 85.0, 110.0, 150.0, 200.0),
        *(300.0, 450.0, 700.0, 1000.0, 1500.0, 2500.0, 4000.0),
    )
    min_effective_jets: float = Field(default=50.0, ge=10)
    min_efficiency: float = Field(default=0.9, ge=0, le=1)
    """Least matching efficiency: below, the threshold of the trigger jets biases the response."""

    closure_effective_jets: float = Field(default=200.0, ge=10)
    """The same for bins of the closure test."""

    max_closure_err: float = Field(default=0.006, gt=0)
    """Largest statistical error with which a bin counts as a test of closure."""

    weighted: bool = False
    """Whether event weights enter. The response at a true pt hardly depends on the spectrum, so that by default
    they do not: one heavy soft event would outweigh a bin of light hard ones."""

    @model_validator(mode="after")
    def _edges_rise(self) -> JetBinning:
        for name in ("abs_eta_edges", "pt_edges_gev"):
            edges = getattr(self, name)
            if any(low >= high for low, high in pairwise(edges)):
                raise ValueError(f"{name} must rise strictly, not {edges}")
        return self


class ResponseBin(Value):
    """The response of one bin: truncated mean, its error and the width, at the mean true pt."""

    abs_eta_low: float
    abs_eta_high: float
    pt_low_gev: float
    pt_high_gev: float
    pt_mean_gev: float
    response: float
    response_err: float = Field(gt=0)
    resolution: float
    effective_jets: float


def truncated_mean(
    values: FloatArray, weights: FloatArray, groups: IntArray | None = None
) -> tuple[float, float, float]:
    """Mean within ±2σ of itself, its error 1.29 sqrt(Σw²(r-mean)²)/Σw, and σ of the Gaussian core; values (n,).

    With `groups` (n,) of dependent values the error is that of independent groups.

    Iterated from the weighted median. σ is that of the cut values over that of a cut unit Gaussian.
    """
    order = np.argsort(values)
    level = np.cumsum(weights[order]) / weights.sum()
    low, mean, high = (float(values[order][np.searchsorted(level, q)]) for q in (0.1587, 0.5, 0.8413))
    width = max((high - low) / 2, 1e-9)
    for _ in range(ITERATIONS):
        inside = np.abs(values - mean) <= TRUNCATION * width
        w, v = weights[inside], values[inside]
        last, mean = mean, float(np.sum(w * v) / w.sum())
        width = max(float(np.sqrt(np.sum(w * (v - mean) ** 2) / w.sum())) / TRUNCATED_WIDTH, 1e-9)
        if abs(mean - last) < 1e-6 * width:
            break
    error = ERROR_OF_MOVING_CUT * float(
        np.sqrt(squared_sum(w * (v - mean), None if groups is None else groups[inside])) / w.sum()
    )
    return mean, max(error, 1e-9), width


def measure_response(
    pt_true: FloatArray,
    abs_eta: FloatArray,
    response: FloatArray,
    weight: FloatArray,
    matched: BoolArray,
    groups: IntArray,
    binning: JetBinning,
) -> tuple[ResponseBin, ...]:
    """The bins of `binning` that the statistics support; all arrays (jets,), `groups` of dependent jets.

    Neighbours in pt are merged until a bin has `min_effective_jets`; what is left at the end of the spectrum joins
    no bin. Bins of too low a matching efficiency at its foot are left out.
    """
    rows = []
    for eta_low, eta_high in pairwise(binning.abs_eta_edges):
        slab = (abs_eta >= eta_low) & (abs_eta < eta_high)
        for low, high in _supported(pt_true[slab], weight[slab], matched[slab], groups[slab], binning):
            inside = slab & matched & (pt_true >= low) & (pt_true < high)
            w, r, pt = weight[inside], response[inside], pt_true[inside]
            mean, error, width = truncated_mean(r, w, groups[inside])
            rows.append(
                ResponseBin(
                    abs_eta_low=eta_low,
                    abs_eta_high=eta_high,
                    pt_low_gev=low,
                    pt_high_gev=high,
                    pt_mean_gev=float(np.sum(w * pt) / w.sum()),
                    response=mean,
                    response_err=error,
                    resolution=width / mean if mean > 0 else 0.0,
                    effective_jets=effective_events(w, groups[inside]),
                )
            )
    return tuple(rows)


def _supported(
    pt: FloatArray, weight: FloatArray, matched: BoolArray, groups: IntArray, binning: JetBinning
) -> list[tuple[float, float]]:
    """The merged pt bins with enough effective jets and efficiency."""
    bins, start, efficient = [], binning.pt_edges_gev[0], False
    for low, high in pairwise(binning.pt_edges_gev):
        here = (pt >= low) & (pt < high)
        if not efficient:
            total = float(weight[here].sum())
            efficient = total > 0 and float(weight[here & matched].sum()) >= binning.min_efficiency * total
            start = low if efficient else high
        inside = (pt >= start) & (pt < high) & matched
        if efficient and effective_events(weight[inside], groups[inside]) >= binning.min_effective_jets:
            bins.append((start, high))
            start = high
    return bins
