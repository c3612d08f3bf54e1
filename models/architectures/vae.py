"""A variational autoencoder whose encoder and Σµ² go to firmware (arXiv:2108.03986)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from trigforge.models.architectures.base import Design, Phase, TrainingSet
from trigforge.models.architectures.dense import DenseArchitecture, DenseLayer, DenseNetwork, build
from trigforge.models.architectures.importance import Reconstruction
from trigforge.models.architectures.losses import add_loss, divergence, sample
from trigforge.models.layers import Layers

if TYPE_CHECKING:
    from trigforge.models.backends.brevitas_layers import DenseModule

Loss = Callable[..., Any]


class Vae(DenseArchitecture):
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
    def dense(self) -> DenseNetwork:
        """Hidden layers, latent mean, Σµ²."""
        hidden = (DenseLayer(name=f"encoder_{i}", width=width) for i, width in enumerate(self.hidden))
        mean = DenseLayer(name="latent_mean", width=self.latent, relu=False)
        return DenseNetwork(layers=(*hidden, mean), squared=True)

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:
        """One phase: encoder and decoder together."""
        import keras
        from keras import ops

        inputs = background.contract.words
        with layers.scope():
            words = keras.Input((inputs,), name="words")
            _, (*_, hidden, mean), score = build(self.dense, layers, words)
        shares = keras.Input((1,), name="sample_weight")
        log_variance = keras.layers.Dense(self.latent, name="latent_log_variance")(hidden)
        decoded = sample("sample", mean, log_variance, seed)
        for i, width in enumerate(reversed(self.hidden)):
            decoded = keras.layers.Dense(width, activation="relu", name=f"decoder_{i}")(decoded)
        decoded = keras.layers.Dense(inputs, name="decoder_out")(decoded)
        decoded = add_loss("vae_loss", self.loss(ops, background), decoded, words, mean, log_variance, shares)
        training = keras.Model([words, shares], decoded)
        return Design(keras.Model(words, score), (Phase("vae", training, score=score),))

    def brevitas(self, network: DenseModule, background: TrainingSet) -> Phase:
        """The same phase; σ is read from the quantised hidden layer."""
        from trigforge.models.backends.brevitas_layers import OPS, Learner, plain

        spread = plain((self.hidden[-1], self.latent))
        decoder = plain((self.latent, *reversed(self.hidden), background.contract.words))
        loss = self.loss(OPS, background)

        def forward(learner: Learner, words: Any, shares: Any) -> Any:
            *_, hidden, mean = network.tensors(words)
            log_variance = spread(hidden)
            return loss(decoder(learner.sample(mean, log_variance)), words, mean, log_variance, shares)

        return Phase("vae", Learner(forward, network, spread, decoder))

    def loss(self, ops: Any, background: TrainingSet) -> Loss:
        """The loss (n,) of decoded words (n, words), words, µ and ln σ² (n, latent) and weights (n, 1)."""
        return partial(self._loss, ops, self.reconstruct.importance(background).astype(np.float32))

    def _loss(
        self, ops: Any, importance: Any, decoded: Any, words: Any, mean: Any, log_variance: Any, shares: Any
    ) -> Any:
        present = ops.cast(words != 0, words.dtype) * ops.convert_to_tensor(importance)
        error = ops.sum(present * ops.square(words - decoded), axis=-1) / self.latent
        kl = divergence(ops, mean, log_variance)
        return shares[:, 0] * ((1.0 - self.kl_weight) * error + self.kl_weight * kl)
