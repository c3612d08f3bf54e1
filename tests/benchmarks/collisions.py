"""Speed of crossings made of a library against Pythia generating the same ones, at µ = 60, and memory against events.

Run: python tests/benchmarks/collisions.py
Prints one JSON line. One process and one core; medians of `REPEATS` runs in one session.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import awkward as ak
import numpy as np

from trigforge.events import write_events
from trigforge.sim.collisions import CollisionConfig, Content, SampleConfig, mixing, simulate
from trigforge.sim.collisions.generate import Library, Request, assemble, generate, start_pythia
from trigforge.sim.collisions.interactions import Interactions
from trigforge.sim.collisions.meter import Meter, ignore
from trigforge.sim.collisions.mixing import PileUp, Pool, Span
from trigforge.sim.collisions.processes import HARD, SOFT, Process
from trigforge.sim.collisions.reconstruct import BLOCK, reconstruct
from trigforge.sim.collisions.workers import start_workers

PILEUP, REPEATS, CROSSINGS = 60.0, 5, 1000
SOFT_EVENTS, HARD_EVENTS = 2000, 800
MEMORY_EVENTS = (10_000, 40_000)


def seconds_per(work: Callable[[], object], items: int) -> float:
    """Median time of an item."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) / items)
    return statistics.median(times)


def pythia_seconds(process: Process, events: int) -> float:
    """Time of one interaction in Pythia, without its initialisation and without any detector."""
    pythia = start_pythia(process, 11)
    pythia.nextBatch(20, errorMode="skip")
    return seconds_per(lambda: pythia.nextBatch(events, errorMode="skip"), events)


def pile_up(libraries: list[Library], weight: np.ndarray) -> PileUp:
    soft, hard = libraries
    fraction = hard.sigma_mb / (soft.sigma_mb + hard.sigma_mb)
    relative = np.array(weight[soft.events :])
    return PileUp(
        Pool(0, np.ones(soft.events), PILEUP * (1 - fraction)),
        Pool(soft.events, relative / relative.mean(), PILEUP * fraction),
    )


def crossing_seconds(library: Interactions, source: PileUp, content: Content) -> float:
    """Time of one natural crossing: drawn, overlaid, with all its objects."""
    config = CollisionConfig(pileup=PILEUP)
    sample = SampleConfig(name="zero_bias", events=CROSSINGS, content=content)
    rng = np.random.default_rng(1)

    def work() -> ak.Array:
        crossings = mixing.zero_bias(source, Span(0, CROSSINGS, CROSSINGS), len(config.pulses), rng)
        starts = range(0, CROSSINGS, BLOCK)
        return ak.concatenate([reconstruct(library, crossings.part(a, a + BLOCK), config, sample, rng) for a in starts])

    with TemporaryDirectory() as folder:
        write_events(Path(folder) / "warm.parquet", work())  # compiles, and warms the caches
    return seconds_per(work, CROSSINGS)


def peak_memory_mb(folder: Path, events: int) -> float:
    """Largest resident memory of a process that simulates so many zero-bias crossings."""
    sample = SampleConfig(name="zero_bias", events=events, content=Content.LEVEL1)
    small = {"soft_interactions": SOFT_EVENTS, "hard_interactions": HARD_EVENTS, "rare_interactions": 100}
    simulate(CollisionConfig(samples=(sample,), pileup=PILEUP, jobs=1, **small), folder)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    with TemporaryDirectory() as folder, start_workers(1) as workers:
        requests = [Request(SOFT, SOFT_EVENTS), Request(HARD, HARD_EVENTS)]
        libraries = generate(requests, 1, Path(folder), workers, Meter(ignore, "interactions", 1))
        library = assemble(libraries, Path(folder))
        source = pile_up(libraries, library.weight)
        soft, hard = pythia_seconds(SOFT, 200), pythia_seconds(HARD, 100)
        pythia = source.soft.mean * soft + source.hard.mean * hard
        level1 = crossing_seconds(library, source, Content.LEVEL1)
        jets = crossing_seconds(library, source, Content.JETS)
    memory = {}
    for events in MEMORY_EVENTS:
        with TemporaryDirectory() as folder:
            command = [sys.executable, __file__, folder, str(events)]
            memory[events] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    result = {
        "pileup": PILEUP,
        "pythia_ms_per_crossing": 1e3 * pythia,
        "level1_ms_per_crossing": 1e3 * level1,
        "level1_and_jets_ms_per_crossing": 1e3 * jets,
        "ratio_level1": pythia / level1,
        "ratio_level1_and_jets": pythia / jets,
        "peak_memory_mb": memory,
    }
    print(json.dumps(result))  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(peak_memory_mb(Path(sys.argv[1]), int(sys.argv[2])))  # noqa: T201
    else:
        main()
