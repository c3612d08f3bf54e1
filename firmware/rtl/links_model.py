"""What `tf_links` makes of what its links carry, and what `tf_links_tx` sends: what their simulation must equal.

Nothing here follows the hardware's structure: crossings are numbered by their distance from the BC0 on which all links
agree, and each is judged as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.rtl.links import LinkMap
from trigforge.firmware.rtl.links_top import LinksTop
from trigforge.firmware.rtl.trigger_model import BoolArray, Decisions
from trigforge.fixed import IntArray


@dataclass(frozen=True, slots=True)
class LinkStream:
    """What links carry before every rising clock edge: arrays (n, links), and (n,) for all links together."""

    reset: BoolArray
    lumi: BoolArray
    """With a `bc0`: this orbit begins a luminosity section."""
    data: npt.NDArray[np.uint64]
    valid: BoolArray
    bc0: BoolArray

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.data, self.valid, self.bc0)}
        if len(shapes) != 1 or self.data.ndim != 2 or self.data.dtype != np.uint64:
            raise InputError(f"links must carry uint64 data and flags of one shape (n, links), not {sorted(shapes)}")
        if {self.reset.shape, self.lumi.shape} != {self.data.shape[:1]}:
            raise InputError(f"reset and lumi of links must have shape {self.data.shape[:1]}, not {self.reset.shape}")

    @classmethod
    def of(cls, link_map: LinkMap, words: IntArray, valid: BoolArray, bc0: BoolArray, lumi: BoolArray) -> Self:
        """Crossings (n, words) and their flags (n,), one after the other on links that agree; reset is never high."""
        crossings, clocks = len(words), len(words) * link_map.frames
        data = link_map.serialise(words).transpose(0, 2, 1).reshape(clocks, link_map.links)
        first = np.zeros((crossings, link_map.frames, link_map.links), dtype=bool)
        first[:, 0] = bc0[:, None]
        return cls(
            reset=np.zeros(clocks, dtype=bool),
            lumi=np.repeat(lumi, link_map.frames),
            data=np.ascontiguousarray(data),
            valid=np.repeat(valid, link_map.frames)[:, None].repeat(link_map.links, axis=1),
            bc0=first.reshape(clocks, link_map.links),
        )


@dataclass(frozen=True, slots=True)
class Received:
    """What `tf_links` shows just before every rising clock edge, from the first edge after a reset on: arrays (n,)."""

    words: IntArray
    """(n, words); they mean something where `valid`."""
    valid: BoolArray
    bc0: BoolArray
    lumi: BoolArray
    locked: BoolArray
    errors: IntArray
    """Clocks since the reset in which something was wrong."""
    suspects: BoolArray
    """(n, links): the links that have disagreed with link 0."""


def receive(link_map: LinkMap, stream: LinkStream) -> Received:
    """What the receiver of links shows for a stream; all zero until the first reset, before which it is undefined."""
    clocks, links = stream.data.shape
    if links != link_map.links:
        raise InputError(f"a stream must be of the {link_map.links} links of its map, not of {links}")
    shown = Received(
        words=np.zeros((clocks, len(link_map.words)), dtype=np.int64),
        valid=np.zeros(clocks, dtype=bool),
        bc0=np.zeros(clocks, dtype=bool),
        lumi=np.zeros(clocks, dtype=bool),
        locked=np.zeros(clocks, dtype=bool),
        errors=np.zeros(clocks, dtype=np.int64),
        suspects=np.zeros((clocks, links), dtype=bool),
    )
    resets = np.flatnonzero(stream.reset).tolist()
    for reset, end in zip(resets, [*resets[1:], clocks], strict=True):
        _receive_part(link_map, stream, shown, (reset + 1, end))
    return shown


def _receive_part(link_map: LinkMap, stream: LinkStream, shown: Received, part: tuple[int, int]) -> None:
    """Fill in what shows between two resets, of which nothing comes in on the clocks `part`, the end excluded."""
    start, end = part
    agreed = np.logical_and.reduce(stream.bc0, axis=1)
    torn = np.logical_or.reduce(stream.bc0, axis=1) & ~agreed
    wrong = torn.copy()
    disagree = torn[:, None] & (stream.bc0 != stream.bc0[:, :1])
    shows: list[int] = []
    marks = [clock for clock in np.flatnonzero(agreed | torn).tolist() if start <= clock < end]
    for begin, until in pairwise([*marks, end]):
        if torn[begin]:
            continue
        shown.locked[begin + 1 : until + 1] = True
        if until < end and agreed[until] and (until - begin) % link_map.frames:
            wrong[until] = True
        for first in range(begin, until, link_map.frames):
            last = min(first + link_map.frames, until)
            bad = stream.valid[first:last] != stream.valid[first, 0]
            if bad.any():
                clock = first + int(np.argmax(bad.any(axis=1)))
                wrong[clock] = True
                disagree[clock] |= stream.valid[clock] != stream.valid[clock, 0]
            if last - first == link_map.frames and last < len(shown.valid):
                shown.valid[last] = stream.valid[first, 0] and not bad.any()
                shown.bc0[last] = first == begin
                shown.lumi[last] = first == begin and stream.lumi[first]
                shows.append(last)
    clocks = np.array(shows, dtype=np.int64)[:, None] + np.arange(-link_map.frames, 0)
    shown.words[shows] = link_map.deserialise(stream.data[clocks].transpose(0, 2, 1))
    shown.errors[start + 1 : end + 1] = np.cumsum(wrong[start:end])[: len(shown.errors) - start - 1]
    seen = np.logical_or.accumulate(disagree[start:end], axis=0) if end > start else disagree[:0]
    shown.suspects[start + 1 : end + 1] = seen[: len(shown.suspects) - start - 1]


def send(top: LinksTop, decisions: Decisions, reset: BoolArray) -> LinkStream:
    """What the sending links of a trigger carry for its decisions (k,) and resets (n,); zeros before the first."""
    link_map, clocks = top.sends, len(reset)
    words, valid, bc0 = top.results(decisions)
    crossings = link_map.serialise(words).transpose(0, 2, 1)
    data = np.zeros((clocks + link_map.frames + 2, link_map.links), dtype=np.uint64)
    flags = np.zeros((2, *data.shape), dtype=bool)
    stops = np.union1d(np.flatnonzero(reset), decisions.clock)
    following = np.append(stops, clocks + link_map.frames)[np.searchsorted(stops, decisions.clock, side="right")]
    for k, (clock, stop) in enumerate(zip(decisions.clock.tolist(), following.tolist(), strict=True)):
        if clock < clocks and not reset[clock]:
            until = min(clock + link_map.frames, stop)
            data[clock + 1 : until + 1] = crossings[k][: until - clock]
            flags[0, clock + 1 : until + 1], flags[1, clock + 1] = valid[k], bc0[k]
    off = np.zeros(clocks, dtype=bool)
    return LinkStream(reset, off, data[:clocks], flags[0, :clocks], flags[1, :clocks])
