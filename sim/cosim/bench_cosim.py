"""How fast a core is simulated: with cocotb on Verilator and Icarus, and in bulk; every word compared on the way."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

import numpy as np
from pydantic import Field

from trigforge.errors import CheckError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.sim.cosim.bulk_stream import BulkResult, random_rows, simulate_bulk
from trigforge.sim.cosim.cosim import CosimResult, simulate
from trigforge.sim.cosim.simulators import Simulator, SimulatorName
from trigforge.sim.cosim.vectors import Vectors, make_vectors
from trigforge.value import Value

COCOTB_EVENTS = {SimulatorName.VERILATOR: 20_000, SimulatorName.ICARUS: 200, SimulatorName.GHDL: 200}
BULK_EVENTS = 2_000_000


class SimulationSpeed(Value):
    """One way of simulating a design; all events a second are of whole runs, in which every word was compared."""

    name: str
    simulator: str
    events: int = Field(ge=1)
    build_seconds: float = Field(ge=0)
    """Verilator's own library not counted if the machine had it from an earlier build."""
    run_seconds: float = Field(ge=0)
    """With cocotb its start included; in bulk also drawing the words and computing the reference."""
    events_per_second: float = Field(gt=0)
    """With cocotb of the stream alone."""


class CosimSpeed(Value):
    """A project's core and how fast it is simulated."""

    project: str
    operations: int
    inputs: int
    latency_clocks: int
    ways: tuple[SimulationSpeed, ...]


def measure_cosim(
    project: str,
    program: IntegerProgram,
    design: RtlDesign,
    simulators: tuple[Simulator, ...],
    folder: Path,
    bulk_events: int = BULK_EVENTS,
) -> CosimSpeed:
    """Simulate random and directed words in every way that the simulators allow.

    `folder` must be new: builds that are there are not measured again. Raises `CheckError` where a word is not the
    program's.
    """
    low, high = (np.array([getattr(kind, end) for kind in program.inputs], dtype=np.int64) for end in ("low", "high"))
    vectors = make_vectors(low, high, random=1000, saturating=1000, seed=1)
    ways = []
    for simulator in simulators:
        events = COCOTB_EVENTS[simulator.name]
        rows = np.resize(vectors.thinned(events).words, (events, len(low)))
        result = simulate(design, rows, simulator, folder)
        if not np.array_equal(program(rows), result.outputs):
            raise CheckError(f"the RTL of {project} must equal its program, but differs in {simulator.label}")
        ways.append(_cocotb_speed(result, len(rows)))
        if simulator.name is SimulatorName.VERILATOR:
            ways += _bulk_speeds(program, design, simulator, folder, vectors, bulk_events)
    return CosimSpeed(
        project=project,
        operations=len(program.circuit.nodes),
        inputs=len(program.inputs),
        latency_clocks=design.latency_clocks,
        ways=tuple(ways),
    )


def _cocotb_speed(result: CosimResult, events: int) -> SimulationSpeed:
    return SimulationSpeed(
        name="cocotb",
        simulator=result.simulator,
        events=events,
        build_seconds=result.build_seconds,
        run_seconds=result.run_seconds,
        events_per_second=result.events_per_second,
    )


def _bulk_speeds(
    program: IntegerProgram,
    design: RtlDesign,
    verilator: Simulator,
    folder: Path,
    vectors: Vectors,
    events: int,
) -> list[SimulationSpeed]:
    """On one core and on all; the emulator is the reference of both."""
    emulator = compile_emulator(program, folder / "emulator")
    low, high = vectors.words.min(axis=0), vectors.words.max(axis=0)
    speeds, built = [], None
    for workers in sorted({1, len(os.sched_getaffinity(0))}):
        chunks = chain([vectors.words], random_rows(low, high, events - len(vectors), seed=workers))
        result = simulate_bulk(design, chunks, emulator, verilator, folder, workers=workers)
        result.level.require()
        built = built or result
        speeds.append(_bulk_speed(result, workers, built.build_seconds))
    return speeds


def _bulk_speed(result: BulkResult, workers: int, build_seconds: float) -> SimulationSpeed:
    return SimulationSpeed(
        name=f"bulk, {workers} {'model' if workers == 1 else 'models'}",
        simulator=result.simulator,
        events=result.events,
        build_seconds=build_seconds,
        run_seconds=result.run_seconds,
        events_per_second=result.events_per_second,
    )
