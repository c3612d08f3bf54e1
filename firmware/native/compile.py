"""Native code compiled for this machine's processor, and loaded."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from trigforge.errors import MissingToolError

FLAGS = ("-O1", "-march=native", "-shared", "-fPIC", "-std=c++17", "-fwrapv", "-fvisibility=hidden")
"""With -O1 only: code without loops gains nothing from more, but takes several times longer to compile."""
COMPILE_SECONDS = 600
INTEGERS = ("int16", "int32", "int64")


def compiler_path() -> str | None:
    """The C++ compiler on PATH."""
    return shutil.which("g++")


def load_native(source: str, compiler: str, cache: Path) -> ctypes.CDLL:
    """The compiled source, from the folder `cache` if it is there for this compiler and this processor.

    Raises `MissingToolError` with the compiler's first complaint.
    """
    identity = "\0".join((source, *FLAGS, _version(compiler), _processor()))
    path = cache / f"emulator-{hashlib.sha256(identity.encode()).hexdigest()[:24]}.so"
    if not path.is_file():
        _compile(source, compiler, path)
    library = ctypes.CDLL(str(path))
    for name in INTEGERS:
        run = getattr(library, f"run_{name}")
        run.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
        run.restype = ctypes.c_int64
    return library


def _compile(source: str, compiler: str, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        code, built = Path(scratch) / "emulator.cpp", Path(scratch) / "emulator.so"
        code.write_text(source)
        command = [compiler, *FLAGS, "-o", str(built), str(code)]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise MissingToolError(f"g++ must compile the emulator within {COMPILE_SECONDS} s, but did not") from None
        if result.returncode:
            complaint = next((line for line in result.stderr.splitlines() if "error" in line), "no message")
            raise MissingToolError(f"g++ must compile the emulator, but: {complaint.strip()}; use g++ 12 or newer")
        built.replace(library)


@functools.cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout


@functools.cache
def _processor() -> str:
    """What tells processors apart that must not share native code."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.platform()
    return "\n".join(sorted({x for x in lines if x.startswith(("flags", "Features", "model name", "CPU part"))}))
