"""Verilator's own C++ library, compiled once for all models that are compiled alike: most of a small model's build."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_OBJECTS = "verilated*.o"
_ENVIRONMENT = ("MAKEFLAGS", "CFLAGS", "CXXFLAGS", "CPPFLAGS")


@contextlib.contextmanager
def kept_runtime(scratch: Path, cache: Path, settings: object) -> Iterator[None]:
    """Run make inside: it finds the library's objects of an earlier build in `scratch`, else its own are kept.

    The objects belong to the library's sources, the compiler, the verilated model's switches and `settings`. A cache
    that cannot be read or written costs time only.
    """
    place = cache / f"runtime-{_digest(scratch, settings)[:16]}"
    with contextlib.suppress(OSError):
        for kept in place.glob(_OBJECTS):
            shutil.copyfile(kept, scratch / kept.name)
    yield
    if not place.is_dir():
        with contextlib.suppress(OSError):
            _keep(scratch, place)


def _keep(scratch: Path, place: Path) -> None:
    """Put the objects into their place at once; a process that was faster wins."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        staging = Path(folder) / place.name
        staging.mkdir()
        for made in scratch.glob(_OBJECTS):
            shutil.copyfile(made, staging / made.name)
        staging.rename(place)


def _digest(scratch: Path, settings: object) -> str:
    model = (scratch / "Vtop.mk").read_text(encoding="utf-8")
    switches = (scratch / "Vtop_classes.mk").read_text(encoding="utf-8")
    root = re.search(r"^VERILATOR_ROOT = (.+)$", model, re.MULTILINE)
    library = Path(root[1]) / "include" if root else scratch
    total = hashlib.sha256(repr(settings).encode())
    total.update(repr([os.environ.get(name) for name in _ENVIRONMENT]).encode())
    total.update(repr(re.findall(r"^VM_\w+ = \d|\bverilated\w*", switches, re.MULTILINE)).encode())
    for source in sorted(path for path in library.rglob("*") if path.suffix in {".h", ".cpp", ".mk"}):
        total.update(f"\0{source.relative_to(library)}\0".encode() + source.read_bytes())
    total.update(_compiler(library / "verilated.mk").encode())
    return total.hexdigest()


def _compiler(rules: Path) -> str:
    """What the compiler that make uses says of itself; without one, make will say so."""
    named = re.findall(r"^CXX = (\S+)$", rules.read_text(encoding="utf-8"), re.MULTILINE)
    if not named or shutil.which(named[-1]) is None:
        return ""
    return subprocess.run([named[-1], "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
