"""The event schema shared by simulation, readers, training, rates and streams.

Events are awkward records in NanoAOD naming, physical units (GeV, rad). Only `weight` is always there; every other
collection is present or absent as a whole:

| name | content |
|---|---|
| `weight` | expected crossings of this kind per crossing: Σ weight over a background sample is 1 |
| `interaction` | number of the simulated interaction with the highest tower or muon, -1 if it is not known |
| `L1MET` | one record `pt, eta, phi` |
| `L1HT` | one record `pt`: the scalar sum of central Level-1 jets |
| `L1EG` | lists, hardest first, of `pt, eta, phi` on the Level-1 grid; `iso` 1 if isolated, else 0 |
| `L1Mu` | lists, hardest first, of `pt, eta, phi` on the Level-1 grid; `charge` |
| `L1Jet` | lists, hardest first, of `pt, eta, phi` on the Level-1 grid |
| `L1Region` | 252 transverse energies of the 18 × 14 (φ × η) calorimeter regions in counts of 0.5 GeV |
| `HLTJet` | lists of `pt, eta, phi, mass, area` at trigger level, pile-up not yet subtracted; `genJetIdx` |
| `Jet` | lists of `pt, eta, phi, mass, area` as reconstructed offline, pile-up not yet subtracted; `genJetIdx` |
| `GenJet` | lists of `pt, eta, phi, mass`: particle-level truth; `primary` 1 if from the primary vertex |
| `rho`, `rhoOffline` | median pt density of the event in GeV per unit area, at HLT and offline |
| `nPU` | number of additional interactions in the crossing |
| `nPV` | number of reconstructed primary vertices |
| `L1_*`, `HLT_*`, `DST_*` | decisions of the experiment's own trigger, as in its files |

φ of Level-1 objects is in [0, 2π), of all others in [-π, π). Crossings of one `interaction` depend on each other, a
crossing of -1 on no other. `genJetIdx` is the place of the matched jet in `GenJet`, -1 without one; offline jets, whose
tracks are those of the primary vertex, match only true jets of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numpy as np

from trigforge import units
from trigforge.errors import InputError

KINEMATICS: Final = ("pt", "eta", "phi")
JET_FIELDS: Final = (*KINEMATICS, "mass")


@dataclass(frozen=True, slots=True)
class Grid:
    """The least significant bits of the Level-1 words of a collection: pt in GeV, eta, phi in rad."""

    pt: float
    eta: float
    phi: float


CALO_GRID: Final = Grid(units.PT_LSB_GEV, units.CALO_ETA_LSB, 2 * np.pi / units.CALO_PHI_STEPS)
MUON_GRID: Final = Grid(units.PT_LSB_GEV, units.MUON_ETA_LSB, 2 * np.pi / units.MUON_PHI_STEPS)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the schema: fields that it must have and may have, and its grid if it is of Level 1."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    grid: Grid | None = None


COLLECTIONS: Final[dict[str, Collection]] = {
    "L1MET": Collection(KINEMATICS, grid=CALO_GRID),
    "L1HT": Collection(("pt",), grid=CALO_GRID),
    "L1EG": Collection(KINEMATICS, ("iso",), CALO_GRID),
    "L1Mu": Collection(KINEMATICS, ("charge",), MUON_GRID),
    "L1Jet": Collection(KINEMATICS, grid=CALO_GRID),
    "HLTJet": Collection((*JET_FIELDS, "area"), ("genJetIdx",)),
    "Jet": Collection((*JET_FIELDS, "area"), ("genJetIdx",)),
    "GenJet": Collection(JET_FIELDS, ("primary",)),
}
TRIGGER_BITS: Final = ("L1_", "HLT_", "DST_")
"""How the names of trigger decisions begin."""


def check_events(events: ak.Array, where: str) -> ak.Array:
    """`events` unchanged if they follow the schema, else `InputError` naming `where` and the offending column."""
    names = ak.fields(events)
    if "weight" not in names:
        raise InputError(f"{where} must have the column 'weight'; it has {', '.join(names) or 'no columns'}")
    return check_collections(events, where)


def check_collections(events: ak.Array, where: str) -> ak.Array:
    """`events` unchanged if those collections that they have follow the schema, else `InputError`."""
    for name, collection in COLLECTIONS.items():
        if name in ak.fields(events):
            missing = [f for f in collection.required if f not in ak.fields(events[name])]
            if missing:
                raise InputError(
                    f"{where}: collection {name} must have {', '.join(collection.required)}; "
                    f"missing {', '.join(missing)}"
                )
    return events


def without_options(events: ak.Array, where: str) -> ak.Array:
    """`events` with plain types for the columns that may hold None; one that does is an `InputError`."""
    columns = {}
    for name in ak.fields(events):
        try:
            columns[name] = ak.transform(_present, events[name])
        except _MissingValueError:
            raise InputError(
                f"{where}: column {name} must have a value everywhere, not None; "
                "an event without objects has an empty list"
            ) from None
    return ak.zip(columns, depth_limit=1)


class _MissingValueError(Exception):
    """An array holds None."""


def _present(layout: Any, **_: Any) -> Any:
    if not layout.is_option:
        return None
    if np.any(layout.mask_as_bool(valid_when=False)):
        raise _MissingValueError
    return ak.transform(_present, layout.project(), highlevel=False)
