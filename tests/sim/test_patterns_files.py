"""Pattern files of a program: written, played back as a board would, checked and refused; the command line too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from alkaid.trace import FVArray
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from tests.firmware.random_programs import random_program
from toy_events import toy_events

from trigforge.cli_patterns import patterns
from trigforge.contract import Collection, Field, InputContract, level1_contract
from trigforge.errors import CheckError, InputError
from trigforge.events import iterate_words, write_events
from trigforge.firmware.design import Word
from trigforge.firmware.program import IntegerProgram, Provenance, trace_program
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.cosim import make_vectors
from trigforge.sim.patterns.captures import check_file
from trigforge.sim.patterns.cms import CmsFormat
from trigforge.sim.patterns.files import (
    Places,
    Subject,
    expected_path,
    header_path,
    read_events,
    read_header,
    recognise,
    write_patterns,
)
from trigforge.sim.patterns.pattern import Header
from trigforge.sim.patterns.ugt import CROSSINGS, read_ugt, write_ugt

LINKS = ["text", *CmsFormat]


def owned(program: IntegerProgram, contract: InputContract) -> IntegerProgram:
    return IntegerProgram(program.comb, program.inputs, Provenance(contract_digest=contract.digest))


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A random program and the contract of its words."""
    program = random_program(3)
    fields = [
        Field(name="x", unit="", lsb=1.0, bits=t.width, signed=t.signed, low=t.low, high=t.high) for t in program.inputs
    ]
    collections = tuple(Collection(name=f"word{i}", count=1, fields=(field,)) for i, field in enumerate(fields))
    contract = InputContract(name="random", collections=collections)
    return Subject("demo", contract, owned(program, contract))


@pytest.fixture(scope="module")
def level1() -> Subject:
    """A weighted sum of the 57 words of the global trigger."""
    contract = level1_contract()
    types = tuple(FixedType(signed=f.signed, width=f.bits, integer=f.bits) for f in contract.fields)
    signed = np.array([t.signed for t in types]).astype(int)
    inputs = FVArray.from_kif(signed, np.array([t.integer for t in types]) - signed, np.zeros(57, dtype=int))
    weights = np.random.default_rng(1).integers(-3, 4, (57, 1)).astype(float)
    return Subject("level1", contract, owned(trace_program(inputs, inputs @ weights, types), contract))


def random_events(subject: Subject, count: int) -> IntArray:
    low, high = subject.contract.limits()
    words = make_vectors(low, high, random=count, saturating=10, seed=7).words
    return words[-count:]


def captured(expected: Path, capture: Path, delay: int) -> None:
    """What a board makes of the expected outputs: other numbers, and `delay` empty clocks before them."""
    lines = expected.read_text().splitlines(keepends=True)
    form = recognise(expected)
    head = next(i for i, line in enumerate(lines) if line.startswith(("Frame 0000", "0x0000")))
    rows = [line.split(maxsplit=1 if form == "apx" else 2)[-1] for line in lines[head:]]
    empty = {"empv1": ": 0v" + "0" * 16, "empv2": "0000 " + "0" * 16, "apx": "0x00 0x" + "0" * 16}[form] + "\n"
    rows = [empty] * delay + rows
    number = {"empv1": "Frame {:04d} ", "empv2": "Frame {:04d}    ", "apx": "0x{:04x}    "}[form]
    capture.write_text("".join([*lines[:head], *(number.format(i) + row for i, row in enumerate(rows))]))


@pytest.mark.parametrize("form", LINKS)
def test_a_stimulus_gives_its_events_back(tmp_path: Path, subject: Subject, form: str) -> None:
    words = random_events(subject, 500)
    path, expected = write_patterns(tmp_path / "run.txt", form, subject, Places(2, 3, 4, 8), lambda: [words])
    assert (recognise(path), recognise(expected), expected) == (form, form, tmp_path / "run.expected.txt")
    assert_array_equal(read_events(path, subject), words)
    assert header_path(path).is_file() == (form != "text")
    checked = check_file(expected, subject, path, None)
    assert (checked.events, checked.latency_clocks) == (500, 0)
    checked.result.require()


@pytest.mark.parametrize("form", CmsFormat)
def test_a_capture_is_compared_with_the_program(tmp_path: Path, subject: Subject, form: str) -> None:
    words = random_events(subject, 500)
    path, expected = write_patterns(tmp_path / "run.txt", form, subject, Places(1, lead=2), lambda: [words])
    capture = tmp_path / "capture.txt"
    captured(expected, capture, 23)
    checked = check_file(capture, subject, path, None)
    assert (checked.events, checked.latency_clocks) == (500, 23)
    checked.result.require()
    lines = capture.read_text().splitlines(keepends=True)
    row = len(lines) - 100
    digit = lines[row].rstrip()[-1]
    lines[row] = f"{lines[row].rstrip()[:-1]}{int(digit, 16) ^ 4:x}\n"
    capture.write_text("".join(lines))
    found = check_file(capture, subject, path, None).result
    with pytest.raises(CheckError, match=r"first at event 400 \(captured\), output 0, bit 2"):
        found.require()


def test_files_of_another_program_or_contract_are_refused(
    tmp_path: Path, subject: Subject, level1: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    words = random_events(subject, 20)
    path, expected = write_patterns(tmp_path / "run.txt", "empv2", subject, Places(1), lambda: [words])
    other = Subject("demo", subject.contract, random_program(4))
    with pytest.raises(InputError, match=r"run\.txt must be of the program [0-9a-f]{12}, but it is of [0-9a-f]{12}"):
        check_file(expected, other, path, None)
    with pytest.raises(InputError, match=r"run\.txt must be of the contract"):
        check_file(expected, level1, path, None)
    with pytest.raises(InputError, match=r"run\.txt must be of the contract"):
        read_events(path, level1)
    with pytest.raises(InputError, match=r"what was played to give .* must be given with --stimulus"):
        check_file(expected, subject, None, None)
    with pytest.raises(InputError, match="must be a stimulus, not expected"):
        read_events(expected, subject)
    header_path(path).unlink()
    with pytest.raises(InputError, match=r"must have its header beside it in run\.txt\.json"):
        check_file(expected, subject, path, None)


def test_a_capture_without_the_channels_of_the_outputs_is_refused(tmp_path: Path, subject: Subject) -> None:
    words = random_events(subject, 20)
    path, expected = write_patterns(tmp_path / "run.txt", "apx", subject, Places(1), lambda: [words])
    text = expected.read_text()
    expected.write_text(text.replace("LINK_00", "LINK_07"))
    with pytest.raises(InputError, match="must have channel 0, which holds outputs, but has 7"):
        check_file(expected, subject, path, None)
    rows = text.splitlines()
    more = [rows[0], rows[1] + "LINK_07", rows[2], *(f"{row} 0x00 0x{'0' * 16}" for row in rows[3:])]
    expected.write_text("\n".join(more) + "\n")
    assert check_file(expected, subject, path, None).result.ok


def test_a_header_beside_that_does_not_fit_is_refused(tmp_path: Path, subject: Subject) -> None:
    words = random_events(subject, 20)
    path, _ = write_patterns(tmp_path / "run.txt", "empv1", subject, Places(2), lambda: [words])
    header = Header.load(header_path(path))
    header.model_copy(update={"events": 21}).save(header_path(path))
    with pytest.raises(InputError, match="must hold the 21 events of its header, but ends after 20"):
        read_events(path, subject)


def test_what_is_no_pattern_is_refused(tmp_path: Path, subject: Subject) -> None:
    (tmp_path / "note").write_text("hello\n")
    (tmp_path / "empty").write_text("")
    for name in ("note", "empty"):
        with pytest.raises(InputError, match=rf"{name} must be a pattern file \(text, empv1, .*\), but does not begin"):
            recognise(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        recognise(tmp_path / "absent")
    with pytest.raises(InputError, match="must have at least one event"):
        write_patterns(tmp_path / "run.txt", "text", subject, Places(), list)
    assert expected_path(Path("a/b.txt.gz")) == Path("a/b.expected.txt.gz")


def vector_line(crossing: int, muon: int, eg: int, jet: int, ht: int, etm: int, score: str = "") -> str:
    """A line of a uGT test vector with one object of a kind."""
    columns = [f"{crossing:04d}", f"{muon:016x}", *["0" * 16] * 7, f"{eg:08x}", *["0" * 8] * 11, *["0" * 8] * 12]
    columns += [f"{jet:08x}", *["0" * 8] * 11, "0" * 8, f"{ht:08x}", f"{etm:08x}", *["0" * 8] * 9]
    return " ".join([*columns, "0" * 64, "0" * 128, "0", *([score] if score else [])])


def test_words_of_the_global_trigger_are_read(tmp_path: Path) -> None:
    contract = level1_contract()
    muon = (500 << 10) | ((-3 & 0x1FF) << 23) | 571 | (7 << 32) | (5 << 43)
    eg, jet = 40 | ((-69 & 0xFF) << 9) | (143 << 17) | (3 << 25), 2047 | (115 << 11) | (7 << 19) | (1 << 27)
    lines = [vector_line(0, muon, eg, jet, 99, 300 | (20 << 12) | (7 << 28)), vector_line(1, 0, 0, 0, 0, 0)]
    (tmp_path / "v.txt").write_text("|name: own\n|events: 2\n" + "\n".join(lines) + "\n")
    words, scores = read_ugt(tmp_path / "v.txt", contract, Word(18, signed=False))
    assert scores is None
    found = dict(zip(contract.word_names, words[0].tolist(), strict=True))
    assert {name: value for name, value in found.items() if value} == {
        "L1MET0_pt": 300, "L1MET0_phi": 20, "L1EG0_pt": 40, "L1EG0_eta": -69, "L1EG0_phi": 143,
        "L1Mu0_pt": 500, "L1Mu0_eta": -3, "L1Mu0_phi": 571, "L1Jet0_pt": 2047, "L1Jet0_eta": 115, "L1Jet0_phi": 7,
    }  # fmt: skip
    assert not words[1].any()


def test_test_vectors_survive_and_are_checked(tmp_path: Path, level1: Subject) -> None:
    words = random_events(level1, 2000)
    scores = level1.program(words)[:, 0]
    write_ugt(tmp_path / "v.txt", level1.contract, words, scores, level1.output_words[0])
    back, found = read_ugt(tmp_path / "v.txt", level1.contract, level1.output_words[0])
    assert_array_equal(back, words)
    assert found is not None
    assert_array_equal(found, scores)
    assert check_file(tmp_path / "v.txt", level1, None, None).result.ok
    text = (tmp_path / "v.txt").read_text().splitlines()
    assert [len(column) for column in text[0].split()] == (
        [4] + [16] * 8 + [8] * 12 * 3 + [8] * 12 + [64, 128, 1, len(text[0].split()[-1])]
    )
    text[7] = text[7][:-1] + f"{int(text[7][-1], 16) ^ 1:x}"
    (tmp_path / "v.txt").write_text("\n".join(text) + "\n")
    with pytest.raises(CheckError, match=r"first at event 7 \(captured\), output 0, bit 0"):
        check_file(tmp_path / "v.txt", level1, None, None).result.require()


def test_bad_test_vectors_are_refused(tmp_path: Path, subject: Subject, level1: Subject) -> None:
    contract, path = level1.contract, tmp_path / "v.txt"
    good = [vector_line(k, 0, k, 0, 0, 0) for k in range(3)]
    cases = {
        "must have 60 columns, or one more for a score": [line.rsplit(" ", 1)[0] for line in good],
        "crossing 1 must have 60 columns, not 59": [good[0], good[1].rsplit(" ", 1)[0], good[2]],
        "crossing 1 must follow crossing 0, not '0002'": [good[0], good[2]],
        "crossing 0 must have words of 8 characters": [good[0].replace(" 00000000 ", " 000000 ", 1)],
        "a digit of clock 0 on channel 9 is not": [good[0].replace(" 00000000 ", " 0000g000 ", 1)],
        "word L1EG0_phi of event 0 must be in 0..143, not 200; the": [vector_line(0, 0, 200 << 17, 0, 0, 0)],
    }
    for message, lines in cases.items():
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(InputError, match=message):
            read_ugt(path, contract, None)
    path.write_text("\n".join(good) + "\n")
    with pytest.raises(InputError, match="must have a column more with the scores"):
        check_file(path, level1, None, None)
    with pytest.raises(InputError, match=r"must have objects of 8 L1Mu, .*, not 1 word0"):
        read_ugt(path, subject.contract, None)
    with pytest.raises(InputError, match=rf"must have 1\.\.{CROSSINGS} crossings, not 3565"):
        write_ugt(path, contract, np.zeros((3565, 57), np.int64), np.zeros(3565, np.int64), Word(8, signed=False))
    wide = contract.model_dump(mode="json")
    wide["collections"][1]["fields"][0] |= {"lsb": 0.25}
    with pytest.raises(InputError, match=r"L1EG of a contract .* must have pt in 0\.5 \(9 bits\), .*, not pt in 0\.25"):
        read_ugt(path, InputContract.model_validate(wide), None)
    with pytest.raises(InputError, match="must have one output to be the score of a test vector, not 5"):
        check_file(path, Subject("x", contract, subject.program), None, None)


@dataclass(frozen=True, slots=True)
class Folder:
    """A saved program with its contract, and the command line on it."""

    path: Path

    def __call__(self, *arguments: object) -> str:
        return (
            CliRunner()
            .invoke(patterns, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False)
            .output
        )


@pytest.fixture
def folder(tmp_path: Path, subject: Subject) -> Folder:
    (tmp_path / "model").mkdir()
    subject.program.save(tmp_path / "model" / "program.json.gz")
    subject.contract.save(tmp_path / "model" / "contract.json")
    return Folder(tmp_path)


@pytest.mark.parametrize("form", LINKS)
def test_command_line_writes_and_checks(folder: Folder, form: str) -> None:
    model, out = folder.path / "model", folder.path / "out" / "run.txt"
    said = folder("write", model, "--format", form, "--events", 300, "--out", out, "--frames", 1, "--json")
    assert json.loads(said[said.index("{") :])["files"] == [str(out), str(expected_path(out))]
    said = folder("check", expected_path(out), model, "--stimulus", out, "--json")
    assert "300 events, latency 0 clocks: 0 of" in said
    assert json.loads(said[said.index("{") :])["mismatches"] == 0


def test_command_line_takes_events_of_another_pattern(folder: Folder, subject: Subject) -> None:
    model, first, second = folder.path / "model", folder.path / "a.txt", folder.path / "b.txt"
    folder("write", model, "--events", 50, "--out", first)
    folder("write", model, "--events", first, "--out", second, "--format", "apx", "--frames", 2, "--period", 4)
    assert_array_equal(read_events(second, subject), read_events(first, subject))
    assert read_header(second).period == 4


def test_command_line_takes_events_of_files(tmp_path: Path, level1: Subject) -> None:
    level1.program.save(tmp_path / "model" / "program.json.gz")
    level1.contract.save(tmp_path / "model" / "contract.json")
    events = toy_events(320, slices=1)
    for part in range(2):
        write_events(tmp_path / "events" / f"part-{part}.parquet", events[160 * part : 160 * (part + 1)])
    run, vectors, again = Folder(tmp_path), tmp_path / "v.txt", tmp_path / "run.txt.gz"
    run("write", tmp_path / "model", "--events", tmp_path / "events", "--format", "ugt", "--out", vectors)
    run("write", tmp_path / "model", "--events", vectors, "--out", again)
    words = np.concatenate(list(iterate_words(tmp_path / "events", level1.contract)))
    assert_array_equal(read_events(vectors, level1), words)
    assert_array_equal(read_events(again, level1), words)
    assert "320 events, latency 0 clocks: 0 of 320 words differ" in run("check", vectors, tmp_path / "model")


def test_command_line_cuts_a_pattern_to_the_depth_of_buffers(folder: Folder, subject: Subject) -> None:
    model, out = folder.path / "model", folder.path / "run.txt"
    folder("write", model, "--events", 250, "--out", out, "--format", "empv2", "--frames", 9, "--depth", 1024)
    files = [folder.path / f"run_{k}.txt" for k in range(3)]
    assert [len(read_events(path, subject)) for path in files] == [113, 113, 24]
    assert all(len(path.read_text().splitlines()) <= 1024 + 4 for path in files)


def test_command_line_refuses(folder: Folder) -> None:
    model, out = folder.path / "model", folder.path / "run.txt"
    cases: dict[str, tuple[object, ...]] = {
        "--events must be at least 1, not 0": ("--events", 0),
        "--events must be a number or a file of events, but 'nowhere' is not there": ("--events", "nowhere"),
        "--depth must hold at least one event after the lead, not 8 clocks": ("--depth", 8),
        "period must be at least the 9 frames of an event, not 3": ("--period", 3),
        "--depth, --period, --lead and --first-channel must not be given": ("--format", "ugt", "--depth", 9),
        "a program must have one output to be the score of a test vector, not 5": ("--format", "ugt"),
    }
    for message, options in cases.items():
        with pytest.raises(InputError, match=message.replace("(", r"\(")):
            folder("write", model, "--out", out, *options)
