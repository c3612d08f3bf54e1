"""The trigger around a core: equal to its model clock for clock in real simulators, and every mutant is caught."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.design import Bits, Port, Word
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Language, Targets
from trigforge.firmware.rtl import Algorithm, BusWrite, Decisions, Section, Stimulus, TriggerTop, predict, write_rtl
from trigforge.firmware.rtl.settings import ACTIVE, MAGIC, SHADOW, Commit, Control, Field, address
from trigforge.firmware.rtl.trigger import MODULES
from trigforge.firmware.synthesis import yosys_command
from trigforge.fixed import IntArray
from trigforge.sim.cosim import Simulator, find_simulator
from trigforge.sim.cosim.build import child_environment

from .random_programs import random_program, random_words
from .trigger_bench import Harness

READ_CLOCKS = 80
"""Clocks at the end, in which registers are read."""
RESET_CLOCKS = 3
"""Clocks before the reset, in which all inputs are undefined."""


def found(name: str) -> Simulator:
    """The simulator; where tools are optional, the test is skipped without it."""
    try:
        return find_simulator(name)
    except MissingToolError as error:
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    return found("icarus")


@dataclass(frozen=True, slots=True)
class Case:
    """A trigger, what it is given and what it must answer."""

    harness: Harness
    stimulus: Stimulus
    words: IntArray
    expected: Decisions
    answers: dict[int, tuple[int, int]]
    """Bus reads: clock -> address and what it must read."""

    def play(self, simulator: Simulator, folder: Path) -> tuple[Bits, list[str]]:
        """The trace, and the first differences."""
        reads = {clock: given for clock, (given, _) in self.answers.items()}
        trace = self.harness.play(self.stimulus, self.words, reads, simulator, folder)
        wrong = [
            f"address {given:#x} at clock {clock} reads {self.harness.read(trace, clock)} not {value:032b}"
            for clock, (given, value) in self.answers.items()
            if self.harness.read(trace, clock) != f"{value:032b}"
        ]
        return trace, self.harness.differences(trace, self.stimulus, self.expected) + wrong[:3]


def trigger_of(program: IntegerProgram, score: int, folder: Path, **numbers: int) -> TriggerTop:
    design = write_rtl(program, Targets(), folder, "dut")
    return TriggerTop("menu", design, program.digest, score=score, **numbers)


def settings_of(trigger: TriggerTop, scores: IntArray) -> tuple[list[Algorithm], ...]:
    """Three sets of settings that differ in everything; thresholds are scores that occur, so that equality matters."""
    prescales = [Fraction(1), Fraction(5, 2), Fraction(7, 3), Fraction(11, 4), Fraction(0)]
    levels = np.quantile(scores, np.linspace(0.2, 0.8, trigger.algorithms), method="nearest").tolist()
    numbers = range(trigger.algorithms)
    return (
        [Algorithm(levels[i], prescales[i % 5]) for i in numbers],
        [Algorithm(levels[-1 - i], prescales[(i + 1) % 5], i != 1) for i in numbers],
        [Algorithm(levels[i - 1], prescales[(i + 2) % 5]) for i in numbers],
    )


def make_case(program: IntegerProgram, harness: Harness, seed: int) -> Case:
    """A run-in cut off by a reset, then eight orbits, each with something that is easily done wrong.

    Orbit 1 gets settings whose commit comes at the last clock that counts, 2 begins a section, 3 gets settings whose
    commit came a clock too late for 2, 4 gets none, 5 has no BC0 and does not get the settings that wait for the
    section that 6 begins, 7 would get settings that were disarmed and is cut short by an early BC0 and section.
    """
    trigger, rng = harness.trigger, np.random.default_rng(seed)
    length = trigger.orbit * trigger.clocks_per_bx
    batch = 4 * trigger.algorithms + 1
    first_bc0 = RESET_CLOCKS + batch + 4
    restart = first_bc0 + length // 2
    start = restart + batch + 9
    early = start + 7 * length + length // 2 + 1
    end = early + length // 2
    clocks = end + READ_CLOCKS
    reset, bc0, lumi = (np.zeros(clocks, dtype=bool) for _ in range(3))
    reset[[RESET_CLOCKS, restart, restart + 1]] = True
    orbits = start + length * np.array([0, 1, 2, 3, 4, 6, 7])
    bc0[[first_bc0, *orbits]] = True
    bc0[early::length] = True
    lumi[[orbits[2], orbits[5], early, early + 1]] = True
    valid = rng.random(clocks) < 0.7
    valid[start + length // 2 : start + length // 2 + 9 * trigger.clocks_per_bx] = False
    valid[end:] = False
    words = random_words(program, 100, seed)[rng.integers(102, size=clocks)]
    scores = program(words)[:, trigger.score]
    one, two, three = settings_of(trigger, scores)
    core = trigger.core.latency_clocks
    commits = [
        (first_bc0 - 1, trigger.writes(one)),
        (start - 1, trigger.writes(one)),
        (orbits[1] + core - 2, trigger.writes(two)),
        (orbits[2] + core - 1, trigger.writes(one)),
        (orbits[4] + length // 2, trigger.writes(three, Commit.AT_SECTION)),
        (orbits[5] + length // 2, trigger.writes(two)),
        (orbits[5] + length // 2 + 1, (BusWrite(address(Field.THRESHOLD, 0), 1),)),
        (orbits[6] + 5, (BusWrite(Control.IDENTITY, 3), BusWrite(address(Field.ENABLE, trigger.algorithms), 1))),
    ]
    writes = tuple((int(last) - len(w) + 1 + k, write) for last, w in commits for k, write in enumerate(w))
    stimulus = Stimulus(reset, bc0, lumi, valid, scores, writes)
    expected = predict(trigger, stimulus)
    answers = {}
    for first, section in ((orbits[2] + core + 6, 0), (orbits[5] + length // 2 + 2, 1)):
        answers |= dict(enumerate(section_registers(expected.sections[section]), int(first)))
    answers |= dict(enumerate(final_registers(trigger, two, three, expected.sections[2]).items(), end))
    return Case(harness, stimulus, words, expected, answers)


def section_registers(section: Section) -> list[tuple[int, int]]:
    """Addresses and values of the rates."""
    rates = zip((Field.RAW, Field.PASSED), (section.raw, section.passed), strict=True)
    return [(address(field, i), count) for field, counts in rates for i, count in enumerate(counts)]


def final_registers(
    trigger: TriggerTop, shadow: list[Algorithm], active: list[Algorithm], last: Section
) -> dict[int, int]:
    """All registers at the end of a case, and addresses that nothing answers to."""
    word = trigger.score_word
    shape = (trigger.algorithms, word.width, trigger.core.latency_clocks, 2 * trigger.clocks_per_bx + word.signed)
    nobody = (len(Control), address(Field.ENABLE, trigger.algorithms), address(Field.ENABLE, 127), 0xC00)
    values: dict[int, int] = dict.fromkeys((Control.COMMIT, *nobody), 0)
    values |= {Control.MAGIC: MAGIC, Control.IDENTITY: int(trigger.program_digest[:8], 16), Control.LOCKED: 1}
    values |= {Control.SHAPE: int.from_bytes(bytes(shape)), Control.SYNC_ERRORS: 2, Control.SECTIONS: 3}
    values |= {Control.ORBITS: last.orbits, Control.CROSSINGS: last.crossings}
    for bank, algorithms in ((SHADOW, shadow), (ACTIVE, active)):
        for i, algorithm in enumerate(algorithms):
            prescale = algorithm.prescale
            settings = (algorithm.enabled, algorithm.threshold % 2**32, prescale.numerator, prescale.denominator)
            fields = (*settings, last.raw[i], last.passed[i])
            values |= {address(field, i, bank): int(v) for field, v in zip(Field, fields, strict=True)}
    values[address(Field.THRESHOLD, 0)] = 1
    return values


SHAPES = {
    "signed, a crossing a clock": (2, 5, {"algorithms": 4, "orbit": 48, "clocks_per_bx": 1}),
    "unsigned, four clocks a crossing": (7, 5, {"algorithms": 3, "orbit": 20, "clocks_per_bx": 4}),
    "one algorithm": (9, 0, {"algorithms": 1, "orbit": 33, "clocks_per_bx": 3}),
}


@pytest.fixture(scope="module", params=SHAPES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    seed, score, numbers = SHAPES[request.param]
    return case_of(seed, score, numbers, tmp_path_factory.mktemp("trigger"))


def case_of(seed: int, score: int, numbers: dict[str, int], folder: Path) -> Case:
    program = random_program(seed)
    trigger = trigger_of(program, score, folder / "core", **numbers)
    return make_case(program, Harness.of(trigger, folder / "trigger"), seed)


def test_every_output_is_the_models_at_its_clock(case: Case, icarus: Simulator, tmp_path: Path) -> None:
    assert case.play(icarus, tmp_path)[1] == []


def test_the_stimulus_exercises_every_decision(case: Case) -> None:
    trigger, d = case.harness.trigger, case.expected
    assert d.sync_errors == 2
    assert len(d.sections) == 3
    assert d.raw.any(axis=0).all()
    assert (d.raw & ~d.passed).any()
    assert (~d.raw[d.valid]).any(axis=0).all()
    assert 0 < d.valid.mean() < 1
    levels = {a.threshold for s in settings_of(trigger, case.stimulus.scores) for a in s}
    assert levels & set(d.scores[d.valid].tolist()), "no score equals a threshold"


def test_orbits_of_the_lhc(tmp_path: Path) -> None:
    lhc = case_of(6, 4, {"algorithms": 2, "orbit": 3564, "clocks_per_bx": 1}, tmp_path)
    assert lhc.expected.bx.max() == 3563
    assert len(lhc.expected.clock) > 6 * 3564
    trace, differences = lhc.play(found("verilator"), tmp_path / "build")
    assert differences == []
    first = int(np.flatnonzero(lhc.stimulus.bc0)[0])
    strobes = lhc.harness.design.outputs.digits(trace)[:, -1] == ord("1")
    assert int(np.flatnonzero(strobes)[0]) - first == lhc.harness.trigger.latency_clocks
    assert lhc.harness.trigger.latency_clocks == lhc.harness.trigger.core.latency_clocks + 2


MUTANTS = [
    ("tf_align", "{flags, now}", "{flags, now & {4{locked}}}"),
    ("tf_align", "all_numbers[BX_BITS*LATENCY+:BX_BITS]", "all_numbers[BX_BITS*(LATENCY-1)+:BX_BITS]"),
    ("tf_align", "all_flags[4*LATENCY+:4]", "all_flags[4*(LATENCY-1)+:4]"),
    ("tf_align", "BX_BITS'(ORBIT - 1)", "BX_BITS'(ORBIT - 2)"),
    ("tf_align", "in_bc0 || due ? '0", "due ? '0"),
    ("tf_align", "flags <= rst ? '0 :", "flags <="),
    ("tf_align", "begins && (locked || in_bc0)", "begins"),
    ("tf_align", "in_bc0 && in_lumi", "in_lumi"),
    ("tf_align", "locked && in_bc0 != due", "locked && in_bc0 && !due"),
    ("tf_threshold", ">= (limit", "> (limit"),
    ("tf_threshold", "(limit ^ SIGN)", "(limit)"),
    ("tf_threshold", "SCORE_BITS'(SIGNED) <<", "SCORE_BITS'(0) <<"),
    ("tf_threshold", "valid && enable", "enable"),
    ("tf_threshold", "valid && enable[i] && passes", "valid && passes"),
    ("tf_prescale", "sum >= whole", "sum > whole"),
    ("tf_prescale", "full ? sum - whole : sum", "full ? '0 : sum"),
    ("tf_prescale", "restart ? '0 : count", "count"),
    ("tf_prescale", "candidate[i] ? rest : held", "rest"),
    ("tf_prescale", "&& whole != '0", ""),
    ("tf_rates", "lumi ? 32'd0 : running", "running"),
    ("tf_rates", "(lumi ? 32'd0 : running) + 32'(events[i])", "lumi ? 32'd0 : running + 32'(events[i])"),
    ("tf_registers", "armed[1] && next_lumi", "armed[1] && next_orbit"),
    ("tf_registers", "(armed[0] && next_orbit) ||", "next_orbit ||"),
    ("tf_registers", "else if (load || write_setting) armed", "else if (load) armed"),
    ("tf_registers", "else if (load || write_setting) armed", "else if (write_setting) armed"),
    ("tf_registers", "end else if (load) begin", "end else begin"),
    ("tf_registers", "algo_index == 7'(i)", "algo_index[0] == 1'(i)"),
    ("tf_registers", "(32'(limit) ^ SIGN) - SIGN", "32'(limit)"),
    ("trigger_top", "lumi, lumi || loaded}", "lumi, lumi}"),
    ("trigger_top", "lumi, lumi || loaded}", "lumi, loaded}"),
    ("trigger_top", ".prescale(prescale_1)", ".prescale(prescale)"),
    ("trigger_top", "valid ? score : '0", "score"),
    ("trigger_top", ".raw(out_raw)", ".raw(candidates)"),
]
"""A module, a text in it and what replaces it."""


def test_every_mutant_is_caught(mutable: Case, icarus: Simulator, tmp_path: Path) -> None:
    def survives(numbered: tuple[int, tuple[str, str, str]]) -> bool:
        folder = tmp_path / str(numbered[0])
        mutant = replace(mutable, harness=Harness.of(mutable.harness.trigger, folder, numbered[1]))
        return not mutant.play(icarus, folder / "build")[1]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(survives, enumerate(MUTANTS)))
    assert len(MUTANTS) > 30
    assert [mutant for mutant, alive in zip(MUTANTS, verdicts, strict=True) if alive] == []


@pytest.fixture(scope="module")
def mutable(tmp_path_factory: pytest.TempPathFactory) -> Case:
    seed, score, numbers = SHAPES["signed, a crossing a clock"]
    return case_of(seed, score, numbers, tmp_path_factory.mktemp("mutable"))


OTHER = {"N_ALGOS": 5, "SCORE_BITS": 32, "SIGNED": 0, "CLOCKS_PER_BX": 8, "ORBIT": 924, "LATENCY": 1}


@pytest.mark.parametrize("numbers", [{}, OTHER], ids=["defaults", "others"])
@pytest.mark.parametrize("module", MODULES)
def test_verilator_has_nothing_to_say(module: str, numbers: dict[str, int], mutable: Case, tmp_path: Path) -> None:
    simulator, texts = found("verilator"), mutable.harness.trigger.emit()
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    sources = [f"{m}.sv" for m in MODULES] if module == MODULES[-1] else [f"{module}.sv"]
    options = [f"-G{k}={v}" for k, v in numbers.items() if re.search(rf"parameter \w+ {k} =", texts[f"{module}.sv"])]
    run = subprocess.run(
        [str(simulator.executable), "--lint-only", "-Wall", *options, "--top-module", module, *sources],
        cwd=tmp_path,
        env=child_environment(simulator.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_yosys_synthesises_every_module(mutable: Case, tmp_path: Path) -> None:
    for name, text in mutable.harness.trigger.emit().items():
        (tmp_path / name).write_text(text)
    for source in mutable.harness.trigger.core.sources:
        (tmp_path / source.name).write_text(source.read_text())
    read = "read_verilog -sv " + " ".join(sorted(p.name for p in tmp_path.iterdir()))
    tops = [*MODULES[:-1], mutable.harness.trigger.top]
    script = "; ".join(f"{read}; synth -top {top}; check -assert; design -reset" for top in tops)
    run = subprocess.run(
        [*yosys_command(), "-q", "-p", script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def still(trigger: TriggerTop, crossings: int, algorithm: Algorithm, score: int) -> Decisions:
    """The decisions of one algorithm on a score that stays."""
    clocks = 30 + crossings * trigger.clocks_per_bx
    reset, bc0 = np.zeros((2, clocks), dtype=bool)
    reset[0] = bc0[20] = True
    writes = tuple(enumerate(trigger.writes([algorithm]), 1))
    valid, scores = np.ones(clocks, dtype=bool), np.full(clocks, score)
    return predict(trigger, Stimulus(reset, bc0, np.zeros(clocks, dtype=bool), valid, scores, writes))


@pytest.mark.parametrize("prescale", [Fraction(1), Fraction(5, 2), Fraction(355, 113), Fraction(1000), Fraction(0)])
def test_a_prescale_passes_its_share_evenly(prescale: Fraction, single: TriggerTop) -> None:
    passed = still(single, 3000, Algorithm(7, prescale), 7).passed[:, 0]
    if prescale == 0:
        assert not passed.any()
        return
    assert abs(int(passed[:3000].sum()) - 3000 / prescale) < 1
    gaps = np.diff(np.flatnonzero(passed))
    assert {int(g) for g in gaps} <= {int(prescale), -int(-prescale // 1)}


def test_a_score_at_its_threshold_passes_and_one_below_does_not(single: TriggerTop) -> None:
    assert still(single, 5, Algorithm(7), 7).raw[:5].all()
    assert not still(single, 5, Algorithm(7), 6).raw.any()
    assert not still(single, 5, Algorithm(7, enabled=False), 7).raw.any()


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> TriggerTop:
    return trigger_of(random_program(9), 0, tmp_path_factory.mktemp("single") / "core")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 5}, r"score must be 0\.\.4, an output, not 5"),
        ({"algorithms": 0}, r"algorithms must be 1\.\.128, not 0"),
        ({"algorithms": 129}, r"algorithms must be 1\.\.128, not 129"),
        ({"orbit": 1}, r"orbit must be 2\.\.65536, not 1"),
        ({"clocks_per_bx": 128}, r"clocks_per_bx must be 1\.\.127, not 128"),
        ({"program_digest": "abc"}, "a program's digest must be 64 hexadecimal digits, not 'abc'"),
        ({"name": "a b"}, "the name of a trigger must be letters, digits .*, not 'a b'"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused(change: dict[str, object], message: str, single: TriggerTop) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        replace(single, **change)


def test_a_core_that_does_not_fit_is_refused(single: TriggerTop, tmp_path: Path) -> None:
    for width in (0, 33):
        core = replace(single.core, outputs=Port("model_out", (Word(width, signed=False), Word(1, signed=False))))
        with pytest.raises(InputError, match=rf"a score must have 1\.\.32 bits, not {width}; cast the program's"):
            replace(single, core=core)
    vhdl = write_rtl(random_program(9), Targets(language=Language.VHDL), tmp_path / "vhdl", "dut")
    with pytest.raises(InputError, match=r"the core of a trigger must be Verilog, not dut_\w+\.vhd; build it"):
        replace(single, core=vhdl)
    named = write_rtl(random_program(9), Targets(), tmp_path / "named", "tf_rates")
    with pytest.raises(InputError, match="a module of the core must not be named 'tf_rates' as one of the trigger is"):
        replace(single, core=named)


def test_settings_without_a_meaning_are_refused(single: TriggerTop) -> None:
    with pytest.raises(InputError, match="a prescale must be 0 or at least 1, not 1/2"):
        Algorithm(1, Fraction(1, 2))
    with pytest.raises(InputError, match=r"denominator of a prescale must be below 2\*\*24, not 16777216; round it"):
        Algorithm(1, Fraction(1 << 24))
    with pytest.raises(InputError, match=r"threshold 0 must be -8192\.\.8191, a value of the score, not 8192;"):
        single.writes([Algorithm(8192)])
    with pytest.raises(InputError, match="settings of 'menu' must be of 1 algorithms, not 2"):
        single.writes([Algorithm(1), Algorithm(2)])


def test_a_stimulus_without_order_or_reset_is_refused(single: TriggerTop) -> None:
    off, scores = np.zeros(4, dtype=bool), np.zeros(4, dtype=np.int64)
    with pytest.raises(InputError, match="a stimulus must have a reset"):
        predict(single, Stimulus(off, off, off, off, scores))
    with pytest.raises(InputError, match="must be ordered by clock, at most one a clock"):
        Stimulus(off, off, off, off, scores, ((1, BusWrite(3, 1)), (1, BusWrite(3, 1))))
    with pytest.raises(InputError, match=r"arrays of one shape \(n,\) with int64 scores"):
        Stimulus(off, off, off[:1], off, scores)


def test_the_sources_are_written_once_and_in_order(single: TriggerTop, tmp_path: Path) -> None:
    sources = single.write(tmp_path / "new" / "folder")
    assert sources[: len(single.core.sources)] == single.core.sources
    assert [s.name for s in sources[len(single.core.sources) :]] == [*(f"{m}.sv" for m in MODULES), "menu_trigger.sv"]
    assert {s.name: s.read_text() for s in sources[len(single.core.sources) :]} == single.emit()
