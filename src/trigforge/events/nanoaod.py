"""Reader of CMS NanoAOD and ScoutingNano files, TTree or RNTuple."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np

from trigforge.events.nanoaod_level1 import level1_columns
from trigforge.events.reading import CHUNK, Source, check_jets_in_gev, events_from, objects, spans
from trigforge.events.root import Tree, open_tree, weights_of
from trigforge.events.schema import TRIGGER_BITS

TREES: Final = ("Events",)
LAYOUT: Final = (
    "CMS NanoAOD: tree or RNTuple 'Events' with branches such as Jet_pt, GenJet_pt, ScoutingPFJet_pt, L1EG_pt"
)
ONLINE: Final = ("ScoutingPFJetRecluster", "ScoutingJet", "ScoutingPFJet")
"""Trigger-level jets, best first; that the first two come without the corrections of the trigger is assumed."""
FIELDS: Final = {"pt": ("pt",), "eta": ("eta",), "phi": ("phi",), "mass": ("mass", "m")}
AREA: Final = ("area", "jetArea")
SCALARS: Final = {
    "rho": ("ScoutingRho", "ScoutingRho_fixedGridRhoFastjetAll"),
    "rhoOffline": ("Rho_fixedGridRhoFastjetAll", "fixedGridRhoFastjetAll"),
    "nPU": ("Pileup_nPU",),
    "nPV": ("PV_npvs",),
}
VERTICES: Final = ("ScoutingPrimaryVertex",)


def iterate_nanoaod(
    path: Path,
    chunk: int = CHUNK,
    start: int = 0,
    stop: int | None = None,
    *,
    online: str | None = None,
    bits: tuple[str, ...] = TRIGGER_BITS,
) -> Iterator[ak.Array]:
    """Events `start` to `stop` of a NanoAOD or ScoutingNano file, at most `chunk` at a time.

    Whatever the file has of `L1MET`, `L1HT`, `L1EG`, `L1Mu`, `L1Jet` (of the crossing itself, on the Level-1 grid),
    `HLTJet`, `Jet`, `GenJet`, `rho`, `rhoOffline`, `nPU`, `nPV`, and every branch whose name begins with one of `bits`
    as a boolean column. `Jet` is uncorrected: pt and mass times 1 - rawFactor. `HLTJet` is the collection `online`, by
    default the first that the file has of `ONLINE`. `weight` is genWeight over its sum in the file, or 1 / N. Raises
    `InputError` for another layout, incomplete collections, and values that are not finite or not in GeV.
    """
    source = Source(path, LAYOUT)
    with open_tree(source, TREES) as tree:
        weights = weights_of(tree, tree.find("genWeight"))
        jets = {"HLTJet": _online(tree, online), "Jet": "Jet" if tree.field("Jet", "pt") else None}
        flags = sorted(name for name in tree.names if bits and name.startswith(bits))
        for first, last in spans(source, tree.entries, chunk, start, stop):
            columns: dict[str, Any] = {"weight": weights.read(first, last)}
            columns |= level1_columns(tree, first, last)
            columns |= _jet_columns(tree, jets, first, last)
            columns |= _scalar_columns(tree, first, last)
            if len(columns) == 1:
                raise source.error("at least one collection of jets or Level-1 objects must be there")
            yield events_from(columns | tree.read_flags(flags, first, last))


def _online(tree: Tree, online: str | None) -> str | None:
    if online is None:
        return next((name for name in ONLINE if tree.field(name, "pt")), None)
    if tree.field(online, "pt") is None:
        raise tree.source.error(f"branch {online}_pt must be there for the trigger-level jets {online!r}")
    return online


def _kinematics(tree: Tree, collection: str, first: int, last: int) -> dict[str, ak.Array]:
    columns = {}
    for name, fields in FIELDS.items():
        columns[name] = tree.read(tree.need_field(collection, *fields), first, last)
    return columns


def _jet_columns(tree: Tree, jets: dict[str, str | None], first: int, last: int) -> dict[str, ak.Array]:
    columns: dict[str, ak.Array] = {}
    places = None
    if tree.field("GenJet", "pt"):
        generated = _kinematics(tree, "GenJet", first, last)
        generated["place"] = ak.local_index(generated["pt"], axis=1)
        sorted_jets = objects(tree.source, "GenJet", generated, first)
        places = ak.argsort(sorted_jets["place"], axis=1)
        columns["GenJet"] = sorted_jets[list(FIELDS)]
    for name, collection in jets.items():
        if collection is not None:
            columns[name] = _reconstructed(tree, collection, places, first, last)
    for name, found in columns.items():
        check_jets_in_gev(tree.source, f"{jets.get(name) or name} pt", found["pt"])
    return columns


def _reconstructed(tree: Tree, collection: str, places: ak.Array | None, first: int, last: int) -> ak.Array:
    columns = _kinematics(tree, collection, first, last)
    columns["area"] = tree.read(tree.need_field(collection, *AREA), first, last)
    factor = tree.field(collection, "rawFactor")
    if factor is not None:
        scale = 1 - tree.read(factor, first, last)
        columns |= {"pt": columns["pt"] * scale, "mass": columns["mass"] * scale}
    index = tree.field(collection, "genJetIdx")
    if index is not None and places is not None:
        columns["genJetIdx"] = _matched(tree.read(index, first, last), places)
    return objects(tree.source, collection, columns, first)


def _matched(index: ak.Array, places: ak.Array) -> ak.Array:
    """Indices into the generator jets after their sorting; -1 for one that points nowhere."""
    nowhere = ak.num(places)
    padded = ak.concatenate([places, np.full((len(places), 1), -1)], axis=1)
    here = (index >= 0) & (index < nowhere)
    return ak.values_astype(padded[ak.where(here, index, nowhere)], np.int32)


def _scalar_columns(tree: Tree, first: int, last: int) -> dict[str, ak.Array]:
    columns = {}
    for name, branches in SCALARS.items():
        branch = tree.find(*branches)
        if branch is not None:
            kind = np.float32 if name.startswith("rho") else np.int32
            columns[name] = ak.values_astype(tree.read(branch, first, last), kind)
    if "nPV" not in columns:
        for vertices in VERTICES:
            valid = tree.field(vertices, "isValidVtx")
            if valid is not None:
                columns["nPV"] = ak.values_astype(ak.sum(tree.read(valid, first, last), axis=1), np.int32)
    return columns
