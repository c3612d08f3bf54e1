"""The self-checking test bench in real simulators: it passes on the core, and fails on every way of being wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from alkaid.trace import FVArray
from click.testing import CliRunner
from tests.firmware.random_programs import random_program, random_words

from trigforge.cli_patterns import testbench as command
from trigforge.config import STORED, RunConfig
from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.program import IntegerProgram, Provenance, trace_program
from trigforge.firmware.project import Language, Project, Targets, Verification
from trigforge.firmware.rtl import write_rtl
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.cosim import find_simulator
from trigforge.sim.testbench import FILES, TestbenchRecord, hex_lines, write_testbench

TOP = "tiny"
LANGUAGES = {"icarus": Language.VERILOG, "verilator": Language.VERILOG, "ghdl": Language.VHDL}


@dataclass(frozen=True, slots=True)
class Case:
    """A program, events and its RTL in both languages."""

    program: IntegerProgram
    words: IntArray
    designs: dict[Language, RtlDesign]

    def write(self, simulator: str, folder: Path) -> Path:
        return write_testbench(self.designs[LANGUAGES[simulator]], self.program, self.words, folder).folder


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    program, folder = random_program(3), tmp_path_factory.mktemp("rtl")
    designs = {kind: write_rtl(program, Targets(language=kind), folder / kind.value, TOP) for kind in Language}
    return Case(program, random_words(program, 300, 1), designs)


def run(folder: Path, simulator: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a simulator; the built simulation of Verilator alone, where there is one."""
    found = find_simulator(simulator)
    environment = os.environ | dict(found.environment) | {"VERILATOR": str(found.executable)}
    built = folder / "build_verilator" / "simulation"
    command = [built] if simulator == "verilator" and built.is_file() else [folder / f"run_{simulator}.sh"]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=400, check=False
    )


@pytest.fixture(scope="module")
def verilated(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name has a space, with the bench built by Verilator, which must pass."""
    folder = case.write("verilator", tmp_path_factory.mktemp("test") / "test bench")
    result = run(folder, "verilator")
    assert result.returncode == 0, result.stderr
    assert f"PASS {len(case.words)} events" in result.stdout.splitlines()
    return folder


@pytest.fixture
def bench(case: Case, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path]:
    """What makes a fresh folder of a simulator's bench, Verilator's with the simulation in it."""

    def make(simulator: str) -> Path:
        if simulator == "verilator":
            return Path(shutil.copytree(request.getfixturevalue("verilated"), tmp_path / "bench"))
        return case.write(simulator, tmp_path / "test bench")

    return make


@pytest.mark.parametrize("simulator", LANGUAGES)
def test_an_unchanged_core_passes(bench: Callable[[str], Path], case: Case, simulator: str) -> None:
    result = run(bench(simulator), simulator)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"PASS {len(case.words)} events" in result.stdout.splitlines()
    assert "FAIL" not in result.stdout


@pytest.mark.parametrize("simulator", LANGUAGES)
def test_one_bit_of_one_expected_word_fails(bench: Callable[[str], Path], case: Case, simulator: str) -> None:
    folder = bench(simulator)
    file = folder / "vectors" / "expected.hex"
    port = case.designs[LANGUAGES[simulator]].outputs
    for position in (0, port.bits - 1):
        lines = file.read_text().splitlines()
        kept = lines[78]
        lines[78] = f"{int(kept, 16) ^ (1 << position):0{len(kept)}x}"
        file.write_text("\n".join(lines) + "\n")
        result = run(folder, simulator)
        assert result.returncode != 0
        word, bit = port.locate(position)
        assert f"event 77, word {word}, bit {bit}: expected " in result.stdout
        assert f"FAIL 1 of {len(case.words)} events" in result.stdout.splitlines()
        assert "PASS" not in result.stdout
        file.write_text("\n".join([*lines[:78], kept, *lines[79:]]) + "\n")


@pytest.mark.parametrize("simulator", LANGUAGES)
def test_one_bit_of_the_stimulus_fails_if_it_matters(bench: Callable[[str], Path], case: Case, simulator: str) -> None:
    folder, port = bench(simulator), case.designs[LANGUAGES[simulator]].inputs
    file = folder / "vectors" / "stimulus.hex"
    kept = file.read_text().splitlines()
    matters = set()
    for position in range(port.bits):
        flipped = int(kept[6], 16) ^ (1 << position)
        words = port.unpack(np.array([f"{flipped:0{port.bits}b}"], dtype=f"S{port.bits}"))
        differs = bool((case.program(words) != case.program(case.words[5:6])).any())
        file.write_text("\n".join([*kept[:6], f"{flipped:02x}", *kept[7:]]) + "\n")
        result = run(folder, simulator)
        assert (result.returncode != 0) == differs
        assert ("event 5, word " in result.stdout) == differs
        matters.add(differs)
    assert True in matters


WRONG_VECTORS: dict[str, tuple[str, Callable[[list[str]], list[str]], str]] = {
    "one event less": (
        "expected",
        lambda lines: lines[:-1],
        "expected.hex must have 8 hexadecimal digits at event 301",
    ),
    "one event more": ("stimulus", lambda lines: [*lines, lines[-1]], "must end after 302 events"),
    "a digit more": ("expected", lambda lines: [lines[0], "0" + lines[1], *lines[2:]], "digits at event 0"),
    "a digit less": ("stimulus", lambda lines: [lines[0], lines[1][:-1], *lines[2:]], "digits at event 0"),
    "undefined": ("expected", lambda lines: [*lines[:3], "x" * len(lines[3]), *lines[4:]], "digits at event 2"),
    "open": ("stimulus", lambda lines: [*lines[:3], "z" * len(lines[3]), *lines[4:]], "digits at event 2"),
    "other events": ("stimulus", lambda lines: [lines[0].replace("302", "301"), *lines[1:]], "the same events and"),
    "other bits": ("stimulus", lambda lines: [lines[0].replace(" 8 ", " 9 "), *lines[1:]], "must have 8 and 32 bits"),
    "other identity": ("stimulus", lambda lines: [lines[0][:-8] + "01234567", *lines[1:]], "the same identity"),
    "empty": ("expected", lambda lines: [], "must have 8 and 32 bits"),
}


@pytest.mark.parametrize("simulator", LANGUAGES)
def test_wrong_vectors_fail(bench: Callable[[str], Path], simulator: str) -> None:
    folder = bench(simulator)
    for name, (which, change, message) in WRONG_VECTORS.items():
        file = folder / "vectors" / f"{which}.hex"
        kept = file.read_text()
        file.write_text("".join(f"{line}\n" for line in change(kept.splitlines())))
        result = run(folder, simulator)
        assert result.returncode != 0, name
        assert message in result.stdout, name
        assert "FAIL vectors" in result.stdout.splitlines(), name
        assert "PASS" not in result.stdout, name
        file.write_text(kept)
    (folder / "vectors" / "stimulus.hex").unlink()
    result = run(folder, simulator)
    assert result.returncode != 0
    assert "must be there to be read" in result.stdout


def spoil(folder: Path, old: str, new: str) -> None:
    """Replace the one place of a text in the core's top module."""
    path = next((folder / "sources").glob(f"{TOP}.v*"))
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    shutil.rmtree(folder / "build_verilator", ignore_errors=True)


BIT = {
    Language.VERILOG: ("<= INTERNAL_logic0_outp[31:0];", "<= INTERNAL_logic0_outp[31:0] ^ 32'h400;"),
    Language.VHDL: ("<= INTERNAL_logic0_outp(31 downto 0);", '<= INTERNAL_logic0_outp(31 downto 0) xor x"00000400";'),
}
UNDEFINED = {
    Language.VERILOG: ("<= INTERNAL_logic0_outp[31:0];", "<= {1'bx, INTERNAL_logic0_outp[30:0]};"),
    Language.VHDL: ("<= INTERNAL_logic0_outp(31 downto 0);", "<= 'X' & INTERNAL_logic0_outp(30 downto 0);"),
}


@pytest.mark.parametrize("simulator", LANGUAGES)
def test_one_wrong_bit_of_rtl_fails(bench: Callable[[str], Path], case: Case, simulator: str) -> None:
    folder = bench(simulator)
    spoil(folder, *BIT[LANGUAGES[simulator]])
    result = run(folder, simulator)
    assert result.returncode != 0
    assert "event 0, word 1, bit 4: expected " in result.stdout
    assert f"FAIL {len(case.words)} of {len(case.words)} events" in result.stdout.splitlines()


@pytest.mark.parametrize("simulator", ["icarus", "ghdl"])
def test_undefined_bits_fail(bench: Callable[[str], Path], simulator: str) -> None:
    folder = bench(simulator)
    spoil(folder, *UNDEFINED[LANGUAGES[simulator]])
    result = run(folder, simulator)
    assert result.returncode != 0
    assert "event 0, word 4, bit 7: expected" in result.stdout
    assert ", got x" in result.stdout.lower()


@pytest.mark.parametrize("simulator", ["icarus", "ghdl"])
@pytest.mark.parametrize("latency", [1, 3])
def test_another_latency_fails(case: Case, tmp_path: Path, simulator: str, latency: int) -> None:
    design = replace(case.designs[LANGUAGES[simulator]], latency_clocks=latency)
    folder = write_testbench(design, case.program, case.words, tmp_path / "bench").folder
    result = run(folder, simulator)
    assert result.returncode != 0
    assert "FAIL" in result.stdout


def scripts() -> list[Path]:
    return sorted(FILES.glob("*/*.sh"))


@pytest.mark.parametrize("script", scripts(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_scripts_are_sound_and_say_what_they_need(script: Path, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    assert subprocess.run([bash, "-n", script], check=False).returncode == 0
    assert "# Needs " in script.read_text()
    for program in ("bash", "dirname"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / program).symlink_to(found)
    result = subprocess.run(
        [bash, script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=20
    )
    assert result.returncode == 127
    assert " must be on PATH to simulate with " in result.stderr
    assert result.stderr.count("\n") == 1


COMMANDS = {
    "verilog/run_questa.sh": [
        "vlib build_questa/work",
        "vlog -quiet -sv -timescale 1ns/1ps -work build_questa/work -f sources.f",
        'vsim -c -lib build_questa/work -onfinish exit -do "run -all; quit" testbench | tee build_questa/run.log',
    ],
    "verilog/run_xsim.sh": [
        "xvlog --sv --log build_xsim/compile.log -f sources.f",
        "xelab --timescale 1ns/1ps --debug off --log build_xsim/elaborate.log --snapshot simulation testbench",
        "xsim simulation --runall --log build_xsim/xsim.log | tee build_xsim/run.log",
    ],
    "verilog/run_vcs.sh": [
        (
            "vcs -full64 -q -sverilog -timescale=1ns/1ps -top testbench -Mdir=build_vcs/csrc -o build_vcs/simulation "
            "-l build_vcs/compile.log -f sources.f"
        ),
        "./build_vcs/simulation -q | tee build_vcs/run.log",
    ],
    "vhdl/run_questa.sh": [
        "vlib build_questa/work",
        "vcom -quiet -2008 -work build_questa/work -f sources.f",
        'vsim -c -lib build_questa/work -onfinish exit -do "run -all; quit" testbench | tee build_questa/run.log',
    ],
    "vhdl/run_xsim.sh": [
        "xvhdl --2008 --log build_xsim/compile.log -f sources.f",
        "xelab --debug off --log build_xsim/elaborate.log --snapshot simulation testbench",
        "xsim simulation --runall --log build_xsim/xsim.log | tee build_xsim/run.log",
    ],
}
"""What the scripts of the tools that are not free start; the result is judged by its lines PASS and FAIL."""


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_of_commercial_simulators_are_golden(name: str) -> None:
    lines = (FILES / name).read_text().splitlines()
    tool = Path(name).stem.removeprefix("run_")
    start = next(i for i, line in enumerate(lines) if line.startswith("rm -rf")) + 1
    assert lines[start:] == [
        *COMMANDS[name],
        f"grep -Eq '^(# )?PASS [0-9]+ events' build_{tool}/run.log",
        f"! grep -Eq '^(# )?FAIL' build_{tool}/run.log",
    ]


def test_wiring_is_golden(case: Case, tmp_path: Path) -> None:
    folder = case.write("icarus", tmp_path / "bench")
    assert (folder / "testbench.sv").read_text() == (
        "// tiny and what plays it.\n"
        "module testbench;\n    wire clk;\n    wire [7:0] given;\n    wire [31:0] seen;\n\n"
        "    tf_testbench #(\n        .INPUT_BITS(8),\n        .OUTPUT_BITS(32),\n        .WORDS(5),\n"
        "        .WIDTHS({16'd8, 16'd8, 16'd5, 16'd5, 16'd6}),\n        .LATENCY(2),\n        .HALF_PERIOD(2.5)\n"
        "    ) bench (\n        .clk(clk),\n        .given(given),\n        .seen(seen)\n    );\n\n"
        "    tiny core (\n        .clk(clk),\n        .model_inp(given),\n        .model_out(seen)\n    );\nendmodule\n"
    )
    names = (folder / "sources.f").read_text().split()
    assert names[-3:] == ["sources/tiny.v", "tf_testbench.sv", "testbench.sv"]
    assert all((folder / name).is_file() for name in names)
    record = TestbenchRecord.load(folder / "testbench.json")
    assert (record.program, record.events) == (case.program.digest, len(case.words))
    head = (folder / "vectors" / "stimulus.hex").read_text().splitlines()[0].split()
    assert head[:2] == ["302", "8"]


def test_words_are_hexadecimal_lines_with_leading_zeros() -> None:
    port = Port("p", (Word(3, signed=False), Word(6, signed=True)))
    assert hex_lines(port, port.pack(np.array([[5, -1], [1, 0], [7, 31]]))) == b"1fd\n001\n0ff\n"


def test_a_bench_is_replaced_and_nothing_else(case: Case, tmp_path: Path) -> None:
    folder = case.write("icarus", tmp_path / "bench")
    (folder / "old").write_text("")
    before = (folder / "vectors" / "expected.hex").read_bytes()
    case.write("icarus", folder)
    assert not (folder / "old").exists()
    assert (folder / "vectors" / "expected.hex").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("")
    with pytest.raises(InputError, match=r"must be new, empty or a test bench, but .*mine is not"):
        case.write("icarus", tmp_path / "mine")


def test_what_makes_no_bench_is_refused(case: Case, tmp_path: Path) -> None:
    design = case.designs[Language.VERILOG]
    with pytest.raises(InputError, match="must have at least one event"):
        write_testbench(design, case.program, case.words[:0], tmp_path / "a")
    mixed = replace(design, sources=(*design.sources, *case.designs[Language.VHDL].sources))
    with pytest.raises(InputError, match="must be of one language for a test bench"):
        write_testbench(mixed, case.program, case.words, tmp_path / "b")
    twice = replace(design, sources=(*design.sources, design.sources[0]))
    with pytest.raises(InputError, match=r"must have distinct names, but two are tiny_binop\.v"):
        write_testbench(twice, case.program, case.words, tmp_path / "c")
    with pytest.raises(InputError, match="words must be integers of shape"):
        write_testbench(design, case.program, case.words[:, :1], tmp_path / "d")


@pytest.mark.parametrize("simulator", ["icarus", "ghdl"])
def test_command_line_makes_a_bench_of_a_run(tmp_path: Path, simulator: str) -> None:
    kind = FixedType(signed=True, width=6, integer=6)
    contract = InputContract.of_type("words", 3, kind)
    x = FVArray.from_kif(np.ones(3, dtype=int), np.full(3, 5), np.zeros(3, dtype=int))
    provenance = Provenance(contract_digest=contract.digest)
    program = trace_program(x, x @ np.array([[1.0], [-2.0], [3.0]]), (kind,) * 3, provenance)
    run_folder, out = tmp_path / "run", tmp_path / "bench"
    program.save(run_folder / "firmware" / "program.json.gz")
    contract.save(run_folder / "model" / "contract.json")
    targets, verification = Targets(language=LANGUAGES[simulator]), Verification(simulator=simulator)
    RunConfig(project=Project(name="sum", targets=targets, verification=verification)).save(run_folder / STORED)
    arguments = [str(run_folder), "--events", "200", "--out", str(out), "--json"]
    said = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False).output
    found = json.loads(said[said.index("{") :])
    assert (found["core"], found["events"], found["program"]) == ("sum_core", 200, program.digest)
    assert simulator in found["scripts"]
    result = run(out, simulator)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "PASS 200 events" in result.stdout.splitlines()
    arguments[0] = str(run_folder / "firmware")
    with pytest.raises(InputError, match=r"a project\.toml or of a run, but .*firmware is neither"):
        CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
