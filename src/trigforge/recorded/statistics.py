"""Interval of a rate, association of a condition with mismatches, and many tests at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]

LEVEL: Final = 0.95
"""Confidence level of all intervals."""


def clopper_pearson(count: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact central interval of a binomial rate (Clopper, Pearson, Biometrika 26 (1934) 404).

    Without a count the lower limit is 0 and the upper one still that of the central interval; without a trial the
    interval is 0..1.
    """
    tail = (1 - level) / 2
    low = float(special.betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(special.betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def association(inside: npt.ArrayLike, inside_hit: npt.ArrayLike, total: int, hit: int) -> Floats:
    """Two-sided p-values of Fisher's exact test, as twice the smaller tail of the hypergeometric distribution.

    Of `total` events `hit` mismatch; a condition holds for `inside` of them, of which `inside_hit` mismatch.
    """
    drawn, found = np.asarray(inside), np.asarray(inside_hit)
    upper = stats.hypergeom.sf(found - 1, total, hit, drawn)
    lower = stats.hypergeom.cdf(found, total, hit, drawn)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(upper, lower)), dtype=np.float64)


def holm(p_values: npt.ArrayLike) -> Floats:
    """p-values corrected for their number by Holm's step-down method (Scand. J. Stat. 6 (1979) 65)."""
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def deviance(inside: npt.ArrayLike, inside_hit: npt.ArrayLike, total: int, hit: int) -> Floats:
    """The likelihood ratio G of the same tables: it ranks conditions where p-values are too small for a float."""
    n, k = np.asarray(inside, dtype=np.float64), np.asarray(inside_hit, dtype=np.float64)
    g = np.zeros_like(n)
    for observed, row, column in (
        (k, n, hit),
        (n - k, n, total - hit),
        (hit - k, total - n, hit),
        (total - n - hit + k, total - n, total - hit),
    ):
        expected = row * column / total
        ratio = np.divide(observed, expected, out=np.ones_like(n), where=(observed > 0) & (expected > 0))
        g += 2 * observed * np.log(ratio)
    return g


def coincidence(explained: npt.ArrayLike, tested: int, chance: npt.ArrayLike) -> Any:
    """The probability that at least so many of `tested` mismatches are met by a change unrelated to them."""
    return stats.binom.sf(np.asarray(explained) - 1, tested, np.minimum(np.asarray(chance), 1.0))
