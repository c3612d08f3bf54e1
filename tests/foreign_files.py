"""Small files in the layouts of other people's event files, for the tests of the readers."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import numpy.typing as npt
import uproot

from trigforge.events.labelled import FEATURES

CLASS_OF_ROW = np.array([1, *[2] * 4, *[3] * 4, *[4] * 10])
CONSTITUENT_NAMES = [
    "px",
    "py",
    "pz",
    "e",
    "erel",
    "pt",
    "ptrel",
    "eta",
    "etarel",
    "etarot",
    "phi",
    "phirel",
    "phirot",
    "deltaR",
    "costheta",
    "costhetarel",
    "pdgid",
]


def adc_particles(n: int, seed: int = 1) -> npt.NDArray[np.float64]:
    """ADC2021 events (n, 19, 4): falling pt in each collection, padded with zeros."""
    rng = np.random.default_rng(seed)
    particles = np.zeros((n, 19, 4))
    for rows in (slice(0, 1), slice(1, 5), slice(5, 9), slice(9, 19)):
        width = rows.stop - rows.start
        count = rng.integers(0 if width > 1 else 1, width + 1, n)
        here = np.arange(width) < count[:, None]
        pt = -np.sort(-rng.exponential(30.0, (n, width)) - 3.0, axis=1)
        eta = rng.uniform(-2, 2, (n, width)) * (width > 1)
        values = [pt, eta, rng.uniform(-np.pi, np.pi, (n, width)), np.broadcast_to(CLASS_OF_ROW[rows], (n, width))]
        particles[:, rows] = np.stack(values, axis=2) * here[:, :, None]
    return particles


def write_adc(path: Path, particles: npt.NDArray[Any], **other: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("Particles", data=particles, compression="gzip", chunks=(min(len(particles), 500), 19, 4))
        for key, value in other.items():
            file[key] = value
    return path


def jet_block(n: int, slots: int = 12, seed: int = 1) -> dict[str, npt.NDArray[Any]]:
    """Jets of the jet-tagging set: `jets` (n, 59) and `jetConstituentList` (n, slots, 16) with their names."""
    rng = np.random.default_rng(seed)
    labels = ["j_g", "j_q", "j_w", "j_z", "j_t", "j_undef"]
    named = ["j_ptfrac", "j_pt", "j_eta", "j_mass", *(f"j_{f}" for f in FEATURES)]
    names = [*named, *(f"j_other{i}" for i in range(59 - len(named) - len(labels))), *labels]
    jets = rng.uniform(0.1, 2.0, (n, 59))
    jets[:, names.index("j_pt")] = rng.uniform(800, 1200, n)
    jets[:, names.index("j_mass")] = rng.uniform(20, 200, n)
    jets[:, -6:] = 0
    jets[np.arange(n), 53 + rng.integers(0, 5, n)] = 1
    present = np.arange(slots) < rng.integers(1, slots + 1, n)[:, None]
    pt, eta = rng.exponential(40.0, (n, slots)) + 0.5, rng.uniform(-1, 1, (n, slots))
    phi = rng.uniform(-np.pi, np.pi, (n, slots))
    values = np.zeros((n, slots, 16))
    kinematic = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "e": pt * np.cosh(eta)}
    for name, column in {**kinematic, "pt": pt, "eta": eta, "phi": phi}.items():
        values[:, :, CONSTITUENT_NAMES.index(name)] = np.where(present, column, 0)
    return {
        "jets": jets,
        "jetFeatureNames": np.array(names, dtype="S"),
        "jetConstituentList": values,
        "particleFeatureNames": np.array([f"j1_{name}" for name in CONSTITUENT_NAMES], dtype="S"),
    }


def write_hdf5(path: Path, content: dict[str, npt.NDArray[Any]]) -> Path:
    with h5py.File(path, "w") as file:
        for key, value in content.items():
            file[key] = value
    return path


def top_columns(n: int, slots: int = 10, seed: int = 1) -> dict[str, npt.NDArray[Any]]:
    """Columns of the top-tagging set, massless constituents in no order."""
    rng = np.random.default_rng(seed)
    columns: dict[str, npt.NDArray[Any]] = {}
    count = rng.integers(1, slots + 1, n)
    for i in range(slots):
        vector = np.where(i < count, rng.normal(0, 40, (3, n)), 0).astype(np.float32)
        energy = np.sqrt((vector.astype(np.float64) ** 2).sum(axis=0)).astype(np.float32)
        columns |= {f"E_{i}": energy, f"PX_{i}": vector[0], f"PY_{i}": vector[1], f"PZ_{i}": vector[2]}
    signal = rng.integers(0, 2, n)
    truth = signal * np.array([[900.0], [500.0], [300.0], [600.0]])
    columns |= {f"truth{q}": t.astype(np.float32) for q, t in zip(("E", "PX", "PY", "PZ"), truth, strict=True)}
    return columns | {"ttv": np.ones(n, dtype=np.int64), "is_signal_new": signal.astype(np.int64)}


def write_table(path: Path, columns: dict[str, npt.NDArray[Any]], alone: tuple[str, ...] = ()) -> Path:
    """The table that pandas' `to_hdf(key="table", format="table")` writes: one block a type, `alone` columns apart."""
    blocks: dict[str, list[str]] = {}
    for kind in ("f", "i"):
        names = [n for n, v in columns.items() if v.dtype.kind == kind and n not in alone]
        if names:
            blocks[f"values_block_{len(blocks)}"] = names
    fields = [("index", "<i8"), *((b, columns[names[0]].dtype, (len(names),)) for b, names in blocks.items())]
    rows = np.zeros(len(next(iter(columns.values()))), dtype=[*fields, *((n, columns[n].dtype) for n in alone)])
    for block, names in blocks.items():
        rows[block] = np.stack([columns[n] for n in names], axis=1)
    for name in alone:
        rows[name] = columns[name]
    with h5py.File(path, "w") as file:
        group = file.create_group("table")
        group.attrs["CLASS"] = np.bytes_(b"GROUP")
        table = group.create_dataset("table", data=rows, chunks=(min(40, len(rows)),), compression="gzip", shuffle=True)
        for block, names in {**blocks, **{n: [n] for n in alone}}.items():
            table.attrs[f"{block}_kind"] = np.bytes_(pickle.dumps(names, protocol=0))
    return path


def level1_words(n: int, seed: int = 1) -> dict[str, Any]:
    """Columns of the Level-1 anomaly-detection set; muons in no order, sums as lists of one."""
    rng = np.random.default_rng(seed)

    def lists(most: int, **ranges: tuple[int, int]) -> dict[str, ak.Array]:
        count = rng.integers(0, most + 1, n)
        total = int(count.sum())
        return {k: ak.unflatten(rng.integers(a, b + 1, total).astype(np.int32), count) for k, (a, b) in ranges.items()}

    muons = lists(
        8, muonIEt=(1, 511), muonIEtaAtVtx=(-225, 225), muonIPhiAtVtx=(0, 575), muonChg=(0, 1), muonQual=(0, 15)
    )
    muons["muonChg"] = muons["muonChg"] * 2 - 1
    jets = lists(12, jetIEt=(1, 2047), jetIEta=(-115, 115), jetIPhi=(0, 143), jetHwQual=(0, 2))
    egammas = lists(12, egIEt=(1, 511), egIEta=(-69, 69), egIPhi=(0, 143), egIso=(0, 3))
    sums = {f"{name}_Et": rng.integers(0, 4096, (n, 1)) for name in ("MET", "HT", "ET")}
    sums["MET_phi"] = rng.integers(0, 144, (n, 1))
    columns = {
        f"{folder}_{k}": v
        for folder, c in (("muons", muons), ("jets", jets), ("egammas", egammas))
        for k, v in c.items()
    }
    columns |= {name: ak.unflatten(values[:, 0].astype(np.int32), 1) for name, values in sums.items()}
    columns["event_info_nPV_True"] = ak.unflatten(rng.uniform(20, 60, n).astype(np.float32), 1)
    for bit in ("L1_SingleMu22", "L1_HTT360er", "other"):
        columns[f"seeds_{bit}"] = ak.unflatten(rng.integers(0, 2, n) == 1, 1)
    return columns


def write_object_folders(folder: Path, columns: dict[str, Any], files: int = 1) -> Path:
    """One folder an object, the same files in each."""
    names: dict[str, dict[str, Any]] = {}
    for name, values in columns.items():
        owner = "event_info" if name.startswith("event_info_") else name.split("_")[0]
        names.setdefault(owner, {})[name.removeprefix(f"{owner}_")] = values
    total = len(next(iter(columns.values())))
    for owner, content in names.items():
        (folder / owner).mkdir(parents=True)
        for i in range(files):
            part = slice(i * total // files, (i + 1) * total // files)
            array = ak.zip({k: v[part] for k, v in content.items()}, depth_limit=1)
            ak.to_parquet(array, folder / owner / f"file_{i}.parquet", extensionarray=False)
    return folder


def write_whole_events(path: Path, columns: dict[str, Any]) -> Path:
    """A file of whole events: all but the seeds, which lie in a folder beside it."""
    main = {name: v for name, v in columns.items() if not name.startswith("seeds_")}
    seeds = {name.removeprefix("seeds_"): v for name, v in columns.items() if name.startswith("seeds_")}
    path.parent.mkdir(parents=True, exist_ok=True)
    ak.to_parquet(ak.zip(main, depth_limit=1), path, extensionarray=False, row_group_size=70)
    (path.parent / "seeds").mkdir()
    ak.to_parquet(ak.zip(seeds, depth_limit=1), path.parent / "seeds" / path.name, extensionarray=False)
    return path


def write_tree(path: Path, name: str, columns: dict[str, Any]) -> Path:
    """A TTree with one branch a column, jagged ones with their counters."""
    types = {}
    for key, values in columns.items():
        array = ak.Array(values)
        kind = ak.to_numpy(ak.flatten(array, axis=None)).dtype
        types[key] = ak.types.from_datashape(f"var * {kind}", highlevel=False) if array.ndim > 1 else kind
    with uproot.recreate(path) as file:
        file.mktree(name, types).extend({key: ak.Array(values) for key, values in columns.items()})
    return path


def write_rntuple(path: Path, name: str, columns: dict[str, Any]) -> Path:
    """An RNTuple with one field a column; records become collections of their fields."""
    with uproot.recreate(path) as file:
        file[name] = columns
    return path
