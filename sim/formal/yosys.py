"""Yosys, with a time limit, in a folder that holds all that it reads: its WebAssembly build sees nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from trigforge.errors import CheckError
from trigforge.firmware.synthesis import yosys_command


class OutOfTimeError(Exception):
    """A tool had to be ended before it found out what it was asked."""


def run_yosys(script: str, folder: Path, timeout_s: float) -> str:
    """What Yosys prints while it runs a script in `folder`.

    Raises `OutOfTimeError` after `timeout_s`, `CheckError` with its last line if it fails and `MissingToolError`
    without it.
    """
    command = [*yosys_command(), "-q", "-p", script]
    child = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise OutOfTimeError(f"yosys did not end within {timeout_s:g} s") from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode:
        lines = [line for line in output.splitlines() if line.strip()]
        raise CheckError(f"yosys must succeed in {folder}, but it ended with: {lines[-1] if lines else '(nothing)'}")
    return output
