"""Reader of the top-tagging files: pandas tables in HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
from foreign_files import top_columns, write_table

from trigforge.errors import InputError
from trigforge.events.labelled import check_jets
from trigforge.events.top_tagging import iterate_top_tagging


def _matrix(columns: dict[str, Any], quantity: str) -> Any:
    names = [n for n in columns if n.startswith(f"{quantity}_")]
    return np.stack([columns[n] for n in names], axis=1).astype(np.float64)


@pytest.mark.parametrize("alone", [(), ("is_signal_new", "ttv")])
def test_jets_follow_the_labelled_schema(tmp_path: Path, alone: tuple[str, ...]) -> None:
    columns = top_columns(130)
    path = write_table(tmp_path / "a.h5", columns, alone)
    jets = check_jets(ak.concatenate(list(iterate_top_tagging(path, 50))), "a.h5", ("Constituent", "Parton"))
    np.testing.assert_array_equal(jets.label, columns["is_signal_new"])
    energy, px, py, pz = (_matrix(columns, q) for q in ("E", "PX", "PY", "PZ"))
    assert ak.num(jets.Constituent).tolist() == (energy > 0).sum(axis=1).tolist()
    np.testing.assert_allclose(jets.FatJet.pt, np.hypot(px.sum(axis=1), py.sum(axis=1)), rtol=1e-6)
    total = energy.sum(axis=1) ** 2 - sum(p.sum(axis=1) ** 2 for p in (px, py, pz))
    np.testing.assert_allclose(jets.FatJet.mass, np.sqrt(np.maximum(total, 0)), rtol=1e-4, atol=0.05)
    np.testing.assert_allclose(ak.sum(jets.Constituent.energy, axis=1), energy.sum(axis=1), rtol=1e-5)
    pt = jets.Constituent.pt
    assert ak.all(pt[:, 1:] <= pt[:, :-1])
    np.testing.assert_allclose(
        ak.flatten(pt * np.cosh(jets.Constituent.eta)), ak.flatten(jets.Constituent.energy), 1e-4
    )


def test_the_parton_is_the_top_quark_of_a_signal_jet(tmp_path: Path) -> None:
    columns = top_columns(30)
    jets = next(iterate_top_tagging(write_table(tmp_path / "a.h5", columns)))
    signal = columns["is_signal_new"] == 1
    np.testing.assert_allclose(jets.Parton.pt[signal], np.hypot(500, 300), rtol=1e-6)
    np.testing.assert_allclose(jets.Parton.mass[signal], np.sqrt(900**2 - 500**2 - 300**2 - 600**2), rtol=1e-5)
    assert ak.to_numpy(jets.Parton.pt[~signal]).max() == 0


def test_a_range_is_that_of_the_whole(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.h5", top_columns(60))
    whole = next(iterate_top_tagging(path))
    assert ak.to_list(ak.concatenate(list(iterate_top_tagging(path, 9, 5, 50)))) == ak.to_list(whole[5:50])


def test_a_name_list_is_never_executed(tmp_path: Path) -> None:
    path, harm = write_table(tmp_path / "a.h5", top_columns(5)), tmp_path / "harm"
    with h5py.File(path, "r+") as file:
        names = f"cpathlib\nPath.touch\n(cpathlib\nPath\n(S'{harm}'\ntRtR."
        file["table/table"].attrs["values_block_0_kind"] = np.bytes_(names.encode())
    with pytest.raises(InputError, match=r"values_block_0 must name its 44 columns, not 1"):
        next(iterate_top_tagging(path))
    assert not harm.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("is_signal_new"), r"key 'table/table' must have the columns is_signal_new; expected a pandas"),
        (lambda c: c.pop("PX_0"), r"must have the columns PX_0"),
        (lambda c: c["PX_0"].__setitem__(2, np.nan), r"values_block_0 must be finite, not nan \(event 2\)"),
        (lambda c: c["is_signal_new"].__setitem__(2, 7), r"is_signal_new must be 0 or 1, not 7"),
        (lambda c: [v.__imul__(1000) for n, v in c.items() if n[:2] in {"E_", "PX", "PY", "PZ"}], r"must be in GeV"),
        (
            lambda c: [v.__itruediv__(1e4) for n, v in c.items() if n[:2] in {"E_", "PX", "PY", "PZ"}],
            r"hardest jet has",
        ),
    ],
)
def test_other_layouts_and_values_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    columns = top_columns(40)
    change(columns)
    with pytest.raises(InputError, match=message):
        list(iterate_top_tagging(write_table(tmp_path / "a.h5", columns)))


def test_a_fixed_table_is_refused_with_the_layout(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["table/block0_values"] = np.zeros((3, 4))
    with pytest.raises(
        InputError, match=r"key 'table/table' must be there.*expected a pandas HDF5 table 'table' \(format"
    ):
        next(iterate_top_tagging(tmp_path / "a.h5"))
