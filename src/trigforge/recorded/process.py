"""`process`: count one chunk of events."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from trigforge.fixed import IntArray
from trigforge.recorded.accumulator import Accumulator, ColumnCounts, Examples, Place, Tally
from trigforge.recorded.binning import BITS, EXPONENTS, exponent_bins, score_bins, score_edges
from trigforge.recorded.conditions import conditions
from trigforge.recorded.study import Bools, Chunk, Compared, Study, emulate
from trigforge.recorded.trials import try_faults

POSITIONS: Final = 50
"""Equal parts of the input in which mismatches are counted."""


def process(study: Study, chunk: Chunk) -> Accumulator:
    """Count one chunk; the counts of a whole input are the sum of those of its chunks, however it is cut."""
    seen = emulate(study, chunk)
    compared, mismatch = seen.compared, seen.mismatch
    core = seen.words[chunk.before : chunk.before + chunk.events]
    held = conditions(study.contract, study.outputs, core, seen.outputs)
    counts = np.array([(np.count_nonzero(m & compared), np.count_nonzero(m & mismatch)) for _, m in held])
    counts = counts.reshape(-1, 2).astype(np.int64)
    part = seen.entries * POSITIONS // max(study.events, 1)
    return Accumulator(
        events=chunk.events,
        outside=int(np.count_nonzero(~seen.inside)),
        compared=int(compared.sum()),
        mismatches=int(mismatch.sum()),
        columns=tuple(_column(study, seen, i) for i in range(len(study.recorded))),
        conditions=Tally(counts[:, 0], counts[:, 1]),
        faults=try_faults(study, seen),
        positions=_tally(part, compared, mismatch, POSITIONS),
        places=_places(chunk, compared),
        places_hit=_places(chunk, mismatch),
        examples=_examples(study, seen, core),
    )


def _column(study: Study, seen: Compared, i: int) -> ColumnCounts:
    column = study.recorded[i]
    usable, differ = seen.comparable[:, i], seen.differ[:, i]
    recorded, emulated = seen.recorded[:, i], seen.emulated[:, i]
    x, y = recorded[differ], emulated[differ]
    edges = score_edges(study.kind(column), bit=column.threshold is not None)
    bins, size = score_bins(emulated, edges), len(edges) - 1
    plane = np.bincount(score_bins(y, edges) * size + score_bins(x, edges), minlength=size * size)
    thresholds = study.thresholds if column.threshold is None else ()
    return ColumnCounts(
        compared=int(usable.sum()),
        missing=int((seen.read[i].missing & seen.inside).sum()),
        off_grid=int((seen.read[i].off_grid & seen.inside).sum()),
        mismatches=int(differ.sum()),
        bits_recorded=_bits(x & ~y),
        bits_emulated=_bits(y & ~x),
        differences=np.bincount(exponent_bins(x - y), minlength=EXPONENTS),
        scores=_tally(bins, usable, differ, size),
        plane=plane.reshape(size, size),
        decisions=_decisions(recorded[usable], emulated[usable], thresholds),
        near=_near(emulated, usable, differ, thresholds),
    )


def _bits(words: IntArray) -> IntArray:
    return np.array([np.count_nonzero((words >> b) & 1) for b in range(BITS)], dtype=np.int64)


def _decisions(recorded: IntArray, emulated: IntArray, thresholds: tuple[int, ...]) -> IntArray:
    tables = [np.bincount(2 * (recorded >= t) + (emulated >= t), minlength=4).reshape(2, 2) for t in thresholds]
    return np.array(tables, dtype=np.int64).reshape(-1, 2, 2)


def _near(emulated: IntArray, usable: Bools, differ: Bools, thresholds: tuple[int, ...]) -> Tally:
    tallies = [_tally(exponent_bins(emulated - t), usable, differ, EXPONENTS) for t in thresholds]
    shape = (-1, EXPONENTS)
    return Tally(
        np.array([t.events for t in tallies], dtype=np.int64).reshape(shape),
        np.array([t.mismatches for t in tallies], dtype=np.int64).reshape(shape),
    )


def _tally(bins: IntArray, compared: Bools, mismatch: Bools, size: int) -> Tally:
    return Tally(np.bincount(bins[compared], minlength=size), np.bincount(bins[mismatch], minlength=size))


def _places(chunk: Chunk, chosen: Bools) -> dict[str, Counter[Place]]:
    """Events by run, by run and luminosity block, and by bunch crossing, as far as they are known."""
    known = {name: values[chosen] for name, values in chunk.places.items()}
    keys = [k for k in (("run",), ("run", "luminosityBlock"), ("bunchCrossing",)) if set(k) <= known.keys()]
    found: dict[str, Counter[Place]] = {}
    for key in keys:
        values, counts = np.unique(np.stack([known[k] for k in key], axis=1), axis=0, return_counts=True)
        rows = [tuple(int(v) for v in row) for row in values]
        found[" ".join(key)] = Counter(dict(zip(rows, counts.tolist(), strict=True)))
    return found


def _examples(study: Study, seen: Compared, core: IntArray) -> Examples:
    rows = np.flatnonzero(seen.mismatch)[: study.examples]
    return Examples(
        limit=study.examples,
        entries=seen.entries[rows],
        words=core[rows],
        recorded=seen.recorded[rows],
        comparable=seen.comparable[rows].astype(np.int64),
        emulated=seen.emulated[rows],
        places={name: values[rows] for name, values in seen.chunk.places.items()},
    )
