"""Menu decisions against brute-force search over objects."""

from __future__ import annotations

from itertools import permutations
from math import cos, cosh, hypot, pi, sqrt
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.tla.menu import Leg, Menu, PairCut, Quantity, Seed, decide, decide_others, default_menu

objects = st.lists(
    st.fixed_dictionaries(
        {
            "pt": st.integers(0, 60),
            "eta": st.sampled_from([-2.0, -0.5, 0.0, 1.0]),
            "phi": st.sampled_from([0.0, 1.5, 3.0]),
        }
    ),
    max_size=5,
)
legs = st.builds(
    Leg,
    collection=st.just("L1Jet"),
    min_pt_gev=st.integers(0, 50),
    max_abs_eta=st.sampled_from([None, 0.7, 1.5]),
    count=st.integers(1, 2),
)


def serves(leg: Leg, o: dict[str, float]) -> bool:
    return o["pt"] >= leg.min_pt_gev and (leg.max_abs_eta is None or abs(o["eta"]) <= leg.max_abs_eta)


def jets(crossings: list[list[dict[str, float]]]) -> ak.Array:
    layout = ak.Array(
        [
            [{"pt": 1.0, "eta": 0.0, "phi": 0.0}],
            *[[{k: float(v) for k, v in o.items()} for o in c] for c in crossings],
        ]
    )
    return ak.zip({"L1Jet": layout}, depth_limit=1)[1:]


def only(menu: Menu, events: ak.Array, scores: np.ndarray | None = None) -> np.ndarray:
    return decide(menu, events, scores)[menu.seeds[0].name]


@given(st.lists(objects, min_size=1, max_size=8), st.lists(legs, min_size=1, max_size=3))
def test_legs_are_served_by_different_objects(crossings: list[list[dict[str, float]]], chosen: list[Leg]) -> None:
    menu = Menu(name="m", seeds=(Seed(name="S", legs=tuple(chosen)),))
    slots = [leg for leg in chosen for _ in range(leg.count)]
    expected = [
        any(all(serves(leg, o) for leg, o in zip(slots, order, strict=True)) for order in permutations(c, len(slots)))
        for c in crossings
    ]
    assert_array_equal(only(menu, jets(crossings)), expected)


@given(
    st.lists(objects, min_size=1, max_size=8),
    st.lists(legs.map(lambda leg: leg.model_copy(update={"count": 1})), min_size=2, max_size=2),
    st.sampled_from(Quantity),
    st.floats(0, 80),
    st.booleans(),
)
def test_pair_cuts_are_on_the_objects_of_the_legs(crossings, chosen, quantity, cut, upper) -> None:
    def value(a: dict[str, float], b: dict[str, float]) -> float:
        deta, dphi = a["eta"] - b["eta"], (a["phi"] - b["phi"] + pi) % (2 * pi) - pi
        mass = sqrt(max(0.0, 2 * a["pt"] * b["pt"] * (cosh(deta) - cos(dphi))))
        return {Quantity.MASS: mass, Quantity.DR: hypot(deta, dphi), Quantity.DETA: abs(deta)}[quantity]

    def passes(v: float) -> bool:
        return v <= cut if upper else v >= cut

    limits = {"high": cut} if upper else {"low": cut}
    menu = Menu(name="m", seeds=(Seed(name="S", legs=tuple(chosen), pair=PairCut(quantity=quantity, **limits)),))
    pairs = [
        [(a, b) for a, b in permutations(c, 2) if serves(chosen[0], a) and serves(chosen[1], b)] for c in crossings
    ]
    close = [any(abs(value(a, b) - cut) < 1e-6 for a, b in p) for p in pairs]
    expected = [any(passes(value(a, b)) for a, b in p) for p in pairs]
    decided = only(menu, jets(crossings))
    assert all(d == e or c for d, e, c in zip(decided, expected, close, strict=True))


def test_a_pair_cut_on_one_leg_of_two() -> None:
    menu = Menu(
        name="m",
        seeds=(
            Seed(
                name="S",
                legs=(Leg(collection="L1Jet", min_pt_gev=30, count=2),),
                pair=PairCut(quantity=Quantity.DETA, high=1.5),
            ),
        ),
    )
    a, b, soft = (
        {"pt": 50, "eta": 0, "phi": 0},
        {"pt": 40, "eta": 1, "phi": 2},
        {"pt": 20, "eta": 0, "phi": 1},
    )
    far = {"pt": 40, "eta": 2, "phi": 0}
    assert only(menu, jets([[a, b], [a, far], [a, soft], [a], []])).tolist() == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_score_seed_fires_from_its_threshold_on() -> None:
    menu = Menu(name="m", seeds=(Seed(name="S", score=100),))
    assert only(menu, jets([[], [], []]), np.array([99, 100, 101])).tolist() == [False, True, True]


def test_missing_momentum_is_a_single_object() -> None:
    menu = Menu(name="m", seeds=(Seed(name="S", legs=(Leg(collection="L1MET", min_pt_gev=90),)),))
    met = ak.zip(
        {"L1MET": ak.Array([{"pt": 89.5, "eta": 0.0, "phi": 0.0}, {"pt": 90.0, "eta": 0.0, "phi": 1.0}])},
        depth_limit=1,
    )
    assert only(menu, met).tolist() == [False, True]
    with pytest.raises(InputError, match=r"count of L1MET must be 1, not 2"):
        Leg.parse({"collection": "L1MET", "min_pt_gev": 1, "count": 2}, where="menu")


def test_the_default_menu_takes_its_threshold_at_run_time() -> None:
    menu = default_menu()
    assert len(menu.seeds) == 4
    assert menu.open_thresholds == ("nominal",)
    assert menu.with_thresholds({"nominal": 7}).seeds[3].score == 7
    assert menu.of_stream("tla") == ("L1_SingleJet180", "L1_Anomaly")


def test_a_menu_survives_toml_and_json(tmp_path: Path) -> None:
    menu = default_menu().with_thresholds({"nominal": 12})
    menu.save(tmp_path / "menu.json")
    assert Menu.load(tmp_path / "menu.json") == menu


def test_menus_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    leg = {"collection": "L1Jet", "min_pt_gev": 20}
    for seed, message in (
        ({"name": "S"}, r"seed S must have legs or a score, not neither"),
        (
            {"name": "S", "legs": [leg], "prescale": 0.5},
            r"prescale of S must be 0 \(off\) or at least 1, not 0\.5",
        ),
        ({"name": "S", "legs": [{**leg, "collection": "L1Tau"}]}, r"L1Tau"),
        (
            {"name": "S", "legs": [leg], "pair": {"quantity": "dr", "low": 1}},
            r"must be on one leg of 2 objects or on two",
        ),
        (
            {"name": "S", "legs": [leg, leg], "pair": {"quantity": "dr"}},
            r"a pair cut must have low or high, not neither",
        ),
        ({"name": "S", "cut": "pt > 20"}, r"unknown key 'seeds\.0\.cut'"),
    ):
        with pytest.raises(InputError, match=message):
            Menu.parse({"name": "m", "seeds": [seed]}, where="menu")
    with pytest.raises(InputError, match=r"seed names must be unique, not S, S"):
        Menu.parse({"name": "m", "seeds": [{"name": "S", "score": 1}] * 2}, where="menu")


def test_decisions_without_what_they_need_are_refused() -> None:
    events = jets([[]])
    with pytest.raises(InputError, match=r"events must have the collection L1EG of seed L1_SingleEG36er2p5"):
        decide(default_menu().with_thresholds({"nominal": 1}), events, np.array([1]))
    named, numbered = (Menu(name="m", seeds=(Seed(name="S", score=s),)) for s in ("tight", 5))
    with pytest.raises(InputError, match=r"threshold 'tight' of seed S must be set by Menu\.with_thresholds"):
        decide(named, events, np.array([1]))
    with pytest.raises(InputError, match=r"thresholds of menu 'm' must have tight, not \{'loose': 1\}"):
        named.with_thresholds({"loose": 1})
    with pytest.raises(InputError, match=r"seed S must be given scores, not None"):
        decide(numbered, events)
    with pytest.raises(InputError, match=r"scores must be of shape \(1,\), one an event, not \(2,\)"):
        decide(numbered, events, np.array([1, 2]))
    with pytest.raises(InputError, match=r"stream must be one that menu 'default' feeds, main, tla, not 'express'"):
        default_menu().of_stream("express")


def test_the_other_seeds_are_those_without_an_open_threshold_or_a_prescale() -> None:
    events = jets([[{"pt": 30.0, "eta": 0.0, "phi": 0.0}], [{"pt": 15.0, "eta": 0.0, "phi": 0.0}], []])
    hard, soft = (Leg(collection="L1Jet", min_pt_gev=pt) for pt in (20, 10))
    seeds = (
        Seed(name="Hard", legs=(hard,)),
        Seed(name="Soft", legs=(soft,), prescale=10),
        Seed(name="Scored", score=7),
        Seed(name="New", score="nominal"),
    )
    scores = np.array([1, 1, 7])
    assert_array_equal(decide_others(Menu(name="m", seeds=seeds), events, scores), [True, False, True])
    assert_array_equal(decide_others(Menu(name="m", seeds=seeds[:2]), events), [True, False, False])
    assert_array_equal(decide_others(Menu(name="m", seeds=seeds[1:2]), events), [False, False, False])
