"""Efficiencies of a signal at working points, and how two scores compare on the same events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydantic import Field

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.models.metrics.points import Background, Cut, Replicas, WorkingPoint, find_cut, replica_cuts
from trigforge.models.metrics.roc import Scores, jeffreys
from trigforge.models.metrics.values import Measured, Quoted, Refused, too_few
from trigforge.value import Value
from trigforge.weighted import MIN_EFFECTIVE_EVENTS, BoolArray, FloatArray


class Gain(StrEnum):
    """Which events of a signal count: those that the score accepts, that only it accepts, that the whole menu does."""

    PLAIN = "efficiency"
    PURE = "pure efficiency"
    MENU = "efficiency of menu or score"


class Efficiency(Value):
    """A fraction of signal events, its error from the signal and that from the background that set the threshold.

    `lead` is by how much the comparison's subject is above it, `ratio` the subject's efficiency divided by it, both
    with the errors of two scores on the same events; None for the subject itself.
    """

    value: float = Field(ge=0, le=1)
    signal_error: float = Field(ge=0)
    threshold_error: float = Field(ge=0)
    lead: Measured | None = None
    ratio: Quoted | None = None

    @property
    def error(self) -> float:
        """Both errors together."""
        return float(np.hypot(self.signal_error, self.threshold_error))


@dataclass(frozen=True, slots=True)
class Signal:
    """What of a signal does not depend on a score: `events`, dependent `groups` (m,), what `others` (m,) accept."""

    events: int
    groups: IntArray | None = None
    others: BoolArray | None = None

    def __post_init__(self) -> None:
        for name, values in (("groups", self.groups), ("others", self.others)):
            if values is not None and values.shape != (self.events,):
                raise InputError(f"{name} must have shape ({self.events},), not {values.shape}")

    @property
    def gains(self) -> tuple[Gain, ...]:
        """What can be counted: without the other seeds only the score's own events."""
        return tuple(Gain) if self.others is not None else (Gain.PLAIN,)


@dataclass(frozen=True, slots=True)
class Passing:
    """One score at one working point: its cut, which events of every signal pass, their fractions in replicas (r,)."""

    cut: Cut
    signals: dict[str, dict[Gain, tuple[BoolArray, FloatArray]]]


def passing(
    background_scores: Scores,
    signal_scores: dict[str, Scores],
    background: Background,
    signals: dict[str, Signal],
    points: Sequence[WorkingPoint],
    replicas: Replicas,
) -> list[Passing | Refused]:
    """What passes at every working point; refused where too few background events do."""
    cuts = [find_cut(background_scores, background, point) for point in points]
    varied = replica_cuts(background_scores, background, points, replicas)
    ranked = {n: _ranked(signal_scores[n], s) for n, s in signals.items()}
    result: list[Passing | Refused] = []
    for cut, below in zip(cuts, varied, strict=True):
        if isinstance(cut, Refused):
            result.append(cut)
            continue
        events = {n: _passing(signal_scores[n] >= cut.threshold, ranked[n], s, below) for n, s in signals.items()}
        result.append(Passing(cut, events))
    return result


def _ranked(scores: Scores, signal: Signal) -> tuple[Scores, Scores]:
    """All scores of a signal in rising order, and those of events that no other seed accepts."""
    rising = np.sort(scores)
    return rising, rising if signal.others is None else np.sort(scores[~signal.others])


def _passing(
    passed: BoolArray, ranked: tuple[Scores, Scores], signal: Signal, below: Scores
) -> dict[Gain, tuple[BoolArray, FloatArray]]:
    plain, pure = ((len(s) - np.searchsorted(s, below, "right")) / signal.events for s in ranked)
    if signal.others is None:
        return {Gain.PLAIN: (passed, plain)}
    menu = pure + np.count_nonzero(signal.others) / signal.events
    return {
        Gain.PLAIN: (passed, plain),
        Gain.PURE: (passed & ~signal.others, pure),
        Gain.MENU: (passed | signal.others, menu),
    }


def measure_efficiency(
    passed: tuple[BoolArray, FloatArray], signal: Signal, subject: tuple[BoolArray, FloatArray] | None
) -> Efficiency:
    """An efficiency from the events that pass and its replicas, beside the subject's where that is another score."""
    (events, replicas), fraction = passed, float(passed[0].mean())
    own = jeffreys(np.array(np.count_nonzero(events)), signal.events) * np.sqrt(_dependence(events, signal.groups))
    plain = Efficiency(value=fraction, signal_error=float(own), threshold_error=float(replicas.std()))
    if subject is None:
        return plain
    lead = Measured(value=float(subject[0].mean()) - fraction, error=_paired_error(subject, passed, 1.0, signal.groups))
    return plain.model_copy(update={"lead": lead, "ratio": _ratio(subject, passed, signal)})


def _ratio(subject: tuple[BoolArray, FloatArray], other: tuple[BoolArray, FloatArray], signal: Signal) -> Quoted:
    kept = int(np.count_nonzero(other[0]))
    if kept < MIN_EFFECTIVE_EVENTS:
        return too_few(kept, "signal events pass the other score")
    value = float(np.count_nonzero(subject[0])) / kept
    error = _paired_error(subject, other, value, signal.groups) / float(other[0].mean())
    return Measured(value=value, error=error)


def mean_ratio(
    subject: dict[str, tuple[BoolArray, FloatArray]],
    other: dict[str, tuple[BoolArray, FloatArray]],
    signals: dict[str, Signal],
) -> Quoted:
    """The mean over signals of the subject's efficiency divided by that of another score.

    The thresholds are common to all signals, so their errors are correlated.
    """
    few = [n for n in signals if np.count_nonzero(other[n][0]) < MIN_EFFECTIVE_EVENTS]
    if few:
        return Refused(reason=f"fewer than {MIN_EFFECTIVE_EVENTS:g} events of {', '.join(few)} pass the other score")
    shift, ratios, squares = np.zeros_like(next(iter(subject.values()))[1]), [], 0.0
    for name, signal in signals.items():
        (a, varied_a), (b, varied_b) = subject[name], other[name]
        ratio, scale = float(a.mean() / b.mean()), float(b.mean())
        ratios.append(ratio)
        shift = shift + (varied_a - ratio * varied_b) / scale
        squares += _signal_variance(a, b, ratio, signal.groups) / scale**2
    count = len(signals)
    return Measured(value=float(np.mean(ratios)), error=float(np.sqrt(shift.var() + squares)) / count)


def _paired_error(
    a: tuple[BoolArray, FloatArray], b: tuple[BoolArray, FloatArray], factor: float, groups: IntArray | None
) -> float:
    """The standard error of ε_a - factor·ε_b, both measured on the same signal and background events."""
    thresholds = (a[1] - factor * b[1]).var()
    return float(np.sqrt(thresholds + _signal_variance(a[0], b[0], factor, groups)))


def _signal_variance(a: BoolArray, b: BoolArray, factor: float, groups: IntArray | None) -> float:
    """Variance of the mean of a - factor·b over signal events.

    That of a Dirichlet distribution of the four outcomes with half an event more each, so never 0.
    """
    values = np.array([0.0, 1.0, -factor, 1.0 - factor])
    outcome = np.bincount(a + 2 * b.astype(np.intp), minlength=4) + 0.5
    share = outcome / outcome.sum()
    variance = float(share @ values**2 - (share @ values) ** 2) / (float(outcome.sum()) + 1)
    return variance * _dependence(a - factor * b.astype(np.float64), groups)


def _dependence(values: BoolArray | FloatArray, groups: IntArray | None) -> float:
    """By what factor dependent events make the variance of a mean larger; at least 1."""
    if groups is None:
        return 1.0
    deviations = values - float(values.mean())
    alone = float(np.sum(deviations**2))
    return max(float(np.sum(np.bincount(groups, deviations) ** 2)) / alone, 1.0) if alone > 0 else 1.0
