"""Training of a normalised autoencoder: a plain phase, then chains that push up what is reconstructed by accident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.models.langevin import Box, sample, walk, wasserstein
from trigforge.models.normalised import Autoencoder, Map, Normalised, Start, Variant, build_autoencoder
from trigforge.models.settings import Quantisation

Progress = Callable[[float, str], None]
"""Called with the finished fraction and a short text."""
Floats = npt.NDArray[np.float32]
LATENT = Box(low=-1.0, high=1.0)


def train_autoencoder(
    settings: Normalised, values: Floats, quantisation: Quantisation | None, progress: Progress | None = None
) -> Autoencoder:
    """Train on background values (n, d); without `quantisation` the float twin.

    The seed fixes weights, order and chains; TensorFlow repeats to the last bit on one thread. Raises `InputError` if
    values leave the box, are fewer than a batch, or Keras runs on another backend than TensorFlow.
    """
    import keras
    import tensorflow as tf

    _check(settings, values)
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    parts = build_autoencoder(settings, values.shape[1], quantisation)
    epochs = settings.pretraining + settings.epochs
    phases = ((Variant.PLAIN, 0, settings.pretraining), (settings.variant, settings.pretraining, epochs))
    for variant, first, last in phases:
        if last == first:
            continue
        trainer = make_trainer(settings, parts, variant)
        trainer.compile(optimizer=_optimizer(settings, first, last, len(values)))
        callbacks = _callbacks(quantisation, epochs, progress)
        trainer.fit(values, batch_size=settings.batch, initial_epoch=first, epochs=last, callbacks=callbacks, verbose=0)
    return parts


def energies(model: Any, values: Floats) -> npt.NDArray[np.float64]:
    """E (n,) of values (n, d) by a firmware model."""
    return np.asarray(model.predict(values, batch_size=8192, verbose=0), dtype=np.float64)[:, 0]


def _check(settings: Normalised, values: Floats) -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"a normalised autoencoder must be trained on Keras's backend tensorflow, not {keras.backend.backend()!r}; "
            "set KERAS_BACKEND=tensorflow"
        )
    if len(values) < settings.batch:
        raise InputError(f"training needs at least a batch of {settings.batch} events, not {len(values)}")
    if values.min() < settings.box.low or values.max() > settings.box.high:
        raise InputError(
            f"training values must lie in the box {settings.box.low:g}..{settings.box.high:g}, not in "
            f"{values.min():g}..{values.max():g}; change [box] or the normaliser"
        )


def _optimizer(settings: Normalised, first: int, last: int, events: int) -> Any:
    import keras

    if first == 0:
        steps = (last - first) * -(-events // settings.batch)
        return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, 0.1))
    return keras.optimizers.Adam(settings.fine_rate, use_ema=True, ema_momentum=settings.averaging)


def _callbacks(quantisation: Quantisation | None, epochs: int, progress: Progress | None) -> list[Any]:
    import keras

    def report(epoch: int, logs: dict[str, float]) -> None:
        if progress is not None:
            text = ", ".join(f"{name} {value:.3f}" for name, value in logs.items() if name != "ebops")
            progress((epoch + 1) / epochs, f"epoch {epoch + 1}/{epochs}: {text}")

    callbacks: list[Any] = [keras.callbacks.LambdaCallback(on_epoch_end=report)]
    if quantisation is not None:
        from hgq.utils.sugar import BetaScheduler, FreeEBOPs

        start, ratio = quantisation.warmup * epochs, quantisation.beta_end / quantisation.beta_start

        def beta(epoch: int) -> float:
            done = max(0.0, (epoch - start) / max(epochs - 1 - start, 1.0))
            return float(quantisation.beta_start * ratio ** min(done, 1.0))

        callbacks = [BetaScheduler(beta), FreeEBOPs(), *callbacks]
    return callbacks


def _error(encode: Map, decode: Map, words: Any) -> Any:
    """‖x - f(x)‖² (n,)."""
    from keras import ops

    return ops.sum(ops.square(words - decode(encode(words))), axis=-1)


def make_trainer(settings: Normalised, parts: Autoencoder, variant: Variant) -> Any:  # noqa: C901  (one class)
    """A Keras model with the weights of `parts` whose `train_step` is that of a variant; it maps words to E (n, 1)."""
    import keras
    import tensorflow as tf

    class Trainer(keras.Model):  # type: ignore[misc, unused-ignore]
        """Keeps the ends of chains, and draws from one seed."""

        def __init__(self) -> None:
            super().__init__(name=f"{settings.name}_{variant}")
            self.firmware, self.seed = parts.firmware, keras.random.SeedGenerator(settings.seed)
            width = settings.latent if settings.start is Start.MANIFOLD else parts.firmware.input_shape[1]
            low, high = (-1.0, 1.0) if settings.start is Start.MANIFOLD else (settings.box.low, settings.box.high)
            ends = np.random.default_rng(settings.seed).uniform(low, high, (settings.buffer, width))
            self.ends = tf.Variable(ends.astype(np.float32), trainable=False)

        def call(self, words: Any, training: bool = False) -> Any:
            return self.firmware(words, training=training)

        def train_step(self, words: Any) -> dict[str, Any]:
            places = keras.random.shuffle(tf.range(settings.buffer), seed=self.seed)[: tf.shape(words)[0]]
            start = None if variant is Variant.PLAIN else self._start(words, places)
            with tf.GradientTape() as tape:
                logs, loss = self._objective(words, start, places)
                total = loss + (tf.add_n(self.firmware.losses) if self.firmware.losses else 0.0)
            variables = self.firmware.trainable_variables
            self.optimizer.apply(tape.gradient(total, variables), variables)
            return {"loss": loss, **logs}

        def _start(self, words: Any, places: Any) -> Any:
            """Where the chains of this batch start: a replayed end, or afresh."""
            ends = tf.gather(self.ends, places)
            afresh = keras.random.uniform((tf.shape(words)[0], 1), seed=self.seed) >= settings.replay
            if settings.start is Start.DATA:
                return tf.where(afresh, keras.random.shuffle(words, seed=self.seed), ends)
            points = tf.where(afresh, keras.random.uniform(tf.shape(ends), -1, 1, seed=self.seed), ends)
            encode, decode = parts.unrounded()

            def manifold(point: Any) -> Any:
                return tf.clip_by_value(decode(point), settings.box.low, settings.box.high)

            def energy(point: Any) -> Any:
                return _error(encode, decode, manifold(point))

            points = sample(energy, points, settings.latent_chain, LATENT, self.seed)
            self.ends.scatter_nd_update(places[:, None], points)
            return manifold(points)

        def _objective(self, words: Any, start: Any, places: Any) -> tuple[dict[str, Any], Any]:
            data, weight = self.firmware(words, training=True)[:, 0], settings.regularisation
            positive = tf.reduce_mean(data)
            if variant is Variant.PLAIN:
                return {"energy": positive}, positive
            through, (encode, decode) = variant is Variant.WASSERSTEIN, parts.unrounded()
            move = walk if through else sample
            chain = move(lambda x: _error(encode, decode, x), start, settings.chain, settings.box, self.seed)
            if settings.start is Start.DATA:
                self.ends.scatter_nd_update(places[:, None], tf.stop_gradient(chain))
            negative = self.firmware(chain, training=False)[:, 0]
            logs = {"energy": positive, "chain": tf.reduce_mean(negative)}
            if through:
                return logs, wasserstein(words, chain) + weight * positive
            squares = tf.reduce_mean(tf.square(data)) + tf.reduce_mean(tf.square(negative))
            return logs, positive - logs["chain"] + weight * squares

    trainer = Trainer()
    trainer.build((None, parts.firmware.input_shape[1]))
    return trainer
