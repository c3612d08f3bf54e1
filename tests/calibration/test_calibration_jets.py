"""The jet energy scale on toy events of known response."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import correctionlib
import numpy as np
import pytest
from toy_events import toy_events, true_response

from trigforge.calibration.corrections import (
    AREA_CORRECTION,
    COMPOUND,
    SCALE_CORRECTION,
    EtaCorrection,
    apply_jes,
    correction_json,
    load_corrections,
)
from trigforge.calibration.jets import JetCalibration, derive_jes
from trigforge.calibration.response import JetBinning
from trigforge.errors import InputError


@pytest.fixture(scope="module")
def events() -> ak.Array:
    return toy_events(200_000)


@pytest.fixture(scope="module")
def calibration(events: ak.Array) -> JetCalibration:
    return derive_jes(events, JetBinning(abs_eta_edges=(0.0, 0.8, 1.3, 2.0, 2.5), max_closure_err=0.005))


def test_closure_and_residual_are_within_their_targets(calibration: JetCalibration) -> None:
    assert calibration.closure_max < 0.01
    assert calibration.closure_max < 3.5 * calibration.closure_max_err
    assert calibration.residual_max < 0.003
    assert calibration.closure_bins > 25
    assert calibration.closure_chi2 < 2 * calibration.closure_bins


def test_without_correction_the_toy_is_far_from_closure(calibration: JetCalibration) -> None:
    assert max(abs(b.response - 1) for b in calibration.raw if b.pt_low_gev >= 30) > 0.15


def test_the_measured_response_is_that_of_the_toy_detector(calibration: JetCalibration) -> None:
    for b in calibration.raw:
        centre = (b.abs_eta_low + b.abs_eta_high) / 2
        truth = true_response(np.array([b.pt_mean_gev]), np.array([centre]))[0]
        assert abs(b.response - truth) < 4.5 * b.response_err + 0.004


def test_the_compound_has_the_published_form(calibration: JetCalibration) -> None:
    cset = calibration.correction_set()
    compound = cset.compound[COMPOUND]
    assert [v.name for v in compound.inputs] == ["JetA", "JetEta", "JetPt", "Rho"]
    assert set(cset) == {AREA_CORRECTION, SCALE_CORRECTION}
    area = cset[AREA_CORRECTION].evaluate(0.5, 0.3, 100.0, 20.0)
    assert area == 1 - 0.5 * 20 / 100
    scale = cset[SCALE_CORRECTION].evaluate(0.3, 100.0 * area)
    assert compound.evaluate(0.5, 0.3, 100.0, 20.0) == pytest.approx(area * scale, rel=1e-15)


def test_the_formula_is_the_polynomial_and_freezes_outside_its_range() -> None:
    inner = EtaCorrection(0.0, 1.3, (1.4, -0.1, 0.004), 20.0, 900.0)
    outer = EtaCorrection(1.3, 2.5, (1.2, -0.02), 30.0, 400.0)
    scale = load_corrections(correction_json((inner, outer)))[SCALE_CORRECTION]
    pt = np.geomspace(1, 5000, 40)
    for eta, c in ((0.5, inner), (-1.2999, inner), (1.5, outer), (-2.4, outer), (4.9, outer), (-4.9, outer)):
        np.testing.assert_allclose(scale.evaluate(np.full(40, eta), pt), c(pt), rtol=1e-14)
    assert scale.evaluate(0.0, 1.0) == scale.evaluate(0.0, 20.0)
    assert scale.evaluate(0.0, 5000.0) == scale.evaluate(0.0, 900.0)


def test_apply_keeps_its_input_and_the_jagged_layout(events: ak.Array, calibration: JetCalibration) -> None:
    jets, rho = events["HLTJet"][:500], events["rho"][:500]
    before = ak.to_list(jets)
    calibrated = apply_jes(calibration.correction_set(), jets, rho)
    assert ak.to_list(jets) == before
    assert ak.to_list(ak.num(calibrated)) == ak.to_list(ak.num(jets))
    assert ak.all(calibrated["pt_raw"] == jets["pt"])
    assert ak.all(abs(calibrated["pt_area"] - (jets["pt"] - rho * jets["area"])) < 1e-9)
    assert ak.all(abs(calibrated["mass"] / calibrated["pt"] - jets["mass"] / jets["pt"]) < 1e-12)


def test_apply_takes_events_without_jets(events: ak.Array, calibration: JetCalibration) -> None:
    jets = events["HLTJet"][:5][:, :0]
    assert ak.to_list(apply_jes(calibration.correction_set(), jets, events["rho"][:5])["pt"]) == [[]] * 5


def test_the_calibration_and_its_correction_file_survive(calibration: JetCalibration, tmp_path: Path) -> None:
    calibration.save(tmp_path / "jes.json")
    assert JetCalibration.load(tmp_path / "jes.json") == calibration
    calibration.write_corrections(tmp_path / "corrections.json")
    cset = correctionlib.CorrectionSet.from_file(str(tmp_path / "corrections.json"))
    args = (0.5, 1.0, 60.0, 20.0)
    assert cset.compound[COMPOUND].evaluate(*args) == calibration.correction_set().compound[COMPOUND].evaluate(*args)


def test_low_statistics_end_the_calibrated_range_and_are_not_invented(events: ak.Array) -> None:
    binning = JetBinning(abs_eta_edges=(0.0, 1.3, 2.5, 3.2), min_effective_jets=300, closure_effective_jets=300)
    calibration = derive_jes(events[:12_000], binning)
    assert {b.abs_eta_high for b in calibration.closure} == {1.3, 2.5}
    assert all(b.effective_jets >= 300 for b in calibration.raw + calibration.closure)
    edges = JetBinning().pt_edges_gev
    assert any(edges.index(b.pt_high_gev) - edges.index(b.pt_low_gev) > 1 for b in calibration.raw)


def test_copies_of_an_interaction_stay_in_one_half_and_add_no_precision(events: ak.Array) -> None:
    twice = ak.concatenate([events[:40_000], events[:40_000]])
    known = derive_jes(ak.with_field(twice, np.tile(np.arange(40_000), 2), "interaction"))
    blind = derive_jes(twice)
    assert known.jets_fitted % 2 == known.jets_tested % 2 == 0
    errors = [{(b.abs_eta_low, b.pt_low_gev, b.pt_high_gev): b.response_err for b in c.raw} for c in (known, blind)]
    shared = errors[0].keys() & errors[1].keys()
    assert len(shared) > 20
    assert np.median([errors[0][b] / errors[1][b] for b in shared]) == pytest.approx(np.sqrt(2), rel=0.05)


def test_too_few_jets_are_refused(events: ak.Array) -> None:
    with pytest.raises(InputError, match=r"must have at least 3 bins in pt with enough jets, not \d"):
        derive_jes(events[:600], JetBinning(pt_edges_gev=(15.0, 25.0, 50.0)))
    with pytest.raises(InputError, match=r"central \|eta\| bin must have jets to calibrate, not none"):
        derive_jes(events[:50])
    with pytest.raises(InputError, match=r"error of at most 1e-05, not none; simulate more events"):
        derive_jes(events[:40_000], JetBinning(max_closure_err=1e-5))


def test_bad_input_is_refused(events: ak.Array, calibration: JetCalibration) -> None:
    with pytest.raises(InputError, match=r"events of a jet calibration must have GenJet, rho"):
        derive_jes(events[["HLTJet", "weight"]])
    with pytest.raises(InputError, match=r"at least one event, not 0"):
        derive_jes(events[:0])
    with pytest.raises(InputError, match=r"pt_edges_gev must rise strictly, not \(20\.0, 20\.0\)"):
        JetBinning.parse({"pt_edges_gev": (20.0, 20.0)}, where="binning")
    with pytest.raises(InputError, match=r"bins of \|eta\| must be contiguous from 0, not \[\(0\.5, 1\.0\)\]"):
        correction_json((EtaCorrection(0.5, 1.0, (1.0,), 20.0, 30.0),))
    with pytest.raises(InputError, match=r"a correction set must be correctionlib schema v2"):
        load_corrections("{}")


def test_a_foreign_correction_set_is_refused(public_data: Path, events: ak.Array) -> None:
    foreign = correctionlib.CorrectionSet.from_file(str(public_data / "jet_jerc_Summer22_V3.json.gz"))
    with pytest.raises(InputError, match=r"must have the compound 'trigforge_MC_L1L2L3_AK4HLT', not Summer22"):
        apply_jes(foreign, events["HLTJet"][:5], events["rho"][:5])


@pytest.mark.filterwarnings("ignore:Input jet collections must provide:UserWarning")
def test_coffea_applies_the_file_identically(events: ak.Array, calibration: JetCalibration, tmp_path: Path) -> None:
    tools = pytest.importorskip("coffea.jetmet_tools", reason="coffea is an optional test dependency")
    calibration.write_corrections(tmp_path / "jes.json")
    stack = tools.CorrectionLibJECStack.from_file(
        str(tmp_path / "jes.json"), jec_tag="trigforge", data_type="MC", jec_level="L1L2L3", jet_type="AK4HLT"
    )
    raw, rho = events["HLTJet"][:500], events["rho"][:500]
    columns = {"pt_raw": raw["pt"], "mass_raw": raw["mass"], "rho": ak.broadcast_arrays(rho, raw["pt"])[0]}
    jets = raw
    for name, column in columns.items():
        jets = ak.with_field(jets, column, name)
    names = {**stack.blank_name_map, "JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetA": "area"}
    names |= {"ptRaw": "pt_raw", "massRaw": "mass_raw", "Rho": "rho"}
    corrected = tools.CorrectedJetsFactory(names, stack).build(jets)
    ours = apply_jes(calibration.correction_set(), raw, rho)
    assert ak.to_list(corrected["pt"]) == ak.to_list(ours["pt"])
