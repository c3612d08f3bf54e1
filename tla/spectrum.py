"""Dijet mass spectra of weighted events and the mass from which the trigger is fully efficient."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.value import Value
from trigforge.weighted import FloatArray

MAX_DETA = 1.3
"""Largest |Δη| of the two jets, arXiv:1911.03947: s-channel resonances decay centrally."""

MASS_EDGES_GEV: Final = tuple(
    float(edge)
    for edge in (
        *(88, 103, 119, 137, 156, 176, 197, 220, 244, 270, 296, 325, 354, 386, 419, 453, 489, 526, 565, 606, 649, 693),
        *(740, 788, 838, 890, 944, 1000, 1058, 1118, 1181, 1246, 1313, 1383, 1455, 1530, 1607, 1687, 1770, 1856, 1945),
        *(2037, 2132, 2231, 2332, 2438, 2546, 2659, 2775, 2895, 3019, 3147, 3279, 3416, 3558, 3704, 3854, 4010, 4171),
        *(4337, 4509, 4686, 4869, 5058, 5253, 5455, 5663, 5877, 6099, 6328, 6564, 6808, 7060, 7320, 7589, 7866, 8152),
    )
)
"""The usual CMS bins, about as wide as the dijet mass resolution."""

Floats = tuple[float, ...]


class Spectrum(Value):
    """A histogram of expected or observed events: Σw of every bin with error sqrt(Σw²)."""

    edges_gev: Annotated[Floats, Field(min_length=2)]
    contents: Floats
    errors: Floats

    @model_validator(mode="after")
    def _shapes_agree(self) -> Spectrum:
        bins = len(self.edges_gev) - 1
        if not len(self.contents) == len(self.errors) == bins:
            raise ValueError(f"contents and errors must have {bins} bins, not {len(self.contents)}, {len(self.errors)}")
        if any(low >= high for low, high in pairwise(self.edges_gev)):
            raise ValueError("edges_gev must rise strictly")
        if any(c < 0 or e < 0 for c, e in zip(self.contents, self.errors, strict=True)):
            raise ValueError("contents and errors must not be negative")
        return self

    def within(self, low_gev: float, high_gev: float) -> Spectrum:
        """The bins that lie wholly in a range of mass."""
        edges = np.array(self.edges_gev)
        kept = np.flatnonzero((edges[:-1] >= low_gev) & (edges[1:] <= high_gev))
        if len(kept) == 0:
            raise InputError(f"the mass range must hold a bin, not {low_gev:g}..{high_gev:g} GeV")
        first, last = int(kept[0]), int(kept[-1]) + 1
        return Spectrum(
            edges_gev=self.edges_gev[first : last + 1],
            contents=self.contents[first:last],
            errors=self.errors[first:last],
        )


def dijet_mass(jets: ak.Array, max_deta: float = MAX_DETA) -> FloatArray:
    """Mass in GeV of the two hardest jets of events (n,), NaN without two jets or with |Δη| ≥ `max_deta`."""
    jets = jets[ak.argsort(jets["pt"], axis=1, ascending=False)]
    two = ak.pad_none(jets[:, :2], 2, axis=1)
    p = {
        f: np.asarray(ak.to_numpy(ak.fill_none(two[f], np.nan)), dtype=np.float64) for f in ("pt", "eta", "phi", "mass")
    }
    px, py = p["pt"] * np.cos(p["phi"]), p["pt"] * np.sin(p["phi"])
    pz = p["pt"] * np.sinh(p["eta"])
    energy = np.sqrt(px**2 + py**2 + pz**2 + p["mass"] ** 2)
    squared = energy.sum(axis=1) ** 2 - sum(q.sum(axis=1) ** 2 for q in (px, py, pz))
    central = np.abs(p["eta"][:, 0] - p["eta"][:, 1]) < max_deta
    return np.asarray(np.where(central, np.sqrt(np.maximum(squared, 0)), np.nan))


def fill_spectrum(
    mass: npt.ArrayLike,
    weights: npt.ArrayLike,
    edges_gev: Floats = MASS_EDGES_GEV,
    groups: IntArray | None = None,
) -> Spectrum:
    """The spectrum of masses (n,) in GeV with weights (n,); NaN and what lies outside the edges is left out.

    The weights of events of one group of `groups` (n,) add before they are squared: Σ over groups of (Σw)².
    """
    m, w = np.asarray(mass, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    bins = len(edges_gev) - 1
    place = np.searchsorted(edges_gev, m, side="right") - 1
    inside = (place >= 0) & (place < bins) & ~np.isnan(m)
    place, w = place[inside], w[inside]
    group = np.arange(len(m))[inside] if groups is None else groups[inside]
    pairs, which = np.unique(np.stack([place, group]), axis=1, return_inverse=True)
    together = np.bincount(which.reshape(-1), w, minlength=pairs.shape[1])
    contents = np.bincount(pairs[0], together, minlength=bins)
    errors = np.sqrt(np.bincount(pairs[0], together**2, minlength=bins))
    return Spectrum(edges_gev=edges_gev, contents=tuple(contents.tolist()), errors=tuple(errors.tolist()))


def plateau_start_gev(reference: Spectrum, lost: Spectrum, efficiency: float = 0.99) -> float:
    """The lowest bin edge in GeV from which no bin of the reference is significantly below that efficiency.

    `reference` are all simulated events, `lost` those that the stream does not keep, in the same bins. A bin is
    below where what is lost exceeds the share 1 - `efficiency` by more than its statistical error.
    """
    if reference.edges_gev != lost.edges_gev:
        raise InputError("the reference and the lost spectrum must have the same bins")
    total = np.array(reference.contents)
    excess = np.array(lost.contents) - (1 - efficiency) * total
    below = np.flatnonzero((total > 0) & (excess > np.array(lost.errors)))
    start = int(below[-1]) + 1 if len(below) else 0
    if not (total[start:] > 0).any():
        raise InputError(
            f"the stream must be {efficiency:.0%} efficient somewhere in the spectrum, not nowhere; "
            "lower its thresholds or simulate harder events"
        )
    return reference.edges_gev[start]
