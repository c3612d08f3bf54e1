"""What a recipe's `[data]` reads: which events train, choose and measure, and that none does two of these."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import pytest
from numpy.testing import assert_array_equal

from trigforge.datasets import JET_POINTS, dataset_of
from trigforge.errors import InputError
from trigforge.models.metrics import ScoreKind, grow_forest
from trigforge.models.settings import Data, Kind
from trigforge.regions import REGIONS, region_words

JETS = Data(kind=Kind.JET_BOXES, background=("g", "q"), signals=("t", "w+z"))


def test_jets_of_one_event_never_train_and_measure() -> None:
    dataset = dataset_of(JETS)
    background, measured = dataset.background(), dataset.measured()
    counts = {name: len(words) for name, words in dataset.choosing(background.contract).items()}
    assert len(background) + len(measured.background) == 20_000
    assert {name: counts[name] + len(found) for name, found in measured.signals.items()} == {"t": 10_000, "w+z": 20_000}
    assert len(background) == pytest.approx(12_000, rel=0.03)
    numbers = set(ak.to_numpy(measured.background["event"]).tolist())
    assert all(number % 5 >= 3 for number in numbers)
    assert measured.weights.sum() == pytest.approx(1)
    assert (background.values.min(), background.values.max()) == (0, 1)
    assert set(background.quantities) == {"mass", "pt"}


def test_jets_are_compared_at_background_efficiencies_with_baselines_of_jets() -> None:
    dataset = dataset_of(JETS)
    events, background = dataset.measured(), dataset.background()
    forest = grow_forest(background.contract, background.words[:1000])
    score = events.score_words(ScoreKind.FIRMWARE, background.contract, lambda words: words.sum(axis=1))
    found = dataset.compare({"sum": score}, "sum", events, forest)
    assert found.points == JET_POINTS
    assert [row.name for row in found.rows][1:4] == ["jet mass", "groomed mass", "constituents"]
    assert found.rows[0].sculpting.keys() == {"jet mass", "jet pt"}
    assert "measured on" in dataset.describe()


def test_the_first_half_of_a_signal_chooses_and_the_second_measures() -> None:
    dataset = dataset_of(Data(kind=Kind.REGIONS))
    background, measured = dataset.background(), dataset.measured()
    assert background.words.shape[1] == REGIONS
    for name, words in dataset.choosing(background.contract).items():
        assert len(words) == len(measured.signals[name]) == 1500
        assert not set(map(bytes, words)) & set(map(bytes, region_words(measured.signals[name])))
    assert {"HT", "leading region", "sum of regions"} <= measured.quantities(measured.background[:5]).keys()
    assert_array_equal(dataset.training_words(background.contract, 7), background.words[:7])
    assert "24 000 crossings of `zero_bias`" in dataset.describe().replace("\u202f", " ").replace("\u00a0", " ")


def test_what_the_folder_does_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold labelled jets \(part-\*\.parquet\), but has none; 'trigforge gen"):
        dataset_of(JETS, tmp_path).background()
    unknown = Data(kind=Kind.JET_BOXES, background=("g",), signals=("higgs",))
    with pytest.raises(InputError, match=r"must name classes of the jets in .* \(g, q, w, z, t\), not higgs"):
        dataset_of(unknown).choosing(dataset_of(JETS).background().contract)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"background": ["g"]}, "background and signals must name classes of jets for jet_boxes, and only there"),
        ({"kind": "jet_boxes"}, "background and signals must name classes of jets for jet_boxes, and only there"),
        (
            {"kind": "jet_boxes", "background": ["g", "t"], "signals": ["t"]},
            "classes of jets must not be background and signal at once: t",
        ),
    ],
)
def test_classes_belong_to_jets(data: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Data.parse(data, where="recipe")
