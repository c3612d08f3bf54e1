"""From the levels that software can compare to a certificate: the core and what is around it are simulated."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from trigforge.errors import MissingToolError
from trigforge.filling import FillingScheme
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.emulator import Emulator, compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl import TriggerTop
from trigforge.firmware.rtl.axis import AxisTop
from trigforge.firmware.rtl.links_top import LinksTop
from trigforge.sim.cosim.axis import make_trace, pack_axis, simulate_axis
from trigforge.sim.cosim.certificate import Certificate, LevelResult, Timing, compare
from trigforge.sim.cosim.cosim import CosimResult, simulate
from trigforge.sim.cosim.links import pack_links, simulate_links
from trigforge.sim.cosim.links_stimulus import make_links_vectors
from trigforge.sim.cosim.packed import Packed
from trigforge.sim.cosim.simulators import Simulator, SimulatorName, find_simulator
from trigforge.sim.cosim.trigger import PackedTrigger, TriggerResult, simulate_trigger
from trigforge.sim.cosim.trigger_stimulus import make_trigger_vectors
from trigforge.sim.cosim.vectors import Vectors
from trigforge.sim.coverage.measure import coverage
from trigforge.sim.coverage.points import Bins


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
    bins: Bins | None = None,
) -> tuple[Certificate, CosimResult]:
    """Simulate the RTL in `folder` and put its level behind the `software` ones, which were compared on `vectors`.

    The RTL gets all of the vectors, or about `events` of them; how much of `bins` those cover is written down. The
    certificate may be red: `Certificate.require` says so. Raises what `simulate` does.
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
        coverage={} if bins is None else coverage(bins, streamed.words).counts(),
    )
    return certificate, rtl


MOST_CHANGES: Final = {SimulatorName.VERILATOR: 4000, SimulatorName.ICARUS: 100}
"""How often a trigger's words change in a simulator: Icarus needs a tenth of a second for a large core's event."""


@dataclass(frozen=True, slots=True)
class TriggerSubject:
    """A trigger as it was written, the core's program, and the crossings that collide."""

    trigger: TriggerTop
    sources: tuple[Path, ...]
    program: IntegerProgram
    filling: FillingScheme
    seed: int


Top = TypeVar("Top", LinksTop, AxisTop)


@dataclass(frozen=True, slots=True)
class TopSubject(Generic[Top]):
    """What is around a core, or a trigger, as it was written, and the core's program."""

    top: Top
    sources: tuple[Path, ...]
    program: IntegerProgram
    seed: int


def trigger_simulator(simulator: Simulator) -> Simulator:
    """The simulator of what is around a core, SystemVerilog: the core's, or another where that reads VHDL only."""
    if simulator.name is not SimulatorName.GHDL:
        return simulator
    try:
        return find_simulator(SimulatorName.VERILATOR)
    except MissingToolError:
        return find_simulator(SimulatorName.ICARUS)


def certify_trigger(
    certificate: Certificate,
    subject: TriggerSubject,
    vectors: Vectors,
    simulator: Simulator,
    folder: Path,
    events: int | None = None,
) -> tuple[Certificate, TriggerResult]:
    """The certificate with the level, the latency and the digest of the trigger, which is simulated in `folder`.

    Its words are those of `vectors`, or of about `events` of them. A simulator of VHDL is replaced by one of Verilog.
    Raises what `simulate_trigger` does, and `MissingToolError` if there is none.
    """
    simulator = trigger_simulator(simulator)
    streamed = vectors if events is None else vectors.thinned(events)
    packed = PackedTrigger.write(subject.trigger, subject.sources, folder / "trigger")
    changes = min(len(streamed), MOST_CHANGES[simulator.name])
    made = make_trigger_vectors(
        subject.trigger, subject.program, streamed, subject.filling, subject.seed, changes=changes
    )
    found = simulate_trigger(packed, made, simulator, folder)
    other = {} if found.simulator == certificate.tools.get("simulator") else {"trigger_simulator": found.simulator}
    added = {
        "levels": (*certificate.levels, found.level),
        "trigger_latency_clocks": found.latency_clocks,
        "tools": certificate.tools | other,
        "digests": certificate.digests | {"trigger": packed.design.digest},
    }
    return certificate.model_copy(update=added), found


def certify_links(
    certificate: Certificate,
    subject: TopSubject[LinksTop],
    filling: FillingScheme,
    vectors: Vectors,
    simulator: Simulator,
    folder: Path,
    events: int | None = None,
) -> Certificate:
    """The certificate with level, timing and digest of a trigger between links, as `certify_trigger` adds a trigger's.

    Raises what `simulate_links` does, and `MissingToolError` without a simulator of Verilog.
    """
    simulator, top = trigger_simulator(simulator), subject.top
    streamed, changes = _shared(vectors, simulator, events)
    packed = pack_links(top, subject.sources, folder / "links")
    made = make_links_vectors(top, subject.program, streamed, filling, subject.seed, changes)
    level, timing = simulate_links(top, packed, subject.program, made, simulator, folder)
    return _with("links", certificate, level, timing, packed, simulator)


def certify_axis(
    certificate: Certificate,
    subject: TopSubject[AxisTop],
    vectors: Vectors,
    simulator: Simulator,
    folder: Path,
    events: int | None = None,
) -> Certificate:
    """The certificate with level, timing and digest of a core between streams, as `certify_trigger` adds a trigger's.

    Raises what `simulate_axis` does, and `MissingToolError` without a simulator of Verilog.
    """
    simulator, top = trigger_simulator(simulator), subject.top
    streamed, changes = _shared(vectors, simulator, events)
    packed = pack_axis(top, subject.sources, folder / "axis")
    trace = make_trace(top, subject.program, streamed, subject.seed, changes)
    level, timing = simulate_axis(top, packed, trace, simulator, folder, changes)
    return _with("axis", certificate, level, timing, packed, simulator)


def _shared(vectors: Vectors, simulator: Simulator, events: int | None) -> tuple[Vectors, int]:
    """All of `vectors` or about `events` of them, and how often words may change."""
    streamed = vectors if events is None else vectors.thinned(events)
    return streamed, min(len(streamed), MOST_CHANGES[simulator.name])


def _with(
    name: str, certificate: Certificate, level: LevelResult, timing: Timing, packed: Packed, simulator: Simulator
) -> Certificate:
    """The certificate with what was found of the top of a name."""
    other = {} if simulator.label == certificate.tools.get("simulator") else {f"{name}_simulator": simulator.label}
    added = {
        "levels": (*certificate.levels, level),
        name: timing,
        "tools": certificate.tools | other,
        "digests": certificate.digests | {name: packed.design.digest},
    }
    return certificate.model_copy(update=added)
