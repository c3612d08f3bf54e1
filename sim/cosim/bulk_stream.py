"""The scoreboard over a compiled model, chunk by chunk: any number of events in the memory of a few chunks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import RtlDesign
from trigforge.fixed import IntArray
from trigforge.sim.cosim.bulk import BulkModel, Player, Rows, compile_bulk
from trigforge.sim.cosim.certificate import LevelResult, compare
from trigforge.sim.cosim.simulators import Simulator
from trigforge.sim.cosim.timing import Plan, read_trace

_TIMED = 4096
"""Events of the first chunk that latency and initiation interval are measured with."""
_AHEAD = 2
"""Chunks in memory a worker: it simulates one while the next is drawn and the one before it compared."""
_DRAWN = 1 << 16
"""Events of a chunk that `random_rows` draws."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """How a compiled model compared with its reference, and how it behaved in time."""

    level: LevelResult
    latency_clocks: int
    """Measured as `simulate` does."""
    ii: int
    events: int
    events_per_second: float
    """All of it: making the words, simulating, the reference, comparing."""
    build_seconds: float
    build_cached: bool
    run_seconds: float
    simulator: str


def simulate_bulk(
    design: RtlDesign,
    chunks: Iterable[Rows],
    reference: Callable[[Rows], IntArray],
    simulator: Simulator,
    folder: Path,
    *,
    level: str = "program_vs_rtl",
    kind: str = "random",
    seed: int = 1,
    workers: int = 1,
    timeout_s: float = 1800.0,
) -> BulkResult:
    """Stream chunks of events (n, inputs) through the RTL and compare every word with the reference's.

    Each of the `workers` threads runs a model of its own, with registers that start at other values, on every
    `workers`-th chunk. Raises what `simulate` does, and `CheckError` if outputs depend on those initial values. Words
    that differ are no error here: `BulkResult.level.require` says so.
    """
    if workers < 1:
        raise InputError(f"the number of workers must be at least 1, not {workers!r}")
    model = compile_bulk(design, simulator, folder, timeout_s)
    start = time.perf_counter()
    found = None
    for rows, outputs in stream(model, measured(model, chunks, seed), seed, workers):
        part = _compared(level, reference(rows), outputs, kind)
        found = part if found is None else _joined(found, part)
    if found is None:
        raise InputError("a simulation must have at least one event")
    seconds, events = time.perf_counter() - start, sum(found.vectors.values())
    return BulkResult(
        level=found,
        latency_clocks=design.latency_clocks,
        ii=1,
        events=events,
        events_per_second=events / seconds,
        build_seconds=model.built.seconds,
        build_cached=model.built.cached,
        run_seconds=seconds,
        simulator=simulator.label,
    )


def stream(model: BulkModel, chunks: Iterable[Rows], seed: int, workers: int) -> Iterator[tuple[Rows, IntArray]]:
    """Every chunk and the outputs (n, outputs) that belong to its events, in order; empty chunks are left out."""
    with ExitStack() as stack:
        players = [stack.enter_context(model.start(seed + k)) for k in range(workers)]
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in players]
        running: deque[tuple[Rows, Future[IntArray]]] = deque()
        for number, rows in enumerate(rows for rows in chunks if len(rows)):
            own = number % workers
            running.append((rows, threads[own].submit(_answers, players[own], rows, model.design.latency_clocks)))
            if len(running) == _AHEAD * workers:
                done, answer = running.popleft()
                yield done, answer.result()
        for done, answer in running:
            yield done, answer.result()


def measured(model: BulkModel, chunks: Iterable[Rows], seed: int) -> Iterator[Rows]:
    """The chunks, after the model was measured with events of the first: latency, interval, independence of its start.

    Raises `CheckError` unless the latency is as declared, the design takes an event a clock, and two models whose
    registers start at different values agree once the pipeline is filled.
    """
    remaining = (rows for rows in chunks if len(rows))
    first = next(remaining, None)
    if first is None:
        return
    design = model.design
    plan = Plan.of(min(len(first), _TIMED), design.latency_clocks)
    one, other = (model.play(first[plan.order], start) for start in (seed, seed + 1))
    differ = (one != other).any(axis=1)[plan.hold :]
    if differ.any():
        event = int(plan.order[int(np.argmax(differ)) + plan.hold - design.latency_clocks])
        raise CheckError(
            f"the outputs of {design.top!r} must not depend on the initial values of its registers, "
            f"but those of event {event} do"
        )
    read_trace(plan, design.outputs.pack(one), design)
    yield from chain([first], remaining)


def random_rows(low: IntArray, high: IntArray, events: int, seed: int) -> Iterator[Rows]:
    """Chunks of `events` events, each word uniform in its limits `low..high` (words,), reproducible from `seed`."""
    generator = np.random.default_rng(seed)
    sizes = (np.int16, np.int32, np.int64)
    kind = next(k for k in sizes if np.iinfo(k).min <= low.min() and high.max() <= np.iinfo(k).max)
    for start in range(0, events, _DRAWN):
        count = min(_DRAWN, events - start)
        drawn = np.empty((count, len(low)), dtype=kind)
        for word, (least, most) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            drawn[:, word] = generator.integers(least, most, count, dtype=kind, endpoint=True)
        yield drawn


def _answers(player: Player, rows: Rows, latency: int) -> IntArray:
    """The outputs of a chunk's events; the last is held until the others have left the pipeline."""
    held = np.repeat(rows[-1:], latency, axis=0)
    return np.concatenate([player.play(rows), player.play(held)])[latency:]


def _compared(level: str, expected: IntArray, got: IntArray, kind: str) -> LevelResult:
    if np.array_equal(expected, got):
        return LevelResult(name=level, words=got.size, mismatches=0, vectors={kind: len(got)})
    return compare(level, expected, got, np.full(len(got), kind))


def _joined(before: LevelResult, after: LevelResult) -> LevelResult:
    """The comparison of all events of `before` and then those of `after`, which are of the same kind."""
    ((kind, events),) = before.vectors.items()
    first = before.first
    if first is None and after.first is not None:
        first = after.first.model_copy(update={"event": after.first.event + events})
    return LevelResult(
        name=before.name,
        words=before.words + after.words,
        mismatches=before.mismatches + after.mismatches,
        first=first,
        vectors={kind: events + after.vectors[kind]},
    )
