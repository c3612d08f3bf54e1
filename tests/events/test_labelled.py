"""Labelled jets: the schema, compact Parquet, and the public layouts."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.errors import InputError
from trigforge.events.jet_tagging import iterate_jet_tagging
from trigforge.events.labelled import (
    ANGLE_STEP,
    CLASSES,
    FEATURES,
    PT_STEP_GEV,
    TOP_CLASSES,
    check_jets,
    read_jets,
    read_notes,
    write_jets,
)
from trigforge.events.labelled_hdf5 import (
    CONSTITUENT_NAMES,
    constituent_block,
    rotated,
    write_jet_tagging,
    write_top_tagging,
)
from trigforge.events.top_tagging import iterate_top_tagging

JETS = 20


def made(classes: int = 5) -> ak.Array:
    """Jets of 1 to 200 massless constituents, each at most 0.5 from the axis of its jet."""
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 200, JETS)
    counts[0] = 1
    eta, phi = rng.uniform(-2, 2, JETS), rng.uniform(-np.pi, np.pi, JETS)
    pt = rng.exponential(20, counts.sum()) + 0.5
    part_eta = rng.uniform(-0.5, 0.5, len(pt)) + np.repeat(eta, counts)
    part_phi = (rng.uniform(-0.5, 0.5, len(pt)) + np.repeat(phi, counts) + np.pi) % (2 * np.pi) - np.pi
    parts = {"pt": pt, "eta": part_eta, "phi": part_phi, "energy": pt * np.cosh(part_eta)}
    flat = ak.zip({**{n: v.astype(np.float32) for n, v in parts.items()}, "pdgId": np.full(len(pt), -211, np.int32)})
    lists = ak.unflatten(flat, counts)
    lists = lists[ak.argsort(lists.pt, axis=1, ascending=False)]
    label = np.arange(JETS, dtype=np.int8) % classes
    kinematics = {"pt": ak.sum(lists.pt, axis=1), "eta": eta, "phi": phi, "mass": rng.uniform(1, 200, JETS)}
    record = ak.zip({n: ak.values_astype(v, np.float32) for n, v in kinematics.items()})
    columns = {
        "weight": np.linspace(0.5, 2, JETS),
        "label": label,
        "FatJet": record,
        "features": ak.zip({n: rng.normal(size=JETS).astype(np.float32) for n in FEATURES}),
        "Constituent": lists,
        "Parton": record,
    }
    return ak.zip(columns, depth_limit=1)


def without(jets: ak.Array, *names: str) -> ak.Array:
    return ak.zip({n: jets[n] for n in ak.fields(jets) if n not in names}, depth_limit=1)


def test_jets_come_back_within_their_steps(tmp_path: Path) -> None:
    jets, file = made(), tmp_path / "jets.parquet"
    write_jets(file, jets, CLASSES, 150, {"seed": 3})
    back = read_jets(file)
    assert read_notes(file) == (CLASSES, {"seed": 3})
    assert back.label.tolist() == jets.label.tolist()
    assert back.weight.tolist() == jets.weight.tolist()
    assert back.features.type == jets.features.type
    for name in ("FatJet", "features", "Parton"):
        for field in ak.fields(jets[name]):
            assert_allclose(back[name][field], jets[name][field], rtol=2.0**-13)
    sent = jets.Constituent[:, :150]
    assert_array_equal(ak.num(back.Constituent), ak.num(sent))
    assert ak.all(abs(back.Constituent.pt - sent.pt) <= PT_STEP_GEV / 2)
    assert ak.all(abs(back.Constituent.eta - sent.eta) <= ANGLE_STEP / 2 + 3e-4)
    turn = (back.Constituent.phi - sent.phi + np.pi) % (2 * np.pi) - np.pi
    assert ak.all(abs(turn) <= ANGLE_STEP / 2 + 5e-4)
    assert ak.all(back.Constituent.pdgId == -211)


def test_what_was_read_is_written_and_read_without_change(tmp_path: Path) -> None:
    write_jets(tmp_path / "a", made(), CLASSES, 40)
    once = read_jets(tmp_path / "a")
    write_jets(tmp_path / "b", once, CLASSES, 40)
    assert read_jets(tmp_path / "b").tolist() == once.tolist()


def test_fewer_constituents_or_none_may_be_kept(tmp_path: Path) -> None:
    write_jets(tmp_path / "few", made(), CLASSES, 8)
    assert ak.max(ak.num(read_jets(tmp_path / "few").Constituent)) == 8
    write_jets(tmp_path / "none", without(made(), "features", "Parton"), CLASSES, 0)
    assert ak.fields(read_jets(tmp_path / "none")) == ["weight", "label", "FatJet"]


def test_constituents_below_half_a_step_are_lost(tmp_path: Path) -> None:
    jets = made()
    soft = ak.with_field(jets.Constituent, jets.Constituent.pt * 0 + 0.12, "pt")
    write_jets(tmp_path / "soft", ak.with_field(jets, soft, "Constituent"), CLASSES, 150)
    assert ak.sum(ak.num(read_jets(tmp_path / "soft").Constituent)) == 0


def test_wrong_jets_are_refused(tmp_path: Path) -> None:
    jets = made()
    with pytest.raises(InputError, match=r"^x: labelled jets must have label; they have weight, FatJet$"):
        check_jets(jets[["weight", "FatJet"]], "x")
    with pytest.raises(InputError, match=r"^x: FatJet must have pt, eta, phi, mass; missing phi, mass$"):
        check_jets(ak.with_field(jets, jets.FatJet[["pt", "eta"]], "FatJet"), "x")
    with pytest.raises(InputError, match=r"x: labels must be in 0..1, not 0..4$"):
        write_jets(tmp_path / "x", jets, TOP_CLASSES, 0)
    with pytest.raises(InputError, match=r"x: labels must be in 0..1 \(qcd, top\), not 2$"):
        write_top_tagging(tmp_path / "x", jets)
    with pytest.raises(InputError, match=r"x: labelled jets must have features, Constituent; they have weight, "):
        write_jet_tagging(tmp_path / "x", without(jets, "features", "Constituent"))
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path: Path) -> None:
    text, plain = tmp_path / "text", tmp_path / "plain"
    text.write_text("no")
    with pytest.raises(InputError, match=r"^jet file .*text must be Parquet: "):
        read_jets(text)
    ak.to_parquet(made()[["weight"]], plain)
    with pytest.raises(InputError, match=r"plain must name its classes, but it does not; write it with write_jets$"):
        read_notes(plain)
    with pytest.raises(InputError, match=r"plain: labelled jets must have label, FatJet; they have weight$"):
        read_jets(plain)


def test_the_jet_tagging_layout_is_the_public_one(tmp_path: Path) -> None:
    jets, file = made(), tmp_path / "jets.h5"
    write_jet_tagging(file, jets)
    with h5py.File(file) as data:
        assert set(data) == {"jetConstituentList", "jets", "jetFeatureNames", "particleFeatureNames"}
        assert (data["jetConstituentList"].shape, data["jetConstituentList"].dtype) == ((JETS, 150, 16), np.float64)
        assert (data["jets"].shape, data["jets"].dtype) == ((JETS, 59), np.float64)
        names = [name.decode() for name in data["jetFeatureNames"][:]]
        # the places that published readers use: 16 observables and 5 labels
        places = [12, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 48, 52, *range(53, 59)]
        assert [names[p] for p in places] == [f"j_{n}" for n in (*FEATURES, *CLASSES, "undef")]
        assert [names[p] for p in (0, 1, 2, 3, 4, 9, 11, 33, 47)] == [
            *("j_ptfrac", "j_pt", "j_eta", "j_mass", "j_tau1_b1", "j_tau3_b2", "j_tau32_b2"),
            *("j_tau32_b2_mmdt", "j_mass_trim"),
        ]
        assert [n.decode() for n in data["particleFeatureNames"][:]] == list(CONSTITUENT_NAMES)
        assert (CONSTITUENT_NAMES[5], CONSTITUENT_NAMES[13], CONSTITUENT_NAMES[16]) == (
            "j1_pt",
            "j1_deltaR",
            "j1_pdgid",
        )
        block = data["jetConstituentList"][:]
        assert_array_equal(np.argmax(data["jets"][:, 53:58], axis=1), jets.label)
    assert_array_equal(np.sum(block[:, :, 5] > 0, axis=1), np.minimum(ak.num(jets.Constituent), 150))
    assert np.all(block[block[:, :, 5] == 0] == 0)


def test_constituent_values_agree_with_their_names() -> None:
    jets = made()
    v = dict(zip(CONSTITUENT_NAMES[:-1], np.moveaxis(constituent_block(jets), 2, 0), strict=True))
    there = v["j1_pt"] > 0
    assert_allclose(np.hypot(v["j1_px"], v["j1_py"]), v["j1_pt"], rtol=1e-6)
    assert_allclose(v["j1_pz"][there] / v["j1_e"][there], v["j1_costheta"][there], rtol=1e-4, atol=1e-6)
    assert_allclose(np.hypot(v["j1_etarel"], v["j1_phirel"]), v["j1_deltaR"])
    assert np.all(v["j1_deltaR"] < 0.71)
    whole = ak.to_numpy(ak.num(jets.Constituent)) <= 150
    assert_allclose(v["j1_erel"].sum(axis=1)[whole], 1, rtol=1e-5)
    assert_allclose(v["j1_ptrel"].sum(axis=1)[whole], 1, rtol=1e-5)
    assert np.all((v["j1_costhetarel"][there] > 0.5) & (v["j1_costhetarel"][there] <= 1))
    assert np.all(v["j1_etarot"][:, 0] == 0)
    assert np.all(v["j1_phirot"][:, 0] == 0)


def test_rotation_of_two_prongs() -> None:
    pt, eta, phi = (np.array([row]) for row in ([100.0, 50.0, 0.0], [0.5, 0.5, 0.0], [1.0, 1.2, 0.0]))
    turned_eta, turned_phi = rotated(pt, eta, phi)
    # the second prong lies at pz = 0, so θ = 180°: py' = -py and pz' = 0
    assert turned_eta[0] == pytest.approx([0, 0, 0], abs=1e-12)
    assert turned_phi[0] == pytest.approx([0, -0.2, 0], abs=1e-12)
    close_eta, close_phi = rotated(pt, np.array([[0.5, 0.55, 0.0]]), np.array([[1.0, 1.0, 0.0]]))
    assert close_eta[0] == pytest.approx([0, -0.05, 0], abs=1e-12)
    assert close_phi[0] == pytest.approx([0, 0, 0], abs=1e-12)


def test_jet_tagging_files_are_read_back(tmp_path: Path) -> None:
    jets, file = made(), tmp_path / "jets.h5"
    write_jet_tagging(file, jets)
    back = ak.concatenate(list(iterate_jet_tagging(file)))
    assert back.label.tolist() == jets.label.tolist()
    assert back.features.tolist() == jets.features.tolist()
    for name in ("pt", "eta", "phi", "energy"):
        assert_array_equal(ak.flatten(back.Constituent[name]), ak.flatten(jets.Constituent[name][:, :150]))


def test_top_tagging_files_are_read_back(tmp_path: Path) -> None:
    jets, file = made(2), tmp_path / "jets.h5"
    write_top_tagging(file, jets, ttv=1)
    back = ak.concatenate(list(iterate_top_tagging(file)))
    assert back.label.tolist() == jets.label.tolist()
    for name in ("pt", "eta", "phi", "energy"):
        assert_allclose(ak.flatten(back.Constituent[name]), ak.flatten(jets.Constituent[name]), rtol=2e-6, atol=2e-6)
    top = ak.to_numpy(jets.label) == 1
    assert_allclose(back.Parton.pt[top], jets.Parton.pt[top], rtol=1e-5)
    assert np.all(back.Parton.pt[~top] == 0)


def test_files_without_jets_are_files(tmp_path: Path) -> None:
    write_jets(tmp_path / "jets.parquet", made()[:0], CLASSES, 8)
    assert len(read_jets(tmp_path / "jets.parquet")) == 0
    write_jet_tagging(tmp_path / "five.h5", made()[:0])
    write_top_tagging(tmp_path / "top.h5", made()[:0])
    with h5py.File(tmp_path / "five.h5") as five, h5py.File(tmp_path / "top.h5") as top:
        assert five["jetConstituentList"].shape == (0, 150, 16)
        assert top["table/table"].shape == (0,)


def test_pandas_reads_the_top_tagging_layout(tmp_path: Path) -> None:
    import pandas

    jets, file = made(2), tmp_path / "jets.h5"
    write_top_tagging(file, jets, ttv=1)
    frame = pandas.read_hdf(file, key="table")
    assert frame.shape == (JETS, 806)
    assert list(frame.columns[[0, 1, 2, 3, 4, 799, 800, 803, 804, 805]]) == [
        *("E_0", "PX_0", "PY_0", "PZ_0", "E_1", "PZ_199", "truthE", "truthPZ", "ttv", "is_signal_new"),
    ]
    assert frame["is_signal_new"].tolist() == jets.label.tolist()
    assert set(frame["ttv"]) == {1}
    assert_allclose(frame["E_0"], jets.Constituent.energy[:, 0], rtol=1e-6)
    assert len(pandas.read_hdf(file, key="table", start=5, stop=8)) == 3
