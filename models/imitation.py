"""Imitation: a quantised network starts as its floating-point twin and learns the twin's output (arXiv:1503.02531).

The twin has learnt what the architecture's loss asks for; bits are then spent on being like it, which is measured event
by event, instead of on a loss whose noise moves the score as much as rounding does.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trigforge.models.architectures import Design, Phase, TrainingSet
from trigforge.models.architectures.base import Floats, decaying_adam
from trigforge.models.architectures.losses import add_loss

if TYPE_CHECKING:
    from trigforge.models.trained import TrainedModel

SLOWER: Final = 0.3
"""Learning rate in units of the recipe's."""
LOUDEST: Final = 20.0
"""An event weighs as much as the twin's score exceeds its mean, at most so many times."""
COPIED: Final = ("kernel", "bias")


def imitation(design: Design, twin: TrainedModel, background: TrainingSet) -> Design:
    """The design with the twin's weights, trained in one phase on the twin's outputs."""
    start = {layer.name: layer for layer in twin.keras.layers}
    for layer in design.firmware.layers:
        for name in COPIED:
            value = getattr(start.get(layer.name), name, None)
            if value is not None and getattr(layer, name, None) is not None:
                getattr(layer, name).assign(value)
    lessons = _Lessons(twin, background)
    model, score = _trained(design.firmware, lessons)
    phase = Phase("imitation", model, lessons, score=score, optimiser=_slower)
    return Design(design.firmware, (phase,), design.teacher)


class _Lessons:
    """Values, weights (n, 1) and the twin's outputs, computed once for every set of events."""

    def __init__(self, twin: TrainedModel, background: TrainingSet) -> None:
        self.twin = twin
        self.known: dict[str, Floats] = {}
        outputs = self._outputs(background)
        self.is_score = outputs.shape[1] == 1 and float(outputs.min()) >= 0
        self.mean, self.spread = float(outputs.mean()), outputs.std(axis=0) + 1e-6

    def __call__(self, events: TrainingSet, rng: np.random.Generator) -> tuple[Floats, ...]:  # noqa: ARG002
        outputs = self._outputs(events)
        weights = events.shares
        if self.is_score:
            weights = weights * np.clip(outputs / self.mean, 1.0, LOUDEST).astype(np.float32)
        return events.values, weights, outputs

    def _outputs(self, events: TrainingSet) -> Floats:
        key = hashlib.sha256(np.ascontiguousarray(events.words).tobytes()).hexdigest()
        if key not in self.known:
            self.known[key] = self.twin(events.words).astype(np.float32)
        return self.known[key]


def _trained(firmware: Any, lessons: _Lessons) -> tuple[Any, Any]:
    """The model of values, weights and the twin's outputs, and its score if it has one."""
    import keras
    from keras import ops

    words, output = firmware.inputs[0], firmware.outputs[0]
    weights, wanted = keras.Input((1,), name="sample_weight"), keras.Input(output.shape[1:], name="twin")

    def distance(output: Any, wanted: Any, weights: Any) -> Any:
        if lessons.is_score:
            difference = ops.log(lessons.mean + output) - ops.log(lessons.mean + wanted)
        else:
            difference = (output - wanted) / lessons.spread
        return weights[:, 0] * ops.mean(ops.square(difference), axis=-1)

    compared = add_loss("imitation_loss", distance, output, wanted, weights)
    return keras.Model([words, weights, wanted], compared), output if lessons.is_score else None


def _slower(rate: float, steps: int) -> Any:
    return decaying_adam(SLOWER * rate, steps)
