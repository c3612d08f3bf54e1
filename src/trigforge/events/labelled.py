"""Labelled large-radius jets: their schema and their compact Parquet files.

A record is a jet, physical units (GeV, rad), φ in [-π, π):

| name | content |
|---|---|
| `weight` | relative weight of the jet, 1 unless the generator weights its events |
| `event` | int64: number of the event in its sample; jets of one event are not independent, keep them together |
| `label` | int8: place of the class in the names that the file keeps, e.g. `CLASSES` or `TOP_CLASSES` |
| `FatJet` | one record `pt, eta, phi, mass` |
| `features` | one record of the 16 `FEATURES` of the public jet-tagging set (arXiv:1908.05318, OpenML 42468), float32 |
| `Constituent` | lists, hardest first, of `pt, eta, phi, energy`; `pdgId` (0: unknown) |
| `Parton` | one record `pt, eta, phi, mass` of the particle that made the jet, all 0 if it is not known |

`event`, `features`, `Constituent` and `Parton` are present or absent as a whole. `FatJet` and `features` are those of
all constituents, however few of them the list holds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.lib
import pyarrow.parquet as pq

from trigforge.errors import InputError
from trigforge.precision import round_mantissa
from trigforge.value import write_atomic

CLASSES: Final = ("g", "q", "w", "z", "t")
"""Gluon, light quark, W, Z and top: the classes of the public jet-tagging set, in its order."""
TOP_CLASSES: Final = ("qcd", "top")
"""The classes of the public top-tagging set: its `is_signal_new`."""
FEATURES: Final = (
    "zlogz",
    "c1_b0_mmdt",
    "c1_b1_mmdt",
    "c1_b2_mmdt",
    "c2_b1_mmdt",
    "c2_b2_mmdt",
    "d2_b1_mmdt",
    "d2_b2_mmdt",
    "d2_a1_b1_mmdt",
    "d2_a1_b2_mmdt",
    "m2_b1_mmdt",
    "m2_b2_mmdt",
    "n2_b1_mmdt",
    "n2_b2_mmdt",
    "mass_mmdt",
    "multiplicity",
)
KINEMATICS: Final = ("pt", "eta", "phi", "mass")
RECORDS: Final[dict[str, tuple[str, ...]]] = {
    "FatJet": KINEMATICS,
    "features": FEATURES,
    "Constituent": ("pt", "eta", "phi", "energy", "pdgId"),
    "Parton": KINEMATICS,
}
"""The fields of each record of the schema."""
REQUIRED: Final = ("weight", "label", "FatJet")

METADATA_KEY: Final = b"trigforge"
MANTISSA_BITS: Final = 12
"""Bits of the mantissa that files keep of `FatJet`, `features` and `Parton`: relative rounding below 2^-13."""
PT_STEP_GEV: Final = 0.25
ANGLE_STEP: Final = np.pi / 720
"""Steps of constituents in files: a quarter of a photon cell, at 1 TeV less than the resolution of a jet's mass."""
WORD_MAX: Final = 32_767
ROW_GROUP: Final = 100_000


def check_jets(jets: ak.Array, where: str, needs: Sequence[str] = ()) -> ak.Array:
    """`jets` unchanged if they follow the schema and have all of `needs`, else `InputError` naming `where`."""
    names = ak.fields(jets)
    absent = [name for name in (*REQUIRED, *needs) if name not in names]
    if absent:
        raise InputError(
            f"{where}: labelled jets must have {', '.join(absent)}; they have {', '.join(names) or 'none'}"
        )
    for name, fields in RECORDS.items():
        missing = [f for f in fields if name in names and f not in ak.fields(jets[name])]
        if missing:
            raise InputError(f"{where}: {name} must have {', '.join(fields)}; missing {', '.join(missing)}")
    return jets


def write_jets(
    path: Path,
    jets: ak.Array,
    classes: Sequence[str],
    constituents: int,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write jets as one compact Parquet file with their `constituents` hardest constituents (0: none).

    Constituents become 16-bit words: pt in 0.25 GeV, η and φ relative to the jet in π/720, energy that of a massless
    particle; those below half a step of pt are lost. Other values keep 12 bits of mantissa.
    """
    check_jets(jets, str(path))
    labels = ak.to_numpy(jets.label)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise InputError(f"{path}: labels must be in 0..{len(classes) - 1}, not {labels.min()}..{labels.max()}")
    columns: dict[str, Any] = {"weight": jets.weight, "label": ak.values_astype(jets.label, np.int8)}
    if "event" in ak.fields(jets):
        columns["event"] = ak.values_astype(jets.event, np.int64)
    for name in ("FatJet", "features", "Parton"):
        if name in ak.fields(jets):
            columns[name] = ak.zip(
                {f: round_mantissa(ak.to_numpy(jets[name][f]), MANTISSA_BITS) for f in RECORDS[name]}
            )
    if constituents and "Constituent" in ak.fields(jets):
        columns["Constituent"] = _to_words(jets.Constituent[:, :constituents], columns["FatJet"])
    table = ak.to_arrow_table(ak.to_packed(ak.zip(columns, depth_limit=1)), extensionarray=False)
    notes = {"classes": list(classes), "metadata": dict(metadata or {})}
    write_atomic(path, _parquet(table.replace_schema_metadata({METADATA_KEY: json.dumps(notes).encode()})))


def read_jets(path: Path) -> ak.Array:
    """The jets of a file that `write_jets` wrote."""
    columns = dict(zip(ak.fields(stored := ak.from_arrow(_open(path).read())), ak.unzip(stored), strict=True))
    if "Constituent" in columns:
        columns["Constituent"] = _from_words(columns["Constituent"], columns["FatJet"])
    return check_jets(ak.zip(columns, depth_limit=1), str(path))


def read_notes(path: Path) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The names of the classes in the order of `label`, and the metadata of a file that `write_jets` wrote."""
    raw = (_open(path).schema_arrow.metadata or {}).get(METADATA_KEY)
    notes = json.loads(raw) if raw else {}
    if "classes" not in notes:
        raise InputError(f"jet file {path} must name its classes, but it does not; write it with write_jets")
    return tuple(notes["classes"]), dict(notes["metadata"])


def _open(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pyarrow.lib.ArrowInvalid, OSError) as error:
        raise InputError(f"jet file {path} must be Parquet: {str(error).splitlines()[0]}") from None


def _parquet(table: pa.Table) -> bytes:
    """Floats and words with their bytes apart, which is what compresses."""
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        row_group_size=ROW_GROUP,
        compression="zstd",
        compression_level=19,
        use_dictionary=["weight", "label", "Constituent.list.element.pdgId"],
        use_byte_stream_split=_split_columns(table.schema),
    )
    return buffer.getvalue()


def _split_columns(schema: pa.Schema) -> list[str]:
    records = [f"{n}.{f}" for n in ("FatJet", "features", "Parton") if n in schema.names for f in RECORDS[n]]
    words = [f"Constituent.list.element.{f}" for f in ("pt", "eta", "phi")] if "Constituent" in schema.names else []
    return records + words


def _to_words(constituents: ak.Array, jet: ak.Array) -> ak.Array:
    words = {
        "pt": np.rint(constituents.pt / PT_STEP_GEV),
        "eta": np.rint((constituents.eta - jet.eta) / ANGLE_STEP),
        "phi": np.rint(wrapped(constituents.phi - jet.phi) / ANGLE_STEP),
        "pdgId": constituents.pdgId,
    }
    kept = words["pt"] > 0
    limited = {n: np.minimum(np.maximum(w, -WORD_MAX), WORD_MAX)[kept] for n, w in words.items()}
    return ak.zip({n: ak.values_astype(w, np.int16) for n, w in limited.items()})


def _from_words(words: ak.Array, jet: ak.Array) -> ak.Array:
    pt, eta = words.pt * PT_STEP_GEV, words.eta * ANGLE_STEP + jet.eta
    values = {"pt": pt, "eta": eta, "phi": wrapped(words.phi * ANGLE_STEP + jet.phi), "energy": pt * np.cosh(eta)}
    floats = {n: ak.values_astype(v, np.float32) for n, v in values.items()}
    return ak.zip({**floats, "pdgId": ak.values_astype(words.pdgId, np.int32)})


def wrapped(angle: Any) -> Any:
    """An angle in [-π, π)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
