"""The quantised VAE: an encoder with its score for firmware, a decoder and a sampling layer for training only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.models.recipe import Recipe

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vae:
    """Two Keras models that share the encoder's weights.

    `training` maps [inputs (n, d), sample weights (n, 1)] to the reconstruction and carries the loss; `firmware` maps
    inputs (n, d) to the score Σµ² (n, 1), with every operation quantised.
    """

    training: Any
    firmware: Any


def build_vae(recipe: Recipe, importance: FloatArray) -> Vae:
    """Build the VAE of a recipe for normalised words of the given `importance` (words,) in the error.

    Loss: (1-λ)·MSE + λ·KL with λ = `kl_weight`; KL of N(µ, σ²) from N(0, 1), summed over the latent space; MSE summed
    over the words with their importance and divided by the latent dimension, words that are 0 (padding) left out, as
    in arXiv:2108.03986.
    Activations saturate: an input outside the training range cannot wrap to a small score.
    """
    import keras
    from hgq.config import LayerConfigScope, QuantizerConfigScope
    from hgq.layers import QDense, QDot

    q, inputs = recipe.quantisation, len(importance)
    weights = QuantizerConfigScope(
        place="all", default_q_type="kbi", b0=q.weight_bits, i0=2, overflow_mode="SAT_SYM", round_mode="RND"
    )
    lanes = QuantizerConfigScope(
        place="datalane",
        default_q_type="kif",
        i0=q.activation_integer,
        f0=q.activation_fraction,
        overflow_mode="SAT",
        round_mode="RND",
    )
    with weights, lanes, LayerConfigScope(enable_ebops=True, beta0=q.beta_start):
        words = hidden = keras.Input((inputs,), name="words")
        for i, width in enumerate(recipe.hidden):
            hidden = QDense(width, activation="relu", name=f"encoder_{i}")(hidden)
        mean = QDense(recipe.latent, enable_oq=True, name="latent_mean")(hidden)
        score = QDot(enable_iq=False, name="score")([mean, mean])
    sample_weight = keras.Input((1,), name="sample_weight")
    log_variance = keras.layers.Dense(recipe.latent, name="latent_log_variance")(hidden)
    decoded = _sampler(recipe.seed)([mean, log_variance])
    for i, width in enumerate(reversed(recipe.hidden)):
        decoded = keras.layers.Dense(width, activation="relu", name=f"decoder_{i}")(decoded)
    decoded = keras.layers.Dense(inputs, name="decoder_out")(decoded)
    decoded = _loss(recipe, importance)([words, decoded, mean, log_variance, sample_weight])
    return Vae(
        keras.Model([words, sample_weight], decoded, name=f"{recipe.name}_training"),
        keras.Model(words, score, name=recipe.name),
    )


def _sampler(seed: int) -> Any:
    import keras

    class Sample(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        """z = µ + σ·ε in training, µ otherwise."""

        def __init__(self) -> None:
            super().__init__(name="sample")
            self.generator = keras.random.SeedGenerator(seed)

        def call(self, inputs: Any, training: bool = False) -> Any:
            mean, log_variance = inputs
            if not training:
                return mean
            noise = keras.random.normal(keras.ops.shape(mean), seed=self.generator)
            return mean + keras.ops.exp(0.5 * log_variance) * noise

    return Sample()


def _loss(recipe: Recipe, importance: FloatArray) -> Any:
    import keras
    from keras import ops

    asked = importance.astype(np.float32)

    class VaeLoss(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        """Adds the weighted VAE loss and passes the reconstruction on."""

        def call(self, inputs: Any) -> Any:
            words, decoded, mean, log_variance, sample_weight = inputs
            present = ops.cast(words != 0, words.dtype) * asked
            error = ops.sum(present * ops.square(words - decoded), axis=-1) / recipe.latent
            variance = ops.exp(ops.clip(log_variance, -10.0, 10.0))
            divergence = 0.5 * ops.sum(ops.square(mean) + variance - 1.0 - ops.log(variance), axis=-1)
            loss = (1.0 - recipe.kl_weight) * error + recipe.kl_weight * divergence
            self.add_loss(ops.mean(sample_weight[:, 0] * loss))
            return decoded

    return VaeLoss(name="vae_loss")
