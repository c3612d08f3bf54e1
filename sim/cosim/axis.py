"""Verification of a core between AXI4-Streams: played in a simulator, compared with its model on every clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl.axis import AxisTop
from trigforge.sim.cosim.axis_model import BoolArray, Trace, run_model
from trigforge.sim.cosim.axis_stimulus import RESET_CLOCKS, full_speed, make_packets, make_pattern
from trigforge.sim.cosim.certificate import AXIS_LEVEL, LevelResult, Timing
from trigforge.sim.cosim.packed import RESET_CLOCK, UNKNOWN, Digits, Packed, compare_ports, digits_of
from trigforge.sim.cosim.simulators import Simulator, SimulatorName
from trigforge.sim.cosim.vectors import Vectors


def pack_axis(top: AxisTop, sources: tuple[Path, ...], folder: Path) -> Packed:
    """A core between streams, whose sources `AxisTop.write` wrote, with its ports packed by a module in `folder`."""
    return Packed.write(sources, [top.top], top.input_bits, top.output_bits, folder, clock="aclk")


def make_trace(top: AxisTop, program: IntegerProgram, vectors: Vectors, seed: int, changes: int) -> Trace:
    """What the streams carry for a random stimulus; words of `vectors` that change about `changes` times."""
    capacity = top.events + max(top.beats)
    pattern, rng = make_pattern(capacity, seed, 2 * changes * max(top.beats)), np.random.default_rng(seed)
    clocks = len(pattern.offer)
    events = 2 * clocks // top.beats[0]  # enough: of four, three are whole, and one is torn somewhere
    held = max(1, round(clocks / max(top.beats) / 2 / changes))
    rows = rng.permutation(len(vectors))[np.arange(events) // held % len(vectors)]
    packets = make_packets(top, vectors.words[rows], seed, whole=full_speed(capacity))
    return run_model(top, packets, top.encode_results(program(vectors.words))[rows], pattern)


def given_ports(trace: Trace, meaningless: BoolArray, *, undefined: bool, seed: int = 1) -> dict[str, Digits]:
    """The inputs before every clock; on `meaningless` ones TDATA and TLAST are X or, if that is not to be, random.

    Before the first reset all inputs are X then.
    """
    given = {
        "aresetn": digits_of(~trace.pattern.reset, 1),
        "s_axis_tvalid": digits_of(trace.tvalid, 1),
        "s_axis_tlast": digits_of(trace.tlast, 1),
        "m_axis_tready": digits_of(trace.pattern.ready, 1),
        "s_axis_tdata": digits_of(trace.tdata, 8),
    }
    rng = np.random.default_rng(seed)
    for name in ("s_axis_tlast", "s_axis_tdata"):
        noise = rng.integers(ord("0"), ord("1"), given[name].shape, np.uint8, endpoint=True)
        given[name][meaningless] = UNKNOWN if undefined else noise[meaningless]
    if undefined:
        for digits in given.values():
            digits[:RESET_CLOCK] = UNKNOWN
    return given


def expected_ports(trace: Trace, error_bits: int = 32) -> tuple[dict[str, Digits], dict[str, BoolArray]]:
    """The outputs before every clock, and on which clocks data and TLAST of the results count: where they are valid."""
    expected = {
        "s_axis_tready": digits_of(trace.tready, 1),
        "m_axis_tvalid": digits_of(trace.out_valid, 1),
        "m_axis_tlast": digits_of(trace.out_last, 1),
        "m_axis_tdata": digits_of(trace.out_data, 8),
        "torn_packets": digits_of(np.minimum(trace.torn, 2**error_bits - 1), error_bits),
    }
    return expected, dict.fromkeys(("m_axis_tlast", "m_axis_tdata"), trace.out_valid)


def simulate_axis(
    top: AxisTop, packed: Packed, trace: Trace, simulator: Simulator, folder: Path, changes: int
) -> tuple[LevelResult, Timing]:
    """Play what the streams carry, compare both on every clock after the first reset, and measure latency and II.

    Icarus Verilog gets X where nobody may look, at most `changes` times; other simulators get noise. Raises
    `CheckError` if it does not compile, an output has undefined bits or the latency is not the declared one.
    """
    undefined = simulator.name is SimulatorName.ICARUS
    meaningless = ~trace.tvalid
    if undefined:
        gaps = np.random.default_rng(0).permutation(np.flatnonzero(meaningless))
        meaningless[gaps[changes:]] = False
    (seen,) = packed.play(given_ports(trace, meaningless, undefined=undefined), simulator, folder)
    expected, heeded = expected_ports(trace)
    level = compare_ports(AXIS_LEVEL, expected, seen, _kinds(trace), heeded)
    if not level.ok:
        return level, Timing(latency_clocks=top.latency_clocks, ii=max(top.beats))
    return level, _timing(top, trace, seen["m_axis_tvalid"][:, 0] == ord("1"))


def _kinds(trace: Trace) -> npt.NDArray[np.str_]:
    """What becomes of a beat of results on every clock: it is `taken` or `stalled`, or there is none (`idle`)."""
    kinds: npt.NDArray[np.str_] = np.where(trace.out_valid, np.where(trace.pattern.ready, "taken", "stalled"), "idle")
    return kinds


def _timing(top: AxisTop, trace: Trace, shown: BoolArray) -> Timing:
    """Clocks from an event's last beat to its results, the first after a reset, and between events at full speed."""
    resets, found = np.flatnonzero(trace.pattern.reset), set()
    for start, end in zip(resets, [*resets[1:], len(shown)], strict=True):
        taken, results = (np.flatnonzero(flags[start + 1 : end]) for flags in (trace.completes, shown))
        if len(taken) and len(results):
            found.add(int(results[0] - taken[0]))
    if found != {top.latency_clocks}:
        said = ", ".join(map(str, sorted(found))) or "no result"
        raise CheckError(
            f"the latency of {top.top!r} must be {top.latency_clocks} clocks as declared, but {said} was measured"
        )
    free = RESET_CLOCK + RESET_CLOCKS
    events = np.flatnonzero(trace.completes[free : free + full_speed(top.events + max(top.beats))])
    return Timing(latency_clocks=top.latency_clocks, ii=int(np.diff(events).max()))
