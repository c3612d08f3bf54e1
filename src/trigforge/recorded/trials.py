"""Re-emulation of events under every hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from trigforge.fixed import IntArray
from trigforge.recorded.accumulator import FaultCounts, Tally
from trigforge.recorded.binning import EXPONENTS, exponent_bins
from trigforge.recorded.faults import WordFault
from trigforge.recorded.study import EQUAL_EVALUATIONS, MISMATCH_EVALUATIONS, Bools, Compared, Study

ROWS: Final = 1 << 15
"""Changed events that are evaluated together."""
HASHES: Final = 256
_PRIMES: Final = np.array([1_000_003, 998_244_353, 19_260_817, 15_485_863], dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class _Tested:
    """The mismatching events of a chunk that are tested, then the equal ones."""

    rows: IntArray
    mismatches: int
    recorded: IntArray
    emulated: IntArray
    comparable: Bools

    def agree(self, view: IntArray) -> Bools:
        """Which events agree in all that is comparable."""
        return np.asarray(((view == self.recorded) | ~self.comparable).all(axis=1))


def try_faults(study: Study, seen: Compared) -> FaultCounts:
    """What each fault explains of the mismatching events and breaks of the equal ones that are tested."""
    tested = _choose(study, seen)
    size, m = len(study.faults), tested.mismatches
    agree = np.zeros((size, len(tested.rows)), dtype=bool)
    changes = np.zeros((size, HASHES), dtype=np.int64)
    stratum = _strata(study, seen.outputs[tested.rows])
    strata_broken = np.zeros((size, EXPONENTS), dtype=np.int64)
    for index, view in _views(study, seen, tested):
        agree[index] = tested.agree(view)
        moved = np.where(tested.comparable, view - tested.emulated, 0)[:m]
        strata_broken[index] = np.bincount(stratum[m:][~agree[index, m:]], minlength=EXPONENTS)
        changes[index] = np.bincount(_hash(moved), minlength=HASHES)
    deviation = np.where(tested.comparable, tested.recorded - tested.emulated, 0)[:m]
    met = agree[:, :m].astype(np.float32)
    return FaultCounts(
        mismatches=m,
        equal=len(tested.rows) - m,
        explained=agree[:, :m].sum(axis=1),
        broken=(~agree[:, m:]).sum(axis=1),
        together=np.rint(met @ met.T).astype(np.int64),
        deviations=np.bincount(_hash(deviation), minlength=HASHES),
        changes=changes,
        strata=Tally(np.bincount(stratum, minlength=EXPONENTS), np.bincount(stratum[:m], minlength=EXPONENTS)),
        strata_broken=strata_broken,
    )


def _strata(study: Study, outputs: IntArray) -> IntArray:
    """Classes of events in which a bit changes alike easily: by distance of the score from its threshold."""
    if not study.only_bits:
        return np.zeros(len(outputs), dtype=np.int64)
    return exponent_bins(study.distance(outputs))


def _choose(study: Study, seen: Compared) -> _Tested:
    mismatch, entries = seen.mismatch, seen.entries
    hit = np.flatnonzero(mismatch & (entries % study.stride(MISMATCH_EVALUATIONS) == 0))
    equal = np.flatnonzero(seen.compared & ~mismatch & (entries % study.stride(EQUAL_EVALUATIONS) == 0))
    rows = np.concatenate([hit, equal])
    return _Tested(rows, len(hit), seen.recorded[rows], seen.emulated[rows], seen.comparable[rows])


def _views(study: Study, seen: Compared, tested: _Tested) -> Iterator[tuple[int, IntArray]]:
    """The index of every fault and the columns that it would leave in the tested events."""
    outputs = seen.outputs[tested.rows]
    waiting: list[tuple[int, IntArray, IntArray]] = []
    rows = 0
    for index, fault in enumerate(study.faults):
        if isinstance(fault, WordFault):
            changed, words = fault.apply(seen.words, tested.rows + seen.chunk.before, *study.limits)
            waiting.append((index, changed, words))
            rows += len(changed)
            if rows >= ROWS:
                yield from _evaluated(study, waiting, tested)
                waiting, rows = [], 0
        else:
            yield index, study.view(fault.change(outputs))
    yield from _evaluated(study, waiting, tested)


def _evaluated(
    study: Study, waiting: list[tuple[int, IntArray, IntArray]], tested: _Tested
) -> Iterator[tuple[int, IntArray]]:
    if not waiting:
        return
    outputs = study.evaluate(np.concatenate([words for _, _, words in waiting]))
    start = 0
    for index, changed, words in waiting:
        view = tested.emulated.copy()
        view[changed] = study.view(outputs[start : start + len(words)])
        start += len(words)
        yield index, view


def _hash(deviations: IntArray) -> IntArray:
    """A number below `HASHES` for the deviations of an event (n, columns): 0 if and only if there is none."""
    mixed = np.zeros(len(deviations), dtype=np.uint64)
    for i, column in enumerate(deviations.T):
        mixed = mixed * _PRIMES[0] + column.astype(np.uint64) * _PRIMES[1 + i % 3]
    spread = (mixed ^ (mixed >> np.uint64(29))) % np.uint64(HASHES - 1) + np.uint64(1)
    return np.where((deviations != 0).any(axis=1), spread, 0).astype(np.int64)
