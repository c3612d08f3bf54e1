"""Events a second from Parquet to contract words; run `python tests/benchmarks/reading.py`, it prints one JSON line.

The file holds 200 000 random crossings with about the multiplicities of the simulation at 60 interactions: 4 e/γ, 0.1
muons, 8 jets. Speeds are medians; `old_encode` is the formulation with padded arrays, in the same run. Speeds per
second of processor time (`_per_cpu_s`, all threads) hold on a machine that others use, too.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np

from trigforge.contract import Collection, InputContract, OutOfRange, level1_contract
from trigforge.events import read_events, write_events
from trigforge.events.words import THREADS, iterate_words

sys.path.append(str(Path(__file__).parents[1]))

from reference_encoding import reference_encode

EVENTS = 200_000
RUNS = 7
PARTS = 20
"""Parts of the folder whose reading must not need more memory than half of them."""

MULTIPLICITY = {"L1EG": 4.0, "L1Mu": 0.1, "L1Jet": 8.0}


def collection(c: Collection, events: int, rng: np.random.Generator) -> ak.Array:
    """Objects on the grid of the contract: falling pt, flat η and φ."""
    counts = np.ones(events, int) if c.count == 1 else np.minimum(rng.poisson(MULTIPLICITY[c.name], events), 12)
    size, columns = int(counts.sum()), {}
    for f in c.fields:
        flat = rng.integers(f.low, f.high + 1, size)
        words = np.minimum(rng.exponential(30.0, size).astype(int), f.high) if f.name == "pt" else flat
        columns[f.name] = (words * f.lsb).astype(np.float32)
    objects = ak.zip(columns) if c.count == 1 else ak.unflatten(ak.zip(columns), counts)
    return objects if c.count == 1 else objects[ak.argsort(objects["pt"], ascending=False)]


def crossings(contract: InputContract, events: int) -> ak.Array:
    """Random events of the schema."""
    rng = np.random.default_rng(1)
    columns = {c.name: collection(c, events, rng) for c in contract.collections}
    return ak.zip({"weight": np.full(events, 1 / events), **columns}, depth_limit=1)


def per_second(task: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Events a second of `clock`: the median of `RUNS` after one to warm up."""
    seconds = []
    for _ in range(RUNS + 1):
        start = clock()
        task()
        seconds.append(clock() - start)
    return EVENTS / statistics.median(seconds[1:])


def count(path: Path, contract: InputContract) -> int:
    """Stream the words of a file or folder and count the events."""
    return sum(len(words) for words in iterate_words(path, contract, OutOfRange.REFUSE))


def peak_mb() -> float:
    """The largest memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Measure and print."""
    contract = level1_contract()
    columns = [c.name for c in contract.collections]
    with tempfile.TemporaryDirectory() as folder:
        path, parts = Path(folder, "events.parquet"), Path(folder, "parts")
        write_events(path, crossings(contract, EVENTS))
        parts.mkdir()
        for i in range(PARTS // 2):
            (parts / f"part-{i:03}.parquet").symlink_to(path)
        both = per_second(lambda: count(path, contract))
        cpu = per_second(lambda: count(path, contract), clock=time.process_time)
        half = count(parts, contract), peak_mb()
        for i in range(PARTS // 2, PARTS):
            (parts / f"part-{i:03}.parquet").symlink_to(path)
        whole = count(parts, contract), peak_mb()
        events = read_events(path, columns)
        read = per_second(lambda: read_events(path, columns))
    encode = per_second(lambda: contract.encode(events, OutOfRange.REFUSE))
    old = per_second(lambda: reference_encode(contract, events, OutOfRange.REFUSE))
    result = {
        "events": EVENTS,
        "runs": RUNS,
        "read_events_per_s": round(read),
        "encode_events_per_s": round(encode),
        "read_and_encode_events_per_s": round(both),
        "read_and_encode_events_per_cpu_s": round(cpu),
        "old_encode_events_per_s": round(old),
        "encode_over_old": round(encode / old, 2),
        "threads": THREADS,
        "streamed_events": [half[0], whole[0]],
        "peak_memory_mb": [round(half[1]), round(whole[1])],
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "machine": platform.machine(),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
