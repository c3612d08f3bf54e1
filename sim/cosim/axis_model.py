"""A source and a sink that obey AXI4-Stream, and what `tf_axis` shows between them, clock for clock.

Nothing here follows the hardware's structure: events are on their way for the core's latency, then wait in a queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trigforge.firmware.rtl.axis import AxisTop, Beats
from trigforge.fixed import IntArray

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
    completes: BoolArray
    """The last beat of a whole event is taken at the edge."""


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
    given, shown = np.zeros((3, clocks), dtype=bool), np.zeros((3, clocks), dtype=bool)
    tdata = np.zeros((clocks, top.data_bits[0] // 8), dtype=np.uint8)
    out_data, torn = np.zeros((clocks, top.data_bits[1] // 8), dtype=np.uint8), np.zeros(clocks, dtype=np.int64)
    source, hardware = _Source(packets), _Hardware(top, results)
    for t in range(clocks):
        sending = hardware.sending
        shown[:, t], torn[t] = (hardware.up, bool(sending), bool(sending) and sending[0][1]), hardware.torn
        if sending:
            out_data[t] = sending[0][0]
        if t:
            tdata[t] = tdata[t - 1]
        if pattern.reset[t]:
            source.reset()
            hardware.reset()
            continue
        if source.offers(bool(pattern.offer[t])):
            packet = source.todo[0]
            given[:2, t], tdata[t] = (True, source.final and packet.last), packet.beats[source.beat]
        done = source.taken() if source.holds and hardware.up else None
        given[2, t] = done is not None and done.whole
        hardware.edge(t, bool(sending) and bool(pattern.ready[t]), done)
    return Trace(pattern, given[0], given[1], tdata, shown[0], shown[1], shown[2], out_data, torn, given[2])
