"""Crossings that share a simulated interaction: they are not independent, so their weights add before squaring.

A simulation turns, mirrors and overlays one hard interaction in many crossings. Its particle-level jets keep their pt
and |η| to the last bit, which tells the reuse.
"""

from __future__ import annotations

import awkward as ak
import numpy as np

from trigforge.calibration.weighted import FloatArray
from trigforge.fixed import IntArray


def interaction_groups(events: ak.Array) -> IntArray:
    """A group number per crossing (n,): equal where the hardest `GenJet` is one and the same.

    Crossings without particle-level jets are groups of their own.
    """
    groups = np.arange(len(events), dtype=np.int64)
    if "GenJet" not in ak.fields(events):
        return groups
    jets = events["GenJet"]
    hardest = jets[ak.argmax(jets["pt"], axis=1, keepdims=True)]
    present = np.asarray(ak.to_numpy(ak.num(jets["pt"], axis=1) > 0))
    pt, eta = (ak.to_numpy(ak.flatten(ak.drop_none(hardest[f]))).astype(np.float64) for f in ("pt", "eta"))
    groups[present] = len(events) + jet_groups(pt, eta)
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def jet_groups(pt: FloatArray, eta: FloatArray) -> IntArray:
    """A group number per jet (jets,), equal where pt and |η| are."""
    keys = np.stack([pt, np.abs(eta)], axis=1)
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
