"""How well a score separates signals from weighted background, with statistical errors, and the baselines."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.value import Value

FloatArray = npt.NDArray[np.float64]


class Measured(Value):
    """A number and its statistical standard error."""

    value: float
    error: float = Field(ge=0)


class Roc(Value):
    """Signal efficiency against background efficiency, thinned to at most a few hundred points, and the area."""

    name: str
    background: tuple[float, ...]
    signal: tuple[float, ...]
    auc: Measured


def roc(
    name: str, background: FloatArray, weights: FloatArray, signal: FloatArray, groups: IntArray | None = None
) -> Roc:
    """ROC of scores (n,) and (m,) with background weights (n,); ties count one half (Mann-Whitney).

    Error of the area: variance of the two samples' placements (DeLong), background weighted. Background events of the
    same group (n,) share an interaction: their deviations add before they are squared.
    """
    if not len(background) or not len(signal):
        raise InputError(f"a ROC needs background and signal events, not {len(background)} and {len(signal)}")
    order = np.argsort(background, kind="stable")
    sorted_background, cumulative = background[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    total = cumulative[-1]
    below = cumulative[np.searchsorted(sorted_background, signal, "left")]
    up_to = cumulative[np.searchsorted(sorted_background, signal, "right")]
    placement_signal = 0.5 * (below + up_to) / total
    area = float(placement_signal.mean())
    sorted_signal = np.sort(signal)
    above = len(signal) - np.searchsorted(sorted_signal, background, "right")
    at_least = len(signal) - np.searchsorted(sorted_signal, background, "left")
    placement_background = 0.5 * (above + at_least) / len(signal)
    variance = placement_signal.var() / len(signal)
    deviations = weights * (placement_background - area)
    together = deviations if groups is None else np.bincount(groups, deviations)
    variance += float(np.sum(together**2)) / total**2
    cuts = np.unique(np.concatenate([_cuts(signal), _cuts(background)]))[::-1]
    false = (total - cumulative[np.searchsorted(sorted_background, cuts, "left")]) / total
    true = 1.0 - np.searchsorted(sorted_signal, cuts, "left") / len(signal)
    points = np.concatenate([[[0.0, 0.0]], np.stack([false, true], axis=1), [[1.0, 1.0]]])
    return Roc(
        name=name,
        background=tuple(points[:, 0].clip(0, 1).tolist()),
        signal=tuple(points[:, 1].tolist()),
        auc=Measured(value=area, error=float(np.sqrt(variance))),
    )


def efficiency(passed: npt.NDArray[np.bool_]) -> Measured:
    """Fraction of unweighted events that pass, with the standard error of a Jeffreys interval.

    Never 0 ± 0: the error is that of a Beta(k + 1/2, n - k + 1/2) distribution.
    """
    n, k = len(passed), int(np.count_nonzero(passed))
    if n == 0:
        raise InputError("an efficiency needs events, not 0")
    a, b = k + 0.5, n - k + 0.5
    return Measured(value=k / n, error=float(np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))))


def threshold_at_fpr(background: IntArray, weights: FloatArray, fpr: float) -> int:
    """The smallest integer threshold with weighted background efficiency of `score >= threshold` at most `fpr`."""
    values, where = np.unique(background, return_inverse=True)
    passing = np.cumsum(np.bincount(where, weights)[::-1])[::-1] / weights.sum()
    allowed = np.flatnonzero(passing <= fpr)
    return int(values[allowed[0]]) if len(allowed) else int(values[-1]) + 1


def baseline_scores(events: ak.Array) -> dict[str, FloatArray]:
    """Simple trigger quantities of every event, each of shape (n,), in GeV: what a new trigger must beat."""
    pt = {name: events[name]["pt"] for name in ("L1Jet", "L1EG", "L1Mu")}
    leading = {name: ak.to_numpy(ak.fill_none(ak.max(value, axis=1), 0.0)) for name, value in pt.items()}
    return {
        "leading jet pT": leading["L1Jet"],
        "HT": ak.to_numpy(ak.sum(pt["L1Jet"][pt["L1Jet"] > 30], axis=1)),
        "MET": ak.to_numpy(events["L1MET"]["pt"]),
        "leading lepton pT": np.maximum(leading["L1EG"], leading["L1Mu"]),
    }


def _cuts(scores: FloatArray, points: int = 150) -> FloatArray:
    """Cut values at quantiles that are dense in the upper tail."""
    return np.quantile(scores, 1.0 - np.logspace(-6, 0, points), method="inverted_cdf")
