"""The event schema shared by simulation, training, rates and streams, and its files.

Events are awkward records in NanoAOD naming, physical units (GeV, rad). Only `weight` is always there; every other
collection is present or absent as a whole:

| name | content |
|---|---|
| `weight` | expected crossings of this kind per crossing: Σ weight over a background sample is 1 |
| `L1MET` | one record `pt, eta, phi` |
| `L1EG`, `L1Mu`, `L1Jet` | lists, hardest first, of `pt, eta, phi` on the Level-1 grid |
| `HLTJet` | lists of `pt, eta, phi, mass, area`, trigger-level scale, pile-up not yet subtracted |
| `GenJet` | lists of `pt, eta, phi, mass`: particle-level truth |
| `rho` | median pt density of the event in GeV per unit area, at HLT |
| `nPU` | number of additional interactions in the crossing |
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import awkward as ak
import pyarrow.lib

from .errors import InputError

KINEMATICS: Final = ("pt", "eta", "phi")
COLLECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "L1MET": KINEMATICS,
    "L1EG": KINEMATICS,
    "L1Mu": KINEMATICS,
    "L1Jet": KINEMATICS,
    "HLTJet": (*KINEMATICS, "mass", "area"),
    "GenJet": (*KINEMATICS, "mass"),
}


def check_events(events: ak.Array, where: str) -> ak.Array:
    """`events` unchanged if they follow the schema, else `InputError` naming `where` and the offending column."""
    names = ak.fields(events)
    if "weight" not in names:
        raise InputError(f"{where} must have the column 'weight'; it has {', '.join(names) or 'no columns'}")
    for name, fields in COLLECTIONS.items():
        if name in names:
            missing = [f for f in fields if f not in ak.fields(events[name])]
            if missing:
                raise InputError(
                    f"{where}: collection {name} must have {', '.join(fields)}; missing {', '.join(missing)}"
                )
    return events


def write_events(path: Path, events: ak.Array) -> None:
    """Write events as Parquet; the file is complete or not there."""
    check_events(events, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    try:
        ak.to_parquet(events, str(scratch), compression="zstd")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def read_events(path: Path) -> ak.Array:
    """Read events from a Parquet file that `write_events` wrote."""
    if not path.is_file():
        raise InputError(f"event file {path} does not exist; 'trigforge generate' writes one")
    try:
        events = ak.from_parquet(str(path))
    except (pyarrow.lib.ArrowInvalid, ValueError, OSError) as error:
        raise InputError(f"event file {path} must be Parquet: {str(error).splitlines()[0]}") from None
    return check_events(events, str(path))
