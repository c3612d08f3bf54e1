"""Formats told apart by content, and read by one function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
from foreign_files import (
    adc_particles,
    jet_block,
    level1_words,
    top_columns,
    write_adc,
    write_hdf5,
    write_object_folders,
    write_rntuple,
    write_table,
    write_tree,
    write_whole_events,
)

from trigforge.errors import InputError
from trigforge.events import check_events, write_events
from trigforge.events.formats import LABELLED_JETS, LAYOUTS, READERS, Format, detect, iterate
from trigforge.events.labelled import check_jets


def _jets(container: str, *fields: str) -> dict[str, ak.Array]:
    return {f"{container}{f}": ak.Array([[40.0, 20.0]] * 6) / (20 if f[-1:] in "ai" else 1) for f in fields}


def _physlite(path: Path) -> Path:
    momenta = [f"JetConstitScaleMomentum_{f}" for f in ("pt", "eta", "phi", "m")]
    columns = _jets("AnalysisJetsAuxDyn:", "pt", "ActiveArea4vec_pt", *momenta)
    scaled = {n: v * 1000 if n.endswith(("pt", "_m")) else v for n, v in columns.items()}
    return write_rntuple(path, "EventData", scaled)


MAKERS: dict[Format, Callable[[Path], Path]] = {
    Format.ADC2021: lambda path: write_adc(path, adc_particles(6)),
    Format.JET_TAGGING: lambda path: write_hdf5(path, jet_block(6)),
    Format.TOP_TAGGING: lambda path: write_table(path, top_columns(6)),
    Format.NANOAOD: lambda path: write_tree(path, "Events", _jets("Jet_", "pt", "eta", "phi", "mass", "area")),
    Format.PHYSLITE: _physlite,
    Format.L1_PARQUET: lambda path: write_whole_events(path, level1_words(6)),
}


def test_every_format_has_a_reader_and_a_layout() -> None:
    assert set(READERS) == set(LAYOUTS) == set(MAKERS) == set(Format)


@pytest.mark.parametrize("fmt", Format)
def test_formats_are_told_apart_by_content_alone(tmp_path: Path, fmt: Format) -> None:
    path = MAKERS[fmt](tmp_path / "file.bin")
    assert detect(path) is fmt
    events = ak.concatenate(list(iterate(path, 4)))
    assert len(events) == 6
    (check_jets if fmt in LABELLED_JETS else check_events)(events, str(path))
    assert [len(e) for e in iterate(path, 4, 1, 6)] == [4, 1]


def test_folders_of_objects_and_of_files_are_the_level1_set(tmp_path: Path) -> None:
    columns = level1_words(10)
    assert detect(write_object_folders(tmp_path / "objects", columns)) is Format.L1_PARQUET
    write_whole_events(tmp_path / "whole" / "train-00000.parquet", columns)
    assert detect(tmp_path / "whole") is Format.L1_PARQUET


def test_real_files_are_nanoaod(public_data: Path) -> None:
    assert detect(public_data / "scouting_nano.root") is Format.NANOAOD


def test_anything_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(
        InputError, match=r"must be an HDF5, ROOT or Parquet file, but it begins with b'hell'; expected one"
    ):
        detect(tmp_path / "a.txt")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["other"] = np.ones(3)
    with pytest.raises(
        InputError, match=r"HDF5 key Particles or jetConstituentList or table must be there; the file has ot"
    ):
        detect(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"tree Events or CollectionTree or EventData must be there; the file has T"):
        detect(write_tree(tmp_path / "a.root", "T", {"x": np.ones(2)}))
    ak.to_parquet(ak.Array({"x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(
        InputError, match=r"column jets_jetIEt must be there; the file has x; expected one of the formats"
    ):
        detect(tmp_path / "a.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty must be a file or a folder of Parquet files"):
        detect(tmp_path / "empty")
    with pytest.raises(InputError, match="does not exist"):
        detect(tmp_path / "absent.h5")
    write_events(tmp_path / "ours.parquet", ak.Array({"weight": [1.0]}))
    with pytest.raises(InputError, match=r"ours\.parquet is an event file of trigforge already"):
        detect(tmp_path / "ours.parquet")
