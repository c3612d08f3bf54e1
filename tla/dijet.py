"""Smooth falling functions of the dijet mass and their Poisson fit.

fₙ(x) = p₁ (1-x)^p₂ x^-(p₃ + p₄ ln x + p₅ ln² x), x = m/√s, with 3, 4 or 5 parameters (arXiv:1911.03947, 1804.03496).
ln f is linear in (ln p₁, p₂ … pₙ): the fit works in orthogonal combinations of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from iminuit import Minuit

from trigforge.errors import CheckError, InputError
from trigforge.tla.spectrum import Spectrum
from trigforge.weighted import FloatArray

NODES = 5
"""Gauss-Legendre nodes a bin."""


class Function(IntEnum):
    """A dijet function by its number of parameters."""

    F3 = 3
    F4 = 4
    F5 = 5

    def __str__(self) -> str:
        return f"f{int(self)}"


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted function: p₁…pₙ (density in events per GeV), χ², and the expectation of the bins and its covariance.

    `chi2` is the Poisson likelihood ratio of Baker and Cousins in effective counts, -2 ln λ.
    """

    function: Function
    parameters: FloatArray
    parameter_errors: FloatArray
    chi2: float
    ndf: int
    expected: FloatArray
    covariance: FloatArray


def fit_function(spectrum: Spectrum, function: Function, sqrt_s_gev: float) -> Fit:
    """Fit one function to a spectrum of weighted counts n ± e.

    A bin counts as Poisson with n/s events, s = e²/n (arXiv:1309.1287, eq. 21); a bin without events takes the s
    of its nearest neighbour.
    """
    features, widths = _features(spectrum, function, sqrt_s_gev)
    observed, scale = np.array(spectrum.contents), _scales(spectrum)
    if len(observed) <= function or np.count_nonzero(observed) <= function:
        raise InputError(
            f"a fit of {function} must have more than {int(function)} bins with events, "
            f"not {np.count_nonzero(observed)}"
        )
    basis, mixing = np.linalg.qr(features.reshape(-1, int(function)))
    basis = basis.reshape(features.shape) * np.sqrt(len(basis))
    mixing = mixing / np.sqrt(basis.shape[0] * basis.shape[1])

    def expected(c: FloatArray) -> FloatArray:
        return np.asarray(np.sum(widths * np.exp(np.clip(basis @ c, -700, 700)), axis=1))

    def deviance(c: FloatArray) -> float:
        return _deviance(observed, expected(c), scale)

    start = _newton(basis, widths, observed, scale)
    minuit = Minuit(deviance, start)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.strategy = 2
    minuit.migrad()
    if not minuit.valid:
        raise CheckError(f"the fit of {function} must converge, but it did not; narrow the mass range")
    c = np.array(minuit.values)
    mu, jacobian = expected(c), _jacobian(basis, widths, c)
    covariance = np.linalg.inv(jacobian.T @ (jacobian / (mu * scale)[:, None]))
    to_p = np.linalg.inv(mixing)
    q, errors = to_p @ c, np.sqrt(np.diag(to_p @ covariance @ to_p.T))
    return Fit(
        function=function,
        parameters=np.append(np.exp(q[0]), q[1:]),
        parameter_errors=np.append(np.exp(q[0]) * errors[0], errors[1:]),
        chi2=deviance(c),
        ndf=len(observed) - int(function),
        expected=mu,
        covariance=jacobian @ covariance @ jacobian.T,
    )


def evaluate(parameters: FloatArray, x: FloatArray) -> FloatArray:
    """f(x) for 3 to 5 parameters, any shape of x in (0, 1)."""
    p, log = np.pad(parameters, (0, 5 - len(parameters))), np.log(x)
    return np.asarray(p[0] * (1 - x) ** p[1] * x ** -(p[2] + p[3] * log + p[4] * log**2))


def _features(spectrum: Spectrum, function: Function, sqrt_s_gev: float) -> tuple[FloatArray, FloatArray]:
    """ln f per unit of each parameter at the nodes, (bins, nodes, parameters), and the node widths in GeV."""
    edges = np.array(spectrum.edges_gev)
    if not 0 < edges[0] < edges[-1] < sqrt_s_gev:
        raise InputError(f"masses must be in 0..{sqrt_s_gev:g} GeV, not {edges[0]:g}..{edges[-1]:g} GeV")
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    centre, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    x = (centre[:, None] + half[:, None] * nodes) / sqrt_s_gev
    log = np.log(x)
    columns = (np.ones_like(x), np.log(1 - x), -log, -(log**2), -(log**3))[: int(function)]
    return np.stack(columns, axis=2), half[:, None] * weights


def _scales(spectrum: Spectrum) -> FloatArray:
    """Σw²/Σw of every bin: the weight of an effective event."""
    n, e = np.array(spectrum.contents), np.array(spectrum.errors)
    filled = np.flatnonzero((n > 0) & (e > 0))
    if len(filled) == 0:
        raise InputError("a spectrum to fit must have events, not none")
    nearest = filled[np.argmin(np.abs(np.arange(len(n))[:, None] - filled), axis=1)]
    return np.asarray(e[nearest] ** 2 / n[nearest])


def _deviance(observed: FloatArray, expected: FloatArray, scale: FloatArray) -> float:
    logs = np.zeros_like(observed)
    filled = observed > 0
    logs[filled] = observed[filled] * np.log(observed[filled] / expected[filled])
    return float(2 * np.sum((expected - observed + logs) / scale))


def _jacobian(basis: FloatArray, widths: FloatArray, c: FloatArray) -> FloatArray:
    """Derivatives of the expected bins, (bins, parameters)."""
    density = widths * np.exp(np.clip(basis @ c, -700, 700))
    return np.asarray(np.einsum("bn,bnk->bk", density, basis))


def _newton(basis: FloatArray, widths: FloatArray, observed: FloatArray, scale: FloatArray) -> FloatArray:
    """Start values: weighted least squares of ln n, then scoring steps of the Poisson likelihood."""
    filled = observed > 0
    weight = np.sqrt(observed[filled] / scale[filled])
    density = np.log(observed[filled] / widths[filled].sum(axis=1))
    c = np.linalg.lstsq(basis[filled].mean(axis=1) * weight[:, None], density * weight, rcond=None)[0]
    for _ in range(20):
        mu = np.sum(widths * np.exp(np.clip(basis @ c, -700, 700)), axis=1)
        jacobian = _jacobian(basis, widths, c)
        fisher = jacobian.T @ (jacobian / (mu * scale)[:, None])
        step = np.linalg.solve(fisher, jacobian.T @ ((observed - mu) / (mu * scale)))
        step *= min(1.0, 1.0 / max(float(np.max(np.abs(step))), 1e-12))
        c = c + step
    return np.asarray(c)
