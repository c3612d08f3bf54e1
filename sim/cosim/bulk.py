"""Plays words into a compiled Verilator model in this process, row after row, without cocotb: millions of events."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import RtlDesign
from trigforge.fixed import IntArray
from trigforge.sim.cosim.build import Build, build
from trigforge.sim.cosim.simulators import Simulator
from trigforge.sim.cosim.verilate import Purpose

Rows = npt.NDArray[np.signedinteger[Any]]
"""Words (n, inputs) as int16, int32 or int64, one row a clock."""

_KINDS = ("int16", "int32", "int64")
_DONE, _FAILED = -1, -2


@dataclass(frozen=True, slots=True)
class BulkModel:
    """A design compiled into a library of this process; every player that it starts is a model of its own."""

    design: RtlDesign
    built: Build
    library: ctypes.CDLL

    def start(self, seed: int = 1) -> Player:
        """A model whose registers hold random values made from `seed`; players may run in parallel threads."""
        return Player(self, seed)

    def play(self, rows: Rows, seed: int = 1) -> IntArray:
        """The outputs (n, outputs) of a new model just before each of its rows (n, inputs) is applied."""
        with self.start(seed) as player:
            return player.play(rows)


class Player:
    """A running model: it keeps its state from call to call. Close it, or use it in a `with` statement."""

    def __init__(self, model: BulkModel, seed: int) -> None:
        self._model = model
        self._handle: int | None = model.library.create(seed % (2**31 - 1) + 1)
        if self._handle is None:
            raise CheckError(f"a model of {model.design.top!r} must start, but its initial blocks failed")

    def play(self, rows: Rows) -> IntArray:
        """The outputs (n, outputs) just before each row (n, inputs) is applied; after that the clock rises and falls.

        So row k + `latency_clocks` of the outputs belongs to row k, and the outputs of the last rows come with the
        next call. A word that does not fit raises `InputError`, a model that stops itself `CheckError`.
        """
        design, library = self._model.design, self._model.library
        inputs = len(design.inputs.words)
        if rows.ndim != 2 or rows.shape[1] != inputs or rows.dtype.name not in _KINDS:
            raise InputError(
                f"words for {design.inputs.name} must be {', '.join(_KINDS)} of shape (n, {inputs}), "
                f"not {rows.dtype} of shape {rows.shape}"
            )
        if self._handle is None:
            raise InputError(f"the player of {design.top!r} must be open, but was closed")
        rows = np.ascontiguousarray(rows)
        outputs = np.empty((len(rows), len(design.outputs.words)), dtype=np.int64)
        play = getattr(library, f"play_{rows.dtype.name}")
        status = play(self._handle, rows.ctypes.data, len(rows), outputs.ctypes.data)
        if status == _FAILED:
            reason = ctypes.string_at(library.error_of(self._handle)).decode(errors="replace")
            raise CheckError(f"the model of {design.top!r} must run on, but stopped: {reason}")
        if status != _DONE:
            self._refuse(rows, *divmod(status, inputs))
        return outputs

    def close(self) -> None:
        """Free the model."""
        if self._handle is not None:
            self._model.library.destroy(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _refuse(self, rows: Rows, row: int, word: int) -> None:
        port = self._model.design.inputs
        low, high = port.words[word].limits
        raise InputError(
            f"word {word} of event {row} must be {low}..{high} to fit {port.name}, not {int(rows[row, word])}"
        )


def compile_bulk(design: RtlDesign, simulator: Simulator, folder: Path, timeout_s: float = 1800.0) -> BulkModel:
    """Compile a design for bulk runs with Verilator, unless that was done in `folder` before.

    Raises what `build` does; a port that is not as wide as declared stops the build.
    """
    built = build(design, simulator, folder, timeout_s, Purpose.BULK)
    library = ctypes.CDLL(str(built.executable.resolve()))
    library.create.argtypes, library.create.restype = [ctypes.c_int], ctypes.c_void_p
    library.destroy.argtypes, library.destroy.restype = [ctypes.c_void_p], None
    library.error_of.argtypes, library.error_of.restype = [ctypes.c_void_p], ctypes.c_void_p
    for kind in _KINDS:
        function = getattr(library, f"play_{kind}")
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
        function.restype = ctypes.c_int64
    return BulkModel(design, built, library)
