"""Level-1 objects of NanoAOD (`L1EG`, `L1Mu`, `L1Jet`, `L1EtSum`), moved back to the words that they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import awkward as ak
import numpy as np

from trigforge.events.reading import from_words, level1_phi, objects, on_grid
from trigforge.events.root import Tree
from trigforge.events.schema import CALO_GRID, MUON_GRID, Grid

SUMS: Final = "L1EtSum"
MET_TYPE: Final = 2
HT_TYPE: Final = 1
"""`etSumType` of the missing transverse energy without forward calorimeter and of the total HT of CMSSW's EtSum."""

PT_SLACK: Final = 0.01
"""Assumption: NanoAOD keeps Level-1 pt to this fraction of a step; more is no Level-1 quantity."""


@dataclass(frozen=True, slots=True)
class Objects:
    """A collection: its grid and the fields of its eta, phi and extra column, best first."""

    grid: Grid
    eta: tuple[str, ...]
    phi: tuple[str, ...]
    extra: str | None = None
    extra_field: str | None = None


COLLECTIONS: Final[Mapping[str, Objects]] = {
    "L1EG": Objects(CALO_GRID, ("eta",), ("phi",), "iso", "hwIso"),
    "L1Mu": Objects(MUON_GRID, ("etaAtVtx", "eta"), ("phiAtVtx", "phi"), "charge", "hwCharge"),
    "L1Jet": Objects(CALO_GRID, ("eta",), ("phi",)),
}


def level1_columns(tree: Tree, first: int, last: int) -> dict[str, ak.Array]:
    """The Level-1 collections that a file has, of the triggered crossing only (bx 0), on the Level-1 grid.

    Muons are those extrapolated to the vertex where the file has them, as the global trigger uses them; `iso` is 1 for
    any isolation, `charge` is 1 - 2 hwCharge.
    """
    found = {n: _collection(tree, n, o, first, last) for n, o in COLLECTIONS.items() if tree.field(n, "pt")}
    return found | (_sums(tree, first, last) if tree.field(SUMS, "pt") else {})


def _read(tree: Tree, collection: str, fields: tuple[str, ...], first: int, last: int) -> ak.Array:
    return tree.read(tree.need_field(collection, *fields), first, last)


def _collection(tree: Tree, name: str, layout: Objects, first: int, last: int) -> ak.Array:
    pt = _read(tree, name, ("pt",), first, last)
    columns = {"pt": _on_pt_grid(tree, f"{name}_pt", pt, layout.grid)}
    columns["eta"] = on_grid(_read(tree, name, layout.eta, first, last), layout.grid.eta)
    columns["phi"] = level1_phi(_read(tree, name, layout.phi, first, last), layout.grid)
    if layout.extra is not None and layout.extra_field is not None and tree.field(name, layout.extra_field):
        word = _read(tree, name, (layout.extra_field,), first, last)
        columns[layout.extra] = ak.values_astype(word > 0 if layout.extra == "iso" else 1 - 2 * word, np.int8)
    return objects(tree.source, name, _in_time(tree, name, columns, first, last), first, level1=True)


def _sums(tree: Tree, first: int, last: int) -> dict[str, ak.Array]:
    columns = {name: _read(tree, SUMS, (name,), first, last) for name in ("pt", "phi", "etSumType")}
    columns["pt"] = _on_pt_grid(tree, f"{SUMS}_pt", columns["pt"], CALO_GRID)
    sums = ak.zip(_in_time(tree, SUMS, columns, first, last))
    met, ht = (ak.firsts(sums[sums["etSumType"] == kind]) for kind in (MET_TYPE, HT_TYPE))
    pt = ak.fill_none(met["pt"], np.float32(0))
    phi = level1_phi(ak.fill_none(met["phi"], np.float32(0)), CALO_GRID)
    missing = {"pt": pt, "eta": ak.zeros_like(pt), "phi": phi}
    return {
        "L1MET": objects(tree.source, "L1EtSum (missing)", missing, first, level1=True),
        "L1HT": objects(tree.source, "L1EtSum (HT)", {"pt": ak.fill_none(ht["pt"], np.float32(0))}, first, level1=True),
    }


def _in_time(tree: Tree, name: str, columns: Mapping[str, ak.Array], first: int, last: int) -> dict[str, ak.Array]:
    branch = tree.field(name, "bx")
    if branch is None:
        return dict(columns)
    here = tree.read(branch, first, last) == 0
    return {field: values[here] for field, values in columns.items()}


def _on_pt_grid(tree: Tree, branch: str, pt: ak.Array, grid: Grid) -> ak.Array:
    words = np.rint(pt / grid.pt)
    off = ak.max(abs(pt / grid.pt - words), axis=None)
    if off is not None and off > PT_SLACK:
        raise tree.source.error(
            f"branch {branch} must be in Level-1 steps of {grid.pt:g} GeV; one is off by {off:.2g} steps"
        )
    return from_words(words, grid.pt)
