"""`Emulator`: an `IntegerProgram` compiled to native code, events in SIMD lanes, threads over blocks of events."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.emit_c import c_source, lane_bits
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray

FLAGS = ("-O1", "-march=native", "-shared", "-fPIC", "-std=c++17", "-fwrapv")
COMPILE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Emulator:
    """Native code of a program; calling it gives the same words as calling the program."""

    program: IntegerProgram
    library: Any
    lane_bits: int

    def __call__(self, words: npt.ArrayLike, threads: int | None = None) -> IntArray:
        """Output words (n, outputs) for input words (n, inputs); integer input of any layout is accepted."""
        given, width = np.asarray(words), len(self.program.inputs)
        if given.ndim != 2 or given.shape[1] != width or given.dtype.kind not in "iu":
            raise InputError(f"words must be integers of shape (n, {width}), not {given.dtype} of shape {given.shape}")
        array = np.ascontiguousarray(given, dtype=np.int32)
        if array.dtype.itemsize < given.dtype.itemsize and not np.array_equal(array, given):
            raise InputError("words must fit into 32 bits; encode them with the contract")
        out = np.empty((len(array), len(self.program.outputs)), dtype=np.int64)
        workers = max(1, threads or os.cpu_count() or 1)
        edges = np.linspace(0, len(array), workers + 1).astype(int)
        with ThreadPoolExecutor(workers) as pool:
            bad = list(pool.map(lambda span: self._run(array, out, *span), _pairs(edges)))
        first = next((event for event in bad if event >= 0), None)
        if first is not None:
            raise InputError(
                f"the words of event {first} must lie in the ranges of the program's inputs; "
                "encode them with the contract"
            )
        return out

    def _run(self, words: npt.NDArray[np.int32], out: IntArray, start: int, stop: int) -> int:
        """Evaluate events `start..stop`; the first of them with a word out of range, or -1."""
        bad = self.library.run(words[start:].ctypes.data, stop - start, out[start:].ctypes.data)
        return -1 if bad < 0 else start + int(bad)


def compile_emulator(program: IntegerProgram, cache: Path) -> Emulator:
    """Compile a program, or take it from the folder `cache`; safe when several processes compile at once."""
    source = c_source(program.circuit, program.inputs)
    key = hashlib.sha256("\0".join((source, *FLAGS, os.uname().nodename)).encode()).hexdigest()[:24]
    library = cache / f"emulator-{key}.so"
    if not library.is_file():
        _compile(source, library)
    loaded = ctypes.CDLL(str(library))
    loaded.run.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    loaded.run.restype = ctypes.c_int64
    return Emulator(program, loaded, lane_bits(program.circuit))


def _compile(source: str, library: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        raise MissingToolError("g++ must be on PATH to compile the emulator; install it with 'apt install g++'")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        code, built = Path(scratch) / "emulator.cpp", Path(scratch) / "emulator.so"
        code.write_text(source)
        result = subprocess.run(
            [compiler, *FLAGS, "-o", str(built), str(code)],
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
            check=False,
        )
        if result.returncode:
            raise MissingToolError(f"g++ must compile the emulator, but: {result.stderr.strip().splitlines()[0]}")
        built.replace(library)


def _pairs(edges: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
