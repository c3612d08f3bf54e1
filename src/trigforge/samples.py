"""The event samples of a run: where they lie, and which of them train and which measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import awkward as ak
import numpy as np

from trigforge.contract import InputContract, OutOfRange, level1_contract
from trigforge.events import read_events
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.models.architectures import TrainingSet
from trigforge.pipeline import Run
from trigforge.sim.collisions import ENHANCED_BIAS, ZERO_BIAS, Sample
from trigforge.sim.collisions.frozen import FROZEN, find_samples
from trigforge.weighted import FloatArray

TRAINING: Final = ZERO_BIAS
"""Models train on crossings as they come, and see nothing of the sample that measures them."""
BACKGROUND: Final = ENHANCED_BIAS
"""Rates are measured on crossings of which the interesting ones were made more often."""


def sample_folder(run: Run) -> Path:
    """The folder of the samples that a run reads."""
    if run.config.collisions is not None:
        return run.path("events")
    return Path(run.config.samples) if run.config.samples else FROZEN


def read_sample(run: Run, name: str, columns: Sequence[str] | None = None) -> ak.Array:
    """The events of a sample of the run."""
    return read_events(sample_folder(run) / name, columns)


def run_samples(run: Run) -> dict[str, Sample]:
    """The records of the run's samples by name."""
    return find_samples(sample_folder(run))


def signal_names(run: Run) -> list[str]:
    """The run's signals."""
    return [name for name, sample in run_samples(run).items() if not sample.background]


def encode(contract: InputContract, events: ak.Array) -> IntArray:
    """Hardware words (n, words) of events; simulated objects already saturate, so nothing may be out of range."""
    return contract.encode(events, OutOfRange.REFUSE)


def level1_background(events: ak.Array) -> TrainingSet:
    """Events that train a network: words of a Level-1 contract whose normaliser is fitted to them, weights, pile-up."""
    contract = level1_contract()
    words = encode(contract, events)
    weights = ak.to_numpy(events["weight"]).astype(np.float64)
    quantities = {"nPU": ak.to_numpy(events["nPU"]).astype(np.float64)}
    return TrainingSet(contract.fit_normaliser(words, weights), words, weights, quantities)


def choosing_half(signal: ak.Array) -> ak.Array:
    """The first half of a signal, which may choose between epochs of a training."""
    return signal[: len(signal) // 2]


def measuring_half(signal: ak.Array) -> ak.Array:
    """The second half of a signal, which scores are measured on."""
    return signal[len(signal) // 2 :]


@dataclass(frozen=True, slots=True)
class Scored:
    """Background and halves of signals that neither trained nor chose, with the firmware's integer scores (n,)."""

    background: ak.Array
    weights: FloatArray
    """Of the background, summing to 1 but for statistics: scaled to 1 the few heavy soft crossings would move rates."""
    scores: IntArray
    signals: dict[str, ak.Array]
    signal_scores: dict[str, IntArray]


def load_program(run: Run) -> IntegerProgram:
    """The run's program."""
    return IntegerProgram.load(run.path("firmware", "program.json.gz"))


def score_samples(run: Run, contract: InputContract) -> Scored:
    """Read the samples and emulate the firmware on them."""
    emulator = compile_emulator(load_program(run), run.path("firmware"))

    def score(events: ak.Array) -> IntArray:
        return emulator(encode(contract, events))[:, 0]

    background = read_sample(run, BACKGROUND)
    signals = {name: measuring_half(read_sample(run, name)) for name in signal_names(run)}
    return Scored(
        background=background,
        weights=ak.to_numpy(background["weight"]).astype(np.float64),
        scores=score(background),
        signals=signals,
        signal_scores={name: score(events) for name, events in signals.items()},
    )
