"""Baselines: quantities counted by hand, and a forest that is the same every time."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from trigforge.contract import level1_contract
from trigforge.errors import InputError
from trigforge.models.metrics import baseline_scores, grow_forest


def objects(*pts: float) -> list[dict[str, float]]:
    return [{"pt": pt, "eta": 0.5, "phi": 1.0} for pt in pts]


EVENTS = ak.Array(
    [
        {"L1MET": {"pt": 12.5}, "L1Jet": objects(60, 30, 29.5), "L1EG": objects(10, 9.5), "L1Mu": objects(22)},
        {"L1MET": {"pt": 3.0}, "L1Jet": objects(20), "L1EG": objects(5), "L1Mu": objects(1)},
        {"L1MET": {"pt": 0.0}, "L1Jet": objects(), "L1EG": objects(), "L1Mu": objects()},
    ]
)


def test_quantities_are_those_of_a_menu() -> None:
    expected = {
        "leading jet pT": [60.0, 20.0, 0.0],
        "HT": [60.0, 0.0, 0.0],
        "MET": [12.5, 3.0, 0.0],
        "leading lepton pT": [22.0, 5.0, 0.0],
        "object multiplicity": [4.0, 0.0, 0.0],
    }
    found = baseline_scores(EVENTS)
    assert list(found) == list(expected)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_the_forest_isolates_what_is_unlike_the_background_the_same_every_time() -> None:
    rng = np.random.default_rng(4)
    words = np.zeros((3000, level1_contract().words), dtype=np.int64)
    words[:, 27::3] = rng.integers(0, 40, (3000, 10))
    contract = level1_contract().fit_normaliser(words)
    strange = words[:200].copy()
    strange[:, 27::3] = rng.integers(60, 100, (200, 10))
    forest = grow_forest(contract, words, seed=3)
    background, odd = forest(words), forest(strange)
    assert np.mean(odd[:, None] > background[None, :2000]) > 0.99
    np.testing.assert_array_equal(grow_forest(contract, words, seed=3)(strange), odd)
    weights = np.where(np.arange(3000) < 100, 1.0, 0.0)
    assert (grow_forest(contract, words, weights)(words) != background).any()


def test_a_forest_needs_events() -> None:
    contract = level1_contract()
    with pytest.raises(InputError, match="an isolation forest needs at least 2 background events, not 1"):
        grow_forest(contract, np.zeros((1, contract.words), dtype=np.int64))
