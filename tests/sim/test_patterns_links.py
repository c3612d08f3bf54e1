"""A pattern file played into the RTL of a trigger between links, and what its links then carry, checked."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from alkaid.trace import FVArray

from trigforge.contract import InputContract
from trigforge.errors import CheckError, InputError
from trigforge.firmware.program import Provenance, trace_program
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import Algorithm, TriggerTop, write_rtl
from trigforge.firmware.rtl.links import LinkMap
from trigforge.firmware.rtl.links_top import LinksTop
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.cosim import find_simulator
from trigforge.sim.cosim.packed import Digits, Packed, digits_of
from trigforge.sim.patterns.captures import check_file
from trigforge.sim.patterns.cms import CmsFormat, write_cms
from trigforge.sim.patterns.decisions import Decider
from trigforge.sim.patterns.files import (
    Places,
    Subject,
    capture_header,
    read_buffers,
    write_patterns,
)
from trigforge.sim.patterns.pattern import ORBIT, VALID, Pattern

FRAMES, WIDTH, EVENTS, CHANNEL = 4, 16, 80, 16
RESET_CLOCKS, LEAD = 3, 12


@pytest.fixture(scope="module")
def subject() -> Subject:
    kind = FixedType(signed=True, width=6, integer=6)
    contract = InputContract.of_type("words", 7, kind)
    x = FVArray.from_kif(np.ones(7, dtype=int), np.full(7, 5), np.zeros(7, dtype=int))
    weights = np.array([[1.0], [-2.0], [3.0], [1.0], [5.0], [-7.0], [2.0]])
    return Subject(
        "demo", contract, trace_program(x, x @ weights, (kind,) * 7, Provenance(contract_digest=contract.digest))
    )


def board(top: LinksTop, played: Pattern, algorithms: tuple[Algorithm, ...], folder: Path) -> Pattern:
    """What the links of the simulated board carry from the clock on at which the pattern begins.

    The settings are written in the clocks before its first event.
    """
    after = 3 * top.latency_clocks + 8 * FRAMES
    still = np.zeros((after, played.frames.shape[1]), dtype=np.uint64)
    frames = np.concatenate([still[:RESET_CLOCKS], played.frames, still])
    flags = np.concatenate([still[:RESET_CLOCKS], played.flags.astype(np.uint64), still]).astype(np.uint8)
    clocks = len(frames)
    given: dict[str, Digits] = {name: np.full((clocks, bits), ord("0"), np.uint8) for name, bits in top.inputs.items()}
    given["rst"][:RESET_CLOCKS] = ord("1")
    given["link_data"] = digits_of(frames, WIDTH)
    given["link_valid"], given["link_bc0"] = (digits_of(flags & flag != 0, 1) for flag in (VALID, ORBIT))
    writes = top.trigger.writes(algorithms)
    assert len(writes) < LEAD
    at = slice(RESET_CLOCKS, RESET_CLOCKS + len(writes))
    given["bus_write"][at] = ord("1")
    for name, values in (("bus_addr", [w.address for w in writes]), ("bus_wdata", [w.value for w in writes])):
        given[name][at] = digits_of(np.array(values, dtype=np.uint64)[:, None], top.inputs[name])
    packed = Packed.write(top.write(folder), [top.top], top.inputs, top.outputs, folder)
    (seen,) = packed.play(given, find_simulator("icarus"), folder / "build")
    data, valid = (seen[name][RESET_CLOCKS:] == ord("1") for name in ("tx_data", "tx_valid"))
    weights = np.uint64(1) << np.arange(WIDTH, dtype=np.uint64)
    words = (data.reshape(len(data), top.sends.links, WIDTH) * weights).sum(axis=2, dtype=np.uint64)
    return Pattern(0, words, valid.astype(np.uint8) * np.uint8(VALID))


def words_of(subject: Subject) -> IntArray:
    low, high = subject.contract.limits()
    return np.random.default_rng(1).integers(low, high, (EVENTS, len(low)), endpoint=True)


@pytest.mark.parametrize("form", [CmsFormat.EMPV1, CmsFormat.EMPV2])
def test_what_a_simulated_board_sends_is_what_the_program_says(
    subject: Subject, tmp_path: Path, form: CmsFormat
) -> None:
    core = write_rtl(subject.program, Targets(), tmp_path / "core", "demo_core")
    trigger = TriggerTop("demo", core, subject.program.digest, algorithms=2, clocks_per_bx=FRAMES)
    top = LinksTop.of(trigger, LinkMap.of_contract(subject.contract, FRAMES, WIDTH), WIDTH)
    words, lead = words_of(subject), LEAD
    scores = np.sort(subject.program(words)[:, 0])
    algorithms = (Algorithm(int(scores[EVENTS // 4]), Fraction(5, 2)), Algorithm(int(scores[EVENTS // 2])))
    decider = Decider(trigger, algorithms, (0, 1))
    places = Places(FRAMES, lead=lead, first_channel=CHANNEL, bits=WIDTH)
    stimulus, _ = write_patterns(tmp_path / "run.txt", form, subject, places, lambda: [words])
    played = read_buffers(stimulus).whole()
    if form is CmsFormat.EMPV1:  # it leaves the start of the orbit to the board's own clock
        played.flags[lead] |= np.uint8(ORBIT)
    sent = board(top, played, algorithms, tmp_path / "board")
    layout = capture_header(top, subject, EVENTS, first_channel=40)
    layout.save(tmp_path / "layout.json")
    write_cms(tmp_path / "capture.txt", CmsFormat.EMPV1, "board", layout.channels, [sent])
    checked = check_file(tmp_path / "capture.txt", subject, stimulus, None, tmp_path / "layout.json")
    assert (checked.events, checked.latency_clocks) == (EVENTS, top.latency_clocks + 1)
    checked.result.require()
    decided = check_file(tmp_path / "capture.txt", subject, stimulus, None, tmp_path / "layout.json", decider)
    assert (decided.events, decided.latency_clocks) == (EVENTS, top.latency_clocks + 1)
    assert len(decided.names) == 1 + 1 + 2 * 2
    decided.require()
    for number, other in enumerate((Algorithm(int(scores[EVENTS // 4]), Fraction(3)), Algorithm(int(scores[-1])))):
        wrong = [*algorithms]
        wrong[number] = other
        spoiled = Decider(trigger, tuple(wrong), (0, 1))
        with pytest.raises(CheckError, match=rf"first at event \d+ \(crossing \d+\), algorithm {number}.*: expected"):
            check_file(tmp_path / "capture.txt", subject, stimulus, None, tmp_path / "layout.json", spoiled).require()
    index = next(i for i, word in enumerate(layout.words) if word.name == "output0")
    place = layout.link_map().places[index]
    assert place is not None
    frames = sent.frames.copy()
    clock = lead + checked.latency_clocks + 33 * FRAMES + place.frame
    frames[clock, place.link] ^= np.uint64(1 << (place.bit + 2))
    write_cms(tmp_path / "bad.txt", CmsFormat.EMPV1, "board", layout.channels, [Pattern(0, frames, sent.flags)])
    with pytest.raises(CheckError, match=r"first at event 33 \(captured\), output 0, bit 2"):
        check_file(tmp_path / "bad.txt", subject, stimulus, None, tmp_path / "layout.json").result.require()
    with pytest.raises(InputError, match="must have channel 16, which holds outputs, but has 40"):
        check_file(tmp_path / "capture.txt", subject, stimulus, None)
