"""Verification of a trigger between links: played in a simulator, compared with its models on every clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trigforge.errors import CheckError
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl import Decisions, Stimulus, predict
from trigforge.firmware.rtl.links_model import Received, receive, send
from trigforge.firmware.rtl.links_top import LinksTop
from trigforge.sim.cosim.certificate import LINKS_LEVEL, LevelResult, Timing
from trigforge.sim.cosim.links_stimulus import LinksVectors
from trigforge.sim.cosim.packed import RESET_CLOCK, UNKNOWN, Digits, Packed, compare_ports, digits_of
from trigforge.sim.cosim.simulators import Simulator, SimulatorName
from trigforge.sim.cosim.trigger import clock_kinds, expected_words, output_words


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a trigger between links makes of what they carry."""

    received: Received
    stimulus: Stimulus
    """Of the trigger, as the receiver gives it to it."""
    decisions: Decisions


def pack_links(top: LinksTop, sources: tuple[Path, ...], folder: Path) -> Packed:
    """A trigger between links, whose sources `LinksTop.write` wrote, with its ports packed by a module in `folder`."""
    return Packed.write(sources, [top.top], top.inputs, top.outputs, folder)


def expect(top: LinksTop, program: IntegerProgram, vectors: LinksVectors) -> Expectation:
    """What the models of receiver and trigger say of a stimulus."""
    stream = vectors.stream
    got = receive(top.receives, stream)
    scores = np.zeros((len(stream.reset), len(top.trigger.scores)), dtype=np.int64)
    scores[got.valid] = program(got.words[got.valid])[:, list(top.trigger.scores)]
    stimulus = Stimulus(stream.reset, got.bc0, got.lumi, got.valid, scores, vectors.writes, vectors.reads)
    return Expectation(got, stimulus, predict(top.trigger, stimulus))


def given_ports(top: LinksTop, vectors: LinksVectors, *, undefined: bool, seed: int = 1) -> dict[str, Digits]:
    """The inputs before every clock; data that mean nothing and all before the first reset are X or, else, random."""
    s, width = vectors.stream, top.receives.width
    flags = {"rst": s.reset, "link_valid": s.valid, "link_bc0": s.bc0, "link_lumi": s.lumi}
    given = {name: digits_of(array, 1) for name, array in flags.items()}
    given["link_data"] = digits_of(s.data, width)
    bus = np.zeros((len(s.reset), 3), dtype=np.int64)
    for clock, write in vectors.writes:
        bus[clock] = write.address, 1, write.value
    for clock, address in vectors.reads:
        bus[clock, 0] = address
    names = ("bus_addr", "bus_write", "bus_wdata")
    given |= {name: digits_of(bus[:, k], top.inputs[name]) for k, name in enumerate(names)}
    noise = np.random.default_rng(seed).integers(ord("0"), ord("1"), given["link_data"].shape, np.uint8, endpoint=True)
    hidden = np.repeat(vectors.meaningless, width, axis=1)
    given["link_data"][hidden] = UNKNOWN if undefined else noise[hidden]
    if undefined:
        for digits in given.values():
            digits[:RESET_CLOCK] = UNKNOWN
    return given


def expected_ports(top: LinksTop, expectation: Expectation) -> dict[str, Digits]:
    """The outputs before every clock: the receiver's state, the trigger's ports, the links out."""
    got, trigger = expectation.received, top.trigger
    expected = {
        "link_locked": digits_of(got.locked, 1),
        "link_errors": digits_of(np.minimum(got.errors, (1 << 32) - 1), 32),
        "link_suspects": digits_of(got.suspects, 1),
    }
    values, column = expected_words(trigger, expectation.stimulus, expectation.decisions), 0
    for name, words in output_words(trigger).items():
        pieces = [digits_of(values[:, column + k], word.width) for k, word in enumerate(words)]
        expected[name] = np.concatenate(pieces, axis=1)
        column += len(words)
    sent = send(top, expectation.decisions, expectation.stimulus.reset)
    expected["tx_data"] = digits_of(sent.data, top.sends.width)
    return expected | {"tx_valid": digits_of(sent.valid, 1), "tx_bc0": digits_of(sent.bc0, 1)}


def simulate_links(
    top: LinksTop, packed: Packed, program: IntegerProgram, vectors: LinksVectors, simulator: Simulator, folder: Path
) -> tuple[LevelResult, Timing]:
    """Play what links and bus carry, compare every output on every clock, and measure latency and II.

    An event is a clock, of a crossing with a `collision`, of an `empty` one, `idle`, or `unlocked` while the links do
    not agree. Raises `CheckError` if it does not compile, an output has undefined bits or the latency is not the
    declared one.
    """
    undefined = simulator.name is SimulatorName.ICARUS
    (seen,) = packed.play(given_ports(top, vectors, undefined=undefined), simulator, folder)
    expectation = expect(top, program, vectors)
    kinds = clock_kinds(expectation.stimulus, expectation.decisions)
    kinds = np.where(expectation.received.locked, kinds, "unlocked")
    level = compare_ports(LINKS_LEVEL, expected_ports(top, expectation), seen, kinds, {})
    if not level.ok:
        return level, Timing(latency_clocks=top.latency_clocks + 1, ii=top.receives.frames)
    return level, _timing(top, vectors, seen)


def _timing(top: LinksTop, vectors: LinksVectors, seen: Mapping[str, Digits]) -> Timing:
    """Clocks from the first BC0 that all links agree on after a reset to that of the results, and between crossings."""
    sent, strobe = (seen[name][:, 0] == ord("1") for name in ("tx_bc0", "out_strobe"))
    agreed = np.logical_and.reduce(vectors.stream.bc0, axis=1)
    resets, found, declared = np.flatnonzero(vectors.stream.reset), set(), top.latency_clocks + 1
    for start, end in zip(resets, [*resets[1:], len(sent)], strict=True):
        marks, results = (np.flatnonzero(flags[start + 1 : end]) for flags in (agreed, sent))
        if len(marks) and len(results):
            found.add(int(results[0] - marks[0]))
    if found != {declared}:
        said = ", ".join(map(str, sorted(found))) or "no result"
        raise CheckError(f"the latency of {top.top!r} must be {declared} clocks as declared, but {said} was measured")
    begin, end = (clock + top.latency_clocks for clock in vectors.whole)
    return Timing(latency_clocks=declared, ii=int(np.diff(np.flatnonzero(strobe[begin:end])).max()))
