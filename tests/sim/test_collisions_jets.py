"""Clustering by fastjet and the areas of jets."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions.jets import RADIUS, Jets, anti_kt, areas, no_jets


def cluster(pt: list[float], eta: list[float], phi: list[float], counts: list[int], pt_min: float = 5.0) -> Jets:
    columns = [np.array(values, float) for values in (pt, eta, phi)]
    return anti_kt(*columns, columns[0] * np.cosh(columns[1]), np.array(counts), pt_min)


def test_jets_are_four_vector_sums_hardest_first_in_each_event() -> None:
    jets = cluster([10, 30, 30, 4, 50], [0.0, 2.0, 2.2, 0.0, 1.0], [0.0, 1.0, 1.0, 3.0, -2.0], [4, 0, 1][:3])
    assert_array_equal(jets.counts, [2, 0, 1])
    assert_allclose(jets.pt, [60, 10, 50])
    assert_allclose(jets.phi, [1.0, 0.0, -2.0], atol=1e-12)
    energy, pz = 30 * (np.cosh(2) + np.cosh(2.2)), 30 * (np.sinh(2) + np.sinh(2.2))
    assert_allclose(jets.mass, [np.sqrt(energy**2 - pz**2 - 3600), 0, 0], atol=1e-4)
    assert_allclose(np.sinh(jets.eta[0]), pz / 60)


def test_selection_keeps_the_events() -> None:
    jets = cluster([10, 30, 20], [0.0, 1.0, 0.0], [0.0, 1.0, 2.0], [2, 1])
    chosen = jets[jets.pt < 25]
    assert_array_equal(chosen.counts, [1, 1])
    lists = chosen.lists(area=np.array([0.4, 0.5]))
    assert lists.pt.to_list() == [[10], [20]]
    assert lists.area.to_list() == [[np.float32(0.4)], [0.5]]
    assert no_jets(3).lists().pt.to_list() == [[], [], []]


def test_an_isolated_jet_has_the_area_of_a_circle_anywhere() -> None:
    rng = np.random.default_rng(1)
    ones = np.ones(400)
    alone = Jets(np.ones(400, int), 20 * ones, rng.uniform(-4.4, 4.4, 400), rng.uniform(-np.pi, np.pi, 400), 0 * ones)
    area = areas(alone)
    assert_allclose(area.mean(), np.pi * RADIUS**2, rtol=0.01)
    assert_allclose(area, np.pi * RADIUS**2, rtol=0.1)


def test_two_near_jets_share_the_area_by_their_pt() -> None:
    pair = Jets(np.array([2]), np.array([100.0, 20.0]), np.array([0.0, 0.5]), np.array([3.1, 3.1]), np.zeros(2))
    hard, soft = areas(pair)
    assert_allclose(hard, np.pi * RADIUS**2, rtol=0.1)  # the softer one is five times as far in units of 1/pt
    assert soft < 0.95 * hard
    overlap = 2 * RADIUS**2 * np.arccos(0.5 / (2 * RADIUS)) - 0.25 * np.sqrt(4 * RADIUS**2 - 0.25)
    assert_allclose(hard + soft, 2 * np.pi * RADIUS**2 - overlap, rtol=0.05)
