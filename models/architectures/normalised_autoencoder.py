"""The normalised autoencoder (arXiv:2206.14225) and its Wasserstein variant (arXiv:2510.02168).

The reconstruction error is an energy, E(x) = ‖x - f(x)‖² with f = decoder ∘ encoder, of the density
p(x) ∝ exp(-E(x)/T) in the box of the inputs. What a plain autoencoder reconstructs although it was never shown it is
found by a Markov chain and pushed up. The chain is of the training alone: firmware is the autoencoder with its error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from trigforge.errors import InputError
from trigforge.models.architectures.base import Architecture, Design, Floats, Phase, TrainingSet
from trigforge.models.architectures.langevin import Box, Chain, sample, walk, wasserstein
from trigforge.models.layers import Layers
from trigforge.models.settings import Quantisation, Training

Map = Callable[[Any], Any]
"""Maps TensorFlow tensors (n, …) to tensors."""
LATENT: Final = Box(low=-1.0, high=1.0)


class Variant(StrEnum):
    """What the training lowers, with averages over a batch of data and over ends of chains, and γ `regularisation`."""

    PLAIN = "plain"
    """⟨E(data)⟩."""
    ENERGY = "energy"
    """⟨E(data)⟩ - ⟨E(chain)⟩ + γ (⟨E(data)²⟩ + ⟨E(chain)²⟩); the first two are the gradient of -T log p."""
    WASSERSTEIN = "wasserstein"
    """W₁(data, chain) + γ ⟨E(data)⟩, with the gradient through the steps of the chain."""


class Start(StrEnum):
    """Where a chain that does not go on from an earlier one starts."""

    DATA = "data"
    MANIFOLD = "manifold"
    """At the decoded end of a chain in the latent box (on-manifold initialisation)."""


class NormalisedAutoencoder(Architecture):
    """Dense autoencoder d - hidden - latent - hidden - d with score ‖x - f(x)‖²; every input value lies in `box`.

    A share `normalising` of the epochs, the last ones, is trained with chains; before them the autoencoder is a plain
    one. Activations saturate, and the latent space is the box (-1, 1): an input outside the box cannot wrap to a small
    score.
    """

    kind: Literal["normalised_autoencoder"] = "normalised_autoencoder"
    variant: Variant = Variant.WASSERSTEIN
    hidden: tuple[int, ...] = Field(default=(24,), min_length=1)
    latent: int = Field(default=3, ge=1, le=64)
    box: Box = Box()
    chain: Chain = Chain()
    start: Start = Start.DATA
    latent_chain: Chain = Chain(steps=5)
    """Of `Start.MANIFOLD`."""
    replay: float = Field(default=0.95, ge=0, le=1)
    """Probability that a chain goes on from where an earlier one ended."""
    buffer: int = Field(default=10_000, ge=1)
    """Ends of chains that are kept, at first uniform in the box; at least a batch."""
    regularisation: float = Field(default=0.3, ge=0)
    normalising: float = Field(default=0.3, gt=0, lt=1)
    normalising_rate: float = Field(default=0.5, gt=0)
    """Learning rate with chains, constant, in units of the recipe's."""
    averaging: float = Field(default=0.99, gt=0, lt=1)
    """Momentum of the running mean of weights, which the training ends with."""

    @model_validator(mode="after")
    def _settings_agree(self) -> NormalisedAutoencoder:
        if self.variant is Variant.WASSERSTEIN and self.chain.metropolis:
            raise ValueError("metropolis must be false for the Wasserstein variant: a refused step has no gradient")
        if any(chain.metropolis and chain.noise == 0 for chain in (self.chain, self.latent_chain)):
            raise ValueError("noise of a chain with metropolis must be positive, not 0")
        return self

    @property
    def shape(self) -> str:
        """Hidden layers and latent space, there and back."""
        return "-".join(str(n) for n in (*self.hidden, self.latent, *self.hidden[::-1]))

    def check(self, training: Training, quantisation: Quantisation) -> None:  # noqa: ARG002
        """Raise `ValueError` if a batch of chains does not fit in the buffer."""
        if self.buffer < training.batch:
            raise ValueError(f"buffer must be at least training.batch = {training.batch}, not {self.buffer}")

    def design(self, layers: Layers, background: TrainingSet, seed: int) -> Design:
        """A plain phase and, unless the variant is plain, one with chains."""
        self._check_background(background)
        parts = self._build(layers, background.contract.words)
        plain = Phase("autoencoder", _trainer(self, parts, Variant.PLAIN, seed), _values, optimiser=_pretraining)
        if self.variant is Variant.PLAIN:
            return Design(parts.firmware, (plain,))
        trainer = _trainer(self, parts, self.variant, seed)
        chains = Phase(
            self.variant.value,
            trainer,
            _values,
            share=self.normalising / (1 - self.normalising),
            optimiser=partial(_constant, self.normalising_rate),
            after=trainer.take_averages,
        )
        return Design(parts.firmware, (plain, chains))

    def _check_background(self, background: TrainingSet) -> None:
        import keras

        if keras.backend.backend() != "tensorflow":
            raise InputError(
                "a normalised autoencoder must be trained on Keras's backend tensorflow, not "
                f"{keras.backend.backend()!r}; set KERAS_BACKEND=tensorflow"
            )
        if np.ptp(background.weights) > 0:
            raise InputError("a normalised autoencoder must be trained on events of one weight, but theirs differ")
        low, high = float(background.values.min()), float(background.values.max())
        if low < self.box.low or high > self.box.high:
            raise InputError(
                f"training values must lie in the box {self.box.low:g}..{self.box.high:g}, not in "
                f"{low:g}..{high:g}; change architecture.box or the normaliser"
            )

    def _build(self, layers: Layers, inputs: int) -> Parts:
        import keras

        words = decoded = keras.Input((inputs,), name="words")
        with layers.scope():
            encoder = [layers.dense(width, f"encoder_{i}", relu=True) for i, width in enumerate(self.hidden)]
            encoder.append(layers.compact(self.latent, "latent"))
            decoder = [layers.dense(width, f"decoder_{i}", relu=True) for i, width in enumerate(self.hidden[::-1])]
            decoder.append(layers.dense(inputs, "decoder_out"))
            for layer in (*encoder, *decoder):
                decoded = layer(decoded)
            difference = layers.subtract("difference", quantise=True)([words, decoded])
            score = layers.dot("score")([difference, difference])
        return Parts(keras.Model(words, score), tuple(encoder), tuple(decoder))


@dataclass(frozen=True, slots=True)
class Parts:
    """`firmware`, a Keras model from values (n, d) to E (n, 1), and its dense layers; `encoder` ends with latent."""

    firmware: Any
    encoder: tuple[Any, ...]
    decoder: tuple[Any, ...]

    def unrounded(self) -> tuple[Map, Map]:
        """Encoder and decoder as maps of tensors, with weights as they are quantised now and activations unrounded.

        Chains walk on these: a fraction of the work, and slopes of the surface that the quantised energy follows.
        """
        return _dense(self.encoder, latent=True), _dense(self.decoder, latent=False)


def _values(background: TrainingSet, rng: np.random.Generator) -> tuple[Floats, ...]:  # noqa: ARG001
    return (background.values,)


def _pretraining(rate: float, steps: int) -> Any:
    """Adam whose learning rate falls to a tenth, from where the chains go on."""
    import keras

    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.1))


def _constant(share: float, rate: float, steps: int) -> Any:  # noqa: ARG001
    import keras

    return keras.optimizers.Adam(share * rate)


def _dense(layers: tuple[Any, ...], latent: bool) -> Map:
    """A chain of dense layers; the last one's outputs are limited to the latent box."""
    from keras import ops

    weights = [(x.qkernel, x.qbias) if hasattr(x, "qkernel") else (x.kernel, x.bias) for x in layers]

    def run(x: Any) -> Any:
        for layer, (kernel, bias) in zip(layers, weights, strict=True):
            x = layer.activation(ops.matmul(x, kernel) + bias)
        return ops.clip(x, LATENT.low, LATENT.high) if latent else x

    return run


def error(encode: Map, decode: Map, words: Any) -> Any:
    """‖x - f(x)‖² (n,) of values (n, d)."""
    from keras import ops

    return ops.sum(ops.square(words - decode(encode(words))), axis=-1)


def _trainer(  # noqa: C901  (one class)
    settings: NormalisedAutoencoder, parts: Parts, variant: Variant, seed: int
) -> Any:
    """A Keras model with the weights of `parts` whose `train_step` is that of a variant; it maps values to E (n, 1)."""
    import keras
    import tensorflow as tf

    manifold = settings.start is Start.MANIFOLD
    box, width = (LATENT, settings.latent) if manifold else (settings.box, parts.firmware.input_shape[1])

    class Trainer(keras.Model):  # type: ignore[misc, unused-ignore]
        """Keeps the ends of chains, and draws from one seed."""

        def __init__(self) -> None:
            super().__init__(name=variant.value)
            self.supports_jit = False  # the assignment of a batch to its chains is no TensorFlow operation
            self.firmware, self.generator = parts.firmware, keras.random.SeedGenerator(seed)
            self.mean_loss = keras.metrics.Mean(name="loss")
            if variant is not Variant.PLAIN:
                ends = np.random.default_rng(seed).uniform(box.low, box.high, (settings.buffer, width))
                self.ends = self.add_weight((settings.buffer, width), trainable=False, name="ends")
                self.ends.assign(ends.astype(np.float32))
                self.averages = [self._like(variable) for variable in parts.firmware.trainable_variables]
                self.steps = self.add_weight((), initializer="zeros", trainable=False, name="steps")

        def _like(self, variable: Any) -> Any:
            return self.add_weight(variable.shape, initializer="zeros", trainable=False, name="average")

        def call(self, words: Any, training: bool = False) -> Any:
            return self.firmware(words, training=training)

        def train_step(self, data: Any) -> dict[str, Any]:
            words = keras.utils.unpack_x_y_sample_weight(data)[0]
            start, places = (None, None) if variant is Variant.PLAIN else self._start(words)
            with tf.GradientTape() as tape:
                loss = self._objective(words, start, places)
                total = loss + (tf.add_n(self.firmware.losses) if self.firmware.losses else 0.0)
            variables = self.firmware.trainable_variables
            self.optimizer.apply(tape.gradient(total, variables), variables)
            if variant is not Variant.PLAIN:
                self._average()
            self.mean_loss.update_state(total, tf.shape(words)[0])
            return {"loss": self.mean_loss.result()}

        def _average(self) -> None:
            """Add the weights to their running means, which begin at 0 and are corrected for it in the end."""
            self.steps.assign_add(1.0)
            for average, variable in zip(self.averages, self.firmware.trainable_variables, strict=True):
                average.assign(settings.averaging * average + (1 - settings.averaging) * variable)

        def take_averages(self) -> None:
            """Replace the weights by their running means."""
            known = 1 - settings.averaging ** float(self.steps)
            for average, variable in zip(self.averages, self.firmware.trainable_variables, strict=True):
                variable.assign(average / known)

        def test_step(self, data: Any) -> dict[str, Any]:
            """⟨E⟩, whatever the training lowers."""
            words = keras.utils.unpack_x_y_sample_weight(data)[0]
            self.mean_loss.update_state(tf.reduce_mean(self.firmware(words)), tf.shape(words)[0])
            return {"loss": self.mean_loss.result()}

        def _start(self, words: Any) -> tuple[Any, Any]:
            """Where the chains of this batch start, a replayed end or afresh, and their places in the buffer."""
            places = keras.random.shuffle(tf.range(settings.buffer), seed=self.generator)[: tf.shape(words)[0]]
            ends = tf.gather(self.ends.value, places)
            afresh = keras.random.uniform((tf.shape(words)[0], 1), seed=self.generator) >= settings.replay
            if not manifold:
                return tf.where(afresh, keras.random.shuffle(words, seed=self.generator), ends), places
            points = tf.where(afresh, keras.random.uniform(tf.shape(ends), -1, 1, seed=self.generator), ends)
            encode, decode = parts.unrounded()

            def decoded(point: Any) -> Any:
                return tf.clip_by_value(decode(point), settings.box.low, settings.box.high)

            def energy(point: Any) -> Any:
                return error(encode, decode, decoded(point))

            points = sample(energy, points, settings.latent_chain, LATENT, self.generator)
            self._keep(places, points)
            return decoded(points), places

        def _keep(self, places: Any, ends: Any) -> None:
            self.ends.assign(tf.tensor_scatter_nd_update(self.ends.value, places[:, None], ends))

        def _objective(self, words: Any, start: Any, places: Any) -> Any:
            data, weight = self.firmware(words, training=True)[:, 0], settings.regularisation
            positive = tf.reduce_mean(data)
            if variant is Variant.PLAIN:
                return positive
            through, (encode, decode) = variant is Variant.WASSERSTEIN, parts.unrounded()
            move = walk if through else sample
            chain = move(lambda x: error(encode, decode, x), start, settings.chain, settings.box, self.generator)
            if not manifold:
                self._keep(places, tf.stop_gradient(chain))
            if through:
                return wasserstein(words, chain) + weight * positive
            negative = self.firmware(chain, training=False)[:, 0]
            squares = tf.reduce_mean(tf.square(data)) + tf.reduce_mean(tf.square(negative))
            return positive - tf.reduce_mean(negative) + weight * squares

    trainer = Trainer()
    trainer.build((None, parts.firmware.input_shape[1]))
    return trainer
