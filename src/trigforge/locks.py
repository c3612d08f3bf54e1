"""One process at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trigforge.errors import InputError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder, prove it writable and keep other trigforge processes out; the lock goes with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(f"output folder {folder} must be writable: {error.strerror}; choose another --out") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder} must not be in use by another trigforge process; wait for it or choose another folder"
            ) from None
        yield
