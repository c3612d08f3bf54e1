"""What a `TriggerTop` decides, event by event: the reference that its simulation must equal, clock for clock.

Nothing here follows the hardware's structure: crossings are numbered by their distance from BC0, settings belong to
orbits, and a prescale is the formula of `tf_prescale.sv`'s header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.rtl.settings import ALGORITHM_STRIDE, DATA_BITS, PRESCALE_BITS, SHADOW, BusWrite, Control, Field
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.fixed import IntArray

BoolArray = npt.NDArray[np.bool_]
SETTINGS = (Field.ENABLE, Field.THRESHOLD, Field.PRESCALE, Field.STEP)
"""The registers of an algorithm that the bus writes, in the order of the last axis of settings."""


@dataclass(frozen=True, slots=True)
class Stimulus:
    """What a trigger gets before every rising clock edge: arrays (n,), and writes with their clocks, in order."""

    reset: BoolArray
    bc0: BoolArray
    lumi: BoolArray
    """With a `bc0`: this orbit begins a luminosity section."""
    valid: BoolArray
    scores: IntArray
    """Scores (n, scores) of the words of that clock, `program(words)[:, list(trigger.scores)]`; looked at where a valid
    crossing begins."""
    writes: tuple[tuple[int, BusWrite], ...] = ()
    reads: tuple[tuple[int, int], ...] = ()
    """Clocks and the bus addresses that are read then; where nothing is written or read, the address is 0."""

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.reset, self.bc0, self.lumi, self.valid)} | {self.scores.shape[:1]}
        if len(shapes) != 1 or self.scores.ndim != 2 or self.scores.dtype != np.int64:
            raise InputError(
                "a stimulus must be arrays of one shape (n,) with int64 scores (n, scores), "
                f"not of {sorted(shapes)} with {self.scores.dtype} scores {self.scores.shape}"
            )
        clocks = [clock for clock, _ in self.writes]
        if clocks != sorted(set(clocks)):
            raise InputError("the writes of a stimulus must be ordered by clock, at most one a clock")
        read = [clock for clock, _ in self.reads]
        if read != sorted(set(read)) or set(read) & set(clocks):
            raise InputError(
                "the reads of a stimulus must be ordered by clock, at most one a clock and none where it writes"
            )


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
    """Scores (k, scores), 0 where the crossing is not valid."""
    raw: BoolArray
    """Bits (k, algorithms) before the prescales."""
    passed: BoolArray
    """Bits (k, algorithms) after the prescales."""
    sections: tuple[Section, ...]
    """Luminosity sections that were completed since the last reset."""
    sync_errors: int
    """Since the last reset."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Shadow and active settings (algorithms, 4) and the armed commits after a rising edge, until the next change."""

    edge: int
    shadow: IntArray
    active: IntArray
    armed: int


@dataclass(frozen=True, slots=True)
class Part:
    """What happens between two resets: decisions, and what the registers hold from which edge on."""

    start: int
    end: int
    decisions: Decisions
    settings: tuple[Settings, ...]
    locked: int
    """The edge of the first BC0, or `end`."""
    errors: IntArray
    """Edges of the missing and the misplaced BC0s."""
    latched: IntArray
    """Edges at which the counts of `decisions.sections` are latched."""


def predict(trigger: TriggerTop, stimulus: Stimulus) -> Decisions:
    """The decisions of a trigger on a stimulus; there are none before its first reset and BC0."""
    found = [part.decisions for part in predict_parts(trigger, stimulus)]
    names = ("clock", "bx", "valid", "scores", "raw", "passed")
    arrays = {name: np.concatenate([getattr(decisions, name) for decisions in found]) for name in names}
    return Decisions(**arrays, sections=found[-1].sections, sync_errors=found[-1].sync_errors)


def predict_parts(trigger: TriggerTop, stimulus: Stimulus) -> tuple[Part, ...]:
    """A part for every reset."""
    if stimulus.scores.shape[1] != len(trigger.scores):
        raise InputError(
            f"a stimulus of {trigger.name!r} must have {len(trigger.scores)} scores, not {stimulus.scores.shape[1]}"
        )
    resets = np.flatnonzero(stimulus.reset).tolist()
    if not resets:
        raise InputError("a stimulus must have a reset: before it a trigger's outputs are undefined")
    ends = [*resets[1:], len(stimulus.reset)]
    return tuple(_predict_part(trigger, stimulus, r + 1, end) for r, end in zip(resets, ends, strict=True))


def _predict_part(trigger: TriggerTop, stimulus: Stimulus, start: int, end: int) -> Part:
    """The decisions between two resets, on the clocks `start..end - 1`."""
    marks = (np.flatnonzero(stimulus.bc0[start:end]) + start).tolist()
    begin, bx, errors = crossings(trigger, marks, end)
    valid = stimulus.valid[begin]
    scores = np.where(valid[:, None], stimulus.scores[begin], 0)
    first = bx == 0
    lumi = first & stimulus.bc0[begin] & stimulus.lumi[begin]
    orbit = np.cumsum(first) - 1
    writes = [(clock, write) for clock, write in stimulus.writes if start <= clock < end]
    states, of_orbit, loaded = _settings(trigger, writes, begin[first], lumi[first], start)
    enable, threshold, prescale, step = np.moveaxis(of_orbit[orbit], 2, 0)
    raw = valid[:, None] & (enable != 0) & (scores[:, list(trigger.compared)] >= threshold)
    epoch = np.cumsum(first & (lumi | loaded[orbit]))
    passed = _prescaled(raw, epoch, prescale, step)
    clock = begin + trigger.latency_clocks
    shown, latched = clock <= end, lumi & (clock + 1 <= end)
    decisions = Decisions(
        clock=clock[shown],
        bx=bx[shown],
        valid=valid[shown],
        scores=scores[shown],
        raw=raw[shown],
        passed=passed[shown],
        sections=_sections(latched, raw, passed, valid, first),
        sync_errors=len(errors),
    )
    return Part(start, end, decisions, states, marks[0] if marks else end, errors, clock[latched])


def crossings(trigger: TriggerTop, marks: list[int], end: int) -> tuple[IntArray, IntArray, IntArray]:
    """First clock and number of every crossing from the first BC0 on; clocks of the missing and the misplaced BC0s."""
    length = trigger.orbit * trigger.clocks_per_bx
    clocks, numbers, errors = [], [], []
    for mark, until in zip(marks, [*marks, end][1:], strict=True):
        run = np.arange(mark, until, trigger.clocks_per_bx)
        clocks.append(run)
        numbers.append(np.arange(len(run)) % trigger.orbit)
        errors += list(range(mark + length, until, length))
        if until != end and (until - mark) % length:
            errors.append(until)
    empty = np.zeros(0, dtype=np.int64)
    joined = np.concatenate([empty, *clocks]), np.concatenate([empty, *numbers])
    return *joined, np.array(errors, dtype=np.int64)


def _settings(
    trigger: TriggerTop, writes: Sequence[tuple[int, BusWrite]], orbits: IntArray, lumi: BoolArray, start: int
) -> tuple[tuple[Settings, ...], IntArray, BoolArray]:
    """Every change of settings, the settings (orbits, algorithms, 4) of every orbit, and whether they are new there.

    They are those committed before edge `LATENCY - 1` after the orbit's first words, at which the core has its score.
    """
    nothing = np.zeros((trigger.algorithms, len(SETTINGS)), dtype=np.int64)
    states = [Settings(start - 1, nothing, nothing, 0)]
    history, loaded = [], np.zeros(len(orbits), dtype=bool)
    pending = list(reversed(writes))
    for k, begin in enumerate(orbits.tolist()):
        edge = begin + trigger.core.latency_clocks - 1
        while pending and pending[-1][0] < edge:
            states.append(_written(trigger, *pending.pop(), states[-1]))
        now = states[-1]
        if now.armed & 1 or (now.armed & 2 and lumi[k]):
            states.append(Settings(edge, now.shadow, now.shadow, 0))
            loaded[k] = True
        history.append(states[-1].active)
    while pending:
        states.append(_written(trigger, *pending.pop(), states[-1]))
    return tuple(states), np.array(history, dtype=np.int64).reshape(-1, *nothing.shape), loaded


def _written(trigger: TriggerTop, clock: int, write: BusWrite, before: Settings) -> Settings:
    """Settings and armed commits after a write."""
    shadow = before.shadow
    if write.address == Control.COMMIT:
        return Settings(clock, shadow, before.active, write.value & 3)
    if not SHADOW <= write.address < 2 * SHADOW:
        return Settings(clock, shadow, before.active, before.armed)
    algorithm, field = divmod(write.address - SHADOW, ALGORITHM_STRIDE)
    if algorithm < trigger.algorithms and field < len(SETTINGS):
        word = trigger.score_words[algorithm]
        value = write.value % (1 << {Field.ENABLE: 1, Field.THRESHOLD: word.width}.get(Field(field), PRESCALE_BITS))
        if field == Field.THRESHOLD and value > word.limits[1]:
            value -= 1 << word.width
        shadow = shadow.copy()
        shadow[algorithm, field] = value
    return Settings(clock, shadow, before.active, 0)


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
