"""Reader of the jets of ATLAS DAOD_PHYSLITE files, TTree or RNTuple."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np

from trigforge.events.reading import CHUNK, Source, check_jets_in_gev, events_from, objects, spans
from trigforge.events.root import Tree, open_tree, weights_of

TREES: Final = ("CollectionTree", "EventData")
LAYOUT: Final = (
    "ATLAS PHYSLITE: tree 'CollectionTree' or RNTuple 'EventData' with AnalysisJetsAuxDyn.pt (MeV), eta, phi, m and "
    "ActiveArea4vec_pt"
)
JETS: Final = "AnalysisJets"
TRUTH_JETS: Final = "AntiKt4TruthDressedWZJets"
MEV_PER_GEV: Final = 1000.0
HARD_SCATTER: Final = 1
PILE_UP: Final = 3
"""xAOD vertex types of reconstructed primary vertices; 0 is the dummy at the end of the list."""


class JetScale(StrEnum):
    """The energy scale of offline jets."""

    CONSTITUENT = "constituent"
    CALIBRATED = "calibrated"


MOMENTA: Final = {
    JetScale.CONSTITUENT: {name: f"JetConstitScaleMomentum_{name}" for name in ("pt", "eta", "phi", "m")},
    JetScale.CALIBRATED: {name: name for name in ("pt", "eta", "phi", "m")},
}


def iterate_physlite(
    path: Path,
    chunk: int = CHUNK,
    start: int = 0,
    stop: int | None = None,
    *,
    scale: JetScale = JetScale.CONSTITUENT,
) -> Iterator[ak.Array]:
    """Events `start` to `stop` of a PHYSLITE file, at most `chunk` at a time: `Jet`, and `GenJet` in simulation.

    MeV become GeV. `Jet` is at the constituent scale, pile-up not yet subtracted, as the schema says; with
    `JetScale.CALIBRATED` it is the calibrated jet. `rhoOffline` is the event's density, `nPU` the number of
    interactions of the crossing (its mean in data), `nPV` the reconstructed vertices, `weight` the first generator
    weight over its sum in the file, or 1 / N. Trigger decisions are coded words and are not read. Raises `InputError`
    for another layout and for values that are not finite or not in MeV.
    """
    source = Source(path, LAYOUT)
    with open_tree(source, TREES) as tree:
        tree.need(*_names(JETS, "pt"))
        weights = weights_of(tree, tree.find(*_names("EventInfo", "mcEventWeights")))
        for first, last in spans(source, tree.entries, chunk, start, stop):
            columns: dict[str, Any] = {"weight": weights.read(first, last)}
            columns["Jet"] = _jets(tree, JETS, MOMENTA[scale], first, last, area="ActiveArea4vec_pt")
            if tree.find(*_names(TRUTH_JETS, "pt")):
                columns["GenJet"] = _jets(tree, TRUTH_JETS, MOMENTA[JetScale.CALIBRATED], first, last)
            yield events_from(columns | _event_columns(tree, first, last))


def _names(container: str, field: str) -> tuple[str, ...]:
    """The names of a container's field: dynamic or static, of a TTree (`.`) or an RNTuple (`:`)."""
    return (
        f"{container}AuxDyn.{field}",
        f"{container}Aux.{field}",
        f"{container}AuxDyn:{field}",
        f"{container}Aux:.{field}",
    )


def _jets(
    tree: Tree, container: str, momenta: dict[str, str], first: int, last: int, area: str | None = None
) -> ak.Array:
    columns = {}
    for name, field in momenta.items():
        values = tree.read(tree.need(*_names(container, field)), first, last)
        columns["mass" if name == "m" else name] = values / MEV_PER_GEV if name in ("pt", "m") else values
    if area is not None:
        columns["area"] = tree.read(tree.need(*_names(container, area)), first, last)
    jets = objects(tree.source, f"{container} (MeV / 1000)", columns, first)
    check_jets_in_gev(tree.source, f"{container} (MeV / 1000) pt", jets["pt"])
    return jets


def _event_columns(tree: Tree, first: int, last: int) -> dict[str, ak.Array]:
    columns = {}
    density = tree.find(*_names("Kt4EMPFlowEventShape", "Density"))
    if density is not None:
        columns["rhoOffline"] = ak.values_astype(tree.read(density, first, last) / MEV_PER_GEV, np.float32)
    interactions = tree.find(*_names("EventInfo", "actualInteractionsPerCrossing"))
    if interactions is not None:
        columns["nPU"] = ak.values_astype(tree.read(interactions, first, last), np.float32)
    kinds = tree.find(*_names("PrimaryVertices", "vertexType"))
    if kinds is not None:
        kind = tree.read(kinds, first, last)
        columns["nPV"] = ak.values_astype(ak.sum((kind == HARD_SCATTER) | (kind == PILE_UP), axis=1), np.int32)
    return columns
