"""Reader of the CMS Level-1 anomaly-detection set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from foreign_files import level1_words, write_object_folders, write_whole_events

from trigforge.contract import OutOfRange, level1_contract
from trigforge.errors import InputError
from trigforge.events import check_events, read_events, write_events
from trigforge.events.l1_parquet import iterate_l1_parquet


def _all(path: Path, chunk: int = 1000, **more: Any) -> ak.Array:
    return ak.concatenate(list(iterate_l1_parquet(path, chunk, **more)))


def test_both_layouts_give_the_same_events(tmp_path: Path) -> None:
    columns = level1_words(200)
    folders = _all(write_object_folders(tmp_path / "objects", columns, files=3), 30)
    whole = _all(write_whole_events(tmp_path / "whole" / "test-00000.parquet", columns), 64)
    assert ak.fields(folders) == ak.fields(check_events(whole, "whole"))
    assert ak.to_list(folders) == ak.to_list(whole) == ak.to_list(_all(tmp_path / "whole"))
    assert float(ak.sum(folders.weight)) == pytest.approx(1)


def test_words_come_back_from_the_contract(tmp_path: Path) -> None:
    """What the hardware sent is what the contract encodes; only the offset of the muon pt is gone."""
    columns = level1_words(150)
    events = _all(write_object_folders(tmp_path / "x", columns))
    words = level1_contract().encode(events, OutOfRange.REFUSE)
    names = level1_contract().word_names
    for prefix, folder, fields, count in (
        ("L1Jet", "jets", ("jetIEt", "jetIEta", "jetIPhi"), 10),
        ("L1Mu", "muons", ("muonIEt", "muonIEtaAtVtx", "muonIPhiAtVtx"), 4),
        ("L1EG", "egammas", ("egIEt", "egIEta", "egIPhi"), 4),
    ):
        order = ak.argsort(columns[f"{folder}_{fields[0]}"], ascending=False, stable=True)
        for field, column in zip(("pt", "eta", "phi"), fields, strict=True):
            offset = 1 if column == "muonIEt" else 0
            sent = ak.fill_none(ak.pad_none(columns[f"{folder}_{column}"][order] - offset, count, clip=True), 0)
            places = [i for i, n in enumerate(names) if n.startswith(prefix) and n.endswith(f"_{field}")]
            np.testing.assert_array_equal(words[:, places], ak.to_numpy(sent))
    np.testing.assert_array_equal(words[:, 0], ak.to_numpy(columns["MET_Et"])[:, 0])


def test_events_are_stored_as_words_and_come_back(tmp_path: Path) -> None:
    events = _all(write_object_folders(tmp_path / "x", level1_words(80)))
    write_events(tmp_path / "a.parquet", events)
    stored = ak.from_parquet(tmp_path / "a.parquet")
    assert all("int16" in str(stored[name].type) for name in ("L1MET", "L1HT", "L1EG", "L1Mu", "L1Jet"))
    assert ak.to_list(read_events(tmp_path / "a.parquet")) == ak.to_list(events)


def test_muon_word_zero_is_no_muon_and_one_is_zero_gev(tmp_path: Path) -> None:
    columns = level1_words(1)
    for name, values in (("muonIEt", [0, 1, 41]), ("muonIEtaAtVtx", [5, 6, 7]), ("muonIPhiAtVtx", [1, 2, 3])):
        columns[f"muons_{name}"] = ak.Array([np.array(values, dtype="i4")])
    columns |= {"muons_muonChg": ak.Array([[1, 1, -1]]), "muons_muonQual": ak.Array([[1, 1, 1]])}
    muons = _all(write_object_folders(tmp_path / "x", columns)).L1Mu
    assert muons.pt.tolist() == [[20.0, 0.0]]
    assert muons.charge.tolist() == [[-1, 1]]


def test_decisions_and_pile_up_come_through(tmp_path: Path) -> None:
    columns = level1_words(60)
    path = write_object_folders(tmp_path / "x", columns)
    events = _all(path)
    np.testing.assert_array_equal(events.L1_SingleMu22, ak.to_numpy(columns["seeds_L1_SingleMu22"])[:, 0])
    np.testing.assert_array_equal(events.nPU, ak.to_numpy(columns["event_info_nPV_True"])[:, 0])
    assert "other" not in ak.fields(events)
    assert not any(n.startswith("L1_") for n in ak.fields(_all(path, bits=())))


def test_a_range_crosses_files(tmp_path: Path) -> None:
    path = write_object_folders(tmp_path / "x", level1_words(100), files=4)
    whole = _all(path)
    for start, stop in ((0, 10), (20, 90), (25, 50), (99, 100), (40, 40)):
        parts = list(iterate_l1_parquet(path, 20, start, stop))
        assert sum(map(len, parts)) == stop - start
        if parts:
            assert ak.to_list(ak.concatenate(parts)) == ak.to_list(whole[start:stop])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"jets_jetIPhi": 144},
            r"column jets_jetIPhi must be in 0\.\.143, not 144; expected Parquet of the CMS Level-1",
        ),
        ({"muons_muonIEt": 512}, r"column muons_muonIEt must be in 0\.\.511, not 512"),
        ({"egammas_egIEta": -200}, r"column egammas_egIEta must be in -127\.\.127, not -200"),
        ({"jets_jetIEt": 20.5}, r"column jets_jetIEt must hold integer words, not float64"),
    ],
)
def test_values_that_are_no_words_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    columns = level1_words(20)
    for name, value in change.items():
        columns[name] = ak.zeros_like(columns[name]) + value
    with pytest.raises(InputError, match=message):
        _all(write_object_folders(tmp_path / "x", columns))


def test_missing_columns_folders_and_rows_are_named(tmp_path: Path) -> None:
    columns = level1_words(20)
    less = {n: v for n, v in columns.items() if n != "jets_jetIEta"}
    with pytest.raises(InputError, match=r"column jets_jetIEta must be there; expected Parquet"):
        _all(write_object_folders(tmp_path / "a", less))
    without = {n: v for n, v in columns.items() if not n.startswith("MET_")}
    with pytest.raises(InputError, match=r"folder MET must be there"):
        _all(write_object_folders(tmp_path / "b", without))
    path = write_object_folders(tmp_path / "c", columns, files=2)
    (path / "jets" / "file_1.parquet").rename(path / "jets" / "file_2.parquet")
    with pytest.raises(InputError, match=r"folder jets must have the files of folder muons, not others"):
        _all(path)
    ak.to_parquet(ak.from_parquet(path / "jets" / "file_2.parquet")[:3], path / "jets" / "file_1.parquet")
    (path / "jets" / "file_2.parquet").unlink()
    with pytest.raises(InputError, match=r"must have as many rows, not .*jets/file_1\.parquet 3"):
        _all(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: must hold \*\.parquet files or the folders muons, jets"):
        _all(tmp_path / "empty")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    path = write_whole_events(tmp_path / "x" / "a.parquet", level1_words(40))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        InputError, match=r"a\.parquet: file x/a\.parquet must be readable and whole|file a\.parquet must be"
    ):
        _all(path)
