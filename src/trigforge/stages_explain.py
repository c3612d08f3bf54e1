"""The stage that says what the firmware's score looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import awkward as ak
import numpy as np

from trigforge.calibration.thresholds import ThresholdRow
from trigforge.contract import InputContract
from trigforge.events import iterate_words, read_events
from trigforge.explain import PAIRS, Effort, Explanations, Kind, SampleWords, Subject, spread, study
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.models.trained import CONTRACT_FILE
from trigforge.notation import percent
from trigforge.pipeline import Run
from trigforge.samples import BACKGROUND, TRAINING, load_program, run_samples, sample_folder
from trigforge.ui import Update

EXPLANATIONS_FILE: Final = "model/explanations.json"


def make_explanations(run: Run, update: Update) -> str:
    """Explain events of the background, of those above the threshold, and of every signal."""
    contract = InputContract.load(run.path("model", CONTRACT_FILE))
    threshold = ThresholdRow.load(run.path("calibration", "threshold.json")).threshold
    subject = subject_of(load_program(run), contract, run.path("firmware"), threshold=threshold)
    folder = sample_folder(run)
    update(0.01, "reading")
    samples = [read_words(folder / name, contract, kind_of(name)) for name in run_samples(run) if name != TRAINING]
    background = typical_words(folder / TRAINING, contract)
    found, _ = study(subject, samples, background, Effort(), update)
    found.save(run.path(*EXPLANATIONS_FILE.split("/")))
    return say(found)


def subject_of(
    program: IntegerProgram, contract: InputContract, cache: Path, output: int = 0, threshold: int | None = None
) -> Subject:
    """An output word of a program as something to be explained; its emulator is compiled into the folder `cache`."""
    emulator = compile_emulator(program, cache)

    def score(words: IntArray) -> IntArray:
        return emulator(words, threads=1)[:, output]

    return Subject(score, contract, program.digest, output, threshold)


def kind_of(name: str) -> Kind:
    """What the events of a sample of a run are."""
    return Kind.BACKGROUND if name == BACKGROUND else Kind.SAMPLE


def read_words(path: Path, contract: InputContract, kind: Kind, name: str = "") -> SampleWords:
    """The contract words and weights of a file or a folder of parts."""
    words = np.concatenate(list(iterate_words(path, contract)))
    weights = ak.to_numpy(read_events(path, ["weight"])["weight"]).astype(np.float64)
    return SampleWords(name or path.name, kind, words, weights)


def typical_words(path: Path, contract: InputContract) -> IntArray:
    """The words of `PAIRS` events, evenly spaced in the first row group of a file."""
    words = next(iter(iterate_words(path, contract)))
    return words[spread(len(words), PAIRS)]


def say(found: Explanations) -> str:
    """For each group the collection that moves the score most."""
    parts = []
    for group in found.summary():
        name, share = max(group["shares"].items(), key=lambda item: item[1])
        what = group["sample"] if group["kind"] != Kind.ACCEPTED.value else f"score >= {found.threshold}"
        parts.append(f"{what} {name} {percent(share)}")
    return "largest share of the score: " + ", ".join(parts)
