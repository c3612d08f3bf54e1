"""`IntegerProgram`: the one meaning of a model, an exact integer function from hardware words to output words."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from alkaid.types import CombLogic, JSONEncoder
from pydantic import Field

from trigforge.errors import InputError
from trigforge.firmware.circuit import Circuit, decode
from trigforge.firmware.evaluate import evaluate
from trigforge.fixed import FixedType, IntArray
from trigforge.value import Value, write_atomic

FORMAT = "trigforge-program-1"


class Provenance(Value):
    """Where a program came from; not part of its identity."""

    framework: str = ""
    model_digest: str = ""
    contract_digest: str = ""
    tools: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class IntegerProgram:
    """An exact integer function, words (n, inputs) → words (n, outputs), both int64 mantissas of the stated types.

    It wraps an ALIR program (alkaid's `CombLogic`). Calling it is the reference that emulator, RTL and csim are
    proved equal to. `digest` identifies the function: equal programs have equal digests whatever their origin.
    """

    comb: CombLogic
    inputs: tuple[FixedType, ...]
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        if len(self.inputs) != self.comb.shape[0]:
            raise ValueError(f"inputs must be {self.comb.shape[0]} types, one a word, not {len(self.inputs)}")

    @cached_property
    def circuit(self) -> Circuit:
        """The decoded operations."""
        return decode(self.comb)

    @cached_property
    def outputs(self) -> tuple[FixedType, ...]:
        """The type of every output word."""
        return tuple(
            FixedType(signed=f.signed, width=max(f.width, 1), integer=max(f.width, 1) - f.fraction)
            for f in self.circuit.output_formats
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the operations and the input types, in hexadecimal."""
        content = json.dumps([self._operations(), [str(t) for t in self.inputs]], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    def __call__(self, words: npt.ArrayLike) -> IntArray:
        """Output words (n, outputs) for input words (n, inputs) inside the input types; others raise `InputError`."""
        array = np.asarray(words)
        if array.ndim != 2 or array.shape[1] != len(self.inputs) or array.dtype.kind not in "iu":
            raise InputError(
                f"words must be integers of shape (n, {len(self.inputs)}), not {array.dtype} of shape {array.shape}"
            )
        columns = [array[:, i].astype(np.int64) for i in range(array.shape[1])]
        for i, (column, kind) in enumerate(zip(columns, self.inputs, strict=True)):
            if len(column) and not (kind.low <= column.min() and column.max() <= kind.high):
                raise InputError(f"word {i} must be in {kind.low}..{kind.high}, not {column.min()}..{column.max()}")
        results = evaluate(self.circuit, columns, [t.fraction for t in self.inputs])
        return np.stack(results, axis=1)

    def to_float(self, outputs: IntArray) -> npt.NDArray[np.float64]:
        """The real values of output words (n, outputs)."""
        return np.stack([t.to_float(outputs[:, i]) for i, t in enumerate(self.outputs)], axis=1)

    def from_float(self, values: npt.ArrayLike) -> IntArray:
        """The output words of real values (n, outputs); values off the output grid raise `ValueError`."""
        array = np.asarray(values, dtype=np.float64).reshape(-1, len(self.outputs))
        return np.stack([t.from_float(array[:, i]) for i, t in enumerate(self.outputs)], axis=1)

    def save(self, path: Path) -> None:
        """Write the program as compressed JSON."""
        content = {
            "format": FORMAT,
            "comb": self._operations(),
            "inputs": [t.model_dump(mode="json") for t in self.inputs],
            "provenance": self.provenance.model_dump(mode="json"),
        }
        write_atomic(path, gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0))

    @classmethod
    def load(cls, path: Path) -> IntegerProgram:
        """Read a program that `save` wrote; anything else raises `InputError`."""
        try:
            content = json.loads(gzip.decompress(path.read_bytes()))
            if content["format"] != FORMAT:
                raise InputError(f"{path} must be of format {FORMAT!r}, not {content['format']!r}")
            comb = CombLogic.from_dict(content["comb"], raw=True)
            inputs = tuple(FixedType.model_validate(t) for t in content["inputs"])
            return cls(comb, inputs, Provenance.model_validate(content["provenance"]))
        except (OSError, EOFError, KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(
                f"{path} must be a program that trigforge saved ({type(error).__name__}: {error})"
            ) from None

    def _operations(self) -> Any:
        return json.loads(json.dumps(self.comb, cls=JSONEncoder))


SAFE_WIDTH = 24
"""Width up to which alkaid's second pass of interval arithmetic, in single precision, is exact."""


def trace_program(
    inputs: Any, outputs: Any, types: Sequence[FixedType], provenance: Provenance | None = None
) -> IntegerProgram:
    """The program of symbolic outputs (alkaid `FVArray`) as a function of symbolic inputs of the given types."""
    from alkaid.trace import trace
    from alkaid.trace.passes import optimize

    comb = trace(inputs, outputs, optimize=False)
    widest = max((sum(op.qint.kif) for op in comb.ops), default=0)
    return IntegerProgram(optimize(comb, retrace=widest <= SAFE_WIDTH), tuple(types), provenance or Provenance())
