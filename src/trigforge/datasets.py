"""Datasets: what a recipe's `[data]` stands for, which events train, which choose between epochs and which measure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, final

import awkward as ak
import numpy as np

from trigforge.comparing import Events, compare_on_events
from trigforge.contract import InputContract, level1_contract
from trigforge.errors import InputError
from trigforge.events import read_events
from trigforge.events.labelled import read_jets, read_notes
from trigforge.fixed import IntArray
from trigforge.models.architectures import TrainingSet
from trigforge.models.jets import boxes_contract, boxes_words
from trigforge.models.metrics import (
    Comparison,
    IsolationForest,
    Options,
    ScoreArrays,
    Target,
    WorkingPoint,
    baseline_scores,
)
from trigforge.models.settings import Data, Kind
from trigforge.notation import count
from trigforge.regions import COARSE, COLUMN, region_contract, region_words
from trigforge.samples import BACKGROUND, TRAINING, choosing_half, encode, level1_background, measuring_half
from trigforge.sim.collisions.frozen import FROZEN, FROZEN_REGIONS, find_samples
from trigforge.tla.menu import default_menu
from trigforge.weighted import FloatArray

RATE_KHZ: Final = 1.0
RATE_POINTS: Final = (
    WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=1e-3),
    WorkingPoint(target=Target.TOTAL_RATE, value=RATE_KHZ),
    WorkingPoint(target=Target.PURE_RATE, value=RATE_KHZ),
)
"""Where scores of crossings are compared."""
JET_POINTS: Final = tuple(WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=value) for value in (0.1, 0.01))
"""Where scores of jets are compared, which have no rate."""
PARTS: Final = "part-*.parquet"
TRAINING_FIFTHS: Final = 3
"""Of every five numbers of events, those whose jets train."""


class Dataset(ABC):
    """Events in a folder; the same always train, choose and measure, and none does two of these."""

    def __init__(self, data: Data, folder: Path, origin: str) -> None:
        self.data, self.folder, self.origin = data, folder, origin

    @abstractmethod
    def background(self) -> TrainingSet:
        """The events that train, with a contract whose normaliser suits them."""

    @abstractmethod
    def choosing(self, contract: InputContract) -> dict[str, IntArray]:
        """Words (n, words) of the signals that may choose between epochs."""

    @abstractmethod
    def measured(self) -> Events:
        """The events that scores are compared on."""

    @abstractmethod
    def training_words(self, contract: InputContract, events: int) -> IntArray:
        """Words of at most so many events that train."""

    @abstractmethod
    def compare(
        self, scores: Mapping[str, ScoreArrays], subject: str, events: Events, forest: IsolationForest
    ) -> Comparison:
        """The comparison of scores with baselines on the events that measure."""

    @abstractmethod
    def describe(self, *, trained: bool = True) -> str:
        """Which events train, if a model was `trained` on them, and which measure, in a sentence or two."""


class _Crossings(Dataset):
    """Simulated crossings: zero bias trains, enhanced bias measures, of every signal the first half chooses."""

    @abstractmethod
    def encode(self, contract: InputContract, events: ak.Array) -> IntArray:
        """Words (n, words) of crossings."""

    @abstractmethod
    def quantities(self, events: ak.Array) -> dict[str, FloatArray]:
        """Single quantities (n,) of crossings."""

    @abstractmethod
    def columns(self, contract: InputContract) -> Sequence[str]:
        """The columns that its words are made of."""

    def choosing(self, contract: InputContract) -> dict[str, IntArray]:
        """The first half of every signal."""
        found = {name: self._read(name, self.columns(contract)) for name in self._signals()}
        return {name: self.encode(contract, choosing_half(events)) for name, events in found.items()}

    def measured(self) -> Events:
        """The weighted background of the rates, and the second half of every signal."""
        found = {name: self._read(name) for name in self._signals()}
        halves = {name: measuring_half(events) for name, events in found.items()}
        return Events(self._read(BACKGROUND), halves, self.encode, self.quantities)

    def training_words(self, contract: InputContract, events: int) -> IntArray:
        """Words of the first crossings of zero bias."""
        return self.encode(contract, self._read(TRAINING, self.columns(contract))[:events])

    def compare(
        self, scores: Mapping[str, ScoreArrays], subject: str, events: Events, forest: IsolationForest
    ) -> Comparison:
        """At a background efficiency and at rates; pure ones are against the shipped menu."""
        options = Options(points=RATE_POINTS, sculpted_at=RATE_POINTS[1])
        return compare_on_events(scores, subject, events, default_menu(), options, forest)

    def describe(self, *, trained: bool = True) -> str:
        """The samples, their simulation and their sizes."""
        found = find_samples(self.folder)
        made = next(iter(found.values())).config
        training = (
            f"Trained on {count(found[TRAINING].events)} crossings of `{TRAINING}`, measured" if trained else "Measured"
        )
        chosen = ", whose first half may have chosen the epoch" if trained else ""
        return (
            f"Events: {self.origin} (Pythia 8, fast detector simulation, pile-up {made.pileup:g}, seed {made.seed}). "
            f"{training} on {count(found[BACKGROUND].events)} weighted crossings of `{BACKGROUND}` and the second half "
            f"of the signals {', '.join(self._signals())}{chosen}. Figures hold for these samples only."
        )

    def _signals(self) -> list[str]:
        return [name for name, sample in find_samples(self.folder).items() if not sample.background]

    def _read(self, name: str, columns: Sequence[str] | None = None) -> ak.Array:
        return ak.Array(read_events(self.folder / name, columns))


@final
class Level1(_Crossings):
    """The 57 words of Level-1 objects."""

    def background(self) -> TrainingSet:
        """Zero bias, with its pile-up."""
        return level1_background(self._read(TRAINING))

    def encode(self, contract: InputContract, events: ak.Array) -> IntArray:
        """Words of Level-1 objects."""
        return encode(contract, events)

    def quantities(self, events: ak.Array) -> dict[str, FloatArray]:
        """HT, MET and the like."""
        return baseline_scores(events)

    def columns(self, contract: InputContract) -> Sequence[str]:
        """The collections of the contract."""
        return [collection.name for collection in contract.collections]


@final
class Regions(_Crossings):
    """The 18 × 14 calorimeter regions."""

    def background(self) -> TrainingSet:
        """Zero bias, with its pile-up."""
        events, contract = self._read(TRAINING), region_contract(COARSE)
        weights, pile_up = (ak.to_numpy(events[name]).astype(np.float64) for name in ("weight", "nPU"))
        return TrainingSet(contract, region_words(events), weights, {"nPU": pile_up})

    def encode(self, contract: InputContract, events: ak.Array) -> IntArray:  # noqa: ARG002
        """Region energies."""
        return region_words(events)

    def quantities(self, events: ak.Array) -> dict[str, FloatArray]:
        """HT, MET and the like, the leading region and the sum of all in counts."""
        words = region_words(events).astype(np.float64)
        return baseline_scores(events) | {"leading region": words.max(axis=1), "sum of regions": words.sum(axis=1)}

    def columns(self, contract: InputContract) -> Sequence[str]:  # noqa: ARG002
        """The regions."""
        return [COLUMN]


@final
class JetBoxes(Dataset):
    """Labelled jets as shares of pt in boxes: three fifths of the simulated events train and choose, the rest measures.

    All jets of an event are on one side.
    """

    def background(self) -> TrainingSet:
        """Jets of the background classes, with their mass and pt in GeV."""
        jets, contract = self._chosen(self.data.background, training=True), boxes_contract()
        quantities = {"mass": _number(jets.FatJet.mass), "pt": _number(jets.FatJet.pt)}
        return TrainingSet(contract, boxes_words(jets), _number(jets.weight), quantities)

    def choosing(self, contract: InputContract) -> dict[str, IntArray]:  # noqa: ARG002
        """Jets of the signal classes."""
        return {name: boxes_words(self._chosen(name.split("+"), training=True)) for name in self.data.signals}

    def measured(self) -> Events:
        """Jets of events that take no part in the training, groups by event."""

        def prepared(classes: Sequence[str]) -> ak.Array:
            jets = self._chosen(classes, training=False)
            jets = ak.with_field(jets, jets.weight / ak.sum(jets.weight), "weight")
            return ak.with_field(jets, jets.event, "interaction")

        signals = {name: prepared(name.split("+")) for name in self.data.signals}
        return Events(prepared(self.data.background), signals, _box_words, _jet_quantities, _jet_variables)

    def training_words(self, contract: InputContract, events: int) -> IntArray:  # noqa: ARG002
        """Words of the first jets that train."""
        return self.background().words[:events]

    def compare(
        self, scores: Mapping[str, ScoreArrays], subject: str, events: Events, forest: IsolationForest
    ) -> Comparison:
        """At background efficiencies."""
        options = Options(points=JET_POINTS, sculpted_at=JET_POINTS[0])
        return compare_on_events(scores, subject, events, None, options, forest)

    def describe(self, *, trained: bool = True) -> str:  # noqa: ARG002
        """The jets, and how many train and measure."""
        sizes = [
            count(len(self._chosen(classes, training=training)))
            for classes, training in (
                (self.data.background, True),
                (self.data.background, False),
                ([name for signal in self.data.signals for name in signal.split("+")], False),
            )
        ]
        background, signals = ", ".join(self.data.background), ", ".join(self.data.signals)
        return (
            f"Jets: {self.origin} (Pythia 8, fast detector simulation). Trained on {sizes[0]} jets of {background}, "
            f"measured on {sizes[1]} others and {sizes[2]} jets of {signals}. Figures hold for these jets only."
        )

    def _chosen(self, classes: Sequence[str], *, training: bool) -> ak.Array:
        jets, known = self._jets
        if unknown := [name for name in classes if name not in known]:
            raise InputError(
                f"data must name classes of the jets in {self.folder} ({', '.join(known)}), not {', '.join(unknown)}"
            )
        labels, events = ak.to_numpy(jets.label), ak.to_numpy(jets.event)
        asked = np.isin(labels, [known.index(name) for name in classes])
        return jets[asked & ((events % 5 < TRAINING_FIFTHS) == training)]

    @cached_property
    def _jets(self) -> tuple[ak.Array, tuple[str, ...]]:
        """All jets of the folder, and the names of their classes."""
        parts = sorted(self.folder.glob(PARTS))
        if not parts:
            raise InputError(
                f"{self.folder} must hold labelled jets ({PARTS}), but has none; 'trigforge generate' makes them"
            )
        return ak.concatenate([read_jets(part) for part in parts]), read_notes(parts[0])[0]


_DATASETS: Final[Mapping[Kind, tuple[type[Dataset], Path, str]]] = {
    Kind.LEVEL1: (Level1, FROZEN, "samples"),
    Kind.REGIONS: (Regions, FROZEN_REGIONS, "samples with regions"),
    Kind.JET_BOXES: (JetBoxes, FROZEN / "jet_tagging", "labelled jets"),
}


def dataset_of(data: Data, folder: Path | None = None) -> Dataset:
    """The dataset of a recipe in a folder, default that which trigforge brings along."""
    kind, frozen, name = _DATASETS[data.kind]
    origin = f"the frozen {name} of trigforge" if folder is None else f"{name} of `trigforge generate`"
    return kind(data, folder or frozen, origin)


def _box_words(contract: InputContract, jets: ak.Array) -> IntArray:  # noqa: ARG001
    return boxes_words(jets)


def _jet_quantities(jets: ak.Array) -> dict[str, FloatArray]:
    """What a jet trigger may cut on; a signal may lie on either side of each, but a cut is from below."""
    words = boxes_words(jets).astype(np.float64)
    return {
        "jet mass": _number(jets.FatJet.mass),
        "groomed mass": _number(jets.features.mass_mmdt),
        "constituents": _number(jets.features.multiplicity),
        "share outside the core": -words[:, 0],
    }


def _jet_variables(jets: ak.Array) -> dict[str, FloatArray]:
    return {"jet mass": _number(jets.FatJet.mass), "jet pt": _number(jets.FatJet.pt)}


def _number(values: ak.Array) -> FloatArray:
    return np.asarray(ak.to_numpy(values), dtype=np.float64)


def data_of_contract(contract: InputContract) -> Data | None:
    """Which events have the words of a contract, if those are known without classes of jets."""
    kinds = {level1_contract().name: Kind.LEVEL1, region_contract(COARSE).name: Kind.REGIONS}
    return Data(kind=kinds[contract.name]) if contract.name in kinds else None
