"""Filling schemes: the design report's numbers, the notation, and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.filling import ALL, BCMS_LIKE, LHC_ORBIT, NOMINAL, SINGLE, FillingScheme, find_filling


def test_the_nominal_scheme_has_the_design_reports_numbers() -> None:
    assert (NOMINAL.crossings, NOMINAL.collisions, NOMINAL.longest_gap) == (LHC_ORBIT, 2808, 8 + 30 + 81)
    runs = np.flatnonzero(np.diff(NOMINAL.collides.astype(int), prepend=0, append=0)).reshape(-1, 2)
    assert_array_equal(np.unique(runs[:, 1] - runs[:, 0], return_counts=True), [[72], [39]])
    assert_array_equal(runs[:4, 0], [0, 80, 160, 270])
    gaps, counts = np.unique(runs[1:, 0] - runs[:-1, 1], return_counts=True)
    assert dict(zip(gaps.tolist(), counts.tolist(), strict=True)) == {8: 27, 38: 8, 39: 3}


def test_the_other_schemes() -> None:
    assert (BCMS_LIKE.crossings, BCMS_LIKE.collisions, BCMS_LIKE.longest_gap) == (LHC_ORBIT, 18 * 144, 7 + 28 + 90)
    assert (ALL.collisions, ALL.longest_gap) == (LHC_ORBIT, 0)
    assert (SINGLE.crossings, SINGLE.collisions, SINGLE.longest_gap) == (LHC_ORBIT, 1, LHC_ORBIT - 1)
    assert SINGLE.collides[0]
    assert [find_filling(name) for name in ("nominal", "bcms", "all", "single")] == [NOMINAL, BCMS_LIKE, ALL, SINGLE]
    assert find_filling("2b+1e") == FillingScheme("2b+1e")
    with pytest.raises(InputError, match=r"must consist of runs such as .72b.* not .nominale. in"):
        find_filling("nominale")


@given(
    st.recursive(
        st.tuples(st.integers(1, 9), st.sampled_from("be")).map(lambda run: (f"{run[0]}{run[1]}", run[1] * run[0])),
        lambda terms: st.tuples(
            st.lists(terms, min_size=1, max_size=3), st.sampled_from(("()", "[]", "{}")), st.integers(1, 3)
        ).map(
            lambda group: (
                f"{group[1][0]}{' + '.join(t for t, _ in group[0])}{group[1][1]} x{group[2]}",
                group[2] * "".join(p for _, p in group[0]),
            )
        ),
        max_leaves=8,
    )
)
def test_a_formula_is_what_it_repeats(pair: tuple[str, str]) -> None:
    formula, places = pair
    if "b" not in places:
        with pytest.raises(InputError, match="must have at least one bunch"):
            FillingScheme(formula)
        return
    assert_array_equal(FillingScheme(formula).collides, [p == "b" for p in places])
    assert_array_equal(FillingScheme(f"{len(places)}={formula}").collides, [p == "b" for p in places])


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "must have a run or a group where it has nothing"),
        ("72b+", "must have a run or a group where it has nothing"),
        ("+72b", r"must have a run or a group where it has \+"),
        ("x3", "must have a run or a group where it has x"),
        ("()", r"must have a run or a group where it has \)"),
        ("(72b+8e]x3", r"must close '\(' with '\)', not \]"),
        ("{(72b+8e)", r"must close '\{' with '\}', not nothing"),
        ("72b)", r"must have no '\)' without its opening bracket"),
        ("72b 8e", "must have no 'e' without"),
        ("72c", "must consist of runs such as '72b' and '8e', brackets, '[+]' and 'x3', not '72c' in '72c'"),
        ("3564 = 72b", "must have 3564 places as it says, not 72: '3564 = 72b'"),
        ("3564e", "must have at least one bunch, not '3564e'; write '1b[+]3563e'"),
        ("(9b)x0", "must have runs and groups of 1..65536 places"),
        ("((99b)x999)x999", "must have runs and groups of 1..65536 places"),
    ],
)
def test_what_is_no_scheme_is_refused(formula: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FillingScheme(formula)
