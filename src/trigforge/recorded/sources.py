"""Files of events as ranges of columns: Parquet, or a TTree or RNTuple of a ROOT file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import pyarrow.lib
import pyarrow.parquet as pq

from trigforge.contract import Collection
from trigforge.errors import InputError
from trigforge.events.files import PART, Chunk, read_chunk
from trigforge.events.reading import Source
from trigforge.events.root import Tree, open_tree

LAYOUT: Final = "events with inputs and recorded scores"
USUAL_TREE: Final = "Events"
ROOT_MAGIC: Final = b"root"


class EventSource(ABC):
    """An open file: its number of events, the names of its columns, and its events in order."""

    events: int
    names: frozenset[str]
    bits: frozenset[str]
    """Columns of Booleans, or of lists of them."""

    @abstractmethod
    def has(self, collection: Collection) -> bool:
        """Whether a collection with its fields is there."""

    @abstractmethod
    def ranges(
        self, columns: Sequence[str], collections: Sequence[Collection], size: int
    ) -> Iterator[dict[str, ak.Array]]:
        """Columns and collections of at most `size` consecutive events, one array a name."""


@contextmanager
def open_events(path: Path, tree: str | None) -> Iterator[EventSource]:
    """Open a Parquet file, a folder of its parts, or a ROOT file; `InputError` says what is wrong with it."""
    if _is_root(path):
        with open_tree(Source(path, LAYOUT), (tree,) if tree else _trees(path)) as opened:
            yield RootEvents(opened)
    elif tree:
        raise InputError(f"{path} must be a ROOT file to have a --tree, but it is none")
    else:
        yield ParquetEvents.open(path)


@dataclass(frozen=True)
class RootEvents(EventSource):
    """A TTree or an RNTuple; collections are branches `<collection>_<field>`, or records of an RNTuple."""

    tree: Tree

    @property
    def events(self) -> int:  # type: ignore[override]
        """Number of events."""
        return self.tree.entries

    @property
    def names(self) -> frozenset[str]:  # type: ignore[override]
        """Branches or fields."""
        return self.tree.names

    @property
    def bits(self) -> frozenset[str]:  # type: ignore[override]
        """Branches of Booleans."""
        keys = [key for key in self.names if key in self.tree.tree]
        return frozenset(key for key in keys if "bool" in str(self.tree.tree[key].typename))

    def has(self, collection: Collection) -> bool:
        """Whether the branches of all fields are there."""
        return all(self.tree.field(collection.name, f.name) for f in collection.fields)

    def ranges(
        self, columns: Sequence[str], collections: Sequence[Collection], size: int
    ) -> Iterator[dict[str, ak.Array]]:
        """Columns and collections of at most `size` consecutive events."""
        for first in range(0, self.events, size):
            last = min(first + size, self.events)
            found = {name: self._read(name, first, last) for name in columns}
            for c in collections:
                branches = {f.name: self.tree.need_field(c.name, f.name) for f in c.fields}
                found[c.name] = ak.zip({name: self.tree.read(b, first, last) for name, b in branches.items()})
            yield found

    def _read(self, name: str, first: int, last: int) -> ak.Array:
        """A branch as it is: what was recorded may be NaN."""
        with self.tree.source.decoding(f"branch {name}, events {first} to {last},"):
            return self.tree.tree[name].array(entry_start=first, entry_stop=last, library="ak")


@dataclass(frozen=True)
class ParquetEvents(EventSource):
    """Parquet files with the same columns; the Level-1 words that trigforge stores are scaled as it says in them."""

    files: tuple[Path, ...]
    groups: tuple[tuple[int, ...], ...]
    """Events of the row groups of each file."""
    columns: frozenset[str]
    fields: dict[str, frozenset[str]]
    booleans: frozenset[str]

    @classmethod
    def open(cls, path: Path) -> ParquetEvents:
        """Read what the files say about themselves."""
        parts = [path] if path.is_file() else sorted(path.glob(PART)) if path.is_dir() else []
        if not parts:
            what = f"holds no {PART}" if path.is_dir() else "does not exist"
            raise InputError(f"event file {path} {what}")
        groups, columns, bits = [], [], set()
        for part in parts:
            with _parquet(part) as file:
                schema = file.schema_arrow
                groups.append(tuple(file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)))
                bits |= {name for name in schema.names if pyarrow.types.is_boolean(_inner(schema.field(name).type))}
                columns.append({name: _subfields(schema.field(name).type) for name in schema.names})
        shared = {n: fields for n, fields in columns[0].items() if all(c.get(n) == fields for c in columns)}
        return cls(tuple(parts), tuple(groups), frozenset(shared), shared, frozenset(bits))

    @property
    def events(self) -> int:  # type: ignore[override]
        """Number of events in all files."""
        return sum(sum(rows) for rows in self.groups)

    @property
    def names(self) -> frozenset[str]:  # type: ignore[override]
        """Columns that all files have."""
        return self.columns

    @property
    def bits(self) -> frozenset[str]:  # type: ignore[override]
        """Columns of Booleans."""
        return self.booleans

    def has(self, collection: Collection) -> bool:
        """Whether the column is there and has all fields."""
        return {f.name for f in collection.fields} <= self.fields.get(collection.name, frozenset())

    def ranges(
        self, columns: Sequence[str], collections: Sequence[Collection], size: int
    ) -> Iterator[dict[str, ak.Array]]:
        """Columns and collections of at most `size` consecutive events; a row group is in memory at a time."""
        objects = [c.name for c in collections]
        scaled = "weight" in self.columns
        plain = [*columns, *([] if scaled else objects)]
        for path, groups in zip(self.files, self.groups, strict=True):
            for group, rows in enumerate(groups):
                found = _row_group(path, group, plain) if plain else {}
                if scaled and objects:
                    events = read_chunk(Chunk(path, group), objects)
                    found |= {name: events[name] for name in objects}
                for first in range(0, rows, size):
                    yield {name: values[first : first + size] for name, values in found.items()}


def _row_group(path: Path, group: int, columns: list[str]) -> dict[str, ak.Array]:
    with _parquet(path) as file:
        try:
            table = file.read_row_group(group, columns=columns)
        except (pyarrow.lib.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"event file {path} must be whole, but row group {group} is not: {reason}") from None
    events = ak.from_arrow(table)
    return {name: events[name] for name in columns}


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except (pyarrow.lib.ArrowInvalid, OSError) as error:
        raise InputError(f"event file {path} must be Parquet or ROOT: {str(error).splitlines()[0]}") from None
    with file:
        yield file


def _subfields(kind: Any) -> frozenset[str]:
    """The fields of a column of records or of lists of records."""
    kind = _inner(kind)
    if not pyarrow.types.is_struct(kind):
        return frozenset()
    return frozenset(kind.field(i).name for i in range(kind.num_fields))


def _inner(kind: Any) -> Any:
    """The type of what a column of lists holds, or of the column."""
    lists = (pyarrow.types.is_list, pyarrow.types.is_large_list, pyarrow.types.is_fixed_size_list)
    while any(is_list(kind) for is_list in lists):
        kind = kind.value_type
    return kind


def _is_root(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(ROOT_MAGIC)) == ROOT_MAGIC


def _trees(path: Path) -> tuple[str, ...]:
    """The usual tree of a ROOT file, or the only one that it has."""
    import uproot

    source = Source(path, LAYOUT)
    with source.decoding("the ROOT file"), uproot.open(path) as file:
        kinds = file.classnames(recursive=False)
        trees = sorted({name.split(";")[0] for name, kind in kinds.items() if kind == "TTree" or "RNTuple" in kind})
    if USUAL_TREE not in trees and len(trees) > 1:
        raise source.error(f"tree must be named with --tree: the file has {', '.join(trees)}")
    return (USUAL_TREE, *trees)
