"""Outliers made of usual crossings: each kind by what it keeps, and that none depends on anything but its seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.fixed import IntArray
from trigforge.models.architectures.outliers import KINDS, SPOTS, heated, outliers, overlaid, permuted, scaled, turned


def images(n: int = 200, seed: int = 1) -> IntArray:
    return np.random.default_rng(seed).poisson(8, (n, 18, 14)).astype(np.int64)


def rng(seed: int = 2) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(0, 2**32))
@settings(max_examples=5)
def test_a_turn_is_cyclic_in_phi_and_at_most_a_mirror_in_eta(seed: int) -> None:
    given, found = images(4, seed), turned(images(4, seed), rng(seed))
    for one, other in zip(given, found, strict=True):
        reached = [np.roll(view, k, axis=0) for view in (one, one[:, ::-1]) for k in range(18)]
        assert any(np.array_equal(other, view) for view in reached)


def test_all_turns_occur() -> None:
    marked = np.zeros((2000, 18, 14), dtype=np.int64)
    marked[:, 0, 3] = 1
    _, row, column = np.nonzero(turned(marked, rng()))
    assert set(zip(row.tolist(), column.tolist(), strict=True)) == {(r, c) for r in range(18) for c in (3, 10)}


def test_overlaid_crossings_have_the_energy_of_two() -> None:
    given = images()
    found = overlaid(given, rng())
    assert (found >= given).all()
    assert found.sum() == 2 * given.sum()


def test_permuted_crossings_have_the_same_energies() -> None:
    given = images()
    found = permuted(given, rng())
    assert_array_equal(np.sort(found.reshape(200, -1)), np.sort(given.reshape(200, -1)))
    assert (found != given).any(axis=(1, 2)).all()


def test_scaled_crossings_grow_in_one_window() -> None:
    given = images() + 1
    found = scaled(given, rng())
    changed = found != given
    assert (found >= given).all()
    assert (found <= 4 * given).all()
    for one in changed[changed.any(axis=(1, 2))]:
        assert one.sum() <= one.any(axis=1).sum() * one.any(axis=0).sum()
    assert 0.2 < changed.mean() < 0.6


def test_heated_crossings_hold_a_few_deposits_more() -> None:
    given = images()
    more = heated(given, rng()) - given
    assert (more >= 0).all()
    assert (more.sum(axis=(1, 2)) >= 10).all()
    assert ((more > 0).sum(axis=(1, 2)) <= 4 * SPOTS).all()
    assert (more.max(axis=(1, 2)) > 100).mean() > 0.5
    assert (more[:, 0] > 0).any()
    assert (more[:, 17] > 0).any()


def test_outliers_are_of_all_kinds_bounded_and_repeatable() -> None:
    assert sum(share for _, share in KINDS) == pytest.approx(1.0)
    given = images()
    found = outliers(given, 100, rng())
    assert found.shape == given.shape
    assert found.max() == 100
    assert found.min() >= 0
    assert_array_equal(found, outliers(given, 100, rng()))
    assert (found != outliers(given, 100, rng(3))).any()
    assert len(outliers(given[:1], 100, rng())) == 1
