"""A one-class network, deep SVDD (Ruff et al., ICML 2018): the squared distance from the centre of the background."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from pydantic import Field

from trigforge.models.architectures.base import Architecture, Design, Phase, TrainingSet
from trigforge.models.architectures.losses import add_loss
from trigforge.models.layers import Layers

CENTRED_ON = 20_000
"""Events whose mean image is the centre."""


class OneClass(Architecture):
    """Dense layers without bias; score ‖φ(x) - c‖² with the centre c, the mean image of the background at the start.

    Loss: the score, at most `cap` times its mean in a batch so that no outlier pulls, and `spread` times the hinge of
    every coordinate's deviation below 1, without which all events may be mapped on the centre.
    """

    kind: Literal["one_class"] = "one_class"
    hidden: tuple[int, ...] = Field(default=(32, 16), min_length=1)
    outputs: int = Field(default=4, ge=1, le=64)
    spread: float = Field(default=10.0, ge=0)
    cap: float = Field(default=10.0, gt=1)

    @property
    def shape(self) -> str:
        """Hidden layers and image."""
        return "-".join(str(n) for n in (*self.hidden, self.outputs))

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:  # noqa: ARG002
        """One phase."""
        import keras

        words = hidden = keras.Input((background.contract.words,), name="words")
        with layers.scope():
            for i, width in enumerate(self.hidden):
                hidden = layers.dense(width, f"encoder_{i}", relu=True, bias=False)(hidden)
            last = layers.dense(self.outputs, "image", output=True)
            image = last(hidden)
            score = layers.dot("score")([image, image])
        shares = keras.Input((1,), name="sample_weight")
        training = keras.Model([words, shares], add_loss("svdd_loss", self._loss, score, image, shares))
        before = partial(_centre, last, keras.Model(words, image), background[:CENTRED_ON])
        return Design(keras.Model(words, score), (Phase("svdd", training, score=score, before=before),))

    def _loss(self, score: Any, image: Any, shares: Any) -> Any:
        from keras import ops

        distance = ops.minimum(score, self.cap * ops.stop_gradient(ops.mean(score * shares)))
        mean = ops.mean(image * shares, axis=0)
        deviation = ops.sqrt(ops.mean(ops.square(image - mean) * shares, axis=0) + 1e-4)
        return shares[:, 0] * distance[:, 0] + self.spread * ops.mean(ops.relu(1.0 - deviation))


def _centre(last: Any, image: Any, background: TrainingSet) -> None:
    """Make the mean image of the background the origin, by a bias that is not trained."""
    last.bias.assign(last.bias - (image.predict(background.values, batch_size=4096, verbose=0)).mean(axis=0))
    last.bias.trainable = False
