"""`Menu`: Level-1 seeds as data, their prescales and streams, and their decisions on events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Literal

import awkward as ak
import numpy as np
from pydantic import Field, model_validator

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.value import Value
from trigforge.weighted import BoolArray

DEFAULT_MENU = Path(__file__).with_name("menus") / "default.toml"


class Leg(Value):
    """`count` objects of one collection with pt ≥ `min_pt_gev` and |η| ≤ `max_abs_eta`."""

    collection: Literal["L1Jet", "L1EG", "L1Mu", "L1MET"]
    min_pt_gev: float = Field(ge=0)
    max_abs_eta: float | None = Field(default=None, gt=0)
    count: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _missing_momentum_is_single(self) -> Leg:
        if self.collection == "L1MET" and self.count != 1:
            raise ValueError(f"count of L1MET must be 1, not {self.count}")
        return self


class Quantity(StrEnum):
    """What a pair cut is on; the mass is that of massless objects."""

    MASS = "mass"
    DR = "dr"
    DETA = "deta"


class PairCut(Value):
    """At least one pair of the seed's objects must have `low <= quantity <= high` (GeV for the mass)."""

    quantity: Quantity
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _cut_is_there(self) -> PairCut:
        if self.low is None and self.high is None:
            raise ValueError("a pair cut must have low or high, not neither")
        return self


class Seed(Value):
    """One Level-1 seed: all its legs by different objects, its pair cut, and `score >= threshold`.

    `score` is an integer threshold or a name that `Menu.with_thresholds` replaces by one. A prescale of 0 is off.
    The pair of a pair cut is of one leg of at least two objects, or of the objects of two single legs.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    legs: tuple[Leg, ...] = ()
    pair: PairCut | None = None
    score: int | str | None = None
    prescale: float = 1.0
    streams: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _seed_is_whole(self) -> Seed:
        if not self.legs and self.score is None:
            raise ValueError(f"seed {self.name} must have legs or a score, not neither")
        if self.prescale != 0 and self.prescale < 1:
            raise ValueError(f"the prescale of {self.name} must be 0 (off) or at least 1, not {self.prescale:g}")
        one_leg = len(self.legs) == 1 and self.legs[0].count >= 2
        two_legs = len(self.legs) == 2 and all(leg.count == 1 for leg in self.legs)
        if self.pair is not None and not (one_leg or two_legs):
            raise ValueError(f"the pair cut of {self.name} must be on one leg of 2 objects or on two single legs")
        return self


class Menu(Value):
    """Seeds in order; loadable from TOML."""

    name: str
    seeds: tuple[Seed, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Menu:
        names = [s.name for s in self.seeds]
        if len(set(names)) != len(names):
            raise ValueError(f"seed names must be unique, not {', '.join(names)}")
        return self

    @property
    def open_thresholds(self) -> tuple[str, ...]:
        """The names of score thresholds that have no integer yet."""
        return tuple(s.score for s in self.seeds if isinstance(s.score, str))

    def with_thresholds(self, thresholds: Mapping[str, int]) -> Menu:
        """This menu with integers in place of the named score thresholds."""
        missing = [name for name in self.open_thresholds if name not in thresholds]
        if missing:
            raise InputError(f"thresholds of menu {self.name!r} must have {', '.join(missing)}, not {dict(thresholds)}")
        seeds = (
            s.model_copy(update={"score": int(thresholds[s.score])}) if isinstance(s.score, str) else s
            for s in self.seeds
        )
        return self.model_copy(update={"seeds": tuple(seeds)})

    def of_stream(self, stream: str) -> tuple[str, ...]:
        """The names of the seeds that feed a stream."""
        names = tuple(s.name for s in self.seeds if stream in s.streams)
        if not names:
            known = sorted({t for s in self.seeds for t in s.streams})
            raise InputError(f"stream must be one that menu {self.name!r} feeds, {', '.join(known)}, not {stream!r}")
        return names


def default_menu() -> Menu:
    """The shipped menu of four seeds; its anomaly threshold `nominal` is still open."""
    return Menu.load(DEFAULT_MENU)


def decide(menu: Menu, events: ak.Array, scores: IntArray | None = None) -> dict[str, BoolArray]:
    """Decision of every seed before prescales, each of shape (n,); `scores` int64 (n,) for score seeds."""
    return {seed.name: _decide(seed, events, scores) for seed in menu.seeds}


def decide_others(menu: Menu, events: ak.Array, scores: IntArray | None = None) -> BoolArray:
    """The OR (n,) of the unprescaled seeds whose score threshold is not open: what a new seed is pure against."""
    others = [s for s in menu.seeds if not isinstance(s.score, str) and s.prescale == 1]
    accepted = [_decide(seed, events, scores) for seed in others]
    return np.logical_or.reduce(accepted, axis=0) if accepted else np.zeros(len(events), dtype=np.bool_)


def _decide(seed: Seed, events: ak.Array, scores: IntArray | None) -> BoolArray:
    passed = np.ones(len(events), dtype=np.bool_)
    if seed.score is not None:
        passed &= _score(seed.name, seed.score, scores, len(events))
    for leg in seed.legs:
        if leg.collection not in ak.fields(events):
            raise InputError(f"events must have the collection {leg.collection} of seed {seed.name}")
    for collection in {leg.collection for leg in seed.legs}:
        passed &= _enough(tuple(leg for leg in seed.legs if leg.collection == collection), events)
    if seed.pair is not None:
        passed &= _has_pair(seed.legs, seed.pair, events)
    return passed


def _score(name: str, threshold: int | str, scores: IntArray | None, events: int) -> BoolArray:
    if isinstance(threshold, str):
        raise InputError(f"threshold {threshold!r} of seed {name} must be set by Menu.with_thresholds")
    if scores is None:
        raise InputError(f"seed {name} must be given scores, not None; emulate the firmware first")
    if scores.shape != (events,):
        raise InputError(f"scores must be of shape ({events},), one an event, not {scores.shape}")
    return np.asarray(scores >= threshold)


def _passing(leg: Leg, events: ak.Array) -> ak.Array:
    objects = _objects(leg, events)
    passing = objects["pt"] >= leg.min_pt_gev
    return passing if leg.max_abs_eta is None else passing & (abs(objects["eta"]) <= leg.max_abs_eta)


def _objects(leg: Leg, events: ak.Array) -> ak.Array:
    objects = events[leg.collection]
    return ak.unflatten(objects, 1) if objects.ndim == 1 else objects


def _enough(legs: tuple[Leg, ...], events: ak.Array) -> BoolArray:
    """Whether different objects can serve all legs of one collection: Hall's condition on subsets of legs."""
    passing = [_passing(leg, events) for leg in legs]
    enough = np.ones(len(events), dtype=np.bool_)
    for size in range(1, len(legs) + 1):
        for chosen in combinations(range(len(legs)), size):
            either = passing[chosen[0]]
            for i in chosen[1:]:
                either = either | passing[i]
            enough &= ak.to_numpy(ak.sum(either, axis=1)) >= sum(legs[i].count for i in chosen)
    return enough


def _has_pair(legs: tuple[Leg, ...], cut: PairCut, events: ak.Array) -> BoolArray:
    kept = [_indexed(leg, events) for leg in legs]
    pairs = ak.combinations(kept[0], 2) if len(legs) == 1 else ak.cartesian(kept)
    a, b = ak.unzip(pairs)
    value = _quantity(cut.quantity, a, b)
    good = value == value
    if len(legs) == 2 and legs[0].collection == legs[1].collection:
        good = good & (a["index"] != b["index"])
    if cut.low is not None:
        good = good & (value >= cut.low)
    if cut.high is not None:
        good = good & (value <= cut.high)
    return np.asarray(ak.to_numpy(ak.any(good, axis=1)))


def _indexed(leg: Leg, events: ak.Array) -> ak.Array:
    objects = _objects(leg, events)
    columns = {f: objects[f] for f in ("pt", "eta", "phi")}
    return ak.zip({**columns, "index": ak.local_index(objects["pt"])})[_passing(leg, events)]


def _quantity(quantity: Quantity, a: ak.Array, b: ak.Array) -> ak.Array:
    deta = a["eta"] - b["eta"]
    if quantity is Quantity.DETA:
        return abs(deta)
    dphi = np.mod(a["phi"] - b["phi"] + np.pi, 2 * np.pi) - np.pi
    if quantity is Quantity.DR:
        return np.hypot(deta, dphi)
    return np.sqrt(2 * a["pt"] * b["pt"] * np.maximum(np.cosh(deta) - np.cos(dphi), 0))
