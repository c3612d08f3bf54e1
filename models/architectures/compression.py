"""An autoencoder for compression: the latent code is what firmware sends, the decoder stays off the detector."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trigforge.models.architectures.base import Design, Phase, TrainingSet
from trigforge.models.architectures.dense import DenseArchitecture, DenseLayer, DenseNetwork, build
from trigforge.models.architectures.importance import Reconstruction
from trigforge.models.architectures.losses import add_loss
from trigforge.models.layers import Layers

if TYPE_CHECKING:
    from trigforge.models.backends.brevitas_layers import DenseModule


class Compression(DenseArchitecture):
    """Encoder with `code` output words in firmware, decoder in training only, as in arXiv:2105.01683.

    Loss: Σ importance · (word - decoded)² over the chosen fields.
    """

    kind: Literal["compression"] = "compression"
    hidden: tuple[int, ...] = Field(default=(32,), min_length=1)
    code: int = Field(default=8, ge=1, le=64)
    decoder: tuple[int, ...] = (64, 64)
    reconstruct: Reconstruction = Reconstruction()

    @property
    def scores(self) -> bool:
        """A code is no score."""
        return False

    @property
    def dense(self) -> DenseNetwork:
        """Hidden layers and code."""
        hidden = (DenseLayer(name=f"encoder_{i}", width=width) for i, width in enumerate(self.hidden))
        return DenseNetwork(layers=(*hidden, DenseLayer(name="code", width=self.code)))

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:  # noqa: ARG002
        """One phase."""
        import keras
        from keras import ops

        inputs = background.contract.words
        words = keras.Input((inputs,), name="words")
        with layers.scope():
            code = build(self.dense, layers, words)[2]
        decoded = code
        for i, width in enumerate(self.decoder):
            decoded = keras.layers.Dense(width, activation="relu", name=f"decoder_{i}")(decoded)
        decoded = keras.layers.Dense(inputs, name="decoder_out")(decoded)
        shares = keras.Input((1,), name="sample_weight")
        trained = add_loss("error", self.loss(ops, background), decoded, words, shares)
        return Design(keras.Model(words, code), (Phase("compression", keras.Model([words, shares], trained)),))

    def brevitas(self, network: DenseModule, background: TrainingSet) -> Phase:
        """The same phase."""
        from trigforge.models.backends.brevitas_layers import OPS, Learner, plain

        decoder = plain((self.code, *self.decoder, background.contract.words))
        loss = self.loss(OPS, background)

        def forward(_: Learner, words: Any, shares: Any) -> Any:
            return loss(decoder(network.tensors(words)[-1]), words, shares)

        return Phase("compression", Learner(forward, network, decoder))

    def loss(self, ops: Any, background: TrainingSet) -> Any:
        """The loss (n,) of decoded words (n, words), words and weights (n, 1)."""
        return partial(_error, ops, self.reconstruct.importance(background).astype("float32"))


def _error(ops: Any, importance: Any, decoded: Any, words: Any, shares: Any) -> Any:
    return shares[:, 0] * ops.sum(ops.convert_to_tensor(importance) * ops.square(words - decoded), axis=-1)
