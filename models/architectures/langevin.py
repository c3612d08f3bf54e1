"""Langevin chains in a box, and the distance of two samples: what trains an energy without its normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.value import Value

Energy = Callable[[Any], Any]
"""Maps a TensorFlow tensor (n, d) to energies (n,)."""
Floats = npt.NDArray[np.float32]


class Chain(Value):
    """Steps x ← x - step ∇E(x) + noise ε, at the temperature noise² / (2 step).

    Without `metropolis` what leaves the box ends at its face. With it, steps are reflected at the faces, and accepted
    with the probability that makes the chain exact (MALA): a step that is too long is refused instead of going uphill.
    """

    steps: int = Field(default=10, ge=0)
    step: float = Field(default=0.05, gt=0)
    noise: float = Field(default=0.05, ge=0)
    metropolis: bool = False

    @property
    def temperature(self) -> float:
        """T of the density exp(-E/T) that the chain samples."""
        return self.noise**2 / (2 * self.step)


class Box(Value):
    """The values that a chain may reach, the same for every word."""

    low: float = 0.0
    high: float = 1.0


def walk(energy: Energy, start: Any, chain: Chain, box: Box, seed: Any) -> Any:
    """The end (n, d) of a chain from `start`; its gradient goes through all steps, but not through `start`.

    `seed` is a `keras.random.SeedGenerator`. The chain is `chain` without its `metropolis`.
    """
    import keras
    import tensorflow as tf

    x = tf.stop_gradient(start)
    for _ in range(chain.steps):
        noise = chain.noise * keras.random.normal(tf.shape(x), seed=seed)
        x = tf.clip_by_value(x - chain.step * slope(energy, x)[1] + noise, box.low, box.high)
    return x


def sample(energy: Energy, start: Any, chain: Chain, box: Box, seed: Any) -> Any:
    """The end (n, d) of a chain from `start`, without a gradient."""
    import tensorflow as tf

    if not chain.metropolis:
        return tf.stop_gradient(walk(energy, start, chain, box, seed))
    x = tf.stop_gradient(start)
    here = slope(energy, x)
    for _ in range(chain.steps):
        x, here = _metropolis_step(energy, x, here, chain, box, seed)
    return tf.stop_gradient(x)


def slope(energy: Energy, x: Any) -> tuple[Any, Any]:
    """Energies (n,) and their gradients (n, d)."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = energy(x)
    return value, tape.gradient(value, x)


def _metropolis_step(
    energy: Energy, x: Any, here: tuple[Any, Any], chain: Chain, box: Box, seed: Any
) -> tuple[Any, tuple[Any, Any]]:
    """Propose, reflect, and accept with min(1, p(y) q(x|y) / (p(x) q(y|x))); q is that of the unreflected step."""
    import keras
    import tensorflow as tf

    y = x - chain.step * here[1] + chain.noise * keras.random.normal(tf.shape(x), seed=seed)
    y = tf.where(y < box.low, 2 * box.low - y, y)
    y = tf.clip_by_value(tf.where(y > box.high, 2 * box.high - y, y), box.low, box.high)
    there = slope(energy, y)
    back, forth = x - y + chain.step * there[1], y - x + chain.step * here[1]
    proposal = tf.reduce_sum(tf.square(back) - tf.square(forth), axis=-1) / (2 * chain.noise**2)
    allowed = -(there[0] - here[0]) / chain.temperature - proposal
    accepted = tf.math.log(keras.random.uniform(tf.shape(allowed), seed=seed)) < allowed
    energies = tf.where(accepted, there[0], here[0])
    gradients = tf.where(accepted[:, None], there[1], here[1])
    return tf.where(accepted[:, None], y, x), (energies, gradients)


def wasserstein(a: Any, b: Any) -> Any:
    """The W₁ distance of two samples (n, d) of one size: mean Euclidean distance of the optimal assignment.

    The assignment is exact (`scipy.optimize.linear_sum_assignment`) and, as at the optimum, held fixed in the gradient.
    """
    import tensorflow as tf

    squared = tf.reduce_sum(tf.square(a), axis=1)[:, None] + tf.reduce_sum(tf.square(b), axis=1)[None]
    squared -= 2 * tf.matmul(a, b, transpose_b=True)
    partner = tf.numpy_function(assignment, [squared], tf.int64)
    partner.set_shape([None])
    distance = tf.square(a - tf.gather(b, partner))
    return tf.reduce_mean(tf.sqrt(tf.reduce_sum(distance, axis=1) + 1e-12))


def assignment(squared: Floats) -> npt.NDArray[np.int64]:
    """The partner of every row that makes the sum of distances least, from squared distances (n, n)."""
    from scipy.optimize import linear_sum_assignment

    return np.asarray(linear_sum_assignment(np.sqrt(np.maximum(squared, 0)))[1], dtype=np.int64)
