"""Samples of labelled jets: shares of the classes, independence of the jobs, resumption, refusals."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.events.labelled import read_jets, read_notes
from trigforge.sim.collisions import jet_dataset
from trigforge.sim.collisions.jet_dataset import JetConfig, simulate_jets

CONFIG = JetConfig(name="top_tagging", jets=31, constituents=20, jobs=1)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jet_dataset, "PART_JETS", 10)
    monkeypatch.setattr(jet_dataset, "EVENTS", 30)


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "top_tagging").glob("part-*.parquet"))


@pytest.mark.usefixtures("small_parts")
def test_classes_have_equal_shares_and_a_lost_part_comes_back(tmp_path: Path) -> None:
    steps: list[float] = []
    sample = simulate_jets(CONFIG, tmp_path, lambda fraction, _: steps.append(fraction))
    assert (sample.jets, sample.parts, sample.classes) == (31, 2, ("qcd", "top"))
    assert steps[-1] == 1.0
    jets = ak.concatenate([read_jets(part) for part in parts(tmp_path)])
    assert_array_equal(np.bincount(jets.label), [16, 15])
    assert ak.max(ak.num(jets.Constituent)) == 20
    assert read_notes(parts(tmp_path)[0])[0] == sample.classes
    label = ak.to_numpy(read_jets(parts(tmp_path)[0]).label)
    assert 2 < np.count_nonzero(np.diff(label)) < 19  # shuffled
    lost = parts(tmp_path)[0]
    content = lost.read_bytes()
    lost.unlink()
    simulate_jets(CONFIG, tmp_path)
    assert lost.read_bytes() == content


@pytest.mark.usefixtures("small_parts")
def test_jets_of_an_event_share_its_number(tmp_path: Path) -> None:
    simulate_jets(CONFIG.model_copy(update={"jets": 40}), tmp_path)
    jets = ak.concatenate([read_jets(part) for part in parts(tmp_path)])
    event, phi = ak.to_numpy(jets.event), ak.to_numpy(jets.FatJet.phi)
    numbers, counts = np.unique(event, return_counts=True)
    assert set(counts) == {1, 2}
    for number in numbers[counts == 2]:
        first, second = phi[event == number]
        assert abs(np.mod(first - second, 2 * np.pi) - np.pi) < 1.2  # back to back


@pytest.mark.usefixtures("small_parts")
def test_another_sample_of_the_name_is_not_overwritten(tmp_path: Path) -> None:
    simulate_jets(CONFIG.model_copy(update={"jets": 4}), tmp_path)
    before = parts(tmp_path)[0].read_bytes()
    with pytest.raises(InputError, match=r"top_tagging must be empty or hold the same sample, but it was made with"):
        simulate_jets(CONFIG.model_copy(update={"jets": 4, "seed": 2}), tmp_path)
    assert parts(tmp_path)[0].read_bytes() == before


def test_wrong_configurations_are_refused() -> None:
    with pytest.raises(InputError, match="sample of labelled jets must be one of jet_tagging, top_tagging, not 'tau'"):
        JetConfig.parse({"name": "tau", "jets": 1}, where="generate")
    with pytest.raises(InputError, match="jets = 0: input should be greater than or equal to 1"):
        JetConfig.parse({"name": "jet_tagging", "jets": 0}, where="generate")
