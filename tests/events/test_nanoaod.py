"""Reader of NanoAOD and ScoutingNano, on the real files and on trees and RNTuples written from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from foreign_files import write_rntuple, write_tree

from trigforge.contract import OutOfRange, level1_contract
from trigforge.errors import InputError
from trigforge.events import check_events, read_events, write_events
from trigforge.events.nanoaod import iterate_nanoaod
from trigforge.events.schema import CALO_GRID, MUON_GRID

JET = ("pt", "eta", "phi", "mass", "area", "rawFactor", "genJetIdx")
GEN_JET = ("pt", "eta", "phi", "mass")
SCALARS = ("genWeight", "Pileup_nPU", "PV_npvs", "Rho_fixedGridRhoFastjetAll", "L1_AXO_Loose", "HLT_IsoMu24")


def _all(path: Path, chunk: int = 1000, **more: Any) -> ak.Array:
    return check_events(ak.concatenate(list(iterate_nanoaod(path, chunk, **more))), str(path))


@pytest.fixture(scope="module")
def raw(public_data: Path) -> dict[str, Any]:
    """Some branches of the real NanoAOD, in memory."""
    with uproot.open(public_data / "nano_tt_v15.root") as file:
        tree = file["Events"]
        names = [*(f"Jet_{n}" for n in JET), *(f"GenJet_{n}" for n in GEN_JET), *SCALARS]
        return {name: tree[name].array() for name in names}


@pytest.fixture(scope="module")
def events(public_data: Path) -> ak.Array:
    """All events of the real NanoAOD."""
    return _all(public_data / "nano_tt_v15.root", 90)


def test_real_nanoaod(events: ak.Array, raw: dict[str, Any]) -> None:
    assert len(events) == 200
    pt = raw["Jet_pt"] * (1 - raw["Jet_rawFactor"])
    order = ak.argsort(pt, ascending=False, stable=True)
    np.testing.assert_array_equal(ak.flatten(events.Jet.pt), ak.flatten(pt[order]))
    np.testing.assert_array_equal(ak.flatten(events.Jet.area), ak.flatten(raw["Jet_area"][order]))
    index = raw["Jet_genJetIdx"][order]
    np.testing.assert_array_equal(ak.flatten(events.Jet.genJetIdx), ak.flatten(index))
    np.testing.assert_array_equal(events.nPU, raw["Pileup_nPU"])
    np.testing.assert_array_equal(events.nPV, raw["PV_npvs"])
    np.testing.assert_array_equal(events.rhoOffline, raw["Rho_fixedGridRhoFastjetAll"])
    np.testing.assert_allclose(events.weight, 1 / 200)
    matched = events.Jet[events.Jet.genJetIdx >= 0]
    found = events.GenJet[matched.genJetIdx]
    assert ak.mean(abs(found.eta - matched.eta) < 0.4, axis=None) > 0.999


def test_all_decisions_come_through(events: ak.Array, raw: dict[str, Any]) -> None:
    bits = [n for n in ak.fields(events) if n.startswith(("L1_", "HLT_", "DST_"))]
    assert len(bits) == 1145
    assert {str(events[n].type.content) for n in bits} == {"bool"}
    for name in ("L1_AXO_Loose", "HLT_IsoMu24"):
        np.testing.assert_array_equal(events[name], raw[name])


def test_real_scouting_file(public_data: Path) -> None:
    path = public_data / "scouting_nano.root"
    events = _all(path)
    with uproot.open(path) as file:
        tree = file["Events"]
        np.testing.assert_array_equal(ak.flatten(events.HLTJet.pt), ak.flatten(tree["ScoutingJet_pt"].array()))
        np.testing.assert_array_equal(events.rho, tree["ScoutingRho"].array())
        index = tree["ScoutingJet_genJetIdx"].array()
        np.testing.assert_array_equal(events.nPV, ak.sum(tree["ScoutingPrimaryVertex_isValidVtx"].array(), axis=1))
        online = _all(path, online="ScoutingPFJet")
        np.testing.assert_array_equal(ak.flatten(online.HLTJet.mass), ak.flatten(tree["ScoutingPFJet_m"].array()))
        np.testing.assert_array_equal(ak.flatten(online.HLTJet.area), ak.flatten(tree["ScoutingPFJet_jetArea"].array()))
    nowhere = (index < 0) | (index >= ak.num(events.GenJet))
    assert ak.sum(nowhere & (index >= 0)) == 4, "the file matches to generator jets that it does not keep"
    np.testing.assert_array_equal(ak.flatten(events.HLTJet.genJetIdx), ak.flatten(ak.where(nowhere, -1, index)))
    assert "genJetIdx" not in ak.fields(online.HLTJet)


def test_rntuples_of_records_and_of_columns_give_the_events_of_the_tree(
    events: ak.Array, raw: dict[str, Any], tmp_path: Path
) -> None:
    flat = write_rntuple(tmp_path / "flat.root", "Events", raw)
    records = {
        "Jet": ak.zip({n: raw[f"Jet_{n}"] for n in JET}),
        "GenJet": ak.zip({n: raw[f"GenJet_{n}"] for n in GEN_JET}),
    }
    nested = write_rntuple(tmp_path / "nested.root", "Events", records | {n: raw[n] for n in SCALARS})
    tree = write_tree(tmp_path / "tree.root", "Events", raw)
    for path in (flat, nested, tree):
        found = _all(path, 33)
        for name in ("weight", "Jet", "GenJet", "nPU", "nPV", "rhoOffline", "L1_AXO_Loose", "HLT_IsoMu24"):
            assert ak.to_list(found[name]) == ak.to_list(events[name]), (path, name)


def _level1(n: int = 60) -> tuple[dict[str, Any], dict[str, Any]]:
    """Branches of NanoAOD's Level-1 objects as CMSSW fills them, and the words that they came from."""
    rng = np.random.default_rng(3)
    branches: dict[str, Any] = {}
    words: dict[str, Any] = {}
    for name, pt_max, eta_max, grid, offset in (
        ("L1EG", 511, 69, CALO_GRID, 0),
        ("L1Jet", 2047, 115, CALO_GRID, 0),
        ("L1Mu", 511, 225, MUON_GRID, 1),
    ):
        count = rng.integers(0, 5, n)
        total = int(count.sum())
        phi_steps = round(2 * np.pi / grid.phi)
        pt = rng.integers(1, pt_max + 1, total)
        eta, phi = rng.integers(-eta_max, eta_max + 1, total), rng.integers(0, phi_steps, total)
        bx = rng.integers(-1, 2, total)
        angle = np.mod(phi * (0.0435 if phi_steps == 144 else 0.010908) + np.pi, 2 * np.pi) - np.pi
        values = {"pt": (pt - offset) * 0.5, "eta": eta * grid.eta, "phi": angle}
        for field, column in values.items():
            branches[f"{name}_{field}"] = ak.unflatten(column.astype(np.float32), count)
        branches[f"{name}_bx"] = ak.unflatten(bx.astype(np.int16), count)
        for field, column in (("pt", pt - offset), ("eta", eta), ("phi", phi), ("bx", bx)):
            words[f"{name}_{field}"] = ak.unflatten(column, count)
    branches["L1EG_hwIso"] = ak.values_astype(branches["L1EG_bx"] * 0 + 3, np.int16)
    branches["L1Mu_hwCharge"] = ak.values_astype(branches["L1Mu_bx"] * 0 + 1, np.int16)
    kinds = ak.Array([[1, 2, 3, 1, 2]] * n)
    branches["L1EtSum_etSumType"] = ak.values_astype(kinds, np.int32)
    branches["L1EtSum_bx"] = ak.values_astype(ak.Array([[0, 0, 0, 1, 1]] * n), np.int16)
    branches["L1EtSum_pt"] = ak.values_astype(ak.Array([[300.5, 41.5, 7, 9, 9]] * n), np.float32)
    branches["L1EtSum_phi"] = ak.values_astype(ak.Array([[0, -0.04363, 1, 1, 1]] * n), np.float32)
    return branches, words


@pytest.mark.parametrize("write", [write_tree, write_rntuple])
def test_level1_objects_come_back_to_their_words(tmp_path: Path, write: Any) -> None:
    branches, words = _level1()
    events = _all(write(tmp_path / "a.root", "Events", branches), 25)
    for name, grid in (("L1EG", CALO_GRID), ("L1Jet", CALO_GRID), ("L1Mu", MUON_GRID)):
        here = words[f"{name}_bx"] == 0
        order = ak.argsort(words[f"{name}_pt"][here], ascending=False, stable=True)
        for field, lsb in (("pt", grid.pt), ("eta", grid.eta), ("phi", grid.phi)):
            expected = ak.to_numpy(ak.flatten(words[f"{name}_{field}"][here][order])) * lsb
            np.testing.assert_array_equal(ak.flatten(events[name][field]), expected.astype(np.float32))
    assert (events.L1MET.pt[0], events.L1HT.pt[0]) == (41.5, 300.5)
    assert events.L1MET.phi[0] == np.float32(143 * CALO_GRID.phi)
    assert ak.all(events.L1EG.iso == 1)
    assert ak.all(events.L1Mu.charge == -1)
    assert level1_contract().encode(events, OutOfRange.REFUSE).shape == (60, 57)
    write_events(tmp_path / "a.parquet", events)
    assert ak.to_list(read_events(tmp_path / "a.parquet")) == ak.to_list(events)


def test_muons_extrapolated_to_the_vertex_are_preferred(tmp_path: Path) -> None:
    branches, _ = _level1()
    branches |= {"L1Mu_etaAtVtx": branches["L1Mu_eta"] * 0, "L1Mu_phiAtVtx": branches["L1Mu_phi"] * 0}
    muons = _all(write_tree(tmp_path / "a.root", "Events", branches)).L1Mu
    assert ak.sum(ak.num(muons)) > 0
    assert ak.all(muons.eta == 0)
    assert ak.all(muons.phi == 0)


def test_decisions_are_left_out_on_request(tmp_path: Path) -> None:
    branches, _ = _level1(5)
    path = write_tree(tmp_path / "a.root", "Events", {**branches, "L1_A": np.ones(5, bool), "HLT_B": np.zeros(5, bool)})
    assert [n for n in ak.fields(_all(path)) if "_" in n] == ["HLT_B", "L1_A"]
    assert [n for n in ak.fields(_all(path, bits=("HLT_",))) if "_" in n] == ["HLT_B"]
    assert not [n for n in ak.fields(_all(path, bits=())) if "_" in n]


def test_events_without_a_sum_have_none(tmp_path: Path) -> None:
    branches, _ = _level1(5)
    branches["L1EtSum_bx"] = branches["L1EtSum_bx"] + 1
    assert ak.to_list(_all(write_tree(tmp_path / "a.root", "Events", branches)).L1MET)[0] == {
        "pt": 0,
        "eta": 0,
        "phi": 0,
    }


def test_generator_weights_add_up_to_one_over_the_file(tmp_path: Path) -> None:
    n = 40
    weights = np.where(np.arange(n) % 4 == 0, -2.5, 7.5).astype(np.float32)
    jets = {f"Jet_{f}": ak.Array([[30.0, 25.0]] * n) for f in ("pt", "eta", "phi", "mass", "area")}
    jets |= {"Jet_eta": jets["Jet_eta"] * 0, "Jet_phi": jets["Jet_phi"] * 0}
    path = write_tree(tmp_path / "a.root", "Events", {**jets, "genWeight": weights})
    np.testing.assert_allclose(_all(path, 7).weight, weights / weights.sum(dtype=float))
    np.testing.assert_allclose(_all(path, 7, start=10, stop=20).weight, (weights / weights.sum(dtype=float))[10:20])
    bad = write_tree(tmp_path / "b.root", "Events", {**jets, "genWeight": -weights})
    with pytest.raises(InputError, match=r"branch genWeight must have a positive sum, not -200"):
        _all(bad)


def test_indices_follow_the_sorting_of_generator_jets(tmp_path: Path) -> None:
    gen = {"pt": [[20.0, 50.0, 30.0]], "eta": [[2.0, 5.0, 3.0]], "phi": [[0.0] * 3], "mass": [[1.0] * 3]}
    jet = {"pt": [[19.0, 29.0, 48.0, 9.0, 8.0]], "eta": [[2.0, 3.0, 5.0, 0.0, 0.0]]}
    jet |= {"phi": [[0.0] * 5], "mass": [[1.0] * 5], "area": [[0.5] * 5]}
    columns: dict[str, Any] = {f"GenJet_{k}": ak.Array(v) for k, v in gen.items()}
    columns |= {f"Jet_{k}": ak.Array(v) for k, v in jet.items()}
    columns["Jet_genJetIdx"] = ak.values_astype(ak.Array([[0, 2, 1, -99999, 3]]), np.int32)
    events = _all(write_tree(tmp_path / "a.root", "Events", columns))
    assert events.GenJet.pt.tolist() == [[50, 30, 20]]
    assert events.Jet.genJetIdx.tolist() == [[0, 1, 2, -1, -1]]
    assert events.GenJet.eta[0][events.Jet.genJetIdx[0][:3]].tolist() == events.Jet.eta[0][:3].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"Jet_area": None},
            r"branch Jet_area or Jet\.area or Jet_jetArea or Jet\.jetArea must be there; expected CMS",
        ),
        ({"Jet_pt": [[30.0], [np.nan]]}, r"branch Jet_pt must be finite, not nan \(event 1\); expected CMS NanoAOD"),
        ({"Jet_pt": [[30_000.0], [4e4]]}, r"Jet pt must be in GeV, in 0\.\.6800, not 40000"),
        ({"Jet_pt": [[0.03], [0.02]]}, r"Jet pt must be in GeV, but its hardest jet has 0\.03"),
        ({"Jet_phi": [[90.0], [1.0]]}, r"Jet phi must be in radians"),
    ],
)
def test_incomplete_and_impossible_jets_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    columns: dict[str, Any] = {f"Jet_{f}": [[1.0], [1.0]] for f in ("eta", "phi", "mass", "area")}
    columns |= {"Jet_pt": [[30.0], [20.0]]} | change
    kept = {k: ak.values_astype(ak.Array(v), np.float32) for k, v in columns.items() if v is not None}
    with pytest.raises(InputError, match=message):
        _all(write_tree(tmp_path / "a.root", "Events", kept))


def test_other_files_are_refused(tmp_path: Path, public_data: Path) -> None:
    (tmp_path / "text.root").write_text("no ROOT at all")
    whole = (public_data / "scouting_nano.root").read_bytes()
    (tmp_path / "cut.root").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "cut"):
        with pytest.raises(
            InputError, match=rf"{name}\.root: the ROOT file must be readable and whole: .*; expected CMS"
        ):
            next(iterate_nanoaod(tmp_path / f"{name}.root"))
    other = write_tree(tmp_path / "other.root", "Data", {"x": np.ones(3)})
    with pytest.raises(InputError, match=r"tree Events must be there; the file has Data; expected CMS NanoAOD"):
        next(iterate_nanoaod(other))
    plain = write_tree(tmp_path / "plain.root", "Events", {"x": np.ones(3)})
    with pytest.raises(InputError, match="at least one collection of jets or Level-1 objects must be there"):
        next(iterate_nanoaod(plain))
    with pytest.raises(InputError, match=r"branch HLTJets_pt must be there for the trigger-level jets 'HLTJets'"):
        next(iterate_nanoaod(public_data / "scouting_nano.root", online="HLTJets"))


def test_damaged_baskets_are_refused(tmp_path: Path) -> None:
    branches, _ = _level1()
    path = write_tree(tmp_path / "a.root", "Events", branches)
    with uproot.open(path) as file:
        start = int(file["Events"]["L1Jet_pt"].member("fBasketSeek")[0])
    damaged = bytearray(path.read_bytes())
    damaged[start : start + 40] = bytes(40)
    path.write_bytes(damaged)
    with pytest.raises(
        InputError, match=r"branch L1Jet_pt, events 0 to 60, must be readable and whole: .*; expected CMS"
    ):
        next(iterate_nanoaod(path))


def test_level1_pt_off_the_grid_is_refused(tmp_path: Path) -> None:
    branches, _ = _level1(5)
    branches["L1Jet_pt"] = ak.values_astype(branches["L1Jet_pt"] + 0.2, np.float32)
    with pytest.raises(
        InputError, match=r"branch L1Jet_pt must be in Level-1 steps of 0\.5 GeV; one is off by 0\.4 steps"
    ):
        _all(write_tree(tmp_path / "a.root", "Events", branches))
