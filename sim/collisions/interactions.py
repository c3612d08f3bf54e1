"""`Interactions`: many proton-proton interactions reduced to what a trigger sees of them, as flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interactions:
    """n interactions; the towers, muons, … of interaction i lie between `*_start[i]` and `*_start[i + 1]`.

    `tower` is the cell number in the grid of `detector`, `em` and `had` its transverse energies in GeV for a trigger,
    `neutral` that of what leaves no track for offline particle flow. Muons are true ones (the Level-1 efficiency and
    resolution are drawn anew in each crossing). Soft pile-up has no jets, which are particle-level, and no tracks:
    offline those of another vertex than the hardest are dropped (charged-hadron subtraction), and it is never that.
    `weight` is relative, `pt_hat` in GeV. `vertex` is whether a primary vertex is reconstructed; `scale`, the
    highest em + had of a tower or pt of a muon in GeV, says which interaction dominates a crossing.
    """

    weight: npt.NDArray[np.float64]
    pt_hat: FloatArray
    scale: FloatArray
    vertex: npt.NDArray[np.bool_]
    tower_start: Offsets
    tower: npt.NDArray[np.uint16]
    em: FloatArray
    had: FloatArray
    neutral: FloatArray
    muon_start: Offsets
    muon_pt: FloatArray
    muon_eta: FloatArray
    muon_phi: FloatArray
    muon_charge: npt.NDArray[np.int8]
    track_start: Offsets
    track_pt: FloatArray
    track_eta: FloatArray
    track_phi: FloatArray
    jet_start: Offsets
    jet_pt: FloatArray
    jet_eta: FloatArray
    jet_phi: FloatArray
    jet_mass: FloatArray

    def __len__(self) -> int:
        return len(self.weight)

    def save(self, folder: Path) -> None:
        """Write one `.npy` file an array into an existing folder."""
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))

    @classmethod
    def load(cls, folder: Path) -> Interactions:
        """Map the files that `save` wrote into memory, read-only, so that processes share them."""
        return cls(**{f.name: np.load(folder / f"{f.name}.npy", mmap_mode="r") for f in fields(cls)})


def concatenate(parts: Sequence[Interactions]) -> Interactions:
    """The interactions of all parts in order."""
    columns: dict[str, Any] = {}
    for field in fields(Interactions):
        arrays = [getattr(part, field.name) for part in parts]
        if field.name.endswith("_start"):
            ends = np.cumsum([0] + [array[-1] for array in arrays])
            arrays = [array[:-1] + end for array, end in zip(arrays, ends[:-1], strict=True)] + [ends[-1:]]
        columns[field.name] = np.concatenate(arrays)
    return Interactions(**columns)


def ragged_take(start: Offsets, index: npt.NDArray[Any]) -> tuple[Offsets, npt.NDArray[np.int64]]:
    """Positions of all elements of the lists `index` of a ragged array, list by list, and the length of each."""
    counts = start[index + 1] - start[index]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    within = np.arange(total) - np.repeat(ends - counts, counts)
    return np.repeat(start[index], counts) + within, counts
