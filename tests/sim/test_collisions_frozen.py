"""The samples that come along: complete, small, made by a recorded commit, and what they say they are."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trigforge.contract import OutOfRange, level1_contract
from trigforge.events import read_events
from trigforge.events.labelled import CLASSES, FEATURES, read_jets
from trigforge.regions import region_words
from trigforge.sim.collisions.config import CollisionConfig
from trigforge.sim.collisions.dataset import Sample
from trigforge.sim.collisions.frozen import FROZEN, FROZEN_REGIONS, require_run_samples
from trigforge.sim.collisions.jet_dataset import JetSample

LIMIT_BYTES = 33_000_000
SAMPLES = require_run_samples(FROZEN)
REGIONS = require_run_samples(FROZEN_REGIONS)
EVERY = [(FROZEN / name, record) for name, record in SAMPLES.items()]
EVERY += [(FROZEN_REGIONS / name, record) for name, record in REGIONS.items()]


def test_they_are_small_enough_for_the_repository() -> None:
    assert sum(file.stat().st_size for file in FROZEN.rglob("*") if file.is_file()) <= LIMIT_BYTES


@pytest.mark.parametrize(
    ("file", "samples"), [(FROZEN / "frozen.toml", SAMPLES), (FROZEN_REGIONS / "regions.toml", REGIONS)]
)
def test_they_are_those_of_the_configuration_beside_them(file: Path, samples: dict[str, Sample]) -> None:
    config = CollisionConfig.load(file)
    assert {sample.name for sample in config.samples} == set(samples)
    for sample in config.samples:
        made = samples[sample.name]
        assert made.config.samples == (sample,)
        assert made.config == config.model_copy(update={"samples": (sample,)})
        assert len(made.revision) == 40  # a commit, without a mark of changed files


@pytest.mark.parametrize(("folder", "record"), EVERY, ids=lambda value: value.name)
def test_every_sample_holds_what_its_record_says(folder: Path, record: Sample) -> None:
    events = read_events(folder)
    assert len(list(folder.glob("part-*.parquet"))) == record.parts
    weight = ak.to_numpy(events.weight)
    assert len(weight) == record.events
    assert_allclose([weight.sum(), (weight**2).sum()], [record.sum_w, record.sum_w2])
    assert_allclose(record.sum_w, 1.0, atol=3 * np.sqrt(record.sum_w2) + 1e-9)
    level1_contract().encode(events, OutOfRange.REFUSE)


def test_there_is_enough_of_everything() -> None:
    assert SAMPLES["zero_bias"].events >= 300_000
    assert all(sample.events >= 20_000 for sample in SAMPLES.values() if not sample.background)
    assert sum(not sample.background for sample in SAMPLES.values()) == 4
    events = read_events(FROZEN / "enhanced_bias", ["HLTJet", "Jet"])
    online, offline = (events[name].genJetIdx for name in ("HLTJet", "Jet"))
    online, offline = online[online >= 0], offline[offline >= 0]
    assert ak.sum(ak.any(online[:, :, None] == offline[:, None, :], axis=-1)) >= 50_000


def test_regions_are_in_steps_of_2_gev_and_hold_the_energy_of_jets() -> None:
    assert set(REGIONS) == set(SAMPLES)
    for name in REGIONS:
        events = read_events(FROZEN_REGIONS / name, ["L1Region", "L1Jet"])
        words = region_words(events)
        assert not (words % 4).any()
        assert words.max() <= 1020
        hard = ak.to_numpy(ak.any((events.L1Jet.pt > 80) & (abs(events.L1Jet.eta) < 2.5), axis=1))
        assert words[hard].max(axis=1).mean() > 2 * words[~hard].max(axis=1).mean()


def test_the_enhanced_sample_continues_the_natural_one_into_the_tails() -> None:
    enhanced, natural = (read_events(FROZEN / name) for name in ("enhanced_bias", "zero_bias"))
    for name, threshold in (("L1Jet", 60.0), ("L1EG", 15.0), ("L1Mu", 7.0)):
        passing = [ak.to_numpy(e.weight[ak.any(e[name].pt >= threshold, axis=1)]) for e in (enhanced, natural)]
        (found, error), (expected, other) = ((w.sum(), np.sqrt((w**2).sum())) for w in passing)
        assert_allclose(found, expected, atol=5 * np.hypot(error, other))
    assert ak.sum(ak.any(enhanced.L1Jet.pt >= 500, axis=1)) > 1000
    assert ak.sum(ak.any(natural.L1Jet.pt >= 500, axis=1)) < 5


def test_labelled_jets_are_of_five_classes() -> None:
    folder = FROZEN / "jet_tagging"
    record = JetSample.load(folder / "jets.json")
    jets = ak.concatenate([read_jets(part) for part in sorted(Path(folder).glob("part-*.parquet"))])
    assert (len(jets), record.jets, record.classes) == (50_000, 50_000, CLASSES)
    assert len(record.revision) == 40
    assert_array_equal(np.bincount(jets.label), 10_000)
    assert tuple(ak.fields(jets.features)) == FEATURES
    assert ak.max(ak.num(jets.Constituent)) == 16
    mass = ak.to_numpy(jets.features.mass_mmdt)
    for label, expected in ((2, 80.4), (3, 91.2), (4, 172.5)):
        assert_allclose(np.median(mass[ak.to_numpy(jets.label) == label]), expected, rtol=0.05)
