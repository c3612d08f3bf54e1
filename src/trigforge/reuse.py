"""Crossings that share a simulated interaction: they are not independent, so their weights add before squaring.

A simulation turns, mirrors and overlays one hard interaction in many crossings; the column `interaction` numbers it.
"""

from __future__ import annotations

import awkward as ak
import numpy as np

from trigforge.fixed import IntArray


def interaction_groups(events: ak.Array) -> IntArray:
    """A group number 0, 1, … per crossing (n,): equal where `interaction` is.

    Crossings of interaction -1, and all without that column, are groups of their own.
    """
    groups = np.arange(len(events), dtype=np.int64)
    if "interaction" not in ak.fields(events):
        return groups
    numbers = ak.to_numpy(events["interaction"]).astype(np.int64)
    known = numbers >= 0
    groups[known] = len(events) + numbers[known]
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)
