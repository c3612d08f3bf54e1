"""Conversion to our files: complete, atomic, resumable."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
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
    write_table,
)

from trigforge.errors import InputError
from trigforge.events import read_events, read_metadata
from trigforge.events.adc2021 import iterate_adc2021
from trigforge.events.convert import RECORD, Import, convert_file
from trigforge.events.formats import Format
from trigforge.events.jet_tagging import iterate_jet_tagging
from trigforge.events.l1_parquet import iterate_l1_parquet
from trigforge.events.labelled import CLASSES, TOP_CLASSES, read_jets, read_notes


class Killed(BaseException):
    """Stands for a signal that ends the process."""


def _states(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_converted_file_holds_the_events(tmp_path: Path) -> None:
    path = write_adc(tmp_path / "a.h5", adc_particles(250))
    seen: list[int] = []
    done = convert_file(path, tmp_path / "out", 100, progress=seen.append)
    assert (done.events, done.format, done.source, seen) == (250, Format.ADC2021, "a.h5", [100, 100, 50])
    assert ak.to_list(read_events(tmp_path / "out")) == ak.to_list(next(iterate_adc2021(path)))
    parts = sorted((tmp_path / "out").glob("part-*.parquet"))
    assert [read_metadata(p)["first"] for p in parts] == [0, 100, 200]
    assert read_metadata(parts[1]) == {"source": "a.h5", "format": "adc2021", "first": 100}
    assert Import.load(tmp_path / "out" / RECORD) == done


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_killed_conversion_goes_on_with_the_same_result(tmp_path: Path, killed_after: int) -> None:
    path = write_object_folders(tmp_path / "in", level1_words(130), files=4)
    convert_file(path, tmp_path / "once", 30)
    seen: list[int] = []

    def kill(events: int) -> None:
        seen.append(events)
        if len(seen) == killed_after:
            raise Killed

    with pytest.raises(Killed):
        convert_file(path, tmp_path / "twice", 30, progress=kill)
    assert Import.load(tmp_path / "twice" / RECORD).events is None
    done = convert_file(path, tmp_path / "twice", 30, progress=seen.append)
    assert sum(seen) == done.events == 130
    assert _states(tmp_path / "twice") == _states(tmp_path / "once")
    assert ak.to_list(read_events(tmp_path / "twice")) == ak.to_list(ak.concatenate(list(iterate_l1_parquet(path))))


def test_a_finished_conversion_is_left_alone(tmp_path: Path) -> None:
    path = write_adc(tmp_path / "a.h5", adc_particles(30))
    first = convert_file(path, tmp_path / "out")
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    seen: list[int] = []
    assert convert_file(path, tmp_path / "out", progress=seen.append) == first
    assert seen == []
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == before


def test_small_pieces_are_joined_to_parts(tmp_path: Path) -> None:
    path = write_object_folders(tmp_path / "in", level1_words(100), files=10)
    convert_file(path, tmp_path / "out", 35)
    assert sorted(p.name for p in (tmp_path / "out").glob("part-*")) == [f"part-{i:05d}.parquet" for i in range(3)]


def test_labelled_jets_become_jet_files(tmp_path: Path) -> None:
    five = write_hdf5(tmp_path / "five.h5", jet_block(70))
    assert convert_file(five, tmp_path / "five", 50).events == 70
    jets = [read_jets(p) for p in sorted((tmp_path / "five").glob("part-*"))]
    raw = next(iterate_jet_tagging(five))
    np.testing.assert_array_equal(ak.concatenate(jets).label, raw.label)
    np.testing.assert_allclose(ak.concatenate(jets).FatJet.pt, raw.FatJet.pt, rtol=2**-12)
    assert ak.num(ak.concatenate(jets).Constituent).tolist() == ak.num(raw.Constituent).tolist()
    assert read_notes(tmp_path / "five" / "part-00000.parquet")[0] == CLASSES
    convert_file(write_table(tmp_path / "top.h5", top_columns(20)), tmp_path / "top")
    assert read_notes(tmp_path / "top" / "part-00000.parquet") == (
        TOP_CLASSES,
        {"source": "top.h5", "format": "top-tagging", "first": 0},
    )


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    path = write_adc(tmp_path / "a.h5", adc_particles(20))
    other = write_adc(tmp_path / "b.h5", adc_particles(25))
    convert_file(path, tmp_path / "out")
    with pytest.raises(
        InputError, match=r"out must hold the conversion of b\.h5 .*, not that of a\.h5 .*; give another fol"
    ):
        convert_file(other, tmp_path / "out")
    with pytest.raises(InputError, match=r"must hold the conversion of a\.h5 .* chunk 7\), not that of a\.h5"):
        convert_file(path, tmp_path / "out", 7)
    (tmp_path / "out" / RECORD).unlink()
    with pytest.raises(InputError, match=r"out must not hold part-\*\.parquet of something else; give another folder"):
        convert_file(path, tmp_path / "out")
    with pytest.raises(InputError, match=r"a\.h5 must be a folder, not a file; give another one"):
        convert_file(path, path)
