"""Constrained-random stimuli of a trigger between links: orbits, every fault of links, resets, settings, reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from trigforge.filling import FillingScheme
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl import BusWrite
from trigforge.firmware.rtl.links_model import LinkStream
from trigforge.firmware.rtl.links_top import LinksTop
from trigforge.firmware.rtl.settings import Commit, Control
from trigforge.firmware.rtl.trigger_model import BoolArray
from trigforge.fixed import IntArray
from trigforge.sim.cosim.packed import RESET_CLOCK
from trigforge.sim.cosim.trigger_stimulus import draw_algorithms, register_addresses
from trigforge.sim.cosim.vectors import Vectors

LEAST_CROSSINGS: Final = 16
"""Of an orbit that an early BC0 ends."""
_MOST_LINKS: Final = 4
"""Links that every fault is tried on."""
_NOISE: Final = 8
"""Changes of the words that mean something for one of those that mean nothing."""
_TAIL: Final = 40
"""Clocks at the end beside those that read every register."""


class Fault(StrEnum):
    """What can be wrong with links."""

    VALID = "valid"
    """A frame of one link is valid where the others' are not, or the other way round."""
    CHANGE = "change"
    """All links change valid within a crossing."""
    STRAY = "stray"
    """One link marks a BC0 where there is none, or does not where there is."""
    CUT = "cut"
    """All links begin an orbit, wherever the crossing is."""
    MISSING = "missing"
    """One link does not mark the orbit."""
    LATE = "late"
    """One link marks the orbit a frame late."""
    SKEW = "skew"
    """One link carries everything a frame late."""
    NONE = "none"
    """No link marks the orbit."""


_WITHIN: Final = {Fault.VALID, Fault.CHANGE, Fault.CUT}
"""Faults of a crossing, which are tried at several clocks of an orbit: they differ by the frame that they hit."""
_REPEATS: Final = 4
_BY_LINK: Final = (Fault.MISSING, Fault.LATE, Fault.SKEW)
_MOST_FRAMES: Final = 9
"""Of a crossing in which a BC0 is astray."""


@dataclass(frozen=True, slots=True)
class LinksVectors:
    """What the links and the bus carry before every clock, and where data (clocks, links) mean nothing."""

    stream: LinkStream
    writes: tuple[tuple[int, BusWrite], ...]
    reads: tuple[tuple[int, int], ...]
    meaningless: BoolArray
    """There they may be undefined."""
    whole: tuple[int, int]
    """First clock, and the one after the last, of an undisturbed orbit."""


@dataclass(frozen=True, slots=True)
class _Orbit:
    """Crossings from one BC0 to the next, the fault of the links in them, and whether it is cut by a reset."""

    crossings: int
    fault: Fault | None = None
    link: int = 0
    frame: int = 0
    """Of a crossing, for a stray BC0."""
    reset: bool = False


def spoil(stream: LinkStream, fault: Fault, link: int, clock: int, orbit: int, frames: int) -> None:
    """Put one fault into a stream: at a clock of a crossing, or at the clock `orbit` with which the orbit begins."""
    match fault:
        case Fault.VALID:
            stream.valid[clock, link] ^= True
        case Fault.CHANGE:
            stream.valid[clock : clock + frames] ^= True
        case Fault.STRAY:
            stream.bc0[clock, link] ^= True
        case Fault.CUT:
            stream.bc0[clock] = True
        case Fault.MISSING:
            stream.bc0[orbit, link] = False
        case Fault.LATE:
            stream.bc0[orbit : orbit + 2, link] = [False, True]
        case Fault.SKEW:
            for carried in (stream.data, stream.valid, stream.bc0):
                carried[orbit + 1 : clock + 1, link] = carried[orbit:clock, link].copy()
            stream.bc0[orbit, link] = False
        case Fault.NONE:
            stream.bc0[orbit] = False


def make_links_vectors(
    top: LinksTop, program: IntegerProgram, vectors: Vectors, filling: FillingScheme, seed: int, changes: int
) -> LinksVectors:
    """Two whole orbits, one of them without BC0, and short ones with every fault on every link, or on four of many.

    The words are those of `vectors` and change about `changes` times.
    """
    rng = np.random.default_rng(seed)
    frames, orbits = top.receives.frames, _orbits(top, rng)
    lengths = np.array([orbit.crossings for orbit in orbits])
    ends = np.cumsum(lengths)
    begins = ends - lengths
    number = np.arange(ends[-1]) - np.repeat(begins, lengths)
    filled = filling.collides[number % top.trigger.orbit] & (rng.random(len(number)) > 0.05)
    whole = np.repeat(lengths == top.trigger.orbit, lengths)
    valid = np.where(whole, filled, rng.random(len(number)) < 0.75)
    words = vectors.words[_rows(valid, len(vectors), changes, rng)]
    stream = LinkStream.of(top.receives, words, valid, number == 0, rng.random(len(number)) < 0.4)
    stream = replace(stream, lumi=rng.random(len(stream.lumi)) < 0.4)  # without BC0 it means nothing
    for orbit, begin, end in zip(orbits, (begins * frames).tolist(), (ends * frames).tolist(), strict=True):
        if orbit.fault is not None:
            for clock in _clocks_of(orbit, stream, (begin + 1, end - frames), frames, rng):
                spoil(stream, orbit.fault, orbit.link, clock, begin, frames)
        if orbit.reset:
            clock = int(rng.integers((begin + end) // 2, end - 2))
            stream.reset[clock] = True
            stream.valid[clock + 1, rng.integers(top.receives.links)] ^= True  # no error before the links agree
    stream.reset[RESET_CLOCK] = True
    starts = (begins[[orbit.fault is None for orbit in orbits]] * frames).tolist()
    writes = _writes(top, program, vectors, stream.reset, starts, rng)
    reads = _reads(top, stream.reset, {clock for clock, _ in writes}, rng)
    first = int(np.argmax(lengths == top.trigger.orbit))
    meaningless = _meaningless(stream, valid, frames, changes, rng)
    return LinksVectors(stream, writes, reads, meaningless, (int(begins[first]) * frames, int(ends[first]) * frames))


def _orbits(top: LinksTop, rng: np.random.Generator) -> list[_Orbit]:
    """A reset at once and one in mid-stream, whole orbits, then short ones: every other has a fault, one a reset."""
    frames, orbit = top.receives.frames, top.trigger.orbit
    batch = 4 * top.trigger.algorithms + 1
    short = max(LEAST_CROSSINGS, -(-(2 * (top.latency_clocks + frames) + batch + 8) // frames))
    short += short == orbit
    links = [*rng.permutation(np.arange(1, top.receives.links)).tolist()[: _MOST_LINKS - 1], 0]
    strays = [*rng.permutation(frames - 1).tolist()[: _MOST_FRAMES - 1], frames - 1]
    first = [_Orbit(short, Fault.VALID, link) for link in links]  # before what makes links suspects
    faults = [_Orbit(short, fault, link) for fault in _BY_LINK for link in links]
    faults += [_Orbit(short, fault) for fault in (Fault.CHANGE, Fault.CUT)]
    faults += [_Orbit(short, Fault.STRAY, link, frame) for link, frame in _pairs(links, strays)]
    clean, broken = _Orbit(short), first + [faults[k] for k in rng.permutation(len(faults))]
    found = [clean, _Orbit(short, reset=True), clean, _Orbit(orbit), _Orbit(orbit, Fault.NONE)]
    for k, spoilt in enumerate(broken):
        found += [_Orbit(short, reset=True)] if k == len(broken) // 2 else []
        found += [clean, spoilt]
    tail = -(-(len(register_addresses(top.trigger)) + _TAIL) // frames)
    return [*found, clean, _Orbit(short + tail)]


def _clocks_of(
    orbit: _Orbit, stream: LinkStream, span: tuple[int, int], frames: int, rng: np.random.Generator
) -> list[int]:
    """The clocks of a span at which an orbit's fault is put; a stray BC0 comes within a valid crossing."""
    clocks = np.arange(*span)
    if orbit.fault is Fault.STRAY:
        clocks = clocks[(clocks % frames == orbit.frame) & stream.valid[clocks, orbit.link]]
    chosen: list[int] = rng.permutation(clocks)[: _REPEATS if orbit.fault in _WITHIN else 1].tolist()
    return chosen


def _pairs(links: list[int], frames: list[int]) -> list[tuple[int, int]]:
    """Each of the links and each of the frames at least once."""
    return [(links[k % len(links)], frames[k % len(frames)]) for k in range(max(len(links), len(frames)))]


def _rows(valid: BoolArray, vectors: int, changes: int, rng: np.random.Generator) -> IntArray:
    """The vector of every crossing: all in turn, a new one at no more than `changes` of the valid ones."""
    events = np.flatnonzero(valid)
    moves = np.sort(rng.permutation(events)[: max(changes, 1)])
    row, held = np.zeros((2, len(valid)), dtype=np.int64)
    row[moves], held[moves] = np.resize(rng.permutation(vectors), len(moves)), moves
    kept: IntArray = row[np.maximum.accumulate(held)]
    return kept


def _writes(
    top: LinksTop,
    program: IntegerProgram,
    vectors: Vectors,
    reset: BoolArray,
    starts: list[int],
    rng: np.random.Generator,
) -> tuple[tuple[int, BusWrite], ...]:
    """New settings after every reset and in some of the orbits that begin at `starts`, for an orbit or a section."""
    trigger, free = top.trigger, 0
    pool = program(vectors.words)[:, list(trigger.scores)]
    resets = np.flatnonzero(reset).tolist()
    batch = 4 * trigger.algorithms + 1
    writes: list[tuple[int, BusWrite]] = []
    for start in sorted([clock + 1 for clock in resets] + [s for s in starts[3:-1] if rng.random() < 0.4]):
        if start < free or any(start <= clock < start + batch for clock in resets):
            continue
        commit = Commit.AT_ORBIT if start - 1 in resets or rng.random() < 0.7 else Commit.AT_SECTION
        settings = trigger.writes(draw_algorithms(trigger, pool, rng)[1], commit)
        writes += [(start + k, write) for k, write in enumerate(settings)]
        free = start + len(settings)
    return tuple(writes)


def _reads(top: LinksTop, reset: BoolArray, written: set[int], rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """Random registers at random clocks, then all of them in turn."""
    addresses = register_addresses(top.trigger)
    sweep = len(reset) - len(addresses) - _TAIL // 2
    clocks = np.flatnonzero((rng.random(sweep) < 0.1) & ~reset[:sweep])
    clocks = np.setdiff1d(clocks, list(written))
    often = rng.choice(list(map(int, Control)), len(clocks))
    drawn = np.where(rng.random(len(clocks)) < 0.3, often, rng.choice(addresses, len(clocks)))
    swept = [(sweep + k, int(address)) for k, address in enumerate(addresses)]
    return (*zip(clocks.tolist(), drawn.tolist(), strict=True), *swept)


def _meaningless(
    stream: LinkStream, valid: BoolArray, frames: int, changes: int, rng: np.random.Generator
) -> BoolArray:
    """Frames that are not valid, of no more crossings than a simulator has time for."""
    empty = rng.permutation(np.flatnonzero(~valid))[: max(changes // _NOISE, 1)]
    chosen = np.zeros(len(valid), dtype=bool)
    chosen[empty] = True
    meaningless: BoolArray = np.repeat(chosen, frames)[:, None] & ~stream.valid
    return meaningless
