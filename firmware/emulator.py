"""`Emulator`: an `IntegerProgram` compiled to native code, events in SIMD lanes, threads over chunks of events."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.native import compiler_path, load_native, vector_code
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray

CHUNK = 1 << 17
"""Events of a task of a thread."""

BoolArray = npt.NDArray[np.bool_]
ADMITTED = (np.int16, np.int32, np.int64)


@dataclass(frozen=True, slots=True)
class Emulator:
    """A program as native code, or as NumPy code where `library` is None: calling both gives the program's words."""

    program: IntegerProgram
    library: Any

    def __call__(self, words: npt.ArrayLike, threads: int | None = None, out: IntArray | None = None) -> IntArray:
        """Output words, int64 (n, outputs), for integer input words (n, inputs) of any type and layout.

        Rows of int16 (int32 if an input needs more) are read as they are; `threads` is the number of cores by default.
        The result goes to `out` if that is given, which spares the pages of a new array. Raises `InputError` naming the
        first event with a word outside its input's range.
        """
        array = self._checked(words)
        shape = (len(array), len(self.program.outputs))
        out = np.empty(shape, dtype=np.int64) if out is None else out
        if out.shape != shape or out.dtype != np.int64 or not out.flags.c_contiguous or not out.flags.writeable:
            raise InputError(
                f"out must be a writeable C array of int64 of shape {shape}, not {out.dtype} of {out.shape}"
            )
        self._map(array, lambda start, stop: self._evaluate(array, out, start, stop), threads)
        return out

    def decide(
        self, words: npt.ArrayLike, thresholds: npt.ArrayLike, output: int = 0, threads: int | None = None
    ) -> BoolArray:
        """Trigger bits (n, thresholds): where the integer score, output number `output`, is at least a threshold."""
        array, limits = self._checked(words), np.asarray(thresholds)
        if limits.ndim != 1 or limits.dtype.kind not in "iu":
            raise InputError(f"thresholds must be a list of integers, not {limits.dtype} of shape {limits.shape}")
        if not 0 <= output < len(self.program.outputs):
            raise InputError(f"output must be one of the program's {len(self.program.outputs)}, not number {output}")
        bits = np.empty((len(array), len(limits)), dtype=np.bool_)

        def task(start: int, stop: int) -> int:
            scores = np.empty((stop - start, len(self.program.outputs)), dtype=np.int64)
            bad = self._evaluate(array[start:stop], scores, 0, stop - start)
            np.greater_equal(scores[:, output, None], limits, out=bits[start:stop])
            return bad if bad < 0 else start + bad

        self._map(array, task, threads)
        return bits

    def _checked(self, words: npt.ArrayLike) -> IntArray:
        """The words in a type that the native code reads, without a copy if they have one."""
        given, width = np.asarray(words), len(self.program.inputs)
        if given.ndim != 2 or given.shape[1] != width or given.dtype.kind not in "iu":
            raise InputError(f"words must be integers of shape (n, {width}), not {given.dtype} of shape {given.shape}")
        if given.dtype.isnative and given.dtype in ADMITTED and all(s % given.itemsize == 0 for s in given.strides):
            return given
        if given.dtype == np.uint64 and given.size and given.max() > np.iinfo(np.int64).max:
            raise InputError("words must be in the ranges of the program's inputs, not above 2^63")
        kind = next(t for t in ADMITTED if t is np.int64 or np.can_cast(given.dtype, t))
        return given.astype(kind)

    def _map(self, words: IntArray, task: Callable[[int, int], int], threads: int | None) -> None:
        """Run a task over all chunks; the first event that one of them found out of range is an error."""
        spans = [(start, min(start + CHUNK, len(words))) for start in range(0, len(words), CHUNK)]
        workers = min(max(1, threads or os.cpu_count() or 1), len(spans))
        if workers <= 1:
            found = [task(*span) for span in spans]
        else:
            with ThreadPoolExecutor(workers) as pool:
                found = list(pool.map(lambda span: task(*span), spans))
        bad = next((event for event in found if event >= 0), None)
        if bad is not None:
            raise InputError(self._complaint(words[bad], bad))

    def _evaluate(self, words: IntArray, out: IntArray, start: int, stop: int) -> int:
        """Evaluate events `start..stop`; the first of them with a word out of range, or -1."""
        chunk, results = words[start:stop], out[start:stop]
        if self.library is None:
            inside = self._inside(chunk)
            if not inside.all():
                return start + int(np.argmin(inside))
            results[:] = self.program(chunk)
            return -1
        run = getattr(self.library, f"run_{chunk.dtype.name}")
        steps = [stride // chunk.itemsize for stride in chunk.strides]
        bad = int(run(chunk.ctypes.data, *steps, len(chunk), results.ctypes.data))
        return bad if bad < 0 else start + bad

    def _inside(self, words: IntArray) -> BoolArray:
        low, high = (np.array([getattr(kind, end) for kind in self.program.inputs]) for end in ("low", "high"))
        return np.asarray(((low <= words) & (words <= high)).all(axis=1))

    def _complaint(self, words: IntArray, event: int) -> str:
        kinds = enumerate(zip(words.tolist(), self.program.inputs, strict=True))
        k, (word, kind) = next((k, (w, t)) for k, (w, t) in kinds if not t.low <= w <= t.high)
        return (
            f"word {k} of event {event} must be in {kind.low}..{kind.high}, the range of the program's input, "
            f"not {word}; encode events with the contract"
        )


def compile_emulator(program: IntegerProgram, cache: Path, *, portable: bool = False) -> Emulator:
    """The emulator of a program, its native code taken from the folder `cache` or compiled into it.

    A portable one runs on every processor of this architecture, at run time with the widest vectors that it has: for a
    `cache` that unlike machines share.
    Several processes may compile at once. Without a C++ compiler on PATH the emulator runs in NumPy: slower, but it
    gives the same words.
    """
    compiler = compiler_path()
    if compiler is None:
        return Emulator(program, None)
    return Emulator(program, load_native(vector_code(program).source(), compiler, cache, portable=portable))
