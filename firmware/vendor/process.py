"""Vendor programs: found on PATH, run with a time limit, their output in a log file, their steps reported."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TextIO

from trigforge.errors import CheckError, MissingToolError

Report = Callable[[str], None]
"""Called with one line for every step that a script announces."""

STEP: Final = "trigforge: "
"""What our scripts print at the beginning of a line that names the step they start."""

_POLL_SECONDS: Final = 0.2
_TAIL_LINES: Final = 4


def find_program(names: Sequence[str], script: Path) -> str:
    """The first of the programs that is on PATH, else `MissingToolError` saying which script to run where it is."""
    for name in names:
        if shutil.which(name):
            return name
    raise MissingToolError(
        f"{' or '.join(names)} must be on PATH; load the vendor's settings here, "
        f"or run this where the tool is installed: bash {script}"
    )


def run_logged(command: Sequence[str], folder: Path, log: Path, timeout_s: float, report: Report | None = None) -> None:
    """Run a command in `folder`, its output in `log`, and report the steps that it announces.

    Raises `CheckError` with the end of the log if it fails or exceeds `timeout_s`; it and its children are then ended.
    """
    with log.open("w", encoding="utf-8") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            status = _follow(child, lines, timeout_s, report or (lambda _: None))
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if status is None:
        raise CheckError(f"{command[0]} must end within {timeout_s:g} s; {_quote(log)}")
    if status:
        raise CheckError(f"{command[0]} must succeed, but ended with status {status}; {_quote(log)}")


def _follow(child: subprocess.Popen[bytes], lines: TextIO, timeout_s: float, report: Report) -> int | None:
    """The child's exit status, or None if it ran too long."""
    end = time.monotonic() + timeout_s
    rest = ""
    while True:
        status = child.poll()
        *whole, rest = (rest + lines.read()).split("\n")
        for line in whole:
            if line.startswith(STEP):
                report(line.removeprefix(STEP))
        if status is not None or time.monotonic() > end:
            return status
        time.sleep(_POLL_SECONDS)


def _quote(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"{log} ends: " + (" | ".join(lines[-_TAIL_LINES:]) or "(empty)")
