"""Reader of the five-class jet-tagging files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from foreign_files import CONSTITUENT_NAMES, jet_block, write_hdf5

from trigforge.errors import InputError
from trigforge.events.jet_tagging import iterate_jet_tagging
from trigforge.events.labelled import FEATURES, check_jets


def _read(path: Path, content: dict[str, Any], chunk: int = 1000) -> ak.Array:
    return ak.concatenate(list(iterate_jet_tagging(write_hdf5(path, content), chunk)))


def test_jets_follow_the_labelled_schema(tmp_path: Path) -> None:
    content = jet_block(120)
    jets = check_jets(_read(tmp_path / "a.h5", content, 50), "a.h5", ("Constituent", "features"))
    names = [n.decode() for n in content["jetFeatureNames"]]
    assert ak.fields(jets.features) == list(FEATURES)
    for name in FEATURES:
        np.testing.assert_array_equal(jets.features[name], content["jets"][:, names.index(f"j_{name}")].astype("f4"))
    np.testing.assert_array_equal(jets.FatJet.mass, content["jets"][:, names.index("j_mass")].astype("f4"))
    np.testing.assert_array_equal(jets.label, np.argmax(content["jets"][:, 53:58], axis=1))
    assert str(jets.label.type.content) == "int8"
    assert set(jets.weight.tolist()) == {1.0}


def test_constituents_are_sorted_and_padding_is_gone(tmp_path: Path) -> None:
    content = jet_block(60)
    jets = _read(tmp_path / "a.h5", content)
    for i, name in enumerate(("pt", "eta", "phi", "e")):
        column = content["jetConstituentList"][:, :, CONSTITUENT_NAMES.index(name)]
        pt = content["jetConstituentList"][:, :, CONSTITUENT_NAMES.index("pt")]
        order = np.argsort(-pt, axis=1, kind="stable")
        expected = [row[o][p[o] > 0].astype("f4").tolist() for row, o, p in zip(column, order, pt, strict=True)]
        assert jets.Constituent[("pt", "eta", "phi", "energy")[i]].tolist() == expected
    assert ak.all(jets.Constituent.pdgId == 0)


def test_azimuth_of_a_jet_is_that_of_its_constituents(tmp_path: Path) -> None:
    content = jet_block(40)
    jets = _read(tmp_path / "a.h5", content)
    px, py = (content["jetConstituentList"][:, :, i].sum(axis=1) for i in (0, 1))
    np.testing.assert_allclose(jets.FatJet.phi, np.arctan2(py, px), atol=1e-5)


def test_particle_numbers_come_through_where_the_file_has_them(tmp_path: Path) -> None:
    content = jet_block(10)
    pdg = np.where(content["jetConstituentList"][:, :, 5] > 0, 211.0, 0.0)
    content["jetConstituentList"] = np.concatenate([content["jetConstituentList"], pdg[:, :, None]], axis=2)
    assert ak.all(_read(tmp_path / "a.h5", content).Constituent.pdgId == 211)


def test_a_range_is_that_of_the_whole(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "a.h5", jet_block(50))
    whole = next(iterate_jet_tagging(path))
    part = ak.concatenate(list(iterate_jet_tagging(path, 7, 10, 40)))
    assert ak.to_list(part) == ak.to_list(whole[10:40])


def test_files_without_features_have_none(tmp_path: Path) -> None:
    content = jet_block(5)
    names = [n.decode() for n in content["jetFeatureNames"]]
    without = [f"x_{n}" if n[2:] in FEATURES else n for n in names]
    content["jetFeatureNames"] = np.array(without, dtype="S")
    assert "features" not in ak.fields(_read(tmp_path / "a.h5", content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("jetConstituentList"), r"a\.h5: key 'jetConstituentList' must be there; the file has"),
        (lambda c: c.update(jets=c["jets"][:3]), r"must have as many jets, not 3 and 5; expected HDF5 keys 'jets'"),
        (lambda c: c.update(jetFeatureNames=c["jetFeatureNames"][:9]), r"must name all 59 columns, not 9"),
        (lambda c: c["jetFeatureNames"].__setitem__(1, b"pt"), r"key 'jetFeatureNames' must have the name j_pt"),
        (lambda c: c["jetFeatureNames"].__setitem__(4, b"x"), r"must have the name j_zlogz"),
        (lambda c: c["jets"].__setitem__((3, slice(53, 59)), 0), r"must be 1, not 0 of them \(jet 3\)"),
        (lambda c: c["jets"].__setitem__((2, 7), np.inf), r"key 'jets' must be finite, not inf \(event 2\)"),
        (lambda c: c["jetConstituentList"].__setitem__((1, 0, 7), np.nan), r"'jetConstituentList' eta must be finite"),
        (lambda c: c["jets"].__setitem__((slice(None), 1), 1e6), r"key 'jets' pt must be in GeV"),
        (lambda c: c["jets"].__setitem__((slice(None), 1), 0.9), r"j_pt must be in GeV, but its hardest jet has 0\.9"),
    ],
)
def test_other_layouts_and_values_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    content = jet_block(5)
    change(content)
    with pytest.raises(InputError, match=message):
        _read(tmp_path / "a.h5", content)
