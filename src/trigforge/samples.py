"""The event samples of a run: where they lie, which of them train and which measure."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract, OutOfRange
from trigforge.events import read_events
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.models.metrics import FloatArray
from trigforge.pipeline import Run

BACKGROUND = "background"
SPLIT_SEED = 20260101
TRAINING_SHARE = 0.35


def events_file(name: str) -> str:
    """The file of a sample, relative to the run's folder."""
    return f"events/{name}.parquet"


def split(events: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Masks (n,) of the events that train and of the others, that measure: a fixed random choice."""
    training = np.random.default_rng(SPLIT_SEED).random(events) < TRAINING_SHARE
    return training, ~training


def encode(contract: InputContract, events: ak.Array) -> IntArray:
    """Hardware words (n, words) of events; simulated objects already saturate, so nothing may be out of range."""
    return contract.encode(events, OutOfRange.REFUSE)


@dataclass(frozen=True, slots=True)
class Scored:
    """Background events that were not trained on, and the signals, each with the firmware's integer scores (n,)."""

    background: ak.Array
    weights: FloatArray
    """Of the background, summing to 1."""
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

    everything = read_events(run.path(events_file(BACKGROUND)))
    background = everything[split(len(everything))[1]]
    weights = ak.to_numpy(background["weight"]).astype(np.float64)
    background = ak.with_field(background, weights / weights.sum(), "weight")
    signals = {name: read_events(run.path(events_file(name))) for name in run.config.collisions.signals}
    return Scored(
        background=background,
        weights=weights / weights.sum(),
        scores=score(background),
        signals=signals,
        signal_scores={name: score(events) for name, events in signals.items()},
    )
