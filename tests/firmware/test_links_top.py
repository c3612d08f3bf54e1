"""A trigger between links decides as its models say, over orbits of the LHC too; links that do not fit are refused."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import Algorithm, BusWrite, Decisions, Stimulus, TriggerTop, predict, write_rtl
from trigforge.firmware.rtl.links import LinkMap
from trigforge.firmware.rtl.links_model import LinkStream, receive, send
from trigforge.firmware.rtl.links_top import LinksTop, results_of
from trigforge.firmware.synthesis import yosys_command
from trigforge.sim.cosim import Simulator, find_simulator
from trigforge.sim.cosim.build import child_environment
from trigforge.sim.cosim.links import given_ports
from trigforge.sim.cosim.links_stimulus import Fault, LinksVectors, spoil
from trigforge.sim.cosim.packed import RESET_CLOCK, Packed

from .random_programs import random_program, random_words
from .rtl_copies import tools, written


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    return find_simulator("icarus")


@dataclass(frozen=True, slots=True)
class Whole:
    """A trigger between links, what they carry, and what must come of it."""

    top: LinksTop
    program: IntegerProgram
    stream: LinkStream
    writes: tuple[tuple[int, BusWrite], ...]

    @classmethod
    def of(cls, seed: int, orbit: int, orbits: int, receives: tuple[int, int, int], folder: Path) -> Whole:
        """Random words, faults in some orbits, settings from the second orbit on; `receives` is a shape of links."""
        program = random_program(seed)
        links, frames, width = receives
        core = write_rtl(program, Targets(), folder / "core", "dut")
        numbers = {"algorithms": 3, "compares": (0, 1, 0), "orbit": orbit, "clocks_per_bx": frames}
        trigger = TriggerTop("menu", core, program.digest, **numbers)  # type: ignore[arg-type]
        words = [Word(t.width, t.signed) for t in program.inputs]
        top = LinksTop.of(trigger, LinkMap.pack(words, frames, width, links), width=16)
        values = random_words(program, orbit * orbits, seed)[: orbit * orbits]
        rng = np.random.default_rng(seed)
        bc0 = np.arange(len(values)) % orbit == 0
        stream = LinkStream.of(top.receives, values, rng.random(len(values)) < 0.8, bc0, rng.random(len(values)) < 0.4)
        restart = (orbit + orbit // 2) * frames
        stream.reset[[RESET_CLOCK, restart]] = True
        faulty = ((Fault.VALID, links - 1), (Fault.CUT, 0), (Fault.MISSING, links - 1), (Fault.NONE, 0))
        for (kind, link), number in zip(faulty, range(2, orbits, 2), strict=False):
            begin = number * orbit * frames
            spoil(stream, kind, link, begin + 3 * frames + frames // 2, begin, frames)
        levels = np.quantile(program(values)[:, :2], [0.3, 0.6, 0.8], axis=0, method="nearest")[[0, 1, 2], [0, 1, 0]]
        prescales = (Fraction(1), Fraction(5, 2), Fraction(1))
        settings = trigger.writes([Algorithm(int(t), p) for t, p in zip(levels, prescales, strict=True)])
        writes = tuple((start + 1 + k, w) for start in (RESET_CLOCK, restart) for k, w in enumerate(settings))
        return cls(top, program, stream, writes)

    def decisions(self) -> Decisions:
        """What the trigger decides on what the links deliver."""
        got, trigger = receive(self.top.receives, self.stream), self.top.trigger
        scores = self.program(np.where(got.valid[:, None], got.words, 0))[:, list(trigger.scores)]
        stimulus = Stimulus(self.stream.reset, got.bc0, got.lumi, got.valid, scores, self.writes)
        return predict(trigger, stimulus)

    def play(self, simulator: Simulator, folder: Path) -> LinkStream:
        """What the sending links carry in a simulator."""
        s, top = self.stream, self.top
        sources = top.write(folder)
        packed = Packed.write(sources, [top.top], top.inputs, top.outputs, folder)
        vectors = LinksVectors(s, self.writes, (), ~s.valid, (0, 0))
        given = given_ports(top, vectors, undefined=simulator.name == "icarus")
        (seen,) = packed.play(given, simulator, folder / "build")
        settled = {name: digits[RESET_CLOCK + 1 :] for name, digits in seen.items() if name.startswith("tx_")}
        assert all(np.isin(digits, (ord("0"), ord("1"))).all() for digits in settled.values())
        links, width = top.sends.links, top.sends.width
        weights = np.uint64(1) << np.arange(width, dtype=np.uint64)
        data = (seen["tx_data"].reshape(-1, links, width) == ord("1")) @ weights
        flags = [seen[name] == ord("1") for name in ("tx_valid", "tx_bc0")]
        return LinkStream(s.reset, np.zeros(len(s.reset), dtype=bool), data, *flags)


WHOLE = {
    "two links, four frames": (2, 12, 14, (2, 4, 8)),
    "a frame a crossing": (5, 20, 14, (3, 1, 16)),
    "nine frames": (9, 9, 14, (1, 9, 64)),
}


def require_results(whole: Whole, simulator: Simulator, folder: Path) -> None:
    """The links out of a simulated trigger carry what its model decides, and a receiver gets it back from them."""
    decisions = whole.decisions()
    got, expected = whole.play(simulator, folder), send(whole.top, decisions, whole.stream.reset)
    for name in ("data", "valid", "bc0"):
        assert_array_equal(getattr(got, name)[RESET_CLOCK + 1 :], getattr(expected, name)[RESET_CLOCK + 1 :], name)
    again = receive(whole.top.sends, got)
    frames = whole.top.sends.frames
    shown = np.flatnonzero(again.valid) - frames - 1
    assert len(shown) > 0.4 * len(decisions.clock)
    at = np.searchsorted(decisions.clock, shown)
    assert_array_equal(decisions.clock[at], shown)
    assert_array_equal(again.words[again.valid], whole.top.results(decisions)[0][at])
    bits = decisions.passed[at]
    assert bits.any(axis=0).all()
    assert (~bits).any(axis=0).all()


@pytest.mark.parametrize("shape", WHOLE.values(), ids=WHOLE)
def test_a_trigger_between_links_decides_as_its_models(
    shape: tuple[int, int, int, tuple[int, int, int]], icarus: Simulator, tmp_path: Path
) -> None:
    require_results(Whole.of(*shape, tmp_path), icarus, tmp_path / "top")


def test_orbits_of_the_lhc_over_links(tmp_path: Path) -> None:
    whole = Whole.of(3, 3564, 3, (2, 4, 8), tmp_path)
    require_results(whole, find_simulator("verilator"), tmp_path / "top")
    first = int(np.flatnonzero(whole.stream.bc0.all(axis=1) & (np.arange(len(whole.stream.bc0)) > RESET_CLOCK))[0])
    assert whole.decisions().clock[0] == first + whole.top.latency_clocks


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole.of(*WHOLE["two links, four frames"], tmp_path_factory.mktemp("whole"))


def test_results_are_split_into_words_that_fit_into_frames(whole: Whole) -> None:
    trigger = replace(whole.top.trigger, algorithms=40, compares=(0,))
    found = results_of(trigger)
    assert [r.port for r in found] == ["out_bx", "out_score", *["out_bits"] * 3, *["out_raw"] * 3]
    assert [(r.low, r.word.width) for r in found[2:5]] == [(0, 16), (16, 16), (32, 8)]
    rng = np.random.default_rng(1)
    raw, passed = rng.integers(0, 2, (2, 30, 40)).astype(bool)
    numbers, scores = np.arange(30) % 12, rng.integers(0, 9, (30, 1))
    decisions = Decisions(numbers, numbers, raw[:, 0], scores, raw, passed, (), 0)
    words, valid, bc0 = LinksTop.of(trigger, whole.top.receives).results(decisions)
    assert_array_equal(words[:, :2], np.stack([numbers, scores[:, 0]], axis=1))
    for columns, bits in ((words[:, 2:5], passed), (words[:, 5:], raw)):
        assert_array_equal(columns[:, [0] * 16 + [1] * 16 + [2] * 8] >> (np.arange(40) % 16) & 1, bits)
    assert_array_equal(valid, raw[:, 0])
    assert_array_equal(bc0, numbers == 0)


def test_links_that_do_not_fit_their_trigger_are_refused(whole: Whole) -> None:
    top = whole.top
    slow = LinkMap.pack(top.receives.words, 6)
    with pytest.raises(InputError, match="links of 'menu' must carry 4 frames a crossing, one a clock, not 6; set the"):
        replace(top, receives=slow)
    with pytest.raises(InputError, match="links of 'menu' must carry 4 frames a crossing, one a clock, not 9; set the"):
        replace(top, sends=LinkMap.pack(top.sends.words, 9))
    with pytest.raises(InputError, match=r"the words of the sending map must be results_of\('menu'\), not others"):
        replace(top, sends=LinkMap.pack(top.sends.words[1:], 4))
    with pytest.raises(InputError, match="the receiving map must have 4 words as the core has, not 3"):
        replace(top, receives=LinkMap.pack(top.receives.words[1:], 4))
    wider = [Word(w.width + 1, w.signed) for w in top.receives.words]
    with pytest.raises(InputError, match=r"word 0 of the receiving map must be Word\(width=7, .*\) as the core's, not"):
        replace(top, receives=LinkMap.pack(wider, 4))
    core = replace(top.trigger.core, sources=(Path("tf_links.v"),))
    with pytest.raises(InputError, match="a module of the core must not be named 'tf_links' as one of the links is"):
        replace(top, trigger=replace(top.trigger, core=core))


def test_streams_of_another_shape_are_refused(whole: Whole) -> None:
    stream, off = whole.stream, np.zeros(3, dtype=bool)
    with pytest.raises(InputError, match="a stream must be of the 1 links of its map, not of 2"):
        receive(LinkMap.pack([Word(8, signed=False)], 4), stream)
    with pytest.raises(InputError, match=r"links must carry uint64 data and flags of one shape \(n, links\), not"):
        replace(stream, valid=stream.valid[1:])
    with pytest.raises(InputError, match=r"reset and lumi of links must have shape \(\d+,\), not \(3,\)"):
        replace(stream, reset=off, lumi=off)


def test_words_that_the_core_does_not_use_may_have_bits(tmp_path: Path) -> None:
    whole = Whole.of(3, 8, 2, (2, 4, 8), tmp_path)
    assert whole.top.trigger.core.inputs.words[0].width == 0
    assert whole.top.receives.words[0].width > 0


def test_verilator_and_yosys_accept_the_wiring(whole: Whole, tmp_path: Path) -> None:
    """Generated cores leave signals unused; the trigger and the links do not."""
    simulator, top = find_simulator("verilator"), whole.top
    texts = {source.name: source.read_text() for source in top.trigger.core.sources} | top.emit()
    written(texts, tmp_path / "rtl")
    options = ["--lint-only", "-Wall", "-Wno-UNUSEDSIGNAL", "-Wno-DECLFILENAME", "--top-module", top.top]
    lint = [str(simulator.executable), *options, *texts]
    assert tools(tmp_path / "rtl", lint, child_environment(simulator.environment)) == (0, "")
    script = f"read_verilog -sv {' '.join(texts)}; synth -top {top.top}; check -assert"
    assert tools(tmp_path / "rtl", [*yosys_command(), "-q", "-p", script], os.environ) == (0, "")


def test_the_sources_are_written_once_and_in_order(whole: Whole, tmp_path: Path) -> None:
    sources = whole.top.write(tmp_path / "new" / "folder")
    core = whole.top.trigger.core.sources
    assert sources[: len(core)] == core
    assert [s.name for s in sources[-3:]] == ["tf_links.sv", "tf_links_tx.sv", "menu_links.sv"]
    assert {s.name: s.read_text() for s in sources[len(core) :]} == whole.top.emit()
