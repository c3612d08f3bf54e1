"""The 18 × 14 (φ × η) calorimeter regions of a crossing as hardware words."""

from __future__ import annotations

from typing import Final

import awkward as ak
import numpy as np

from trigforge import units
from trigforge.contract import Collection, Field, InputContract
from trigforge.errors import InputError
from trigforge.fixed import FixedType, IntArray, Overflow, Rounding

PHI: Final = 18
ETA: Final = 14
REGIONS: Final = PHI * ETA
COLUMN: Final = "L1Region"
SHIFT: Final = 5
"""A model sees energies in 2⁵ counts of 0.5 GeV = 16 GeV."""

FINE: Final = FixedType(signed=False, width=10, integer=5, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
"""The model's input in counts of 0.5 GeV, as they come."""
COARSE: Final = FixedType(signed=False, width=8, integer=5, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
"""The model's input in steps of 2 GeV: those of the frozen samples with regions, which lose nothing for it."""


def region_contract(model_input: FixedType) -> InputContract:
    """252 region energies in 0.5 GeV, φ major; the model sees them in 16 GeV, rounded to `model_input`."""
    field = Field(name="et", unit="GeV", lsb=units.PT_LSB_GEV, bits=10, signed=False, low=0, high=1023, shift=SHIFT)
    collection = Collection(name=COLUMN, count=REGIONS, fields=(field,))
    return InputContract(name="level1-regions-18x14", collections=(collection,), model_input=model_input)


def region_words(events: ak.Array) -> IntArray:
    """The words (n, 252) of events with the column `L1Region`; `InputError` if it is missing or has another shape."""
    if COLUMN not in ak.fields(events):
        raise InputError(
            f"events must have the column {COLUMN}; they have {', '.join(ak.fields(events))}; "
            "'trigforge generate --regions' keeps it"
        )
    regions = events[COLUMN]
    if regions.ndim != 2 or not ak.all(ak.num(regions) == REGIONS):
        raise InputError(f"{COLUMN} must hold {REGIONS} numbers an event, not {regions.type}")
    return np.asarray(ak.to_numpy(ak.to_regular(regions)), dtype=np.int64)
