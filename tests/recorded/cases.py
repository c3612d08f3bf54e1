"""A small program on a contract with every kind of word, toy words, and files of them with a recorded score."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from alkaid.trace import FVArray
from small_model import small_contract, toy_words

from trigforge.contract import InputContract
from trigforge.firmware.program import IntegerProgram, Provenance, trace_program
from trigforge.fixed import FixedType, IntArray
from trigforge.recorded import Comparison, Question, Recorded, compare_recorded

CONTRACT = small_contract()
NAMES = CONTRACT.word_names
SCORE = (Recorded(name="score"),)


@cache
def small_program(fraction: int = 2) -> IntegerProgram:
    """Two layers and a sum of squares, 17 bits, `fraction` of them after the point."""
    types = tuple(FixedType(signed=f.signed, width=f.bits, integer=f.bits) for f in CONTRACT.fields)
    k = np.array([t.signed for t in types]).astype(int)
    i = np.array([t.integer - t.signed for t in types])
    x = words = FVArray.from_kif(k, i, np.zeros(len(types), int))
    rng = np.random.default_rng(3)
    x = x @ (rng.integers(-3, 4, (len(types), 6)) / 8.0)
    x = FVArray(np.array([v.relu().quantize(0, 8, 2, "SAT", "TRN") for v in np.asarray(x)]))
    x = np.asarray(x @ (rng.integers(-3, 4, (6, 2)) / 16.0))
    total = sum((v * v for v in x), start=x[0] * 0)
    out = FVArray(np.array([total.quantize(0, 18 - fraction, fraction, "SAT", "TRN")]))
    return trace_program(words, out, types, Provenance(contract_digest=CONTRACT.digest))


def words_of(events: int, seed: int = 1) -> IntArray:
    """Toy words with absent objects, saturated pt and all φ."""
    words = toy_words(CONTRACT, events, seed)
    rng = np.random.default_rng(seed + 100)
    for i, name in enumerate(NAMES):
        if name.endswith("_pt"):
            words[:, i] = np.where(rng.random(events) < 0.02, CONTRACT.fields[i].high, words[:, i] + 1)
    present = np.arange(3) < rng.integers(0, 4, events)[:, None]
    words[:, 3:] *= np.repeat(present, 3, axis=1)
    return words


def column(name: str) -> int:
    return NAMES.index(name)


def scores(words: IntArray) -> IntArray:
    return small_program()(words)[:, 0]


def write(path: Path, words: IntArray, columns: dict[str, Any], rows: int = 1_000_000) -> Path:
    """A Parquet file with one column of words."""
    table = pa.table({"words": pa.array(list(words.astype(np.int32)), type=pa.list_(pa.int32())), **columns})
    pq.write_table(table, path, row_group_size=rows)
    return path


def question(recorded: tuple[Recorded, ...] = SCORE, contract: InputContract = CONTRACT, **more: Any) -> Question:
    return Question(small_program(), contract, recorded, **more)


def compared(folder: Path, words: IntArray, recorded: Any, **more: Any) -> Comparison:
    """The comparison of the small program with a recorded column."""
    path = write(folder / "events.parquet", words, {"score": recorded})
    return compare_recorded(question(**more), path).comparison
