"""Intervals, exact tests and their corrections against independent implementations."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import stats

from trigforge.fixed import FixedType
from trigforge.recorded.binning import exponent_bins, exponent_range, score_bins, score_edges
from trigforge.recorded.statistics import association, clopper_pearson, coincidence, deviance, holm


@pytest.mark.parametrize(("count", "total"), [(0, 1), (0, 20_000), (17, 20_000), (157, 20_000), (5, 5), (1, 2)])
def test_clopper_pearson_is_scipys_exact_interval(count: int, total: int) -> None:
    known = stats.binomtest(count, total).proportion_ci(0.95, "exact")
    assert clopper_pearson(count, total) == pytest.approx((known.low, known.high), rel=1e-9)


def test_nothing_tried_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("inside", "found", "total", "hit"), [(8, 5, 20, 6), (8, 0, 20, 6), (1, 1, 9, 3), (10, 3, 20, 6)]
)
def test_the_exact_test_is_the_sum_of_the_hypergeometric_tails(inside: int, found: int, total: int, hit: int) -> None:
    def probability(k: int) -> Fraction:
        return Fraction(comb(hit, k) * comb(total - hit, inside - k), comb(total, inside))

    upper = sum(probability(k) for k in range(found, min(hit, inside) + 1))
    lower = sum(probability(k) for k in range(found + 1) if inside - k <= total - hit)
    assert association([inside], [found], total, hit)[0] == pytest.approx(
        float(min(1, 2 * min(upper, lower))), rel=1e-9
    )


def test_holm_steps_down_and_never_decreases() -> None:
    assert_array_equal(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert_array_equal(holm([0.5, 0.6, 0.7]), [1.0, 1.0, 1.0])
    assert len(holm([])) == 0


def test_the_deviance_is_twice_the_likelihood_ratio() -> None:
    table = np.array([[30, 70], [10, 190]])
    known = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
    assert deviance([100], [30], 300, 40)[0] == pytest.approx(known, rel=1e-12)
    assert deviance([100], [0], 300, 0)[0] == 0.0


def test_a_coincidence_is_a_binomial_tail() -> None:
    assert coincidence(3, 4, 0.5) == pytest.approx(5 / 16)
    assert coincidence(0, 4, 0.0) == 1.0


def test_every_difference_is_in_the_range_of_its_bin() -> None:
    values = np.array([0, 1, -1, 2, 3, -3, 4, 7, 8, -(2**62), 2**62, 12345])
    for value, index in zip(values, exponent_bins(values), strict=True):
        low, high = exponent_range(int(index))
        assert low <= value <= high


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 9, 19])
def test_every_score_is_in_its_bin(width: int, signed: bool) -> None:
    kind = FixedType(signed=signed, width=width, integer=width)
    edges = score_edges(kind, bit=False)
    assert (np.diff(edges) > 0).all()
    values = np.unique(np.linspace(max(kind.low, -kind.high), kind.high, 300).round().astype(np.int64))
    bins = score_bins(values, edges)
    assert (edges[bins] <= values).all()
    assert (values < edges[bins + 1]).all()
    assert_array_equal(score_bins(np.array([kind.high + 9, kind.low - 9]), edges), [len(edges) - 2, 0])
