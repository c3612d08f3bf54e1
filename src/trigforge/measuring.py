"""A trained project measured: firmware, trainer, float twin, latent code and baselines on the same events."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from trigforge.comparing import Events
from trigforge.contract import InputContract
from trigforge.datasets import data_of_contract, dataset_of
from trigforge.ensembles import member_scores
from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.models.backends import KerasNetwork, load_keras
from trigforge.models.metrics import Comparison, ScoreArrays, ScoreKind, grow_forest
from trigforge.models.metrics.baselines import FOREST_EVENTS
from trigforge.models.metrics.roc import Scores
from trigforge.models.settings import Data
from trigforge.models.trained import CONTRACT_FILE, RECORD_FILE, TrainedModel, load_trained
from trigforge.training import FLOAT_FOLDER, POST_TRAINING, TEACHER_FILE, program_of, project_of_folder

COMPARISON_FILE: Final = "comparison.json"
SUBJECT: Final = "firmware"
SINGLE_PRECISION: Final = 24
"""Bits of a score that Keras computes exactly."""
LATENT: Final = ("latent_mean", "latent")
"""Names of the layers whose squared length is the score of the latent code alone."""


def measure_folder(folder: Path, samples: Path | None = None, build: Path | None = None) -> Comparison | None:
    """Compare the model that 'trigforge train' wrote to a folder, on events that neither trained nor chose it.

    Emulators are compiled in `build`, default the folder itself. None if the folder's model has no record of a training
    or not one score.
    """
    trained = _record_and_model(folder)
    if trained is None or trained.network.outputs != 1:
        return None
    dataset = dataset_of(data_of(trained), samples)
    events, contract = dataset.measured(), trained.contract
    program = program_of(trained.network, contract, project_of_folder(folder))
    emulator = compile_emulator(program, build or folder)
    scores = {
        SUBJECT: events.score_words(ScoreKind.FIRMWARE, contract, lambda words: emulator(words)[:, 0]),
        "trainer": events.score_words(ScoreKind.QUANTISED, contract, lambda words: trained(words)[:, 0]),
    }
    _require_exact(program, scores[SUBJECT], scores["trainer"], folder)
    if (folder / FLOAT_FOLDER / KerasNetwork.file).is_file():
        twin = load_trained(folder / FLOAT_FOLDER)
        scores["float network"] = events.score_words(ScoreKind.FLOAT, twin.contract, lambda words: twin(words)[:, 0])
    if (folder / TEACHER_FILE).is_file():
        teacher = TrainedModel(KerasNetwork(load_keras(folder / TEACHER_FILE)), contract, trained.record)
        scores["teacher"] = events.score_words(ScoreKind.FLOAT, contract, lambda words: teacher(words)[:, 0])
    for quantised in sorted(folder.glob(f"{POST_TRAINING}*")):
        name = f"{quantised.name.removeprefix(POST_TRAINING)} bits after training"
        scores[name] = _post_training(quantised, events, build or quantised)
    scores |= latent_score(trained, events)
    training = dataset.training_words(contract, FOREST_EVENTS)
    scores |= member_scores(trained, folder, events, training)
    forest = grow_forest(contract, training)
    return dataset.compare(scores, SUBJECT, events, forest)


def measure_firmware(
    folder: Path, program: IntegerProgram, contract: InputContract, samples: Path | None = None
) -> Comparison | None:
    """Compare the score of a project's program with baselines, where no training of ours left a record.

    The emulator is compiled in `folder`. None if the words are of no known events, or the program has not one score.
    """
    data = data_of_contract(contract)
    if data is None or len(program.outputs) != 1:
        return None
    dataset = dataset_of(data, samples)
    events, emulator = dataset.measured(), compile_emulator(program, folder)
    score = events.score_words(ScoreKind.FIRMWARE, contract, lambda words: emulator(words)[:, 0])
    forest = grow_forest(contract, dataset.training_words(contract, FOREST_EVENTS))
    return dataset.compare({SUBJECT: score}, SUBJECT, events, forest)


def _require_exact(program: IntegerProgram, firmware: ScoreArrays, trainer: ScoreArrays, folder: Path) -> None:
    """Raise `ExactnessError` if a score that single precision holds differs from the trainer's on any event."""
    if program.outputs[0].width > SINGLE_PRECISION:
        return
    pairs = [(firmware.background, trainer.background)]
    pairs += [(firmware.signals[name], trainer.signals[name]) for name in firmware.signals]
    differ = [program.outputs[0].to_float(own.astype(np.int64)) != theirs for own, theirs in pairs]
    wrong = sum(np.count_nonzero(found) for found in differ)
    if wrong:
        events = sum(len(found) for found in differ)
        raise ExactnessError(
            f"the firmware's score of {folder} must be the trainer's on every event, but {wrong} of {events} differ; "
            f"'trigforge convert {folder} --explain' names the first layer"
        )


def data_of(trained: TrainedModel) -> Data:
    """What a model was trained on, by its record."""
    return Data.parse(trained.record.settings.get("data", {}), where=RECORD_FILE)


def describe_data(folder: Path, samples: Path | None = None) -> str:
    """Which events trained and measured the model in a folder; nothing if its words are of no known events."""
    trained = _record_and_model(folder)
    if trained is not None:
        return dataset_of(data_of(trained), samples).describe()
    data = data_of_contract(InputContract.load(folder / CONTRACT_FILE))
    return "" if data is None else dataset_of(data, samples).describe(trained=False)


def _record_and_model(folder: Path) -> TrainedModel | None:
    try:
        return load_trained(folder)
    except InputError:
        return None


def _post_training(folder: Path, events: Events, build: Path) -> ScoreArrays:
    """The firmware score of a float network that was quantised after its training."""
    twin = load_trained(folder)
    emulator = compile_emulator(program_of(twin.network, twin.contract, project_of_folder(folder)), build)
    return events.score_words(ScoreKind.QUANTISED, twin.contract, lambda words: emulator(words)[:, 0])


def latent_score(trained: TrainedModel, events: Events) -> dict[str, ScoreArrays]:
    """The squared length of the latent code as a row, where the score is something else."""
    if not isinstance(trained.network, KerasNetwork):
        return {}
    import keras

    layers = {layer.name: layer for layer in trained.keras.layers}
    found = next((layers[name] for name in LATENT if name in layers), None)
    if found is None or "score_difference" not in layers:
        return {}
    code = TrainedModel(KerasNetwork(keras.Model(trained.keras.input, found.output)), trained.contract, trained.record)

    def length(words: IntArray) -> Scores:
        squares: Scores = np.square(code(words)).sum(axis=1)
        return squares

    return {"latent code": events.score_words(ScoreKind.LATENT, trained.contract, length)}
