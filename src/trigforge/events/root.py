"""ROOT files for the readers: TTree and RNTuple alike, read range by range with one-line errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.events.reading import Floats, Source, check_finite, equal_weights, present

STEP: Final = 1_000_000
"""Entries of one branch read at a time while its sum is taken."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A TTree or an RNTuple and the names of its branches or fields."""

    source: Source
    tree: Any
    names: frozenset[str]

    @property
    def entries(self) -> int:
        """Number of events."""
        return int(self.tree.num_entries)

    def find(self, *candidates: str) -> str | None:
        """The first of the candidate branches that the tree has."""
        return next((name for name in candidates if name in self.names), None)

    def need(self, *candidates: str) -> str:
        """The first of the candidate branches that the tree has; `InputError` naming them without one."""
        name = self.find(*candidates)
        if name is None:
            raise self.source.error(f"branch {' or '.join(candidates)} must be there")
        return name

    def field(self, collection: str, *fields: str) -> str | None:
        """The branch of the first field that a collection has: `Jet_pt`, or `Jet.pt` of an RNTuple of records."""
        return self.find(*(f"{collection}{mark}{field}" for field in fields for mark in ("_", ".")))

    def need_field(self, collection: str, *fields: str) -> str:
        """The branch of the first field that a collection has; `InputError` naming it without one."""
        return self.need(*(f"{collection}{mark}{field}" for field in fields for mark in ("_", ".")))

    def read(self, name: str, first: int, last: int) -> ak.Array:
        """Entries `first` to `last` of a branch, all finite."""
        with self.source.decoding(f"branch {name}, events {first} to {last},"):
            values = self.tree[name].array(entry_start=first, entry_stop=last, library="ak")
        if len(values) != last - first:
            raise self.source.error(f"branch {name} must have {self.entries} entries; some after {first} are missing")
        check_finite(self.source, f"branch {name}", values, first)
        return values

    def read_flags(self, names: Sequence[str], first: int, last: int) -> dict[str, ak.Array]:
        """Boolean columns of the branches `names` that hold one value an event."""
        if not names:
            return {}
        with self.source.decoding(f"trigger decisions, events {first} to {last},"):
            columns = self.tree.arrays(list(names), entry_start=first, entry_stop=last, how=dict, library="ak")
        return {n: ak.values_astype(columns[n], np.bool_) for n in names if columns[n].ndim == 1}


@contextmanager
def open_tree(source: Source, names: Sequence[str]) -> Iterator[Tree]:
    """The first of the trees or RNTuples `names` of a ROOT file."""
    import uproot

    present(source.path)
    with source.decoding("the ROOT file"):
        file = uproot.open(source.path)
    with file:
        with source.decoding("the list of trees"):
            found = {key.split(";")[0] for key in file.keys(recursive=False)}
            name = next((n for n in names if n in found), None)
            tree = None if name is None else file[name]
        if tree is None:
            raise source.error(
                f"tree {' or '.join(names)} must be there; the file has {', '.join(sorted(found)) or 'nothing'}"
            )
        with source.decoding(f"tree {name}"):
            leaves = frozenset(key.rsplit("/", 1)[-1] for key in tree.keys(recursive=True))
        yield Tree(source, tree, leaves)


@dataclass(frozen=True, slots=True)
class Weights:
    """Event weights of a tree: those of a branch (its first value an event) over their sum, or all equal."""

    tree: Tree
    branch: str | None
    total: float

    def read(self, first: int, last: int) -> Floats:
        """Weights of events `first` to `last`; those of all events add up to 1."""
        if self.branch is None:
            return equal_weights(self.tree.entries, first, last)
        return _first_values(self.tree, self.branch, first, last) / self.total


def weights_of(tree: Tree, branch: str | None) -> Weights:
    """The weights of a tree whose generator weights are in `branch`, if it has any."""
    if branch is None:
        return Weights(tree, None, float(tree.entries))
    ranges = [(first, min(first + STEP, tree.entries)) for first in range(0, tree.entries, STEP)]
    total = float(sum(_first_values(tree, branch, first, last).sum() for first, last in ranges))
    if total <= 0:
        raise tree.source.error(f"branch {branch} must have a positive sum, not {total:g}")
    return Weights(tree, branch, total)


def _first_values(tree: Tree, branch: str, first: int, last: int) -> npt.NDArray[np.float64]:
    values = tree.read(branch, first, last)
    if values.ndim > 1:
        if ak.any(ak.num(values) == 0):
            raise tree.source.error(f"branch {branch} must hold at least one value for every event")
        values = values[:, 0]
    return np.asarray(ak.to_numpy(values), dtype=np.float64)
