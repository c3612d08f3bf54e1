"""Which source made a sample, so that nothing is finished by other code than began it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def source_digest(*modules: str) -> str:
    """SHA-256 of the text of some modules of the simulation, of all of them if none is named."""
    files = [FOLDER / f"{name}.py" for name in modules] or sorted(FOLDER.glob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


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
