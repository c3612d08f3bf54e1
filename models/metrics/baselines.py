"""What a new trigger must beat: cuts on single quantities, and an isolation forest on the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.weighted import FloatArray

MULTIPLICITY_PT_GEV = 10.0
"""e/γ and muons from here on count in the multiplicity; jets from 30 GeV on, as in HT."""

JET_PT_GEV = 30.0
TREES, TREE_EVENTS, FOREST_EVENTS = 100, 4096, 50_000
"""Trees of the isolation forest, events that grow each, and events that they are drawn from."""


def baseline_scores(events: ak.Array) -> dict[str, FloatArray]:
    """Simple trigger quantities of every event, each of shape (n,): momenta in GeV and the number of objects."""
    pt = {name: events[name]["pt"] for name in ("L1Jet", "L1EG", "L1Mu")}
    leading = {name: ak.to_numpy(ak.fill_none(ak.max(value, axis=1), 0.0)) for name, value in pt.items()}
    hard = {name: value >= (JET_PT_GEV if name == "L1Jet" else MULTIPLICITY_PT_GEV) for name, value in pt.items()}
    values = {
        "leading jet pT": leading["L1Jet"],
        "HT": ak.to_numpy(ak.sum(pt["L1Jet"][pt["L1Jet"] > JET_PT_GEV], axis=1)),
        "MET": ak.to_numpy(events["L1MET"]["pt"]),
        "leading lepton pT": np.maximum(leading["L1EG"], leading["L1Mu"]),
        "object multiplicity": sum(ak.to_numpy(ak.sum(passed, axis=1)) for passed in hard.values()),
    }
    return {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class IsolationForest:
    """An isolation forest (Liu, Ting, Zhou 2008) on the normalised words of a contract, grown on background only."""

    contract: InputContract
    forest: Any

    def __call__(self, words: IntArray) -> FloatArray:
        """Scores (n,) of words (n, words): more is more easily isolated."""
        return np.asarray(-self.forest.score_samples(_features(self.contract, words)), dtype=np.float64)


def grow_forest(
    contract: InputContract, words: IntArray, weights: FloatArray | None = None, seed: int = 1
) -> IsolationForest:
    """Grow a forest on background words (n, words), at most 50 000 of them, drawn by their weights (n,)."""
    from sklearn.ensemble import IsolationForest as Forest

    if len(words) < 2:
        raise InputError(f"an isolation forest needs at least 2 background events, not {len(words)}")
    rng = np.random.default_rng(seed)
    share = None if weights is None or np.ptp(weights) == 0 else weights / weights.sum()
    chosen = rng.choice(len(words), min(len(words), FOREST_EVENTS), replace=share is not None, p=share)
    forest = Forest(n_estimators=TREES, max_samples=min(TREE_EVENTS, len(chosen)), random_state=seed, n_jobs=1)
    return IsolationForest(contract, forest.fit(_features(contract, words[chosen])))


def _features(contract: InputContract, words: IntArray) -> FloatArray:
    return np.asarray(contract.model_input.to_float(contract.normalise(words)), dtype=np.float64)
