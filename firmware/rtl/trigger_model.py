"""What a `TriggerTop` decides, event by event: the reference that its simulation must equal, clock for clock.

Nothing here follows the hardware's structure: crossings are numbered by their distance from BC0, settings belong to
orbits, and a prescale is the formula of `tf_prescale.sv`'s header.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.rtl.settings import ALGORITHM_STRIDE, DATA_BITS, PRESCALE_BITS, SHADOW, BusWrite, Control, Field
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.fixed import IntArray

BoolArray = npt.NDArray[np.bool_]
_SETTINGS = (Field.ENABLE, Field.THRESHOLD, Field.PRESCALE, Field.STEP)


@dataclass(frozen=True, slots=True)
class Stimulus:
    """What a trigger gets before every rising clock edge: arrays (n,), and writes with their clocks, in order."""

    reset: BoolArray
    bc0: BoolArray
    lumi: BoolArray
    """With a `bc0`: this orbit begins a luminosity section."""
    valid: BoolArray
    scores: IntArray
    """Score of the words of that clock, `program(words)[:, trigger.score]`; looked at where a valid crossing begins."""
    writes: tuple[tuple[int, BusWrite], ...] = ()

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.reset, self.bc0, self.lumi, self.valid, self.scores)}
        if len(shapes) != 1 or self.scores.ndim != 1 or self.scores.dtype != np.int64:
            raise InputError(f"a stimulus must be arrays of one shape (n,) with int64 scores, not of {sorted(shapes)}")
        clocks = [clock for clock, _ in self.writes]
        if clocks != sorted(set(clocks)):
            raise InputError("the writes of a stimulus must be ordered by clock, at most one a clock")


@dataclass(frozen=True, slots=True)
class Section:
    """Counts of a luminosity section: per algorithm before and after the prescale, valid crossings and orbits."""

    raw: tuple[int, ...]
    passed: tuple[int, ...]
    crossings: int
    orbits: int


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a trigger's outputs say, an entry a crossing."""

    clock: IntArray
    """The outputs hold crossing k from just before rising edge `clock[k]` on."""
    bx: IntArray
    valid: BoolArray
    scores: IntArray
    raw: BoolArray
    """Bits (k, algorithms) before the prescales."""
    passed: BoolArray
    """Bits (k, algorithms) after the prescales."""
    sections: tuple[Section, ...]
    """Luminosity sections that were completed since the last reset."""
    sync_errors: int
    """Since the last reset."""


def predict(trigger: TriggerTop, stimulus: Stimulus) -> Decisions:
    """The decisions of a trigger on a stimulus; there are none before its first reset and BC0."""
    clocks = len(stimulus.reset)
    resets = np.flatnonzero(stimulus.reset).tolist()
    if not resets:
        raise InputError("a stimulus must have a reset: before it a trigger's outputs are undefined")
    ends = [*resets[1:], clocks]
    parts = [_predict_part(trigger, stimulus, start + 1, end) for start, end in zip(resets, ends, strict=True)]

    def joined(name: str) -> npt.NDArray[np.generic]:
        return np.concatenate([getattr(part, name) for part in parts])

    names = ("clock", "bx", "valid", "scores", "raw", "passed")
    arrays = {name: joined(name) for name in names}
    return Decisions(**arrays, sections=parts[-1].sections, sync_errors=parts[-1].sync_errors)  # type: ignore[arg-type]


def _predict_part(trigger: TriggerTop, stimulus: Stimulus, start: int, end: int) -> Decisions:
    """The decisions between two resets, on the clocks `start..end - 1`."""
    begin, bx, sync_errors = _crossings(trigger, stimulus.bc0, start, end)
    valid = stimulus.valid[begin]
    scores = np.where(valid, stimulus.scores[begin], 0)
    first = bx == 0
    lumi = first & stimulus.bc0[begin] & stimulus.lumi[begin]
    orbit = np.cumsum(first) - 1
    settings, loaded = _settings(trigger, stimulus, begin[first], lumi[first], (start, end))
    enable, threshold, prescale, step = np.moveaxis(settings[orbit], 2, 0)
    raw = valid[:, None] & (enable != 0) & (scores[:, None] >= threshold)
    epoch = np.cumsum(first & (lumi | loaded[orbit]))
    passed = _prescaled(raw, epoch, prescale, step)
    clock = begin + trigger.latency_clocks
    shown = clock <= end
    counted = clock + 1 <= end
    return Decisions(
        clock=clock[shown],
        bx=bx[shown],
        valid=valid[shown],
        scores=scores[shown],
        raw=raw[shown],
        passed=passed[shown],
        sections=_sections(lumi & counted, raw, passed, valid, first),
        sync_errors=sync_errors,
    )


def _crossings(trigger: TriggerTop, bc0: BoolArray, start: int, end: int) -> tuple[IntArray, IntArray, int]:
    """First clock and number of every crossing from the first BC0 on, and the missing and the misplaced BC0s."""
    marks = (np.flatnonzero(bc0[start:end]) + start).tolist()
    spans = list(zip(marks, [*marks, end][1:], strict=True))
    clocks = [np.arange(mark, until, trigger.clocks_per_bx) for mark, until in spans]
    numbers = [np.arange(len(run)) % trigger.orbit for run in clocks]
    missing = sum((len(run) - 1) // trigger.orbit for run in clocks)
    misplaced = sum((until - mark) % (trigger.orbit * trigger.clocks_per_bx) != 0 for mark, until in spans[:-1])
    empty = np.zeros(0, dtype=np.int64)
    return np.concatenate([empty, *clocks]), np.concatenate([empty, *numbers]), missing + misplaced


def _settings(
    trigger: TriggerTop, stimulus: Stimulus, orbits: IntArray, lumi: BoolArray, part: tuple[int, int]
) -> tuple[IntArray, BoolArray]:
    """The settings (orbits, algorithms, 4) of every orbit, in the order of `_SETTINGS`, and whether they are new.

    They are those committed before edge `LATENCY - 1` after the orbit's first words, at which the core has its score.
    """
    pending = [(clock, write) for clock, write in stimulus.writes if part[0] <= clock < part[1]]
    shadow = np.zeros((trigger.algorithms, len(_SETTINGS)), dtype=np.int64)
    active, armed = shadow, 0
    history, loaded = [], np.zeros(len(orbits), dtype=bool)
    for k, begin in enumerate(orbits.tolist()):
        while pending and pending[0][0] < begin + trigger.core.latency_clocks - 1:
            shadow, armed = _written(trigger, pending.pop(0)[1], shadow, armed)
        if armed & 1 or (armed & 2 and lumi[k]):
            active, armed, loaded[k] = shadow, 0, True
        history.append(active)
    return np.array(history, dtype=np.int64).reshape(-1, *shadow.shape), loaded


def _written(trigger: TriggerTop, write: BusWrite, shadow: IntArray, armed: int) -> tuple[IntArray, int]:
    """Shadow registers and armed commits after a write."""
    if write.address == Control.COMMIT:
        return shadow, write.value & 3
    if not SHADOW <= write.address < 2 * SHADOW:
        return shadow, armed
    algorithm, field = divmod(write.address - SHADOW, ALGORITHM_STRIDE)
    if algorithm < trigger.algorithms and field < len(_SETTINGS):
        word = trigger.score_word
        value = write.value % (1 << {Field.ENABLE: 1, Field.THRESHOLD: word.width}.get(Field(field), PRESCALE_BITS))
        if field == Field.THRESHOLD and value > word.limits[1]:
            value -= 1 << word.width
        shadow = shadow.copy()
        shadow[algorithm, field] = value
    return shadow, 0


def _prescaled(raw: BoolArray, epoch: IntArray, prescale: IntArray, step: IntArray) -> BoolArray:
    """Which bits pass: candidate n of an epoch if `floor(n step / prescale)` exceeds that of n - 1."""
    passed = np.zeros_like(raw)
    for number in np.unique(epoch):
        rows = epoch == number
        n = np.cumsum(raw[rows], axis=0)
        whole, part = np.maximum(prescale[rows], 1), np.minimum(step[rows], prescale[rows])
        passed[rows] = raw[rows] & (n * part // whole > (n - 1) * part // whole)
    return passed


def _sections(
    lumi: BoolArray, raw: BoolArray, passed: BoolArray, valid: BoolArray, first: BoolArray
) -> tuple[Section, ...]:
    """The counts between the crossings that begin a section."""
    counts = []
    cuts = [0, *np.flatnonzero(lumi).tolist()]
    for low, high in pairwise(cuts):
        rows = slice(low, high)
        totals = [tuple((bits[rows].sum(axis=0) % (1 << DATA_BITS)).tolist()) for bits in (raw, passed)]
        counts.append(Section(totals[0], totals[1], int(valid[rows].sum()), int(first[rows].sum())))
    return tuple(counts)
