"""Fewer crossings of the kinds that there are enough of: the enhanced bias of a trigger, made with weights.

Each crossing has a tail probability t, about the share of all crossings with as high a jet, e/γ, muon, missing energy
or HT. Kept with probability min(1, w / w_t), w_t = t / n, and then of weight max(w, w_t), crossings give the same sums
of weights on average, and up to n of them are left in every factor e of t. So rates of 1 Hz and of 1 MHz are known
about equally well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.mixing import Floats

TAILS: Final = {
    "L1Jet": (24.0, 4.4),
    "L1EG": (5.0, 3.7),
    "L1Mu": (1.3, 2.9),
    "L1MET": (25.0, 6.0),
    "L1HT": (33.0, 3.8),
}
"""(x, n): about (x / pt)^n of all crossings at µ = 60 have an object of more than pt GeV. What is kept follows from it,
but no result does."""


@dataclass(frozen=True, slots=True)
class Thinned:
    """The places of the crossings that are kept, and their weights."""

    kept: npt.NDArray[np.int64]
    weight: Floats


def tail_probability(events: ak.Array) -> Floats:
    """The smallest tail probability of the Level-1 objects of each event (n,), at most 1."""
    smallest = np.ones(len(events))
    for name, (scale, power) in TAILS.items():
        pt = events[name].pt
        highest = ak.fill_none(ak.firsts(pt), 0.0) if pt.ndim > 1 else pt
        values = np.maximum(np.asarray(ak.to_numpy(highest), np.float64), scale)
        smallest = np.minimum(smallest, (scale / values) ** power)
    return smallest


def thin(events: ak.Array, weight: Floats, density: int, rng: np.random.Generator) -> Thinned:
    """Keep at most about `density` crossings in every factor e of tail probability; all of them if it is 0."""
    everything: npt.NDArray[Any] = np.arange(len(weight))
    if density == 0:
        return Thinned(everything, weight)
    target = tail_probability(events) / density
    kept = everything[rng.random(len(weight)) * target < weight]
    return Thinned(kept, np.maximum(weight, target)[kept])
