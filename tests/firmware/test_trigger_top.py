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

from trigforge.errors import CheckError, InputError
from trigforge.filling import NOMINAL, FillingScheme
from trigforge.firmware.combine import combine
from trigforge.firmware.design import Port, Word
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Language, Targets
from trigforge.firmware.rtl import Algorithm, BusWrite, Decisions, Stimulus, TriggerTop, predict, write_rtl
from trigforge.firmware.rtl.trigger import MODULES
from trigforge.firmware.synthesis import yosys_command
from trigforge.sim.cosim import Simulator, Vectors, find_simulator
from trigforge.sim.cosim.build import child_environment
from trigforge.sim.cosim.trigger import PackedTrigger, TriggerResult, simulate_trigger
from trigforge.sim.cosim.trigger_situations import situations
from trigforge.sim.cosim.trigger_stimulus import TriggerVectors, make_trigger_vectors, register_addresses

from .random_programs import random_program, random_words
from .test_combine import programs_on_one_input


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    return find_simulator("icarus")


@dataclass(frozen=True, slots=True)
class Case:
    """A trigger and what it is given."""

    packed: PackedTrigger
    vectors: TriggerVectors

    @property
    def trigger(self) -> TriggerTop:
        return self.packed.trigger

    def simulated(self, simulator: Simulator, folder: Path) -> TriggerResult:
        return simulate_trigger(self.packed, self.vectors, simulator, folder)


def packed(trigger: TriggerTop, folder: Path) -> PackedTrigger:
    return PackedTrigger.write(trigger, trigger.write(folder), folder)


def trigger_of(program: IntegerProgram, folder: Path, compares: tuple[int, ...] = (0,), **numbers: int) -> TriggerTop:
    return TriggerTop(
        "menu", write_rtl(program, Targets(), folder, "dut"), program.digest, compares=compares, **numbers
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """A random program and the numbers of a trigger around its core."""

    program: IntegerProgram
    compares: tuple[int, ...]
    filling: str
    algorithms: int = 1
    orbit: int = 48
    clocks_per_bx: int = 1
    whole_orbits: int = 3

    def case(self, folder: Path) -> Case:
        numbers = {"algorithms": self.algorithms, "orbit": self.orbit, "clocks_per_bx": self.clocks_per_bx}
        trigger = trigger_of(self.program, folder / "core", self.compares, **numbers)
        words = random_words(self.program, 300, 1)
        vectors = Vectors(words, np.full(len(words), "random"))
        filling = FillingScheme(self.filling)
        made = make_trigger_vectors(trigger, self.program, vectors, filling, whole_orbits=self.whole_orbits)
        return Case(packed(trigger, folder / "trigger"), made)


SHAPES = {
    "one score of four algorithms, signed": Shape(random_program(2), (5,), "30b+18e", 4),
    "one unsigned score, four clocks a crossing": Shape(random_program(7), (5,), "12b+8e", 3, 20, 4),
    "one algorithm": Shape(random_program(9), (0,), "33b", 1, 33, 3),
    "three scores of other widths and signs": Shape(random_program(2), (0, 5, 5, 1), "40b+20e", 4, 60, 1),
    "two programs that share one core": Shape(combine(programs_on_one_input(5, 2)), (0, 6), "20b+20e", 2, 40, 2),
}


@pytest.fixture(scope="module", params=SHAPES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return SHAPES[request.param].case(tmp_path_factory.mktemp("trigger"))


def test_every_output_is_the_models_at_its_clock(case: Case, icarus: Simulator, tmp_path: Path) -> None:
    """In Icarus all inputs are X before the first reset, and words that mean nothing are X ever after."""
    result = case.simulated(icarus, tmp_path)
    assert result.level.first is None
    first = int(np.argmax(case.vectors.stimulus.reset))
    assert result.level.words == (len(case.vectors.words) - first - 1) * len(case.packed.names)
    assert result.latency_clocks == case.trigger.core.latency_clocks + 2


def test_the_stimulus_has_every_situation(case: Case) -> None:
    counts = situations(case.trigger, case.vectors.stimulus)
    assert min(counts.values()) > 0, counts
    assert counts["registers read"] == len(set(register_addresses(case.trigger)))


def test_a_stimulus_is_its_seeds(tmp_path: Path) -> None:
    shape = SHAPES["one algorithm"]
    trigger, words = trigger_of(shape.program, tmp_path), random_words(shape.program, 50, 1)
    trigger = replace(trigger, orbit=33)
    vectors, filling = Vectors(words, np.full(len(words), "random")), FillingScheme("33b")
    one, same, other = (make_trigger_vectors(trigger, shape.program, vectors, filling, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.words, same.words)
    assert one.stimulus.writes == same.stimulus.writes != other.stimulus.writes
    with pytest.raises(InputError, match="scheme of 'menu' must have its 33 crossings an orbit, not 3564"):
        make_trigger_vectors(trigger, shape.program, vectors, NOMINAL)


def test_orbits_of_the_lhc(tmp_path: Path) -> None:
    """In Verilator registers begin with random values."""
    lhc = Shape(random_program(6), (4,), NOMINAL.formula, 2, 3564, 1, whole_orbits=2).case(tmp_path)
    result = lhc.simulated(find_simulator("verilator"), tmp_path / "build")
    assert result.level.first is None
    decisions = predict(lhc.trigger, lhc.vectors.stimulus)
    assert decisions.bx.max() == 3563
    assert result.level.vectors["collision"] > 2 * 2808 * 0.8
    assert not decisions.valid[-12 * 60 :].all()


def test_a_wrong_latency_and_undefined_outputs_are_errors(icarus: Simulator, tmp_path: Path) -> None:
    case = SHAPES["one algorithm"].case(tmp_path)
    trace = case.packed.play(case.vectors, icarus, tmp_path / "build")[0]
    later = replace(case.trigger.core, latency_clocks=case.trigger.core.latency_clocks + 1)
    wrong = replace(case.packed, trigger=replace(case.trigger, core=later))
    with pytest.raises(
        CheckError, match=r"the latency of 'menu_trigger' must be \d clocks as declared, but \d was meas"
    ):
        wrong.latency(case.vectors, trace)
    clock = int(np.flatnonzero(case.vectors.stimulus.bc0)[0]) + 9
    trace[clock] = trace[clock][:-3] + b"X" + trace[clock][-2:]
    with pytest.raises(CheckError, match=rf"but bit 0 of out_accept is X at clock {clock}; 1 of \d+ clocks have"):
        case.packed.compare(case.vectors, trace)
    trace[clock] = trace[clock].replace(b"X", b"0")
    bits = bytearray(trace[clock])
    bits[-2] ^= 1
    trace[clock] = bytes(bits)
    first = case.packed.compare(case.vectors, trace).first
    assert first is not None
    assert (first.event, case.packed.names[first.element], first.bit) == (clock, "out_valid", 0)


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
    ("tf_threshold", "BITS'(ALGO_SIGNED[i]) <<", "BITS'(ALGO_SIGNED[0]) <<"),
    ("tf_threshold", "int'(ALGO_FIRST[16*i+:16])", "int'(ALGO_FIRST[15:0])"),
    ("tf_threshold", "int'(ALGO_WIDTH[8*i+:8])", "int'(ALGO_WIDTH[8*i+:8]) - 1"),
    ("tf_threshold", "threshold[32*i+:BITS]", "threshold[0+:BITS]"),
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
    ("tf_registers", "32'(ALGO_SIGNED[i]) <<", "32'(ALGO_SIGNED[0]) <<"),
    ("tf_registers", "ALGO_WIDTH[8*i+:8], ALGO_FIRST", "ALGO_WIDTH[7:0], ALGO_FIRST"),
    ("tf_registers", "shows_shadow ? shadow_threshold : active_threshold", "shadow_threshold"),
    ("trigger_top", "lumi, lumi || loaded}", "lumi, lumi}"),
    ("trigger_top", "lumi, lumi || loaded}", "lumi, loaded}"),
    ("trigger_top", ".prescale(prescale_1)", ".prescale(prescale)"),
    ("trigger_top", "valid ? score : '0", "score"),
    ("trigger_top", ".raw(out_raw)", ".raw(candidates)"),
    ("trigger_top", ".ALGO_SIGNED(ALGO_SIGNED)\n    ) thresholds", ".ALGO_SIGNED('1)\n    ) thresholds"),
    ("trigger_top", "8'(LATENCY), 16'(CLOCKS_PER_BX)", "8'(CLOCKS_PER_BX), 16'(LATENCY)"),
    ("menu_trigger", "core_out[19 +: 11]", "core_out[20 +: 11]"),
]
"""A module, a text in it and what replaces it."""


def mutated(case: Case, folder: Path, mutation: tuple[str, str, str]) -> Case:
    """The case with a text of a module replaced where it stands, once."""
    changed = packed(case.trigger, folder)
    module, old, new = mutation
    source = folder / f"{module}.sv"
    text = source.read_text()
    assert text.count(old) == 1, f"{old!r} must occur once in {module}"
    source.write_text(text.replace(old, new))
    return replace(case, packed=changed)


def test_every_mutant_is_caught(mutable: Case, icarus: Simulator, tmp_path: Path) -> None:
    def survives(numbered: tuple[int, tuple[str, str, str]]) -> bool:
        folder = tmp_path / str(numbered[0])
        mutant = mutated(mutable, folder, numbered[1])
        trace = mutant.packed.play(mutant.vectors, icarus, folder / "build")[0]
        try:
            return mutant.packed.compare(mutant.vectors, trace).ok
        except CheckError:  # undefined bits
            return False

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(survives, enumerate(MUTANTS)))
    assert len(MUTANTS) > 40
    assert [mutant for mutant, alive in zip(MUTANTS, verdicts, strict=True) if alive] == []


@pytest.fixture(scope="module")
def mutable(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return SHAPES["three scores of other widths and signs"].case(tmp_path_factory.mktemp("mutable"))


OTHER = {
    "N_ALGOS": 5,
    "SCORE_BITS": 60,
    "ALGO_FIRST": "80'h1c001c000000000000",
    "ALGO_WIDTH": "40'h20201c1c1c",
    "ALGO_SIGNED": "5'h18",
    "CLOCKS_PER_BX": 8,
    "ORBIT": 924,
    "LATENCY": 1,
}


@pytest.mark.parametrize("numbers", [{}, OTHER], ids=["defaults", "others"])
@pytest.mark.parametrize("module", MODULES)
def test_verilator_has_nothing_to_say(module: str, numbers: dict[str, object], mutable: Case, tmp_path: Path) -> None:
    simulator, texts = find_simulator("verilator"), mutable.trigger.emit()
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    sources = [f"{m}.sv" for m in MODULES] if module == MODULES[-1] else [f"{module}.sv"]
    known = re.findall(r"parameter .*?(\w+) =", texts[f"{module}.sv"])
    options = [f"-G{k}={v}" for k, v in numbers.items() if k in known]
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
    for name, text in mutable.trigger.emit().items():
        (tmp_path / name).write_text(text)
    for source in mutable.trigger.core.sources:
        (tmp_path / source.name).write_text(source.read_text())
    read = "read_verilog -sv " + " ".join(sorted(p.name for p in tmp_path.iterdir()))
    tops = [*MODULES[:-1], mutable.trigger.top]
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
    valid, scores = np.ones(clocks, dtype=bool), np.full((clocks, 1), score)
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
    return trigger_of(random_program(9), tmp_path_factory.mktemp("single") / "core")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compares": (5,)}, r"a score must be 0\.\.4, an output, not 5"),
        ({"compares": (0, 1)}, "compares must hold one output for all or one for each of 1 algorithms, not 2"),
        ({"compares": ()}, "compares must hold one output for all or one for each of 1 algorithms, not 0"),
        ({"algorithms": 0}, r"algorithms must be 1\.\.128, not 0"),
        ({"algorithms": 129}, r"algorithms must be 1\.\.128, not 129"),
        ({"orbit": 1}, r"orbit must be 2\.\.65536, not 1"),
        ({"clocks_per_bx": 128}, r"clocks_per_bx must be 1\.\.127, not 128"),
        ({"program_digest": "abc"}, "a program's digest must be 64 hexadecimal digits, not 'abc'"),
        ({"name": "a b"}, "the name of a trigger must be letters, digits .*, not 'a b_trigger'"),
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
    off, scores = np.zeros(4, dtype=bool), np.zeros((4, 1), dtype=np.int64)
    with pytest.raises(InputError, match="a stimulus must have a reset"):
        predict(single, Stimulus(off, off, off, off, scores))
    with pytest.raises(InputError, match="must be ordered by clock, at most one a clock"):
        Stimulus(off, off, off, off, scores, ((1, BusWrite(3, 1)), (1, BusWrite(3, 1))))
    with pytest.raises(InputError, match=r"reads of a stimulus must be ordered .* and none where it writes"):
        Stimulus(off, off, off, off, scores, ((1, BusWrite(3, 1)),), ((1, 7),))
    with pytest.raises(InputError, match=r"arrays of one shape \(n,\) with int64 scores \(n, scores\), not of \[\(1,"):
        Stimulus(off, off, off[:1], off, scores)
    with pytest.raises(InputError, match="a stimulus of 'menu' must have 1 scores, not 2"):
        predict(single, Stimulus(off, off, off, off, np.zeros((4, 2), dtype=np.int64)))


def test_the_sources_are_written_once_and_in_order(single: TriggerTop, tmp_path: Path) -> None:
    sources = single.write(tmp_path / "new" / "folder")
    assert sources[: len(single.core.sources)] == single.core.sources
    assert [s.name for s in sources[len(single.core.sources) :]] == [*(f"{m}.sv" for m in MODULES), "menu_trigger.sv"]
    assert {s.name: s.read_text() for s in sources[len(single.core.sources) :]} == single.emit()
