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
from trigforge.models.backends import KerasNetwork, Network, network_of
from trigforge.models.settings import Arithmetic
from trigforge.value import Value

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
    def arithmetic(self) -> Arithmetic:
        """What the network is built from."""
        return Arithmetic(self.settings.get("quantisation", {}).get("arithmetic", Arithmetic.LEARNT))

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A network from normalised words (n, words) to scores (n, 1), and its contract."""

    network: Network
    contract: InputContract
    record: TrainingRecord

    @property
    def keras(self) -> Any:
        """The Keras model; `InputError` if the network is of another framework."""
        if not isinstance(self.network, KerasNetwork):
            raise InputError(f"{self.record.recipe} must be a Keras model, not of {self.record.framework}")
        return self.network.model

    def __call__(self, words: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The trainer's own scores (n, outputs) of words (n, words)."""
        return self.network(normalised(self.contract, np.asarray(words)))

    def save(self, folder: Path) -> TrainedModel:
        """Write the model, its contract and its record, which comes last; the same model with its file's digest."""
        folder.mkdir(parents=True, exist_ok=True)
        self.network.save(folder)
        self.contract.save(folder / CONTRACT_FILE)
        record = self.record.model_copy(update={"model_digest": _file_digest(folder / self.network.file)})
        record.save(folder / RECORD_FILE)
        return TrainedModel(self.network, self.contract, record)


def load_trained(folder: Path) -> TrainedModel:
    """Read what `TrainedModel.save` wrote; a missing or foreign file raises `InputError`."""
    if not (folder / RECORD_FILE).is_file():
        raise InputError(f"{folder} must hold a trained model and its {RECORD_FILE}; 'trigforge train' writes them")
    record = TrainingRecord.load(folder / RECORD_FILE)
    kind = network_of(record.arithmetic)
    model_file = folder / kind.file
    if not model_file.is_file():
        raise InputError(f"{folder} must hold a trained model ({kind.file}); 'trigforge train' writes one")
    if _file_digest(model_file) != record.model_digest:
        raise InputError(f"{model_file} must be the file that {RECORD_FILE} names, but its digest differs; train again")
    return TrainedModel(kind.load(folder), InputContract.load(folder / CONTRACT_FILE), record)


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
