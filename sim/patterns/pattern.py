"""Test patterns: the words of events as frames on links, clock by clock, as test stands play and capture them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.firmware.rtl.links import Frames, LinkMap, Place
from trigforge.fixed import IntArray
from trigforge.units import ORBIT_BUNCHES
from trigforge.value import Value

ORBIT, START, END, VALID = 8, 4, 2, 1
"""Bits of a frame's flags, in the order of EMP's four digits: start of orbit, start and end of packet, valid."""
BLOCK: Final = 4096
"""Events that are turned into clocks at a time."""

Flags = npt.NDArray[np.uint8]


class Kind(StrEnum):
    """What a pattern is: what was played, what must come out, or what a board captured."""

    STIMULUS = "stimulus"
    EXPECTED = "expected"
    CAPTURE = "capture"


class PlacedWord(Value):
    """A word and where its lowest bit is: link (by order, not channel), frame and bit; None for a word of 0 bits."""

    name: str = Field(default="", pattern=r"^\S*$")
    width: int = Field(ge=0, le=64)
    signed: bool
    place: tuple[int, int, int] | None


class Header(Value):
    """What a pattern means: whose it is, and how the words of an event lie on its links and in time.

    Event k has its frames at the clocks `lead + k * period` and following, the same on all links.
    """

    format: Literal["trigforge-pattern-1"] = "trigforge-pattern-1"
    kind: Kind
    project: str = Field(pattern=r"^\S+$")
    contract: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the input contract."""
    program: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the program."""
    events: int = Field(ge=1)
    channels: tuple[int, ...] = Field(min_length=1)
    """The number of every link on the board."""
    frames: int = Field(ge=1)
    """Frames that an event has on a link."""
    period: int = Field(ge=1)
    """Clocks from an event to the next; those beyond its frames are not valid."""
    lead: int = Field(default=0, ge=0)
    """Clocks before the first event."""
    bits: int = Field(default=64, ge=1, le=64)
    """Bits of a frame."""
    algorithms: tuple[str, ...] = Field(default=(), exclude_if=lambda settings: not settings)
    """Settings of the trigger whose results these are, `THRESHOLD@PRESCALE` each; none for those of a core."""
    words: tuple[PlacedWord, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.period < self.frames:
            raise ValueError(f"period must be at least the {self.frames} frames of an event, not {self.period}")
        if len(set(self.channels)) != len(self.channels) or min(self.channels) < 0:
            raise ValueError(f"channels must be distinct and not negative, not {list(self.channels)}")
        self.link_map()
        return self

    @classmethod
    def of(
        cls, kind: Kind, link_map: LinkMap, names: Sequence[str], channels: Sequence[int], period: int, **rest: object
    ) -> Self:
        """The header of a pattern whose words lie on links as `link_map` says."""
        words = [
            {"name": name, "width": word.width, "signed": word.signed, "place": None if place is None else tuple(place)}
            for name, word, place in zip(names, link_map.words, link_map.places, strict=True)
        ]
        fields = {"frames": link_map.frames, "bits": link_map.width, "channels": tuple(channels), "period": period}
        return cls.parse({"kind": kind, "words": words, **fields, **rest}, where=f"a {kind.value} pattern")

    def link_map(self) -> LinkMap:
        """Where the words are on the links."""
        places = tuple(None if word.place is None else Place(*word.place) for word in self.words)
        words = tuple(Word(word.width, word.signed) for word in self.words)
        return LinkMap(words, places, len(self.channels), self.frames, self.bits)

    @property
    def clocks(self) -> int:
        """Clocks from the beginning of the pattern to the end of its last event."""
        return self.lead + self.events * self.period


@dataclass(frozen=True, slots=True)
class Pattern:
    """Frames (clocks, links) and their flags from clock `first` on."""

    first: int
    frames: npt.NDArray[np.uint64]
    flags: Flags

    def __post_init__(self) -> None:
        if self.frames.ndim != 2 or self.frames.dtype != np.uint64 or self.flags.dtype != np.uint8:
            raise InputError(f"a pattern must be uint64 of shape (clocks, links), not {self.frames.dtype}")
        if self.frames.shape != self.flags.shape:
            raise InputError(f"frames and flags must have one shape, not {self.frames.shape} and {self.flags.shape}")

    def __len__(self) -> int:
        return len(self.frames)

    def cut(self, start: int, stop: int) -> Pattern:
        """The clocks from one row to before another."""
        return Pattern(self.first + start, self.frames[start:stop], self.flags[start:stop])


@dataclass(frozen=True, slots=True)
class Buffers:
    """A pattern that was read: its channels, what is known of its flags, and its blocks in order."""

    channels: tuple[int, ...]
    known_flags: int
    """EMPv1 has the flag valid alone, APx no start of orbit."""
    blocks: Iterator[Pattern]

    def whole(self) -> Pattern:
        """All blocks as one."""
        blocks = list(self.blocks)
        if not blocks:
            empty = np.zeros((0, len(self.channels)), dtype=np.uint64)
            return Pattern(0, empty, empty.astype(np.uint8))
        frames, flags = [b.frames for b in blocks], [b.flags for b in blocks]
        return Pattern(blocks[0].first, np.concatenate(frames), np.concatenate(flags))


def play(header: Header, words: Iterable[IntArray]) -> Iterator[Pattern]:
    """The pattern of the words (n, words) of `header.events` events, block by block.

    Event k belongs to crossing k of the orbit modulo 3564, whose first has the flag of an orbit's start.
    Raises `InputError` if a word does not fit its place or the number of events is not that of the header.
    """
    links = len(header.channels)
    if header.lead:
        yield _empty(0, header.lead, links)
    link_map, done = header.link_map(), 0
    for block in _blocks(words):
        yield _clocks(header, link_map.serialise(block), done)
        done += len(block)
    if done != header.events:
        raise InputError(f"a pattern of {header.events} events must be given as many, not {done}")


def events_of(header: Header, buffers: Buffers, where: str) -> Iterator[IntArray]:
    """The words (n, words) of a pattern that `play` made, block by block.

    Raises `InputError` that names the clock if channels or flags are not those of the header, or events are missing.
    """
    if buffers.channels != header.channels:
        raise InputError(
            f"{where} must have the channels {_list(header.channels)} of its header, not {_list(buffers.channels)}"
        )
    link_map, done, rest = header.link_map(), 0, _empty(0, 0, len(header.channels))
    for block in buffers.blocks:
        rest = _joined(rest, block)
        start = header.lead if done == 0 else 0
        count = min(header.events - done, max(0, len(rest) - start) // header.period)
        if done == 0 and count and (rest.flags[:start] & buffers.known_flags).any():
            raise InputError(f"{where}: the first {start} clocks must not be valid")
        if count:
            used = rest.cut(start, start + count * header.period)
            yield link_map.deserialise(_frames(header, used, done, buffers.known_flags, where))
            done += count
            rest = rest.cut(start + len(used), len(rest))
    if done != header.events:
        raise InputError(f"{where} must hold the {header.events} events of its header, but ends after {done}")


def _list(channels: Sequence[int]) -> str:
    return ", ".join(map(str, channels))


def _joined(a: Pattern, b: Pattern) -> Pattern:
    return Pattern(a.first, np.concatenate([a.frames, b.frames]), np.concatenate([a.flags, b.flags])) if len(a) else b


def _empty(first: int, clocks: int, links: int) -> Pattern:
    return Pattern(first, np.zeros((clocks, links), dtype=np.uint64), np.zeros((clocks, links), dtype=np.uint8))


def _blocks(words: Iterable[IntArray]) -> Iterator[IntArray]:
    for array in words:
        for start in range(0, len(array), BLOCK):
            yield array[start : start + BLOCK]


def _clocks(header: Header, frames: Frames, done: int) -> Pattern:
    """The clocks of some events, of which `done` came before."""
    events, links, used = frames.shape
    data = np.zeros((events, header.period, links), dtype=np.uint64)
    data[:, :used] = frames.transpose(0, 2, 1)
    clocks = events * header.period
    flags = np.repeat(_flags(header, done, events), links, axis=1)
    return Pattern(header.lead + done * header.period, data.reshape(clocks, links), flags)


def _flags(header: Header, done: int, events: int) -> Flags:
    """The flags (clocks, 1) of some events, of which `done` came before."""
    flags = np.zeros((events, header.period), dtype=np.uint8)
    flags[:, : header.frames] = VALID
    flags[:, 0] |= START
    flags[:, header.frames - 1] |= END
    flags[(np.arange(done, done + events) % ORBIT_BUNCHES) == 0, 0] |= ORBIT
    return flags.reshape(-1, 1)


def _frames(header: Header, pattern: Pattern, done: int, known: int, where: str) -> Frames:
    """The frames (events, links, frames) of a pattern that begins with an event, after `done` others."""
    events, links = len(pattern) // header.period, len(header.channels)
    bad = ((pattern.flags ^ _flags(header, done, events)) & known) != 0
    if bad.any():
        clock, link = (int(k) for k in np.argwhere(bad)[0])
        event, frame = divmod(clock, header.period)
        raise InputError(
            f"{where}: clock {pattern.first + clock} of channel {header.channels[link]} must have the flags of frame "
            f"{frame} of event {done + event} ({_flags(header, done, events)[clock, 0] & known:04b}), "
            f"not {pattern.flags[clock, link] & known:04b}"
        )
    split = pattern.frames.reshape(events, header.period, links)[:, : header.frames]
    return np.ascontiguousarray(split.transpose(0, 2, 1))
