"""Thinned crossings: the same sums of weights, evenly spread over rates."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.sim.collisions import mixing
from trigforge.sim.collisions.mixing import PileUp, Pool, Span
from trigforge.sim.collisions.thinning import TAILS, tail_probability, thin

CROSSINGS = 200_000


def events(pt: np.ndarray) -> ak.Array:
    """Events whose only object is a Level-1 jet."""
    jets = ak.unflatten(ak.zip({"pt": pt}), 1)
    nothing = jets[:, :0]
    sums = ak.zip({"pt": np.zeros(len(pt))})
    return ak.zip({"L1Jet": jets, "L1EG": nothing, "L1Mu": nothing, "L1MET": sums, "L1HT": sums}, depth_limit=1)


def natural(seed: int) -> tuple[ak.Array, np.ndarray]:
    """A sample of the spectrum that `TAILS` supposes, with weights of three sizes."""
    rng = np.random.default_rng(seed)
    scale, power = TAILS["L1Jet"]
    weight = rng.choice([0.1, 1.0, 1.9], CROSSINGS) / CROSSINGS
    return events(scale * rng.random(CROSSINGS) ** (-1 / power)), weight


def test_the_tail_probability_is_that_of_the_rarest_object() -> None:
    found = ak.zip(
        {
            "L1Jet": [[{"pt": 24.0}], [{"pt": 48.0}, {"pt": 30.0}], []],
            "L1EG": [[], [{"pt": 5.0}], [{"pt": 50.0}]],
            "L1Mu": [[], [], [{"pt": 2.0}]],
            "L1MET": [{"pt": 0.0}, {"pt": 10.0}, {"pt": 25.0}],
            "L1HT": [{"pt": 0.0}, {"pt": 33.0}, {"pt": 33.0}],
        },
        depth_limit=1,
    )
    assert_allclose(tail_probability(found), [1.0, 0.5**4.4, 0.1**3.7])


def test_sums_of_weights_are_kept_on_average_at_every_threshold() -> None:
    sums = []
    for seed in range(30):
        sample, weight = natural(seed)
        thinned = thin(sample, weight, 200, np.random.default_rng(1000 + seed))
        pt = ak.to_numpy(sample.L1Jet.pt[:, 0])
        for threshold in (0.0, 30.0, 60.0, 120.0):
            before = weight[pt >= threshold]
            after = thinned.weight[pt[thinned.kept] >= threshold]
            sums.append((after.sum() - before.sum(), np.sqrt((after**2).sum())))
    difference, error = np.array(sums).reshape(30, 4, 2).transpose(2, 1, 0)
    pull = difference.mean(axis=1) / (error.mean(axis=1) / np.sqrt(30))
    assert (np.abs(pull) < 4).all(), pull


def test_every_factor_of_rate_keeps_about_as_many() -> None:
    sample, weight = natural(1)
    thinned = thin(sample, weight, 500, np.random.default_rng(2))
    tail = tail_probability(sample)[thinned.kept]
    counts = np.histogram(-np.log(tail), np.arange(6))[0]  # beyond e^-6 all are kept, as there are fewer
    assert_allclose(counts, 500, atol=5 * np.sqrt(500))
    assert len(thinned.kept) < 0.03 * CROSSINGS


def test_without_a_density_everything_stays() -> None:
    sample, weight = natural(3)
    thinned = thin(sample, weight, 0, np.random.default_rng(4))
    assert_array_equal(thinned.kept, np.arange(CROSSINGS))
    assert_array_equal(thinned.weight, weight)


def test_no_weight_becomes_smaller_and_heavy_ones_are_all_kept() -> None:
    sample, weight = natural(5)
    weight[::1000] = 1.0
    thinned = thin(sample, weight, 300, np.random.default_rng(6))
    assert (thinned.weight >= weight[thinned.kept]).all()
    assert set(range(0, CROSSINGS, 1000)) <= set(thinned.kept)


@pytest.mark.parametrize("chosen", [[], [0], [3, 1, 99], list(range(100))])
def test_uses_of_some_crossings(chosen: list[int]) -> None:
    source = PileUp(Pool(0, np.ones(50), 4.0), Pool(50, np.ones(10), 1.0))
    uses = mixing.zero_bias(source, Span(0, 100, 100), 0, np.random.default_rng(7)).now
    some = uses.of(np.array(chosen, int))
    assert len(some.start) == len(chosen) + 1
    for place, crossing in enumerate(chosen):
        here = slice(some.start[place], some.start[place + 1])
        there = slice(uses.start[crossing], uses.start[crossing + 1])
        for name in ("index", "turn", "mirror"):
            assert_array_equal(getattr(some, name)[here], getattr(uses, name)[there])
