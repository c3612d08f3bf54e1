"""An autoencoder for compression: the latent code is what firmware sends, the decoder stays off the detector."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from trigforge.models.architectures.base import Architecture, Design, Phase, TrainingSet
from trigforge.models.architectures.importance import Reconstruction
from trigforge.models.architectures.losses import add_loss
from trigforge.models.layers import Layers


class Compression(Architecture):
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
    def shape(self) -> str:
        """Hidden layers and code."""
        return "-".join(str(n) for n in (*self.hidden, self.code))

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:  # noqa: ARG002
        """One phase."""
        import keras
        from keras import ops

        inputs = background.contract.words
        importance = self.reconstruct.importance(background).astype("float32")
        words = hidden = keras.Input((inputs,), name="words")
        with layers.scope():
            for i, width in enumerate(self.hidden):
                hidden = layers.dense(width, f"encoder_{i}", relu=True)(hidden)
            code = layers.dense(self.code, "code", relu=True, output=True)(hidden)
        decoded = code
        for i, width in enumerate(self.decoder):
            decoded = keras.layers.Dense(width, activation="relu", name=f"decoder_{i}")(decoded)
        decoded = keras.layers.Dense(inputs, name="decoder_out")(decoded)
        shares = keras.Input((1,), name="sample_weight")

        def loss(decoded: Any, words: Any, shares: Any) -> Any:
            return shares[:, 0] * ops.sum(importance * ops.square(words - decoded), axis=-1)

        training = keras.Model([words, shares], add_loss("error", loss, decoded, words, shares))
        return Design(keras.Model(words, code), (Phase("compression", training),))
