"""From the levels that software can compare to a certificate: the RTL is co-simulated and its level added."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trigforge.errors import MissingToolError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.emulator import Emulator, compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.sim.cosim.certificate import Certificate, LevelResult, compare
from trigforge.sim.cosim.cosim import CosimResult, simulate
from trigforge.sim.cosim.simulators import Simulator
from trigforge.sim.cosim.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Subject:
    """What is certified: a program and its RTL, what else identifies them, and the tools that made them."""

    name: str
    program: IntegerProgram
    design: RtlDesign
    clock_ns: float
    digests: Mapping[str, str]
    """Digests of what the program was made of, such as contract and model."""
    tools: Mapping[str, str]
    """Tool -> version."""


def native_emulator(program: IntegerProgram, cache: Path) -> Emulator:
    """The emulator as native code; without a compiler it is the program itself, and comparing the two proves nothing.

    Raises `MissingToolError` then.
    """
    emulator = compile_emulator(program, cache)
    if emulator.library is None:
        raise MissingToolError("g++ must be on PATH to verify the emulator, but it was not found; apt-get install g++")
    return emulator


def certify(
    subject: Subject,
    software: Iterable[LevelResult],
    vectors: Vectors,
    simulator: Simulator,
    folder: Path,
    events: int | None = None,
) -> tuple[Certificate, CosimResult]:
    """Simulate the RTL in `folder` and put its level behind the `software` ones, which were compared on `vectors`.

    The RTL gets all of the vectors, or about `events` of them. The certificate may be red: `Certificate.require`
    says so. Raises what `simulate` does.
    """
    program, design = subject.program, subject.design
    streamed = vectors if events is None else vectors.thinned(events)
    rtl = simulate(design, streamed.words, simulator, folder, clock_period_ns=subject.clock_ns)
    certificate = Certificate(
        name=subject.name,
        levels=(*software, compare("program_vs_rtl", program(streamed.words), rtl.outputs, streamed.kinds)),
        vectors=vectors.counts(),
        latency_clocks=rtl.latency_clocks,
        ii=rtl.ii,
        clock_ns=subject.clock_ns,
        tools={**subject.tools, "cocotb": importlib.metadata.version("cocotb"), "simulator": rtl.simulator},
        digests={**subject.digests, "program": program.digest, "rtl": design.digest},
    )
    return certificate, rtl
