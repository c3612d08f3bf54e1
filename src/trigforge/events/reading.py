"""What the readers of foreign files share: ranges of events, checked kinematics, one-line errors.

Every reader yields at most `chunk` events at a time, hardest objects first, φ in [0, 2π) for Level-1 collections and in
[-π, π) for all others, single precision. The weights of a whole file add up to 1, whatever part of it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge import units
from trigforge.errors import InputError, TrigforgeError
from trigforge.events.schema import Grid

CHUNK: Final = 50_000
"""Events that a reader holds in memory at a time unless told otherwise."""

CHUNK_JETS: Final = 10_000
"""Labelled jets that a reader holds in memory at a time unless told otherwise: one is some 10 kB in its file."""

PT_MAX_GEV: Final = units.SQRT_S_GEV / 2
ETA_MAX: Final = 20.0
JET_PT_MIN_GEV: Final = 1.0
"""Assumption: no collection of jets has its hardest member below this; one that does is not in GeV."""

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder being read and the layout that it must have, in one line."""

    path: Path
    layout: str

    def error(self, what: str) -> InputError:
        """The error that says in one line what is wrong, where, and what was expected."""
        return InputError(f"{self.path}: {what}; expected {self.layout}")

    @contextmanager
    def decoding(self, what: str) -> Iterator[None]:
        """Turn whatever a decoder raises on damaged bytes into an error that names `what`."""
        try:
            yield
        except TrigforgeError:
            raise
        except Exception as error:  # decoders raise anything on damaged bytes
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise self.error(f"{what} must be readable and whole: {lines[0]}") from None


def present(path: Path) -> Path:
    """`path` if it is a file that is not empty, else `InputError`."""
    if path.is_dir():
        raise InputError(f"{path} must be a file, not a folder")
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if path.stat().st_size == 0:
        raise InputError(f"{path} must hold data, but it is empty (0 bytes)")
    return path


def spans(source: Source, events: int, chunk: int, start: int, stop: int | None) -> list[tuple[int, int]]:
    """The ranges of at most `chunk` events that cover `start` to `stop` (all when `None`) of a file of `events`."""
    if events < 1:
        raise source.error("must hold at least one event, not 0")
    if chunk < 1:
        raise InputError(f"chunk must be at least 1 event, not {chunk!r}")
    end = events if stop is None else stop
    if not 0 <= start <= end <= events:
        raise InputError(f"{source.path}: the range {start}..{stop} must lie in its events 0..{events}")
    return [(first, min(first + chunk, end)) for first in range(start, end, chunk)]


def equal_weights(events: int, first: int, last: int) -> Floats:
    """The weights of events `first` to `last` of a file of `events` equally likely ones: 1 / `events` each."""
    return np.full(last - first, 1.0 / events)


def check_finite(source: Source, key: str, values: Any, first: int) -> None:
    """`InputError` that names the key and the first event of `values` with a NaN or an infinity."""
    flat = ak.to_numpy(ak.flatten(values, axis=None))
    finite = np.isfinite(flat)
    if finite.all():
        return
    good = ak.Array(np.isfinite(values))
    while good.ndim > 1:
        good = ak.all(good, axis=-1)
    event = first + int(np.argmin(ak.to_numpy(good)))
    raise source.error(f"{key} must be finite, not {flat[~finite][0]} (event {event})")


def objects(source: Source, key: str, columns: Mapping[str, Any], first: int, *, level1: bool = False) -> ak.Array:
    """Records or lists of `columns`, checked, hardest first, φ in the convention of the collection.

    `key` names them in errors. Values that are not finite or that no collision at the LHC makes (pt in MeV, φ in
    degrees) raise `InputError`.
    """
    for name, values in columns.items():
        check_finite(source, f"{key} {name}", values, first)
    _check_range(source, f"{key} pt", columns["pt"], 0.0, PT_MAX_GEV, "in GeV")
    if "eta" in columns:
        _check_range(source, f"{key} eta", columns["eta"], -ETA_MAX, ETA_MAX, "a pseudorapidity")
    if "phi" in columns:
        _check_range(source, f"{key} phi", columns["phi"], -2 * np.pi - 0.01, 2 * np.pi + 0.01, "in radians")
    turned = {n: wrap_phi(v, level1=level1) if n == "phi" else v for n, v in columns.items()}
    return hardest_first(ak.zip({name: _single(values) for name, values in turned.items()}))


def check_jets_in_gev(source: Source, key: str, pt: ak.Array) -> None:
    """`InputError` where the hardest of all jets is below 1 GeV: they are in TeV or were divided twice."""
    hardest = ak.max(pt, axis=None)
    if hardest is not None and hardest < JET_PT_MIN_GEV:
        raise source.error(f"{key} must be in GeV, but its hardest jet has {hardest:g}")


def wrap_phi(phi: Any, *, level1: bool) -> ak.Array:
    """Azimuth in single precision: in [0, 2π) as Level 1 counts it, else in [-π, π)."""
    turn, low = 2 * np.pi, 0.0 if level1 else -np.pi
    double = ak.values_astype(phi, np.float64)
    wrapped = ak.values_astype(double - turn * np.floor((double - low) / turn), np.float32)
    return ak.where(wrapped >= np.float32(low + turn), np.float32(low), wrapped)


def hardest_first(records: ak.Array) -> ak.Array:
    """Lists of records by falling `pt`, equal ones in their order; a single record an event stays as it is."""
    if records.ndim == 1:
        return records
    pt = records["pt"]
    if ak.all(pt[:, 1:] <= pt[:, :-1], axis=None):
        return records
    return records[ak.argsort(pt, axis=1, ascending=False, stable=True)]


def from_words(words: Any, lsb: float) -> ak.Array:
    """Physical values of Level-1 words, in single precision: the numbers that event files keep as words."""
    return ak.values_astype(ak.values_astype(words, np.float64) * lsb, np.float32)


def on_grid(values: Any, lsb: float) -> ak.Array:
    """`values` moved to the nearest Level-1 word."""
    return from_words(np.rint(ak.values_astype(values, np.float64) / lsb), lsb)


def level1_phi(phi: Any, grid: Grid) -> ak.Array:
    """Azimuth moved to the nearest word of `grid` in one turn counted from 0."""
    steps = round(2 * np.pi / grid.phi)
    return from_words(np.mod(np.rint(ak.values_astype(phi, np.float64) / grid.phi), steps), grid.phi)


def padded_lists(columns: Mapping[str, Floats], keep: npt.NDArray[np.bool_]) -> dict[str, ak.Array]:
    """Lists of the entries to `keep` of arrays of shape (n, slots)."""
    counts = keep.sum(axis=1)
    return {name: ak.unflatten(values[keep], counts) for name, values in columns.items()}


def events_from(columns: Mapping[str, Any]) -> ak.Array:
    """Events or labelled jets of the schema from their columns."""
    return ak.zip(dict(columns), depth_limit=1)


def _single(values: Any) -> ak.Array:
    array = ak.Array(values)
    kind = ak.to_numpy(ak.flatten(array, axis=None)).dtype.kind
    return ak.values_astype(array, np.float32) if kind == "f" else array


def _check_range(source: Source, key: str, values: Any, low: float, high: float, unit: str) -> None:
    smallest, largest = ak.min(values, axis=None), ak.max(values, axis=None)
    if smallest is not None and not low <= smallest <= largest <= high:
        wrong = largest if largest > high else smallest
        raise source.error(f"{key} must be {unit}, in {low:g}..{high:g}, not {wrong:g}")
