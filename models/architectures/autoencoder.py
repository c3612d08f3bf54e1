"""An autoencoder with its reconstruction error in firmware: encoder by convolutions over objects, or dense."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.models.architectures.base import Architecture, Design, Floats, Phase, TrainingSet
from trigforge.models.architectures.importance import Reconstruction
from trigforge.models.architectures.losses import add_loss
from trigforge.models.layers import Layers

FIELDS = 3


class ConvolutionalAutoencoder(Architecture):
    """Convolutions over (objects, 3 fields), a dense latent space, a dense decoder; score ‖target - decoded‖².

    The target is a choice of the words, each scaled by a power of two so that rare objects count as much as common
    ones. Loss: the score. The encoder is that of arXiv:2108.03986, made small: the first convolution takes three
    objects and all fields, those behind it three objects, every one followed by the maximum of three.
    """

    kind: Literal["convolutional_autoencoder"] = "convolutional_autoencoder"
    filters: tuple[int, ...] = Field(default=(4, 4), min_length=1)
    latent: int = Field(default=8, ge=1, le=64)
    hidden: tuple[int, ...] = ()
    """Dense layers of the decoder."""
    reconstruct: Reconstruction = Reconstruction()

    @property
    def shape(self) -> str:
        """Filters, latent space, decoder."""
        return f"conv {'-'.join(map(str, self.filters))} | {'-'.join(map(str, (self.latent, *self.hidden)))}"

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:  # noqa: ARG002
        """One phase."""
        import keras

        inputs, importance = background.contract.words, self.reconstruct.importance(background)
        words = keras.Input((inputs,), name="words")
        with layers.scope():
            hidden = keras.layers.Reshape((inputs // FIELDS, FIELDS, 1), name="objects")(words)
            for i, filters in enumerate(self.filters):
                size = (min(3, hidden.shape[1]), hidden.shape[2])
                hidden = layers.convolution(filters, size, f"encoder_{i}", relu=True)(hidden)
                if hidden.shape[1] >= FIELDS:
                    hidden = keras.layers.MaxPooling2D((3, 1), name=f"pool_{i}")(hidden)
            latent = layers.dense(self.latent, "latent", relu=True)(keras.layers.Flatten(name="flat")(hidden))
            for i, width in enumerate(self.hidden):
                latent = layers.dense(width, f"decoder_{i}", relu=True)(latent)
            target = layers.fixed_dense(scales(importance), background.contract.model_input, "target", words)
            decoded = layers.dense(target.shape[-1], "decoder_out", output=True)(latent)
            score = layers.squared_distance("score", target, decoded)
        shares = keras.Input((1,), name="sample_weight")
        trained = add_loss("error", lambda score, shares: score * shares, score, shares)
        training = keras.Model([words, shares], trained)
        return Design(keras.Model(words, score), (Phase("autoencoder", training, score=score),))


def scales(importance: npt.NDArray[np.float64]) -> Floats:
    """A kernel that takes the words of non-zero importance, each times the power of two nearest to its square root."""
    chosen = np.flatnonzero(importance)
    kernel = np.zeros((len(importance), len(chosen)), dtype=np.float32)
    kernel[chosen, np.arange(len(chosen))] = 2.0 ** np.rint(np.log2(importance[chosen]) / 2)
    return kernel
