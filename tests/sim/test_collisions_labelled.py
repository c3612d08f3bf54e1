"""Labelled jets of real Pythia: reproducible, in their windows, and of the class that they say."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trigforge.errors import InputError
from trigforge.events.labelled import CLASSES, FEATURES, TOP_CLASSES, check_jets
from trigforge.sim.collisions.labelled import (
    JET_TAGGING_SOURCES,
    TOP_TAGGING_SOURCES,
    JetSource,
    LabelledJets,
    labelled_jets,
)
from trigforge.sim.collisions.substructure import features

_, _, W, Z, TOP = JET_TAGGING_SOURCES
SOURCES = (*JET_TAGGING_SOURCES, *TOP_TAGGING_SOURCES)


@pytest.fixture(scope="module")
def samples() -> dict[str, LabelledJets]:
    events = {W: 100, Z: 100, TOP: 60}
    return {source.process.name: labelled_jets(source, events.get(source, 40), (1,)) for source in SOURCES}


def test_there_is_a_source_for_every_class() -> None:
    assert [s.selection.classes[s.label] for s in SOURCES] == [*CLASSES, *TOP_CLASSES]
    assert len({s.process.name for s in SOURCES}) == len(SOURCES)


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.process.name)
def test_jets_follow_the_schema_and_the_selection(samples: dict[str, LabelledJets], source: JetSource) -> None:
    found = samples[source.process.name]
    jets = check_jets(found.jets, "test", ("features", "Constituent", "Parton"))
    window = source.selection
    assert len(jets) == found.selected - found.unmatched - found.ungroomed > 10
    assert np.all(jets.label == source.label)
    assert np.all(jets.weight == 1)
    assert np.all((jets.FatJet.pt >= window.pt_min_gev) & (jets.FatJet.pt < window.pt_max_gev))
    assert np.all(np.abs(jets.FatJet.eta) < window.eta_max)
    assert ak.max(ak.num(jets.Constituent)) <= window.constituents
    assert tuple(ak.fields(jets.features)) == FEATURES
    assert np.all(np.isfinite(ak.to_numpy(jets.features.n2_b2_mmdt)))
    assert found.sigma_mb > 0


def test_classes_have_their_masses_and_multiplicities(samples: dict[str, LabelledJets]) -> None:
    jets = {name: samples[name].jets for name in ("jet_g", "jet_w", "jet_z", "jet_t", "toptag_top")}
    mass = {name: np.median(ak.to_numpy(j.features.mass_mmdt)) for name, j in jets.items()}
    assert mass["jet_w"] == pytest.approx(80.4, abs=5)
    assert mass["jet_z"] == pytest.approx(91.2, abs=5)
    assert mass["jet_t"] == pytest.approx(172.5, abs=15)
    assert mass["toptag_top"] == pytest.approx(172.5, abs=15)
    assert np.mean(jets["jet_g"].features.multiplicity) > 1.4 * np.mean(jets["jet_w"].features.multiplicity)


def test_jets_are_their_constituents_and_their_features_too(samples: dict[str, LabelledJets]) -> None:
    jets = samples["jet_w"].jets
    jets = jets[ak.num(jets.Constituent) == jets.features.multiplicity]
    parts = jets.Constituent
    x, y = (ak.sum(parts.pt * wave(parts.phi), axis=1) for wave in (np.cos, np.sin))
    assert_allclose(np.hypot(x, y), jets.FatJet.pt, rtol=1e-5)
    again = features(parts)
    for name in ("zlogz", "mass_mmdt", "c1_b1_mmdt", "d2_b1_mmdt", "n2_b1_mmdt"):
        assert np.median(np.abs(again[name] / jets.features[name] - 1)) < 1e-4


def test_the_same_seed_gives_the_same_jets_and_another_one_others() -> None:
    first, second, other = (labelled_jets(TOP, 12, seed).jets for seed in ((1, 0), (1, 0), (1, 1)))
    assert first.tolist() == second.tolist()
    assert first.FatJet.pt.tolist() != other.FatJet.pt.tolist()


def test_no_events_are_refused() -> None:
    with pytest.raises(InputError, match=r"^the number of jet_w events must be ≥ 1, not 0$"):
        labelled_jets(W, 0, (1,))
