"""Test vectors: limits, kinds, reproducibility."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Vectors, make_vectors
from trigforge.sim.cosim.vectors import KINDS

LOW, HIGH = np.array([-8, 0, -100]), np.array([7, 31, -3])


@st.composite
def limits(draw: st.DrawFn) -> tuple[IntArray, IntArray]:
    pairs = [sorted(draw(st.tuples(*[st.integers(-(2**40), 2**40)] * 2))) for _ in range(draw(st.integers(1, 5)))]
    low, high = np.array(pairs, dtype=np.int64).T
    return low, high


@given(bounds=limits(), seed=st.integers(0, 2**32))
def test_every_vector_lies_within_the_limits(bounds: tuple[IntArray, IntArray], seed: int) -> None:
    low, high = bounds
    vectors = make_vectors(low, high, random=7, saturating=5, seed=seed)
    assert ((vectors.words >= low) & (vectors.words <= high)).all()
    saturating = vectors.words[vectors.kinds == "saturating"]
    assert ((saturating == low) | (saturating == high)).all()
    assert vectors.counts()["random"] == 7
    assert vectors.counts()["saturating"] == 5
    for extreme in (low, high):
        assert (vectors.words[vectors.kinds == "corner"] == extreme).all(axis=1).any()


def test_walking_vectors_visit_every_bit_of_every_word() -> None:
    vectors = make_vectors(np.array([-8, 0]), np.array([7, 31]), random=0, saturating=0, seed=1)
    walking = {tuple(row) for row in vectors.words[vectors.kinds == "walking"].tolist()}
    signed = {(v, 0) for v in (1, 2, 4, -1, -2, -4, -8)}
    assert walking == signed | {(0, 1 << bit) for bit in range(5)}


def test_corners_put_one_word_at_an_extreme_and_the_rest_at_zero() -> None:
    vectors = make_vectors(np.array([-8, 0]), np.array([7, 31]), random=0, saturating=0, seed=1)
    corners = {tuple(row) for row in vectors.words[vectors.kinds == "corner"].tolist()}
    assert corners == {(-8, 0), (7, 31), (0, 0), (-8, 31), (7, 0), (0, 31)}


def test_the_seed_decides() -> None:
    first, again, other = (make_vectors(LOW, HIGH, random=20, saturating=20, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.words, again.words)
    assert (first.words != other.words).any()


def test_physics_vectors_come_first_and_must_lie_within_the_limits() -> None:
    physics = np.array([[1, 2, -3], [3, 4, -5]])
    vectors = make_vectors(LOW, HIGH, random=3, saturating=2, seed=1, physics=physics)
    np.testing.assert_array_equal(vectors.words[:2], physics)
    assert set(vectors.counts()) == set(KINDS[:5])
    physics[1, 1] = 32
    with pytest.raises(InputError, match=r"word 1 of physics vector 1 must be 0\.\.31, not 32"):
        make_vectors(LOW, HIGH, random=3, saturating=2, seed=1, physics=physics)
    with pytest.raises(InputError, match=r"physics vectors must be int64 of shape \(n, 3\), not float64"):
        make_vectors(LOW, HIGH, random=3, saturating=2, seed=1, physics=physics * 1.0)  # type: ignore[arg-type]


def test_wrong_limits_and_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"limits of word 1 must be ordered, not 2\.\.1"):
        make_vectors(np.array([0, 2]), np.array([0, 1]), random=1, saturating=1, seed=1)
    with pytest.raises(InputError, match="two arrays of one length"):
        make_vectors(LOW, HIGH[:2], random=1, saturating=1, seed=1)
    with pytest.raises(InputError, match="must not be negative, not -1"):
        make_vectors(LOW, HIGH, random=-1, saturating=1, seed=1)
    with pytest.raises(InputError, match="with n kinds"):
        Vectors(np.zeros((2, 3), dtype=np.int64), np.array(["random"]))


def test_thinning_keeps_every_kind() -> None:
    vectors = make_vectors(LOW, HIGH, random=500, saturating=20, seed=1)
    thin = vectors.thinned(30)
    assert set(thin.counts()) == set(vectors.counts())
    assert 25 <= len(thin) <= 35
    assert vectors.thinned(10**6).counts() == vectors.counts()
    with pytest.raises(InputError, match="events to keep must be at least 1, not 0"):
        vectors.thinned(0)
