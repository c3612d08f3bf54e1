"""RTL in both languages: equal to the program in real simulators, names that never collide, and its estimate."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from alkaid.trace import FVArray

from trigforge.errors import CheckError, InputError, MissingToolError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram, trace_program
from trigforge.firmware.project import Language, Targets
from trigforge.firmware.rtl import DESIGN_FILE, read_pipeline, read_rtl, write_rtl
from trigforge.firmware.synthesis import estimate, logic_levels, read_statistics, yosys_command
from trigforge.fixed import FixedType
from trigforge.sim.cosim import find_simulator, simulate

from .random_programs import random_program, random_words

SIMULATOR = {Language.VERILOG: "icarus", Language.VHDL: "ghdl"}
SEEDS = (0, 1, 5, 6)
SIGNED = FixedType(signed=True, width=6, integer=6)


@pytest.fixture(scope="module", params=list(Language))
def language(request: pytest.FixtureRequest) -> Language:
    find_simulator(SIMULATOR[request.param])
    return request.param


def require_exact(program: IntegerProgram, targets: Targets, folder: Path, events: int = 100) -> RtlDesign:
    """Simulate the RTL of a program: every word and the latency must be the program's."""
    design = write_rtl(program, targets, folder / "rtl", "dut")
    words = random_words(program, events, 1)
    result = simulate(design, words, find_simulator(SIMULATOR[targets.language]), folder / "build")
    np.testing.assert_array_equal(result.outputs, program(words))
    assert result.latency_clocks == read_pipeline(folder / "rtl").latency_clocks == design.latency_clocks
    return design


def program_of(operation, types: tuple[FixedType, ...]) -> IntegerProgram:
    k = np.array([t.signed for t in types]).astype(int)
    inputs = FVArray.from_kif(k, np.array([t.integer for t in types]) - k, np.array([t.fraction for t in types]))
    return trace_program(inputs, FVArray(np.array(operation(inputs))), types)


def test_the_random_programs_hold_every_operation() -> None:
    opcodes = {op.opcode for seed in SEEDS for op in random_program(seed).comb.ops}
    assert opcodes >= {-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}


@pytest.mark.parametrize("seed", SEEDS)
def test_rtl_equals_the_program(seed: int, language: Language, tmp_path: Path) -> None:
    require_exact(random_program(seed), Targets(language=language), tmp_path)


@pytest.mark.parametrize("stages", [1, 2, 6])
def test_any_number_of_stages_is_exact(stages: int, language: Language, tmp_path: Path) -> None:
    design = require_exact(random_program(5), Targets(language=language, stages=stages), tmp_path)
    assert design.latency_clocks == stages + 1


def test_a_relu_with_one_bit_left_is_exact(language: Language, tmp_path: Path) -> None:
    program = program_of(lambda x: [x[0].relu(3, -2) + x[1], x[1].relu(4, -3)], (SIGNED, SIGNED))
    assert any(op.opcode == 2 and sum(op.qint.kif) == 1 for op in program.comb.ops)
    require_exact(program, Targets(language=language), tmp_path)


def test_ports_without_logic_are_exact(language: Language, tmp_path: Path) -> None:
    program = program_of(lambda x: [x[0] * 0 + 3.0, x[1], x[0], x[0] * 0], (SIGNED, SIGNED))
    require_exact(program, Targets(language=language), tmp_path)


def test_the_ports_hold_every_wired_bit(tmp_path: Path) -> None:
    program = random_program(3)
    design = write_rtl(program, Targets(), tmp_path / "rtl", "dut")
    text = (tmp_path / "rtl/src/dut.v").read_text()
    assert f"[{design.inputs.bits - 1}:0] model_inp" in text
    assert f"[{design.outputs.bits - 1}:0] model_out" in text
    assert len(design.inputs.words) == len(program.inputs)


def test_two_designs_fit_into_one_simulation(language: Language, tmp_path: Path) -> None:
    designs = [
        write_rtl(random_program(seed), Targets(language=language), tmp_path / name, name)
        for seed, name in ((5, "first"), (6, "second"))
    ]
    sources = [str(source) for design in designs for source in design.sources]
    if language is Language.VERILOG:
        tops = [option for design in designs for option in ("-s", design.top)]
        commands = [["iverilog", "-g2012", "-Wall", *tops, "-o", "both", *sources]]
    else:
        commands = [["ghdl", "-a", "--std=08", *sources], *(["ghdl", "-e", "--std=08", d.top] for d in designs)]
    for command in commands:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    for design in designs:
        assert all(source.stem.split("_")[0] == design.top for source in design.sources)


@pytest.mark.parametrize("name", ["table", "Entity", "logic", "ieee", "xnor"])
def test_a_keyword_of_either_language_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"must not be a keyword of Verilog or VHDL, but '{name}' is"):
        write_rtl(random_program(3), Targets(), tmp_path, name)


@pytest.mark.parametrize("name", ["a__b", "end_", "1st", "a b", "", "_a"])
def test_a_name_that_one_language_refuses_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"must be letters, digits and single underscores .*, not '{name}'"):
        write_rtl(random_program(3), Targets(), tmp_path, name)


@pytest.mark.parametrize("name", ["mux", "logic3", "clk", "Shift_Adder"])
def test_a_name_of_the_engine_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"must not be one that alkaid gives, but '{name}' is"):
        write_rtl(random_program(3), Targets(), tmp_path, name)


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    write_rtl(random_program(3), Targets(), tmp_path / "rtl", "old")
    design = write_rtl(random_program(4), Targets(language="vhdl"), tmp_path / "rtl", "fresh")
    assert {path.suffix for path in design.sources} == {".vhd"}
    assert not [path for path in (tmp_path / "rtl").rglob("*") if "old" in path.name]


def test_rtl_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    design = write_rtl(random_program(3), Targets(), tmp_path / "rtl", "dut")
    with pytest.raises(InputError, match="latency_budget_ns must be at least"):
        write_rtl(random_program(3), Targets(latency_budget_ns=1), tmp_path / "rtl", "dut")
    assert read_rtl(random_program(3), tmp_path / "rtl", "dut").digest == design.digest


def test_rtl_of_another_program_is_refused(tmp_path: Path) -> None:
    write_rtl(random_program(3), Targets(), tmp_path / "rtl", "dut")
    with pytest.raises(InputError, match=r"must be of program \w{12}, not \w{12}; run 'trigforge build' again"):
        read_rtl(random_program(4), tmp_path / "rtl", "dut")
    with pytest.raises(InputError, match="must hold the RTL of 'other', but it is of 'dut'; 'trigforge build' writes"):
        read_rtl(random_program(3), tmp_path / "rtl", "other")
    (tmp_path / "rtl/src/dut.v").unlink()
    with pytest.raises(InputError, match=r"must hold the RTL of 'dut', but dut\.v is missing"):
        read_rtl(random_program(3), tmp_path / "rtl", "dut")
    (tmp_path / "rtl" / DESIGN_FILE).unlink()
    with pytest.raises(InputError, match=r"design.json cannot be read"):
        read_rtl(random_program(3), tmp_path / "rtl", "dut")


def test_yosys_needs_no_more_levels_and_registers_than_estimated(language: Language, tmp_path: Path) -> None:
    design = write_rtl(random_program(6), Targets(language=language), tmp_path / "a b" / "rtl", "dut")
    result = estimate(design, tmp_path / "a b" / "yosys")
    assert result.lut > 0
    assert result.dsp == 0
    pipeline = read_pipeline(tmp_path / "a b" / "rtl")
    assert 0 < result.ff <= pipeline.register_bits
    assert 1 < logic_levels(tmp_path / "a b" / "yosys") <= math.ceil(pipeline.levels)
    assert result.estimator.startswith("Yosys ")
    assert result.estimator.endswith("of VHDL through GHDL") == (language is Language.VHDL)


def test_broken_rtl_is_reported_with_its_line(language: Language, tmp_path: Path) -> None:
    design = write_rtl(random_program(6), Targets(language=language), tmp_path / "rtl", "dut")
    design.sources[0].write_text("module broken (")
    tool = "yosys failed on dut: .*syntax error" if language is Language.VERILOG else "ghdl failed on dut: .*entity"
    with pytest.raises(CheckError, match=tool):
        estimate(design, tmp_path / "yosys")
    words, simulator = random_words(random_program(6), 5, 1), find_simulator(SIMULATOR[language])
    with pytest.raises(CheckError, match=r"must compile 'dut': .* must succeed, .*build\.log ends: "):
        simulate(design, words, simulator, tmp_path / "build")


def test_statistics_are_counted_by_kind() -> None:
    text = 'noise {"design": {"num_cells_by_type": {"LUT6": 3, "LUT2": 1, "FDRE": 5, "CARRY4": 2, "BUFG": 1}}}'
    result = read_statistics(text, "x")
    assert (result.lut, result.ff, result.carry, result.dsp, result.bram) == (4, 5, 2, 0, 0)


def test_missing_synthesis_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design = write_rtl(random_program(3), Targets(language="vhdl"), tmp_path / "rtl", "dut")
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(MissingToolError, match="ghdl must be installed for resource estimates of VHDL; 'apt-get inst"):
        estimate(design, tmp_path / "yosys")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(MissingToolError, match="yosys must be installed for resource estimates; 'pip install yowasp-"):
        yosys_command()
