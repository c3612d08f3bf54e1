"""Compiles a design into a simulation, once for given sources, simulator and settings."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import RtlDesign
from trigforge.sim.cosim.process import run_logged
from trigforge.sim.cosim.simulators import Simulator, SimulatorName, require_language

ALLOWED_LINT = ("ALWNEVER", "DECLFILENAME", "UNUSEDSIGNAL")
"""Verilator's lint warnings that generated RTL may cause; every other one stops the build."""

_TIMESCALE = "1ns/1ps"
_JOBS = 2
_SPLIT = ("--output-split", "10000", "--output-split-cfuncs", "300")
"""Small C++ functions: the compiler's time grows faster than linearly with their size."""
_MAKE_SETTINGS = ("OPT_FAST=-O1", "OPT_GLOBAL=-O1")
_GHDL_OPTIONS = ("--std=08",)
_GHDL_LIBRARY = "work-obj08.cf"


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled simulation: what to start, and the seconds spent on it now (0 if it was there already)."""

    executable: Path
    """The program that simulates; with GHDL the library that it elaborates and runs."""
    seconds: float
    cached: bool
    log: Path


def build(design: RtlDesign, simulator: Simulator, folder: Path, timeout_s: float) -> Build:
    """Compile `design` into `folder`, unless the same sources, simulator and settings were compiled there before.

    Raises `CheckError` with the end of the build's log if the design does not compile, `InputError` if it is written in
    a language that the simulator does not read.
    """
    require_language(simulator, design)
    key = f"{simulator.name.value}-{_digest(design, simulator)[:16]}"
    product_name = _GHDL_LIBRARY if simulator.name is SimulatorName.GHDL else "simulation"
    executable, log = folder / key / product_name, folder / f"{key}.build.log"
    if executable.is_file():
        return Build(executable, 0.0, cached=True, log=log)
    folder.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    start = time.perf_counter()
    # make cannot work in a folder with a space in its name, so the intermediate files are made elsewhere
    with tempfile.TemporaryDirectory(prefix="trigforge-") as scratch:
        product = _compile(design, simulator, Path(scratch), log, timeout_s)
        _publish(product, executable)
    return Build(executable, time.perf_counter() - start, cached=False, log=log)


def run_command(design: RtlDesign, simulator: Simulator, built: Build, seed: int) -> list[str]:
    """What starts a compiled simulation with cocotb in it."""
    from cocotb_tools.config import lib_entry

    executable = str(built.executable.resolve())
    match simulator.name:
        case SimulatorName.VERILATOR:
            return [executable, "+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
        case SimulatorName.ICARUS:
            vvp = simulator.executable.with_name("vvp")
            return [str(vvp), "-m", str(lib_entry("vpi", "icarus")), executable, "-none"]
        case SimulatorName.GHDL:
            options = [*_GHDL_OPTIONS, f"--workdir={built.executable.resolve().parent}"]
            run_options = [f"--vpi={lib_entry('vpi', 'ghdl')}", "--ieee-asserts=disable"]
            return [str(simulator.executable), "--elab-run", *options, design.top, *run_options]


def child_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without another bench's settings, and `additions`."""
    foreign = ("COCOTB_", "GPI_", "PYGPI_")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | dict(additions)


def _digest(design: RtlDesign, simulator: Simulator) -> str:
    from cocotb_tools.config import libs_dir

    tools = simulator.label, str(simulator.executable), str(libs_dir)
    settings = (*tools, ALLOWED_LINT, _SPLIT, _MAKE_SETTINGS, _GHDL_OPTIONS)
    return hashlib.sha256(f"{design.digest}{settings!r}".encode()).hexdigest()


def _compile(design: RtlDesign, simulator: Simulator, scratch: Path, log: Path, timeout_s: float) -> Path:
    sources = [str(source.resolve()) for source in design.sources]
    compilers = {SimulatorName.ICARUS: _icarus, SimulatorName.VERILATOR: _verilator, SimulatorName.GHDL: _ghdl}
    commands, product = compilers[simulator.name](design, simulator, scratch, sources)
    environment = child_environment(simulator.environment)
    try:
        for command in commands:
            run_logged(command, scratch, environment, log, timeout_s)
    except CheckError as error:
        raise CheckError(f"{simulator.label} must compile {design.top!r}: {error}") from None
    return product


def _icarus(design: RtlDesign, simulator: Simulator, scratch: Path, sources: list[str]) -> tuple[list[list[str]], Path]:
    settings, product = scratch / "settings.f", scratch / "simulation"
    settings.write_text(f"+timescale+{_TIMESCALE}\n", encoding="utf-8")
    options = ["-g2012", "-s", design.top, "-f", str(settings), "-o", str(product)]
    return [[str(simulator.executable), *options, *sources]], product


def _verilator(
    design: RtlDesign, simulator: Simulator, scratch: Path, sources: list[str]
) -> tuple[list[list[str]], Path]:
    from cocotb_tools.config import libs_dir, share_dir

    control = scratch / "ports.vlt"
    control.write_text(_public_ports(design), encoding="utf-8")
    verilate = [
        *(str(simulator.executable), "--cc", "--exe", "--vpi", "-Wall", *(f"-Wno-{name}" for name in ALLOWED_LINT)),
        *("--x-assign", "unique", "--timescale", _TIMESCALE, *_SPLIT),
        *("--Mdir", str(scratch), "--prefix", "Vtop", "--top-module", design.top, "-o", "simulation"),
        *("-LDFLAGS", f"-Wl,-rpath,{libs_dir} -L{libs_dir} -lcocotbvpi_verilator"),
        *(str(share_dir / "lib" / "verilator" / "verilator.cpp"), str(control), *sources),
    ]
    jobs = str(min(_JOBS, os.cpu_count() or 1))
    make = ["make", "-j", jobs, "-C", str(scratch), "-f", "Vtop.mk", *_MAKE_SETTINGS]
    return [verilate, make], scratch / "simulation"


def _ghdl(design: RtlDesign, simulator: Simulator, scratch: Path, sources: list[str]) -> tuple[list[list[str]], Path]:
    """GHDL's library names its sources relative to itself and reads them again: they are copied beside it."""
    names = [f"{index}_{Path(source).name}" for index, source in enumerate(sources)]
    for source, name in zip(sources, names, strict=True):
        shutil.copyfile(source, scratch / name)
    ghdl = str(simulator.executable)
    return [[ghdl, "-a", *_GHDL_OPTIONS, *names], [ghdl, "-e", *_GHDL_OPTIONS, design.top]], scratch


def _public_ports(design: RtlDesign) -> str:
    """A control file that opens the top's ports to cocotb and nothing else, so that all else is optimised."""
    ports = (design.clock, design.inputs.name, design.outputs.name)
    lines = [f'public_flat_rw -module "{design.top}" -var "{port}"' for port in ports]
    return "\n".join(["`verilator_config", *lines, ""])


def _publish(product: Path, executable: Path) -> None:
    """Put the finished simulation, a file or a folder, into its place at once; a process that was faster wins."""
    staging = Path(tempfile.mkdtemp(dir=executable.parent.parent, prefix=".staging-"))
    try:
        if product.is_dir():
            shutil.copytree(product, staging, dirs_exist_ok=True)
        else:
            shutil.copy2(product, staging / executable.name)
        staging.rename(executable.parent)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if not executable.is_file():
            raise InputError(f"{executable.parent} must be writable: {error.strerror}") from None
