"""A failing stream made small: few events, few words that differ from padding, small magnitudes, and it still fails.

Delta debugging (Zeller and Hildebrandt, IEEE TSE 28 (2002) 183) with all candidates of a step in one simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import Bits, RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.simulators import Simulator
from trigforge.sim.cosim.timing import Plan
from trigforge.sim.cosim.verilate import Purpose

Run = Callable[[IntArray], Bits]
"""Events (n, inputs), streamed between padding, one a clock -> the output port for each (n,), undefined bits as X."""
Fails = Callable[[Sequence[IntArray]], npt.NDArray[np.bool_]]
"""Streams, each (k, inputs) -> whether an event of each is wrong."""

AT_ONCE = 1 << 14
"""Most events of all candidates of one simulation, unless one alone is longer."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A stream (k, inputs) that still fails, and the simulations that it took to find it."""

    words: IntArray
    simulations: int


@dataclass(frozen=True, slots=True)
class Oracle:
    """Says which streams have an event whose words differ from the program's."""

    program: IntegerProgram
    design: RtlDesign
    run: Run
    rest: IntArray
    """Padding (inputs,), played between streams until nothing of the one before is left in the pipeline."""

    def __call__(self, streams: Sequence[IntArray]) -> npt.NDArray[np.bool_]:
        """Whether an event of each stream (k, inputs) is wrong."""
        gap = np.repeat(self.rest[None], self.design.latency_clocks + 2, axis=0)
        parts = [part for stream in streams for part in (gap, stream)]
        words = np.concatenate(parts)
        edges = np.cumsum([len(part) for part in parts]).reshape(-1, 2)
        differ = self.run(words) != self.design.outputs.pack(self.program(words))
        return np.array([differ[start:stop].any() for start, stop in edges.tolist()], dtype=bool)


def runner(
    design: RtlDesign,
    simulator: Simulator,
    build_dir: Path,
    rest: IntArray,
    seed: int = 1,
    clock_period_ns: float = 5.0,
    timeout_s: float = 1800.0,
    waves: Path | None = None,
) -> Run:
    """What streams events through the RTL in a simulator, compiled into `build_dir` unless it was there.

    Nothing is checked but that the simulation ends: latency is taken as declared. `waves` is the FST file to write.
    """
    purpose = Purpose.BENCH if waves is None else Purpose.WAVES

    def run(words: IntArray) -> Bits:
        stream = np.concatenate([rest[None], words, rest[None]])
        plan = Plan.of(len(stream), design.latency_clocks, 1)
        built = build(design, simulator, build_dir, timeout_s, purpose)
        stimulus = design.inputs.pack(stream)
        trace, _ = play(design, simulator, built, stimulus, plan, seed, clock_period_ns, timeout_s, waves)
        return plan.streamed(trace, design.latency_clocks)[1:-1]

    return run


def shrink(stream: IntArray, fails: Fails, rest: IntArray, simulations: int = 60) -> Shrunk:
    """The smallest stream found that fails, from one (n, inputs) that does.

    Events go first: more than one is needed only by a design that mixes events; then words become padding
    `rest` (inputs,), then values come nearer to it. Unless `simulations` ended it, no event or word can be taken away
    alone, and no value be one step nearer. The candidates of a step share a simulation, unless the design turns out to
    remember for longer than its pipeline. Raises `CheckError` if the stream does not fail again.
    """
    if stream.ndim != 2 or not len(stream) or rest.shape != stream.shape[1:]:
        raise InputError(f"a stream must be of shape (n, {len(rest)}) with n > 0, not {stream.shape}")
    spent = 0
    for at_once in (AT_ONCE, 1):
        search = _Search(fails, rest, simulations, at_once)
        small = search.values(search.padding(search.events(stream)))
        spent += search.spent + 1
        if fails([small])[0]:
            return Shrunk(small, spent)
    raise CheckError(
        f"a failure must show again on its own, but this one did not after {spent} simulations; "
        "it depends on more than the events before it"
    )


class _Search:
    def __init__(self, fails: Fails, rest: IntArray, simulations: int, at_once: int) -> None:
        self.fails, self.rest, self.simulations, self.at_once, self.spent = fails, rest, simulations, at_once, 0

    def first(self, candidates: Sequence[IntArray]) -> IntArray | None:
        """The first candidate that fails; None without one, or when no simulations are left."""
        for batch in _batches(candidates, self.at_once):
            place = np.flatnonzero(self.tried(batch))
            if len(place):
                return batch[int(place[0])]
        return None

    def tried(self, candidates: Sequence[IntArray]) -> npt.NDArray[np.bool_]:
        """Which candidates fail, none when no simulations are left."""
        failing = []
        for batch in _batches(candidates, self.at_once):
            left = self.spent < self.simulations
            self.spent += left
            failing.append(self.fails(batch) if left else np.zeros(len(batch), dtype=bool))
        return np.concatenate([np.zeros(0, dtype=bool), *failing])

    def events(self, stream: IntArray) -> IntArray:
        """As few events as possible; the last ones, if those fail alone."""
        lengths = sorted({min(1 << k, len(stream)) for k in range(len(stream).bit_length() + 1)})
        tails = [stream[-length:] for length in lengths]
        found = self.first(tails)
        if found is None:
            raise CheckError(f"a stream of {len(stream)} events must fail again to be made smaller, but it did not")
        while True:
            shorter = [np.delete(found, chunk, axis=0) for chunk in _chunks(np.arange(len(found)))[1:]]
            smaller = self.first(shorter)
            if smaller is None:
                return found
            found = smaller

    def padding(self, stream: IntArray) -> IntArray:
        """As many words as possible set to padding: chunks first, then all that can go alone together."""
        while True:
            used = np.flatnonzero(stream.ravel() != np.tile(self.rest, len(stream)))
            chunks = _chunks(used)
            failing = self.tried([self.reset(stream, chunk) for chunk in chunks])
            if not failing.any():
                return stream
            alone = [chunk for chunk, bad in zip(chunks, failing, strict=True) if bad and len(chunk) == 1]
            best = chunks[int(np.argmax(failing))]
            sets = [np.concatenate(alone[:k]) for k in range(len(alone), len(best), -1)]
            stream = self.boldest([self.reset(stream, chosen) for chosen in sets], self.reset(stream, best))

    def values(self, stream: IntArray) -> IntArray:
        """Every value as near to padding as possible."""
        while True:
            flat, rest = stream.ravel(), np.tile(self.rest, len(stream))
            moves = [(int(k), v) for k in np.flatnonzero(flat != rest) for v in _nearer(int(flat[k]), int(rest[k]))]
            failing = self.tried([_changed(stream, [move]) for move in moves])
            best: dict[int, int] = {}
            for (place, value), bad in zip(moves, failing, strict=True):
                if bad:
                    best.setdefault(place, value)
            if not best:
                return stream
            chosen = list(best.items())
            together = [_changed(stream, chosen[:k]) for k in range(len(chosen), 1, -1)]
            stream = self.boldest(together, _changed(stream, chosen[:1]))

    def boldest(self, together: Sequence[IntArray], alone: IntArray) -> IntArray:
        """The first of bold candidates that fails, else the one that is known to."""
        found = self.first(together)
        return alone if found is None else found

    def reset(self, stream: IntArray, places: npt.NDArray[np.intp]) -> IntArray:
        flat = stream.ravel().copy()
        flat[places] = np.tile(self.rest, len(stream))[places]
        return flat.reshape(stream.shape)


def _batches(candidates: Sequence[IntArray], at_once: int) -> Iterator[list[IntArray]]:
    """Candidates in order, as many together as one simulation of `at_once` events takes."""
    batch: list[IntArray] = []
    for candidate in candidates:
        if batch and sum(map(len, batch)) + len(candidate) > at_once:
            yield batch
            batch = []
        batch.append(candidate)
    if batch:
        yield batch


def _chunks(places: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """All of the places, both halves, quarters … and each alone."""
    chunks: list[npt.NDArray[np.intp]] = []
    parts = 1
    while len(places):
        edges = np.linspace(0, len(places), min(parts, len(places)) + 1).round().astype(int)
        chunks += [places[a:b] for a, b in pairwise(edges)]
        if parts >= len(places):
            break
        parts *= 2
    return chunks


def _nearer(value: int, rest: int) -> list[int]:
    """Values between one and padding, the nearest to padding first: halves, quarters …, and steps of powers of two."""
    away, sign = abs(value - rest), 1 if value > rest else -1
    steps = {away >> k for k in range(1, away.bit_length())} | {away - (1 << k) for k in range(away.bit_length())}
    return [rest + sign * step for step in sorted(steps) if 0 < step < away]


def _changed(stream: IntArray, changes: Sequence[tuple[int, int]]) -> IntArray:
    flat = stream.ravel().copy()
    for place, value in changes:
        flat[place] = value
    return flat.reshape(stream.shape)
