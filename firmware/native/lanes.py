"""Choice of a lane for every node."""

from __future__ import annotations

from trigforge.firmware.native.expressions import cost, lane_for, parts
from trigforge.firmware.native.translate import Source, translate

BYTES_GAIN = 0.75
"""Bytes must be estimated to take at most this fraction of the time of 16-bit lanes: their blocks hold twice the
events and so leave the caches earlier. Measured on the 57-word autoencoder: estimate 0.93, 10 % faster from a cache and
15 % slower from memory."""


def choose_lanes(source: Source) -> tuple[int, ...]:
    """The narrowest lane of at least 16 bits for every node, or of 8 bits where most of a program fits into bytes."""
    words, octets = (narrowest_lanes(source, least) for least in (16, 8))
    return octets if cycles(source, octets) < BYTES_GAIN * cycles(source, words) else words


def narrowest_lanes(source: Source, least: int) -> tuple[int, ...]:
    """The narrowest lane of at least `least` bits that holds each node; outputs are no narrower than inputs."""
    lanes = [max(least, lane_for(interval.bits)) for interval in source.ranges]
    for result in source.results:
        lanes[result] = max(lanes[result], source.input_lane)
    return tuple(lanes)


def cycles(source: Source, lanes: tuple[int, ...]) -> float:
    """Estimated cycles for the events that a 512-bit vector of bytes holds."""
    made = {part for index in range(len(lanes)) for part in parts(translate(index, source, lanes))}
    return sum(cost(x) for x in made) / 8
