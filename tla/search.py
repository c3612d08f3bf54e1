"""The dijet resonance search: a smooth fit chosen by F-test, then a scan of all windows for excesses."""

from __future__ import annotations

import awkward as ak
import correctionlib
import numpy as np
from pydantic import Field
from scipy import stats

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.reuse import interaction_groups
from trigforge.tla.dijet import Fit, Function, fit_function
from trigforge.tla.menu import Menu, decide
from trigforge.tla.rates import any_accepted
from trigforge.tla.spectrum import (
    MASS_EDGES_GEV,
    MAX_DETA,
    Floats,
    Spectrum,
    dijet_mass,
    fill_spectrum,
    plateau_start_gev,
)
from trigforge.tla.tla_file import tla_jets
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, SQRT_S_GEV, crossing_rate_hz
from trigforge.value import Value
from trigforge.weighted import FloatArray

F_TEST_LEVEL = 0.05
MIN_WINDOW_BINS = 2
MIN_EFFECTIVE_EVENTS = 10.0
MIN_BINS = int(Function.F3) + 2


class Window(Value):
    """A range of mass, what was observed and expected in it, and its local significance in σ (excess: positive)."""

    low_gev: float
    high_gev: float
    observed: float
    expected: float
    expected_err: float
    significance: float


class DijetFit(Value):
    """A fitted spectrum and its most significant excess; all arrays are per bin of `edges_gev`.

    `chi2` is -2 ln λ of the Poisson likelihood in effective counts, `p_value` its probability for `ndf`;
    `fit_errors` are those of the fit alone. `f_test` holds the p-values of each step to one parameter more.
    """

    function: str
    parameters: Floats
    parameter_errors: Floats
    sqrt_s_gev: float
    chi2: float
    ndf: int
    p_value: float
    f_test: Floats
    max_local_significance: float
    window: Window
    bin_significance: Floats
    edges_gev: Floats
    contents: Floats
    errors: Floats
    fit_values: Floats
    fit_errors: Floats
    effective_events: float

    def summary(self) -> dict[str, float | int | str]:
        """The entry `search` of a run's summary."""
        return {
            "function": self.function,
            "chi2": self.chi2,
            "ndf": self.ndf,
            "max_local_significance": self.max_local_significance,
        }


class SearchOptions(Value):
    """Selection and range of the search; without `start_gev` it starts where the stream is efficient."""

    tla_stream: str = "tla"
    max_deta: float = Field(default=MAX_DETA, gt=0)
    edges_gev: Floats = MASS_EDGES_GEV
    start_gev: float | None = None
    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES
    sqrt_s_gev: float = SQRT_S_GEV


def search_dijets(
    menu: Menu,
    events: ak.Array,
    scores: IntArray | None,
    cset: correctionlib.CorrectionSet,
    options: SearchOptions | None = None,
) -> DijetFit:
    """Search the mass of the two hardest calibrated jets of the trigger-level stream of events (n).

    The range starts on the plateau of the stream and holds the longest run of bins with enough effective events.
    Contents are rates in Hz.
    """
    o = options or SearchOptions()
    mass = dijet_mass(tla_jets(events, cset), o.max_deta)
    weights = ak.to_numpy(events["weight"]).astype(np.float64) * crossing_rate_hz(o.colliding_bunches)
    accepted = any_accepted(menu, decide(menu, events, scores), menu.of_stream(o.tla_stream))
    groups, start = interaction_groups(events), o.start_gev
    if start is None:
        lost = weights * (accepted == 0)
        everything, missing = (fill_spectrum(mass, w, o.edges_gev, groups) for w in (weights, lost))
        start = plateau_start_gev(everything, missing)
    spectrum = fill_spectrum(mass, weights * accepted, o.edges_gev, groups)
    return fit_spectrum(populated(spectrum.within(start, o.edges_gev[-1])), o.sqrt_s_gev)


def populated(spectrum: Spectrum, min_effective: float = MIN_EFFECTIVE_EVENTS) -> Spectrum:
    """The longest run of neighbouring bins with at least `min_effective` effective events each."""
    n, e = np.array(spectrum.contents), np.array(spectrum.errors)
    good = n**2 >= min_effective * np.where(e > 0, e, 1) ** 2
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    first, last = max(runs.tolist(), key=lambda run: run[1] - run[0], default=(0, 0))
    if last - first < MIN_BINS:
        raise InputError(
            f"a search must have at least {MIN_BINS} neighbouring bins with {min_effective:g} effective events "
            f"from {spectrum.edges_gev[0]:g} GeV on, not {last - first}; simulate more events or widen the bins"
        )
    return spectrum.within(spectrum.edges_gev[first], spectrum.edges_gev[last])


def fit_spectrum(spectrum: Spectrum, sqrt_s_gev: float = SQRT_S_GEV, function: Function | None = None) -> DijetFit:
    """Fit a spectrum, with the function that an F-test at 5 % chooses unless one is given, and scan it."""
    fit, steps = (fit_function(spectrum, function, sqrt_s_gev), ()) if function else _choose(spectrum, sqrt_s_gev)
    observed, errors = np.array(spectrum.contents), np.array(spectrum.errors)
    significances = _windows(spectrum, fit)
    best = max(significances, key=lambda w: w.significance)
    single = np.array([_window(spectrum, fit, i, i + 1).significance for i in range(len(observed))])
    return DijetFit(
        function=str(fit.function),
        parameters=tuple(fit.parameters.tolist()),
        parameter_errors=tuple(fit.parameter_errors.tolist()),
        sqrt_s_gev=sqrt_s_gev,
        chi2=fit.chi2,
        ndf=fit.ndf,
        p_value=float(stats.chi2.sf(fit.chi2, fit.ndf)),
        f_test=steps,
        max_local_significance=best.significance,
        window=best,
        bin_significance=tuple(single.tolist()),
        edges_gev=spectrum.edges_gev,
        contents=spectrum.contents,
        errors=spectrum.errors,
        fit_values=tuple(fit.expected.tolist()),
        fit_errors=tuple(np.sqrt(np.diag(fit.covariance)).tolist()),
        effective_events=float(observed.sum() ** 2 / np.sum(errors**2)),
    )


def poisson_significance(observed: float, expected: float, variance: float) -> float:
    """Signed significance in σ of a Poisson count beside an expectation with a Gaussian variance.

    The asymptotic profile likelihood, arXiv:1007.1727 with Li and Ma's constraint; in effective counts.
    """
    n, b, v = observed, max(expected, 1e-12), max(variance, 1e-12)
    first = n * np.log(n * (b + v) / (b**2 + n * v)) if n > 0 else 0.0
    second = b**2 / v * np.log1p(v * (n - b) / (b * (b + v)))
    return float(np.copysign(np.sqrt(max(2 * (first - second), 0.0)), n - b))


def _choose(spectrum: Spectrum, sqrt_s_gev: float) -> tuple[Fit, Floats]:
    """The function after which no further parameter lowers χ² significantly, and the p-values of the steps."""
    fit, steps = fit_function(spectrum, Function.F3, sqrt_s_gev), []
    for function in (Function.F4, Function.F5):
        if len(spectrum.contents) <= function + 1:
            break
        richer = fit_function(spectrum, function, sqrt_s_gev)
        statistic = (fit.chi2 - richer.chi2) / (richer.chi2 / richer.ndf)
        steps.append(float(stats.f.sf(max(statistic, 0.0), 1, richer.ndf)))
        if steps[-1] >= F_TEST_LEVEL:
            break
        fit = richer
    return fit, tuple(steps)


def _windows(spectrum: Spectrum, fit: Fit) -> list[Window]:
    """All contiguous windows of two bins up to half of the spectrum, as BumpHunter scans them (arXiv:1101.0390)."""
    bins = len(spectrum.contents)
    widest = max(bins // 2, MIN_WINDOW_BINS)
    return [
        _window(spectrum, fit, first, first + width)
        for width in range(MIN_WINDOW_BINS, widest + 1)
        for first in range(bins - width + 1)
    ]


def _window(spectrum: Spectrum, fit: Fit, first: int, last: int) -> Window:
    bins = slice(first, last)
    observed, errors = np.array(spectrum.contents[bins]), np.array(spectrum.errors[bins])
    expected, variance = float(fit.expected[bins].sum()), float(fit.covariance[bins, bins].sum())
    scale = _effective_weight(observed, errors)
    return Window(
        low_gev=spectrum.edges_gev[first],
        high_gev=spectrum.edges_gev[last],
        observed=float(observed.sum()),
        expected=expected,
        expected_err=float(np.sqrt(variance)),
        significance=poisson_significance(float(observed.sum()) / scale, expected / scale, variance / scale**2),
    )


def _effective_weight(contents: FloatArray, errors: FloatArray) -> float:
    """Σw²/Σw of a window; 1 where it has no events."""
    total = float(contents.sum())
    return float(np.sum(errors**2)) / total if total > 0 else 1.0
