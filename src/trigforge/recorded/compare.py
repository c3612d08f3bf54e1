"""`compare_recorded`: a file against the exact emulator, in a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.recorded.accumulator import Examples
from trigforge.recorded.columns import Recorded
from trigforge.recorded.process import process
from trigforge.recorded.reading import CHUNK, PLACES, find_layout, read_chunks
from trigforge.recorded.sources import EventSource, open_events
from trigforge.recorded.study import Chunk, Study
from trigforge.recorded.summary import summarise
from trigforge.recorded.values import Comparison

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare with what: columns of a file with a program.

    `words` names a column of lists of words, `tree` a TTree or RNTuple; both are found where there is only one way.
    """

    program: IntegerProgram
    contract: InputContract
    recorded: tuple[Recorded, ...]
    thresholds: tuple[int, ...] = ()
    """In the integer score: decisions of score columns are compared at each; the only one is that of columns of bits
    that name none."""
    words: str | None = None
    tree: str | None = None
    examples: int = 100
    """Mismatching events to keep."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result, the columns that were compared, and the first mismatching events."""

    comparison: Comparison
    columns: tuple[Recorded, ...]
    examples: Examples


def compare_recorded(
    question: Question,
    path: Path,
    evaluate: Callable[[IntArray], IntArray] | None = None,
    *,
    chunk: int = CHUNK,
    progress: Progress = lambda _fraction, _text: None,
) -> Answer:
    """Compare what a Parquet or ROOT file recorded with the program, and look for causes of mismatches.

    `evaluate` is an emulator of the program (default: the program itself, which is slow). One row group of Parquet or
    `chunk` events of ROOT are in memory at a time. `InputError` names the file and what it lacks.
    """
    with open_events(path, question.tree) as source:
        try:
            return _compare(question, source, str(path), evaluate or question.program, chunk, progress)
        except InputError as error:
            if str(path) in str(error):
                raise
            raise InputError(f"{path}: {error}") from None


def _compare(
    question: Question,
    source: EventSource,
    name: str,
    evaluate: Callable[[IntArray], IntArray],
    size: int,
    progress: Progress,
) -> Answer:
    study = Study(
        evaluate=evaluate,
        outputs=question.program.outputs,
        contract=question.contract,
        recorded=_with_thresholds(question, source),
        thresholds=question.thresholds,
        events=source.events,
        examples=question.examples,
    )
    layout = find_layout(source, question.contract, question.words)
    counted = process(study, nothing(study, source.names))
    for part in read_chunks(source, question.contract, layout, question.recorded, size):
        counted = counted + process(study, part)
        progress(counted.events / max(study.events, 1), f"{counted.events} events, {counted.mismatches} mismatches")
    result = summarise(study, counted, program=question.program.digest, source=name)
    return Answer(result, study.recorded, counted.examples)


def _with_thresholds(question: Question, source: EventSource) -> tuple[Recorded, ...]:
    """The columns; those of bits that name no threshold have the only one that was given."""
    columns = []
    for column in question.recorded:
        if column.threshold is None and column.name in source.bits:
            if len(question.thresholds) != 1:
                raise InputError(
                    f"recorded column {column.name!r} holds bits, so it must have a threshold; "
                    f"give '{column.name}>=N' or one --threshold, not {len(question.thresholds)}"
                )
            column = column.model_copy(update={"threshold": question.thresholds[0]})
        columns.append(column)
    return tuple(columns)


def nothing(study: Study, names: frozenset[str]) -> Chunk:
    """A chunk without events, of columns of these names."""
    return Chunk(
        first=0,
        words=np.zeros((0, study.contract.words), dtype=np.int64),
        before=0,
        after=0,
        recorded={c.name: ak.Array(np.zeros(0, dtype=np.int64)) for c in study.recorded},
        places={name: np.zeros(0, dtype=np.int64) for name in PLACES if name in names},
    )
