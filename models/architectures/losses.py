"""Losses and sampling: training only, none of them reaches firmware.

Losses that several frameworks train with take the operations `ops` of one: `keras.ops`, or those of the same names on
PyTorch tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def add_loss(name: str, loss: Callable[..., Any], *tensors: Any) -> Any:
    """The first of the tensors, passed on by a layer that adds the mean of `loss(*tensors)` to the model's losses."""
    import keras
    from keras import ops

    class AddLoss(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        """Adds a loss."""

        def call(self, inputs: Any) -> Any:
            self.add_loss(ops.mean(loss(*inputs)))
            return inputs[0]

    return AddLoss(name=name)(list(tensors))


def sample(name: str, mean: Any, log_variance: Any, seed: int) -> Any:
    """`µ + σ·ε` in training, `µ` otherwise."""
    import keras

    class Sample(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        """Draws from a normal distribution."""

        def __init__(self) -> None:
            super().__init__(name=name)
            self.generator = keras.random.SeedGenerator(seed)

        def call(self, inputs: Any, training: bool = False) -> Any:
            mean, log_variance = inputs
            if not training:
                return mean
            noise = keras.random.normal(keras.ops.shape(mean), seed=self.generator)
            return mean + keras.ops.exp(0.5 * log_variance) * noise

    return Sample()([mean, log_variance])


def divergence(ops: Any, mean: Any, log_variance: Any) -> Any:
    """Kullback-Leibler divergence (n,) of N(µ, σ²) from N(0, 1), summed over the latent space."""
    variance = ops.exp(ops.clip(log_variance, -10.0, 10.0))
    return 0.5 * ops.sum(ops.square(mean) + variance - 1.0 - ops.log(variance), axis=-1)


def distance_correlation(a: Any, b: Any, weights: Any) -> Any:
    """Squared distance correlation of a (n, 1) and b (n, 1) with event weights (n, 1), 0 where independent.

    arXiv:2001.05310, its equation for weighted samples: dCov²(a, b) / sqrt(dVar²(a) · dVar²(b)).
    """
    from keras import ops

    shares = weights / ops.mean(weights)

    def centred(x: Any) -> Any:
        distances = ops.abs(x - ops.transpose(x))
        rows = ops.mean(distances * ops.transpose(shares), axis=1, keepdims=True)
        return distances - rows - ops.transpose(rows) + ops.mean(rows * shares)

    def covariance(x: Any, y: Any) -> Any:
        return ops.mean(x * y * shares * ops.transpose(shares))

    da, db = centred(a), centred(b)
    return covariance(da, db) / (ops.sqrt(covariance(da, da) * covariance(db, db)) + 1e-9)
