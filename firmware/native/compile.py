"""Native code compiled for this machine's processor, and loaded."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import platform
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from trigforge.errors import MissingToolError

FLAGS = ("-O1", "-fPIC", "-std=c++17", "-fwrapv", "-fvisibility=hidden")
"""With -O1 only: code without loops gains nothing from more, but takes several times longer to compile."""
VARIANTS = {
    "x86_64": {
        "avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"), "avx2": ("-mavx2",), "baseline": (),
    },
}  # fmt: skip
"""Flags of the variants of a portable library, by architecture; others have what all their processors have."""
COMPILE_SECONDS = 600


def compiler_path() -> str | None:
    """The C++ compiler on PATH."""
    return shutil.which("g++")


def load_native(source: str, compiler: str, cache: Path, *, portable: bool = False) -> ctypes.CDLL:
    """The compiled emulator, from the folder `cache` if it is there for this compiler and this processor.

    A portable one holds code for several processors of the architecture and chooses when it is called. Raises
    `MissingToolError` with the compiler's first complaint.
    """
    library = _load(source, compiler, cache, portable=portable)
    for name in ("run_int16", "run_int32", "run_int64"):
        _declare(library, name, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p)
    return library


def load_roofs(compiler: str, cache: Path) -> ctypes.CDLL:
    """Compiled loops of nothing but additions, `additions(rounds)`, and of nothing but reads, `read_all(p, n)`."""
    package = resources.files(__package__)
    library = _load("".join((package / name).read_text() for name in ("vectors.hpp", "roofs.cpp")), compiler, cache)
    _declare(library, "vector_bytes")
    _declare(library, "additions", ctypes.c_int64)
    _declare(library, "read_all", ctypes.c_void_p, ctypes.c_int64)
    return library


def _declare(library: ctypes.CDLL, name: str, *arguments: type) -> None:
    function = getattr(library, name)
    function.argtypes, function.restype = arguments, ctypes.c_int64


def _load(source: str, compiler: str, cache: Path, *, portable: bool = False) -> ctypes.CDLL:
    machine = "portable" if portable else _processor()
    identity = "\0".join((source, *FLAGS, _version(compiler), platform.machine(), machine))
    path = cache / f"emulator-{hashlib.sha256(identity.encode()).hexdigest()[:24]}.so"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            build = _build_portable if portable else _build
            build(source, compiler, Path(scratch)).replace(path)
    return ctypes.CDLL(str(path))


def _build(source: str, compiler: str, folder: Path) -> Path:
    (folder / "emulator.cpp").write_text(source)
    _compile(compiler, folder, "-march=native", "-shared", "-o", "emulator.so", "emulator.cpp")
    return folder / "emulator.so"


def _build_portable(source: str, compiler: str, folder: Path) -> Path:
    (folder / "emulator.cpp").write_text(source)
    (folder / "dispatch.cpp").write_text((resources.files(__package__) / "dispatch.cpp").read_text())
    variants = VARIANTS.get(platform.machine(), {"baseline": ()})
    for name, flags in variants.items():
        _compile(compiler, folder, *flags, f"-DVARIANT={name}", "-c", "-o", f"{name}.o", "emulator.cpp")
    objects = [f"{name}.o" for name in variants]
    _compile(compiler, folder, "-shared", "-o", "emulator.so", "dispatch.cpp", *objects)
    return folder / "emulator.so"


def _compile(compiler: str, folder: Path, *arguments: str) -> None:
    command = [compiler, *FLAGS, *arguments]
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise MissingToolError(f"g++ must compile the emulator within {COMPILE_SECONDS} s, but did not") from None
    if result.returncode:
        complaint = next((line for line in result.stderr.splitlines() if "error" in line), "no message")
        raise MissingToolError(f"g++ must compile the emulator, but: {complaint.strip()}; use g++ 12 or newer")


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
