"""A one-class network, deep SVDD (Ruff et al., ICML 2018): the squared distance from the centre of the background."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trigforge.models.architectures.base import Design, Phase, TrainingSet
from trigforge.models.architectures.dense import DenseArchitecture, DenseLayer, DenseNetwork, build
from trigforge.models.architectures.losses import add_loss
from trigforge.models.layers import Layers

if TYPE_CHECKING:
    from trigforge.models.backends.brevitas_layers import DenseModule

CENTRED_ON = 20_000
"""Events whose mean image is the centre."""


class OneClass(DenseArchitecture):
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
    def dense(self) -> DenseNetwork:
        """Hidden layers without bias, image, ‖image‖²: the centre is in the image's bias."""
        hidden = (DenseLayer(name=f"encoder_{i}", width=width, bias=False) for i, width in enumerate(self.hidden))
        return DenseNetwork(layers=(*hidden, DenseLayer(name="image", width=self.outputs, relu=False)), squared=True)

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:  # noqa: ARG002
        """One phase."""
        import keras
        from keras import ops

        words = keras.Input((background.contract.words,), name="words")
        with layers.scope():
            (*_, last), (*_, image), score = build(self.dense, layers, words)
        shares = keras.Input((1,), name="sample_weight")
        loss = add_loss("svdd_loss", partial(self.loss, ops), score, image, shares)
        before = partial(_centre, last, keras.Model(words, image), background[:CENTRED_ON])
        phase = Phase("svdd", keras.Model([words, shares], loss), score=score, before=before)
        return Design(keras.Model(words, score), (phase,))

    def brevitas(self, network: DenseModule, background: TrainingSet) -> Phase:
        """The same phase."""
        from trigforge.models.backends.brevitas_layers import OPS, Learner

        def forward(_: Learner, words: Any, shares: Any) -> Any:
            image = network.tensors(words)[-1]
            return self.loss(OPS, network.output(image), image, shares)

        before = partial(network.centre, background[:CENTRED_ON].values)
        return Phase("svdd", Learner(forward, network), before=before)

    def loss(self, ops: Any, score: Any, image: Any, shares: Any) -> Any:
        """The loss (n,) of scores (n, 1), images (n, outputs) and weights (n, 1) of a batch."""
        distance = ops.minimum(score, self.cap * ops.stop_gradient(ops.mean(score * shares)))
        mean = ops.mean(image * shares, axis=0)
        deviation = ops.sqrt(ops.mean(ops.square(image - mean) * shares, axis=0) + 1e-4)
        return shares[:, 0] * distance[:, 0] + self.spread * ops.mean(ops.relu(1.0 - deviation))


def _centre(last: Any, image: Any, background: TrainingSet) -> None:
    """Make the mean image of the background the origin, by a bias that is not trained."""
    last.bias.assign(last.bias - (image.predict(background.values, batch_size=4096, verbose=0)).mean(axis=0))
    last.bias.trainable = False
