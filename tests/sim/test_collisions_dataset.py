"""Samples in a folder: schema, weights, physics, the same for any number of jobs, resumed after a kill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trigforge.contract import OutOfRange, level1_contract
from trigforge.errors import InputError
from trigforge.events import check_events, read_events
from trigforge.sim.collisions import CollisionConfig, Content, Sample, SampleConfig, simulate
from trigforge.sim.collisions.frozen import find_samples, require_run_samples

SMALL = {"soft_interactions": 300, "hard_interactions": 240, "rare_interactions": 20, "pileup": 40.0}
CONFIG = CollisionConfig(
    **SMALL,
    samples=(
        SampleConfig(name="enhanced_bias", events=2400),
        SampleConfig(name="zero_bias", events=600, content=Content.LEVEL1, regions=True, region_step=4),
        SampleConfig(name="ttbar", events=200, interactions=40),
        SampleConfig(name="qcd", events=200, interactions=40, content=Content.LEVEL1),
    ),
    jobs=2,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("samples")
    simulate(CONFIG, out)
    return out


@pytest.fixture(scope="module")
def records(folder: Path) -> dict[str, Sample]:
    return find_samples(folder)


@pytest.fixture(scope="module")
def samples(folder: Path) -> dict[str, ak.Array]:
    return {sample.name: read_events(folder / sample.name) for sample in CONFIG.samples}


def test_records_say_what_was_made(records: dict[str, Sample], samples: dict[str, ak.Array]) -> None:
    assert list(records) == ["enhanced_bias", "zero_bias", "qcd", "ttbar"]
    for name, record in records.items():
        weight = ak.to_numpy(samples[name].weight)
        assert record.events == len(weight)
        assert_allclose([record.sum_w, record.sum_w2], [weight.sum(), (weight**2).sum()])
        assert record.config.samples[0].name == name
    assert records["zero_bias"].cross_section_pb == pytest.approx(7.86e10, rel=0.02)
    assert records["ttbar"].cross_section_pb == pytest.approx(570, rel=0.2)
    assert 0.005 < records["zero_bias"].hard_fraction < 0.015


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
        assert ak.all((events.L1EG.iso == 0) | (events.L1EG.iso == 1))
        assert ak.all(abs(events.L1Mu.charge) == 1)


def test_only_what_was_asked_for_is_kept(samples: dict[str, ak.Array]) -> None:
    assert "HLTJet" not in ak.fields(samples["zero_bias"])
    assert {"HLTJet", "Jet", "GenJet", "rho", "rhoOffline", "nPV"} <= set(ak.fields(samples["ttbar"]))
    assert ak.to_numpy(samples["zero_bias"].L1Region).shape == (600, 252)
    assert not np.any(ak.to_numpy(samples["zero_bias"].L1Region) % 4)
    assert len(np.unique(ak.to_numpy(samples["zero_bias"].L1Region))) > 8
    assert "L1Region" not in ak.fields(samples["ttbar"])


def test_weights_are_normalised(samples: dict[str, ak.Array]) -> None:
    weight = ak.to_numpy(samples["enhanced_bias"].weight)
    assert_allclose(weight.sum(), 1.0, atol=4 * np.sqrt((weight**2).sum()))
    assert_allclose(samples["zero_bias"].weight, 1 / 600)
    assert_allclose(samples["ttbar"].weight, 1 / 200)
    assert_allclose(ak.sum(samples["qcd"].weight), 1.0)
    assert np.ptp(ak.to_numpy(samples["qcd"].weight)) > 0


def test_the_enhanced_sample_has_the_mean_of_the_natural_one(samples: dict[str, ak.Array]) -> None:
    natural, enhanced = samples["zero_bias"], samples["enhanced_bias"]
    for value in (lambda e: ak.num(e.L1Jet), lambda e: e.L1MET.pt, lambda e: e.nPU):
        expected, spread = np.mean(ak.to_numpy(value(natural))), np.std(ak.to_numpy(value(natural)))
        found = float(ak.sum(value(enhanced) * enhanced.weight) / ak.sum(enhanced.weight))
        assert_allclose(found, expected, atol=6 * spread / np.sqrt(300))


def test_interactions_that_dominate_are_named(samples: dict[str, ak.Array], records: dict[str, Sample]) -> None:
    pile_up = 300 + 240
    top = ak.to_numpy(samples["ttbar"].interaction)
    assert ((top >= pile_up) & (top < pile_up + 40)).mean() > 0.8
    assert ak.to_numpy(samples["enhanced_bias"].interaction).max() < pile_up + 4 * 20
    assert ak.to_numpy(samples["enhanced_bias"].interaction).min() >= 0


def test_only_seeded_crossings_have_jets(samples: dict[str, ak.Array]) -> None:
    events = samples["enhanced_bias"]
    leading = ak.fill_none(ak.firsts(events.L1Jet.pt), 0.0)
    for jets in (events.HLTJet, events.Jet):
        assert ak.all(ak.num(jets)[leading < CONFIG.hlt_seed_gev] == 0)
        assert ak.mean(ak.num(jets)[leading >= CONFIG.hlt_seed_gev] > 0) > 0.98
    assert ak.any(leading < CONFIG.hlt_seed_gev)


def test_pile_up_raises_the_densities_in_proportion(samples: dict[str, ak.Array]) -> None:
    events = samples["enhanced_bias"]
    for name in ("rho", "rhoOffline"):
        slope = np.polyfit(ak.to_numpy(events.nPU), ak.to_numpy(events[name]), 1)
        assert slope[0] > 0.1
        assert_allclose(np.polyval(slope, 40.0) / np.polyval(slope, 30.0), 4 / 3, rtol=0.2)
    assert 20 < ak.mean(events.nPV) < ak.mean(events.nPU)


@pytest.mark.parametrize(
    ("collection", "low", "high"), [("HLTJet", 0.9, 1.15), ("Jet", 0.9, 1.15), ("L1Jet", 0.8, 1.1)]
)
def test_jets_match_particle_jets(samples: dict[str, ak.Array], collection: str, low: float, high: float) -> None:
    events = samples["enhanced_bias"]
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


def test_offline_jets_match_true_jets_of_the_primary_vertex_only(samples: dict[str, ak.Array]) -> None:
    events = samples["enhanced_bias"]
    for name, primary in (("Jet", {1}), ("HLTJet", {0, 1})):
        jets = events[name]
        matched = jets[jets.genJetIdx >= 0]
        truth = events.GenJet[matched.genJetIdx]
        assert set(ak.to_numpy(ak.flatten(truth.primary))) == primary
        away = np.mod(ak.to_numpy(ak.flatten(matched.phi - truth.phi)) + np.pi, 2 * np.pi) - np.pi
        assert np.hypot(away, ak.to_numpy(ak.flatten(matched.eta - truth.eta))).max() < 0.41


def test_a_thinned_sample_has_the_same_means(samples: dict[str, ak.Array], folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "library", tmp_path / "library")
    thinned = SampleConfig(name="enhanced_bias", events=6000, density=60)
    record = simulate(CONFIG.model_copy(update={"samples": (thinned,)}), tmp_path)["enhanced_bias"]
    events, natural = read_events(tmp_path / "enhanced_bias"), samples["zero_bias"]
    assert record.crossings == 6000
    assert record.events == len(events) < 1500
    assert_allclose(record.sum_w, 1.0, atol=4 * np.sqrt(record.sum_w2))
    assert ak.mean(ak.num(events.HLTJet)) > 0.5
    for value in (lambda e: ak.num(e.L1Jet), lambda e: e.L1MET.pt, lambda e: e.nPU):
        expected, spread = np.mean(ak.to_numpy(value(natural))), np.std(ak.to_numpy(value(natural)))
        found = float(ak.sum(value(events) * events.weight) / ak.sum(events.weight))
        assert_allclose(found, expected, atol=5 * spread * np.sqrt(record.sum_w2 + 1 / 300))


TINY = CollisionConfig(
    soft_interactions=60,
    hard_interactions=20,
    rare_interactions=5,
    pileup=10.0,
    samples=(SampleConfig(name="enhanced_bias", events=60), SampleConfig(name="ttbar", events=10, interactions=5)),
    jobs=1,
)


def contents(out: Path) -> dict[str, list]:
    return {name: read_events(out / name).to_list() for name in ("enhanced_bias", "ttbar")}


def test_the_result_depends_neither_on_the_jobs_nor_on_the_other_samples(tmp_path: Path) -> None:
    steps: list[float] = []
    simulate(TINY, tmp_path / "one", lambda fraction, _: steps.append(fraction))
    simulate(TINY.model_copy(update={"jobs": 2}), tmp_path / "two")
    assert steps == sorted(steps)
    assert_allclose(steps[-1], 1.0)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    shutil.copytree(tmp_path / "one/library", tmp_path / "three/library")
    simulate(TINY.model_copy(update={"samples": TINY.samples[1:]}), tmp_path / "three")
    assert read_events(tmp_path / "three/ttbar").to_list() == read_events(tmp_path / "one/ttbar").to_list()


KILLED = """
import os, signal, sys
from pathlib import Path
from trigforge.sim.collisions import CollisionConfig, dataset, simulate
dataset.PART_EVENTS = 20
make = dataset.make_part
def make_and_die(part):
    make(part)
    if sys.argv[3] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
dataset.make_part = make_and_die
simulate(CollisionConfig.load(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_killed_simulation_goes_on_and_ends_in_the_same(tmp_path: Path) -> None:
    config, killed = tmp_path / "tiny.json", tmp_path / "killed"
    TINY.save(config)

    def run(out: Path, end: str) -> int:
        command = [sys.executable, "-c", KILLED, str(config), str(out), end]
        return subprocess.run(command, timeout=120, check=False).returncode

    assert run(tmp_path / "straight", "live") == 0
    assert run(killed, "die") == -signal.SIGKILL
    assert [file.name for file in (killed / "enhanced_bias").iterdir()] == ["part-00000.parquet"]
    assert list(killed.glob(".library-*"))
    assert run(killed, "live") == 0
    assert contents(killed) == contents(tmp_path / "straight")
    assert len(list((killed / "enhanced_bias").glob("part-*.parquet"))) == 3
    assert not list(killed.glob(".library-*"))


def test_another_sample_of_the_name_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "qcd", tmp_path / "qcd")
    other = CollisionConfig(**{**SMALL, "pileup": 20.0}, samples=(SampleConfig(name="qcd", events=5, interactions=2),))
    with pytest.raises(InputError, match=r"qcd must be empty or hold the same sample, but it was made with other"):
        simulate(other, tmp_path)
    assert len(read_events(tmp_path / "qcd")) == 200


def test_a_run_names_the_samples_that_it_misses(folder: Path, tmp_path: Path) -> None:
    assert set(require_run_samples(folder)) == {"enhanced_bias", "zero_bias", "qcd", "ttbar"}
    with pytest.raises(InputError, match=r"must be zero_bias, enhanced_bias and at least one signal, not none; 'trig"):
        require_run_samples(tmp_path)
    for name in ("enhanced_bias", "zero_bias"):
        shutil.copytree(folder / name, tmp_path / name)
    with pytest.raises(InputError, match=r"at least one signal, not enhanced_bias, zero_bias"):
        require_run_samples(tmp_path)


def test_a_sample_without_pile_up_is_the_signal_alone(tmp_path: Path) -> None:
    config = CollisionConfig(pileup=0.0, samples=(SampleConfig(name="ttbar", events=20),), jobs=1)
    simulate(config, tmp_path)
    events = read_events(tmp_path / "ttbar")
    assert ak.all(events.nPU == 0)
    assert ak.mean(ak.num(events.L1Jet)) > 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"samples": []}, "samples = \\[\\]: tuple should have at least 1 item"),
        ({"pileup": -1.0}, "pileup = -1.0: input should be greater than or equal to 0"),
        ({"pileup": 0.0}, "pileup must be above 0 for zero_bias and enhanced_bias, which consist of it"),
        (
            {"samples": [{"name": "qcd", "events": 1, "region_step": 3}]},
            "region_step must be a power of two, not 3",
        ),
        ({"samples": [{"name": "higgs", "events": 1}]}, "sample must be one of zero_bias, .*, not 'higgs'"),
        ({"samples": [{"name": "ttbar", "events": 0}]}, "samples.0.events = 0: input should be greater than or equal"),
        ({"samples": [{"name": "qcd", "events": 1}] * 2}, "samples must have different names, not qcd, qcd"),
        ({"soft": 5}, "unknown key 'soft'; known keys here: hard_interactions"),
    ],
)
def test_wrong_configurations_are_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CollisionConfig.parse(content, where="run.toml")
