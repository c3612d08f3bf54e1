"""`FillingScheme`: which bunch crossings of an orbit of the LHC collide, from the notation of its design report.

LHC Design Report, vol. I, chapter 2 (CERN-2004-003): `3564 = {[(72b+8e)x3+30e]x2+[(72b+8e)x4+31e]}x3 +
{[(72b+8e)x3+30e]x3+81e}`, where `b` is a place with a bunch, `e` one without, and `x` repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError

LHC_ORBIT: Final = 3564
"""Places for bunches, 25 ns apart, in an orbit of the LHC."""

_TOKEN = re.compile(r"\s*(?:(?P<run>\d+)\s*(?P<kind>[be])|(?P<times>[x×*])\s*(?P<count>\d+)|(?P<sign>[()\[\]{}+]))")
_TOTAL = re.compile(r"\s*(\d+)\s*=")
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_MOST = 1 << 16


@dataclass(frozen=True)
class FillingScheme:
    """The crossings at which both beams have a bunch, as where two beams of one scheme meet head on."""

    formula: str
    """Places of an orbit in order: runs such as `72b` and `8e`, groups in brackets, `x3` to repeat the one before,
    `+` between; a number and `=` before it say how many places there must be."""

    def __post_init__(self) -> None:
        if not self.collides.any():
            raise InputError(f"a filling scheme must have at least one bunch, not {self.formula!r}; write '1b+3563e'")

    @cached_property
    def collides(self) -> npt.NDArray[np.bool_]:
        """Whether each crossing of the orbit collides, (crossings,); raises `InputError` for a formula that is none."""
        filled: npt.NDArray[np.bool_] = np.frombuffer(_parse(self.formula), dtype=np.uint8) == ord("b")
        return filled

    @property
    def crossings(self) -> int:
        """Crossings an orbit."""
        return len(self.collides)

    @property
    def collisions(self) -> int:
        """Colliding crossings an orbit."""
        return int(self.collides.sum())

    @property
    def longest_gap(self) -> int:
        """Crossings in the longest gap; the orbit is a ring."""
        filled = np.flatnonzero(self.collides)
        return int(np.diff(filled, append=filled[0] + self.crossings).max()) - 1


def _parse(formula: str) -> bytes:
    """The places of a formula, a letter each."""
    total = _TOTAL.match(formula)
    body = formula[total.end() :] if total else formula
    tokens = list(_tokens(formula, total.end() if total else 0))
    places, rest = _sum(tokens, 0, formula)
    if rest != len(tokens):
        raise InputError(f"a filling scheme must have no {tokens[rest][0]!r} without its opening bracket, {body!r}")
    if total and len(places) != int(total[1]):
        raise InputError(f"a filling scheme must have {total[1]} places as it says, not {len(places)}: {formula!r}")
    return places


def _tokens(formula: str, start: int) -> Iterator[tuple[str, int]]:
    """Letters, brackets, `+` and `x`, with the number that belongs to each (0 if none)."""
    text = formula.rstrip()
    while start < len(text):
        found = _TOKEN.match(text, start)
        if found is None:
            raise InputError(
                f"a filling scheme must consist of runs such as '72b' and '8e', brackets, '+' and 'x3', "
                f"not {text[start:].strip()[:12]!r} in {formula!r}"
            )
        if found["kind"]:
            yield found["kind"], int(found["run"])
        elif found["times"]:
            yield "x", int(found["count"])
        else:
            yield found["sign"], 0
        start = found.end()


def _sum(tokens: list[tuple[str, int]], at: int, formula: str) -> tuple[bytes, int]:
    """Terms with `+` between them, and where they end."""
    places, at = _term(tokens, at, formula)
    while at < len(tokens) and tokens[at][0] == "+":
        more, at = _term(tokens, at + 1, formula)
        places += more
    return places, at


def _term(tokens: list[tuple[str, int]], at: int, formula: str) -> tuple[bytes, int]:
    """A run or a group, repeated."""
    kind, number = tokens[at] if at < len(tokens) else ("nothing", 0)
    if kind in _CLOSES:
        places, at = _sum(tokens, at + 1, formula)
        closing = tokens[at][0] if at < len(tokens) else "nothing"
        if closing != _CLOSES[kind]:
            raise InputError(f"a filling scheme must close {kind!r} with {_CLOSES[kind]!r}, not {closing}: {formula!r}")
    elif kind in {"b", "e"}:
        places = _repeated(kind.encode(), number, formula)
    else:
        raise InputError(f"a filling scheme must have a run or a group where it has {kind}: {formula!r}")
    at += 1
    while at < len(tokens) and tokens[at][0] == "x":
        places, at = _repeated(places, tokens[at][1], formula), at + 1
    return places, at


def _repeated(places: bytes, times: int, formula: str) -> bytes:
    if not 1 <= times * len(places) <= _MOST:
        raise InputError(f"a filling scheme must have runs and groups of 1..{_MOST} places, not {formula!r}")
    return places * times


NOMINAL: Final = FillingScheme(
    "3564 = {[(72b+8e)x3+30e]x2+[(72b+8e)x4+31e]}x3 + {[(72b+8e)x3+30e]x3+81e}",
)
"""The nominal scheme of the LHC Design Report, 2808 bunches."""
BCMS_LIKE: Final = FillingScheme("3564 = [(48b+7e)x3+28e]x18 + 90e")
"""Trains as of batch compression, merging and splitting (3 batches of 48 bunches an injection), 2592 bunches; regular,
where real fills drop trains to let experiments collide differently."""
ALL: Final = FillingScheme("3564 = 3564b")
"""Every crossing."""
SINGLE: Final = FillingScheme("3564 = 1b+3563e")
"""One crossing an orbit."""
NAMED: Final = MappingProxyType({"nominal": NOMINAL, "bcms": BCMS_LIKE, "all": ALL, "single": SINGLE})


def find_filling(name: str) -> FillingScheme:
    """The scheme of a name, or of a formula."""
    return NAMED.get(name) or FillingScheme(name)
