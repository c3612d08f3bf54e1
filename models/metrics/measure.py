"""`compare_scores`: arrays of scores to a `Comparison`, every score on the same events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from trigforge.errors import InputError
from trigforge.models.metrics.comparison import AtPoint, Comparison, Row, ScoreKind, TotalImprovement
from trigforge.models.metrics.efficiencies import (
    Efficiency,
    Gain,
    Passing,
    Signal,
    mean_ratio,
    measure_efficiency,
    passing,
)
from trigforge.models.metrics.points import (
    REPLICAS,
    Background,
    Replicas,
    Target,
    WorkingPoint,
    draw_replicas,
    find_cut,
)
from trigforge.models.metrics.roc import Placements, Scores, area, improvement, placements, roc
from trigforge.models.metrics.sculpting import Sculpting, sculpting
from trigforge.models.metrics.values import Measured, Quoted, Refused
from trigforge.weighted import BoolArray, FloatArray, effective_events

IMPROVEMENT_POINTS: Final = tuple(
    WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=fpr) for fpr in (1e-2, 1e-3, 1e-4)
)
"""Where arXiv:2105.14027 measures the improvement of a signal."""

DEFAULT_POINTS: Final = (
    WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=1e-3),
    WorkingPoint(target=Target.TOTAL_RATE, value=1.0),
    WorkingPoint(target=Target.PURE_RATE, value=1.0),
)


@dataclass(frozen=True, slots=True)
class ScoreArrays:
    """One score of the same events as all others: background (n,), and (m,) of every signal."""

    kind: ScoreKind
    background: Scores
    signals: Mapping[str, Scores]


@dataclass(frozen=True, slots=True)
class Options:
    """Where scores are compared, which variables (n,) of the background they may sculpt, and the replicas."""

    points: Sequence[WorkingPoint] = DEFAULT_POINTS
    variables: Mapping[str, FloatArray] = field(default_factory=dict)
    sculpted_at: WorkingPoint = DEFAULT_POINTS[1]
    replicas: int = REPLICAS
    seed: int = 1


DEFAULT_OPTIONS: Final = Options()


@dataclass(frozen=True, slots=True)
class _Setting:
    """What all rows share."""

    background: Background
    signals: dict[str, Signal]
    points: tuple[WorkingPoint, ...]
    replicas: Replicas
    options: Options


@dataclass(frozen=True, slots=True)
class _Measured:
    """A score's placements by signal and what passes at every working point."""

    placements: dict[str, Placements]
    passing: list[Passing | Refused]


def compare_scores(
    scores: Mapping[str, ScoreArrays],
    background: Background,
    signals: Mapping[str, Signal],
    subject: str,
    options: Options = DEFAULT_OPTIONS,
) -> Comparison:
    """Measure every score on the same background and signals, each beside the `subject` among them."""
    _check(scores, background, signals, subject)
    points = tuple(dict.fromkeys((*options.points, *IMPROVEMENT_POINTS)))
    replicas = draw_replicas(background, options.replicas, options.seed)
    setting = _Setting(background, dict(signals), points, replicas, options)
    first = _measure(scores[subject], setting)
    rows = tuple(
        _row(name, arrays, first if name == subject else _measure(arrays, setting), first, setting)
        for name, arrays in scores.items()
    )
    return Comparison(
        subject=subject,
        colliding_bunches=background.colliding_bunches,
        effective_background=effective_events(background.weights, background.groups),
        signals=tuple(signals),
        points=tuple(options.points),
        sculpted_at=options.sculpted_at,
        rows=rows,
    )


def _check(
    scores: Mapping[str, ScoreArrays], background: Background, signals: Mapping[str, Signal], subject: str
) -> None:
    if subject not in scores:
        raise InputError(f"the subject must be one of the scores {', '.join(scores)}, not {subject!r}")
    if not signals:
        raise InputError("a comparison needs at least one signal, not none")
    for name, arrays in scores.items():
        sizes = {"background": len(background.weights), **{n: s.events for n, s in signals.items()}}
        missing = [n for n in signals if n not in arrays.signals]
        if missing:
            raise InputError(f"score {name!r} must have scores of all signals; {', '.join(missing)} are missing")
        for sample, values in {"background": arrays.background, **{n: arrays.signals[n] for n in signals}}.items():
            if np.shape(values) != (sizes[sample],):
                raise InputError(
                    f"score {name!r} of {sample} must have shape ({sizes[sample]},), not {np.shape(values)}"
                )
            if not np.isfinite(values).all():
                raise InputError(f"score {name!r} of {sample} must be finite, but some are not")


def _measure(arrays: ScoreArrays, setting: _Setting) -> _Measured:
    background, weights = arrays.background, setting.background.weights
    placed = {n: placements(background, weights, arrays.signals[n]) for n in setting.signals}
    signal_scores = {n: arrays.signals[n] for n in setting.signals}
    passed = passing(background, signal_scores, setting.background, setting.signals, setting.points, setting.replicas)
    return _Measured(placed, passed)


def _row(name: str, arrays: ScoreArrays, own: _Measured, subject: _Measured, setting: _Setting) -> Row:
    weights, groups = setting.background.weights, setting.background.groups
    rocs = {n: roc(n, arrays.background, weights, arrays.signals[n], groups) for n in setting.signals}
    at = [
        _at_point(point, mine, None if own is subject else first, setting)
        for point, mine, first in zip(setting.points, own.passing, subject.passing, strict=True)
    ]
    leads = {} if own is subject else subject.placements
    wanted = set(setting.options.points)
    return Row(
        name=name,
        kind=arrays.kind,
        rocs=rocs,
        area_lead={n: area(p, weights, groups, less=own.placements[n]) for n, p in leads.items()},
        improvement={n: improvement(curve) for n, curve in rocs.items()},
        points=tuple(found for found in at if found.point in wanted),
        total_improvement=_total_improvement(own, at, setting),
        sculpting=_sculpting(arrays.background, setting),
    )


def _at_point(
    point: WorkingPoint,
    own: Passing | Refused,
    subject: Passing | Refused | None,
    setting: _Setting,
) -> AtPoint:
    if isinstance(own, Refused):
        return AtPoint(point=point, cut=own, signals={}, kept={})
    rival = subject.signals if isinstance(subject, Passing) else None
    efficiencies: dict[str, dict[Gain, Efficiency]] = {
        name: {
            gain: measure_efficiency(own.signals[name][gain], signal, rival[name][gain] if rival else None)
            for gain in signal.gains
        }
        for name, signal in setting.signals.items()
    }
    kept: dict[Gain, Quoted] = {}
    for gain in _common_gains(setting.signals) if rival else ():
        first, mine = ({n: p[n][gain] for n in setting.signals} for p in (rival or {}, own.signals))
        kept[gain] = mean_ratio(first, mine, setting.signals)
    return AtPoint(point=point, cut=own.cut, signals=efficiencies, kept=kept)


def _common_gains(signals: Mapping[str, Signal]) -> tuple[Gain, ...]:
    return tuple(gain for gain in Gain if all(gain in s.gains for s in signals.values()))


def _sculpting(scores: Scores, setting: _Setting) -> dict[str, Sculpting | Refused]:
    options, background = setting.options, setting.background
    if not options.variables:
        return {}
    cut = find_cut(scores, background, options.sculpted_at)
    if isinstance(cut, Refused):
        return dict.fromkeys(options.variables, cut)
    accepted: BoolArray = np.asarray(scores >= cut.threshold)
    return {
        n: sculpting(n, v, accepted, background, setting.replicas, options.seed) for n, v in options.variables.items()
    }


def _total_improvement(own: _Measured, at: Sequence[AtPoint], setting: _Setting) -> TotalImprovement:
    """The largest improvement of every signal, and the largest, the median and the smallest of those."""
    best: dict[str, tuple[float, float, FloatArray]] = {}
    for found, passed in zip(at, own.passing, strict=True):
        if found.point not in IMPROVEMENT_POINTS or isinstance(passed, Refused):
            continue
        scale = 1 / np.sqrt(found.point.value)
        for name, efficiencies in found.signals.items():
            plain = efficiencies[Gain.PLAIN]
            entry = (scale * plain.value, scale * plain.signal_error, scale * passed.signals[name][Gain.PLAIN][1])
            if name not in best or entry[0] > best[name][0]:
                best[name] = entry
    if not best:
        refused = next(p for p in own.passing if isinstance(p, Refused))
        names: dict[str, Quoted] = dict.fromkeys(setting.signals, refused)
        return TotalImprovement(signals=names, maximum=refused, median=refused, minimum=refused)
    ranked = sorted(best.values(), key=lambda entry: entry[0])
    middle = ranked[(len(ranked) - 1) // 2 : len(ranked) // 2 + 1]
    return TotalImprovement(
        signals={name: _mean([entry]) for name, entry in best.items()},
        maximum=_mean(ranked[-1:]),
        median=_mean(middle),
        minimum=_mean(ranked[:1]),
    )


def _mean(entries: Sequence[tuple[float, float, FloatArray]]) -> Measured:
    """The mean of improvements: their signals are independent, their thresholds are not."""
    values, errors, replicas = zip(*entries, strict=True)
    thresholds = float(np.mean(replicas, axis=0).std())
    signal = float(np.sqrt(np.sum(np.square(errors)))) / len(entries)
    return Measured(value=float(np.mean(values)), error=float(np.hypot(thresholds, signal)))
