"""A variational autoencoder whose encoder and Σµ² go to firmware (arXiv:2108.03986)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from trigforge.models.architectures.base import Architecture, Design, Phase, TrainingSet
from trigforge.models.architectures.importance import Reconstruction
from trigforge.models.architectures.losses import add_loss, divergence, sample
from trigforge.models.layers import Layers


class Vae(Architecture):
    """Encoder and score Σµ² in firmware; a decoder and a sampling layer for training only.

    Loss: (1-λ)·MSE + λ·KL with λ = `kl_weight`; KL of N(µ, σ²) from N(0, 1), summed over the latent space; MSE summed
    over the words with their importance and divided by the latent dimension, words that are 0 (padding) left out, as
    in arXiv:2108.03986.
    """

    kind: Literal["vae"] = "vae"
    hidden: tuple[int, ...] = Field(default=(32, 16), min_length=1)
    latent: int = Field(default=3, ge=1, le=64)
    kl_weight: float = Field(default=0.5, gt=0, lt=1)
    reconstruct: Reconstruction = Reconstruction()

    @property
    def shape(self) -> str:
        """Hidden layers and latent space."""
        return "-".join(str(n) for n in (*self.hidden, self.latent))

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:
        """One phase: encoder and decoder together."""
        import keras

        inputs = background.contract.words
        with layers.scope():
            words = hidden = keras.Input((inputs,), name="words")
            for i, width in enumerate(self.hidden):
                hidden = layers.dense(width, f"encoder_{i}", relu=True)(hidden)
            mean = layers.dense(self.latent, "latent_mean", output=True)(hidden)
            score = layers.dot("score")([mean, mean])
        shares = keras.Input((1,), name="sample_weight")
        log_variance = keras.layers.Dense(self.latent, name="latent_log_variance")(hidden)
        decoded = sample("sample", mean, log_variance, seed)
        for i, width in enumerate(reversed(self.hidden)):
            decoded = keras.layers.Dense(width, activation="relu", name=f"decoder_{i}")(decoded)
        decoded = keras.layers.Dense(inputs, name="decoder_out")(decoded)
        loss = self._loss(self.reconstruct.importance(background).astype(np.float32))
        decoded = add_loss("vae_loss", loss, decoded, words, mean, log_variance, shares)
        training = keras.Model([words, shares], decoded)
        return Design(keras.Model(words, score), (Phase("vae", training, score=score),))

    def _loss(self, importance: Any) -> Any:
        from keras import ops

        def loss(decoded: Any, words: Any, mean: Any, log_variance: Any, shares: Any) -> Any:
            present = ops.cast(words != 0, words.dtype) * importance
            error = ops.sum(present * ops.square(words - decoded), axis=-1) / self.latent
            kl = divergence(mean, log_variance)
            return shares[:, 0] * ((1.0 - self.kl_weight) * error + self.kl_weight * kl)

        return loss
