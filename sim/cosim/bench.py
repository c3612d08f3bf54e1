"""The cocotb test that runs inside the simulator: plays events into a design, one a clock, and records its output.

It decides nothing: which events, how often and what the output must be is the business of `cosim`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

FOLDER_VARIABLE = "TRIGFORGE_BENCH"
"""Environment variable that names the folder of the exchanged files."""


async def _play(job: dict[str, Any], dut: Any, stimulus: list[bytes], order: Iterable[int]) -> list[str]:
    """Apply one event before every rising edge; the output just before each application, as text."""
    given, seen = getattr(dut, job["input"]), getattr(dut, job["output"])
    falling = FallingEdge(getattr(dut, job["clock"]))
    trace = []
    for event in order:
        await falling
        trace.append(str(seen.value))
        given.value = stimulus[event].decode()
    return trace


async def _stream(dut: Any) -> None:
    folder = Path(os.environ[FOLDER_VARIABLE])
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    widths = {port: len(getattr(dut, job[port])) for port in ("input", "output")}
    if widths != {port: job[f"{port}_bits"] for port in widths}:
        outcome: dict[str, Any] = {"widths": widths}
    else:
        stimulus = list(np.load(folder / "stimulus.npy"))
        order = np.load(folder / "order.npy").tolist()
        clock = getattr(dut, job["clock"])
        clock.value = 0  # Verilator starts it at random: one edge passes before the first event, whatever the seed
        await Timer(job["period_ps"], unit="ps")
        Clock(clock, job["period_ps"], unit="ps").start(start_high=False)
        trace = await _play(job, dut, stimulus, order[: job["prologue"]])
        start = time.perf_counter()
        trace += await _play(job, dut, stimulus, order[job["prologue"] :])
        outcome = {"widths": widths, "seconds": time.perf_counter() - start}
        np.save(folder / "trace.npy", np.array(trace, dtype=f"S{job['output_bits']}"))
    (folder / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")


stream = cocotb.test(name="stream")(_stream)
