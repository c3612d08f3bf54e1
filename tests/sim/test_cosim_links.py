"""The bench of a trigger between links: it has every situation, and finds what can be wrong in the links' modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.firmware.random_programs import random_program, random_words
from tests.firmware.rtl_copies import renamed, written
from tests.firmware.test_links_modules import RX_MUTANTS, TX_MUTANTS

from trigforge.errors import CheckError
from trigforge.filling import FillingScheme
from trigforge.firmware.design import Word
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import TriggerTop, write_rtl
from trigforge.firmware.rtl.links import LinkMap
from trigforge.firmware.rtl.links_top import LinksTop, results_of
from trigforge.sim.cosim import Vectors, find_simulator
from trigforge.sim.cosim.certificate import LINKS_LEVEL
from trigforge.sim.cosim.links import expect, expected_ports, given_ports, pack_links, simulate_links
from trigforge.sim.cosim.links_stimulus import LinksVectors, make_links_vectors
from trigforge.sim.cosim.packed import RESET_CLOCK, UNKNOWN, Packed, compare_ports, digits_of, numbers_of

FRAMES, ORBIT = 4, 48
NEVER = (
    ("tf_links", "first ? start && link_lumi", "first ? link_lumi"),  # the trigger heeds it with BC0 only
    ("tf_links", "lumi <= complete && now_lumi", "lumi <= now_lumi"),
    ("tf_links", " && errors != '1", ""),  # after 2^32 errors
    ("tf_links_tx", "sends = strobe || busy", "sends = 1'b1"),  # before the first strobe its ports are 0, then
    ("tf_links_tx", "sends && frame != LAST", "frame != LAST"),  # a trigger has one every crossing
    ("tf_links_tx", "sends && frame != LAST", "sends"),
    ("tf_links_tx", "{last_frame, busy, link_valid, link_bc0} <= '0", "{last_frame, link_valid, link_bc0} <= '0"),
)
"""Faults of a module that no trigger between links shows, and why."""


@dataclass(frozen=True, slots=True)
class Case:
    """A trigger of a random program between links, and what they carry."""

    top: LinksTop
    program: IntegerProgram
    vectors: LinksVectors


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    program = random_program(2)
    core = write_rtl(program, Targets(), tmp_path_factory.mktemp("core"), "dut")
    trigger = TriggerTop("menu", core, program.digest, 3, (0, 1, 0), orbit=ORBIT, clocks_per_bx=FRAMES)
    receives = LinkMap.pack([Word(t.width, t.signed) for t in program.inputs], FRAMES, 8, links=3)
    top = LinksTop(trigger, receives, LinkMap.pack([r.word for r in results_of(trigger)], FRAMES, 8, links=2))
    words = random_words(program, 300, 1)
    events = Vectors(words, np.full(len(words), "random"))
    return Case(top, program, make_links_vectors(top, program, events, FillingScheme("30b+18e"), 1, 300))


def test_a_stimulus_has_every_situation(case: Case) -> None:
    stream, found = case.vectors.stream, expect(case.top, case.program, case.vectors)
    received, decisions = found.received, found.decisions
    assert stream.reset.sum() == 3
    assert int(np.argmax(stream.reset)) == RESET_CLOCK
    assert received.suspects.any(axis=0)[1:].all()
    assert (~received.locked[RESET_CLOCK + 1 :]).any()
    assert (np.diff(received.errors) > 0).sum() > 10
    assert (decisions.bx == ORBIT - 1).sum() >= 2, "two whole orbits"
    assert decisions.sync_errors
    assert decisions.sections
    assert decisions.raw.any(axis=0).all()
    assert decisions.passed.any(axis=0).all()
    assert (decisions.raw & ~decisions.passed).any()
    begin, end = case.vectors.whole
    assert end - begin == ORBIT * FRAMES
    assert received.locked[begin + 1 : end + 1].all()
    assert not np.diff(received.errors[begin : end + 1]).any()
    assert {clock for clock, _ in case.vectors.writes}.isdisjoint(clock for clock, _ in case.vectors.reads)
    assert (case.vectors.meaningless & ~stream.valid).any()
    assert not (case.vectors.meaningless & stream.valid).any()


def test_words_change_no_more_often_than_asked(case: Case) -> None:
    words = random_words(case.program, 300, 1)
    events = Vectors(words, np.full(len(words), "random"))
    few = make_links_vectors(case.top, case.program, events, FillingScheme("30b+18e"), 1, 20)
    found = expect(case.top, case.program, few)
    whole = slice(few.whole[0], few.whole[1] + 1)
    shown = found.received.words[whole][found.received.valid[whole]]
    assert (shown[1:] != shown[:-1]).any(axis=1).sum() <= 20


def test_icarus_gets_x_where_nobody_may_look_and_others_noise(case: Case) -> None:
    hidden = np.repeat(case.vectors.meaningless, case.top.receives.width, axis=1)
    given = given_ports(case.top, case.vectors, undefined=True)
    assert (given["link_data"][hidden] == UNKNOWN).all()
    assert all((digits[:RESET_CLOCK] == UNKNOWN).all() for digits in given.values())
    defined = given_ports(case.top, case.vectors, undefined=False)
    carried = digits_of(case.vectors.stream.data, case.top.receives.width)
    assert_array_equal(defined["link_data"][~hidden], carried[~hidden])
    assert 0.4 < (defined["link_data"][hidden] == ord("1")).mean() < 0.6


@pytest.mark.parametrize("name", ["icarus", "verilator"])
def test_a_trigger_between_links_is_its_models(case: Case, name: str, tmp_path: Path) -> None:
    packed = pack_links(case.top, case.top.write(tmp_path / "rtl"), tmp_path / "rtl")
    level, timing = simulate_links(case.top, packed, case.program, case.vectors, find_simulator(name), tmp_path)
    level.require()
    assert (timing.latency_clocks, timing.ii) == (FRAMES + case.top.trigger.latency_clocks + 1, FRAMES)


def test_every_mutant_of_the_modules_is_caught_but_those_that_no_trigger_shows(case: Case, tmp_path: Path) -> None:
    top = case.top
    mutants = [*(("tf_links", *m) for m in RX_MUTANTS), *(("tf_links_tx", *m) for m in TX_MUTANTS)]
    texts, sources, instances = top.emit(), dict(top.emit()), [top.top]
    for number, mutant in enumerate(mutants):
        sources |= renamed(texts, mutant, f"_mutant_{number}")
        instances.append(f"{top.top}_mutant_{number}")
    files = (*top.trigger.core.sources, *written(sources, tmp_path / "rtl"))
    packed = Packed.write(files, instances, top.inputs, top.outputs, tmp_path / "rtl")
    given = given_ports(top, case.vectors, undefined=True)
    original, *mutated = packed.play(given, find_simulator("icarus"), tmp_path / "build")
    expected = expected_ports(top, expect(top, case.program, case.vectors))
    kinds = np.full(len(case.vectors.stream.reset), "clock")

    def equal(seen: dict[str, np.ndarray]) -> bool:
        try:
            return compare_ports(LINKS_LEVEL, expected, seen, kinds, {}).ok
        except CheckError:
            return False

    assert equal(original)
    assert len(set(mutants)) > 60
    assert [m for m, seen in zip(mutants, mutated, strict=True) if equal(seen)] == list(NEVER)


def test_ports_are_compared_where_they_count_and_named_in_pieces() -> None:
    rng, clocks = np.random.default_rng(1), 40
    kinds = np.full(clocks, "clock")
    wide, flag = rng.integers(0, 1 << 62, clocks), rng.integers(0, 2, clocks)
    expected = {"flag": digits_of(flag, 1), "data": digits_of(wide, 62)}
    seen = {name: digits.copy() for name, digits in expected.items()}
    heeded = {"data": np.arange(clocks) % 2 == 0}
    level = compare_ports("level", expected, seen, kinds, heeded)
    counted = clocks - RESET_CLOCK - 1
    assert (level.words, level.mismatches, level.vectors) == (counted + 2 * (counted // 2), 0, {"clock": counted})
    seen["data"][7, 40] ^= 1
    seen["data"][2, 40] = UNKNOWN
    assert compare_ports("level", expected, seen, kinds, heeded).ok, "nothing counts there"
    seen["data"][8, 40] ^= 1
    first = compare_ports("level", expected, seen, kinds, heeded).first
    assert first is not None
    assert (first.event, first.port, first.bit) == (8, "data[61:32]", 8)
    assert str(first).startswith("clock 8 (clock), port data[61:32], bit 8: expected ")
    assert first.expected == numbers_of(expected["data"][8:9, 32:])[0]
    seen["flag"][9] = UNKNOWN
    with pytest.raises(
        CheckError, match="level must have no undefined bit after a reset, but bit 0 of flag is X at cl"
    ):
        compare_ports("level", expected, seen, kinds, heeded)
