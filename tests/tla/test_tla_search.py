"""The dijet fit on the public CMS spectrum and on toys with and without a signal."""

from __future__ import annotations

import csv
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from toy_events import toy_events

from trigforge.calibration.corrections import EtaCorrection, correction_json, load_corrections
from trigforge.errors import InputError
from trigforge.tla.dijet import Function, evaluate, fit_function
from trigforge.tla.menu import Leg, Menu, Seed
from trigforge.tla.search import (
    DijetFit,
    SearchOptions,
    fit_spectrum,
    poisson_significance,
    populated,
    search_dijets,
)
from trigforge.tla.spectrum import (
    MASS_EDGES_GEV,
    Spectrum,
    dijet_mass,
    fill_spectrum,
    plateau_start_gev,
)

CMS_LUMINOSITY = 137.5
EDGES = tuple(e for e in MASS_EDGES_GEV if 606 <= e <= 2332)
TRUTH = np.array([2e-4, 9.0, 5.0, 0.05])


@pytest.fixture(scope="module")
def cms(public_data: Path) -> tuple[Spectrum, np.ndarray, np.ndarray]:
    """The counts of arXiv:1911.03947 and the errors, up and down, in counts."""
    with (public_data / "cms_dijet_13tev_137fb_hepdata_ins1764471.csv").open() as file:
        rows = [row for row in csv.reader(file) if not row[0].startswith("#")][1:]
    centre, width, y, up, down = np.array(rows, dtype=float).T
    edges = np.append(centre - width / 2, centre[-1] + width[-1] / 2)
    counts, up, down = (value * width * CMS_LUMINOSITY for value in (y, up, down))
    return counted(np.round(counts), tuple(edges)), up, down


def counted(n: np.ndarray, edges: tuple[float, ...] = EDGES) -> Spectrum:
    return Spectrum(edges_gev=edges, contents=tuple(n.tolist()), errors=tuple(np.sqrt(n).tolist()))


def expectation(events: float) -> np.ndarray:
    edges = np.array(EDGES)
    fine = np.linspace(edges[:-1], edges[1:], 201)
    mu = np.trapezoid(evaluate(TRUTH, fine / 13600.0), fine, axis=0)
    return mu * events / mu.sum()


def signal(events: float, mass: float = 1100.0, width: float = 55.0) -> np.ndarray:
    centres = (np.array(EDGES[1:]) + np.array(EDGES[:-1])) / 2
    shape = np.exp(-0.5 * ((centres - mass) / width) ** 2) * np.diff(EDGES)
    return events * shape / shape.sum()


def test_the_published_fit_is_reproduced(cms: tuple[Spectrum, np.ndarray, np.ndarray]) -> None:
    spectrum, up, down = cms
    fit = fit_spectrum(spectrum, 13000.0, Function.F4)
    n, mu = np.array(spectrum.contents), np.array(fit.fit_values)
    pulls = ((n - mu) / np.where(n > mu, down, up))[n > 0]
    assert len(pulls) - 4 == 37
    assert np.sum(pulls**2) == pytest.approx(33.9, abs=0.5)
    assert (fit.ndf, fit.function) == (38, "f4")
    assert fit.chi2 == pytest.approx(41.39, abs=0.05)
    assert fit.p_value > 0.3
    assert fit.max_local_significance < 2.5


def test_the_f_test_needs_three_parameters_for_the_published_spectrum(cms) -> None:
    fit = fit_spectrum(cms[0], 13000.0)
    assert fit.function == "f3"
    assert fit.f_test[0] > 0.5


def test_the_f_test_takes_a_fourth_parameter_where_the_curvature_needs_it() -> None:
    curved = np.array([1e-4, 8.0, 3.0, -0.4])
    mass = np.sqrt(np.array(EDGES[1:]) * np.array(EDGES[:-1]))
    mu = evaluate(curved, mass / 13600.0) * np.diff(EDGES)
    mu *= 3e7 / mu.sum()
    assert fit_spectrum(counted(np.random.default_rng(4).poisson(mu).astype(float))).function in {"f4", "f5"}


def test_a_fit_to_the_expectation_is_exact() -> None:
    fit = fit_function(counted(expectation(1e6)), Function.F4, 13600.0)
    np.testing.assert_allclose(fit.parameters[1:], TRUTH[1:], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(fit.expected, expectation(1e6), rtol=1e-5)


def test_background_toys_have_a_uniform_quality_and_small_excesses() -> None:
    rng, mu = np.random.default_rng(11), expectation(3e5)
    fits = [fit_spectrum(counted(rng.poisson(mu).astype(float)), function=Function.F4) for _ in range(60)]
    assert np.mean([f.chi2 for f in fits]) == pytest.approx(fits[0].ndf, abs=4 * np.sqrt(2 * fits[0].ndf / 60))
    assert np.mean([f.max_local_significance > 3 for f in fits]) < 0.2
    bins = np.array([f.bin_significance for f in fits])
    assert abs(bins.mean()) < 0.1
    assert 0.7 < bins.std() < 1.05


def test_weighted_toys_count_as_their_effective_events() -> None:
    rng, mu = np.random.default_rng(12), expectation(2e5)
    chi2 = []
    for _ in range(30):
        n = rng.poisson(mu)
        weighted = Spectrum(
            edges_gev=EDGES, contents=tuple((0.02 * n).tolist()), errors=tuple((0.02 * np.sqrt(n)).tolist())
        )
        chi2.append(fit_spectrum(weighted, function=Function.F4).chi2)
    assert np.mean(chi2) == pytest.approx(len(mu) - 4, abs=4 * np.sqrt(2 * (len(mu) - 4) / 30))


def test_an_injected_signal_is_found_where_it_is() -> None:
    mu, s = expectation(1e6), signal(5000)
    found = fit_spectrum(counted(np.random.default_rng(13).poisson(mu + s).astype(float)))
    assert found.max_local_significance > 5
    assert found.window.low_gev < 1100 < found.window.high_gev
    assert found.window.high_gev - found.window.low_gev < 450
    assert found.window.observed - found.window.expected > 0.4 * s.sum()


def test_significance_grows_with_the_injected_signal() -> None:
    mu = expectation(1e6)
    z = [
        fit_spectrum(counted(np.round(mu + signal(k))), function=Function.F4).max_local_significance
        for k in (0, 2000, 4000)
    ]
    assert z[0] < 0.2
    assert z[2] / z[1] == pytest.approx(2, abs=0.2)


def test_significance_has_its_known_limits() -> None:
    assert poisson_significance(120, 100, 0) == pytest.approx(np.sqrt(2 * (120 * np.log(1.2) - 20)))
    assert poisson_significance(1_010_000, 1_000_000, 0) == pytest.approx(10, rel=0.01)
    assert poisson_significance(1_010_000, 1_000_000, 1e6) == pytest.approx(10 / np.sqrt(2), rel=0.01)
    assert poisson_significance(80, 100, 0) < 0
    assert poisson_significance(0, 2, 0) == pytest.approx(-2)
    assert poisson_significance(100, 100, 25) == 0


def test_the_mass_is_that_of_the_two_hardest_central_jets() -> None:
    def jet(pt: float, eta: float, phi: float) -> dict[str, float]:
        return {"pt": pt, "eta": eta, "phi": phi, "mass": 0.0}

    jets = ak.Array(
        [
            [jet(30, 0, 1), jet(100, 0.5, 0), jet(100, 0.5, np.pi)],
            [jet(100, 0, 0), jet(100, 1.4, np.pi)],
            [jet(100, 0, 0)],
            [],
        ]
    )
    mass = dijet_mass(jets)
    assert mass[0] == pytest.approx(200)
    assert np.isnan(mass[1:]).all()
    assert dijet_mass(jets, max_deta=2)[1] == pytest.approx(200 * np.cosh(0.7))


def test_a_spectrum_holds_squared_weights_and_no_jetless_events() -> None:
    s = fill_spectrum([1.5, 1.6, np.nan, 2.5, 9.0], [1.0, 2.0, 7.0, 3.0, 5.0], (1.0, 2.0, 3.0))
    assert (s.contents, s.errors) == ((3.0, 3.0), (np.sqrt(5.0), 3.0))


def test_the_plateau_starts_after_the_last_inefficient_bin() -> None:
    reference = counted(np.array([100.0, 100.0, 100.0, 100.0, 0.0]), EDGES[:6])
    lost = counted(np.array([90.0, 0.5, 10.0, 1.0, 0.0]), EDGES[:6])
    assert plateau_start_gev(reference, lost) == EDGES[3]
    assert plateau_start_gev(reference, counted(np.zeros(5), EDGES[:6])) == EDGES[0]
    with pytest.raises(InputError, match=r"stream must be 99% efficient somewhere in the spectrum, not nowhere"):
        plateau_start_gev(reference, counted(np.array([90.0, 90, 90, 90, 0]), EDGES[:6]))
    with pytest.raises(InputError, match=r"must have the same bins"):
        plateau_start_gev(reference, counted(np.array([1.0]), EDGES[:2]))


def test_the_search_on_toy_events(tmp_path: Path) -> None:
    cset = load_corrections(correction_json((EtaCorrection(0.0, 2.5, (1.3, -0.03), 20.0, 1000.0),)))
    seed = Seed(name="L1_Jet100", legs=(Leg(collection="L1Jet", min_pt_gev=100),), streams=("tla",))
    menu, events = Menu(name="m", seeds=(seed,)), toy_events(120_000)
    found = search_dijets(menu, events, None, cset, SearchOptions())
    assert found.edges_gev[0] >= 200
    lengths = {
        len(x) for x in (found.contents, found.errors, found.fit_values, found.fit_errors, found.bin_significance)
    }
    assert lengths == {len(found.edges_gev) - 1}
    assert found.chi2 / found.ndf < 100
    assert set(found.summary()) == {"function", "chi2", "ndf", "max_local_significance"}
    found.save(tmp_path / "fit.json")
    assert DijetFit.load(tmp_path / "fit.json") == found


def test_bad_spectra_are_refused() -> None:
    n = np.array([5.0, 3.0, 0.0, 0.0])
    with pytest.raises(InputError, match=r"fit of f3 must have more than 3 bins with events, not 2"):
        fit_function(counted(n, EDGES[:5]), Function.F3, 13600.0)
    with pytest.raises(InputError, match=r"a spectrum to fit must have events, not none"):
        fit_function(counted(0 * n, EDGES[:5]), Function.F3, 13600.0)
    with pytest.raises(InputError, match=r"masses must be in 0\.\.1000 GeV, not 606\.\.2332 GeV"):
        fit_function(counted(expectation(1e5)), Function.F3, 1000.0)
    with pytest.raises(
        InputError, match=r"at least 5 neighbouring bins with 10 effective events from 606 GeV on, not 0"
    ):
        populated(counted(n, EDGES[:5]))
    with pytest.raises(InputError, match=r"contents and errors must have 1 bins, not 2, 1"):
        Spectrum.parse({"edges_gev": (1.0, 2.0), "contents": (1.0, 2.0), "errors": (1.0,)}, where="spectrum")
    with pytest.raises(InputError, match=r"the mass range must hold a bin, not 1\.\.2 GeV"):
        counted(n, EDGES[:5]).within(1, 2)
