"""Receiver and sender of links: equal to their models clock for clock, and every mutant is caught."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import trigforge.firmware.rtl
from trigforge.firmware.design import Word
from trigforge.firmware.rtl.links import LinkMap
from trigforge.firmware.rtl.links_model import LinkStream, Received, receive
from trigforge.firmware.rtl.links_top import LINK_MODULES
from trigforge.firmware.synthesis import yosys_command
from trigforge.sim.cosim import Simulator, find_simulator
from trigforge.sim.cosim.build import child_environment
from trigforge.sim.cosim.links_stimulus import Fault, spoil
from trigforge.sim.cosim.packed import RESET_CLOCK, UNKNOWN, Digits, Packed, digits_of

from .rtl_copies import mutants, tools, written

TEXTS = {f"{m}.sv": (Path(trigforge.firmware.rtl.__file__).parent / f"{m}.sv").read_text() for m in LINK_MODULES}
ORBIT = 5


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    return find_simulator("icarus")


RX_SHAPES = {"three links": (3, 4, 16), "a frame a crossing": (2, 1, 9), "360 MHz": (1, 9, 64), "240 MHz": (2, 6, 32)}
ERROR_BITS = 3


def faults(links: int, frames: int) -> list[tuple[Fault, int, int]]:
    """What can be wrong: a kind, the link and the frame that it is about."""
    single, shared = (Fault.VALID, Fault.STRAY), (Fault.CHANGE, Fault.CUT)
    each = [(kind, link, frame) for kind in single for link in range(links) for frame in range(frames)]
    late = [(kind, link, 0) for kind in (Fault.MISSING, Fault.LATE, Fault.SKEW) for link in range(links)]
    return [*each, *late, *((kind, 0, frame) for kind in shared for frame in range(frames)), (Fault.NONE, 0, 0)]


def make_stream(link_map: LinkMap, seed: int) -> LinkStream:
    """Random crossings, every fault in an orbit of its own between orbits without one; resets after half of them."""
    rng = np.random.default_rng(seed)
    kinds = faults(link_map.links, link_map.frames) * (2 if link_map.frames == 1 else 1)
    kinds = [kinds[k] for k in rng.permutation(len(kinds))]
    length = ORBIT * link_map.frames
    orbits = 2 * len(kinds) + 8
    bc0 = np.arange(orbits * ORBIT) % ORBIT == 0
    words = np.zeros((len(bc0), len(link_map.words)), dtype=np.int64)
    stream = LinkStream.of(link_map, words, rng.random(len(bc0)) < 0.75, bc0, rng.random(len(bc0)) < 0.5)
    stream.data[:] = rng.integers(0, 1 << 64, stream.data.shape, dtype=np.uint64) >> np.uint64(64 - link_map.width)
    for k, (kind, link, frame) in enumerate(kinds):
        orbit = (2 * k + 3) * length
        clock = orbit + int(rng.integers(ORBIT)) * link_map.frames + frame
        spoil(stream, kind, link, clock, orbit, link_map.frames)
    end = (orbits - 4) * length
    torn = end + length
    stream.bc0[torn, 0] ^= True
    resets = [RESET_CLOCK, length + link_map.frames, torn + 2, torn + 3, torn + length, torn + 2 * length + 1]
    stream.reset[resets] = True
    early = length * np.arange(5, len(kinds) + 4, 2) - 3
    stream.reset[early] = True
    stream.valid[early + 1, -1] ^= True
    return stream


@dataclass(frozen=True, slots=True)
class Receivers:
    """`tf_links` of a map and its mutants, what their links carry and what they must show."""

    packed: Packed
    link_map: LinkMap
    stream: LinkStream
    expected: Received

    @classmethod
    def of(cls, shape: tuple[int, int, int], folder: Path, mutations: Sequence[tuple[str, str]] = ()) -> Receivers:
        links, frames, width = shape
        link_map = LinkMap.pack([Word(min(width, 60), signed=False)] * (links * frames), frames, width)
        sources = written(mutants(TEXTS, "tf_links", mutations), folder)
        numbers = f"#(.LINKS({links}), .FRAMES({frames}), .WIDTH({width}), .ERROR_BITS({ERROR_BITS}))"
        inputs = {"rst": 1, "link_valid": links, "link_bc0": links, "link_lumi": 1, "link_data": links * width}
        outputs = {"valid": 1, "bc0": 1, "lumi": 1, "locked": 1, "errors": ERROR_BITS, "suspects": links}
        instances = [f"{source.stem} {numbers}" for source in sources]
        packed = Packed.write(sources, instances, inputs, outputs | {"words": links * frames * width}, folder)
        stream = make_stream(link_map, links + frames)
        return cls(packed, link_map, stream, receive(link_map, stream))

    def differences(self, simulator: Simulator, folder: Path) -> list[list[str]]:
        """Of every copy, the outputs that are not what the model says, and where first.

        What nobody may look at is undefined where the simulator has a value for that.
        """
        s, width = self.stream, self.link_map.width
        flags = {"rst": s.reset, "link_valid": s.valid, "link_bc0": s.bc0, "link_lumi": s.lumi}
        given = {name: digits_of(array, 1) for name, array in flags.items()}
        given["link_data"] = digits_of(s.data, width)
        if simulator.name == "icarus":
            given["link_data"][np.repeat(~s.valid, width, axis=1)] = UNKNOWN
            given["link_lumi"][~s.bc0.all(axis=1)] = UNKNOWN
            for digits in given.values():
                digits[:RESET_CLOCK] = UNKNOWN
        return [self._wrong(seen) for seen in self.packed.play(given, simulator, folder)]

    def _wrong(self, seen: dict[str, Digits]) -> list[str]:
        e = self.expected
        expected = {
            "valid": digits_of(e.valid, 1), "bc0": digits_of(e.bc0, 1), "lumi": digits_of(e.lumi, 1),
            "locked": digits_of(e.locked, 1), "suspects": digits_of(e.suspects, 1),
            "errors": digits_of(np.minimum(e.errors, 2**ERROR_BITS - 1), ERROR_BITS),
        }  # fmt: skip
        found = []
        for name, digits in expected.items():
            wrong = (seen[name] != digits)[RESET_CLOCK + 1 :].any(axis=1)
            if wrong.any():
                found.append(f"{name} at clock {RESET_CLOCK + 1 + int(np.argmax(wrong))}")
        frames = self.stream.data[np.flatnonzero(e.valid)[:, None] - np.arange(self.link_map.frames, 0, -1)]
        bits = digits_of(frames.transpose(0, 2, 1).reshape(len(frames), -1), self.link_map.width)
        wrong = (seen["words"][e.valid] != bits).any(axis=1)
        return [*found, *([f"words at clock {np.flatnonzero(e.valid)[np.argmax(wrong)]}"] if wrong.any() else [])]


@pytest.mark.parametrize("shape", RX_SHAPES.values(), ids=RX_SHAPES)
def test_the_receiver_is_its_model(shape: tuple[int, int, int], icarus: Simulator, tmp_path: Path) -> None:
    receiver = Receivers.of(shape, tmp_path / "rx")
    e = receiver.expected
    assert receiver.differences(icarus, tmp_path / "build") == [[]]
    assert e.valid.mean() > 0.3 / shape[1]
    assert e.errors.max() > 2**ERROR_BITS
    assert (~e.locked[RESET_CLOCK + 1 :]).any()
    assert e.lumi.any()
    assert_array_equal(e.suspects.any(axis=0), [False, *[True] * (shape[0] - 1)])


def test_no_crossing_is_valid_that_the_links_do_not_agree_on(tmp_path: Path) -> None:
    receiver = Receivers.of(RX_SHAPES["three links"], tmp_path / "rx")
    s, frames = receiver.stream, receiver.link_map.frames
    for clock in np.flatnonzero(receiver.expected.valid):
        crossing = slice(clock - frames, clock)
        assert s.valid[crossing].all()
        assert (s.bc0[crossing].any(axis=1) <= s.bc0[crossing].all(axis=1)).all()
        assert not s.bc0[crossing][1:].any()
        assert_array_equal(
            receiver.expected.words[clock], receiver.link_map.deserialise(s.data[None, crossing].transpose(0, 2, 1))[0]
        )


RX_MUTANTS = [
    ("torn = |other_bc0", "torn = 1'b0"),
    ("torn = |other_bc0", "torn = other_bc0[1]"),
    ("start = &link_bc0", "start = link_bc0[0]"),
    ("start = &link_bc0", "start = |link_bc0"),
    ("first = start || last_frame == LAST", "first = last_frame == LAST"),
    ("frame = first ? '0", "frame = last_frame == LAST ? '0"),
    ("start || (locked && !torn)", "start || locked"),
    ("start || (locked && !torn)", "start || !torn"),
    ("first ? link_valid[0] : has_valid", "link_valid[0]"),
    ("first ? start : has_bc0", "start"),
    ("first ? start : has_bc0", "first ? locked : has_bc0"),
    ("first ? start && link_lumi", "first ? link_lumi"),
    ("|other_valid || link_valid[0]", "other_valid[1] || link_valid[0]"),
    ("|other_valid || link_valid[0] != now_valid", "|other_valid"),
    ("|other_valid || link_valid[0]", "link_valid[0]"),
    ("held = first || sound", "held = sound"),
    ("held = first || sound", "held = 1'b1"),
    ("locked && start && last_frame != LAST", "start && last_frame != LAST"),
    ("locked && start && last_frame != LAST", "1'b0"),
    ("locked && start && last_frame != LAST", "locked && start"),
    ("now_locked && held && differ", "now_locked && differ"),
    ("now_locked && held && differ", "held && differ"),
    ("now_locked && frame == LAST", "frame == LAST"),
    ("now_locked && frame == LAST", "locked && frame == LAST"),
    ("sound <= held && !differ", "sound <= !differ"),
    ("complete && held && !differ && now_valid", "complete && !differ && now_valid"),
    ("complete && held && !differ && now_valid", "complete && held && now_valid"),
    ("complete && held && !differ && now_valid", "complete && held && !differ"),
    ("complete && held && !differ && now_valid", "held && !differ && now_valid"),
    ("bc0 <= complete && now_bc0", "bc0 <= now_bc0"),
    ("lumi <= complete && now_lumi", "lumi <= now_lumi"),
    ("(torn || cut || doubt)", "(cut || doubt)"),
    ("(torn || cut || doubt)", "(torn || cut)"),
    (" && errors != '1", ""),
    ("suspects | other_bc0", "suspects"),
    ("(doubt ? other_valid : '0)", "other_valid"),
    ("(doubt ? other_valid : '0)", "'0"),
    ("suspects <= suspects |", "suspects <="),
    ("lumi, locked, errors", "lumi, errors"),
    ("frame == FRAME_BITS'(f)", "last_frame == FRAME_BITS'(f)"),
    ("link_data[l*WIDTH+:WIDTH]", "link_data[(LINKS-1-l)*WIDTH+:WIDTH]"),
]
"""A text in `tf_links` and what replaces it."""


def test_every_mutant_of_the_receiver_is_caught(icarus: Simulator, tmp_path: Path) -> None:
    receivers = Receivers.of(RX_SHAPES["three links"], tmp_path / "rx", RX_MUTANTS)
    original, *mutated = receivers.differences(icarus, tmp_path / "build")
    assert original == []
    assert len(set(RX_MUTANTS)) > 35
    assert [m for m, wrong in zip(RX_MUTANTS, mutated, strict=True) if not wrong] == []


TX_SHAPES = {"two links": (2, 4, 8), "a frame a crossing": (1, 1, 16), "360 MHz": (1, 9, 64)}


@dataclass(frozen=True, slots=True)
class Senders:
    """`tf_links_tx` and its mutants, what they are given and what their links must carry."""

    packed: Packed
    given: dict[str, Digits]
    start: int
    expected: dict[str, Digits]

    @classmethod
    def of(cls, shape: tuple[int, int, int], folder: Path, mutations: Sequence[tuple[str, str]] = ()) -> Senders:
        links, frames, width = shape
        sources = written(mutants(TEXTS, "tf_links_tx", mutations), folder)
        inputs = {"rst": 1, "strobe": 1, "valid": 1, "bc0": 1, "words": links * frames * width}
        outputs = {"link_data": links * width, "link_valid": links, "link_bc0": links}
        numbers = f"#(.LINKS({links}), .FRAMES({frames}), .WIDTH({width}))"
        packed = Packed.write(sources, [f"{source.stem} {numbers}" for source in sources], inputs, outputs, folder)
        return cls(packed, *_send(np.random.default_rng(frames), links, frames, width))

    def differences(self, simulator: Simulator, folder: Path) -> list[list[str]]:
        """Of every copy, the outputs that are not what they must be, and where first."""
        found = []
        for seen in self.packed.play(self.given, simulator, folder):
            wrong = {name: (seen[name] != digits)[self.start :].any(axis=1) for name, digits in self.expected.items()}
            found.append([f"{k} at clock {self.start + int(np.argmax(bad))}" for k, bad in wrong.items() if bad.any()])
        return found


def _send(
    rng: np.random.Generator, links: int, frames: int, width: int
) -> tuple[dict[str, Digits], int, dict[str, Digits]]:
    """Crossings on time, early and late, cut by resets; what is given, from when on outputs count, and what they are.

    Words and flags hold from their strobe until the last of their frames is due; otherwise they are undefined.
    """
    gaps = rng.choice([frames] * 6 + [frames + 1, frames + 3, max(1, frames - 1), 1], 250)
    strobes = RESET_CLOCK + 4 + np.cumsum(gaps)
    clocks = int(strobes[-1]) + 2 * frames + 4
    reset, strobe = np.zeros((2, clocks), dtype=bool)
    reset[[RESET_CLOCK, strobes[60], strobes[120] - 1, strobes[180] + 1]] = True
    strobe[strobes] = True
    given = {"rst": digits_of(reset, 1), "strobe": digits_of(strobe, 1)}
    given |= {name: np.full((clocks, 1), UNKNOWN, np.uint8) for name in ("valid", "bc0")}
    given["words"] = np.full((clocks, links * frames * width), UNKNOWN, np.uint8)
    for digits in given.values():
        digits[:RESET_CLOCK] = UNKNOWN
    expected = {"link_data": np.full((clocks, links * width), ord("0"), np.uint8)}
    expected |= {name: np.full((clocks, links), ord("0"), np.uint8) for name in ("link_valid", "link_bc0")}
    stops = np.flatnonzero(strobe | reset)
    for clock in strobes.tolist():
        until = min([clock + frames, *stops[stops > clock].tolist()])
        bits = rng.integers(0, 2, (links, frames, width), dtype=np.uint8) + np.uint8(ord("0"))
        valid, bc0 = (rng.integers(0, 2, 2) + ord("0")).astype(np.uint8)
        given["words"][clock:until], given["valid"][clock:until] = bits.ravel(), valid
        given["bc0"][clock] = bc0
        for frame in range(0 if reset[clock] else until - clock):
            expected["link_data"][clock + frame + 1] = bits[:, frame].ravel()
            expected["link_valid"][clock + frame + 1] = valid
            expected["link_bc0"][clock + frame + 1] = bc0 if frame == 0 else ord("0")
    return given, RESET_CLOCK + 1, expected


@pytest.mark.parametrize("shape", TX_SHAPES.values(), ids=TX_SHAPES)
def test_the_sender_sends_every_frame_in_its_clock(
    shape: tuple[int, int, int], icarus: Simulator, tmp_path: Path
) -> None:
    assert Senders.of(shape, tmp_path / "tx").differences(icarus, tmp_path / "build") == [[]]


TX_MUTANTS = [
    ("sends = strobe || busy", "sends = strobe"),
    ("sends = strobe || busy", "sends = busy"),
    ("sends = strobe || busy", "sends = 1'b1"),
    ("frame = strobe ? '0 : last_frame + 1'b1", "frame = last_frame + 1'b1"),
    ("frame = strobe ? '0 : last_frame + 1'b1", "frame = strobe ? '0 : last_frame"),
    ("frame = strobe ? '0 : last_frame + 1'b1", "frame = strobe && !busy ? '0 : last_frame + 1'b1"),
    ("sends && frame != LAST", "frame != LAST"),
    ("sends && frame != LAST", "sends"),
    ("sends && frame != LAST", "sends && last_frame != LAST"),
    ("FRAME_BITS'(FRAMES - 1)", "FRAME_BITS'(FRAMES - 2)"),
    ("{LINKS{sends && valid}}", "{LINKS{sends}}"),
    ("{LINKS{sends && valid}}", "{LINKS{strobe && valid}}"),
    ("{LINKS{sends && valid}}", "LINKS'(sends && valid)"),
    ("{LINKS{strobe && bc0}}", "{LINKS{strobe}}"),
    ("{LINKS{strobe && bc0}}", "{LINKS{sends && bc0}}"),
    ("{LINKS{strobe && bc0}}", "LINKS'(strobe && bc0)"),
    ("{last_frame, busy, link_valid, link_bc0} <= '0", "{last_frame, link_valid, link_bc0} <= '0"),
    ("{last_frame, busy, link_valid, link_bc0} <= '0", "{last_frame, busy, link_bc0} <= '0"),
    ("{last_frame, busy, link_valid, link_bc0} <= '0", "{last_frame, busy, link_valid} <= '0"),
    ("own[frame*WIDTH+:WIDTH]", "own[last_frame*WIDTH+:WIDTH]"),
    ("own[frame*WIDTH+:WIDTH]", "own[(LAST-frame)*WIDTH+:WIDTH]"),
    ("!rst && sends", "sends"),
    ("!rst && sends", "!rst && strobe"),
    ("own[frame*WIDTH+:WIDTH] : '0", "own[frame*WIDTH+:WIDTH] : link_data[l*WIDTH+:WIDTH]"),
    ("words[l*FRAMES*WIDTH+:FRAMES*WIDTH]", "words[0+:FRAMES*WIDTH]"),
]
"""A text in `tf_links_tx` and what replaces it."""


def test_every_mutant_of_the_sender_is_caught(icarus: Simulator, tmp_path: Path) -> None:
    senders = Senders.of(TX_SHAPES["two links"], tmp_path / "tx", TX_MUTANTS)
    original, *mutated = senders.differences(icarus, tmp_path / "build")
    assert original == []
    assert len(set(TX_MUTANTS)) > 20
    assert [m for m, wrong in zip(TX_MUTANTS, mutated, strict=True) if not wrong] == []


LINTED = ({"LINKS": 1, "FRAMES": 1, "WIDTH": 16}, {"LINKS": 5, "FRAMES": 6, "WIDTH": 32})


@pytest.mark.parametrize("numbers", [{}, *LINTED], ids=["defaults", "one frame", "five links"])
@pytest.mark.parametrize("module", LINK_MODULES)
def test_verilator_has_nothing_to_say(module: str, numbers: dict[str, int], tmp_path: Path) -> None:
    simulator, folder = find_simulator("verilator"), tmp_path / "rtl"
    written(TEXTS, folder)
    options = [*(f"-G{k}={v}" for k, v in numbers.items()), "--top-module", module]
    command = [str(simulator.executable), "--lint-only", "-Wall", *options, f"{module}.sv"]
    assert tools(folder, command, child_environment(simulator.environment)) == (0, "")


def test_yosys_synthesises_every_module(tmp_path: Path) -> None:
    folder = tmp_path / "rtl"
    written(TEXTS, folder)
    script = "; ".join(f"read_verilog -sv {m}.sv; synth -top {m}; check -assert; design -reset" for m in LINK_MODULES)
    assert tools(folder, [*yosys_command(), "-q", "-p", script], os.environ) == (0, "")
