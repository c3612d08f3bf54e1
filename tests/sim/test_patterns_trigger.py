"""What a trigger must say of a pattern: written, compared bit by bit, and refused with settings that are others."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from alkaid.trace import FVArray
from click.testing import CliRunner
from numpy.testing import assert_array_equal

from trigforge.cli_patterns import patterns
from trigforge.config import STORED, RunConfig
from trigforge.contract import level1_contract
from trigforge.errors import CheckError, InputError
from trigforge.firmware.program import Provenance, trace_program
from trigforge.firmware.project import Project, Trigger
from trigforge.firmware.rtl import Algorithm
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.cosim import make_vectors
from trigforge.sim.patterns.captures import check_file
from trigforge.sim.patterns.cms import CmsFormat
from trigforge.sim.patterns.decisions import Decider, TriggerSettings
from trigforge.sim.patterns.files import Places, Subject, read_header, recognise, trigger_path, write_patterns
from trigforge.sim.patterns.ugt import ALGORITHMS, AlgorithmBits, read_algorithms, write_ugt

EVENTS = 3700
"""More than an orbit, so that settings and prescales last from one into the next."""
SETTINGS = ("-50", "100@5/2", "400@3", "off")


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A signed weighted sum of the 57 words of the global trigger."""
    contract = level1_contract()
    types = tuple(FixedType(signed=f.signed, width=f.bits, integer=f.bits) for f in contract.fields)
    signed = np.array([t.signed for t in types]).astype(int)
    inputs = FVArray.from_kif(signed, np.array([t.integer for t in types]) - signed, np.zeros(57, dtype=int))
    weights = np.random.default_rng(1).integers(-3, 4, (57, 1)).astype(float)
    program = trace_program(inputs, inputs @ weights, types, Provenance(contract_digest=contract.digest))
    return Subject("level1", contract, program)


@pytest.fixture(scope="module")
def project() -> Project:
    return Project(name="level1", trigger=Trigger(algorithms=(4,)))


@pytest.fixture(scope="module")
def decider(project: Project, subject: Subject) -> Decider:
    return Decider.of(project, subject.program, TriggerSettings(algorithms=SETTINGS, bits=(459, 0, 511, 17)))


@pytest.fixture(scope="module")
def words(subject: Subject) -> IntArray:
    low, high = subject.contract.limits()
    return make_vectors(low, high, random=EVENTS, saturating=10, seed=7).words[-EVENTS:]


def by_hand(scores: IntArray) -> tuple[IntArray, IntArray]:
    """Bits before and after the prescales by counting, event by event."""
    thresholds, prescales = (-50, 100, 400, None), (1, Fraction(5, 2), 3, 1)
    raw, passed = np.zeros((2, len(scores), 4), dtype=np.int64)
    counts = [0] * 4
    for event, score in enumerate(scores.tolist()):
        for number, (threshold, prescale) in enumerate(zip(thresholds, prescales, strict=True)):
            if threshold is None or score < threshold:
                continue
            before = counts[number] / prescale
            counts[number] += 1
            raw[event, number] = 1
            passed[event, number] = counts[number] / prescale // 1 > before // 1
    return raw, passed


def test_decisions_are_those_of_counting_by_hand(subject: Subject, decider: Decider, words: IntArray) -> None:
    scores = subject.program(words)
    found, (raw, passed) = decider.decide(scores), by_hand(scores[:, 0])
    assert_array_equal(found.raw.astype(np.int64), raw)
    assert_array_equal(found.passed.astype(np.int64), passed)
    assert_array_equal(found.bx, np.arange(EVENTS) % 3564)
    assert_array_equal(found.scores, scores)
    assert found.valid.all()
    assert all(0 < raw[:, k].sum() < EVENTS for k in range(3))
    assert raw[:, 3].sum() == 0


def test_notation_is_read_as_it_is_written() -> None:
    for algorithm in (Algorithm(-3), Algorithm(7, Fraction(5, 2)), Algorithm(7, Fraction(0))):
        assert Algorithm.parse(str(algorithm)) == algorithm
    assert Algorithm.parse("300@2.5") == Algorithm(300, Fraction(5, 2))
    assert not Algorithm.parse("off").enabled
    for text in ("", "on", "3@", "3@x", "3@1/0", "3@nan", "1.5", "@2"):
        with pytest.raises(InputError, match=f"must be given as THRESHOLD, .*, not {text!r}"):
            Algorithm.parse(text)
    with pytest.raises(InputError, match="a prescale must be 0 or at least 1, not 1/2"):
        Algorithm.parse("3@0.5")


@pytest.mark.parametrize("form", ["text", *CmsFormat])
def test_expected_results_survive_every_format(
    tmp_path: Path, subject: Subject, decider: Decider, words: IntArray, form: str
) -> None:
    places = Places(2, 3, 4, 8)
    files = write_patterns(tmp_path / "run.txt", form, subject, places, lambda: [words[:2000], words[2000:]], decider)
    assert files[2] == trigger_path(files[0]) == tmp_path / "run.trigger.txt"
    assert recognise(files[2]) == form
    header = read_header(files[2])
    assert header.algorithms == SETTINGS
    assert [word.name for word in header.words] == ["bx0", "output0", "bits0", "raw0"]
    checked = check_file(files[2], subject, files[0], None, decider=decider)
    assert (checked.events, checked.latency_clocks, checked.result.words) == (EVENTS, 0, EVENTS * 10)
    checked.require()
    assert check_file(files[1], subject, files[0], None).result.ok


FLIPPED = {
    ("bx0", 3): "the crossing's number, bit 3",
    ("output0", 5): "output 0, bit 5",
    ("bits0", 1): "algorithm 1",
    ("bits0", 3): "algorithm 3",
    ("raw0", 0): "algorithm 0 before its prescale",
    ("raw0", 2): "algorithm 2 before its prescale",
}


@pytest.mark.parametrize("flipped", FLIPPED)
def test_one_flipped_bit_is_named(
    tmp_path: Path, subject: Subject, decider: Decider, words: IntArray, flipped: tuple[str, int]
) -> None:
    event = 3600
    files = write_patterns(tmp_path / "run.txt", "empv2", subject, Places(4), lambda: [words], decider)
    place = next(word.place for word in read_header(files[2]).words if word.name == flipped[0])
    assert place is not None
    link, frame, bit = place
    lines = files[2].read_text().splitlines()
    row = len(lines) - 4 * (EVENTS - event) + frame
    columns = lines[row].split()
    column = 3 + 2 * link
    columns[column] = f"{int(columns[column], 16) ^ (1 << (bit + flipped[1])):016x}"
    lines[row] = " ".join(columns)
    files[2].write_text("\n".join(lines) + "\n")
    checked = check_file(files[2], subject, files[0], None, decider=decider)
    assert checked.result.mismatches == 1
    name = FLIPPED[flipped]
    with pytest.raises(
        CheckError, match=rf"1 of {EVENTS * 10} differ; first at event 3600 \(crossing 36\), {name}: exp"
    ):
        checked.require()


def test_bits_alone_find_their_latency(tmp_path: Path, subject: Subject, decider: Decider, words: IntArray) -> None:
    """A layout may leave out the scores, the crossing's number and the bits before the prescales."""
    files = write_patterns(tmp_path / "run.txt", "empv1", subject, Places(4), lambda: [words], decider)
    layout, header = tmp_path / "layout.json", read_header(files[2])
    header.model_copy(update={"words": tuple(w for w in header.words if w.name == "bits0")}).save(layout)
    checked = check_file(files[2], subject, files[0], None, layout, decider)
    assert (checked.events, checked.latency_clocks) == (EVENTS, 0)
    assert checked.names == tuple(f"algorithm {k}" for k in range(4))
    checked.require()
    header.model_copy(update={"words": tuple(w for w in header.words if w.name == "output0")}).save(layout)
    with pytest.raises(InputError, match=r"must have some of the words bx0, .*, bits among them, not output0"):
        check_file(files[2], subject, files[0], None, layout, decider)
    narrow = tuple(w.model_copy(update={"width": 3}) if w.name == "bits0" else w for w in header.words)
    header.model_copy(update={"words": narrow}).save(layout)
    with pytest.raises(InputError, match="bits0 of a layout must have 4 bits as in the trigger of 'level1', not 3"):
        check_file(files[2], subject, files[0], None, layout, decider)


def test_wrong_settings_are_named(
    tmp_path: Path, subject: Subject, project: Project, decider: Decider, words: IntArray
) -> None:
    def of(*algorithms: str, **rest: object) -> Decider:
        return Decider.of(
            project, subject.program, TriggerSettings.parse({"algorithms": algorithms, **rest}, where="settings")
        )

    for message, algorithms in {
        "settings of 'level1' must be of 4 algorithms, not 2": ("1", "2"),
        r"threshold 2 must be -\d+\.\.\d+, a value of the score, not 99999999": ("1", "2", "99999999", "off"),
        "must be given as THRESHOLD, .* such as 300@5/2, not 'x'": ("1", "2", "x", "off"),
    }.items():
        with pytest.raises(InputError, match=message):
            of(*algorithms)
    with pytest.raises(InputError, match=r"bits must be distinct and in 0\.\.511, not \[1, 1, 2, 3\]"):
        of(*SETTINGS, bits=[1, 1, 2, 3])
    with pytest.raises(InputError, match="bits must be one for each of 4 algorithms, not 1"):
        of(*SETTINGS, bits=[7])
    files = write_patterns(tmp_path / "run.txt", "text", subject, Places(4), lambda: [words[:50]], decider)
    other = of("-50", "101@5/2", "400@3", "off")
    with pytest.raises(
        InputError, match=r"algorithm 1 must be 100@5/2 as in .*run\.trigger\.txt, not 101@5/2; give the settings"
    ):
        check_file(files[2], subject, files[0], None, decider=other)
    with pytest.raises(InputError, match=r"must be given to check .*: --algorithm -50 --algorithm 100@5/2 --algorithm"):
        check_file(files[2], subject, files[0], None)
    with pytest.raises(InputError, match="must be for a project with a trigger, but 'level1' has no table"):
        Decider.of(project.model_copy(update={"trigger": None}), subject.program, TriggerSettings(algorithms=SETTINGS))
    short = Trigger(algorithms=(4,), orbit=60, filling="[12b+3e]x4")
    with pytest.raises(InputError, match="must have the orbit of patterns, 3564 crossings, not 60"):
        Decider.of(project.model_copy(update={"trigger": short}), subject.program, TriggerSettings(algorithms=SETTINGS))


def test_algorithms_of_test_vectors_survive(tmp_path: Path, subject: Subject) -> None:
    rng = np.random.default_rng(3)
    bits, finor = rng.random((70, ALGORITHMS)) < 0.5, rng.random(70) < 0.5
    path, events, scores = tmp_path / "v.txt", np.zeros((70, 57), np.int64), np.zeros(70, np.int64)
    write_ugt(path, subject.contract, events, scores, subject.output_words[0], AlgorithmBits(bits, finor))
    found = read_algorithms(path)
    assert_array_equal(found.bits, bits)
    assert_array_equal(found.finor, finor)
    row = path.read_text().splitlines()[9].split()
    assert int(row[-3], 16) == sum(1 << int(k) for k in np.flatnonzero(bits[9]))
    assert len(row[-3]) == 128
    for column, bad in ((-3, "g" + "0" * 127), (-2, "2")):
        text = path.read_text().splitlines()
        cells = text[9].split()
        cells[column] = bad
        (tmp_path / "bad.txt").write_text("\n".join([*text[:9], " ".join(cells), *text[10:]]) + "\n")
        with pytest.raises(InputError, match=r"bad\.txt: a digit of clock 9 on channel"):
            read_algorithms(tmp_path / "bad.txt")


def altered(path: Path, crossing: int, column: int, change: int) -> None:
    """Flip bits of a column of a test vector."""
    lines = path.read_text().splitlines()
    cells = lines[crossing].split()
    cells[column] = f"{int(cells[column], 16) ^ change:0{len(cells[column])}x}"
    lines[crossing] = " ".join(cells)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path, subject: Subject, project: Project) -> Path:
    """The folder of a run, as far as patterns need it."""
    run = tmp_path / "run"
    (run / "firmware").mkdir(parents=True)
    (run / "model").mkdir()
    RunConfig(project=project).save(run / STORED)
    subject.program.save(run / "firmware" / "program.json.gz")
    subject.contract.save(run / "model" / "contract.json")
    return run


def invoke(*arguments: object) -> str:
    said = CliRunner().invoke(patterns, list(map(str, arguments)), catch_exceptions=False, standalone_mode=False)
    return said.output


@pytest.mark.parametrize("form", ["text", "empv2"])
def test_command_line_writes_and_checks_bits(folder: Path, form: str) -> None:
    out, decided = folder / "run.txt", folder / "run.trigger.txt"
    given = [part for text in SETTINGS for part in ("--algorithm", text)]
    said = invoke("write", folder, "--format", form, "--events", 400, "--out", out, "--json", *given)
    assert json.loads(said[said.index("{") :])["files"][2] == str(decided)
    said = invoke("check", decided, folder, "--stimulus", out, "--json", *given)
    assert "400 events, latency 0 clocks: 0 of 4000 words differ" in said
    assert json.loads(said[said.index("{") :])["first_difference"] is None
    (folder / "settings.toml").write_text(f"algorithms = {list(SETTINGS)}\n")
    said = invoke("check", decided, folder, "--stimulus", out, "--settings", folder / "settings.toml")
    assert "0 of 4000 words differ" in said
    with pytest.raises(InputError, match="algorithm 0 must be -50 as in"):
        invoke("check", decided, folder, "--stimulus", out, "--algorithm", "-51", *given[2:])
    with pytest.raises(InputError, match="must be given by --algorithm or by --settings, not by both"):
        invoke("write", folder, "--out", out, "--settings", folder / "settings.toml", *given)
    with pytest.raises(InputError, match="PROJECT must be the folder of a project"):
        invoke("write", folder / "firmware", "--contract", folder / "model" / "contract.json", "--out", out, *given)


def test_command_line_checks_the_bits_of_a_test_vector(folder: Path, subject: Subject, decider: Decider) -> None:
    path, settings = folder / "v.txt", folder / "settings.toml"
    settings.write_text(f"algorithms = {list(SETTINGS)}\nbits = {list(decider.bits)}\n")
    invoke("write", folder, "--format", "ugt", "--events", 600, "--out", path, "--settings", settings)
    found = read_algorithms(path)
    assert_array_equal(np.flatnonzero(found.bits.any(axis=0)), [0, 459, 511])
    assert_array_equal(found.finor, found.bits.any(axis=1))
    check = ("check", path, folder, "--settings", settings)
    assert "600 events, latency 0 clocks: 0 of 3600 words differ" in invoke(*check)
    text = path.read_text()
    for column, change, name in ((-3, 1 << 511, "algorithm 2"), (-3, 1, "algorithm 1"), (-2, 1, "FINOR")):
        altered(path, 123, column, change)
        with pytest.raises(CheckError, match=rf"1 of 3600 differ; first at event 123 \(crossing 123\), {name}: exp"):
            invoke(*check)
        path.write_text(text)
    altered(path, 5, -1, 8)
    with pytest.raises(CheckError, match=r"event 5 \(crossing 5\), output 0, bit 3: expected"):
        invoke(*check)
    path.write_text("\n".join(" ".join(line.split()[:-1]) for line in text.splitlines()) + "\n")
    assert "0 of 3000 words differ" in invoke(*check)


def test_bits_of_other_algorithms_are_left_alone(folder: Path) -> None:
    """In a vector of a whole menu there are other algorithms, of which FINOR is too."""
    path, given = folder / "v.txt", [part for text in SETTINGS for part in ("--algorithm", text)]
    invoke("write", folder, "--format", "ugt", "--events", 60, "--out", path, *given)
    altered(path, 7, -3, 1 << 300)
    altered(path, 7, -2, 1)
    assert "60 events, latency 0 clocks: 0 of 300 words differ" in invoke("check", path, folder, *given)


def test_parts_of_a_pattern_begin_anew(folder: Path, subject: Subject, decider: Decider) -> None:
    given = [part for text in SETTINGS for part in ("--algorithm", text)]
    out = folder / "run.txt"
    invoke("write", folder, "--format", "empv2", "--events", 300, "--out", out, "--depth", 1024, *given)
    for number, events in enumerate((113, 113, 74)):
        part = folder / f"run_{number}.txt"
        said = invoke("check", trigger_path(part), folder, "--stimulus", part, *given)
        assert f"{events} events, latency 0 clocks: 0 of" in said


def test_the_reference_does_not_depend_on_latency(subject: Subject, decider: Decider, words: IntArray) -> None:
    outputs = subject.program(words[:200])
    core = replace(decider.trigger.core, latency_clocks=9)
    later = replace(decider, trigger=replace(decider.trigger, core=core))
    assert_array_equal(later.decide(outputs).passed, decider.decide(outputs).passed)
    assert_array_equal(later.decide(outputs).bx, decider.decide(outputs).bx)
