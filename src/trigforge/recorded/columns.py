"""What was recorded: columns of scores or trigger bits, brought exactly onto the program's output grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.errors import InputError
from trigforge.fixed import FixedType, IntArray
from trigforge.value import Value

SPEC: Final = re.compile(r"(?P<name>[^\[\]@<>=]+)(\[(?P<index>\d+)\])?(@(?P<output>\d+))?(>=(?P<threshold>-?\d+))?")
WORD_MAX: Final = 1 << 62
"""Recorded integers beyond are no word of any program."""


class Recorded(Value):
    """One recorded column: a score, or with a threshold the bit `score >= threshold`."""

    name: str
    index: int | None = Field(default=None, ge=0)
    """Element of a column of lists, such as the middle crossing of a readout window."""
    output: int = Field(default=0, ge=0)
    """The output word of the program that the column holds."""
    threshold: int | None = None
    """In the integer score of the firmware."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `COLUMN`, `COLUMN[2]`, `COLUMN@OUTPUT`, `COLUMN>=THRESHOLD` or a combination in this order."""
        found = SPEC.fullmatch(text.strip())
        if found is None:
            raise InputError(f"recorded must be like 'score', 'score[2]', 'score@1' or 'bit>=2801', not {text!r}")
        given = {key: value for key, value in found.groupdict().items() if value is not None}
        return cls(name=given.pop("name"), **{key: int(value) for key, value in given.items()})

    @property
    def label(self) -> str:
        """The column as the user wrote it."""
        index = "" if self.index is None else f"[{self.index}]"
        output = f"@{self.output}" if self.output else ""
        threshold = "" if self.threshold is None else f">={self.threshold}"
        return f"{self.name}{index}{output}{threshold}"


@dataclass(frozen=True, slots=True)
class Readings:
    """A recorded column of some events: its words (n,), and which events have none.

    `missing`: null, NaN or an empty list; `off_grid`: a number that no output word has.
    """

    words: IntArray
    missing: npt.NDArray[np.bool_]
    off_grid: npt.NDArray[np.bool_]

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Where there is a word."""
        return ~(self.missing | self.off_grid)


def readings(column: Recorded, values: ak.Array, kind: FixedType) -> Readings:
    """The words of a column: integers and bits as they are, real numbers as exact multiples of the output's LSB."""
    flat, missing = _flat(column, values)
    if flat.dtype.kind == "f":
        nan = np.isnan(flat)
        missing |= nan
        fraction = kind.fraction if column.threshold is None else 0
        scaled = np.ldexp(np.where(nan, 0.0, flat).astype(np.float64), fraction)
        off_grid = ~missing & ~((np.abs(scaled) < WORD_MAX) & (np.rint(scaled) == scaled))
        words = np.where(off_grid, 0.0, scaled).astype(np.int64)
    else:
        off_grid = ~missing & (flat > WORD_MAX) if flat.dtype.kind == "u" else ~missing & (np.abs(flat / 1) > WORD_MAX)
        words = np.where(off_grid, 0, flat).astype(np.int64)
    words[missing] = 0
    if column.threshold is not None:
        _check_bits(column, words, off_grid)
    return Readings(words, missing, off_grid)


def _check_bits(column: Recorded, words: IntArray, off_grid: npt.NDArray[np.bool_]) -> None:
    wrong = off_grid | (words < 0) | (words > 1)
    if wrong.any():
        raise InputError(
            f"recorded column {column.name!r} must hold the bits 0 and 1 of a threshold, "
            f"not {words[wrong][0] if not off_grid[wrong][0] else 'a fraction'}; a score is named without '>='"
        )


def _flat(column: Recorded, values: ak.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """One number an event, and where there is none."""
    if values.ndim == 2:
        values = _element(column, values)
    if values.ndim != 1:
        raise InputError(f"recorded column {column.name!r} must hold one number an event, not {values.type.content}")
    missing = ak.to_numpy(ak.is_none(values)).astype(bool)
    flat = ak.to_numpy(ak.fill_none(values, 0)) if len(values) else np.zeros(0, dtype=np.int64)
    if flat.dtype.kind not in "biuf":
        raise InputError(f"recorded column {column.name!r} must hold numbers, not {values.type.content}")
    return flat, missing


def _element(column: Recorded, values: ak.Array) -> ak.Array:
    index = column.index
    sizes = ak.fill_none(ak.num(values), 0)
    if index is None:
        longest = ak.max(sizes) if len(sizes) else 0
        if longest > 1:
            raise InputError(
                f"recorded column {column.name!r} holds lists of up to {longest} numbers; "
                f"say which with '{column.name}[INDEX]'"
            )
        index = 0
    return ak.firsts(values[:, index : index + 1])
