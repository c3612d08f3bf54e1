"""Reader of the public five-class jet-tagging files with constituents, doi:10.5281/zenodo.3602260."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.events.hdf5 import find_dataset, open_hdf5, read_names, read_rows
from trigforge.events.labelled import CLASSES, FEATURES
from trigforge.events.reading import (
    CHUNK_JETS,
    Floats,
    Source,
    check_finite,
    check_jets_in_gev,
    events_from,
    objects,
    padded_lists,
    spans,
)

JETS: Final = "jets"
CONSTITUENTS: Final = "jetConstituentList"
JET_NAMES: Final = "jetFeatureNames"
CONSTITUENT_NAMES: Final = "particleFeatureNames"
LAYOUT: Final = (
    f"HDF5 keys '{JETS}' (N, features) named by '{JET_NAMES}' and '{CONSTITUENTS}' (N, slots, values) named by "
    f"'{CONSTITUENT_NAMES}'"
)
LABELS: Final = tuple(f"j_{name}" for name in CLASSES)
JET: Final = {"pt": "j_pt", "eta": "j_eta", "mass": "j_mass"}
CONSTITUENT: Final = {"pt": "j1_pt", "eta": "j1_eta", "phi": "j1_phi", "energy": "j1_e"}
PDG_ID: Final = "j1_pdgid"


@dataclass(frozen=True, slots=True)
class Columns:
    """Places of the named columns of a dataset."""

    source: Source
    names_key: str
    places: dict[str, int]

    def of(self, block: npt.NDArray[Any], name: str) -> Floats:
        """The column `name` of a block of rows."""
        if name not in self.places:
            raise self.source.error(f"key {self.names_key!r} must have the name {name}")
        return np.asarray(block[..., self.places[name]])


def iterate_jet_tagging(
    path: Path, chunk: int = CHUNK_JETS, start: int = 0, stop: int | None = None
) -> Iterator[ak.Array]:
    """Labelled jets `start` to `stop` of a jet-tagging file, at most `chunk` at a time.

    `label` is the place of the class in `CLASSES`, `weight` 1. A constituent of pt 0 is padding; `pdgId` is 0 where the
    file has none. The azimuth of `FatJet`, which the set does not hold, is that of the sum of the constituents.
    `features` is there if the file names all of `FEATURES`. Raises `InputError` for another layout, for values that
    are not finite or not in GeV, and for a jet without exactly one label.
    """
    source = Source(path, LAYOUT)
    with open_hdf5(source) as file:
        jets = find_dataset(source, file, JETS, columns=(None,))
        constituents = find_dataset(source, file, CONSTITUENTS, columns=(None, None))
        if len(jets) != len(constituents):
            raise source.error(
                f"keys {JETS!r} and {CONSTITUENTS!r} must have as many jets, not {len(jets)} and {len(constituents)}"
            )
        jet_columns = _columns(source, file, JET_NAMES, jets.shape[-1])
        constituent_columns = _columns(source, file, CONSTITUENT_NAMES, constituents.shape[-1])
        for first, last in spans(source, len(jets), chunk, start, stop):
            jet_block = read_rows(source, jets, first, last)
            check_finite(source, f"key {JETS!r}", jet_block, first)
            constituent_block = read_rows(source, constituents, first, last)
            found = _constituents(source, constituent_columns, constituent_block, first)
            columns = {
                "weight": np.ones(last - first, dtype=np.float32),
                "label": _labels(source, jet_columns, jet_block, first),
                "FatJet": _fat_jets(source, jet_columns, jet_block, found, first),
            }
            yield events_from(columns | _features(jet_columns, jet_block) | {"Constituent": found})


def _columns(source: Source, file: Any, names_key: str, width: int) -> Columns:
    """The columns of a dataset of `width` columns; the public files name one constituent value more than they hold."""
    names = read_names(source, file, names_key)
    if len(names) < width:
        raise source.error(f"key {names_key!r} must name all {width} columns, not {len(names)}")
    return Columns(source, names_key, {name: i for i, name in enumerate(names[:width])})


def _labels(source: Source, columns: Columns, block: npt.NDArray[Any], first: int) -> npt.NDArray[np.int8]:
    marks = np.stack([columns.of(block, name) for name in LABELS], axis=1) == 1
    wrong = marks.sum(axis=1) != 1
    if wrong.any():
        jet = int(np.argmax(wrong))
        raise source.error(f"one of {', '.join(LABELS)} must be 1, not {marks[jet].sum()} of them (jet {first + jet})")
    return np.asarray(np.argmax(marks, axis=1), dtype=np.int8)


def _constituents(source: Source, columns: Columns, block: npt.NDArray[Any], first: int) -> ak.Array:
    values = {name: columns.of(block, column) for name, column in CONSTITUENT.items()}
    keep = values["pt"] != 0
    known = PDG_ID in columns.places
    values["pdgId"] = (columns.of(block, PDG_ID) if known else np.zeros(keep.shape)).astype(np.int32)
    return objects(source, f"key {CONSTITUENTS!r}", padded_lists(values, keep), first)


def _fat_jets(
    source: Source, columns: Columns, block: npt.NDArray[Any], constituents: ak.Array, first: int
) -> ak.Array:
    values: dict[str, Any] = {name: columns.of(block, column) for name, column in JET.items()}
    x, y = (ak.sum(constituents.pt * wave(constituents.phi), axis=1) for wave in (np.cos, np.sin))
    values["phi"] = np.arctan2(y, x)
    check_jets_in_gev(source, f"key {JETS!r} j_pt", values["pt"])
    return objects(source, f"key {JETS!r}", {name: values[name] for name in ("pt", "eta", "phi", "mass")}, first)


def _features(columns: Columns, block: npt.NDArray[Any]) -> dict[str, ak.Array]:
    if not any(f"j_{name}" in columns.places for name in FEATURES):
        return {}
    return {"features": ak.zip({name: columns.of(block, f"j_{name}").astype(np.float32) for name in FEATURES})}
