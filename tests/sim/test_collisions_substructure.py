"""Grooming and energy correlators against closed forms, a slow reference and fastjet."""

from __future__ import annotations

from itertools import combinations

import awkward as ak
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.events.labelled import FEATURES
from trigforge.sim.collisions.substructure import CORRELATORS, correlators, features, groomed

Floats = npt.NDArray[np.float64]
HALF_ANGLE = 0.1


def jet(pt: list[float], eta: list[float], phi: list[float]) -> ak.Array:
    """One jet of massless constituents."""
    energy = np.array(pt) * np.cosh(eta)
    return ak.unflatten(ak.zip({"pt": pt, "eta": eta, "phi": phi, "energy": energy}), [len(pt)])


def random_jet(seed: int, size: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Momenta of constituents of a jet, some of them massive."""
    rng = np.random.default_rng(seed)
    pt, eta, phi = rng.exponential(20.0, size) + 0.5, rng.normal(0.7, 0.3, size), rng.normal(3.0, 0.3, size)
    mass = rng.choice([0.0, 0.14], size)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + mass**2)


def reference(px: Floats, py: Floats, pz: Floats, energy: Floats) -> dict[str, float]:
    """The sums of arXiv:1609.07483, written out."""
    pt = np.hypot(px, py)
    z = pt / pt.sum()
    y, phi = np.arctanh(pz / energy), np.arctan2(py, px)
    turn = (phi[:, None] - phi[None, :] + np.pi) % (2 * np.pi) - np.pi
    r = np.hypot(y[:, None] - y[None, :], turn)
    sums = dict.fromkeys(CORRELATORS, 0.0)
    for i, j in combinations(range(len(z)), 2):
        for beta in (0, 1, 2):
            sums[f"e2_{beta}"] += z[i] * z[j] * r[i, j] ** beta
    for i, j, k in combinations(range(len(z)), 3):
        angles = np.sort([r[i, j], r[i, k], r[j, k]])
        for beta in (1, 2):
            weight = z[i] * z[j] * z[k]
            sums[f"one_{beta}"] += weight * angles[0] ** beta
            sums[f"two_{beta}"] += weight * np.prod(angles[:2]) ** beta
            sums[f"e3_{beta}"] += weight * np.prod(angles) ** beta
    return sums


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_correlators_equal_the_sums_of_the_papers(seed: int, size: int) -> None:
    momenta = random_jet(seed, size)
    expected = reference(*momenta)
    assert_allclose(correlators(*momenta), [expected[name] for name in CORRELATORS], rtol=1e-10, atol=1e-16)


def test_two_constituents() -> None:
    found = features(jet([300.0, 100.0], [0.0, 0.0], [3.1, 3.1 + 0.2]))[0]
    assert found.c1_b0_mmdt == pytest.approx(3 / 16)
    assert found.c1_b1_mmdt == pytest.approx(3 / 16 * 0.2)
    assert found.c1_b2_mmdt == pytest.approx(3 / 16 * 0.2**2)
    assert found.mass_mmdt == pytest.approx(np.sqrt(2 * 300 * 100 * (1 - np.cos(0.2))))
    assert found.zlogz == pytest.approx(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert found.multiplicity == 2
    three_point = [found[n] for n in FEATURES if n[0] in "dmn" and n[1] == "2"] + [found.c2_b1_mmdt, found.c2_b2_mmdt]
    assert_array_equal(three_point, np.zeros(10))


def test_three_equal_constituents_at_equal_distances() -> None:
    height = HALF_ANGLE * np.sqrt(3)
    found = features(jet([50.0] * 3, [-HALF_ANGLE, HALF_ANGLE, 0.0], [0.0, 0.0, height]))[0]
    r = 2 * HALF_ANGLE
    expected = {
        "c1_b0_mmdt": 1 / 3,
        "c1_b1_mmdt": r / 3,
        "c1_b2_mmdt": r**2 / 3,
        "c2_b1_mmdt": r / 3,
        "c2_b2_mmdt": r**2 / 3,
        "d2_b1_mmdt": 1.0,
        "d2_b2_mmdt": 1.0,
        "d2_a1_b1_mmdt": 1.0,
        "d2_a1_b2_mmdt": 3**1.5 / 27,
        "m2_b1_mmdt": 1 / 9,
        "m2_b2_mmdt": 1 / 9,
        "n2_b1_mmdt": 1 / 3,
        "n2_b2_mmdt": 1 / 3,
    }
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected)


def test_a_soft_wide_constituent_is_groomed_away_and_a_harder_one_is_not() -> None:
    soft, hard = (
        features(jet([200.0, 200.0, pt], [0.0, 0.1, 0.6], [0.0] * 3))[0] for pt in (44.0, 45.0)
    )  # 0.099, 0.101 of pt
    assert soft.mass_mmdt == pytest.approx(np.sqrt(2 * 200**2 * (np.cosh(0.1) - 1)))
    assert hard.mass_mmdt > 2 * soft.mass_mmdt
    assert soft.multiplicity == hard.multiplicity == 3


def test_a_single_survivor_has_no_ratios() -> None:
    found = features(jet([400.0, 10.0], [0.0, 0.3], [0.0, 0.0]))[0]
    assert np.isnan(found.n2_b1_mmdt)
    assert found.c1_b1_mmdt == found.mass_mmdt == 0


def test_grooming_is_that_of_fastjet() -> None:
    import fastjet

    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)
    for seed in range(30):
        px, py, pz, energy = random_jet(seed, 5 + 4 * seed)
        flat = ak.zip({"px": px, "py": py, "pz": pz, "E": energy}, with_name="Momentum4D")
        expected = fastjet.ClusterSequence(flat, definition).exclusive_jets_softdrop_grooming(
            beta=0.0, symmetry_cut=0.1, R0=1.0
        )
        keep = groomed(px, py, pz, energy)
        assert keep.sum() == len(ak.flatten(expected.constituents.px, axis=None))
        assert px[keep].sum() == pytest.approx(float(ak.sum(expected.constituents.px)), rel=1e-9)


def test_correlator_ratios_are_those_of_fastjet_contrib() -> None:
    import fastjet

    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)
    for seed in range(5):
        px, py, pz, energy = random_jet(seed, 15)
        flat = ak.zip({"px": px, "py": py, "pz": pz, "E": energy}, with_name="Momentum4D")
        e = dict(zip(CORRELATORS, correlators(px, py, pz, energy), strict=True))
        for beta in (1, 2):
            sequence = fastjet.ClusterSequence(flat, definition)
            n2, m2, d2 = (
                float(sequence.exclusive_jets_energy_correlator(beta=beta, npoint=2, func=name))
                for name in ("nseries", "mseries", "d2")
            )
            assert n2 == pytest.approx(e[f"two_{beta}"] / e[f"e2_{beta}"] ** 2)
            assert m2 == pytest.approx(e[f"one_{beta}"] / e[f"e2_{beta}"])
            assert d2 == pytest.approx(e[f"e3_{beta}"] / e[f"e2_{beta}"] ** 3)
