"""Writers of labelled jets in the layouts of the public jet-tagging and top-tagging files.

`read_hdf` of pandas reads the top-tagging layout (with PyTables), and so do the readers `jet_tagging` and
`top_tagging` of this package. Neither pandas nor PyTables is needed to write it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.events.labelled import CLASSES, FEATURES, TOP_CLASSES, check_jets, wrapped

JET_SLOTS: Final = 150
CONSTITUENT_NAMES: Final = tuple(
    f"j1_{name}"
    for name in (
        *("px", "py", "pz", "e", "erel", "pt", "ptrel", "eta", "etarel", "etarot"),
        *("phi", "phirel", "phirot", "deltaR", "costheta", "costhetarel", "pdgid"),
    )
)
"""As in the public files, which name one value more than they hold."""
_SUBJETTINESS: Final = (*(f"tau{n}_b{b}" for b in (1, 2) for n in (1, 2, 3)), "tau32_b1", "tau32_b2")
_CORRELATORS: Final = tuple(name.removesuffix("_mmdt") for name in FEATURES[1:14])
JET_NAMES: Final = tuple(
    f"j_{name}"
    for name in (
        *("ptfrac", "pt", "eta", "mass", *_SUBJETTINESS, "zlogz", *_CORRELATORS),
        *(f"{name}_mmdt" for name in (*_SUBJETTINESS, *_CORRELATORS)),
        *("mass_trim", "mass_mmdt", "mass_prun", "mass_sdb2", "mass_sdm1", "multiplicity", *CLASSES, "undef"),
    )
)
"""The 59 columns of the public files."""
NOT_COMPUTED: Final = -99.0
"""What the software of the public set writes for an observable without a value."""
SECOND_PRONG_DISTANCE: Final = 0.1

TOP_SLOTS: Final = 200
TOP_BLOCKS: Final = (
    (
        *(f"{quantity}_{slot}" for slot in range(TOP_SLOTS) for quantity in ("E", "PX", "PY", "PZ")),
        *(f"truth{quantity}" for quantity in ("E", "PX", "PY", "PZ")),
    ),
    ("ttv", "is_signal_new"),
)
CHUNK_ROWS: Final = 1000

Floats = npt.NDArray[np.float64]


def write_jet_tagging(path: Path, jets: ak.Array) -> None:
    """Write jets of `CLASSES` in the layout of the public jet-tagging set, doi:10.5281/zenodo.3602260.

    `jetConstituentList` (n, 150, 16), zero padded, and `jets` (n, 59), both float64, with their names in
    `particleFeatureNames` and `jetFeatureNames`. The observables that are not in `FEATURES` are -99. `j1_erel` and
    `j1_ptrel` are shares of the sum of the constituents and of the jet; `j1_costheta` is that of the polar angle,
    `j1_costhetarel` that of the angle to the jet; `j1_etarot`, `j1_phirot` see `rotated`.
    """
    check_jets(jets, str(path), ("features", "Constituent"))
    labels = _labels(path, jets, CLASSES)
    with _new_file(path) as file:
        _compressed(file, "jetConstituentList", constituent_block(jets))
        _compressed(file, "jets", _jet_block(jets, labels))
        file.create_dataset("particleFeatureNames", data=np.array(CONSTITUENT_NAMES, "S"))
        file.create_dataset("jetFeatureNames", data=np.array(JET_NAMES, "S"))


def constituent_block(jets: ak.Array) -> Floats:
    """The 16 values of the 150 hardest constituents, (n, 150, 16), zero where there is none."""
    columns = {name: _padded(jets.Constituent[name], JET_SLOTS) for name in ("pt", "eta", "phi", "energy")}
    pt, eta, phi, energy = columns.values()
    there = pt > 0
    jet = {name: ak.to_numpy(jets.FatJet[name]).astype(np.float64)[:, None] for name in ("pt", "eta", "phi")}
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    whole = ak.to_numpy(ak.sum(jets.Constituent.energy, axis=1)).astype(np.float64)[:, None]
    away_eta, away_phi = eta - jet["eta"], wrapped(phi - jet["phi"])
    along = (np.cos(away_phi) + np.sinh(eta) * np.sinh(jet["eta"])) / (np.cosh(eta) * np.cosh(jet["eta"]))
    turned_eta, turned_phi = rotated(pt, eta, phi)
    values = {
        "px": px,
        "py": py,
        "pz": pz,
        "e": energy,
        "erel": energy / np.where(whole > 0, whole, 1.0),
        "pt": pt,
        "ptrel": pt / jet["pt"],
        "eta": eta,
        "etarel": away_eta,
        "etarot": turned_eta,
        "phi": phi,
        "phirel": away_phi,
        "phirot": turned_phi,
        "deltaR": np.hypot(away_eta, away_phi),
        "costheta": np.tanh(eta),
        "costhetarel": along,
    }
    return np.stack([np.where(there, values[name.removeprefix("j1_")], 0.0) for name in CONSTITUENT_NAMES[:-1]], axis=2)


def rotated(pt: Floats, eta: Floats, phi: Floats) -> tuple[Floats, Floats]:
    """The coordinates `etarot`, `phirot` of constituents (n, slots), hardest first, as a public script for the set has
    them; that this script made the published files is inferred, not known.

    With η, φ relative to the hardest constituent, θ is 90° more than the angle of (pz, py) of the next hardest that is
    more than 0.1 away, or 0 without one; py' = c·py - s·pz and pz' = s·py - c·pz with c, s of θ, px kept, and η' is
    mirrored if more pt lies at η < 0 than at η > 0. (A rotation would have + c·pz.)
    """
    x, y = eta - eta[:, :1], wrapped(phi - phi[:, :1])
    px, py, pz = pt * np.cos(y), pt * np.sin(y), pt * np.sinh(x)
    far = (np.hypot(x, y) > SECOND_PRONG_DISTANCE) & (pt > 0)
    rows, second = np.arange(len(pt)), np.argmax(far, axis=1)
    angle = np.where(far.any(axis=1), np.arctan2(py[rows, second], pz[rows, second]) + np.pi / 2, 0.0)[:, None]
    turned_py = np.cos(angle) * py - np.sin(angle) * pz
    turned_pz = np.sin(angle) * py - np.cos(angle) * pz
    across = np.where(pt > 0, np.hypot(px, turned_py), 1.0)
    left = np.sum(pt * (x < 0), axis=1) > np.sum(pt * (x > 0), axis=1)
    return np.where(left, -1, 1)[:, None] * np.arcsinh(turned_pz / across), np.arcsin(turned_py / across)


def _jet_block(jets: ak.Array, labels: npt.NDArray[Any]) -> Floats:
    block = np.full((len(jets), len(JET_NAMES)), NOT_COMPUTED)
    known = {f"j_{name}": jets.FatJet[name] for name in ("pt", "eta", "mass")}
    known |= {f"j_{name}": jets.features[name] for name in FEATURES}
    known |= {f"j_{name}": labels == place for place, name in enumerate(CLASSES)}
    known |= {"j_ptfrac": np.ones(len(jets)), "j_undef": np.zeros(len(jets))}
    for name, values in known.items():
        block[:, JET_NAMES.index(name)] = ak.to_numpy(values)
    return block


def write_top_tagging(path: Path, jets: ak.Array, ttv: int = 0) -> None:
    """Write jets of `TOP_CLASSES` in the layout of the public top-tagging set, doi:10.5281/zenodo.2603256.

    A pandas table with key `table`: float32 E_i, PX_i, PY_i, PZ_i of 200 constituents, zero padded, and of the `Parton`
    of a top jet as `truth…`, 0 without one; int64 `ttv`, the part of the set, and `is_signal_new`.
    """
    check_jets(jets, str(path), ("Constituent",))
    labels = _labels(path, jets, TOP_CLASSES)
    kind = np.dtype(
        [("index", "i8"), *((f"values_block_{i}", t, (len(TOP_BLOCKS[i]),)) for i, t in ((0, "f4"), (1, "i8")))]
    )
    rows = np.zeros(len(jets), kind)
    rows["index"] = np.arange(len(jets))
    rows["values_block_0"][:, : 4 * TOP_SLOTS] = _four_momenta(jets).reshape(len(jets), 4 * TOP_SLOTS)
    rows["values_block_0"][:, 4 * TOP_SLOTS :] = _truth(jets) * (labels[:, None] == 1)
    rows["values_block_1"] = np.column_stack([np.full(len(jets), ttv), labels])
    with _new_file(path) as file:
        _set(file, CLASS="GROUP", TITLE="", VERSION="1.0", PYTABLES_FORMAT_VERSION="2.1")
        _table_group(file.create_group("table"))
        _describe(_compressed(file, "table/table", rows))


def _four_momenta(jets: ak.Array) -> Floats:
    """E, px, py, pz of shape (n, 200, 4)."""
    pt, eta, phi, energy = (_padded(jets.Constituent[name], TOP_SLOTS) for name in ("pt", "eta", "phi", "energy"))
    return np.stack([energy, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=2)


def _truth(jets: ak.Array) -> Floats:
    if "Parton" not in ak.fields(jets):
        return np.zeros((len(jets), 4))
    pt, eta, phi, mass = (ak.to_numpy(jets.Parton[name]).astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    return np.column_stack([energy, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])


def _table_group(group: Any) -> None:
    """What pandas wants to know of a table (pandas.io.pytables): its kind and the names of its columns."""
    columns = [name for block in TOP_BLOCKS for name in block]
    blocks = [f"values_block_{i}" for i in range(len(TOP_BLOCKS))]
    _set(group, CLASS="GROUP", TITLE="", VERSION="1.0", pandas_type="frame_table", pandas_version="0.15.2")
    _set(group, table_type="appendable_frame", encoding="UTF-8", errors="strict", levels=np.int64(1))
    _set(group, index_cols=_pickled([(0, "index")]), non_index_axes=_pickled([(1, columns)]))
    _set(group, values_cols=_pickled(blocks), data_columns=_pickled([]), nan_rep="nan", metadata=_pickled([]))
    _set(group, info=_pickled({1: {"names": [None], "type": "Index"}, "index": {}, **{name: {} for name in blocks}}))


def _describe(table: Any) -> None:
    """What PyTables and pandas want to know of the rows of a table."""
    _set(table, CLASS="TABLE", TITLE="", VERSION="2.7", NROWS=np.int64(len(table)), index_kind="integer")
    for place, name in enumerate(table.dtype.names):
        _set(table, **{f"FIELD_{place}_NAME": name, f"FIELD_{place}_FILL": np.zeros((), table.dtype[name].base)[()]})
    for place, (names, kind) in enumerate(zip(TOP_BLOCKS, ("float32", "int64"), strict=True)):
        block = f"values_block_{place}"
        _set(table, **{f"{block}_kind": _pickled(list(names)), f"{block}_dtype": kind, f"{block}_meta": _pickled(None)})


def _set(node: Any, **attributes: Any) -> None:
    """Attributes in the form of PyTables: text in UTF-8 of fixed length."""
    import h5py

    for name, value in attributes.items():
        if isinstance(value, str):
            text = value.encode()
            kind = h5py.string_dtype("utf-8", max(len(text), 1))
            node.attrs.create(name, text or h5py.Empty(kind), dtype=kind)
        else:
            node.attrs[name] = value


def _pickled(value: Any) -> np.bytes_:
    return np.bytes_(pickle.dumps(value, 0))


def _labels(path: Path, jets: ak.Array, classes: tuple[str, ...]) -> npt.NDArray[Any]:
    labels = np.asarray(ak.to_numpy(jets.label))
    wrong = labels[(labels < 0) | (labels >= len(classes))]
    if len(wrong):
        raise InputError(f"{path}: labels must be in 0..{len(classes) - 1} ({', '.join(classes)}), not {wrong[0]}")
    return labels


def _padded(values: ak.Array, slots: int) -> Floats:
    return np.asarray(ak.to_numpy(ak.fill_none(ak.pad_none(values, slots, axis=1, clip=True), 0.0)), np.float64)


def _compressed(file: Any, key: str, data: npt.NDArray[Any]) -> Any:
    chunk = (max(1, min(CHUNK_ROWS, len(data))), *data.shape[1:])
    maximum = (None, *data.shape[1:])
    return file.create_dataset(key, data=data, chunks=chunk, maxshape=maximum, compression="gzip", shuffle=True)


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """An HDF5 file to write; it is complete or not there."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with h5py.File(scratch, "w") as file:
            yield file
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
