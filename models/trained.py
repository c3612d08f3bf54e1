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
from trigforge.models.recipe import Recipe
from trigforge.value import Value

MODEL_FILE = "model.keras"
CONTRACT_FILE = "contract.json"
RECORD_FILE = "training.json"


class TrainingRecord(Value):
    """How a model came about: recipe, loss per epoch, size and cost."""

    recipe: Recipe
    framework: str
    events: int
    parameters: int
    ebops: int
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    ebops_history: tuple[float, ...]
    model_digest: str = ""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A quantised Keras model from normalised words (n, words) to scores (n, 1), and its contract."""

    keras: Any
    contract: InputContract
    record: TrainingRecord

    def __call__(self, words: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The trainer's own scores (n, outputs) of words (n, words)."""
        contract = self.contract
        values = contract.model_input.to_float(contract.normalise(words)).astype(np.float32)
        return np.asarray(self.keras.predict(values, batch_size=16384, verbose=0), dtype=np.float64).reshape(
            len(values), -1
        )

    def save(self, folder: Path) -> None:
        """Write the model, its contract and its record; the record comes last and names the model's digest."""
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".part-{MODEL_FILE}"
        self.keras.save(scratch)
        scratch.replace(folder / MODEL_FILE)
        self.contract.save(folder / CONTRACT_FILE)
        self.record.model_copy(update={"model_digest": _file_digest(folder / MODEL_FILE)}).save(folder / RECORD_FILE)


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
