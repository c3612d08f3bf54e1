"""Compiles a design into a simulation, once for given sources, simulator and settings."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import RtlDesign
from trigforge.sim.cosim.process import run_logged
from trigforge.sim.cosim.runtime import kept_runtime
from trigforge.sim.cosim.simulators import Simulator, SimulatorName, require_language, user_cache
from trigforge.sim.cosim.verilate import TIMESCALE, Purpose, library_settings, settings, verilate

_RECORDER = "trigforge_recorder"
_RECORDER_SOURCE = """module trigforge_recorder;
    string path;
    initial if ($value$plusargs("waves=%s", path)) begin
        $dumpfile(path);
        $dumpvars(0, TOP);
    end
endmodule
"""
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
    purpose: Purpose


def build(
    design: RtlDesign, simulator: Simulator, folder: Path, timeout_s: float, purpose: Purpose = Purpose.BENCH
) -> Build:
    """Compile `design` into `folder`, unless the same sources, simulator and settings were compiled there before.

    Raises `CheckError` with the end of the build's log if the design does not compile, `InputError` if it is written in
    a language that the simulator does not read or the simulator cannot serve the purpose.
    """
    require_language(simulator, design)
    if purpose is Purpose.BULK and simulator.name is not SimulatorName.VERILATOR:
        raise InputError(f"bulk runs need a model that Verilator compiled, not {simulator.label}; use verilator")
    key = f"{simulator.name.value}-{purpose.value}-{_digest(design, simulator, purpose)[:16]}"
    product_name = _GHDL_LIBRARY if simulator.name is SimulatorName.GHDL else "simulation"
    executable, log = folder / key / product_name, folder / f"{key}.build.log"
    if executable.is_file():
        return Build(executable, 0.0, cached=True, log=log, purpose=purpose)
    folder.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    start = time.perf_counter()
    # make cannot work in a folder with a space in its name, so the intermediate files are made elsewhere
    with tempfile.TemporaryDirectory(prefix="trigforge-") as scratch:
        product = _compile(design, simulator, purpose, Path(scratch), log, timeout_s)
        _publish(product, executable)
    return Build(executable, time.perf_counter() - start, cached=False, log=log, purpose=purpose)


def run_command(design: RtlDesign, simulator: Simulator, built: Build, seed: int, waves: Path | None) -> list[str]:
    """What starts a compiled simulation with cocotb in it, and records its signals in the FST file `waves`."""
    from cocotb_tools.config import lib_entry

    executable = str(built.executable.resolve())
    record = str(waves.resolve()) if waves is not None else None
    match simulator.name:
        case SimulatorName.VERILATOR:
            random = "+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"
            return [executable, *random, *(["--trace", "--trace-file", record] if record else [])]
        case SimulatorName.ICARUS:
            vvp = simulator.executable.with_name("vvp")
            form = ["-fst", f"+waves={record}"] if record else ["-none"]
            return [str(vvp), "-m", str(lib_entry("vpi", "icarus")), executable, *form]
        case SimulatorName.GHDL:
            options = [*_GHDL_OPTIONS, f"--workdir={built.executable.resolve().parent}"]
            run_options = [f"--vpi={lib_entry('vpi', 'ghdl')}", "--ieee-asserts=disable"]
            run_options += [f"--fst={record}"] if record else []
            return [str(simulator.executable), "--elab-run", *options, design.top, *run_options]


def child_environment(additions: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without another bench's settings, and `additions`."""
    foreign = ("COCOTB_", "GPI_", "PYGPI_")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | dict(additions)


def _digest(design: RtlDesign, simulator: Simulator, purpose: Purpose) -> str:
    from cocotb_tools.config import libs_dir

    tools = simulator.label, str(simulator.executable), str(libs_dir)
    identity = design.digest, tools, settings(purpose), _RECORDER_SOURCE, _GHDL_OPTIONS
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def _compile(
    design: RtlDesign, simulator: Simulator, purpose: Purpose, scratch: Path, log: Path, timeout_s: float
) -> Path:
    sources = [str(source.resolve()) for source in design.sources]
    match simulator.name:
        case SimulatorName.VERILATOR:
            commands, product = verilate(design, simulator.executable, purpose, scratch, sources)
        case SimulatorName.ICARUS:
            commands, product = _icarus(design, simulator, purpose, scratch, sources)
        case SimulatorName.GHDL:
            commands, product = _ghdl(design, simulator, scratch, sources)
    environment = child_environment(simulator.environment)
    *first, last = commands
    try:
        for command in first:
            run_logged(command, scratch, environment, log, timeout_s)
        with _ready_runtime(simulator, purpose, scratch):
            run_logged(last, scratch, environment, log, timeout_s)
    except CheckError as error:
        raise CheckError(f"{simulator.label} must compile {design.top!r}: {error}") from None
    return product


def _ready_runtime(simulator: Simulator, purpose: Purpose, scratch: Path) -> AbstractContextManager[None]:
    if simulator.name is not SimulatorName.VERILATOR:
        return nullcontext()
    return kept_runtime(scratch, user_cache(), library_settings(purpose))


def _icarus(
    design: RtlDesign, simulator: Simulator, purpose: Purpose, scratch: Path, sources: list[str]
) -> tuple[list[list[str]], Path]:
    options, product = scratch / "settings.f", scratch / "simulation"
    options.write_text(f"+timescale+{TIMESCALE}\n", encoding="utf-8")
    command = [str(simulator.executable), "-g2012", "-s", design.top, "-f", str(options), "-o", str(product), *sources]
    if purpose is Purpose.WAVES:
        recorder = scratch / f"{_RECORDER}.sv"
        recorder.write_text(_RECORDER_SOURCE.replace("TOP", design.top), encoding="utf-8")
        command += ["-s", _RECORDER, str(recorder)]
    return [command], product


def _ghdl(design: RtlDesign, simulator: Simulator, scratch: Path, sources: list[str]) -> tuple[list[list[str]], Path]:
    """GHDL's library names its sources relative to itself and reads them again: they are copied beside it."""
    names = [f"{index}_{Path(source).name}" for index, source in enumerate(sources)]
    for source, name in zip(sources, names, strict=True):
        shutil.copyfile(source, scratch / name)
    ghdl = str(simulator.executable)
    return [[ghdl, "-a", *_GHDL_OPTIONS, *names], [ghdl, "-e", *_GHDL_OPTIONS, design.top]], scratch


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
