"""Reader of the public top-tagging files (arXiv:1902.09914), pandas tables in HDF5, without pandas."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.events.hdf5 import find_dataset, open_hdf5, read_rows
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

KEY: Final = "table/table"
"""Where pandas puts the rows of `DataFrame.to_hdf(key="table", format="table")`."""
MOMENTUM: Final = ("E", "PX", "PY", "PZ")
LABEL: Final = "is_signal_new"
TRUTH: Final = "truth"
LAYOUT: Final = (
    f"a pandas HDF5 table 'table' (format='table') of E_i, PX_i, PY_i, PZ_i in GeV, i from 0, and {LABEL} (0 or 1)"
)

STRINGS: Final = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"})
"""Pickle operations that put a string on the stack."""

Place = tuple[str, int | None]


def iterate_top_tagging(
    path: Path, chunk: int = CHUNK_JETS, start: int = 0, stop: int | None = None
) -> Iterator[ak.Array]:
    """Labelled jets `start` to `stop` of a top-tagging file, at most `chunk` at a time.

    `label` is `is_signal_new` (place in `TOP_CLASSES`), `weight` 1, `pdgId` 0. A constituent of energy 0 is padding;
    `FatJet` is the sum of the constituents, `Parton` the top quark of a signal jet, all 0 without one. Compressed files
    are read if HDF5 has the filter: zlib always, Blosc with the package `hdf5plugin`. Raises `InputError` for another
    layout, and for values that are not finite or not in GeV.
    """
    source = Source(path, LAYOUT)
    with open_hdf5(source) as file:
        data = find_dataset(source, file, KEY)
        places = _places(source, data)
        slots = _slots(source, places)
        for first, last in spans(source, len(data), chunk, start, stop):
            rows = read_rows(source, data, first, last)
            for field in rows.dtype.names or ():
                check_finite(source, f"key {KEY!r} {field}", rows[field], first)
            yield _jets(source, places, slots, rows, first)


def _places(source: Source, data: Any) -> dict[str, Place]:
    """Field and position of every column: pandas keeps those of one type as a block, their names in an attribute."""
    places: dict[str, Place] = {}
    for field in data.dtype.names or ():
        kind, shape = data.attrs.get(f"{field}_kind"), data.dtype[field].shape
        if kind is None or not shape:
            places[field] = (field, None)
            continue
        names = _pickled_names(source, field, bytes(kind))
        if len(names) != shape[0]:
            raise source.error(f"key {KEY!r} {field} must name its {shape[0]} columns, not {len(names)}")
        places |= {name: (field, i) for i, name in enumerate(names)}
    return places


def _pickled_names(source: Source, field: str, raw: bytes) -> list[str]:
    """The strings of a pickled list, read from its operations: nothing in the file is executed."""
    with source.decoding(f"key {KEY!r} attribute {field}_kind"):
        return [str(argument) for kind, argument, _ in pickletools.genops(raw) if kind.name in STRINGS]


def _slots(source: Source, places: dict[str, Place]) -> int:
    """Number of constituents that the columns hold."""
    missing = [name for name in (*(f"{q}_0" for q in MOMENTUM), LABEL) if name not in places]
    if missing:
        raise source.error(f"key {KEY!r} must have the columns {', '.join(missing)}")
    slots = 1
    while all(f"{q}_{slots}" in places for q in MOMENTUM):
        slots += 1
    return slots


def _column(rows: npt.NDArray[Any], place: Place) -> Floats:
    field, position = place
    return np.asarray(rows[field] if position is None else rows[field][:, position])


def _momenta(rows: npt.NDArray[Any], places: dict[str, Place], slots: int) -> list[Floats]:
    """E, px, py and pz of shape (n, slots)."""
    stacked: list[Floats] = []
    for quantity in MOMENTUM:
        columns = [_column(rows, places[f"{quantity}_{i}"]) for i in range(slots)]
        stacked.append(np.stack(columns, axis=1).astype(np.float64))
    return stacked


def _jets(source: Source, places: dict[str, Place], slots: int, rows: npt.NDArray[Any], first: int) -> ak.Array:
    momenta = _momenta(rows, places, slots)
    keep = momenta[0] > 0
    energy, px, py, pz = (np.where(keep, values, 0.0) for values in momenta)
    columns = {**_directions(px, py, pz), "energy": energy, "pdgId": np.zeros(keep.shape, dtype=np.int32)}
    jet = _four_vector(*(values.sum(axis=1) for values in (energy, px, py, pz)))
    check_jets_in_gev(source, f"key {KEY!r}: sum of constituents", jet["pt"])
    label = _column(rows, places[LABEL])
    if not np.isin(label, (0, 1)).all():
        raise source.error(f"{LABEL} must be 0 or 1, not {label[~np.isin(label, (0, 1))][0]}")
    found: dict[str, Any] = {
        "weight": np.ones(len(rows), dtype=np.float32),
        "label": label.astype(np.int8),
        "FatJet": objects(source, f"key {KEY!r}: sum of constituents", jet, first),
        "Constituent": objects(source, f"key {KEY!r}: constituent", padded_lists(columns, keep), first),
    }
    truth = [f"{TRUTH}{quantity}" for quantity in MOMENTUM]
    if all(name in places for name in truth):
        parton = _four_vector(*(_column(rows, places[name]).astype(np.float64) for name in truth))
        found["Parton"] = objects(source, f"key {KEY!r}: {TRUTH}", parton, first)
    return events_from(found)


def _directions(px: Floats, py: Floats, pz: Floats) -> dict[str, Floats]:
    pt = np.hypot(px, py)
    along = np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0)
    return {"pt": pt, "eta": np.arcsinh(along), "phi": np.arctan2(py, px)}


def _four_vector(energy: Floats, px: Floats, py: Floats, pz: Floats) -> dict[str, Floats]:
    mass = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0))
    return {**_directions(px, py, pz), "mass": mass}
