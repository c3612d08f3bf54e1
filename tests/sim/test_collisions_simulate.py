"""Real Pythia: the join of the samples, reproducibility, and the physics of small simulated samples."""

from __future__ import annotations

from dataclasses import fields, replace

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.contract import OutOfRange, level1_contract
from trigforge.errors import InputError
from trigforge.events import check_events
from trigforge.sim.collisions import CollisionConfig, simulate
from trigforge.sim.collisions.generate import Library, Request, generate
from trigforge.sim.collisions.interactions import Interactions
from trigforge.sim.collisions.processes import HARD, JOIN_PT_HAT_GEV, SOFT
from trigforge.sim.collisions.workers import start_workers

LOW_CUT_GEV = 12.0
LOW = replace(HARD, name="low", settings=(*HARD.settings, f"PhaseSpace:pTHatMin = {LOW_CUT_GEV}"))
PIECES = replace(HARD, chunk=40)
CONFIG = CollisionConfig(
    soft_interactions=300,
    hard_interactions=240,
    signal_interactions=40,
    crossings=2400,
    signal_events=200,
    signals=("h_to_tautau", "ttbar"),
    workers=2,
)
SMALL = CollisionConfig(
    soft_interactions=60,
    hard_interactions=20,
    signal_interactions=5,
    crossings=50,
    signal_events=10,
    signals=("ttbar",),
)


def ignore(_: float) -> None:
    pass


@pytest.fixture(scope="module")
def libraries() -> dict[str, Library]:
    requests = [Request(SOFT, 2000), Request(PIECES, 120), Request(LOW, 400)]
    with start_workers(2) as workers:
        return generate(requests, 3, workers, ignore)


@pytest.fixture(scope="module")
def samples() -> dict[str, ak.Array]:
    return simulate(CONFIG)


def test_cross_sections_and_the_join(libraries: dict[str, Library]) -> None:
    soft, hard, low = (libraries[name] for name in ("soft", "hard", "low"))
    assert_allclose(soft.sigma_mb + hard.sigma_mb, 78.6, atol=1.0)
    assert soft.interactions.pt_hat.max() < JOIN_PT_HAT_GEV <= hard.interactions.pt_hat.min()
    between = soft.interactions.pt_hat > LOW_CUT_GEV
    from_soft = soft.sigma_mb * between.mean()
    weight = low.interactions.weight
    from_hard = low.sigma_mb * weight[low.interactions.pt_hat < JOIN_PT_HAT_GEV].sum() / weight.sum()
    assert_allclose(from_soft, from_hard, rtol=4 / np.sqrt(between.sum()))
    assert_allclose(low.sigma_mb - from_hard, hard.sigma_mb, rtol=0.3)


def test_hard_interactions_are_spread_over_pt_hat(libraries: dict[str, Library]) -> None:
    hard = libraries["hard"].interactions
    assert 0.2 < (hard.pt_hat > 100).mean() < 0.8
    assert_allclose(hard.weight, (JOIN_PT_HAT_GEV / hard.pt_hat) ** 4, rtol=0.1)  # heavy quarks: massless pT


def test_a_library_does_not_depend_on_the_workers(libraries: dict[str, Library]) -> None:
    with start_workers(1) as workers:
        alone = generate([Request(PIECES, 120)], 3, workers, ignore)["hard"]
    assert alone.sigma_mb == libraries["hard"].sigma_mb
    for field in fields(Interactions):
        assert_array_equal(
            getattr(alone.interactions, field.name), getattr(libraries["hard"].interactions, field.name), field.name
        )


def test_samples_do_not_depend_on_the_workers_and_progress_rises_to_one() -> None:
    steps: list[float] = []
    one = simulate(SMALL.model_copy(update={"workers": 1}), steps.append)
    two = simulate(SMALL.model_copy(update={"workers": 2}))
    assert steps == sorted(steps)
    assert_allclose(steps[-1], 1.0)
    for name in ("background", "ttbar"):
        assert one[name].to_list() == two[name].to_list()


def test_events_follow_the_schema_and_lie_on_the_grid(samples: dict[str, ak.Array]) -> None:
    contract = level1_contract()
    for name, events in samples.items():
        check_events(events, name)
        words = contract.encode(events, OutOfRange.REFUSE)
        decoded = contract.decode(words)
        for collection, count in (("L1EG", 4), ("L1Mu", 4), ("L1Jet", 10)):
            for field in ("pt", "eta", "phi"):
                kept = events[collection][field][:, :count]
                assert_allclose(ak.flatten(decoded[collection][field]), ak.flatten(kept), rtol=1e-5, atol=1e-6)
            assert ak.all(events[collection].pt[:, 1:] <= events[collection].pt[:, :-1])
    assert [len(samples[name]) for name in ("background", "ttbar")] == [2400, 200]


def test_weights_are_normalised(samples: dict[str, ak.Array]) -> None:
    weight = ak.to_numpy(samples["background"].weight)
    assert_allclose(weight.sum(), 1.0, atol=4 * np.sqrt((weight**2).sum()))
    assert_allclose(samples["ttbar"].weight, 1 / 200)


def test_only_seeded_crossings_have_hlt_jets(samples: dict[str, ak.Array]) -> None:
    events = samples["background"]
    leading = ak.fill_none(ak.firsts(events.L1Jet.pt), 0.0)
    assert ak.all(ak.num(events.HLTJet)[leading < CONFIG.hlt_seed_gev] == 0)
    assert ak.mean(ak.num(events.HLTJet)[leading >= CONFIG.hlt_seed_gev] > 0) > 0.99
    assert ak.any(leading < CONFIG.hlt_seed_gev)


def test_pile_up_raises_rho_in_proportion(samples: dict[str, ak.Array]) -> None:
    events = samples["background"]
    slope = np.polyfit(ak.to_numpy(events.nPU), ak.to_numpy(events.rho), 1)
    assert slope[0] > 0.2
    assert_allclose(np.polyval(slope, 40.0) / np.polyval(slope, 30.0), 4 / 3, rtol=0.2)


@pytest.mark.parametrize(("collection", "low", "high"), [("HLTJet", 0.9, 1.15), ("L1Jet", 0.8, 1.1)])
def test_jets_match_particle_jets(samples: dict[str, ak.Array], collection: str, low: float, high: float) -> None:
    events = samples["background"]
    truth = events.GenJet[:, :1]
    truth = truth[(truth.pt > 60) & (np.abs(truth.eta) < 2.4)]
    pairs = ak.cartesian({"truth": truth, "jet": events[collection]}, nested=True)
    d_phi = np.mod(pairs.truth.phi - pairs.jet.phi + np.pi, 2 * np.pi) - np.pi
    distance = np.hypot(pairs.truth.eta - pairs.jet.eta, d_phi)
    best = ak.argmin(distance, axis=2, keepdims=True)
    response = ak.mask((pairs.jet.pt / pairs.truth.pt)[best], distance[best] < 0.2)
    matched = ak.to_numpy(ak.drop_none(ak.flatten(response, axis=None)))
    assert len(matched) > 0.9 * ak.sum(ak.num(truth))
    assert low < np.median(matched) < high


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("crossings", 0, "crossings = 0: input should be greater than or equal to 1"),
        ("pileup", -1.0, "pileup = -1.0: input should be greater than 0"),
        ("signals", ["higgs"], "signal must be one of a_to_4l, lq_to_btau, h_to_tautau, ttbar, not 'higgs'"),
        ("signals", ["ttbar", "ttbar"], "signals must be different, not"),
        ("soft", 5, "unknown key 'soft'; known keys here: crossings, hard_interactions"),
    ],
)
def test_wrong_configurations_are_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CollisionConfig.parse({key: value}, where="run.toml")


def test_an_empty_request_is_refused() -> None:
    with pytest.raises(InputError, match="the number of soft interactions must be ≥ 1, not 0"), start_workers(1) as one:
        generate([Request(SOFT, 0)], 1, one, ignore)
