"""A trained project measured: firmware, trainer, float twin, latent code and baselines on the same events."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np

from trigforge.comparing import Events, compare_on_events
from trigforge.contract import level1_contract
from trigforge.errors import InputError
from trigforge.events import read_events
from trigforge.firmware.emulator import compile_emulator
from trigforge.models.metrics import Comparison, Options, ScoreArrays, ScoreKind, Target, WorkingPoint, grow_forest
from trigforge.models.metrics.baselines import FOREST_EVENTS
from trigforge.models.metrics.roc import Scores
from trigforge.models.trained import MODEL_FILE, TrainedModel, load_trained
from trigforge.notation import count
from trigforge.samples import BACKGROUND, TRAINING, encode
from trigforge.sim.collisions.frozen import FROZEN, find_samples
from trigforge.tla.menu import default_menu
from trigforge.training import FLOAT_FOLDER, POST_TRAINING, program_of, project_of_folder

COMPARISON_FILE: Final = "comparison.json"
SUBJECT: Final = "firmware"
LATENT: Final = ("latent_mean", "latent")
"""Names of the layers whose squared length is the score of the latent code alone."""
RATE_KHZ: Final = 1.0
POINTS: Final = (
    WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=1e-3),
    WorkingPoint(target=Target.TOTAL_RATE, value=RATE_KHZ),
    WorkingPoint(target=Target.PURE_RATE, value=RATE_KHZ),
)
"""Where scores are compared."""


def measure_folder(folder: Path, samples: Path | None = None) -> Comparison | None:
    """Compare the model that 'trigforge train' wrote to a folder, on events that neither trained nor chose it.

    None if the folder's model has no record of a training, or not one score of Level-1 words.

    Background is the weighted sample of the rates; of every signal the second half, since the first may have chosen
    the epoch. Pure rates are against the shipped menu.
    """
    trained = _record_and_model(folder)
    if trained is None or trained.keras.output_shape[-1] != 1 or trained.contract.name != level1_contract().name:
        return None
    events = held_out(samples or FROZEN)
    program = program_of(trained.keras, trained.contract, project_of_folder(folder))
    emulator = compile_emulator(program, folder)
    scores = {
        SUBJECT: events.score(ScoreKind.FIRMWARE, lambda found: emulator(encode(trained.contract, found))[:, 0]),
        "trainer": events.score(ScoreKind.QUANTISED, lambda found: trained(encode(trained.contract, found))[:, 0]),
    }
    if (folder / FLOAT_FOLDER / MODEL_FILE).is_file():
        twin = load_trained(folder / FLOAT_FOLDER)
        scores["float network"] = events.score(ScoreKind.FLOAT, lambda found: twin(encode(twin.contract, found))[:, 0])
    for quantised in sorted(folder.glob(f"{POST_TRAINING}*")):
        name = f"{quantised.name.removeprefix(POST_TRAINING)} bits after training"
        scores[name] = _post_training(quantised, events)
    latent = _latent(trained, events)
    if latent is not None:
        scores["latent code"] = latent
    columns = [collection.name for collection in trained.contract.collections]
    first = ak.Array(read_events((samples or FROZEN) / TRAINING, columns))[:FOREST_EVENTS]
    forest = grow_forest(trained.contract, encode(trained.contract, first))
    return compare_on_events(
        scores, SUBJECT, events, default_menu(), Options(points=POINTS, sculpted_at=POINTS[1]), forest
    )


def describe_data(folder: Path, samples: Path | None = None) -> str:
    """Which events trained and measured the model in a folder, in a sentence or two."""
    found = find_samples(samples or FROZEN)
    made = next(iter(found.values())).config
    origin = "the frozen samples of trigforge" if samples is None else "samples of `trigforge generate`"
    text = f"Events: {origin} (Pythia 8, fast detector simulation, pile-up {made.pileup:g}, seed {made.seed})."
    if _record_and_model(folder) is None:
        return text
    trained, measured = found[TRAINING], found[BACKGROUND]
    signals = ", ".join(name for name, sample in found.items() if not sample.background)
    return (
        f"{text} Trained on {count(trained.events)} crossings of `{TRAINING}`, measured on {count(measured.events)} "
        f"weighted ones of `{BACKGROUND}` and the second half of the signals {signals}, whose first half may have "
        "chosen the epoch. Figures hold for these samples only."
    )


def _record_and_model(folder: Path) -> TrainedModel | None:
    try:
        return load_trained(folder)
    except InputError:
        return None


def held_out(folder: Path) -> Events:
    """The background of the rates, and the second half of every signal, of a folder of samples."""
    names = [name for name, sample in find_samples(folder).items() if not sample.background]
    signals = {name: ak.Array(read_events(folder / name)) for name in names}
    halves = {name: found[len(found) // 2 :] for name, found in signals.items()}
    return Events(ak.Array(read_events(folder / BACKGROUND)), halves)


def _post_training(folder: Path, events: Events) -> ScoreArrays:
    """The firmware score of a float network that was quantised after its training."""
    twin = load_trained(folder)
    emulator = compile_emulator(program_of(twin.keras, twin.contract, project_of_folder(folder)), folder)
    return events.score(ScoreKind.QUANTISED, lambda found: emulator(encode(twin.contract, found))[:, 0])


def _latent(trained: TrainedModel, events: Events) -> ScoreArrays | None:
    """The squared length of the latent code, where the score is something else."""
    import keras

    layers = {layer.name: layer for layer in trained.keras.layers}
    found = next((layers[name] for name in LATENT if name in layers), None)
    if found is None or "score_difference" not in layers:
        return None
    code = TrainedModel(keras.Model(trained.keras.input, found.output), trained.contract, trained.record)

    def length(sample: Any) -> Scores:
        squares: Scores = np.square(code(encode(trained.contract, sample))).sum(axis=1)
        return squares

    return events.score(ScoreKind.LATENT, length)
