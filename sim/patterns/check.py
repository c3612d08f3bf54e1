"""What a board captured against what the program says: the latency is found, and the first difference is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError, InputError
from trigforge.firmware.rtl.links import LinkMap
from trigforge.firmware.rtl.links_top import results_of
from trigforge.fixed import IntArray
from trigforge.sim.cosim.certificate import LevelResult, compare
from trigforge.sim.patterns.decisions import Columns, Decider, columns_of, result_names, sent_words
from trigforge.sim.patterns.pattern import START, VALID, Header, Pattern
from trigforge.units import ORBIT_BUNCHES

CANDIDATES: Final = 1 << 16
"""Clocks at which the first event is looked for: nearly two orbits of links at 360 MHz."""
SEARCHED: Final = (64, 4096)
"""Events that decide where the events of a capture begin, and those that decide between clocks that agree equally."""
LEVEL: Final = "program_vs_capture"
TRIGGER_LEVEL: Final = "trigger_vs_capture"
_ONE_BIT: Final = ("algorithm", "FINOR")


@dataclass(frozen=True, slots=True)
class Checked:
    """A capture that was compared: how late its events come, how many there are, and where they first differ."""

    offset: int
    """Clock of the capture at which the first event begins."""
    latency_clocks: int
    """Clocks from the first event of what was played to that; negative if the capture began later."""
    result: LevelResult
    names: tuple[str, ...]
    """What the elements of the result are."""

    @classmethod
    def of(cls, level: str, expected: Columns, got: IntArray, offset: int = 0, lead: int = 0) -> Checked:
        """Compare expected columns with those of a capture."""
        result = compare(level, expected.values, got, np.full(len(got), "captured"))
        return cls(offset, offset - lead, result, expected.names)

    @property
    def events(self) -> int:
        """Events compared."""
        return sum(self.result.vectors.values())

    @property
    def first(self) -> str | None:
        """Event, crossing and word of the first difference, what was expected there and what came."""
        found = self.result.first
        if found is None:
            return None
        name = self.names[found.element]
        bit = "" if name.startswith(_ONE_BIT) else f", bit {found.bit}"
        return (
            f"event {found.event} (crossing {found.event % ORBIT_BUNCHES}), {name}{bit}: "
            f"expected {found.expected}, got {found.got}"
        )

    def require(self) -> None:
        """Raise `CheckError` that names the first difference, if there is one."""
        if self.first is not None:
            raise CheckError(
                f"{self.result.name} must agree on every word, but {self.result.mismatches} of {self.result.words} "
                f"differ; first at {self.first}"
            )


def check_capture(
    header: Header, expected: IntArray, capture: Pattern, known_flags: int, lead: int, latency: int | None = None
) -> Checked:
    """Find the events of a capture and compare their words with the expected ones (events, outputs).

    `header` says how the output words `output0`, `output1` … lie on the links; other words are not compared. `lead` is
    the clock of the first event of what was played. Without `latency` the events are looked for at every clock, or,
    where the capture says which frames begin a packet or are valid, at those; they begin where most words of the first
    events agree. Events that the capture does not hold whole are left out. Raises `CheckError` if no word agrees
    anywhere, or if several clocks agree equally.
    """
    link_map = _outputs(header, expected.shape[1])
    offset, events = _locate(header, link_map, expected, capture, known_flags, lead, latency)
    got = link_map.deserialise(_frames(header, capture, np.array([offset]), events)[0])
    names = tuple(f"output {index}" for index in range(expected.shape[1]))
    return Checked.of(LEVEL, Columns(names, expected[:events]), got, offset, lead)


def check_decisions(
    header: Header,
    decider: Decider,
    outputs: IntArray,
    capture: Pattern,
    known_flags: int,
    lead: int,
    latency: int | None = None,
) -> Checked:
    """`check_capture` of the results of a trigger for the outputs (events, outputs) of its program.

    Compared are those words of `result_names` that the header has. The events are found by the scores among them, or
    by all if there is none.
    """
    trigger, sent = decider.trigger, sent_words(decider, outputs)
    chosen = _results(header, decider)
    names = [result_names(trigger)[k] for k in chosen]
    scores = [k for k, name in zip(chosen, names, strict=True) if name.startswith("output")] or chosen
    link_map = _named(header, [result_names(trigger)[k] for k in scores])
    offset, events = _locate(header, link_map, sent[:, scores], capture, known_flags, lead, latency)
    got = _named(header, names).deserialise(_frames(header, capture, np.array([offset]), events)[0])
    wanted = columns_of(trigger, chosen, sent[:events, chosen])
    return Checked.of(TRIGGER_LEVEL, wanted, columns_of(trigger, chosen, got).values, offset, lead)


def _locate(
    header: Header,
    link_map: LinkMap,
    expected: IntArray,
    capture: Pattern,
    known_flags: int,
    lead: int,
    latency: int | None,
) -> tuple[int, int]:
    """The clock at which the first event begins, and how many events there are from it on."""
    if capture.frames.shape[1] != len(header.channels):
        raise InputError(
            f"a capture must have the {len(header.channels)} links of its pattern, not {capture.frames.shape[1]}"
        )
    if latency is None:
        offset = _find(header, link_map, expected, capture, _candidates(header, capture, known_flags))
    else:
        offset = lead + latency
    events = min(len(expected), (len(capture) - offset - header.frames) // header.period + 1)
    if offset < 0 or events < 1:
        raise InputError(
            f"a capture must hold an event at clock {offset}, but it has {len(capture)} clocks; mind --latency"
        )
    return offset, events


def _outputs(header: Header, count: int) -> LinkMap:
    """Where the outputs of the program are on the links."""
    where = {word.name: index for index, word in enumerate(header.words)}
    names = [f"output{index}" for index in range(count)]
    missing = next((name for name in names if name not in where), None)
    if missing is not None or f"output{count}" in where:
        raise InputError(
            f"a capture of a program with {count} outputs must have words of the names {names[0]}..{names[-1]}, "
            f"not {', '.join(where)}"
        )
    return _named(header, names)


def _results(header: Header, decider: Decider) -> list[int]:
    """The results of a trigger that a layout has, bits of its algorithms among them."""
    words, results = {word.name: word for word in header.words}, results_of(decider.trigger)
    names = result_names(decider.trigger)
    chosen = [k for k, name in enumerate(names) if name in words]
    if not any(results[k].port in {"out_bits", "out_raw"} for k in chosen):
        raise InputError(
            f"a layout of a trigger's results must have some of the words {', '.join(names)}, bits among them, "
            f"not {', '.join(words)}"
        )
    for k in chosen:
        word, found = results[k].word, words[names[k]]
        if (word.width, word.signed) != (found.width, found.signed):
            raise InputError(
                f"{names[k]} of a layout must have {word.width} bits as in the trigger of {decider.trigger.name!r}, "
                f"not {found.width}"
            )
    return chosen


def _named(header: Header, names: Sequence[str]) -> LinkMap:
    """Where words of some names are on the links."""
    where = {word.name: index for index, word in enumerate(header.words)}
    whole, chosen = header.link_map(), [where[name] for name in names]
    words = tuple(whole.words[index] for index in chosen)
    places = tuple(whole.places[index] for index in chosen)
    return LinkMap(words, places, whole.links, whole.frames, whole.width)


def _candidates(header: Header, capture: Pattern, known: int) -> npt.NDArray[np.int64]:
    """The clocks at which the first event may begin."""
    last = len(capture) - header.frames
    if last < 0:
        raise InputError(f"a capture must hold at least the {header.frames} frames of an event, not {len(capture)}")
    clocks = np.arange(last + 1)
    for flag in (START, VALID):
        marked = (capture.flags[: last + 1] & flag).all(axis=1)
        if known & flag and marked.any():
            return clocks[marked][:CANDIDATES]
    return clocks[:CANDIDATES]


def _frames(header: Header, capture: Pattern, offsets: npt.NDArray[np.int64], events: int) -> npt.NDArray[np.uint64]:
    """The frames (offsets, events, links, frames) of events from each of some clocks on; 0 after the end."""
    steps = np.arange(events)[:, None] * header.period + np.arange(header.frames)
    clocks = offsets[:, None, None] + steps
    frames = capture.frames[np.minimum(clocks, len(capture) - 1)]
    frames[clocks >= len(capture)] = 0
    return np.ascontiguousarray(np.moveaxis(frames, -1, -2))


def _find(
    header: Header, link_map: LinkMap, expected: IntArray, capture: Pattern, candidates: npt.NDArray[np.int64]
) -> int:
    """The candidate at which most words agree; it must be the only one."""
    best = candidates
    for events in SEARCHED:
        agreeing = _agreeing(header, link_map, expected[:events], capture, best)
        if not agreeing.max():
            raise CheckError(
                f"a capture must hold outputs of the program, but none agrees at any of {len(candidates)} clocks; "
                "--latency says where they begin"
            )
        best = best[agreeing == agreeing.max()]
        if len(best) == 1:
            return int(best[0])
    raise CheckError(
        f"the latency of a capture must show in its outputs, but they agree equally at clocks {best[0]} and {best[1]}; "
        "play events whose outputs differ, or give --latency"
    )


def _agreeing(
    header: Header, link_map: LinkMap, expected: IntArray, capture: Pattern, candidates: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """How many words agree if the first event begins at each of some clocks."""
    total = np.zeros(len(candidates), dtype=np.int64)
    for event, words in enumerate(expected):
        offsets = candidates + event * header.period
        inside = offsets + header.frames <= len(capture)
        if inside.any():
            got = link_map.deserialise(_frames(header, capture, offsets[inside], 1)[:, 0])
            total[inside] += (got == words).sum(axis=1)
    return total
