"""A calorimeter-image autoencoder distilled into a small student, as CICADA in the CMS Level-1 trigger.

The teacher, a convolutional autoencoder, is too large for firmware. The student learns the quantised logarithm of its
error, on background and on outliers made of background; no signal takes part.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import FixedType, IntArray, Overflow, Rounding
from trigforge.models.architectures.base import (
    Architecture,
    Design,
    Floats,
    Phase,
    TrainingSet,
    decaying_adam,
    normalised,
)
from trigforge.models.architectures.calorimeter import (
    Autoencoder,
    Student,
    build_autoencoder,
    build_float_student,
    build_student,
)
from trigforge.models.architectures.losses import add_loss
from trigforge.models.architectures.outliers import outliers, turned
from trigforge.models.layers import Layers
from trigforge.models.settings import Arithmetic, Quantisation, Training

FloatArray = npt.NDArray[np.float64]

TARGET: Final = FixedType(signed=False, width=16, integer=8, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
"""The type of 32·ln(MSE) in CICADA."""
TARGET_SHIFT: Final = 5
"""The student's score is the target times 2⁻⁵, which is ln(MSE)."""
BLOCK: Final = 4096
MEDIAN_OF: Final = 2000
"""Crossings whose median target the student's score begins with."""


class DistilledStudent(Architecture):
    """A teacher, an autoencoder of images of `rows` × `columns` (φ × η), and a student of the logarithm of its error.

    A share `teaching` of the epochs trains the teacher, at `teaching_rate` times the learning rate, with the loss MSE;
    then the student learns, with the loss MAE, of every crossing and of `exposure` outliers a crossing. With `turns`,
    every epoch turns the images in φ and mirrors them in η anew.
    """

    kind: Literal["distilled_student"] = "distilled_student"
    rows: int = Field(default=18, ge=2)
    columns: int = Field(default=14, ge=2)
    teacher: Autoencoder = Autoencoder()
    student: Student = Student()
    teaching: float = Field(default=0.2, gt=0, lt=1)
    teaching_rate: float = Field(default=0.4, gt=0)
    exposure: float = Field(default=0.5, ge=0, le=4)
    turns: bool = True

    @property
    def shape(self) -> str:
        """The student's convolution, dense layer and score."""
        filters, window = self.student.filters, "×".join(map(str, self.student.window))
        return f"{self.rows}×{self.columns} | conv {window}, {filters} | {self.student.hidden}-1"

    def check(self, training: Training, quantisation: Quantisation) -> None:  # noqa: ARG002
        """Raise `ValueError` for an arithmetic that the student has no layers of."""
        if quantisation.arithmetic not in (Arithmetic.LEARNT, Arithmetic.FLOAT):
            raise ValueError(f"arithmetic must be learnt for distilled_student, not {quantisation.arithmetic.value}")

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:
        """The teacher's phase and the student's."""
        contract, shape = background.contract, (self.rows, self.columns)
        if contract.words != self.rows * self.columns:
            raise InputError(
                f"distilled_student must read images of {self.rows} × {self.columns} words, but the events have "
                f"{contract.words}; set data.kind or architecture.rows and columns"
            )
        autoencoder = build_autoencoder(self.teacher, shape)
        teacher = _log_error(autoencoder, contract)
        lessons = Lessons(self, teacher, contract, seed)
        if layers.quantisation.arithmetic is Arithmetic.FLOAT:
            firmware = build_float_student(self.student, shape)
        else:
            firmware = build_student(self.student, shape, layers.quantisation)
        teaching = Phase(
            "teacher",
            _reconstruction(autoencoder),
            partial(_images, self, contract),
            share=self.teaching / (1 - self.teaching),
            optimiser=partial(_slower, self.teaching_rate),
        )
        learning = Phase("student", _imitation(firmware), lessons, before=lambda: lessons.begin(firmware, background))
        return Design(firmware, (teaching, learning), teacher)


class Lessons:
    """What the student learns: values (m, words) and targets (m, 1) of events and of outliers made of them.

    Outliers and targets are made once for every set of events, with the teacher as it is then; turns are made anew.
    """

    def __init__(self, settings: DistilledStudent, teacher: Any, contract: InputContract, seed: int) -> None:
        self.settings, self.teacher, self.contract, self.seed = settings, teacher, contract, seed
        self.known: dict[str, tuple[IntArray, Floats]] = {}

    def __call__(self, events: TrainingSet, rng: np.random.Generator) -> tuple[Floats, ...]:
        """Values and targets of an epoch."""
        key = hashlib.sha256(np.ascontiguousarray(events.words).tobytes()).hexdigest()
        if key not in self.known:
            words = exposed(self.settings, self.contract, events.words, self.seed)
            self.known[key] = words, self._targets(words)
        words, targets = self.known[key]
        return _turned(self.settings, self.contract, words, rng), targets

    def begin(self, firmware: Any, background: TrainingSet) -> None:
        """Let the student's score begin at the median target."""
        bias = firmware.get_layer("score").bias
        bias.assign(bias * 0 + np.median(self._targets(background.words[:MEDIAN_OF])))

    def _targets(self, words: IntArray) -> Floats:
        values = normalised(self.contract, words)
        scores = np.asarray(self.teacher.predict(values, batch_size=BLOCK, verbose=0), dtype=np.float64)
        return np.ldexp(quantised(scores), -TARGET_SHIFT).astype(np.float32)


def quantised(log_error: FloatArray) -> FloatArray:
    """32·ln(MSE) of ln(MSE) in counts², of type `TARGET`: 0 up to 1 count², 255.996 from 54.6 counts rms on."""
    mantissas = np.rint(np.ldexp(log_error, TARGET.fraction + TARGET_SHIFT)).astype(np.int64)
    return TARGET.to_float(TARGET.cast(mantissas, TARGET.fraction))


def exposed(settings: DistilledStudent, contract: InputContract, words: IntArray, seed: int) -> IntArray:
    """The words (m, φ·η) that the student learns: background, and outliers made of turned background."""
    rng = np.random.default_rng([seed, 1])
    images = words.reshape(-1, settings.rows, settings.columns)
    chosen = turned(images[rng.integers(0, len(images), round(settings.exposure * len(images)))], rng)
    made = outliers(chosen, contract.fields[0].high, rng)
    return np.concatenate([images, made]).reshape(-1, words.shape[1])


def _images(
    settings: DistilledStudent, contract: InputContract, events: TrainingSet, rng: np.random.Generator
) -> tuple[Floats, ...]:
    return (_turned(settings, contract, events.words, rng),)


def _turned(settings: DistilledStudent, contract: InputContract, words: IntArray, rng: np.random.Generator) -> Floats:
    images = words.reshape(-1, settings.rows, settings.columns)
    chosen = turned(images, rng) if settings.turns else images
    return normalised(contract, chosen.reshape(words.shape))


def _slower(share: float, rate: float, steps: int) -> Any:
    return decaying_adam(share * rate, steps)


def _log_error(autoencoder: Any, contract: InputContract) -> Any:
    """A model of ln(MSE) (n, 1) of values (n, φ·η), in counts², 0 up to 1 count²."""
    import keras
    from keras import ops

    words, counts = autoencoder.inputs[0], 2.0 ** contract.fields[0].shift
    error = ops.mean(ops.square(autoencoder.outputs[0] - words), axis=1, keepdims=True) * counts**2
    return keras.Model(words, ops.log(ops.maximum(error, 1.0)), name="teacher_score")


def _reconstruction(autoencoder: Any) -> Any:
    import keras
    from keras import ops

    words, decoded = autoencoder.inputs[0], autoencoder.outputs[0]
    error = add_loss("mse", lambda decoded, words: ops.square(decoded - words), decoded, words)
    return keras.Model(words, error, name="teaching")


def _imitation(student: Any) -> Any:
    import keras
    from keras import ops

    target = keras.Input((1,), name="target")
    distance = add_loss("mae", lambda score, target: ops.abs(score - target), student.outputs[0], target)
    return keras.Model([student.inputs[0], target], distance, name="learning")
