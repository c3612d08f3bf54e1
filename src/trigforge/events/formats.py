"""The formats of event files that trigforge reads: told apart by content, read by one function, converted to ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import awkward as ak

from trigforge.errors import InputError
from trigforge.events import adc2021, jet_tagging, l1_parquet, nanoaod, physlite, top_tagging
from trigforge.events.adc2021 import iterate_adc2021
from trigforge.events.files import METADATA_KEY
from trigforge.events.hdf5 import open_hdf5
from trigforge.events.jet_tagging import iterate_jet_tagging
from trigforge.events.l1_parquet import iterate_l1_parquet
from trigforge.events.l1_parquet_files import is_folder_of_objects
from trigforge.events.nanoaod import iterate_nanoaod
from trigforge.events.physlite import iterate_physlite
from trigforge.events.reading import CHUNK, CHUNK_JETS, Source, present
from trigforge.events.root import open_tree
from trigforge.events.top_tagging import iterate_top_tagging


class Format(StrEnum):
    """The formats of other people's event files."""

    ADC2021 = "adc2021"
    JET_TAGGING = "jet-tagging"
    TOP_TAGGING = "top-tagging"
    NANOAOD = "nanoaod"
    PHYSLITE = "physlite"
    L1_PARQUET = "l1-parquet"


Reader = Callable[[Path, int, int, int | None], Iterator[ak.Array]]

READERS: Final[dict[Format, Reader]] = {
    Format.ADC2021: iterate_adc2021,
    Format.JET_TAGGING: iterate_jet_tagging,
    Format.TOP_TAGGING: iterate_top_tagging,
    Format.NANOAOD: iterate_nanoaod,
    Format.PHYSLITE: iterate_physlite,
    Format.L1_PARQUET: iterate_l1_parquet,
}
LAYOUTS: Final[dict[Format, str]] = {
    Format.ADC2021: adc2021.LAYOUT,
    Format.JET_TAGGING: jet_tagging.LAYOUT,
    Format.TOP_TAGGING: top_tagging.LAYOUT,
    Format.NANOAOD: nanoaod.LAYOUT,
    Format.PHYSLITE: physlite.LAYOUT,
    Format.L1_PARQUET: l1_parquet.LAYOUT,
}
LABELLED_JETS: Final = frozenset({Format.JET_TAGGING, Format.TOP_TAGGING})
"""Formats whose records are labelled jets (`trigforge.events.labelled`), not events."""

ANY: Final = "one of the formats " + ", ".join(Format)
HDF5_MARK: Final = b"\x89HDF"
ROOT_MARK: Final = b"root"
PARQUET_MARK: Final = b"PAR1"


def detect(path: Path) -> Format:
    """The format of a file, or of a folder of the Level-1 set, by its content; `InputError` for any other."""
    if path.is_dir():
        if is_folder_of_objects(path) or any(path.glob("*.parquet")):
            return _detect_parquet(path)
        raise InputError(f"{path} must be a file or a folder of Parquet files; expected {ANY}")
    with present(path).open("rb") as file:
        mark = file.read(4)
    if mark == HDF5_MARK:
        return _detect_hdf5(path)
    if mark == ROOT_MARK:
        return _detect_root(path)
    if mark == PARQUET_MARK:
        return _detect_parquet(path)
    raise InputError(f"{path} must be an HDF5, ROOT or Parquet file, but it begins with {mark!r}; expected {ANY}")


def iterate(
    path: Path, chunk: int | None = None, start: int = 0, stop: int | None = None, fmt: Format | None = None
) -> Iterator[ak.Array]:
    """Events or labelled jets `start` to `stop` of a file of any of the formats, at most `chunk` at a time."""
    found = detect(path) if fmt is None else fmt
    return READERS[found](path, chunk or default_chunk(found), start, stop)


def default_chunk(fmt: Format) -> int:
    """Events or jets held in memory at a time unless told otherwise."""
    return CHUNK_JETS if fmt in LABELLED_JETS else CHUNK


def _detect_hdf5(path: Path) -> Format:
    with open_hdf5(Source(path, ANY)) as file:
        keys = set(file.keys())
    marks = {adc2021.KEY: Format.ADC2021, jet_tagging.CONSTITUENTS: Format.JET_TAGGING, "table": Format.TOP_TAGGING}
    return _first(path, "HDF5 key", marks, keys)


def _detect_root(path: Path) -> Format:
    marks = {**dict.fromkeys(nanoaod.TREES, Format.NANOAOD), **dict.fromkeys(physlite.TREES, Format.PHYSLITE)}
    with open_tree(Source(path, ANY), tuple(marks)) as tree:
        return marks[tree.tree.name]


def _detect_parquet(path: Path) -> Format:
    import pyarrow.parquet as pq

    if is_folder_of_objects(path):
        return Format.L1_PARQUET
    file = min(path.glob("*.parquet")) if path.is_dir() else path
    with Source(path, ANY).decoding(f"file {file.name}"):
        schema = pq.read_schema(file)
    if METADATA_KEY in (schema.metadata or {}):
        raise InputError(f"{path} is an event file of trigforge already; trigforge.events.iterate_events reads it")
    return _first(path, "column", {"jets_jetIEt": Format.L1_PARQUET}, set(schema.names))


def _first(path: Path, kind: str, marks: dict[str, Format], found: set[str]) -> Format:
    for mark, fmt in marks.items():
        if mark in found:
            return fmt
    names = ", ".join(sorted(found)[:8]) or "nothing"
    raise InputError(f"{path}: {kind} {' or '.join(marks)} must be there; the file has {names}; expected {ANY}")
