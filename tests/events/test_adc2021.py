"""Reader of the ADC2021 files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
from foreign_files import adc_particles, write_adc

from trigforge.contract import level1_contract
from trigforge.errors import InputError
from trigforge.events import check_events, read_events, write_events
from trigforge.events.adc2021 import iterate_adc2021

ROWS = {"L1EG": slice(1, 5), "L1Mu": slice(5, 9), "L1Jet": slice(9, 19)}


def test_all_objects_come_through_without_the_padding(tmp_path: Path) -> None:
    particles = adc_particles(300)
    names = np.array(["Pt", "Eta", "Phi", "Class"], dtype="S")
    events = ak.concatenate(list(iterate_adc2021(write_adc(tmp_path / "a.h5", particles, Particles_Names=names), 70)))
    check_events(events, "a.h5")
    for name, rows in ROWS.items():
        here = particles[:, rows, 0] > 0
        assert ak.num(events[name]).tolist() == here.sum(axis=1).tolist()
        for i, field in enumerate(("pt", "eta")):
            np.testing.assert_array_equal(
                ak.to_numpy(ak.flatten(events[name][field])), particles[:, rows, i][here].astype(np.float32)
            )
    np.testing.assert_array_equal(events.L1MET.pt, particles[:, 0, 0].astype(np.float32))
    np.testing.assert_allclose(np.sin(events.L1MET.phi), np.sin(particles[:, 0, 2]), atol=1e-6)
    assert ak.min(events.L1Jet.phi, axis=None) >= 0
    assert float(ak.sum(events.weight)) == pytest.approx(1)
    words = level1_contract().encode(events)
    assert words.shape == (300, 57)


def test_a_range_keeps_the_weights_of_the_file(tmp_path: Path) -> None:
    path = write_adc(tmp_path / "a.h5", adc_particles(100))
    whole = ak.concatenate(list(iterate_adc2021(path)))
    assert [len(e) for e in iterate_adc2021(path, 20, 15, 62)] == [20, 20, 7]
    part = ak.concatenate(list(iterate_adc2021(path, 20, 15, 62)))
    assert ak.to_list(part) == ak.to_list(whole[15:62])


def test_events_that_are_off_the_grid_survive_our_files(tmp_path: Path) -> None:
    events = next(iterate_adc2021(write_adc(tmp_path / "a.h5", adc_particles(50))))
    write_events(tmp_path / "a.parquet", events)
    assert ak.to_list(read_events(tmp_path / "a.parquet")) == ak.to_list(events)


def test_objects_of_pt_zero_are_padding_whatever_their_class(tmp_path: Path) -> None:
    """The published files keep class 4 where jets beyond |η| = 4 were cut by setting their pt to 0."""
    particles = adc_particles(1)
    particles[0, 9:12] = [[40, 1, 1, 4], [0, 0, -2, 4], [30, 1, 1, 4]]
    particles[0, 12:] = 0
    assert next(iterate_adc2021(write_adc(tmp_path / "a.h5", particles))).L1Jet.pt.tolist() == [[40, 30]]


def test_unsorted_objects_are_sorted(tmp_path: Path) -> None:
    particles = adc_particles(1)
    particles[0, 1:5] = [[10, 0.1, 0, 2], [30, 0.3, 0, 2], [0, 0, 0, 0], [20, 0.2, 0, 2]]
    electrons = next(iterate_adc2021(write_adc(tmp_path / "a.h5", particles))).L1EG[0]
    assert electrons.pt.tolist() == [30, 20, 10]
    np.testing.assert_array_equal(electrons.eta, np.float32([0.3, 0.2, 0.1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((2, 7, 0, np.nan), r"key 'Particles' must be finite, not nan \(event 2\); expected HDF5 key 'Particles'"),
        ((2, 9, 0, 45_000.0), r"key 'Particles' L1Jet pt must be in GeV, in 0\.\.6800, not 45000"),
        ((2, 0, 2, 99.0), r"L1MET phi must be in radians"),
    ],
)
def test_impossible_values_are_named(tmp_path: Path, change: tuple[int, int, int, float], message: str) -> None:
    particles = adc_particles(4)
    particles[:, 9, 0], particles[:, 9, 3] = 200, 4
    event, row, column, value = change
    particles[event, row, column] = value
    with pytest.raises(InputError, match=message):
        list(iterate_adc2021(write_adc(tmp_path / "a.h5", particles), 1))


def test_an_object_in_the_row_of_another_class_is_refused(tmp_path: Path) -> None:
    particles = adc_particles(3)
    particles[1, 6] = [20, 0, 0, 4]
    with pytest.raises(InputError, match=r"row 6 of event 1 must have class 3 \(L1Mu\), not 4"):
        list(iterate_adc2021(write_adc(tmp_path / "a.h5", particles)))


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    layout = r"; expected HDF5 key 'Particles' of shape \(N, 19, 4\): Pt \(GeV\), Eta, Phi, Class"
    for name, key, shape, message in (
        ("key", "Data", (2, 19, 4), r"key.h5: key 'Particles' must be there; the file has Data"),
        ("flat", "Particles", (2, 57), r"flat.h5: key 'Particles' must not have the shape \(2, 57\)"),
        ("wide", "Particles", (2, 19, 3), r"wide.h5: key 'Particles' must not have the shape \(2, 19, 3\)"),
        ("none", "Particles", (0, 19, 4), r"none.h5: must hold at least one event, not 0"),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file[key] = np.zeros(shape)
        with pytest.raises(InputError, match=message + layout):
            next(iterate_adc2021(tmp_path / f"{name}.h5"))
    names = np.array(["E", "Eta", "Phi", "Class"], dtype="S")
    path = write_adc(tmp_path / "named.h5", adc_particles(2), Particles_Names=names)
    with pytest.raises(InputError, match=r"'Particles_Names' must be Pt, Eta, Phi, Class, not E, Eta, Phi, Class"):
        next(iterate_adc2021(path))


def test_truncated_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = write_adc(tmp_path / "a.h5", adc_particles(400)).read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("no HDF5 at all")
    for name in ("cut", "text"):
        with pytest.raises(
            InputError, match=rf"{name}.h5: the HDF5 file must be readable and whole: .*; expected HDF5"
        ):
            next(iterate_adc2021(tmp_path / f"{name}.h5"))


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    path = write_adc(tmp_path / "a.h5", adc_particles(1000))
    with h5py.File(path) as file:
        start = file["Particles"].id.get_chunk_info(1).byte_offset
    damaged = bytearray(path.read_bytes())
    damaged[start : start + 64] = bytes(64)
    path.write_bytes(damaged)
    chunks = iterate_adc2021(path, 500)
    assert len(next(chunks)) == 500
    with pytest.raises(InputError, match=r"key 'Particles', rows 500 to 1000, must be readable and whole"):
        next(chunks)


def test_an_unknown_compression_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((2, 19, 4))
        properties.set_filter(300, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((2, 19, 4))
        h5py.h5d.create(file.id, b"Particles", h5py.h5t.NATIVE_DOUBLE, space, properties)
    with pytest.raises(
        InputError, match=r"compressed by HDF5 filter 300 \(unknown\): 'pip install hdf5plugin' reads it"
    ):
        next(iterate_adc2021(tmp_path / "a.h5"))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(events: int) -> int:
        path = write_adc(tmp_path / f"{events}.h5", adc_particles(events))
        tracemalloc.start()
        assert sum(len(e) for e in iterate_adc2021(path, 500)) == events
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(500)
    assert peak(4000) < 1.3 * peak(1000)
