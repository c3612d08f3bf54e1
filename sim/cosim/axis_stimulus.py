"""Constrained-random stimuli of a core between AXI4-Streams: packets and torn ones, stalls of either side, resets."""

from __future__ import annotations

from typing import Final

import numpy as np

from trigforge.firmware.rtl.axis import AxisTop
from trigforge.fixed import IntArray
from trigforge.sim.cosim.axis_model import BoolArray, Packet, Pattern
from trigforge.sim.cosim.packed import RESET_CLOCK

RESET_CLOCKS: Final = 2
"""Clocks of the first reset."""
_STRETCHES: Final = 30
"""Stretches in which either side never, sometimes or always wants a beat."""


def full_speed(capacity: int) -> int:
    """Clocks from the first reset on in which the source always offers and the sink is always ready."""
    return 12 * capacity


def make_packets(top: AxisTop, words: IntArray, seed: int, whole: int = 0) -> list[Packet]:
    """Events with random TLAST, one in four cut off by it if an event has several beats; unused bits are random.

    The first `whole` events are not cut off.
    """
    rng = np.random.default_rng(seed)
    encoded = top.encode(words)
    bits = np.unpackbits(encoded.reshape(len(words), -1), axis=1, bitorder="little")
    used = top.ports[0].bits
    bits[:, used:] = rng.integers(0, 2, bits[:, used:].shape)
    events = np.packbits(bits, axis=1, bitorder="little").reshape(encoded.shape)
    last, cut = rng.random(len(words)) < 0.4, (rng.random(len(words)) < 0.25) & (top.beats[0] > 1)
    cut[:whole] = False
    ends = np.where(cut, rng.integers(1, max(2, top.beats[0]), len(words)), top.beats[0]).tolist()
    return [
        Packet(event[:end], bool(last[k] or cut[k]), k, whole=not cut[k])
        for k, (event, end) in enumerate(zip(events, ends, strict=True))
    ]


def make_pattern(capacity: int, seed: int, stalled: int = 0) -> Pattern:
    """Full speed, back-pressure on either side and both, stalls longer than the queue, bursts, resets, and the end.

    `capacity` is in clocks: the events that the queue holds, and the beats of one. For `stalled` clocks more both sides
    stall at random.
    """
    rng = np.random.default_rng(seed)
    parts: list[tuple[BoolArray, BoolArray, bool]] = []

    def add(clocks: int, offer: float, ready: float, *, reset: bool = False) -> None:
        parts.append((rng.random(clocks) < offer, rng.random(clocks) < ready, reset))

    add(RESET_CLOCK, 0, 0)
    add(RESET_CLOCKS, 1, 1, reset=True)
    add(full_speed(capacity), 1, 1)
    add(150, 0.4, 1)
    add(150, 1, 0.4)
    add(250, 0.6, 0.6)
    add(1, 1, 1, reset=True)
    add(10 * capacity, 1, 0)
    add(12 * capacity, 1, 1)
    add(200, 0.8, 0.2)
    add(3, 1, 1, reset=True)
    add(60, 0.1, 0.9)
    for _ in range(_STRETCHES):
        add(int(rng.integers(1, 3 * capacity)), rng.choice([0, 0.5, 1]), rng.choice([0, 0.5, 1]))
    add(stalled, 0.8, 0.8)
    for gap in (1, 2, 3, 5, 8, 13):
        add(1, 1, 1, reset=True)
        add(gap + capacity, 1, 0.7)
    add(12 * capacity, 1, 1)
    add(10 * capacity, 0, 1)
    offer, ready = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    reset = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    return Pattern(offer, ready, reset)
