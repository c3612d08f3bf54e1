"""A run's scores beside simple triggers: firmware, trainer and baselines on the same events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import awkward as ak

from trigforge.contract import InputContract
from trigforge.fixed import IntArray
from trigforge.models.metrics import (
    Background,
    Comparison,
    Options,
    ScoreArrays,
    ScoreKind,
    Signal,
    Target,
    WorkingPoint,
    baseline_scores,
    compare_scores,
    grow_forest,
    sculpting_variables,
)
from trigforge.models.metrics.baselines import FOREST_EVENTS
from trigforge.models.metrics.roc import Scores
from trigforge.models.trained import load_trained
from trigforge.pipeline import Run
from trigforge.reuse import interaction_groups
from trigforge.samples import BACKGROUND, TRAINING, Scored, encode, read_sample
from trigforge.tla.menu import Menu, decide_others
from trigforge.weighted import BoolArray

SUBJECT: Final = "firmware score"
TRAINER: Final = "trainer's score"
FOREST: Final = "isolation forest"


def compare_run(
    run: Run, scored: Scored, others: BoolArray, menu: Menu
) -> tuple[Comparison, WorkingPoint, WorkingPoint]:
    """The comparison of a run, and its working points at the quoted background efficiency and the target rate."""
    rates = run.config.rates
    fpr = WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=rates.score_fpr)
    target = WorkingPoint(target=Target.TOTAL_RATE, value=rates.target_rate_khz)
    total, pure = (
        WorkingPoint(target=kind, value=rates.compared_rate_khz) for kind in (Target.TOTAL_RATE, Target.PURE_RATE)
    )
    background = Background(scored.weights, interaction_groups(scored.background), others, rates.colliding_bunches)
    signals = {
        name: Signal(len(events), interaction_groups(events), decide_others(menu, events, scored.signal_scores[name]))
        for name, events in scored.signals.items()
    }
    points = tuple(dict.fromkeys((fpr, total, pure, target)))
    options = Options(points=points, variables=sculpting_variables(scored.background), sculpted_at=target)
    return compare_scores(dict(_scores(run, scored)), background, signals, SUBJECT, options), fpr, target


def _scores(run: Run, scored: Scored) -> Iterator[tuple[str, ScoreArrays]]:
    """All scores of a run by name, the firmware's first."""
    yield SUBJECT, ScoreArrays(ScoreKind.FIRMWARE, scored.scores, scored.signal_scores)
    trained = load_trained(run.path("model"))
    samples = {BACKGROUND: scored.background, **scored.signals}
    words = {name: encode(trained.contract, events) for name, events in samples.items()}
    yield TRAINER, _arrays(ScoreKind.QUANTISED, {name: trained(values)[:, 0] for name, values in words.items()})
    simple = {name: baseline_scores(events) for name, events in samples.items()}
    for quantity in simple[BACKGROUND]:
        yield quantity, _arrays(ScoreKind.CUT, {name: values[quantity] for name, values in simple.items()})
    forest = grow_forest(trained.contract, _training_words(run, trained.contract))
    yield FOREST, _arrays(ScoreKind.FOREST, {name: forest(values) for name, values in words.items()})


def _training_words(run: Run, contract: InputContract) -> IntArray:
    events: ak.Array = read_sample(run, TRAINING, [c.name for c in contract.collections])
    return encode(contract, events[:FOREST_EVENTS])


def _arrays(kind: ScoreKind, scores: Mapping[str, Scores]) -> ScoreArrays:
    return ScoreArrays(
        kind, scores[BACKGROUND], {name: values for name, values in scores.items() if name != BACKGROUND}
    )
