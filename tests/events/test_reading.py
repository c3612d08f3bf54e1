"""What all readers share: ranges, ordering, azimuth, checks."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import InputError
from trigforge.events.reading import (
    Source,
    check_finite,
    check_jets_in_gev,
    from_words,
    hardest_first,
    level1_phi,
    objects,
    on_grid,
    present,
    spans,
    wrap_phi,
)
from trigforge.events.schema import CALO_GRID, MUON_GRID, Grid

SOURCE = Source(Path("x.h5"), "some layout")


@given(st.integers(1, 500), st.integers(1, 80), st.data())
def test_spans_cover_the_range_once_in_order(events: int, chunk: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, events))
    stop = data.draw(st.integers(start, events))
    found = [i for first, last in spans(SOURCE, events, chunk, start, stop) for i in range(first, last)]
    assert found == list(range(start, stop))
    assert all(0 < last - first <= chunk for first, last in spans(SOURCE, events, chunk, start, stop))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 10, 0, None), r"^x\.h5: must hold at least one event, not 0; expected some layout$"),
        ((5, 0, 0, None), r"^chunk must be at least 1 event, not 0$"),
        ((5, 2, 3, 2), r"^x\.h5: the range 3\.\.2 must lie in its events 0\.\.5$"),
        ((5, 2, 0, 6), r"the range 0\.\.6 must lie"),
    ],
)
def test_ranges_outside_a_file_are_refused(arguments: tuple[int, int, int, int | None], message: str) -> None:
    with pytest.raises(InputError, match=message):
        spans(SOURCE, *arguments)


@given(st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=6))
def test_objects_are_sorted_hardest_first_and_ties_keep_their_order(pt: list[list[int]]) -> None:
    lists = ak.values_astype(ak.concatenate([ak.Array([[0]])[:, :0], ak.Array(pt)]), np.float32)[1:]
    found = hardest_first(ak.zip({"pt": lists, "place": ak.local_index(lists, axis=1)}))
    expected = [sorted(enumerate(row), key=lambda item: -item[1]) for row in pt]
    assert found.place.tolist() == [[place for place, _ in row] for row in expected]


def test_many_equal_objects_keep_their_order() -> None:
    pt = ak.Array([[1.0] + [2.0, 3.0] * 500])
    found = hardest_first(ak.zip({"pt": pt, "place": ak.local_index(pt, axis=1)}))
    assert found.place.tolist() == [[*range(2, 1001, 2), *range(1, 1001, 2), 0]]


@given(st.lists(st.floats(-6.29, 6.29), min_size=1, max_size=20))
def test_azimuth_stays_the_same_direction_inside_its_turn(phi: list[float]) -> None:
    for level1, low in ((True, 0.0), (False, -np.pi)):
        found = ak.to_numpy(wrap_phi(np.array(phi), level1=level1))
        assert found.dtype == np.float32
        assert ((found >= np.float32(low)) & (found < np.float32(low + 2 * np.pi))).all()
        np.testing.assert_allclose(np.cos(found), np.cos(phi), atol=1e-6)
        np.testing.assert_allclose(np.sin(found), np.sin(phi), atol=1e-6)


@pytest.mark.parametrize("grid", [CALO_GRID, MUON_GRID])
@pytest.mark.parametrize("cmssw_step", [False, True])
def test_words_come_back_from_values_of_twelve_bits(grid: Grid, cmssw_step: bool) -> None:
    """CMSSW multiplies calorimeter φ words with 0.0435 and muon ones with 0.010908, and NanoAOD cuts the mantissa."""
    words = np.arange(round(2 * np.pi / grid.phi))
    step = (0.0435 if grid is CALO_GRID else 0.010908) if cmssw_step else grid.phi
    angle = np.mod(words * step + np.pi, 2 * np.pi) - np.pi
    mantissa, exponent = np.frexp(angle)
    kept = np.ldexp(np.rint(mantissa * 4096) / 4096, exponent).astype(np.float32)
    np.testing.assert_array_equal(ak.to_numpy(level1_phi(kept, grid)), ak.to_numpy(from_words(words, grid.phi)))


def test_values_on_the_grid_are_those_of_event_files() -> None:
    words = np.arange(-230, 231)
    np.testing.assert_array_equal(on_grid(words * 0.0435 + 0.001, CALO_GRID.eta), (words * CALO_GRID.eta).astype("f4"))


def test_the_first_event_that_is_not_finite_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^x\.h5: branch a must be finite, not nan \(event 12\); expected some layout$"
    ):
        check_finite(SOURCE, "branch a", ak.Array([[1.0], [2.0], [3.0, np.nan], [np.inf]]), 10)
    with pytest.raises(InputError, match=r"not -inf \(event 1\)"):
        check_finite(SOURCE, "key b", np.array([[[0.0, 1.0]], [[-np.inf, 0.0]]]), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pt": [[20_000.0]]}, r"a pt must be in GeV, in 0\.\.6800, not 20000"),
        ({"pt": [[-1.0]]}, r"a pt must be in GeV, in 0\.\.6800, not -1"),
        ({"eta": [[35.0]]}, r"a eta must be a pseudorapidity, in -20\.\.20, not 35"),
        ({"phi": [[170.0]]}, r"a phi must be in radians, in -6\.29319\.\.6\.29319, not 170"),
    ],
)
def test_other_units_are_refused(change: dict[str, list[list[float]]], message: str) -> None:
    good = {"pt": [[20.0]], "eta": [[0.0]], "phi": [[0.0]]}
    assert len(objects(SOURCE, "a", {k: ak.Array(v) for k, v in good.items()}, 0)) == 1
    with pytest.raises(InputError, match=message):
        objects(SOURCE, "a", {k: ak.Array(v) for k, v in {**good, **change}.items()}, 0)


def test_jets_in_tev_are_refused_and_no_jets_are_not() -> None:
    check_jets_in_gev(SOURCE, "a", ak.Array([[1.0]])[:, :0])
    with pytest.raises(InputError, match=r"a must be in GeV, but its hardest jet has 0\.5"):
        check_jets_in_gev(SOURCE, "a", ak.Array([[0.5, 0.1]]))


def test_paths_without_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, message in (
        (".", "must be a file, not a folder"),
        ("no", "does not exist"),
        ("empty", r"empty \(0 bytes\)"),
    ):
        with pytest.raises(InputError, match=message):
            present(tmp_path / name)
