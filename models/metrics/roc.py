"""ROC curves of weighted background with the errors of their areas, efficiencies, and the best improvement on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.models.metrics.values import ROUNDING, Measured, Refused
from trigforge.value import Value
from trigforge.weighted import MIN_EFFECTIVE_EVENTS, BoolArray, FloatArray, square_steps

Scores = npt.NDArray[np.integer[Any] | np.floating[Any]]
"""Scores of events (n,): firmware integers or real numbers; more is more anomalous."""


class Roc(Value):
    """Signal efficiency against background efficiency with their errors, thinned, and the area.

    Up to the background efficiency `supported_from`, which has them, fewer than 10 effective background events pass.
    """

    name: str
    background: tuple[float, ...]
    background_error: tuple[float, ...]
    signal: tuple[float, ...]
    signal_error: tuple[float, ...]
    auc: Measured
    supported_from: float = Field(ge=0, le=1)


class Improvement(Value):
    """The largest ε_S/√ε_B of a curve and the background efficiency there."""

    best: Measured
    background: float = Field(gt=0, le=1)


@dataclass(frozen=True, slots=True)
class Placements:
    """Which share of the other sample every event lies above (signal, (m,)) or below (background, (n,))."""

    signal: FloatArray
    background: FloatArray


def placements(background: Scores, weights: FloatArray, signal: Scores) -> Placements:
    """The placements of two samples' scores (n,) and (m,), the background weighted; ties count one half."""
    if not len(background) or not len(signal):
        raise InputError(f"a ROC needs background and signal events, not {len(background)} and {len(signal)}")
    order, place = np.argsort(background, kind="stable"), np.argsort(signal, kind="stable")
    ranked, rising = background[order], signal[place]
    below, up_to = (np.searchsorted(ranked, rising, side) for side in ("left", "right"))
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
    lower, not_higher = (np.searchsorted(rising, ranked, side) for side in ("left", "right"))
    of_signal, of_background = np.empty(len(signal)), np.empty(len(background))
    of_signal[place] = 0.5 * (cumulative[below] + cumulative[up_to]) / cumulative[-1]
    of_background[order] = 1.0 - 0.5 * (lower + not_higher) / len(signal)
    return Placements(of_signal, of_background)


def area(
    of: Placements, weights: FloatArray, groups: IntArray | None = None, less: Placements | None = None
) -> Measured:
    """The area under a ROC, or by how much it exceeds that of another score on the same events (`less`).

    Error: variance of the two samples' placements (DeLong), background weighted. Background events of the same group
    (n,) share an interaction: their deviations add before they are squared.
    """
    signal, background = of.signal, of.background
    if less is not None:
        signal, background = signal - less.signal, background - less.background
    value = float(signal.mean())
    deviations = weights * (background - value)
    together = deviations if groups is None else np.bincount(groups, deviations)
    variance = signal.var() / len(signal) + float(np.sum(together**2)) / float(weights.sum()) ** 2
    return Measured(value=value, error=float(np.sqrt(variance)))


def roc(name: str, background: Scores, weights: FloatArray, signal: Scores, groups: IntArray | None = None) -> Roc:
    """ROC of scores (n,) and (m,) with background weights (n,) and `groups` (n,) of dependent background events."""
    auc = area(placements(background, weights, signal), weights, groups)
    order = np.argsort(-background, kind="stable")
    falling, total = background[order], float(weights.sum())
    passing = np.concatenate([[0.0], np.cumsum(weights[order])])
    squares = np.concatenate([[0.0], np.cumsum(square_steps(background, weights, groups)[order])])
    cuts = np.unique(np.concatenate([_cuts(signal), _cuts(background)]))[::-1]
    place = np.searchsorted(-falling, -cuts, "right")
    effective = np.divide(passing**2, squares, out=np.zeros_like(passing), where=squares > 0)[place]
    false = np.concatenate([[0.0], passing[place] / total, [1.0]])
    false_error = np.concatenate([[0.0], np.sqrt(squares[place]) / total, [0.0]])
    kept = len(signal) - np.searchsorted(np.sort(signal), cuts, "left")
    passed = np.concatenate([[0], kept, [len(signal)]])
    supported = int(np.max(np.flatnonzero(effective < MIN_EFFECTIVE_EVENTS * (1 - ROUNDING)), initial=-1)) + 1
    return Roc(
        name=name,
        background=_short(false.clip(0, 1)),
        background_error=_short(false_error),
        signal=_short(passed / len(signal)),
        signal_error=_short(jeffreys(passed, len(signal))),
        auc=auc,
        supported_from=_short(false.clip(0, 1))[1 + supported],
    )


def improvement(curve: Roc) -> Improvement | Refused:
    """The largest significance improvement ε_S/√ε_B over the cuts that 10 effective background events pass.

    Its error is that of both efficiencies at that cut; the largest of many fluctuating numbers, it is biased upwards
    by less than about that error.
    """
    background, signal = np.array(curve.background), np.array(curve.signal)
    supported = (background >= curve.supported_from) & (background > 0) & (background < 1)
    if not supported.any():
        return Refused(reason=f"no cut has {MIN_EFFECTIVE_EVENTS:g} effective background events above it")
    ratio = np.where(supported, signal / np.sqrt(np.where(supported, background, 1.0)), -1.0)
    at = int(np.argmax(ratio))
    from_signal = curve.signal_error[at] / np.sqrt(background[at])
    from_background = ratio[at] * curve.background_error[at] / (2 * background[at])
    best = Measured(value=float(ratio[at]), error=float(np.hypot(from_signal, from_background)))
    return Improvement(best=best, background=float(background[at]))


def efficiency(passed: BoolArray) -> Measured:
    """Fraction of unweighted events that pass, with the standard error of a Jeffreys interval.

    Never 0 ± 0: the error is that of a Beta(k + 1/2, n - k + 1/2) distribution.
    """
    n, k = len(passed), int(np.count_nonzero(passed))
    if n == 0:
        raise InputError("an efficiency needs events, not 0")
    return Measured(value=k / n, error=float(jeffreys(np.array(k), n)))


def jeffreys(passed: npt.NDArray[np.integer], events: int) -> FloatArray:
    """The standard error of a Jeffreys interval for `passed` of `events`."""
    a, b = passed + 0.5, events - passed + 0.5
    return np.asarray(np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))))


def _cuts(scores: Scores, points: int = 80) -> Scores:
    """Cut values at quantiles that are dense in the upper tail."""
    return np.asarray(np.quantile(scores, 1.0 - np.logspace(-6, 0, points), method="inverted_cdf"))


def _short(values: FloatArray) -> tuple[float, ...]:
    """Values to six figures: points of a curve."""
    return tuple(float(f"{v:.6g}") for v in values)
