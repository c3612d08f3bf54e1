"""Event files: Parquet, one file or a folder of parts; Level-1 words as the integers that they are."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt
import pyarrow.lib
import pyarrow.parquet as pq

from trigforge.errors import InputError
from trigforge.events.schema import COLLECTIONS, Grid, check_collections, check_events, without_options

METADATA_KEY: Final = b"trigforge"
ROW_GROUP: Final = 50_000
"""Events of a row group: what a reader holds in memory at a time."""
REGIONS: Final = "L1Region"
PART: Final = "part-*.parquet"
WORD_MAX: Final = 32_767


def write_events(path: Path, events: ak.Array, metadata: Mapping[str, Any] | None = None) -> None:
    """Write events as one Parquet file; it is complete or not there.

    Level-1 collections on their grid are stored as 16-bit words, the grid in the metadata of the file; `metadata`
    (JSON) is kept beside it.
    """
    checked = without_options(check_events(events, str(path)), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    stored, grids = _to_words(checked)
    table = ak.to_arrow_table(ak.to_packed(stored), extensionarray=False)
    notes = json.dumps({"words": grids, "metadata": dict(metadata or {})})
    table = table.replace_schema_metadata({METADATA_KEY: notes.encode()})
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(
            table,
            scratch,
            row_group_size=ROW_GROUP,
            compression="zstd",
            compression_level=19,
            write_page_checksum=True,
            **_encodings(table),
        )
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The row group `group` of an event file."""

    file: Path
    group: int


def read_events(path: Path, columns: Sequence[str] | None = None) -> ak.Array:
    """All events of a file or of a folder of parts, or some `columns` of them."""
    chunks = list(iterate_events(path, columns))
    if any(ak.fields(c) != ak.fields(chunks[0]) for c in chunks):
        raise InputError(f"the parts in {path} must have the same columns; name those that all have")
    return ak.concatenate(chunks)


def iterate_events(path: Path, columns: Sequence[str] | None = None) -> Iterator[ak.Array]:
    """The events of a file or of a folder of parts row group by row group: `ROW_GROUP` of what `write_events` wrote."""
    for chunk in iterate_chunks(path):
        yield read_chunk(chunk, columns)


def iterate_chunks(path: Path) -> Iterator[Chunk]:
    """The row groups of a file or of a folder of parts, in order; a file without events has one."""
    for part in _parts(path):
        with _open(part) as file:
            groups = file.num_row_groups
        yield from (Chunk(part, group) for group in range(max(groups, 1)))


def read_chunk(chunk: Chunk, columns: Sequence[str] | None = None) -> ak.Array:
    """The events of a row group, or some `columns` of them."""
    path = chunk.file
    with _open(path) as file:
        known = file.schema_arrow.names
        wanted = known if columns is None else list(columns)
        missing = [c for c in ("weight", *wanted) if c not in known]
        if missing or not wanted:
            lacking = ", ".join(missing) or "at least one column to read"
            raise InputError(f"event file {path} must have {lacking}; it has {', '.join(known)}")
        grids = {name: Grid(**grid) for name, grid in _notes(file)["words"].items()}
        try:
            table = file.read_row_groups([chunk.group] if file.num_row_groups else [], columns=wanted)
        except (pyarrow.lib.ArrowInvalid, OSError) as error:
            raise InputError(
                f"event file {path} must be whole, but row group {chunk.group} is not: {str(error).splitlines()[0]}"
            ) from None
    stored = check_collections(without_options(ak.from_arrow(table), f"event file {path}"), f"event file {path}")
    return _from_words(stored, grids)


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata that `write_events` stored in a file, or in the first part of a folder."""
    with _open(_parts(path)[0]) as file:
        return dict(_notes(file)["metadata"])


def _encodings(table: Any) -> dict[str, Any]:
    """Regions are split by bytes, which zstd then codes in the bits that their spread needs; the rest is as usual."""
    if REGIONS not in table.column_names:
        return {}
    empty = io.BytesIO()
    pq.write_table(table.slice(0, 0), empty)
    schema = pq.ParquetFile(empty).schema
    leaves = [schema.column(place).path for place in range(len(schema))]
    regions = [leaf for leaf in leaves if leaf.split(".")[0] == REGIONS]
    return {
        "use_dictionary": [leaf for leaf in leaves if leaf not in regions],
        "column_encoding": dict.fromkeys(regions, "BYTE_STREAM_SPLIT"),
    }


def _parts(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    parts = sorted(path.glob(PART)) if path.is_dir() else []
    if not parts:
        what = f"holds no {PART}" if path.is_dir() else "does not exist"
        raise InputError(f"event file {path} {what}; 'trigforge generate' writes one")
    return parts


def _open(path: Path) -> Any:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pyarrow.lib.ArrowInvalid, OSError) as error:
        raise InputError(f"event file {path} must be Parquet: {str(error).splitlines()[0]}") from None


def _notes(file: Any) -> dict[str, Any]:
    raw = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
    return json.loads(raw) if raw else {"words": {}, "metadata": {}}


def _to_words(events: ak.Array) -> tuple[ak.Array, dict[str, dict[str, float]]]:
    columns, grids = {}, {}
    for name in ak.fields(events):
        grid = COLLECTIONS[name].grid if name in COLLECTIONS else None
        words = None if grid is None else _words(events[name], grid)
        columns[name] = events[name] if words is None else words
        if words is not None and grid is not None:
            grids[name] = asdict(grid)
    return ak.zip(columns, depth_limit=1), grids


def _words(objects: ak.Array, grid: Grid) -> ak.Array | None:
    """The objects with 16-bit words instead of values, or nothing if a value is not exactly on the grid."""
    columns = {name: objects[name] for name in ak.fields(objects)}
    for name, lsb in asdict(grid).items():
        if name not in columns:
            continue
        values = ak.to_numpy(ak.flatten(columns[name], axis=None))
        words = np.rint(values / lsb)
        if np.any(np.abs(words) > WORD_MAX) or np.any(_value(words, lsb) != values):
            return None
        columns[name] = ak.values_astype(np.rint(columns[name] / lsb), np.int16)
    return ak.zip(columns)


def _from_words(stored: ak.Array, grids: Mapping[str, Grid]) -> ak.Array:
    columns = {name: stored[name] for name in ak.fields(stored)}
    for name in columns.keys() & grids.keys():
        lsbs = asdict(grids[name])
        objects = columns[name]
        fields = {f: _on_grid(objects[f], lsbs[f]) if f in lsbs else objects[f] for f in ak.fields(objects)}
        columns[name] = ak.zip(fields)
    return ak.zip(columns, depth_limit=1)


def _on_grid(words: ak.Array, lsb: float) -> ak.Array:
    """Physical values of jagged words."""

    def step(layout: Any, **_: Any) -> Any:
        return ak.contents.NumpyArray(_value(layout.data, lsb)) if layout.is_numpy else None

    return ak.transform(step, words)


def _value(words: npt.NDArray[Any], lsb: float) -> npt.NDArray[np.float32]:
    """Physical values of words: the product in double precision, rounded to single precision."""
    values = np.empty(words.shape, dtype=np.float32)
    np.multiply(words, lsb, out=values, dtype=np.float64, casting="same_kind")
    return values
