"""Reader of the ADC2021 ("40 MHz") anomaly-detection files, arXiv:2107.02157."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.events.hdf5 import find_dataset, open_hdf5, read_names, read_rows
from trigforge.events.reading import (
    CHUNK,
    Source,
    check_finite,
    equal_weights,
    events_from,
    objects,
    padded_lists,
    spans,
)

KEY: Final = "Particles"
NAMES_KEY: Final = "Particles_Names"
NAMES: Final = ["Pt", "Eta", "Phi", "Class"]
LAYOUT: Final = f"HDF5 key '{KEY}' of shape (N, 19, 4): Pt (GeV), Eta, Phi, Class; row 0 MET, 1-4 e/γ, 5-8 µ, 9-18 jets"


@dataclass(frozen=True, slots=True)
class Slots:
    """The rows of a collection and the number that marks its objects."""

    name: str
    rows: slice
    mark: int


MET: Final = Slots("L1MET", slice(0, 1), 1)
LISTS: Final = (
    Slots("L1EG", slice(1, 5), 2),
    Slots("L1Mu", slice(5, 9), 3),
    Slots("L1Jet", slice(9, 19), 4),
)


def iterate_adc2021(path: Path, chunk: int = CHUNK, start: int = 0, stop: int | None = None) -> Iterator[ak.Array]:
    """Events `start` to `stop` of an ADC2021 file, at most `chunk` at a time: `L1MET`, `L1EG`, `L1Mu`, `L1Jet`.

    The objects are Delphes': floats off the Level-1 grid, without isolation or charge. A slot whose pt is 0 is
    padding. Every event has the weight 1 / N of the file: the set was selected by a lepton above 23 GeV, so the sum
    of 1 stands for the selected crossings, not for all. Raises `InputError` for another layout, for values that are
    not finite, and for objects whose class does not fit their row.
    """
    source = Source(path, LAYOUT)
    with open_hdf5(source) as file:
        data = find_dataset(source, file, KEY, columns=(19, 4))
        if NAMES_KEY in file and (names := read_names(source, file, NAMES_KEY)) != NAMES:
            raise source.error(f"key {NAMES_KEY!r} must be {', '.join(NAMES)}, not {', '.join(names)}")
        for first, last in spans(source, len(data), chunk, start, stop):
            particles = read_rows(source, data, first, last)
            yield _events(source, particles, first, equal_weights(len(data), first, last))


def _events(source: Source, particles: npt.NDArray[Any], first: int, weights: npt.NDArray[Any]) -> ak.Array:
    check_finite(source, f"key {KEY!r}", particles, first)
    met = {name: particles[:, 0, i] for i, name in enumerate(("pt", "eta", "phi"))}
    columns = {"weight": weights, MET.name: objects(source, f"key {KEY!r} {MET.name}", met, first, level1=True)}
    for slots in LISTS:
        block = particles[:, slots.rows]
        keep = block[:, :, 0] != 0
        _check_class(source, slots, block[:, :, 3], keep, first)
        lists = padded_lists({name: block[:, :, i] for i, name in enumerate(("pt", "eta", "phi"))}, keep)
        columns[slots.name] = objects(source, f"key {KEY!r} {slots.name}", lists, first, level1=True)
    return events_from(columns)


def _check_class(
    source: Source, slots: Slots, marks: npt.NDArray[Any], keep: npt.NDArray[np.bool_], first: int
) -> None:
    wrong = keep & (marks != slots.mark)
    if wrong.any():
        event, slot = np.argwhere(wrong)[0]
        raise source.error(
            f"key {KEY!r} row {slots.rows.start + slot} of event {first + event} must have class {slots.mark} "
            f"({slots.name}), not {marks[event, slot]:g}"
        )
