"""`EmulatorLibrary`: any library of the hls4mlEmulator interface, run on events in a process of its own.

The interface passes `std::any`s, so the C++ types inside them are part of a library and must be given. A small program
that knows them is compiled; whatever the library does to its process becomes an error message here.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.package.ap_types import ap_types
from trigforge.firmware.package.cpp_types import (
    CppType,
    InputType,
    Scalar,
    declare,
    layout,
    parse_input,
    parse_type,
    scalars,
)
from trigforge.firmware.package.experiment import includes
from trigforge.firmware.package.failures import DONE, STATUS, Names, explain
from trigforge.firmware.package.templates import template

COMPILE_SECONDS: Final = 300

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class EmulatorLibrary:
    """An emulator library and the types it takes; calling it maps numbers (n, inputs) to results (n,) or (n, ...)."""

    library: Path
    input: InputType
    result: CppType
    runner: Path

    @property
    def inputs(self) -> int:
        """Numbers of an event's input."""
        return len(scalars(self.input.kind))

    def __call__(self, values: npt.ArrayLike) -> Numbers:
        """Results of input numbers (n, inputs), structured as the result's type; fixed-point ones are mantissas.

        A number that its type does not hold exactly, a type that the library does not take, and a library that throws
        or crashes raise `InputError`.
        """
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[1] != self.inputs or array.dtype.kind not in "iuf":
            raise InputError(
                f"the input must be numbers of shape (n, {self.inputs}) for {self.input.held}, "
                f"not {array.dtype} of shape {array.shape}"
            )
        cells = _cells(array, scalars(self.input.kind))
        with tempfile.TemporaryDirectory() as scratch:
            return self._run(cells, len(array), Path(scratch))

    def _run(self, cells: bytes, events: int, scratch: Path) -> Numbers:
        given, made, status, log = (scratch / name for name in ("input", "output", "status", "log"))
        given.write_bytes(cells)
        status.write_bytes(bytes(STATUS.size))
        command: list[str | Path] = [self.runner, self.library.resolve(), str(events), given, made, status]
        with log.open("wb") as said:
            code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=said, check=False).returncode
        if code or STATUS.unpack(status.read_bytes())[0] != DONE:
            names = Names(self.library, self.input, self.result)
            raise InputError(explain(names, code, status.read_bytes(), log.read_text(errors="replace")))
        return np.fromfile(made, dtype=layout(self.result))


def load_emulator(
    library: Path, input_type: str, result_type: str, folder: Path, headers: Path | None = None
) -> EmulatorLibrary:
    """Compile a runner for a library's types in `folder`; `headers` holds `ap_fixed.h`, by default hls4ml's."""
    if not library.is_file():
        raise InputError(f"{library} must be an emulator library, a file such as GTADModel_v5.so; it is not there")
    given, result = parse_input(input_type), parse_type(result_type)
    found = headers or ap_types()
    if not (found / "ap_fixed.h").is_file():
        raise InputError(f"{found} must hold ap_fixed.h; give the folder of the library's own with --ap-types")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "types.h").write_text(_types(given, result))
    (folder / "emulator.h").write_text(template("cmssw/emulator.h"))
    (folder / "cells.inc").write_text(template("common/cells.inc"))
    (folder / "runner.cpp").write_text(template("load/runner.cpp"))
    _compile(folder, found)
    return EmulatorLibrary(library, given, result, folder / "runner")


def _cells(values: Numbers, kinds: tuple[Scalar, ...]) -> bytes:
    """The 8-byte cells of numbers (n, inputs), each exactly a number of its type."""
    cells = np.empty(values.shape, dtype=np.int64)
    real = values.astype(np.float64)
    if values.dtype.kind in "iu" and not np.array_equal(real.astype(values.dtype), values):
        raise InputError("integers of the input must be less than 2^53")
    for kind in set(kinds):
        columns = [i for i, k in enumerate(kinds) if k == kind]
        cells[:, columns], bad = _exact(real[:, columns], kind)
        if bad.any():
            event, place = np.argwhere(bad)[0]
            raise InputError(
                f"number {columns[place]} of event {event} must be a value of {kind.text}, "
                f"not {real[event, columns[place]]!s}{_range(kind)}"
            )
    return cells.tobytes()


def _exact(values: npt.NDArray[np.float64], kind: Scalar) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    if kind.real:
        with np.errstate(over="ignore"):
            kept = values.astype(np.float32).astype(np.float64) if kind.text == "float" else values
        return values.view(np.int64), ~np.isfinite(values) | (kept != values)
    scaled = np.ldexp(values, kind.fraction)
    inside = np.isfinite(scaled) & (float(kind.low) <= scaled) & (scaled < float(kind.high + 1))
    mantissas = np.where(inside, scaled, 0.0)
    return mantissas.astype(np.int64), ~inside | (np.rint(mantissas) != mantissas)


def _range(kind: Scalar) -> str:
    if kind.real:
        return ""
    step = 2.0**-kind.fraction
    return f": its values are {kind.low * step:g}..{kind.high * step:g} in steps of {step:g}"


def _types(given: InputType, result: CppType) -> str:
    constants = {
        "INPUT_IS_CONST": int(given.const),
        "INPUT_IS_BY_VALUE": int(given.by_value),
        "INPUT_CELLS": len(scalars(given.kind)),
        "RESULT_CELLS": len(scalars(result)),
    }
    flags = ", ".join(str(int(kind.real)) for kind in scalars(result))
    return (
        f"{includes(given.kind, result)}"
        f"{declare(given.kind, 'Input')}\n{declare(result, 'Result')}\n"
        f"enum {{ {', '.join(f'{k} = {v}' for k, v in constants.items())} }};\n"
        f"constexpr bool RESULT_IS_REAL[] = {{{flags}}};\n"
    )


def _compile(folder: Path, headers: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        raise MissingToolError("g++ must be on PATH to run an emulator library; install it with 'apt install g++'")
    command = [
        compiler,
        "-std=c++17",
        "-O1",
        "-w",
        "-I.",
        f"-I{headers.resolve()}",
        "-o",
        "runner",
        "runner.cpp",
        "-ldl",
    ]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if "error" in line] or [f"exit code {result.returncode}"]
        raise InputError(f"g++ must compile the types of the emulator library, but: {lines[0].strip()}")
