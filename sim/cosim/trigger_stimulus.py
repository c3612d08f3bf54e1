"""Constrained-random stimuli of a trigger: orbits with a filling scheme, resets, BC0s, sections, settings, bus reads.

A stimulus has everything that it has room for, in an order and at clocks that the seed decides;
`trigger_situations.situations` counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from trigforge.errors import InputError
from trigforge.filling import FillingScheme
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl import Algorithm, BusWrite, Stimulus, TriggerTop
from trigforge.firmware.rtl.settings import ACTIVE, SHADOW, Commit, Control, Field, address
from trigforge.firmware.rtl.trigger_model import BoolArray, crossings
from trigforge.fixed import IntArray
from trigforge.sim.cosim.packed import RESET_CLOCK
from trigforge.sim.cosim.vectors import Vectors

_TAIL: Final = 40
"""Clocks at the end beside those that read every register."""
_SHORT_ORBITS: Final = 12
_LOOK: Final = 40
"""Clocks without writes after a reset and after a section begins, in which registers are read."""
_NOISE: Final = 8
"""Changes of the words that mean something for one of those that mean nothing."""
_WAYS: Final = ("last", "late", "section", "disarmed", "early", "foreign")
"""Commits: at the last clock that counts for an orbit, one late, for a section that an orbit does not begin, taken back
by a write, before the orbit, and at a random clock with writes to what cannot be written behind it."""
_PAUSE: Final = 0.2
"""Share of the orbits for which nothing is written."""
_ANY: Final = 0.25
"""Share of the thresholds that need not be near a score."""
_PRESCALES: Final = (Fraction(1), Fraction(5, 2), Fraction(7, 3), Fraction(0), Fraction((1 << 24) - 1, 6_700_417))


@dataclass(frozen=True, slots=True)
class Orbit:
    """An orbit as it is planned: its first clock, whether BC0 marks it, and whether it begins a section."""

    begin: int
    marked: bool
    lumi: bool


@dataclass(frozen=True, slots=True)
class TriggerVectors:
    """A stimulus, the words (n, inputs) of every clock, and where they mean nothing: there they may be undefined."""

    stimulus: Stimulus
    words: IntArray
    meaningless: BoolArray


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the random generator has decided about time, in clocks."""

    resets: tuple[int, ...]
    orbits: tuple[Orbit, ...]
    quiet: tuple[tuple[int, int], ...]
    """Whole orbits: here words keep still between events, so that a simulator is quick."""
    looks: tuple[int, ...]
    """First clocks of `_LOOK` in which nothing is written and registers are read."""
    reads: int
    """First clock of the sweep over all registers."""
    end: int


def make_trigger_vectors(
    trigger: TriggerTop,
    program: IntegerProgram,
    vectors: Vectors,
    filling: FillingScheme,
    seed: int = 1,
    whole_orbits: int = 2,
    changes: int | None = None,
) -> TriggerVectors:
    """A stimulus of `whole_orbits` orbits and one more without BC0, and of short ones that an early BC0 ends.

    Words are those of `vectors` and change about `changes` times (default: as often as there are vectors), and now and
    then at clocks at which they mean nothing.
    Raises `InputError` if the filling scheme has not the trigger's number of crossings.
    """
    if filling.crossings != trigger.orbit:
        raise InputError(
            f"the filling scheme of {trigger.name!r} must have its {trigger.orbit} crossings an orbit, "
            f"not {filling.crossings}"
        )
    rng = np.random.default_rng(seed)
    pool = program(vectors.words)[:, list(trigger.scores)]
    plan = _plan(trigger, rng, whole_orbits)
    flags = np.zeros((4, plan.end), dtype=bool)
    reset, bc0, lumi, valid = flags
    reset[list(plan.resets)] = True
    bc0[[orbit.begin for orbit in plan.orbits if orbit.marked]] = True
    quiet = ~_outside(plan.quiet, plan.end)
    lumi[:] = ~quiet & ~bc0 & (rng.random(plan.end) < 0.3)  # without BC0 it means nothing
    lumi[[orbit.begin for orbit in plan.orbits if orbit.lumi]] = True
    begins = _fill(trigger, filling, plan, flags, quiet, rng)
    settings, writes = _writes(trigger, pool, plan, rng)
    meaningless = ~quiet
    meaningless[begins[valid[begins]]] = False
    changed = len(pool) if changes is None else changes
    meaningless[rng.permutation(np.flatnonzero(meaningless))[changed // _NOISE :]] = False
    row = _rows(begins[valid[begins]], meaningless, settings, (len(pool), changed), rng)
    reads = _reads(trigger, plan, {clock for clock, _ in writes}, rng)
    return TriggerVectors(Stimulus(reset, bc0, lumi, valid, pool[row], writes, reads), vectors.words[row], meaningless)


def register_addresses(trigger: TriggerTop) -> tuple[int, ...]:
    """Every register of a trigger, and addresses that nothing answers to."""
    banks = [address(f, i, bank) for bank in (SHADOW, ACTIVE) for i in range(trigger.algorithms) for f in Field]
    nobody = (len(Control), 0x3FF, SHADOW + len(Field), 0xC00, 0xFFF)
    beyond = tuple(address(f, trigger.algorithms) for f in Field) if trigger.algorithms < 128 else ()
    return (*Control, *banks, *nobody, *beyond)


def _plan(trigger: TriggerTop, rng: np.random.Generator, whole: int) -> _Plan:
    """Resets and orbits: a run-in that a reset cuts off, then orbits in random order, one of them without BC0."""
    length, batch = trigger.orbit * trigger.clocks_per_bx, 4 * trigger.algorithms + 1
    least = min(2 * batch + trigger.core.latency_clocks + 12, length // 2)
    first = RESET_CLOCK + batch + 4
    restart = first + least + int(rng.integers(least))
    orbits, quiet = [Orbit(first, marked=True, lumi=True)], []
    kinds = ["whole"] * whole + ["missing"] + ["short"] * _SHORT_ORBITS
    order = ["whole", *rng.permutation(kinds[1:]).tolist()]
    looks = [restart + 2]
    clock = restart + 2 + _LOOK + batch + 9
    for number, kind in enumerate(order):
        marked = not (kind == "missing" and order[number - 1] == "whole")
        orbits.append(Orbit(clock, marked, lumi=marked and number % 4 == 2))
        if orbits[-1].lumi:
            looks.append(clock + trigger.latency_clocks + 2)
        spans = length if kind != "short" else least + int(rng.integers(least))
        if kind == "missing" and marked:
            orbits.append(Orbit(clock + spans, marked=False, lumi=False))
            spans += length
        if kind != "short":
            quiet.append((clock, clock + spans))
        clock += spans
    orbits.append(Orbit(clock, marked=True, lumi=True))
    reads = clock + least + batch + 4
    end = reads + len(register_addresses(trigger)) + _TAIL
    return _Plan((RESET_CLOCK, restart, restart + 1), tuple(orbits), tuple(quiet), tuple(looks), reads, end)


def _outside(spans: Iterable[tuple[int, int]], clocks: int) -> BoolArray:
    """Which of so many clocks lie in none of the spans."""
    outside = np.ones(clocks, dtype=bool)
    for first, end in spans:
        outside[first:end] = False
    return outside


def _fill(
    trigger: TriggerTop,
    filling: FillingScheme,
    plan: _Plan,
    flags: BoolArray,
    quiet: BoolArray,
    rng: np.random.Generator,
) -> IntArray:
    """Set `valid`: the filling scheme with gaps, noise where it means nothing; the first clocks of all crossings.

    The crossings before the second reset are valid, so that it has something to clear.
    """
    _, bc0, _, valid = flags
    valid[:] = ~quiet & (rng.random(plan.end) < 0.5)
    parts = zip((RESET_CLOCK + 1, plan.resets[-1] + 1), (plan.resets[1], plan.reads), strict=True)
    found = []
    for start, end in parts:
        begin, bx, _ = crossings(trigger, (np.flatnonzero(bc0[start:end]) + start).tolist(), end)
        gap = np.repeat(rng.random(len(begin) // 8 + 1) < 0.1, 8)[: len(begin)] | (rng.random(len(begin)) < 0.05)
        stray = ~quiet[begin] & (rng.random(len(begin)) < 0.2)
        last = (begin < plan.resets[1]) & (begin >= plan.resets[1] - 2 * trigger.latency_clocks)
        valid[begin] = filling.collides[bx] & ~gap | stray | last
        found.append(begin)
    valid[plan.reads :] = False
    return np.concatenate(found)


def _rows(
    events: IntArray,
    meaningless: BoolArray,
    settings: Sequence[tuple[int, IntArray]],
    counts: tuple[int, int],
    rng: np.random.Generator,
) -> IntArray:
    """The vector of every clock: all in turn, and those whose scores the settings of the time compare with."""
    vectors, changes = counts
    moves = events[np.sort(rng.permutation(len(events))[: max(changes, 1)])]
    turn = np.resize(rng.permutation(vectors), len(moves))
    clocks = np.array([clock for clock, _ in settings])
    for k in np.flatnonzero(rng.random(len(moves)) < 0.4).tolist():
        near = settings[max(int(np.searchsorted(clocks, moves[k], side="right")) - 1, 0)][1]
        turn[k] = rng.choice(near)
    row, held = np.zeros((2, len(meaningless)), dtype=np.int64)
    row[moves], held[moves] = turn, moves
    row = row[np.maximum.accumulate(held)]
    row[meaningless] = rng.integers(vectors, size=int(meaningless.sum()))
    return row


def _writes(
    trigger: TriggerTop, pool: IntArray, plan: _Plan, rng: np.random.Generator
) -> tuple[list[tuple[int, IntArray]], tuple[tuple[int, BusWrite], ...]]:
    """Settings for random orbits, committed in every way that matters; when, with which vectors' scores.

    The first let everything pass.
    """
    batch, free, waiting = 4 * trigger.algorithms + 1, RESET_CLOCK + 1, False
    deck = [*rng.permutation(_WAYS).tolist(), *rng.choice(_WAYS, len(plan.orbits)).tolist()]
    settings: list[tuple[int, IntArray]] = []
    writes: list[tuple[int, BusWrite]] = []
    for number, orbit in enumerate(plan.orbits):
        if number == 1:
            free = plan.resets[-1] + 1 + _LOOK
        if waiting:
            waiting = not orbit.lumi
            continue
        possible = [k for k, way in enumerate(deck) if way != "section" or not orbit.lumi]
        way = "early" if number < 2 else deck[possible[0]]
        commit = orbit.begin + _offset(way, trigger.core.latency_clocks - 1, rng)
        if commit - batch + 1 < free or commit + batch + 2 >= plan.reads or (number > 2 and rng.random() < _PAUSE):
            continue
        if number > 1:
            del deck[possible[0]]
        rows, algorithms = draw_algorithms(trigger, pool, rng)
        if number == 0:
            algorithms = [Algorithm(word.limits[0]) for word in trigger.score_words]
        waiting = way == "section"
        batched = trigger.writes(algorithms, Commit.AT_SECTION if waiting else Commit.AT_ORBIT)
        behind = {
            "disarmed": (BusWrite(address(Field.THRESHOLD, 0), int(rng.integers(1 << 32))),),
            "foreign": (BusWrite(Control.IDENTITY, 3), BusWrite(address(Field.RAW, 0, ACTIVE), 5)),
        }.get(way, ())
        writes += [(commit - batch + 1 + k, write) for k, write in enumerate((*batched, *behind))]
        settings.append((commit, rows))
        free = commit + 1 + len(behind)
    uncommitted = trigger.writes(draw_algorithms(trigger, pool, rng)[1], None)
    writes += [(plan.reads - len(uncommitted) + k, write) for k, write in enumerate(uncommitted)]
    return settings, tuple(writes)


def _offset(way: str, load: int, rng: np.random.Generator) -> int:
    """Clocks from an orbit's first to a commit, whose settings are loaded at clock `load` of an orbit."""
    fixed = {"last": load - 1, "late": load, "early": -1, "section": -1, "disarmed": -2}
    return fixed[way] if way in fixed else load + int(rng.integers(-load - 1, 4))


def draw_algorithms(trigger: TriggerTop, pool: IntArray, rng: np.random.Generator) -> tuple[IntArray, list[Algorithm]]:
    """Settings, and the vectors whose scores are nearest to the thresholds, at or above and below.

    A threshold is a score that occurs, or one more, or now and then any value, so that all its bits change.
    """
    rows, algorithms = [], []
    for column, word in zip(trigger.compared, trigger.score_words, strict=True):
        scores, (low, high) = pool[:, column], word.limits
        occurs = int(np.quantile(scores, rng.random(), method="nearest")) + int(rng.integers(2))
        threshold = int(rng.integers(low, high, endpoint=True)) if rng.random() < _ANY else min(occurs, high)
        above, below = scores[scores >= threshold], scores[scores < threshold]
        nearest = [*([above.min()] if len(above) else []), *([below.max()] if len(below) else [])]
        rows += [int(rng.choice(np.flatnonzero(scores == score))) for score in nearest]
        algorithms.append(Algorithm(threshold, _PRESCALES[rng.integers(len(_PRESCALES))], bool(rng.random() < 0.9)))
    return np.array(rows), algorithms


def _reads(
    trigger: TriggerTop, plan: _Plan, written: Iterable[int], rng: np.random.Generator
) -> tuple[tuple[int, int], ...]:
    """Random registers at random clocks, then all of them in turn."""
    addresses, taken = register_addresses(trigger), list(written)
    busy = np.where(_outside(plan.quiet, plan.reads), 0.4, 0.02)
    resets = [(clock, int(Control.MAGIC)) for clock in plan.resets[1:] if clock not in taken]
    looks = np.setdiff1d(np.add.outer(plan.looks, np.arange(_LOOK)).ravel(), taken)
    looks = looks[looks < plan.reads]
    clocks = np.setdiff1d(np.flatnonzero(rng.random(plan.reads) < busy), [*taken, *looks.tolist(), *plan.resets[1:]])
    often = rng.choice(list(map(int, Control)), len(clocks))
    drawn = np.where(rng.random(len(clocks)) < 0.3, often, rng.choice(addresses, len(clocks)))
    looked = [int(a) for _ in plan.looks for a in rng.permutation(addresses)[:_LOOK]]
    sweep = [(plan.reads + k, int(a)) for k, a in enumerate(addresses)]
    near = zip(looks.tolist(), np.resize(looked, len(looks)).tolist(), strict=True)
    return (*sorted([*resets, *zip(clocks.tolist(), drawn.tolist(), strict=True), *near]), *sweep)
