"""A run's scores beside simple triggers: firmware, trainer and baselines on the same events."""

from __future__ import annotations

from typing import Final

from trigforge.comparing import Events, compare_on_events
from trigforge.measuring import latent_score
from trigforge.models.metrics import Comparison, Options, ScoreArrays, ScoreKind, Target, WorkingPoint, grow_forest
from trigforge.models.metrics.baselines import FOREST_EVENTS
from trigforge.models.trained import load_trained
from trigforge.pipeline import Run
from trigforge.samples import TRAINING, Scored, encode, read_sample
from trigforge.stages_firmware import TWIN
from trigforge.tla.menu import Menu

SUBJECT: Final = "firmware score"
TRAINER: Final = "trainer's score"


def compare_run(run: Run, scored: Scored, menu: Menu) -> tuple[Comparison, WorkingPoint, WorkingPoint]:
    """The comparison of a run, and its working points at the quoted background efficiency and the target rate."""
    rates = run.config.rates
    fpr = WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=rates.score_fpr)
    target = WorkingPoint(target=Target.TOTAL_RATE, value=rates.target_rate_khz)
    total, pure = (
        WorkingPoint(target=kind, value=rates.compared_rate_khz) for kind in (Target.TOTAL_RATE, Target.PURE_RATE)
    )
    trained, events = load_trained(run.path("model")), Events(scored.background, scored.signals)
    columns = [c.name for c in trained.contract.collections]
    training = encode(trained.contract, read_sample(run, TRAINING, columns)[:FOREST_EVENTS])
    scores = {
        SUBJECT: ScoreArrays(ScoreKind.FIRMWARE, scored.scores, scored.signal_scores),
        TRAINER: events.score_words(ScoreKind.QUANTISED, trained.contract, lambda words: trained(words)[:, 0]),
    }
    twin = load_trained(run.path(*TWIN))
    scores["float network"] = events.score_words(ScoreKind.FLOAT, twin.contract, lambda words: twin(words)[:, 0])
    scores |= latent_score(trained, events)
    options = Options(points=tuple(dict.fromkeys((fpr, total, pure, target))), sculpted_at=target)
    forest = grow_forest(trained.contract, training)
    comparison = compare_on_events(scores, SUBJECT, events, menu, options, forest, rates.colliding_bunches)
    return comparison, fpr, target
