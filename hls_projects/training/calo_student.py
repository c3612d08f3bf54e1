"""Trains `calo_student`: a teacher autoencoder of calorimeter regions, and its quantised student, as CICADA.

Run in trigforge's environment: `python hls_projects/training/calo_student.py`; with `--teacher FILE` the teacher is
read from FILE, or written there if it is not there yet.

Trained on zero bias and on outliers made of it, measured on enhanced bias and signals; no signal takes part in the
training.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import keras
import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.events import read_events
from trigforge.fixed import IntArray
from trigforge.models.distillation import (
    Distillation,
    Trained,
    exposed,
    normalised,
    predicted,
    target,
    teacher_error,
    train_student,
    train_teacher,
)
from trigforge.models.metrics import Measured, baseline_scores, efficiency, roc
from trigforge.models.trained import load_keras
from trigforge.regions import COARSE, region_contract, region_words
from trigforge.reuse import interaction_groups
from trigforge.sim.collisions import ENHANCED_BIAS, ZERO_BIAS
from trigforge.sim.collisions.frozen import FROZEN_REGIONS, find_samples
from trigforge.ui import Reporter
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, crossing_rate_hz
from trigforge.weighted import effective_events

PROJECT = Path(__file__).parents[1] / "calo_student"
SETTINGS = Distillation()
RATES_KHZ = (1.0, 10.0)
REPLICAS = 100
FROZEN_EVENTS = 200
"""Crossings of every sample whose scores are frozen."""
FEWEST = 10
"""Effective background events above a threshold, below which no efficiency is quoted."""

Floats = npt.NDArray[np.float64]
Scores = dict[str, IntArray]
"""Integer scores (n,) of events by what gave them."""


@dataclass(frozen=True, slots=True)
class Models:
    """What is compared: the teacher, and students without and with quantisation."""

    contract: InputContract
    teacher: Any
    floating: Any
    student: Trained

    def scores(self, events: ak.Array) -> Scores:
        """Scores of events in 2⁻⁸ of 32·ln(MSE) or 0.5 GeV: those of the networks, and baselines."""
        words = region_words(events)
        values = normalised(self.contract, words)
        found = {
            "teacher": 32 * np.log(teacher_error(self.teacher, self.contract, words)),
            "float student": 32 * predicted(self.floating, values)[:, 0],
            "student": 32 * predicted(self.student.model, values)[:, 0],
        }
        integers = {name: np.rint(256 * score).astype(np.int64) for name, score in found.items()}
        baselines = {name: np.rint(2 * score).astype(np.int64) for name, score in baseline_scores(events).items()}
        return {**integers, **baselines, "leading region": words.max(axis=1), "sum of regions": words.sum(axis=1)}


def train(reporter: Reporter, stored: Path | None) -> Models:
    """All networks, trained on zero bias."""
    contract = region_contract(COARSE)
    words = region_words(read_events(FROZEN_REGIONS / ZERO_BIAS, ["L1Region"]))
    if stored is not None and stored.is_file():
        teacher = keras.saving.load_model(stored)
    else:
        with reporter.stage("teacher") as update:
            teacher = train_teacher(SETTINGS, contract, words, update).model
        if stored is not None:
            teacher.save(stored)
    learnt = exposed(SETTINGS, contract, words)
    wanted = target(teacher_error(teacher, contract, learnt))
    with reporter.stage("float student") as update:
        floating = train_student(SETTINGS, contract, learnt, wanted, quantised=False, progress=update).model
    with reporter.stage("student") as update:
        student = train_student(SETTINGS, contract, learnt, wanted, progress=update)
    return Models(contract, teacher, floating, student)


def threshold_of(background: IntArray, weights: Floats, share: float) -> int:
    """The smallest integer threshold that at most such a share of the background's weight reaches."""
    values, where = np.unique(background, return_inverse=True)
    reaching = np.cumsum(np.bincount(where, weights)[::-1])[::-1] / weights.sum()
    allowed = np.flatnonzero(reaching <= share)
    return int(values[allowed[0]]) if len(allowed) else int(values[-1]) + 1


def efficiencies(
    background: IntArray, weights: Floats, groups: IntArray, signals: dict[str, IntArray], rate_khz: float
) -> dict[str, Measured]:
    """The share of each signal at or above the threshold of a total rate; nothing, if too little background is there.

    Errors are those of the signal's count and, by bootstrap of interactions, of the threshold.
    """
    share, rng = rate_khz * 1e3 / crossing_rate_hz(DEFAULT_COLLIDING_BUNCHES), np.random.default_rng(1)
    threshold = threshold_of(background, weights, share)
    if effective_events(weights[background >= threshold], groups[background >= threshold]) < FEWEST:
        return {}
    again = [weights * rng.poisson(1.0, groups.max() + 1)[groups] for _ in range(REPLICAS)]
    moved = [threshold_of(background, replica, share) for replica in again]
    found = {}
    for name, scores in signals.items():
        counted = efficiency(scores >= threshold)
        spread = float(np.std([(scores >= other).mean() for other in moved], ddof=1))
        found[name] = Measured(value=counted.value, error=float(np.hypot(counted.error, spread)))
    return found


def measure(models: Models) -> dict[str, Any]:
    """AUC and efficiencies of every score on every signal."""
    background = read_events(FROZEN_REGIONS / ENHANCED_BIAS)
    weights = ak.to_numpy(background["weight"]).astype(np.float64)
    groups, scores = interaction_groups(background), models.scores(background)
    names = [name for name, sample in find_samples(FROZEN_REGIONS).items() if not sample.background]
    signals = {name: models.scores(read_events(FROZEN_REGIONS / name)) for name in names}
    table: dict[str, Any] = {}
    for kind, own in scores.items():
        areas = {name: roc(kind, own, weights, signals[name][kind], groups).auc for name in names}
        row = {"auc": areas}
        for rate in RATES_KHZ:
            row[f"efficiency_at_{rate:g}_khz"] = efficiencies(
                own, weights, groups, {name: signals[name][kind] for name in names}, rate
            )
        table[kind] = {
            what: {name: [round(one.value, 5), round(one.error, 5)] for name, one in measured.items()}
            for what, measured in row.items()
        }
    correlation = np.corrcoef(scores["teacher"], scores["student"])[0, 1]
    return {"background_events": len(background), "correlation_with_teacher": float(correlation), "scores": table}


def freeze(project: Path) -> None:
    """Write the saved student's own scores of crossings of every sample, which are not saturated as random ones are."""
    contract = InputContract.load(project / "contract.json")
    events = [read_events(FROZEN_REGIONS / name, ["L1Region"])[:FROZEN_EVENTS] for name in find_samples(FROZEN_REGIONS)]
    words = np.concatenate([region_words(some) for some in events])
    scores = predicted(load_keras(project / "model.keras"), normalised(contract, words))
    np.savez_compressed(project / "framework.npz", words=words.astype(np.int16), outputs=scores.astype(np.float32))


def main() -> None:
    """Train, measure, and write model, contract and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PROJECT, help="the project's folder")
    parser.add_argument("--teacher", type=Path, help="a .keras file of the teacher, read or written")
    arguments = parser.parse_args()
    models = train(Reporter(), arguments.teacher)
    arguments.out.mkdir(exist_ok=True)
    models.contract.save(arguments.out / "contract.json")
    models.student.model.save(arguments.out / "model.keras")
    freeze(arguments.out)
    figures = {
        "framework": f"HGQ2 on Keras {keras.__version__} ({keras.backend.backend()})",
        "settings": SETTINGS.model_dump(mode="json"),
        "training_events": find_samples(FROZEN_REGIONS)[ZERO_BIAS].events,
        "ebops": models.student.ebops[-1],
        "parameters": {"teacher": models.teacher.count_params(), "student": models.floating.count_params()},
        **measure(models),
    }
    (arguments.out / "training.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
