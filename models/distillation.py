"""A calorimeter-image autoencoder distilled into a small quantised student, as CICADA in the CMS Level-1 trigger.

The teacher, a convolutional autoencoder, is too large for firmware. The student learns the quantised logarithm of its
error, on background and on outliers made of background; no signal takes part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import FixedType, IntArray, Overflow, Rounding
from trigforge.models.calo_networks import (
    Autoencoder,
    Shape,
    Student,
    build_autoencoder,
    build_float_student,
    build_student,
)
from trigforge.models.outliers import outliers, turned
from trigforge.value import Value

Floats = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
Progress = Callable[[float, str], None]
"""Called with the finished fraction and a short text."""

TARGET: Final = FixedType(signed=False, width=16, integer=8, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
"""The type of 32·ln(MSE) in CICADA."""
TARGET_SHIFT: Final = 5
"""The student's score is the target times 2⁻⁵, which is ln(MSE)."""
FEWEST: Final = 1000
"""Crossings that a training needs at least."""
BLOCK: Final = 4096


class Schedule(Value):
    """How long and how fast a network is trained; the learning rate falls to 0 as a cosine."""

    epochs: int = Field(ge=1)
    batch: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)


class Distillation(Value):
    """Everything that decides teacher and student.

    `exposure` outliers are made for every crossing. The student's cost is EBOPs (arXiv:2405.00645) times β, which rises
    log-linearly from `beta[0]` to `beta[1]` over the epochs.
    """

    shape: Shape = (18, 14)
    """Regions in φ and η."""
    teacher: Autoencoder = Autoencoder()
    teaching: Schedule = Schedule(epochs=10, batch=256)
    student: Student = Student()
    learning: Schedule = Schedule(epochs=36, batch=1024, learning_rate=5e-3)
    turns: bool = True
    """Whether every epoch turns the crossings in φ and mirrors them in η anew."""
    exposure: float = Field(default=0.5, ge=0, le=4)
    beta: tuple[float, float] = (1e-6, 8e-6)
    seed: int = Field(default=1, ge=0)


@dataclass(frozen=True, slots=True)
class Trained:
    """A Keras model of normalised words, with its loss and, if it is quantised, its EBOPs by epoch."""

    model: Any
    loss: tuple[float, ...]
    ebops: tuple[float, ...]


def normalised(contract: InputContract, words: IntArray) -> Floats:
    """What the networks read: values (n, words) of the contract's `model_input`."""
    return contract.model_input.to_float(contract.normalise(words)).astype(np.float32)


def predicted(model: Any, values: Floats) -> FloatArray:
    """A Keras model's outputs (n, outputs) of values (n, words)."""
    return np.asarray(model.predict(values, batch_size=BLOCK, verbose=0), dtype=np.float64)


def teacher_error(teacher: Any, contract: InputContract, words: IntArray) -> FloatArray:
    """Mean square error (n,) of the reconstruction of words (n, φ·η), in counts²."""
    values, counts = normalised(contract, words), 2.0 ** contract.fields[0].shift
    spans = [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]
    return np.concatenate([((predicted(teacher, span) - span) ** 2).mean(axis=1) for span in spans]) * counts**2


def target(error: FloatArray) -> FloatArray:
    """32·ln(MSE) of errors (n,) in counts², of type `TARGET`: 0 up to 1 count², 255.996 from 54.6 counts rms on."""
    mantissas = np.rint(np.ldexp(32.0 * np.log(np.maximum(error, 1.0)), TARGET.fraction)).astype(np.int64)
    return TARGET.to_float(TARGET.cast(mantissas, TARGET.fraction))


def exposed(settings: Distillation, contract: InputContract, words: IntArray) -> IntArray:
    """The words (m, φ·η) that the student learns: background, and outliers made of turned background."""
    rng = np.random.default_rng([settings.seed, 1])
    images = words.reshape(-1, *settings.shape)
    chosen = turned(images[rng.integers(0, len(images), round(settings.exposure * len(images)))], rng)
    made = outliers(chosen, contract.fields[0].high, rng)
    return np.concatenate([images, made]).reshape(-1, words.shape[1])


def train_teacher(
    settings: Distillation, contract: InputContract, words: IntArray, progress: Progress | None = None
) -> Trained:
    """The autoencoder of background words (n, φ·η), turned and mirrored anew in every epoch; loss MSE."""
    _require_enough(words)
    _make_deterministic(settings.seed)
    batches = _batches(settings, contract, words, None, settings.teaching.batch)
    return _fit(build_autoencoder(settings.teacher, settings.shape), "mse", settings.teaching, batches, [], progress)


def train_student(
    settings: Distillation, contract: InputContract, words: IntArray, targets: FloatArray,
    *, quantised: bool = True, progress: Progress | None = None,
) -> Trained:  # fmt: skip
    """The student of `targets` (n,) of words (n, φ·η), turned and mirrored anew in every epoch; loss MAE.

    What is not `quantised` is the float network of the same shape.
    """
    from hgq.utils.sugar import BetaScheduler, FreeEBOPs

    _require_enough(words)
    _make_deterministic(settings.seed)
    wanted = np.ldexp(targets, -TARGET_SHIFT).astype(np.float32)
    start, (low, high), epochs = float(np.median(wanted)), settings.beta, settings.learning.epochs
    batches = _batches(settings, contract, words, wanted, settings.learning.batch)
    if not quantised:
        network = build_float_student(settings.student, settings.shape, start)
        return _fit(network, "mae", settings.learning, batches, [], progress)
    network = build_student(settings.student, settings.shape, start, low)
    pressure = BetaScheduler(lambda epoch: float(low * (high / low) ** (epoch / max(epochs - 1, 1))))
    return _fit(network, "mae", settings.learning, batches, [pressure, FreeEBOPs()], progress)


def _fit(
    model: Any, loss: str, schedule: Schedule, batches: Any, callbacks: list[Any], progress: Progress | None
) -> Trained:
    import keras

    def report(epoch: int, logs: dict[str, float]) -> None:
        if progress is not None:
            cost = f", EBOPs {logs['ebops']:.0f}" if "ebops" in logs else ""
            text = f"{model.name}: epoch {epoch + 1}/{schedule.epochs}: loss {logs['loss']:.4f}{cost}"
            progress((epoch + 1) / schedule.epochs, text)

    rate = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, len(batches) * schedule.epochs)
    model.compile(keras.optimizers.Adam(rate), loss)
    reporter = keras.callbacks.LambdaCallback(on_epoch_end=report)
    history = model.fit(
        batches, epochs=schedule.epochs, callbacks=[*callbacks, reporter], shuffle=False, verbose=0
    ).history
    losses, costs = history["loss"], history.get("ebops", [])
    return Trained(model, tuple(float(value) for value in losses), tuple(float(value) for value in costs))


def _batches(
    settings: Distillation, contract: InputContract, words: IntArray, wanted: Floats | None, batch: int
) -> Any:
    """Shuffled batches of turned images and what is wanted of them: themselves, if nothing is given."""
    import keras

    images = contract.normalise(words).reshape(-1, *settings.shape)

    class Batches(keras.utils.PyDataset):  # type: ignore[misc, unused-ignore]
        """Every epoch and batch has its own random numbers, so that their order does not matter."""

        def __init__(self) -> None:
            super().__init__()
            self.epoch = 0

        def __len__(self) -> int:
            return math.ceil(len(images) / batch)

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            order = np.random.default_rng([settings.seed, self.epoch]).permutation(len(images))
            places = order[index * batch : (index + 1) * batch]
            rng = np.random.default_rng([settings.seed, self.epoch, index])
            chosen = turned(images[places], rng) if settings.turns else images[places]
            flat = chosen.reshape(len(places), -1)
            values = contract.model_input.to_float(flat).astype(np.float32)
            return values, values if wanted is None else wanted[places]

        def on_epoch_end(self) -> None:
            self.epoch += 1

    return Batches()


def _require_enough(words: IntArray) -> None:
    if len(words) < FEWEST:
        raise InputError(f"a distillation needs at least {FEWEST} crossings, not {len(words)}; generate more")


def _make_deterministic(seed: int) -> None:
    """Fixed seeds and deterministic operations; TensorFlow repeats to the last bit only on one thread."""
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
