"""Scores of a model beside baselines on toy events."""

from __future__ import annotations

import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from toy_events import toy_events

from trigforge.comparing import FOREST, Events, compare_on_events
from trigforge.contract import level1_contract
from trigforge.errors import InputError
from trigforge.models.metrics import Gain, Options, ScoreKind, Target, WorkingPoint, grow_forest
from trigforge.tla.menu import Menu, Seed, default_menu

POINTS = tuple(WorkingPoint(target=t, value=500.0) for t in (Target.TOTAL_RATE, Target.PURE_RATE))


@pytest.fixture(scope="module")
def events() -> Events:
    return Events(toy_events(20_000), {"harder": toy_events(1500, seed=5)})


def total_momentum(found: ak.Array) -> np.ndarray:
    return np.rint(ak.to_numpy(ak.sum(found["L1Jet"]["pt"], axis=1)) + ak.to_numpy(found["L1MET"]["pt"])).astype(int)


def test_a_model_stands_beside_all_baselines(events: Events) -> None:
    contract = level1_contract()
    words = contract.encode(events.background)
    forest = grow_forest(contract.fit_normaliser(words), words[:2000])
    scores = {"firmware": events.score(ScoreKind.FIRMWARE, total_momentum)}
    options = Options(points=POINTS, sculpted_at=POINTS[0], replicas=20)
    found = compare_on_events(scores, "firmware", events, default_menu(), options, forest)
    names = ["leading jet pT", "HT", "MET", "leading lepton pT", "object multiplicity", FOREST]
    assert [row.name for row in found.rows] == ["firmware", *names]
    assert [row.kind for row in found.rows] == [ScoreKind.FIRMWARE, *[ScoreKind.CUT] * 5, ScoreKind.FOREST]
    assert set(found.rows[0].sculpting) == {"dijet mass", "HT", "pile-up"}
    pure = found.rows[0].at(POINTS[1])
    assert pure.signals["harder"][Gain.PURE].value < pure.signals["harder"][Gain.PLAIN].value


def test_other_seeds_may_use_the_score(events: Events) -> None:
    scores = {"firmware": events.score(ScoreKind.FIRMWARE, total_momentum)}
    options = Options(points=POINTS, sculpted_at=POINTS[0], replicas=20)
    seeds = (Seed(name="Old", score=1), Seed(name="New", score="nominal"))
    found = compare_on_events(scores, "firmware", events, Menu(name="m", seeds=seeds), options)
    cut = found.rows[0].at(POINTS[1]).cut
    assert "effective background events pass" in getattr(cut, "reason", ""), "the old seed accepts everything"
    real = {"float": events.score(ScoreKind.FLOAT, lambda e: total_momentum(e) / 2)}
    with pytest.raises(InputError, match="seed Old must be given scores"):
        compare_on_events(real, "float", events, Menu(name="m", seeds=seeds), options)
