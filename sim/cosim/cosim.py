"""Runs a design in a simulator, event by event and clock by clock, and measures its latency and initiation interval."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import Bits, RtlDesign
from trigforge.fixed import IntArray
from trigforge.sim.cosim.build import Build, build, child_environment, run_command
from trigforge.sim.cosim.process import quote_log, run_logged
from trigforge.sim.cosim.simulators import LANGUAGE, Simulator
from trigforge.sim.cosim.timing import Plan, read_trace
from trigforge.sim.cosim.verilate import Purpose


@dataclass(frozen=True, slots=True)
class CosimResult:
    """What a simulated design answered, and how it behaved in time."""

    outputs: IntArray
    """Words (n, outputs), row k belonging to input row k."""
    latency_clocks: int
    """Measured: rising clock edges from an input word to its output word."""
    ii: int
    """Measured: clocks between events, at which streamed events gave the same outputs as events held still."""
    events_per_second: float
    build_seconds: float
    build_cached: bool
    run_seconds: float
    simulator: str


def simulate(
    design: RtlDesign,
    words: IntArray,
    simulator: Simulator,
    build_dir: Path,
    seed: int = 1,
    clock_period_ns: float = 5.0,
    timeout_s: float = 1800.0,
    waves: Path | None = None,
) -> CosimResult:
    """Stream events (n, inputs), one a clock, through the RTL; build and run may each take `timeout_s`.

    `seed` sets the registers' initial values in Verilator, so that a result that depends on them shows. With `waves`
    every signal is recorded in that FST file; it takes a build of its own, and the file grows with every clock.
    Raises `CheckError` if the design does not compile, its latency is not the declared one, it does not take an event
    a clock, or an output has undefined bits.
    """
    if not len(words):
        raise InputError("a simulation must have at least one event")
    if not 0.002 <= clock_period_ns <= 1e6:
        raise InputError(f"clock_period_ns must be 0.002..1000000, not {clock_period_ns!r}")
    stimulus = design.inputs.pack(words)
    plan = Plan.of(len(words), design.latency_clocks)
    built = build(design, simulator, build_dir, timeout_s, Purpose.WAVES if waves is not None else Purpose.BENCH)
    start = time.perf_counter()
    trace, stream_seconds = play(design, simulator, built, stimulus, plan, seed, clock_period_ns, timeout_s, waves)
    return CosimResult(
        outputs=design.outputs.unpack(read_trace(plan, trace, design)),
        latency_clocks=design.latency_clocks,
        ii=1,
        events_per_second=len(words) / max(stream_seconds, 1e-9),
        build_seconds=built.seconds,
        build_cached=built.cached,
        run_seconds=time.perf_counter() - start,
        simulator=simulator.label,
    )


def play(
    design: RtlDesign,
    simulator: Simulator,
    built: Build,
    stimulus: Bits,
    plan: Plan,
    seed: int,
    clock_period_ns: float,
    timeout_s: float,
    waves: Path | None = None,
) -> tuple[Bits, float]:
    """The output port before every clock of the plan, and the seconds that the stream took.

    Signals are recorded in the FST file `waves` if the simulation was built for that (`Purpose.WAVES`).
    """
    if waves is not None:
        _require_recordable(built, waves)
    log = built.log.with_name(built.log.name.replace(".build.", ".run."))
    log.write_text("", encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=built.executable.parent, prefix="run-") as scratch:
        folder = Path(scratch).resolve()
        np.save(folder / "stimulus.npy", stimulus)
        np.save(folder / "order.npy", plan.order)
        job = {
            "clock": design.clock,
            "input": design.inputs.name,
            "output": design.outputs.name,
            "input_bits": design.inputs.bits,
            "output_bits": design.outputs.bits,
            "prologue": plan.prologue,
            "period_ps": 2 * max(1, round(clock_period_ns * 500)),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        environment = child_environment(_bench_environment(design, simulator, folder, seed))
        run_logged(run_command(design, simulator, built, seed, waves), folder, environment, log, timeout_s)
        outcome = _read_outcome(folder, design, log)
        return np.load(folder / "trace.npy"), float(outcome["seconds"])


def _require_recordable(built: Build, waves: Path) -> None:
    if built.purpose is not Purpose.WAVES:
        raise InputError(f"to record waves, a simulation must be built for waves, not for {built.purpose.value}")
    if waves.suffix != ".fst" or not waves.parent.is_dir():
        raise InputError(f"waves must be an .fst file in a folder that exists, not {str(waves)!r}")


def _bench_environment(design: RtlDesign, simulator: Simulator, folder: Path, seed: int) -> dict[str, str]:
    """What cocotb reads from the environment (as its own runner sets it), and the folder of the exchanged files."""
    import find_libpython
    from cocotb_tools.config import pygpi_entry_point

    from trigforge.sim.cosim.bench import FOLDER_VARIABLE

    library = find_libpython.find_libpython()
    if library is None:
        raise InputError(f"cocotb needs libpython as a shared library, but {sys.executable} has none")
    return {
        **simulator.environment,
        "GPI_USERS": f"{library};{pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": ":".join(p for p in sys.path if p),
        "COCOTB_TOPLEVEL": design.top,
        "COCOTB_TEST_MODULES": f"{__package__}.bench",
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_REWRITE_ASSERTION_FILES": "",
        "TOPLEVEL_LANG": LANGUAGE[simulator.name].value,
        FOLDER_VARIABLE: str(folder),
    }


def _read_outcome(folder: Path, design: RtlDesign, log: Path) -> dict[str, Any]:
    path = folder / "outcome.json"
    if not path.is_file():
        raise CheckError(f"the bench of {design.top!r} must finish, but it stopped; {quote_log(log)}")
    outcome: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for port, key in ((design.inputs, "input"), (design.outputs, "output")):
        if outcome["widths"][key] != port.bits:
            raise CheckError(
                f"port {port.name} of {design.top!r} must have {port.bits} bits as declared, "
                f"but the RTL has {outcome['widths'][key]}"
            )
    return outcome
