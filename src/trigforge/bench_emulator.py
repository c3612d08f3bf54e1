"""Speed of the emulator beside hls4ml's csim and alkaid's interpreter: one model, one machine, one run, medians."""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.conversion import PROGRAM_FILE, ConvertedModel, convert_project
from trigforge.errors import CheckError, MissingToolError
from trigforge.firmware.circuit import Input
from trigforge.firmware.emulator import Emulator, compile_emulator
from trigforge.firmware.native import compiler_path, load_roofs, vector_code
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Project
from trigforge.fixed import IntArray
from trigforge.value import Value

RUNS = 7
DATA_BYTES = 1 << 28
"""Size of the words in memory: far more than the caches hold."""
CHECKED, CSIM_EVENTS, ALKAID_EVENTS = 5000, 2000, 100_000
ADDITIONS = 16
"""Vector additions in a round of the native `additions`."""

Task = Callable[[], object]


class EmulatorSpeed(Value):
    """Events a second, all medians of one run; the words are int16 (int32 where they need more) in memory."""

    project: str
    operations: int
    outputs: int
    events: int
    all_cores: float
    one_core: float
    alkaid_one_core: float
    csim: float
    add_roof: float
    """Events a second of all cores if each operation were one vector addition, in the emulator's lanes."""
    memory_roof: float
    """Events a second of all cores that do nothing but read the words."""
    compile_seconds: float
    peak_mb: float
    """Memory of a process that emulates, beyond its words, its scores and the imported libraries."""

    @property
    def over_csim(self) -> float:
        """One core over hls4ml's csim."""
        return self.one_core / self.csim

    @property
    def over_alkaid(self) -> float:
        """One core over one core of alkaid's interpreter."""
        return self.one_core / self.alkaid_one_core

    @property
    def of_roof(self) -> float:
        """Fraction of the lower of the roofs of all cores."""
        return self.all_cores / min(self.memory_roof, self.add_roof)


class BenchReport(Value):
    """The machine and the speeds of all projects."""

    processor: str
    cores: int
    lane_gbits_per_second: float
    """Bits of lanes that one core adds in vectors."""
    read_gb_per_second: float
    """Bytes that all cores read from memory."""
    projects: tuple[EmulatorSpeed, ...]


@dataclass(frozen=True, slots=True)
class Roofs:
    """What a core and the memory can do."""

    lane_bits: float
    bytes: float


def bench_emulator(folders: Sequence[Path], update: Callable[[float, str], None]) -> BenchReport:
    """Measure the projects in some folders; `CheckError` where emulator, csim and alkaid differ in a word."""
    with tempfile.TemporaryDirectory() as scratch:
        roofs = measure_roofs(Path(scratch))
        speeds = []
        for number, folder in enumerate(folders):
            update(number / len(folders), folder.name)
            speeds.append(bench_project(folder, Path(scratch) / folder.name, roofs))
    return BenchReport(
        processor=_processor(),
        cores=cores(),
        lane_gbits_per_second=roofs.lane_bits / 1e9,
        read_gb_per_second=roofs.bytes / 1e9,
        projects=tuple(speeds),
    )


def bench_project(folder: Path, build: Path, roofs: Roofs) -> EmulatorSpeed:
    """Convert a project and measure it: every round runs all competitors, so that they see the same machine."""
    converted = convert_project(Project.load(folder / "project.toml"), folder, build)
    program, cache = converted.program, build / "emulator"
    start = time.monotonic()
    emulator = compile_emulator(program, cache)
    seconds = time.monotonic() - start
    words = random_words(*converted.contract.limits(), DATA_BYTES)
    _check(converted, emulator, words[:CHECKED])
    # Whole passes over the words on all cores need the memory; one core and the others see the same beginning of them.
    part = words[: len(words) // 4]
    reals = program_reals(program, words[:ALKAID_EVENTS])
    inputs = converted.inputs(words[:CSIM_EVENTS])
    scores = np.zeros((len(words), len(program.outputs)), dtype=np.int64)
    tasks: dict[str, tuple[Task, int]] = {
        "all_cores": (lambda: emulator(words, out=scores), len(words)),
        "one_core": (lambda: emulator(part, 1, scores[: len(part)]), len(part)),
        "alkaid_one_core": (lambda: program.comb.predict(reals, n_threads=1), len(reals)),
        "csim": (lambda: converted.csim(inputs), len(inputs)),
    }
    rates = _rates(tasks)
    return EmulatorSpeed(
        project=folder.name,
        operations=len(program.circuit.nodes),
        outputs=len(program.outputs),
        events=len(words),
        add_roof=cores() * roofs.lane_bits / vector_bits(program),
        memory_roof=roofs.bytes / (words.itemsize * words.shape[1]),
        compile_seconds=seconds,
        peak_mb=_peak_mb(build / PROGRAM_FILE, cache),
        **rates,
    )


def random_words(low: IntArray, high: IntArray, size: int) -> IntArray:
    """About `size` bytes of words between limits of shape (words,)."""
    kind = np.int16 if np.iinfo(np.int16).min <= low.min() and high.max() <= np.iinfo(np.int16).max else np.int32
    rng = np.random.default_rng(1)
    few = rng.integers(low, high + 1, (1 << 14, len(low))).astype(kind)
    words = np.empty((max(1, size // few.nbytes), *few.shape), dtype=kind)
    words[:] = few
    return words.reshape(-1, len(low))


def program_reals(program: IntegerProgram, words: IntArray) -> npt.NDArray[np.float64]:
    """The real values of input words (n, inputs), as alkaid's interpreter takes them."""
    return np.stack([kind.to_float(words[:, k].astype(np.int64)) for k, kind in enumerate(program.inputs)], axis=1)


def vector_bits(program: IntegerProgram) -> int:
    """Bits of lanes an event of an ideal emulator: one lane an operation, of the width that the emulator gives it."""
    lanes = zip(program.circuit.nodes, vector_code(program).lanes, strict=False)
    return sum(lane for node, lane in lanes if not isinstance(node.operation, Input))


def measure_roofs(cache: Path) -> Roofs:
    """Vector additions of one core and bytes that all cores read, both a second: medians."""
    compiler = compiler_path()
    if compiler is None:
        raise MissingToolError("g++ must be on PATH to compile the emulator; install it with 'apt install g++'")
    library, rounds, workers = load_roofs(compiler, cache), 1 << 22, cores()
    block = np.ones((workers, DATA_BYTES // 8 // workers), dtype=np.int64)

    def read() -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda part: library.read_all(part.ctypes.data, len(part)), block))

    rates = _rates({"additions": (lambda: library.additions(rounds), rounds), "bytes": (read, block.nbytes)})
    bits = 8 * library.vector_bytes()
    return Roofs(lane_bits=rates["additions"] * ADDITIONS * bits, bytes=rates["bytes"])


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _rates(tasks: dict[str, tuple[Task, int]]) -> dict[str, float]:
    """Items a second of every task: the median of rounds that run all of them, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(RUNS + 1):
        for name, (task, _) in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return {name: items / statistics.median(seconds[name][1:]) for name, (_, items) in tasks.items()}


def _check(converted: ConvertedModel, emulator: Emulator, words: IntArray) -> None:
    """All competitors compute the same words, or there is nothing to compare."""
    program = emulator.program
    expected = program.to_float(program(words))
    for name, found in (
        ("the emulator", program.to_float(emulator(words))),
        ("alkaid's interpreter", program.comb.predict(program_reals(program, words))),
        ("csim", np.asarray(converted.csim(converted.inputs(words))).reshape(len(words), -1)),
    ):
        if not np.array_equal(np.asarray(found, dtype=np.float64), expected):
            events = int((np.asarray(found) != expected).any(axis=1).sum())
            where = f"the program of {converted.project.name}"
            raise CheckError(f"{name} must equal {where}, but differs in {events} events of {len(words)}")


def _peak_mb(program: Path, cache: Path) -> float:
    """Memory of a fresh process that emulates, in MB, without its words, its scores and what imports take."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_emulate_alone, (program, cache))


def _emulate_alone(path: Path, cache: Path) -> float:
    loaded = _memory("VmRSS")
    program = IntegerProgram.load(path)
    low, high = (np.array([getattr(kind, end) for kind in program.inputs]) for end in ("low", "high"))
    words = random_words(low, high, DATA_BYTES)
    scores = compile_emulator(program, cache)(words)
    return (_memory("VmHWM") - loaded - words.nbytes - scores.nbytes) / 1e6


def _memory(entry: str) -> int:
    """Resident memory of this process in bytes: now (`VmRSS`) or at its highest (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(entry))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), platform.machine())
