"""Which source made a sample."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def source_revision() -> str:
    """The commit of the checkout that tracks this file, with `+` if tracked files have changed; else nothing."""
    here = Path(__file__).resolve()
    if shutil.which("git") is None or _git(here, "ls-files", "--error-unmatch", here.name) is None:
        return ""
    return _git(here, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+") or ""


def _git(file: Path, *arguments: str) -> str | None:
    """What git says in the folder of a file, nothing if it fails."""
    command = ["git", "-C", str(file.parent), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None
