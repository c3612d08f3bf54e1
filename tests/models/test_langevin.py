"""Langevin chains and the distance of samples, on energies whose answers are known."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal

from trigforge.models.architectures.langevin import Box, Chain, assignment, sample, walk, wasserstein

WIDE = Box(low=-50.0, high=50.0)


def quadratic(x: Any) -> Any:
    """E = 2‖x‖², of slope 4x."""
    return 2 * tf.reduce_sum(tf.square(x), axis=-1)


def seed(number: int = 1) -> Any:
    return keras.random.SeedGenerator(number)


def test_without_noise_every_step_goes_down_the_slope_by_its_length() -> None:
    start = np.array([[8.0, -4.0], [0.5, 0.25]], np.float32)
    end = sample(quadratic, start, Chain(steps=3, step=0.125, noise=0.0), WIDE, seed())
    assert_array_equal(end, start / 8)  # each step halves x: 1 - 0.125 · 4


def test_a_step_that_leaves_the_box_ends_at_its_face() -> None:
    end = sample(quadratic, np.array([[4.0]], np.float32), Chain(steps=1, step=1.0, noise=0.0), Box(), seed())
    assert_array_equal(end, [[0.0]])


@pytest.mark.parametrize("chain", [Chain(steps=200, step=0.01, noise=0.1), Chain(steps=200, step=0.05, noise=0.2)])
@pytest.mark.parametrize("metropolis", [False, True])
def test_the_chain_reaches_the_density_of_its_temperature(chain: Chain, metropolis: bool) -> None:
    """The variance under exp(-2x²/T) is T/4; a chain without acceptance is off by a factor 1 / (1 - 2 step)."""
    chain = chain.model_copy(update={"metropolis": metropolis})
    end = np.asarray(sample(quadratic, np.full((2000, 2), 1.0, np.float32), chain, WIDE, seed()))
    expected = chain.temperature / 4 / (1 if metropolis else 1 - 2 * chain.step)
    assert end.mean() == pytest.approx(0, abs=0.02)
    assert end.var() == pytest.approx(expected, rel=0.08)


def test_steps_that_are_too_long_are_refused_and_not_taken_uphill() -> None:
    long = Chain(steps=10, step=1.0, noise=0.1)
    start = np.full((50, 2), 0.1, np.float32)
    assert np.asarray(quadratic(sample(quadratic, start, long, WIDE, seed()))).min() > 100
    kept = sample(quadratic, start, long.model_copy(update={"metropolis": True}), WIDE, seed())
    assert np.asarray(quadratic(kept)).max() < 1


def test_the_gradient_goes_through_the_steps() -> None:
    """After n steps of E = w x²/2, x = (1 - step w)ⁿ x₀: its derivative by w is known."""
    weight = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        end = walk(
            lambda x: 0.5 * weight * tf.reduce_sum(tf.square(x), axis=-1),
            np.array([[3.0]], np.float32), Chain(steps=2, step=0.1, noise=0.0), WIDE, seed(),
        )[0, 0]  # fmt: skip
    assert float(end) == pytest.approx(3 * 0.8**2)
    assert float(tape.gradient(end, weight)) == pytest.approx(3 * 2 * 0.8 * -0.1, rel=1e-5)


def test_the_distance_is_that_of_the_best_of_all_assignments() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    every = [np.linalg.norm(a - b[list(order)], axis=1).mean() for order in permutations(range(5))]
    assert float(wasserstein(a, b)) == pytest.approx(min(every), rel=1e-5)
    assert_array_equal(assignment(np.array([[0.0, 9.0], [-1e-9, 1.0]], np.float32)), [0, 1])


def test_the_distance_pulls_a_sample_towards_the_other() -> None:
    a = tf.constant([[0.0], [1.0]])
    b = tf.Variable([[3.5], [2.0]])
    with tf.GradientTape() as tape:
        distance = wasserstein(a, b)
    assert float(distance) == pytest.approx(2.25)
    assert tf.convert_to_tensor(tape.gradient(distance, b)).numpy() == pytest.approx(np.full((2, 1), 0.5))


def test_chains_of_one_seed_are_equal() -> None:
    ends = [sample(quadratic, np.ones((4, 2), np.float32), Chain(), WIDE, seed(number)) for number in (1, 1, 2)]
    assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[2])
