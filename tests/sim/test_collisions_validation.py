"""Pythia's own facts, and means against pile-up."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from trigforge.sim.collisions import CollisionConfig
from trigforge.sim.collisions import validation as val
from trigforge.sim.collisions.detector import Particles

PILE_UPS = (2.0, 8.0)


@pytest.fixture(scope="module")
def facts() -> val.GeneratorFacts:
    return val.generator_facts(soft=300, hard=300, process=50)


def test_charged_hadrons_leave_out_leptons_and_neutrals() -> None:
    codes = np.array([211, -211, 2212, 11, -13, 22, 310, 321, 211])
    eta = np.array([0.1, -0.1, 0.3, 0.1, 0.1, 0.1, 0.1, -1.9, 2.5])
    n = len(codes)
    particles = Particles(np.repeat([0, 1], [3, n - 3]), codes, *(np.ones(n),), eta, *(np.zeros(n), np.ones(n)))
    counts = val._charged_hadrons(particles, 2)
    expected = np.zeros((2, 10))
    expected[0, 0], expected[0, 1], expected[1, 9] = 2, 1, 1
    np.testing.assert_array_equal(counts, expected)


def test_minimum_bias_has_about_the_measured_density(facts: val.GeneratorFacts) -> None:
    assert [(p.low, p.high) for p in facts.density[:2]] == [(0.0, 0.2), (0.2, 0.4)]
    mean = np.mean([p.value for p in facts.density[:5]])
    error = max(p.error for p in facts.density[:5])
    assert 0 < error < 1
    assert abs(mean - 5.6) < 1.0 + 3 * error
    assert facts.inelastic_mb == pytest.approx(78.1, abs=2.9)


def test_jet_spectrum_falls_with_the_measured_power(facts: val.GeneratorFacts) -> None:
    values = np.array([p.value for p in facts.jets])
    assert np.count_nonzero(values) >= 6
    first = facts.jets[0]
    assert abs(first.value - 9376) < 4 * max(first.error, 2000)
    assert values[0] > 30 * values[4:7].max() / 3


def test_cross_sections_are_those_of_leading_order(facts: val.GeneratorFacts) -> None:
    found = {s.name: s.nb for s in facts.cross_sections}
    assert found["W → µν"] == pytest.approx(17.0, rel=0.35)
    assert found["Z/γ* → µµ, 60–120 GeV"] == pytest.approx(1.55, rel=0.35)
    assert found["tt̄"] == pytest.approx(0.55, rel=0.35)


def test_pile_up_point_is_the_mean_and_its_error() -> None:
    lists = [[{"pt": 20.0}], []]
    events = ak.Array(
        {
            "L1Jet": lists,
            "L1EG": [[], []],
            "L1Mu": [[{"pt": 5.0}], [{"pt": 5.0}]],
            "L1Region": [[0, 2, 4], [0, 0, 0]],
            "L1MET": [{"pt": 10.0}, {"pt": 20.0}],
            "rho": [1.0, 3.0],
            "rhoOffline": [0.0, 0.0],
            "nPV": [1, 3],
        }
    )
    point = val.pile_up_point(7.0, events)
    half = 0.5 / np.sqrt(2)
    assert point.jets == pytest.approx((0.5, half))
    assert point.egs == (0.0, 0.0)
    assert point.muons == (1.0, 0.0)
    assert point.lit_regions == pytest.approx((1.0, 2 * half))
    assert point.region_gev == pytest.approx((1.5, 3 * half))
    assert point.met_gev == pytest.approx((15.0, 10 * half))
    assert point.rho == pytest.approx((2.0, 2 * half))
    assert point.vertices == pytest.approx((2.0, 2 * half))


def test_scan_rises_with_pile_up_on_one_library(tmp_path: Path) -> None:
    base = CollisionConfig(soft_interactions=30, hard_interactions=30, rare_interactions=2, jobs=1)
    seen: list[float] = []
    points = val.pile_up_scan(base, PILE_UPS, 60, tmp_path, lambda fraction, _: seen.append(fraction))
    assert [p.pileup for p in points] == list(PILE_UPS)
    low, high = points
    assert 2 < high.vertices[0] / low.vertices[0] < 8
    assert high.region_gev[0] > 2 * low.region_gev[0]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(list((tmp_path / "library").glob("soft-*"))) == 1
