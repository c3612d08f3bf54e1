"""Reader of the public CMS Level-1 anomaly-detection set (doi:10.5281/zenodo.21787779), Parquet of hardware words.

Its columns are those of the repository `bb511/adl1t_datamaker`, docs/README.md. They come in two layouts: one folder
an object with the same files in each (`muons/`, `jets/`, …, `seeds/`), and files of whole events whose columns carry
the object as prefix (`jets_jetIEt`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np

from trigforge import units
from trigforge.events.l1_parquet_files import find_shards, read_shard
from trigforge.events.reading import (
    CHUNK,
    Source,
    equal_weights,
    events_from,
    from_words,
    objects,
    spans,
)
from trigforge.events.schema import CALO_GRID, MUON_GRID, TRIGGER_BITS, Grid

LAYOUT: Final = (
    "Parquet of the CMS Level-1 anomaly-detection set: folders muons, jets, egammas, MET of words such as jetIEt, or "
    "files with columns such as jets_jetIEt"
)


@dataclass(frozen=True, slots=True)
class Words:
    """The columns of a collection of words: their folder, scales, the word of pt 0, and the largest |eta| word."""

    folder: str
    pt: str
    eta: str
    phi: str
    grid: Grid
    pt_max: int
    eta_max: int
    pt_offset: int = 0
    extra: str | None = None
    extra_column: str | None = None


LISTS: Final[Mapping[str, Words]] = {
    "L1EG": Words("egammas", "egIEt", "egIEta", "egIPhi", CALO_GRID, 511, 127, extra="iso", extra_column="egIso"),
    "L1Mu": Words(
        "muons",
        "muonIEt",
        "muonIEtaAtVtx",
        "muonIPhiAtVtx",
        MUON_GRID,
        511,
        255,
        pt_offset=1,
        extra="charge",
        extra_column="muonChg",
    ),
    "L1Jet": Words("jets", "jetIEt", "jetIEta", "jetIPhi", CALO_GRID, 2047, 127),
}
SUM_MAX: Final = 4095
PILE_UP: Final = "event_info_nPV_True"
SEEDS: Final = "seeds"


def iterate_l1_parquet(
    path: Path,
    chunk: int = CHUNK,
    start: int = 0,
    stop: int | None = None,
    *,
    bits: tuple[str, ...] = TRIGGER_BITS,
) -> Iterator[ak.Array]:
    """Events `start` to `stop` of a folder of objects, a file or a folder of files, at most `chunk` at a time.

    `L1MET`, `L1HT`, `L1EG`, `L1Mu`, `L1Jet` in physical units on the Level-1 grid, `nPU` if the pile-up is there, and
    the decisions of the trigger menu (`seeds`) that begin with one of `bits`. Muons are those extrapolated to the
    vertex; their pt is 0.5 GeV · (word - 1), as word 0 means that there is none. `weight` is 1 / N of all events below
    `path`.
    Raises `InputError` for another layout, for words that are no integers and for words outside their bits.
    """
    source = Source(path, LAYOUT)
    shards = find_shards(source, _needed(), (PILE_UP, *(f"{SEEDS}_{bit}" for bit in bits)))
    total = sum(shard.events for shard in shards)
    wanted = spans(source, total, max(total, 1), start, stop)
    low, high = wanted[0] if wanted else (0, 0)
    begin = 0
    for shard in shards:
        here = max(low - begin, 0), min(high - begin, shard.events)
        if here[0] < here[1]:
            for first, last in spans(source, shard.events, chunk, *here):
                columns = read_shard(source, shard, first, last)
                weights = equal_weights(total, begin + first, begin + last)
                yield _events(source, columns, weights, begin + first)
        begin += shard.events


def _needed() -> tuple[str, ...]:
    lists = (f"{w.folder}_{c}" for w in LISTS.values() for c in (w.pt, w.eta, w.phi, w.extra_column) if c)
    return (*lists, "MET_Et", "MET_phi", "HT_Et")


def _events(source: Source, columns: Mapping[str, ak.Array], weights: Any, first: int) -> ak.Array:
    met = {
        "pt": from_words(_sum(source, columns, "MET_Et", SUM_MAX), CALO_GRID.pt),
        "eta": np.zeros(len(weights), dtype=np.float32),
        "phi": from_words(_sum(source, columns, "MET_phi", units.CALO_PHI_STEPS - 1), CALO_GRID.phi),
    }
    ht = {"pt": from_words(_sum(source, columns, "HT_Et", SUM_MAX), CALO_GRID.pt)}
    found: dict[str, Any] = {
        "weight": weights,
        "L1MET": objects(source, "MET", met, first, level1=True),
        "L1HT": objects(source, "HT", ht, first, level1=True),
    }
    for name, words in LISTS.items():
        found[name] = objects(source, words.folder, _list(source, columns, words), first, level1=True)
    if PILE_UP in columns:
        found["nPU"] = ak.values_astype(_single(source, columns, PILE_UP), np.float32)
    prefix = f"{SEEDS}_"
    seeds = {n.removeprefix(prefix): _single(source, columns, n) for n in columns if n.startswith(prefix)}
    return events_from(found | {name: ak.values_astype(values, np.bool_) for name, values in seeds.items()})


def _list(source: Source, columns: Mapping[str, ak.Array], words: Words) -> dict[str, ak.Array]:
    steps = round(2 * np.pi / words.grid.phi)
    pt = _checked(source, columns, f"{words.folder}_{words.pt}", 0, words.pt_max)
    eta = _checked(source, columns, f"{words.folder}_{words.eta}", -words.eta_max, words.eta_max)
    phi = _checked(source, columns, f"{words.folder}_{words.phi}", 0, steps - 1)
    keep = pt >= words.pt_offset
    values = {
        "pt": from_words(pt[keep] - words.pt_offset, words.grid.pt),
        "eta": from_words(eta[keep], words.grid.eta),
        "phi": from_words(phi[keep], words.grid.phi),
    }
    if words.extra is not None:
        extra = columns[f"{words.folder}_{words.extra_column}"][keep]
        values[words.extra] = ak.values_astype(extra > 0 if words.extra == "iso" else extra, np.int8)
    return values


def _checked(source: Source, columns: Mapping[str, ak.Array], name: str, low: int, high: int) -> ak.Array:
    """Words of a column as int64, all inside their range."""
    values = columns[name]
    flat = ak.to_numpy(ak.flatten(values, axis=None))
    if flat.dtype.kind not in "iu" and len(flat):
        raise source.error(f"column {name} must hold integer words, not {flat.dtype}")
    if len(flat) and not low <= flat.min() <= flat.max() <= high:
        wrong = flat.max() if flat.max() > high else flat.min()
        raise source.error(f"column {name} must be in {low}..{high}, not {wrong}")
    return ak.values_astype(values, np.int64)


def _sum(source: Source, columns: Mapping[str, ak.Array], name: str, high: int) -> ak.Array:
    return _checked(source, {name: _single(source, columns, name)}, name, 0, high)


def _single(source: Source, columns: Mapping[str, ak.Array], name: str) -> ak.Array:
    """The one value an event of a column that keeps it as a list of one."""
    values = columns[name]
    if values.ndim == 1:
        return values
    if not ak.all(ak.num(values) == 1):
        raise source.error(f"column {name} must have one value for every event")
    return values[:, 0]
