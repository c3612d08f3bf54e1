"""`TrainedModel`: what training hands to firmware, as a folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.models.architectures import normalised
from trigforge.value import Value

MODEL_FILE = "model.keras"
CONTRACT_FILE = "contract.json"
RECORD_FILE = "training.json"


class Epoch(Value):
    """One epoch of a phase; the validation loss is without the price of bits."""

    phase: str
    epoch: int
    loss: float
    validation_loss: float
    ebops: int
    beta: float
    merit: float | None = None
    """What the training is after, higher is better; None where nothing measured it."""
    input_seconds: float = 0.0
    """What of `seconds` went into making the arrays of the epoch: augmentation, normalisation, order."""
    seconds: float

    def __str__(self) -> str:
        merit = "" if self.merit is None else f", merit {self.merit:.4g}"
        return f"{self.phase} {self.epoch}: loss {self.loss:.3f}, EBOPs {self.ebops}{merit}"


class TrainingRecord(Value):
    """How a model came about: recipe, every epoch, size and cost."""

    recipe: str
    title: str = ""
    network: str
    settings: dict[str, Any]
    """The recipe, key by key."""
    framework: str
    events: int
    parameters: int
    ebops: int
    epochs: tuple[Epoch, ...]
    chosen: int
    """Index of the epoch whose weights the model has."""
    model_digest: str = ""

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of the phases, in order."""
        return tuple(dict.fromkeys(epoch.phase for epoch in self.epochs))

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A quantised Keras model from normalised words (n, words) to scores (n, 1), and its contract."""

    keras: Any
    contract: InputContract
    record: TrainingRecord

    def __call__(self, words: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The trainer's own scores (n, outputs) of words (n, words)."""
        values = normalised(self.contract, np.asarray(words))
        scores = np.asarray(self.keras.predict(values, batch_size=16384, verbose=0), dtype=np.float64)
        return scores.reshape(len(values), -1)

    def save(self, folder: Path) -> TrainedModel:
        """Write the model, its contract and its record, which comes last; the same model with its file's digest."""
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".part-{MODEL_FILE}"
        self.keras.save(scratch)
        scratch.replace(folder / MODEL_FILE)
        self.contract.save(folder / CONTRACT_FILE)
        record = self.record.model_copy(update={"model_digest": _file_digest(folder / MODEL_FILE)})
        record.save(folder / RECORD_FILE)
        return TrainedModel(self.keras, self.contract, record)


def load_trained(folder: Path) -> TrainedModel:
    """Read what `TrainedModel.save` wrote; a missing or foreign file raises `InputError`."""
    model_file = folder / MODEL_FILE
    if not model_file.is_file():
        raise InputError(f"{folder} must hold a trained model ({MODEL_FILE}); 'trigforge train' writes one")
    record = TrainingRecord.load(folder / RECORD_FILE)
    if _file_digest(model_file) != record.model_digest:
        raise InputError(f"{model_file} must be the file that {RECORD_FILE} names, but its digest differs; train again")
    return TrainedModel(load_keras(model_file), InputContract.load(folder / CONTRACT_FILE), record)


def load_keras(path: Path) -> Any:
    """Read a Keras 3 model file with HGQ layers."""
    import hgq.layers  # noqa: F401  (registers the layers' classes)
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"{path} must be a Keras 3 model file: {str(error).splitlines()[0]}") from None


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
