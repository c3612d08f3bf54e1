"""Reader of PHYSLITE jets, on trees and RNTuples of its layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from foreign_files import write_rntuple, write_tree

from trigforge.errors import InputError
from trigforge.events import check_events
from trigforge.events.physlite import JetScale, iterate_physlite

MEV = 1000.0


def _columns(n: int = 50, seed: int = 1) -> dict[str, Any]:
    """Columns by container and field, in MeV, as the simulation writes them."""
    rng = np.random.default_rng(seed)

    def lists(*fields: str) -> dict[str, ak.Array]:
        count = rng.integers(1, 8, n)
        total = int(count.sum())
        draw = {"pt": rng.exponential(40, total) * MEV + 1e4, "eta": rng.uniform(-4, 4, total)}
        draw |= {"phi": rng.uniform(-3.14, 3.14, total), "m": rng.exponential(5, total) * MEV}
        draw |= {"area": rng.normal(0.5, 0.02, total)}
        draw |= {f"raw_{f}": draw[f] * (0.8 if f in ("pt", "m") else 1) for f in ("pt", "eta", "phi", "m")}
        return {f: ak.unflatten(draw[f].astype(np.float32), count) for f in fields}

    jets = lists("pt", "eta", "phi", "m", "area", "raw_pt", "raw_eta", "raw_phi", "raw_m")
    renamed = {
        f.replace("raw", "JetConstitScaleMomentum").replace("area", "ActiveArea4vec_pt"): v for f, v in jets.items()
    }
    columns = {("AnalysisJets", f): v for f, v in renamed.items()}
    columns |= {("AntiKt4TruthDressedWZJets", f): v for f, v in lists("pt", "eta", "phi", "m").items()}
    columns["EventInfo", "mcEventWeights"] = ak.unflatten(rng.uniform(1, 3, 3 * n).astype(np.float32), [3] * n)
    columns["EventInfo", "actualInteractionsPerCrossing"] = rng.uniform(20, 60, n).astype(np.float32)
    columns["Kt4EMPFlowEventShape", "Density"] = rng.uniform(5e3, 2e4, n).astype(np.float32)
    columns["PrimaryVertices", "vertexType"] = ak.values_astype(ak.Array([[1, 3, 3, 0]] * n), np.int16)
    return columns


def _tree(path: Path, columns: dict[str, Any]) -> Path:
    static = {"AntiKt4TruthDressedWZJets"}
    named = {f"{c}Aux{'' if c in static else 'Dyn'}.{f}": v for (c, f), v in columns.items()}
    return write_tree(path, "CollectionTree", named)


def _rntuple(path: Path, columns: dict[str, Any]) -> Path:
    return write_rntuple(path, "EventData", {f"{c}AuxDyn:{f}": v for (c, f), v in columns.items()})


def _all(path: Path, chunk: int = 1000, **more: Any) -> ak.Array:
    return check_events(ak.concatenate(list(iterate_physlite(path, chunk, **more))), str(path))


@pytest.mark.parametrize("write", [_tree, _rntuple])
def test_jets_come_in_gev_hardest_first(tmp_path: Path, write: Any) -> None:
    columns = _columns()
    events = _all(write(tmp_path / "a.root", columns), 20)
    raw = columns["AnalysisJets", "JetConstitScaleMomentum_pt"]
    order = ak.argsort(raw, ascending=False, stable=True)
    np.testing.assert_allclose(ak.flatten(events.Jet.pt), ak.flatten(raw[order]) / MEV, rtol=1e-6)
    area = columns["AnalysisJets", "ActiveArea4vec_pt"]
    np.testing.assert_array_equal(ak.flatten(events.Jet.area), ak.flatten(area[order]))
    truth = columns["AntiKt4TruthDressedWZJets", "pt"]
    np.testing.assert_allclose(ak.sum(events.GenJet.pt, axis=1), ak.sum(truth, axis=1) / MEV, rtol=1e-5)
    weights = ak.to_numpy(columns["EventInfo", "mcEventWeights"])[:, 0].astype(float)
    np.testing.assert_allclose(events.weight, weights / weights.sum())
    np.testing.assert_allclose(events.rhoOffline, columns["Kt4EMPFlowEventShape", "Density"] / MEV, rtol=1e-6)
    np.testing.assert_array_equal(events.nPU, columns["EventInfo", "actualInteractionsPerCrossing"])
    assert set(events.nPV.tolist()) == {3}


def test_the_calibrated_scale_is_there_on_request(tmp_path: Path) -> None:
    columns = _columns()
    path = _tree(tmp_path / "a.root", columns)
    total = ak.sum(columns["AnalysisJets", "pt"], axis=1) / MEV
    np.testing.assert_allclose(ak.sum(_all(path, scale=JetScale.CALIBRATED).Jet.pt, axis=1), total, rtol=1e-5)
    np.testing.assert_allclose(ak.sum(_all(path).Jet.pt, axis=1), 0.8 * total, rtol=1e-5)


def test_data_has_no_truth_and_equal_weights(tmp_path: Path) -> None:
    columns = {k: v for k, v in _columns().items() if k[0] != "AntiKt4TruthDressedWZJets" and k[1] != "mcEventWeights"}
    events = _all(_tree(tmp_path / "a.root", columns), start=10, stop=30)
    assert "GenJet" not in ak.fields(events)
    np.testing.assert_array_equal(events.weight, np.full(20, 1 / 50))


def test_jets_in_gev_are_refused(tmp_path: Path) -> None:
    columns = _columns()
    for key, values in columns.items():
        if key[1].endswith(("pt", "_m", "m")) and key[1] != "ActiveArea4vec_pt":
            columns[key] = values / MEV
    with pytest.raises(
        InputError, match=r"AnalysisJets \(MeV / 1000\) pt must be in GeV, but its hardest jet has 0\.\d+"
    ):
        _all(_tree(tmp_path / "a.root", columns))


def test_missing_branches_are_named(tmp_path: Path) -> None:
    columns = _columns()
    del columns["AnalysisJets", "ActiveArea4vec_pt"]
    with pytest.raises(
        InputError, match=r"branch AnalysisJetsAuxDyn\.ActiveArea4vec_pt or .* must be there; expected ATLAS"
    ):
        _all(_tree(tmp_path / "a.root", columns))
    other = write_tree(tmp_path / "b.root", "CollectionTree", {"x": np.ones(3)})
    with pytest.raises(InputError, match=r"branch AnalysisJetsAuxDyn\.pt or .* must be there"):
        _all(other)
    columns = _columns()
    columns["EventInfo", "mcEventWeights"] = columns["EventInfo", "mcEventWeights"][:, :0]
    with pytest.raises(InputError, match=r"mcEventWeights must hold at least one value for every event"):
        _all(_tree(tmp_path / "c.root", columns))
