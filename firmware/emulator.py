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
        array = np.ascontiguousarray(words, dtype=np.int32)
        if array.ndim != 2 or array.shape[1] != len(self.program.inputs):
            raise InputError(f"words must have the shape (n, {len(self.program.inputs)}), not {array.shape}")
        low = np.array([t.low for t in self.program.inputs])
        high = np.array([t.high for t in self.program.inputs])
        if len(array) and ((array.min(axis=0) < low) | (array.max(axis=0) > high)).any():
            raise InputError("words must lie in the ranges of the program's inputs; encode them with the contract")
        out = np.empty((len(array), len(self.program.outputs)), dtype=np.int64)
        workers = max(1, threads or os.cpu_count() or 1)
        edges = np.linspace(0, len(array), workers + 1).astype(int)
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda span: self._run(array[span[0] : span[1]], out[span[0] : span[1]]), _pairs(edges)))
        return out

    def _run(self, words: npt.NDArray[np.int32], out: IntArray) -> None:
        self.library.run(words.ctypes.data, ctypes.c_int64(len(words)), out.ctypes.data)


def compile_emulator(program: IntegerProgram, cache: Path) -> Emulator:
    """Compile a program, or take it from the folder `cache`; safe when several processes compile at once."""
    source = c_source(program.circuit, [t.fraction for t in program.inputs])
    key = hashlib.sha256("\0".join((source, *FLAGS, os.uname().nodename)).encode()).hexdigest()[:24]
    library = cache / f"emulator-{key}.so"
    if not library.is_file():
        _compile(source, library)
    loaded = ctypes.CDLL(str(library))
    loaded.run.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    loaded.run.restype = None
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
