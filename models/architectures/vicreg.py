"""A backbone trained by VICReg (arXiv:2105.04906) and a VAE on its output; score ‖decoder - backbone‖² in firmware."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field

from trigforge.models.architectures.augment import Augmentation
from trigforge.models.architectures.base import Architecture, Design, Floats, Phase, TrainingSet
from trigforge.models.architectures.losses import add_loss, divergence, sample
from trigforge.models.layers import Layers
from trigforge.value import Value


class Vicreg(Value):
    """Weights of the three terms of the loss, and the width of the expander behind the backbone."""

    invariance: float = Field(default=25.0, ge=0)
    variance: float = Field(default=25.0, ge=0)
    covariance: float = Field(default=1.0, ge=0)
    expander: int = Field(default=32, ge=1)

    def loss(self, a: Any, b: Any) -> Any:
        """λ·s(a, b) + µ·(v(a) + v(b)) + ν·(c(a) + c(b)) of two views' embeddings (n, k); a number."""
        from keras import ops

        return self.invariance * ops.mean(ops.square(a - b)) + self._spread(a) + self._spread(b)

    def _spread(self, z: Any) -> Any:
        from keras import ops

        centred = z - ops.mean(z, axis=0)
        count, size = ops.cast(ops.shape(z)[0], z.dtype), z.shape[-1]
        covariance = ops.matmul(ops.transpose(centred), centred) / (count - 1.0)
        deviation = ops.sqrt(ops.mean(ops.square(centred), axis=0) + 1e-4)
        off_diagonal = ops.sum(ops.square(covariance)) - ops.sum(ops.square(ops.diagonal(covariance)))
        return self.variance * ops.mean(ops.relu(1.0 - deviation)) + self.covariance * off_diagonal / size


class VicregVae(Architecture):
    """Backbone 57-29-10, then a VAE 10-9-6-4-6-9-10 on its frozen output, as in AXOL1TL.

    The backbone learns what smearing, lost objects, a turn in φ and a reflection in η leave. The VAE's loss is
    ‖decoded - embedding‖² + `kl_weight`·KL; in firmware the mean stands for the sample.
    """

    kind: Literal["vicreg_vae"] = "vicreg_vae"
    backbone: tuple[int, ...] = Field(default=(29, 10), min_length=1)
    encoder: tuple[int, ...] = (9, 6)
    latent: int = Field(default=4, ge=1, le=64)
    kl_weight: float = Field(default=0.02, gt=0)
    vicreg: Vicreg = Vicreg()
    augmentation: Augmentation = Augmentation()
    fan_in: tuple[int, ...] = ()
    """Weights a neuron of every layer of the backbone; default: the recipe's pruning, which is the VAE's."""
    integer: tuple[int, int] | None = None
    """Integer bits, at the start, of the backbone's activations and of the decoder's output; default: the recipe's.

    An embedding that reaches further than the latent layers is not reconstructed where these saturate: a high score.
    """

    @property
    def shape(self) -> str:
        """Backbone and autoencoder."""
        vae = (*self.encoder, self.latent, *reversed(self.encoder), self.backbone[-1])
        return f"{'-'.join(map(str, self.backbone))} | {'-'.join(map(str, vae))}"

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:
        """Two phases: the backbone on pairs of views, then the VAE on its output."""
        import keras

        contract = background.contract
        wide, last = self.integer or (None, None)
        with layers.scope(wide):
            stack = [
                layers.dense(width, f"backbone_{i}", relu=not output, output=output, kept=kept)
                for i, (width, kept, output) in enumerate(self._backbone())
            ]
            words, other = keras.Input((contract.words,), name="words"), keras.Input((contract.words,), name="other")
            embedding, embedded = _through(stack, words), _through(stack, other)
        hidden = embedding
        with layers.scope():
            for i, width in enumerate(self.encoder):
                hidden = layers.dense(width, f"encoder_{i}", relu=True)(hidden)
            mean = layers.dense(self.latent, "latent_mean", output=True)(hidden)
            log_variance = keras.layers.Dense(self.latent, name="latent_log_variance")(hidden)
            decoder = [layers.dense(w, f"decoder_{i}", relu=True) for i, w in enumerate(reversed(self.encoder))]
        with layers.scope(last):
            decoder.append(layers.dense(self.backbone[-1], "decoder_out", output=True))
            decoded = _through(decoder, mean)
            score = layers.squared_distance("score", decoded, embedding)
        sampled = _through(decoder, sample("sample", mean, log_variance, seed))
        expander = [keras.layers.Dense(self.vicreg.expander, activation=a) for a in ("relu", None)]
        views = add_loss("vicreg_loss", self.vicreg.loss, _through(expander, embedding), _through(expander, embedded))
        shares = keras.Input((1,), name="sample_weight")
        trained = add_loss("vae_loss", self._loss, sampled, embedding, mean, log_variance, shares)
        phases = (
            Phase("backbone", keras.Model([words, other], views), self._views),
            Phase("vae", keras.Model([words, shares], trained), score=score, before=partial(_freeze, stack)),
        )
        return Design(keras.Model(words, score), phases)

    def _backbone(self) -> list[tuple[int, int, bool]]:
        kept = self.fan_in or (0,) * len(self.backbone)
        outputs = [False] * (len(self.backbone) - 1) + [True]
        return list(zip(self.backbone, kept, outputs, strict=True))

    def _views(self, background: TrainingSet, rng: np.random.Generator) -> tuple[Floats, ...]:
        return tuple(self.augmentation.view(background.contract, background.words, rng) for _ in range(2))

    def _loss(self, decoded: Any, embedding: Any, mean: Any, log_variance: Any, shares: Any) -> Any:
        from keras import ops

        error = ops.sum(ops.square(decoded - embedding), axis=-1)
        return shares[:, 0] * (error + self.kl_weight * divergence(ops, mean, log_variance))


def _through(stack: list[Any], tensor: Any) -> Any:
    for layer in stack:
        tensor = layer(tensor)
    return tensor


def _freeze(stack: list[Any]) -> None:
    for layer in stack:
        layer.trainable = False
