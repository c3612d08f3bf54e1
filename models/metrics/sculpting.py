"""How much a score changes the spectrum of a variable of the background that it accepts, beyond chance."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.fixed import IntArray
from trigforge.models.metrics.points import Background, Replicas
from trigforge.models.metrics.values import Measured, Refused, enough, too_few
from trigforge.value import Value
from trigforge.weighted import BoolArray, FloatArray, effective_events

QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99, 0.997, 0.999, 0.9999)
"""Edges of the bins as quantiles of all background, finer in the upper tail, where a trigger accepts."""

CHANCE = 0.01
"""Sculpting whose probability by chance is smaller is called so."""


class Sculpting(Value):
    """Jensen-Shannon divergence in bits (0 equal, 1 disjoint) of accepted from all background in one variable.

    `chance` is what as many events chosen blindly show, on average and spread: finite samples are never equal.
    """

    variable: str
    divergence: Measured
    chance: Measured
    p_value: float = Field(gt=0, le=1)
    """The probability of so large a divergence without sculpting."""
    effective_events: float = Field(ge=0)

    @property
    def beyond_chance(self) -> bool:
        """Whether the score sculpts the variable."""
        return self.p_value < CHANCE


def sculpting_variables(events: ak.Array) -> dict[str, FloatArray]:
    """Variables (n,) that a trigger may sculpt: mass of the two leading jets and HT in GeV, number of interactions.

    All of Level-1 jets; NaN where a crossing has no such quantity.
    """
    jets = events["L1Jet"]
    variables = {
        "dijet mass": _dijet_mass(jets),
        "HT": ak.to_numpy(ak.sum(jets["pt"][jets["pt"] > 30], axis=1)).astype(np.float64),
    }
    if "nPU" in ak.fields(events):
        variables["pile-up"] = ak.to_numpy(events["nPU"]).astype(np.float64)
    return variables


def jensen_shannon(p: npt.ArrayLike, q: npt.ArrayLike) -> FloatArray:
    """Jensen-Shannon divergence in bits of histograms (..., bins), each scaled to 1; 0 where one is empty."""
    first, second = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = (h / h.sum(axis=-1, keepdims=True) for h in (first, second))
        middle = (first + second) / 2
        bits = sum(np.where(h > 0, h * np.log2(h / middle), 0.0) for h in (first, second))
        divergence = np.sum(bits, axis=-1) / 2
    return np.asarray(np.clip(np.nan_to_num(divergence), 0.0, 1.0))


def sculpting(
    name: str, variable: FloatArray, accepted: BoolArray, background: Background, replicas: Replicas, seed: int = 1
) -> Sculpting | Refused:
    """The divergence of a variable (n,) of `accepted` (n,) from all crossings, its error and what chance gives.

    Error: Poisson bootstrap over groups of dependent crossings. Chance: every accepted group keeps its weight and
    takes its variable from all background instead. Refused with fewer than 10 effective accepted events.
    """
    defined = np.isfinite(variable)
    chosen = accepted & defined
    weights = np.where(defined, background.weights, 0.0)
    effective = effective_events(weights[chosen], replicas.of_event[chosen])
    if not enough(effective):
        return too_few(effective)
    edges = weighted_quantiles(variable[defined], weights[defined], QUANTILES)
    bins, size = np.searchsorted(edges, variable, "right").clip(max=len(edges)), len(edges) + 1
    everything = np.bincount(bins, weights, minlength=size).astype(np.float64)
    found = float(jensen_shannon(np.bincount(bins[chosen], weights[chosen], minlength=size), everything))
    varied = replicas.sums(bins + size * chosen, weights, 2 * size)
    kept = varied[:, size:]
    rng, count = np.random.default_rng(seed), len(replicas.counts)
    blind = _by_chance(weights[chosen], replicas.of_event[chosen], everything, count, rng)
    return Sculpting(
        variable=name,
        divergence=Measured(value=found, error=float(jensen_shannon(kept, kept + varied[:, :size]).std())),
        chance=Measured(value=float(blind.mean()), error=float(blind.std())),
        p_value=float(np.count_nonzero(blind >= found) + 1) / (count + 1),
        effective_events=effective,
    )


def weighted_quantiles(values: FloatArray, weights: FloatArray, quantiles: npt.ArrayLike) -> FloatArray:
    """The distinct smallest values with at least these fractions of the weight at or below them."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    place = np.searchsorted(reached, np.asarray(quantiles) - 1e-12).clip(max=len(values) - 1)
    return np.unique(values[order][place])


def _by_chance(
    weights: FloatArray, groups: IntArray, everything: FloatArray, count: int, rng: np.random.Generator
) -> FloatArray:
    """Divergences of accepted groups whose variable is drawn from the histogram of all background."""
    together = np.bincount(np.unique(groups, return_inverse=True)[1], weights)
    size = len(everything)
    limits = np.cumsum(everything)[:-1] / everything.sum()
    drawn = np.searchsorted(limits, rng.random((count, len(together))), "right")
    cells = (np.arange(count)[:, None] * size + drawn).ravel()
    spectra = np.bincount(cells, np.tile(together, count), minlength=count * size)
    return jensen_shannon(spectra.reshape(count, size), everything)


def _dijet_mass(jets: ak.Array) -> FloatArray:
    """Mass (n,) of the two leading jets as massless particles, NaN with fewer than two."""
    first = ak.pad_none(jets[:, :2], 2)
    pt, eta, phi = (ak.to_numpy(ak.fill_none(first[f], np.nan)).astype(np.float64) for f in ("pt", "eta", "phi"))
    spread = np.cosh(eta[:, 0] - eta[:, 1]) - np.cos(phi[:, 0] - phi[:, 1])
    return np.asarray(np.sqrt(2 * pt[:, 0] * pt[:, 1] * np.maximum(spread, 0)))
