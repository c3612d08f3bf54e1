"""Files of the public CMS Level-1 anomaly-detection set: its two layouts as one table of columns `object_column`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak

from trigforge.events.reading import Source, present
from trigforge.events.schema import without_options

SUFFIX: Final = "*.parquet"
OBJECTS: Final = ("muons", "jets", "egammas", "MET", "HT", "event_info", "seeds")
SEEDS: Final = "seeds"
REQUIRED: Final = ("muons", "jets", "egammas", "MET", "HT")


@dataclass(frozen=True, slots=True)
class Piece:
    """A Parquet file and its columns of interest, each by its public name `object_column`."""

    path: Path
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shard:
    """Files whose rows are the same `events`."""

    pieces: tuple[Piece, ...]
    events: int


def is_folder_of_objects(path: Path) -> bool:
    """Whether `path` holds one folder of Parquet files an object."""
    return path.is_dir() and all(any((path / name).glob(SUFFIX)) for name in ("muons", "jets"))


def find_shards(source: Source, needed: Sequence[str], optional: Sequence[str]) -> list[Shard]:
    """The shards below the path of `source`; `InputError` if one lacks a needed column or its files do not match.

    `needed` are full names `object_column`; columns whose names begin with one of `optional` are taken where they are.
    """
    if is_folder_of_objects(source.path):
        return _object_folders(source, needed, optional)
    files = sorted(source.path.glob(SUFFIX)) if source.path.is_dir() else [present(source.path)]
    if not files:
        raise source.error(f"must hold {SUFFIX} files or the folders {', '.join(REQUIRED)}")
    shards = []
    for file in files:
        twin = file.parent / SEEDS / file.name
        pieces = [(file, "")] + ([(twin, f"{SEEDS}_")] if twin.is_file() else [])
        shards.append(_shard(source, pieces, needed, optional))
    return shards


def read_shard(source: Source, shard: Shard, first: int, last: int) -> dict[str, ak.Array]:
    """Rows `first` to `last` of all columns of a shard, none of them missing."""
    found: dict[str, ak.Array] = {}
    for piece in shard.pieces:
        with source.decoding(f"file {piece.path.relative_to(source.path.parent)}"):
            rows = ak.from_arrow(_rows(piece, first, last))
        plain = without_options(rows, str(piece.path))
        found |= {name: plain[column] for name, column in piece.columns.items()}
    return found


def _object_folders(source: Source, needed: Sequence[str], optional: Sequence[str]) -> list[Shard]:
    folders = [name for name in OBJECTS if any((source.path / name).glob(SUFFIX))]
    absent = [name for name in REQUIRED if name not in folders]
    if absent:
        raise source.error(f"folder {', '.join(absent)} must be there")
    names = {folder: sorted(f.name for f in (source.path / folder).glob(SUFFIX)) for folder in folders}
    reference = names[folders[0]]
    for folder, found in names.items():
        if found != reference:
            raise source.error(f"folder {folder} must have the files of folder {folders[0]}, not others")
    return [
        _shard(source, [(source.path / folder / name, f"{folder}_") for folder in folders], needed, optional)
        for name in reference
    ]


def _shard(source: Source, files: list[tuple[Path, str]], needed: Sequence[str], optional: Sequence[str]) -> Shard:
    pieces, rows = [], {}
    for path, prefix in files:
        with source.decoding(f"file {path.relative_to(source.path.parent)}"), _open(path) as file:
            names, rows[path] = file.schema_arrow.names, file.metadata.num_rows
        public = {f"{prefix}{name}": name for name in names}
        wanted = {n: c for n, c in public.items() if n in needed or n.startswith(tuple(optional))}
        pieces.append(Piece(path, wanted))
    have = {name for piece in pieces for name in piece.columns}
    missing = [name for name in needed if name not in have]
    if missing:
        raise source.error(f"column {', '.join(missing)} must be there")
    if len(set(rows.values())) != 1:
        counts = ", ".join(f"{path.parent.name}/{path.name} {n}" for path, n in rows.items())
        raise source.error(f"the files of one shard must have as many rows, not {counts}")
    return Shard(tuple(piece for piece in pieces if piece.columns), next(iter(rows.values())))


def _rows(piece: Piece, first: int, last: int) -> Any:
    """Rows `first` to `last` of a file, read from the row groups that hold them."""
    import pyarrow as pa

    with _open(piece.path) as file:
        tables, begin = [], 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            low, high = max(first - begin, 0), min(last - begin, rows)
            if low < high:
                table = file.read_row_group(group, columns=sorted(piece.columns.values()))
                tables.append(table.slice(low, high - low))
            begin += rows
        return pa.concat_tables(tables)


def _open(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path)
