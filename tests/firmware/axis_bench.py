"""A source, a sink and a model of `tf_axis`, clock for clock: what it is given and what it must show."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.firmware.rtl.axis import AxisTop, Beats
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Simulator

from .links_bench import RESET_CLOCKS, UNKNOWN, Digits, Packed, digits_of, renamed, written

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Packet:
    """What a source sends without a reset in between: all beats of an event, or fewer of which the last has TLAST."""

    beats: npt.NDArray[np.uint8]
    last: bool
    event: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """When the source wants to send a beat and when the sink takes one, and resets: (clocks,)."""

    offer: BoolArray
    ready: BoolArray
    reset: BoolArray


@dataclass(frozen=True, slots=True)
class Trace:
    """Signals of both streams just before every rising clock edge; what the source gives and what must be shown."""

    pattern: Pattern
    tvalid: BoolArray
    tlast: BoolArray
    tdata: npt.NDArray[np.uint8]
    tready: BoolArray
    out_valid: BoolArray
    out_last: BoolArray
    out_data: npt.NDArray[np.uint8]
    torn: IntArray


def make_packets(top: AxisTop, words: IntArray, seed: int) -> list[Packet]:
    """Events with random TLAST, one in four cut off by it if an event has several beats; unused bits are random."""
    rng = np.random.default_rng(seed)
    encoded = top.encode(words)
    bits = np.unpackbits(encoded.reshape(len(words), -1), axis=1, bitorder="little")
    used = top.ports[0].bits
    bits[:, used:] = rng.integers(0, 2, bits[:, used:].shape)
    events = np.packbits(bits, axis=1, bitorder="little").reshape(encoded.shape)
    last, cut = rng.random(len(words)) < 0.4, (rng.random(len(words)) < 0.25) & (top.beats[0] > 1)
    ends = np.where(cut, rng.integers(1, max(2, top.beats[0]), len(words)), top.beats[0]).tolist()
    return [
        Packet(event[:end], bool(last[k] or cut[k]), k, whole=not cut[k])
        for k, (event, end) in enumerate(zip(events, ends, strict=True))
    ]


def make_pattern(capacity: int, seed: int) -> Pattern:
    """Full speed, back-pressure on either side and both, stalls longer than the queue, bursts, resets, and the end."""
    rng = np.random.default_rng(seed)
    parts: list[tuple[BoolArray, BoolArray, bool]] = []

    def add(clocks: int, offer: float, ready: float, *, reset: bool = False) -> None:
        parts.append((rng.random(clocks) < offer, rng.random(clocks) < ready, reset))

    add(RESET_CLOCKS, 0, 0)
    add(2, 1, 1, reset=True)
    add(12 * capacity, 1, 1)
    add(150, 0.4, 1)
    add(150, 1, 0.4)
    add(250, 0.6, 0.6)
    add(1, 1, 1, reset=True)
    add(10 * capacity, 1, 0)
    add(12 * capacity, 1, 1)
    add(200, 0.8, 0.2)
    add(3, 1, 1, reset=True)
    add(60, 0.1, 0.9)
    for _ in range(30):
        add(int(rng.integers(1, 3 * capacity)), rng.choice([0, 0.5, 1]), rng.choice([0, 0.5, 1]))
    for gap in (1, 2, 3, 5, 8, 13):
        add(1, 1, 1, reset=True)
        add(gap + capacity, 1, 0.7)
    add(12 * capacity, 1, 1)
    add(10 * capacity, 0, 1)
    offer, ready = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    reset = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    return Pattern(offer, ready, reset)


class _Source:
    """Holds a beat until it is taken; after a reset it goes on with the next packet."""

    def __init__(self, packets: Sequence[Packet]) -> None:
        self.todo = deque(packets)
        self.beat = 0
        self.holds = False

    def offers(self, wants: bool) -> bool:
        self.holds = bool(self.todo) and (self.holds or wants)
        return self.holds

    @property
    def final(self) -> bool:
        return self.beat == len(self.todo[0].beats) - 1

    def taken(self) -> Packet | None:
        """The packet whose final beat was taken with this one."""
        self.holds = False
        packet = self.todo.popleft() if self.final else None
        self.beat = 0 if packet else self.beat + 1
        return packet

    def reset(self) -> None:
        if self.beat:
            self.todo.popleft()
        self.beat, self.holds = 0, False


class _Hardware:
    """Events on their way with the clock at whose edge the core has their results, and the beats being sent."""

    def __init__(self, top: AxisTop, results: Beats) -> None:
        self.top, self.results = top, results
        self.reset()

    def reset(self) -> None:
        self.under_way: deque[tuple[int, Packet]] = deque()
        self.sending: list[tuple[npt.NDArray[np.uint8], bool]] = []
        self.up, self.torn = False, 0

    def edge(self, clock: int, sent: bool, packet: Packet | None) -> None:
        """A rising edge at which a beat of results was taken, and the final beat of a packet."""
        free = len(self.sending) == int(sent)
        self.sending = self.sending[sent:]
        if free and self.under_way and self.under_way[0][0] < clock:
            leaving = self.under_way.popleft()[1]
            beats = self.results[leaving.event]
            self.sending = [(beat, leaving.last and k == len(beats) - 1) for k, beat in enumerate(beats)]
        if packet is not None and packet.whole:
            self.under_way.append((clock + self.top.core.latency_clocks, packet))
        self.torn += packet is not None and not packet.whole
        self.up = len(self.under_way) < self.top.events


def run_model(top: AxisTop, packets: Sequence[Packet], results: Beats, pattern: Pattern) -> Trace:
    """What a source that obeys AXI4-Stream gives and what `tf_axis` must show.

    `results` are the beats (events, beats, bytes) of every event's results.
    """
    clocks = len(pattern.offer)
    given, shown = np.zeros((2, clocks), dtype=bool), np.zeros((3, clocks), dtype=bool)
    tdata = np.zeros((clocks, top.data_bits[0] // 8), dtype=np.uint8)
    out_data, torn = np.zeros((clocks, top.data_bits[1] // 8), dtype=np.uint8), np.zeros(clocks, dtype=np.int64)
    source, hardware = _Source(packets), _Hardware(top, results)
    for t in range(clocks):
        sending = hardware.sending
        shown[:, t], torn[t] = (hardware.up, bool(sending), bool(sending) and sending[0][1]), hardware.torn
        if sending:
            out_data[t] = sending[0][0]
        if pattern.reset[t]:
            source.reset()
            hardware.reset()
            continue
        if source.offers(bool(pattern.offer[t])):
            packet = source.todo[0]
            given[:, t], tdata[t] = (True, source.final and packet.last), packet.beats[source.beat]
        done = source.taken() if source.holds and hardware.up else None
        hardware.edge(t, bool(sending) and bool(pattern.ready[t]), done)
    return Trace(pattern, given[0], given[1], tdata, shown[0], shown[1], shown[2], out_data, torn)


def play_copies(
    top: AxisTop, mutations: Sequence[tuple[str, str, str]], error_bits: int, trace: Trace, simulator: Simulator,
    folder: Path,
) -> list[dict[str, Digits]]:  # fmt: skip
    """The outputs of the streams of a top and of its mutants `(module, old, new)`, all given what the trace says.

    What a receiver must not look at is undefined where the simulator has a value for that.
    """
    texts = {
        name: text.replace("[31:0] torn_packets", f"[{error_bits - 1}:0] torn_packets").replace(
            "ERROR_BITS = 32", f"ERROR_BITS = {error_bits}"
        )
        for name, text in top.emit().items()
    }
    sources, instances = dict(texts), [top.top]
    for index, mutation in enumerate(mutations):
        sources |= renamed(texts, mutation, f"_mutant_{index}")
        instances.append(f"{top.top}_mutant_{index}")
    inputs = {"aresetn": 1, "s_axis_tvalid": 1, "s_axis_tlast": 1, "m_axis_tready": 1, "s_axis_tdata": top.data_bits[0]}
    outputs = {"s_axis_tready": 1, "m_axis_tvalid": 1, "m_axis_tlast": 1, "m_axis_tdata": top.data_bits[1]}
    packed = Packed.of(
        (*top.core.sources, *written(sources, folder / "sources")),
        instances, inputs, outputs | {"torn_packets": error_bits}, clock="aclk",
    )  # fmt: skip
    return packed.play(_given(trace, undefined=simulator.name == "icarus"), simulator, folder / "build")


def _given(trace: Trace, *, undefined: bool) -> Mapping[str, Digits]:
    given = {
        "aresetn": digits_of(~trace.pattern.reset, 1),
        "s_axis_tvalid": digits_of(trace.tvalid, 1),
        "s_axis_tlast": digits_of(trace.tlast, 1),
        "m_axis_tready": digits_of(trace.pattern.ready, 1),
        "s_axis_tdata": digits_of(trace.tdata, 8),
    }
    if undefined:
        for name in ("s_axis_tlast", "s_axis_tdata"):
            given[name][~trace.tvalid] = UNKNOWN
        for digits in given.values():
            digits[:RESET_CLOCKS] = UNKNOWN
    return given


def differences(trace: Trace, seen: Mapping[str, Digits], error_bits: int) -> list[str]:
    """The outputs that are not what the model says, and where first; data and TLAST count where they are valid."""
    start = RESET_CLOCKS + 1
    always, valid = np.ones(len(trace.tready), dtype=bool), trace.out_valid
    expected = {
        "s_axis_tready": (digits_of(trace.tready, 1), always),
        "m_axis_tvalid": (digits_of(trace.out_valid, 1), always),
        "m_axis_tlast": (digits_of(trace.out_last, 1), valid),
        "m_axis_tdata": (digits_of(trace.out_data, 8), valid),
        "torn_packets": (digits_of(np.minimum(trace.torn, 2**error_bits - 1), error_bits), always),
    }
    found = []
    for name, (digits, counts) in expected.items():
        wrong = ((seen[name] != digits).any(axis=1) & counts)[start:]
        if wrong.any():
            found.append(f"{name} at clock {start + int(np.argmax(wrong))}")
    return found
