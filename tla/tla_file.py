"""Trigger-level events as they are recorded: trigger objects only, in a ROOT file, with the size of every part.

The content follows the ATLAS TLA and CMS scouting event records: jets above 20 GeV at their saved scales, ρ, pile-up,
Level-1 bits and the anomaly score; no detector data.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import awkward as ak
import correctionlib
import numpy as np
import uproot

from trigforge.calibration.corrections import apply_jes
from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.value import Value
from trigforge.weighted import BoolArray

TREE = "Events"
JETS = "TLAJet"
JET_FIELDS = ("pt", "eta", "phi", "mass", "area", "pt_raw", "pt_area")
JET_PT_MIN_GEV = 20.0
COMPRESSION = uproot.ZSTD(5)
CHUNK_EVENTS = 50_000


class Container(StrEnum):
    """How the events lie in the ROOT file."""

    TTREE = "TTree"
    RNTUPLE = "RNTuple"


class PartSize(Value):
    """Compressed bytes of one collection in a file."""

    name: str
    bytes: int


class TlaFileSize(Value):
    """Sizes on disk of a trigger-level file; `parts` and the container's own overhead add up to `file_bytes`."""

    container: Container
    events: int
    jets: int
    file_bytes: int
    parts: tuple[PartSize, ...]

    @property
    def overhead_bytes(self) -> int:
        """Bytes of headers and directories."""
        return self.file_bytes - sum(p.bytes for p in self.parts)

    def event_bytes(self, mean_jets: float) -> float:
        """Bytes per event of a sample with so many jets per event: jets scale with it, all else with events."""
        jet_bytes = next(p.bytes for p in self.parts if p.name == JETS)
        per_jet = jet_bytes / self.jets if self.jets else 0.0
        return (self.file_bytes - jet_bytes) / self.events + per_jet * mean_jets


def tla_jets(events: ak.Array, cset: correctionlib.CorrectionSet, pt_min_gev: float = JET_PT_MIN_GEV) -> ak.Array:
    """Calibrated trigger jets above `pt_min_gev`, hardest first, n events."""
    jets = apply_jes(cset, events["HLTJet"], events["rho"])
    jets = jets[jets["pt"] >= pt_min_gev]
    return jets[ak.argsort(jets["pt"], axis=1, ascending=False)]


def tla_content(
    events: ak.Array, jets: ak.Array, decisions: Mapping[str, BoolArray], scores: IntArray | None
) -> ak.Array:
    """The record of trigger-level events (n): `jets` of `tla_jets`, a bit per seed, float32 kinematics.

    `genWeight` is the simulation's; data have none.
    """
    columns = {JETS: ak.zip({f: ak.values_astype(jets[f], np.float32) for f in JET_FIELDS})}
    columns["rho"] = ak.values_astype(events["rho"], np.float32)
    if "nPU" in ak.fields(events):
        columns["nPU"] = ak.values_astype(events["nPU"], np.int16)
    columns |= {name: ak.Array(bits) for name, bits in decisions.items()}
    if scores is not None:
        columns["anomalyScore"] = ak.Array(scores.astype(np.int32))
    columns["genWeight"] = ak.values_astype(events["weight"], np.float32)
    return ak.zip(columns, depth_limit=1)


def write_tla(path: Path, content: ak.Array, container: Container = Container.TTREE) -> TlaFileSize:
    """Write trigger-level events and measure what they take on disk; the file is complete or not there."""
    if len(content) == 0:
        raise InputError("a trigger-level file must have at least one event, not 0; lower the thresholds of the stream")
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    try:
        _write(scratch, content, container)
        parts = _tree_parts(scratch) if container is Container.TTREE else _ntuple_parts(scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return TlaFileSize(
        container=container,
        events=len(content),
        jets=int(ak.sum(ak.num(content[JETS]))),
        file_bytes=path.stat().st_size,
        parts=tuple(PartSize(name=name, bytes=size) for name, size in parts.items()),
    )


def read_tla(path: Path) -> ak.Array:
    """Read a file that `write_tla` wrote, of either container, in the layout of `tla_content`."""
    if not path.is_file():
        raise InputError(f"trigger-level file {path} does not exist; 'trigforge tla' writes one")
    with uproot.open(path) as file:
        events = file[TREE].arrays()
    if JETS in ak.fields(events):
        return events
    plain = {f: events[f] for f in ak.fields(events) if not f.startswith(JETS) and f != f"n{JETS}"}
    jets = ak.zip({f: events[f"{JETS}_{f}"] for f in JET_FIELDS})
    return ak.zip({JETS: jets, **plain}, depth_limit=1)


def _write(path: Path, content: ak.Array, container: Container) -> None:
    chunks = [content[i : i + CHUNK_EVENTS] for i in range(0, len(content), CHUNK_EVENTS)]
    with uproot.recreate(path, compression=COMPRESSION) as file:
        if container is Container.RNTUPLE:
            store = file.mkrntuple(TREE, ak.to_packed(chunks[0]))
            chunks = chunks[1:]
        else:
            store = file.mktree(TREE, {f: ak.type(content[f]).content for f in ak.fields(content)})
        for chunk in chunks:
            packed = ak.to_packed(chunk)
            store.extend(packed if container is Container.RNTUPLE else {f: packed[f] for f in ak.fields(packed)})


def _tree_parts(path: Path) -> dict[str, int]:
    with uproot.open(path) as file:
        sizes = {name: int(branch.compressed_bytes) for name, branch in file[TREE].items()}
    return _grouped({_collection(name): 0 for name in sizes}, [(_collection(n), s) for n, s in sizes.items()])


def _ntuple_parts(path: Path) -> dict[str, int]:
    with uproot.open(path) as file:
        ntuple = file[TREE]
        records, columns = ntuple.field_records, ntuple.column_records
        pages = [
            (column.idx, sum(page.locator.num_bytes for page in pages.pages))
            for cluster in ntuple.page_link_list
            for column, pages in zip(columns, cluster, strict=True)
        ]
    owner = {}
    for column in columns:
        field = column.field_id
        while records[field].parent_field_id != field:
            field = records[field].parent_field_id
        owner[column.idx] = records[field].field_name
    return _grouped(dict.fromkeys(owner.values(), 0), [(owner[i], size) for i, size in pages])


def _collection(branch: str) -> str:
    return JETS if branch == f"n{JETS}" or branch.startswith(f"{JETS}_") else branch


def _grouped(empty: dict[str, int], sizes: list[tuple[str, int]]) -> dict[str, int]:
    """Sizes by collection; the Level-1 bits count as one."""
    total: dict[str, int] = {}
    for name, size in [*empty.items(), *sizes]:
        key = "L1" if name.startswith("L1_") else name
        total[key] = total.get(key, 0) + size
    return total
