"""Deep ensembles (arXiv:1612.01474): the same recipe from several seeds, whose spread is the training's uncertainty.

Firmware holds one member. The mean score of all is no more than a row of the comparison: what an ensemble would gain,
and how much of it the one member keeps.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.comparing import Events
from trigforge.fixed import IntArray
from trigforge.models.metrics import Comparison, Efficiency, Gain, ScoreArrays, ScoreKind, gain_at
from trigforge.models.metrics.roc import Scores
from trigforge.models.recipe import Recipe, changed
from trigforge.models.trained import TrainedModel, load_trained
from trigforge.notation import percent, with_error
from trigforge.plots.style import title_of
from trigforge.table import Table

ENSEMBLE: Final = "ensemble"
"""The folder of the other members."""
MEAN: Final = "mean of the ensemble"


def members_of(recipe: Recipe, members: int) -> dict[str, Recipe]:
    """The recipes of all members but the first, each with a seed of its own, by the names of their folders."""
    seeds = range(recipe.training.seed + 1, recipe.training.seed + members)
    return {f"seed_{seed}": changed(recipe, {"training.seed": seed}) for seed in seeds}


def member_scores(first: TrainedModel, folder: Path, events: Events, scale: IntArray) -> dict[str, ScoreArrays]:
    """Scores of the other members in a folder and the mean of all, each in units of its mean over words `scale`.

    Empty where there are no others.
    """
    others = {path.name: load_trained(path) for path in sorted((folder / ENSEMBLE).glob("seed_*"))}
    if not others:
        return {}
    models = [first, *others.values()]
    units = [float(np.abs(model(scale)[:, 0]).mean()) or 1.0 for model in models]

    def mean(words: IntArray) -> Scores:
        total: Scores = np.mean([model(words)[:, 0] / unit for model, unit in zip(models, units, strict=True)], axis=0)
        return total

    rows = {
        name.replace("_", " "): events.score_words(ScoreKind.MEMBER, model.contract, partial(_score, model))
        for name, model in others.items()
    }
    return rows | {MEAN: events.score_words(ScoreKind.ENSEMBLE, first.contract, mean)}


def spread_table(comparison: Comparison) -> Table:
    """Mean and spread over the members, of AUCs and efficiencies of every signal, beside the mean score's own."""
    members = [row for row in comparison.rows if row.kind is ScoreKind.MEMBER or row.name == comparison.subject]
    mean = next((row for row in comparison.rows if row.kind is ScoreKind.ENSEMBLE), None)
    points = [(point, gain) for point in comparison.points for gain in dict.fromkeys((Gain.PLAIN, gain_at(point)))]
    head = ("signal", "", "AUC", *(f"{gain.value} at {point.title}" for point, gain in points))
    rows: list[tuple[str, ...]] = []
    for signal in comparison.signals if mean is not None else ():
        areas = [row.rocs[signal].auc.value for row in members]
        cells = []
        for point, gain in points:
            found = [row.efficiency(signal, point, gain) for row in members]
            values = [e.value for e in found if isinstance(e, Efficiency)]
            cells.append(percent(*_spread(values)) if len(values) == len(found) else "not quoted")
        title = f"{len(members)} seeds: mean ± spread"
        rows.append((title_of(signal), title, with_error(*_spread(areas)), *cells))
    return Table(head, tuple(rows), words=2)


def _score(model: TrainedModel, words: IntArray) -> Scores:
    return model(words)[:, 0]


def _spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation of the members."""
    return float(np.mean(values)), float(np.std(values, ddof=1))
