"""Failing streams made small: nothing can be taken away from them any more, and they still fail, in real RTL too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.random_programs import random_program, random_words

from trigforge.cli_replay import describe, replay_file
from trigforge.errors import CheckError, InputError
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.fixed import IntArray
from trigforge.sim.cosim import find_simulator
from trigforge.sim.cosim.replay import Failure, Suspect, played, shrink_failure, suspect_of
from trigforge.sim.cosim.shrink import shrink

REST = np.zeros(6, dtype=np.int64)


def answers(wrong: Callable[[IntArray], bool], calls: list[int] | None = None):
    def fails(streams: Sequence[IntArray]) -> np.ndarray:
        if calls is not None:
            calls.append(len(streams))
        return np.array([wrong(stream) for stream in streams])

    return fails


@given(data=st.data())
def test_what_is_left_is_needed(data: st.DataObject) -> None:
    """A fault that needs some words to be large enough, in the last event and in one some clocks before it."""
    needs = st.dictionaries(st.integers(0, 5), st.integers(-300, 300).filter(bool), min_size=1, max_size=3)
    last, earlier = data.draw(needs), data.draw(st.one_of(st.just({}), needs))
    distance = data.draw(st.integers(1, 4)) if earlier else 0

    def enough(event: IntArray, needed: dict[int, int]) -> bool:
        return all((event[k] - v) * np.sign(v) >= 0 for k, v in needed.items())

    def wrong(stream: IntArray) -> bool:
        return len(stream) > distance and enough(stream[-1], last) and enough(stream[-1 - distance], earlier)

    stream = np.random.default_rng(data.draw(st.integers(0, 1000))).integers(-400, 400, (40, 6))
    for event, needed in ((-1, last), (-1 - distance, earlier)):
        for k, v in needed.items():
            stream[event, k] = 399 * np.sign(v)
    small = shrink_of(stream, wrong)
    assert len(small) == distance + 1
    wanted = np.zeros((distance + 1, 6), dtype=np.int64)
    for event, needed in ((-1, last), (-1 - distance, earlier)):
        wanted[event, list(needed)] = list(needed.values())
    np.testing.assert_array_equal(small, wanted)


def shrink_of(stream: IntArray, wrong: Callable[[IntArray], bool]) -> IntArray:
    found = shrink(stream, answers(wrong), REST, simulations=200)
    assert wrong(found.words)
    return found.words


def test_many_candidates_share_a_simulation() -> None:
    rest, calls = np.zeros(57, dtype=np.int64), []  # type: IntArray, list[int]
    stream = np.random.default_rng(1).integers(1, 2000, (5000, 57))
    found = shrink(stream, answers(lambda s: s[-1, 7] >= 20 and s[-1, 30] >= 3, calls), rest)
    assert {k: int(found.words[0, k]) for k in np.flatnonzero(found.words[0])} == {7: 20, 30: 3}
    assert found.simulations == len(calls) < 20
    assert sum(calls) > 10 * len(calls)


def test_a_failure_that_does_not_repeat_is_said_so() -> None:
    stream = np.ones((3, 6), dtype=np.int64)
    with pytest.raises(CheckError, match="a stream of 3 events must fail again to be made smaller, but it did not"):
        shrink(stream, answers(lambda s: False), REST)
    moods = iter([True] * 4 + [False] * 500)
    with pytest.raises(CheckError, match=r"a failure must show again on its own|must fail again to be made smaller"):
        shrink(stream, answers(lambda s: next(moods)), REST)
    with pytest.raises(InputError, match=r"a stream must be of shape \(n, 6\) with n > 0, not \(0, 6\)"):
        shrink(stream[:0], answers(lambda s: True), REST)


def suspect(program: IntegerProgram, folder: Path, fault: Callable[[str], str], name: str = "icarus") -> Suspect:
    """A program whose RTL is written to `folder` and changed there, as an editor would."""
    program.save(folder / "program.json.gz")
    design = write_rtl(program, Targets(clock_ns=5.0, stages=2), folder / "rtl", "dut")
    top = next(source for source in design.sources if source.stem == "dut")
    changed = fault(top.read_text())
    assert changed != top.read_text()
    top.write_text(changed)
    return Suspect(
        "small", program, design, folder / "program.json.gz", folder / "rtl", folder / "sim", find_simulator(name), 5.0
    )


def flipped(condition: str, state: str = "") -> Callable[[str], str]:
    """The lowest output bit is wrong if `condition` holds; `state` is what it needs besides."""

    def fault(text: str) -> str:
        text = text.replace(");\n", f");\n {state}\n", 1)
        pattern = r"model_out\[(\d+):0\] <= (\w+)\[\d+:0\];"
        return re.sub(pattern, rf"model_out[\1:0] <= \2[\1:0] ^ {{{{\1{{1'b0}}}}, {condition}}};", text, count=1)

    return fault


PROGRAM = random_program(1)


def source_of(text: str) -> str:
    """What the output register takes."""
    return re.search(r"model_out\[\d+:0\] <= (\w+)\[", text)[1]


def wrong_events(broken: Suspect, words: IntArray) -> IntArray:
    return np.flatnonzero(broken.run()(words) != broken.design.outputs.pack(PROGRAM(words)))


def test_a_wrong_bit_of_real_rtl_is_one_event_and_is_replayed(tmp_path: Path) -> None:
    """The fault: an output bit flips whenever the three lowest bits of the packed output are 5."""
    broken = suspect(PROGRAM, tmp_path, lambda text: flipped(f"{source_of(text)}[2:0] == 3'd5")(text))
    words = random_words(PROGRAM, 200, 1)
    low = np.array([int(bits[-3:], 2) for bits in broken.design.outputs.pack(PROGRAM(words))])
    event = int(np.flatnonzero(low == 5)[-1])
    failure = shrink_failure(broken, words[: event + 1], "random", tmp_path)
    assert len(failure.words) == 1
    assert failure.first == (0, 0)
    assert [bits for bits in failure.bits if bits] == [(0,)]
    assert failure.differences() == [f"output 0: expected {failure.expected[0]}, got {failure.got[0]}, bit 0 differs"]
    assert np.count_nonzero(failure.words[0]) <= np.count_nonzero(words[event])
    assert abs(np.array(failure.words[0])).sum() <= abs(words[event]).sum()
    assert failure.expected == tuple(PROGRAM(np.array(failure.words))[0].tolist())
    (file,) = tmp_path.glob("failure-*.json")
    assert Failure.load(file) == failure
    assert failure.command == f"trigforge replay {file}"
    again = played(suspect_of(failure, tmp_path, broken.simulator), np.array(failure.words), "random", tmp_path)
    assert again == failure.model_copy(update={"command": ""})
    require_refused(failure, broken, tmp_path)


def require_refused(failure: Failure, broken: Suspect, folder: Path) -> None:
    """RTL or a program that changed are others."""
    top = broken.design.sources[-1]
    text = top.read_text()
    top.write_text(text + "\n// repaired\n")
    with pytest.raises(InputError, match=rf"the RTL in .*rtl must be the one that failed, {failure.rtl[:12]}, but"):
        suspect_of(failure, folder, broken.simulator)
    top.write_text(text)
    assert suspect_of(failure, folder, broken.simulator).design.digest == failure.rtl
    random_program(4).save(folder / "program.json.gz")
    with pytest.raises(InputError, match=r"the program in .*gz must be the one that failed, .* verify again"):
        suspect_of(failure, folder, broken.simulator)


def test_a_design_that_mixes_events_needs_two(tmp_path: Path) -> None:
    """The fault: an output bit of an event flips with bit 0 of the first word of the event before."""
    state = "reg past, now; always @(posedge clk) begin past <= now; now <= model_inp_reg[0]; end"
    broken = suspect(PROGRAM, tmp_path, flipped("past", state))
    words = random_words(PROGRAM, 60, 3)
    failure = shrink_failure(broken, words[: wrong_events(broken, words)[-1] + 1], "random", tmp_path)
    np.testing.assert_array_equal(failure.words, [[1, 0, 0, 0], [0, 0, 0, 0]])
    assert failure.event == 1


def test_undefined_bits_are_quoted(tmp_path: Path) -> None:
    broken = suspect(PROGRAM, tmp_path, flipped("(^model_inp_reg === 1'b1 ? 1'bx : 1'b0)"))
    failure = played(broken, np.array([[0, 0, 0, 0], [1, 0, 0, 0]]), "corner", tmp_path)
    assert failure is not None
    output, bit = failure.first
    assert bit == 0
    assert failure.got[output][-1] in "xX"
    assert failure.got[output][:-1] == f"{failure.expected[output] & 31:05b}"[:-1]


def test_a_design_that_is_right_has_no_failure(tmp_path: Path) -> None:
    fine = suspect(PROGRAM, tmp_path, lambda text: text + "\n// fine\n")
    words = random_words(PROGRAM, 10, 1)
    assert played(fine, words, "random", tmp_path) is None
    with pytest.raises(CheckError, match="a stream of 12 events must fail again to be made smaller, but it did not"):
        shrink_failure(fine, words, "random", tmp_path)
    assert not list(tmp_path.glob("failure-*"))


def test_a_design_that_never_forgets_is_shrunk_one_stream_at_a_time() -> None:
    """Once word 2 is above 9, all that follows in the same simulation is wrong."""

    def fails(streams: Sequence[IntArray]) -> np.ndarray:
        stuck, answers = False, []
        for stream in streams:
            stuck |= bool((stream[:, 2] > 9).any())
            answers.append(stuck)
        return np.array(answers)

    stream = np.random.default_rng(1).integers(0, 30, (20, 6))
    small = shrink(stream, fails, REST, simulations=300)
    np.testing.assert_array_equal(small.words, [[0, 0, 10, 0, 0, 0]])


def test_the_command_replays_a_file_with_waves_and_says_what_differs(tmp_path: Path, capsys) -> None:
    broken = suspect(PROGRAM, tmp_path, flipped("(^model_inp_reg === 1'b1 ? 1'b1 : 1'b0)"))
    failure = played(broken, np.array([[0, 0, 0, 0], [0, 2, 0, 0]]), "corner", tmp_path)
    assert failure is not None
    failure.save(tmp_path / failure.file_name)
    waves = tmp_path / "failure.fst"
    output, _ = failure.first
    with pytest.raises(
        CheckError, match=f"RTL of 'small' must give {failure.expected[output]} on output {output}, but"
    ):
        replay_file(tmp_path / failure.file_name, None, waves, as_json=True)
    said = capsys.readouterr()
    assert "small: 2 events, first seen on a corner vector" in said.err
    assert "event 1: word 1 = 2" in said.err
    assert failure.differences()[0] in said.err
    assert json.loads(said.out)["now"]["bits"] == [list(bits) for bits in failure.bits]
    assert waves.read_bytes()[:1] == b"\x00"
    assert waves.stat().st_size > 200
    assert describe(failure, None)[-1].startswith("as expected this time; it failed in Icarus Verilog")
    other = failure.model_copy(update={"got": (99, *failure.got[1:])})
    assert describe(other, failure)[-1].startswith("otherwise than before, in Icarus Verilog")
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read: No such file"):
        replay_file(tmp_path / "nowhere.json", None, None, as_json=False)
