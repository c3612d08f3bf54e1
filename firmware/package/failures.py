"""What an emulator library did wrong in its process, in one line: what, where, what was given, and the remedy."""

from __future__ import annotations

import re
import shutil
import signal
import struct
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from trigforge.firmware.package.cpp_types import CppType, InputType, pointer, scalars, spell

STATUS: Final = struct.Struct("=qqq1024s")
"""Phase, problem, event and message, as the runner leaves them."""
PHASES: Final = ("while it was loaded", "create_model", "prepare_input", "predict", "read_result", "destroy_model")
DONE: Final = len(PHASES)
READ_RESULT: Final = PHASES.index("read_result")
POINTED: Final = re.compile(rb"_ZTI(P\w+)")
MODE: Final = re.compile(r"\((ap_[qo]_mode)\)(\d)")
MODES: Final = {
    "ap_q_mode": ("AP_RND", "AP_RND_ZERO", "AP_RND_MIN_INF", "AP_RND_INF", "AP_RND_CONV", "AP_TRN", "AP_TRN_ZERO"),
    "ap_o_mode": ("AP_SAT", "AP_SAT_ZERO", "AP_SAT_SYM", "AP_WRAP", "AP_WRAP_SM"),
}
"""The modes in the order of their numbers in `ap_decl.h`."""
LONGEST: Final = 400


class Problem(IntEnum):
    """What the runner found wrong; the numbers are those of its source."""

    NONE = 0
    NO_LIBRARY = 1
    NO_SYMBOL = 2
    NO_MODEL = 3
    TYPE = 4
    EXCEPTION = 5
    TOO_LONG = 6
    TOO_SHORT = 7
    FILES = 8


@dataclass(frozen=True, slots=True)
class Names:
    """The library and the types of a run."""

    library: Path
    input: InputType
    result: CppType


def explain(names: Names, code: int, status: bytes, log: str) -> str:
    """The failure of a run that ended with an exit code, or a signal (negative), and left a status and a log."""
    phase, number, event, raw = STATUS.unpack(status)
    where = PHASES[phase] if phase == 0 else f"in {PHASES[phase]} of event {event}"
    message = raw.rstrip(b"\0").decode(errors="replace")
    if code < 0:
        return (
            f"{names.library} must not crash, but it did {where} ({signal.Signals(-code).name}); it may read or write "
            f"more than the {len(scalars(names.input.kind))} numbers of {names.input.held} and those of "
            f"{pointer(names.result)}: check --input-type and --result-type"
        )
    problem = Problem(number)
    if problem is Problem.TYPE:
        return _type(names, phase, message)
    if problem is Problem.NONE:
        last = next((line for line in reversed(log.splitlines()) if line.strip()), f"exit code {code}")
        return f"{names.library} must run to its end, but it stopped {where}: {last[-LONGEST:]}"
    return _message(problem, names, where, message)


def known_types(library: Path) -> list[str]:
    """The types of pointers that a library knows by name: what its `any_cast`s can ask for."""
    mangled = sorted({found.decode() for found in POINTED.findall(library.read_bytes())})
    demangler = shutil.which("c++filt")
    if not mangled or demangler is None:
        return []
    text = subprocess.run([demangler, "-t", *mangled], capture_output=True, text=True, check=False).stdout
    return sorted({_readable(line) for line in text.splitlines() if line.endswith("*")})


def _readable(name: str) -> str:
    """A demangled name as `--input-type` reads it."""
    return re.sub(r"(\d)ul\b", r"\1", MODE.sub(lambda mode: MODES[mode[1]][int(mode[2])], name))


def _type(names: Names, phase: int, message: str) -> str:
    is_result = phase == READ_RESULT
    option, given = ("--result-type", pointer(names.result)) if is_result else ("--input-type", names.input.held)
    known = known_types(names.library)
    hint = f"; pointers that it knows: {', '.join(known)}" if known else ""
    return (
        f"{PHASES[phase]} of {names.library} must be given the type that it casts to, not {given} ({message}); "
        f"change {option}{hint}"
    )


def _message(problem: Problem, names: Names, where: str, message: str) -> str:
    library, result = names.library, spell(names.result)
    return {
        Problem.NO_LIBRARY: f"{library} must be a library that loads, but: {message}; put what it needs on "
        "LD_LIBRARY_PATH",
        Problem.NO_SYMBOL: f"{library} must be an hls4ml emulator with create_model and destroy_model; it has no "
        f"{message}",
        Problem.NO_MODEL: f"create_model of {library} must give a model, not a null pointer",
        Problem.EXCEPTION: f"{library} must take every event, but it threw {where}: {message}",
        Problem.TOO_LONG: f"read_result of {library} must write {result} only, but it wrote beyond; make "
        "--result-type longer",
        Problem.TOO_SHORT: f"read_result of {library} must write every number of {result}, but it left number "
        f"{message} as it was; make --result-type shorter",
        Problem.FILES: f"{library} could not be run: {message}",
    }[problem]
