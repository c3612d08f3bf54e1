"""Jets as shares of pt in nested boxes around their axis: a small cumulative image that a jet finder can make.

Word (i, j) is the share of the jet's pt that its hardest constituents have in |Δη| < a_i, |Δφ| < a_j. Unlike pixels,
such words change little when a particle crosses an edge, so that near in words is near in physics.
"""

from __future__ import annotations

from typing import Final

import awkward as ak
import numpy as np

from trigforge.contract import Collection, Field, InputContract
from trigforge.events.labelled import wrapped
from trigforge.fixed import FixedType, IntArray, Overflow, Rounding

CONSTITUENTS: Final = 16
"""Hardest constituents of a jet that count."""
HALF_WIDTHS: Final = (0.02, 0.06, 0.12, 0.20, 0.30)
"""Half the widths of the boxes, in η and in φ (rad)."""
FRACTION: Final = 7
"""Fraction bits of a share."""


def boxes_contract() -> InputContract:
    """The 25 shares of a jet in 2^-7, η boxes outside, φ boxes inside; the model sees them as values of 0 to 1."""
    numbers = range(1, len(HALF_WIDTHS) + 1)
    fields = tuple(
        Field(
            name=f"eta{i}_phi{j}", unit="", lsb=2.0**-FRACTION, bits=FRACTION + 1, signed=False, low=0,
            high=1 << FRACTION, shift=FRACTION,
        )
        for i in numbers for j in numbers
    )  # fmt: skip
    return InputContract(
        name=f"jet-boxes-{len(fields)}",
        collections=(Collection(name="Boxes", count=1, fields=fields),),
        model_input=FixedType(
            signed=True, width=FRACTION + 2, integer=2, rounding=Rounding.RND_CONV, overflow=Overflow.SAT
        ),
    )


def boxes_words(jets: ak.Array) -> IntArray:
    """Words (n, 25) of labelled jets with constituents; a jet without any has only words of 0."""
    constituents = jets.Constituent[:, :CONSTITUENTS]
    share = constituents.pt / jets.FatJet.pt
    eta, phi = np.abs(constituents.eta - jets.FatJet.eta), np.abs(wrapped(constituents.phi - jets.FatJet.phi))
    sums = [ak.sum(share[(eta < a) & (phi < b)], axis=1) for a in HALF_WIDTHS for b in HALF_WIDTHS]
    shares = dict(zip((f.name for f in boxes_contract().fields), sums, strict=True))
    return boxes_contract().encode(ak.Array({"Boxes": ak.zip(shares)}))
