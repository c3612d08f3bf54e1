"""Event files: values survive bit for bit, and what is wrong with a file is said."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from toy_events import toy_events

from trigforge.errors import InputError
from trigforge.events import iterate_events, read_events, read_metadata, write_events
from trigforge.events.files import ROW_GROUP, WORD_MAX, Chunk, iterate_chunks, read_chunk
from trigforge.events.schema import CALO_GRID, MUON_GRID, Grid


def on_grid(words: np.ndarray, lsb: float) -> np.ndarray:
    return (words * lsb).astype(np.float32)


def level1(seed: int, counts: np.ndarray, grid: Grid) -> ak.Array:
    rng, size = np.random.default_rng(seed), int(counts.sum())
    flat = {
        "pt": on_grid(rng.integers(0, WORD_MAX + 1, size), grid.pt),
        "eta": on_grid(rng.integers(-WORD_MAX, WORD_MAX + 1, size), grid.eta),
        "phi": on_grid(rng.integers(0, 576, size), grid.phi),
    }
    return ak.unflatten(ak.zip(flat), counts)


def grid_events(n: int, seed: int = 1) -> ak.Array:
    """Events of which every Level-1 value is on its grid."""
    rng = np.random.default_rng(seed)
    met = level1(seed, np.ones(n, int), CALO_GRID)[:, 0] if n else ak.flatten(level1(seed, np.zeros(1, int), CALO_GRID))
    electrons = level1(seed + 1, rng.integers(0, 5, n), CALO_GRID)
    columns = {
        "weight": np.full(n, 1 / max(n, 1)),
        "interaction": rng.integers(-1, 50, n).astype(np.int32),
        "L1MET": met,
        "L1HT": met[["pt"]],
        "L1EG": ak.with_field(electrons, ak.values_astype(electrons.pt > 8000, np.int8), "iso"),
        "L1Mu": level1(seed + 2, rng.integers(0, 2, n), MUON_GRID),
        "L1Region": ak.Array(rng.integers(0, 1024, (n, 252)).astype(np.uint16)),
        "rho": rng.normal(20, 3, n).astype(np.float32),
    }
    return ak.zip(columns, depth_limit=1)


def same(a: ak.Array, b: ak.Array) -> bool:
    return bool(ak.array_equal(a, b, check_parameters=False))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 30))
def test_values_and_their_types_survive(tmp_path_factory: pytest.TempPathFactory, seed: int, n: int) -> None:
    path = tmp_path_factory.mktemp("events") / "a.parquet"
    events = grid_events(n, seed)
    write_events(path, events)
    assert same(read_events(path), events)


def test_words_are_stored_and_values_off_the_grid_are_kept(tmp_path: Path) -> None:
    events = grid_events(200)
    path = tmp_path / "a.parquet"
    write_events(path, events)
    stored = pq.read_schema(path)
    assert stored.field("L1EG").type.value_type.field("pt").type == pa.int16()
    assert stored.field("L1EG").type.value_type.field("iso").type == pa.int8()
    assert stored.field("L1HT").type.field("pt").type == pa.int16()
    finer = ak.with_field(events, ak.with_field(events["L1EG"], events["L1EG"].eta + np.float32(1e-4), "eta"), "L1EG")
    higher = ak.with_field(events, ak.with_field(events["L1MET"], np.full(200, 16384.0), "pt"), "L1MET")
    strange = ak.with_field(events, ak.with_field(events["L1MET"], np.full(200, np.nan), "pt"), "L1MET")
    for changed in (finer, higher, strange):
        write_events(path, changed)
        assert ak.array_equal(read_events(path), changed, equal_nan=True, check_parameters=False)
    assert pq.read_schema(path).field("L1MET").type.field("pt").type == pa.float64()
    assert pq.read_schema(path).field("L1EG").type.value_type.field("pt").type == pa.int16()


def test_the_grid_of_the_file_counts_not_that_of_today(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_events(path, grid_events(5))
    table = pq.read_table(path)
    notes = table.schema.metadata[b"trigforge"].replace(b'"pt": 0.5', b'"pt": 0.25')
    pq.write_table(table.replace_schema_metadata({b"trigforge": notes}), path)
    assert_array_equal(read_events(path)["L1MET"].pt, grid_events(5)["L1MET"].pt / 2)


def test_metadata_survives_and_a_folder_has_that_of_its_first_part(tmp_path: Path) -> None:
    write_events(tmp_path / "part-000.parquet", grid_events(3), {"seed": 7, "process": "qcd"})
    write_events(tmp_path / "part-001.parquet", grid_events(3))
    assert read_metadata(tmp_path / "part-000.parquet") == read_metadata(tmp_path) == {"seed": 7, "process": "qcd"}
    assert read_metadata(tmp_path / "part-001.parquet") == {}


def test_a_folder_is_the_sequence_of_its_parts(tmp_path: Path) -> None:
    events = grid_events(30)
    for i, cut in enumerate((slice(0, 10), slice(10, 10), slice(10, 30))):
        write_events(tmp_path / f"part-{i:03}.parquet", events[cut])
    write_events(tmp_path / "other.parquet", grid_events(4))
    assert same(read_events(tmp_path), events)
    assert [len(e) for e in iterate_events(tmp_path)] == [10, 0, 20]


def test_row_groups_bound_what_is_in_memory(tmp_path: Path) -> None:
    n = ROW_GROUP + 10
    path = tmp_path / "a.parquet"
    write_events(path, ak.zip({"weight": np.arange(n, dtype=np.float64)}, depth_limit=1))
    assert list(iterate_chunks(path)) == [Chunk(path, 0), Chunk(path, 1)]
    assert [len(e) for e in iterate_events(path)] == [ROW_GROUP, 10]
    assert_array_equal(read_chunk(Chunk(path, 1))["weight"], np.arange(ROW_GROUP, n))


def test_some_columns_can_be_read(tmp_path: Path) -> None:
    events = grid_events(20)
    write_events(tmp_path / "a.parquet", events)
    some = read_events(tmp_path / "a.parquet", ["L1Mu", "rho"])
    assert same(some, events[["L1Mu", "rho"]])
    with pytest.raises(InputError, match=r"a\.parquet must have L1Jet, Jet; it has weight, interaction, L1MET"):
        read_events(tmp_path / "a.parquet", ["L1Jet", "rho", "Jet"])
    with pytest.raises(InputError, match=r"a\.parquet must have at least one column to read; it has weight"):
        read_events(tmp_path / "a.parquet", [])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_events(path, grid_events(5))
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"a\.parquet must have the column 'weight'; it has rho$"):
        write_events(path, grid_events(5)[["rho"]])
    with pytest.raises(InputError, match=r"a\.parquet: collection L1EG must have pt, eta, phi; missing eta, phi$"):
        write_events(path, ak.with_field(grid_events(5), grid_events(5)["L1EG"][["pt"]], "L1EG"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_events(tmp_path / "folder", grid_events(5))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "folder"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["list", "object"])
def test_missing_values_are_refused(tmp_path: Path, place: str) -> None:
    events = grid_events(50)
    electrons = events["L1EG"]
    there = ak.num(electrons) != 2 if place == "list" else electrons["iso"] == 1
    holey = ak.with_field(events, ak.mask(electrons, there), "L1EG")
    with pytest.raises(InputError, match=r"a\.parquet: column L1EG must have a value everywhere, not None; an event"):
        write_events(tmp_path / "a.parquet", holey)
    pq.write_table(ak.to_arrow_table(holey, extensionarray=False), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: column L1EG must have a value everywhere, not None; an event"):
        read_events(tmp_path / "b.parquet")


def test_types_that_allow_missing_values_become_plain(tmp_path: Path) -> None:
    events = grid_events(12)
    optional = ak.with_field(events, ak.mask(events["L1EG"], np.ones(12, bool)), "L1EG")
    write_events(tmp_path / "a.parquet", optional)
    assert same(read_events(tmp_path / "a.parquet"), events)
    foreign = pa.table({"weight": [1.0, 2.0], "L1Jet": [[{"pt": 1.0, "eta": 2.0, "phi": 0.0}], []]})
    pq.write_table(foreign, tmp_path / "b.parquet")
    assert "?" not in str(read_events(tmp_path / "b.parquet").type)
    assert read_events(tmp_path / "b.parquet")["L1Jet"].tolist() == foreign["L1Jet"].to_pylist()


def test_what_is_not_an_event_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"event file .*none does not exist; 'trigforge generate' writes one"):
        read_events(tmp_path / "none")
    with pytest.raises(InputError, match=r"holds no part-\*\.parquet; 'trigforge generate' writes one"):
        read_events(tmp_path)
    path = tmp_path / "a.parquet"
    path.write_text("no parquet")
    with pytest.raises(InputError, match=r"event file .*a\.parquet must be Parquet: "):
        read_metadata(path)
    pq.write_table(pa.table({"x": [1]}), path)
    assert read_metadata(path) == {}
    with pytest.raises(InputError, match=r"event file .*a\.parquet must have weight; it has x$"):
        next(iterate_events(path))
    pq.write_table(pa.table({"weight": [1.0], "L1Mu": [[{"pt": 1.0}]]}), path)
    with pytest.raises(InputError, match=r"a\.parquet: collection L1Mu must have pt, eta, phi; missing eta, phi$"):
        next(iterate_events(path, ["L1Mu"]))


def test_parts_of_different_columns_are_refused(tmp_path: Path) -> None:
    write_events(tmp_path / "part-0.parquet", grid_events(5))
    write_events(tmp_path / "part-1.parquet", grid_events(5)[["weight", "rho"]])
    with pytest.raises(InputError, match=r"the parts in .* must have the same columns; name those that all have"):
        read_events(tmp_path)
    assert len(read_events(tmp_path, ["weight", "rho"])) == 10


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_events(path, toy_events(500))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.parquet must be Parquet: Parquet magic bytes not found in footer"):
        read_events(path)
    for place in (len(whole) // 5, len(whole) // 2):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"a\.parquet must be whole, but row group 0 is not: "):
            read_events(path)


def test_regions_are_split_by_bytes_and_smaller_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    regions = rng.poisson(4, (2000, 252)).astype(np.uint16)
    write_events(tmp_path / "e.parquet", ak.zip({"weight": np.ones(2000), "L1Region": regions}, depth_limit=1))
    row_group = pq.ParquetFile(tmp_path / "e.parquet").metadata.row_group(0)
    columns = {row_group.column(i).path_in_schema.split(".")[0]: row_group.column(i) for i in range(2)}
    assert "BYTE_STREAM_SPLIT" in columns["L1Region"].encodings
    assert "BYTE_STREAM_SPLIT" not in columns["weight"].encodings
    assert columns["L1Region"].total_compressed_size < 0.45 * regions.size  # bytes; a code for their spread takes 0.38
    assert_array_equal(ak.to_numpy(read_events(tmp_path / "e.parquet").L1Region), regions)
