"""Child processes with a time limit, whose output goes to a log file that their errors quote."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from trigforge.errors import CheckError, MissingToolError

_TAIL_LINES = 6


def run_logged(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, timeout_s: float
) -> None:
    """Run a command in `folder`, appending its output to `log`.

    Raises `CheckError` with the end of the log if it fails or exceeds `timeout_s`; it and its children are then ended.
    """
    with log.open("a", encoding="utf-8") as output:
        try:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise MissingToolError(f"the program {command[0]} must be installed, but it was not found") from None
        try:
            status = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise CheckError(f"{Path(command[0]).name} must end within {timeout_s:g} s; {quote_log(log)}") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    if status:
        raise CheckError(f"{Path(command[0]).name} must succeed, but ended with status {status}; {quote_log(log)}")


def quote_log(log: Path) -> str:
    """Where a log is and how it ends, in one line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{log} ends: " + (" | ".join(lines[-_TAIL_LINES:]) or "(empty)")
