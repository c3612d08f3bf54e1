"""Test vectors of CMS's Level-1 Global Trigger (uGT): one line a crossing, the objects as the trigger's own words.

The columns are those of the Global Trigger's test-vector reader (github.com/cms-l1-globaltrigger/tdf) and of CMSSW's
GtRecordDump; the positions of pt, eta and phi in an object are those of its firmware (gtl_pkg). The score of an
anomaly trigger is an additional last column, as in the vectors of its own anomaly trigger. Bit i of the algorithms'
number is algorithm i, as GtRecordDump has its final decisions: after the prescales; FINOR is their OR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge import units
from trigforge.contract import Collection, Field, InputContract
from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.fixed import IntArray
from trigforge.sim.patterns.rows import (
    Chars,
    characters,
    decimal,
    hexadecimal,
    lines_of,
    numbers,
    open_write,
    require_all,
    require_count,
    tables,
    text_columns,
)

CROSSINGS: Final = units.ORBIT_BUNCHES
"""A file holds one orbit at most."""
COLUMNS: Final = (1, 8, 12, 12, 12, 6, 6, 1, 1, 1)
"""Crossing; muons, e/γ, taus, jets; ETT, HT, ETM, HTM, ETMHF, HTMHF; link 11; externals, algorithms, FINOR."""
DIGITS: Final = (4, 16, 8, 8, 8, 8, 8, 64, 128, 1)
SCORE_DIGITS: Final = 5
ALGORITHMS: Final = 512
"""Bits of the column of algorithms."""

BoolArray = npt.NDArray[np.bool_]

_WIDTHS = tuple(d for columns, d in zip(COLUMNS, DIGITS, strict=True) for _ in range(columns))
_ALGORITHMS, _FINOR = len(_WIDTHS) - 2, len(_WIDTHS) - 1
_WORD = 16
"""Hexadecimal digits that are read as one number."""
_CALO = 2 * np.pi / units.CALO_PHI_STEPS
_PT, _ETA, _PHI = ("pt", units.PT_LSB_GEV), ("eta", units.CALO_ETA_LSB), ("phi", _CALO)


@dataclass(frozen=True, slots=True)
class _Object:
    """The columns of a kind of object, and its fields: (name, value of a unit) -> lowest bit and width."""

    first: int
    count: int
    fields: Mapping[tuple[str, float], tuple[int, int]]


_OBJECTS: Mapping[str, _Object] = {
    "L1Mu": _Object(
        1,
        8,
        {
            _PT: (10, 9),
            ("eta", units.MUON_ETA_LSB): (23, 9),
            ("phi", 2 * np.pi / units.MUON_PHI_STEPS): (0, 10),
        },
    ),
    "L1EG": _Object(9, 12, {_PT: (0, 9), _ETA: (9, 8), _PHI: (17, 8)}),
    "L1Tau": _Object(21, 12, {_PT: (0, 9), _ETA: (9, 8), _PHI: (17, 8)}),
    "L1Jet": _Object(33, 12, {_PT: (0, 11), _ETA: (11, 8), _PHI: (19, 8)}),
    "L1HT": _Object(46, 1, {_PT: (0, 12)}),
    "L1MET": _Object(47, 1, {_PT: (0, 12), _PHI: (12, 8)}),
}


@dataclass(frozen=True, slots=True)
class AlgorithmBits:
    """The columns of algorithms: bits (n, 512) after their prescales, and FINOR (n,)."""

    bits: BoolArray
    finor: BoolArray


def write_ugt(
    path: Path,
    contract: InputContract,
    words: IntArray,
    scores: IntArray,
    score: Word,
    algorithms: AlgorithmBits | None = None,
) -> None:
    """Write words (n, words) of a contract, crossing by crossing, with the scores (n,) in the last column.

    Algorithms and FINOR are 0 if they are not given. Raises `InputError` if the contract has objects or scales that the
    Global Trigger has not, or if there are more crossings than an orbit has.
    """
    if not 1 <= len(words) <= CROSSINGS:
        raise InputError(f"a test vector of the Global Trigger must have 1..{CROSSINGS} crossings, not {len(words)}")
    columns = np.zeros((len(words), len(_WIDTHS)), dtype=np.uint64)
    for word, place in enumerate(_places(contract)):
        if place is not None:
            column, bit, width = place
            bits = words[:, word].astype(np.uint64) & np.uint64((1 << width) - 1)
            columns[:, column] |= bits << np.uint64(bit)
    shown = scores.astype(np.uint64) & np.uint64((1 << score.width) - 1)
    if algorithms is None:
        none = np.zeros((len(words), ALGORITHMS), dtype=bool)
        algorithms = AlgorithmBits(none, none[:, 0])
    with open_write(path) as file:
        file.write(_lines(columns, algorithms, shown, max(SCORE_DIGITS, -(-score.width // 4))))


def read_ugt(path: Path, contract: InputContract, score: Word | None) -> tuple[IntArray, IntArray | None]:
    """The words (n, words) of a contract in a test vector, and the scores (n,) of its last column if it has them.

    Raises `InputError` that names the crossing for anything that is not of the layout, and for a word outside the
    contract's range.
    """
    places, first = _places(contract), 0
    lines = _vector_lines(path)
    begin = next(lines, b"")
    columns = len(begin.split())
    if columns not in (len(_WIDTHS), len(_WIDTHS) + 1):
        raise InputError(
            f"{path} must have {len(_WIDTHS)} columns, or one more for a score, as a test vector of the Global Trigger "
            f"has, not {columns}"
        )
    words, scores = [], []
    for table in tables(path, _chain(begin, lines), columns, "crossing"):
        require_count(path, table[:, 0], first, 10, "crossing")
        words.append(_words(path, table, places, contract, first))
        if columns > len(_WIDTHS) and score is not None:
            scores.append(_scores(path, table[:, -1], score, first))
        first += len(table)
    try:
        checked = contract.check(np.concatenate(words))
    except InputError as error:
        raise InputError(f"{path}: {str(error).partition(';')[0]}; the contract cannot hold it") from None
    return checked, np.concatenate(scores) if scores else None


def read_algorithms(path: Path) -> AlgorithmBits:
    """The columns of algorithms of a test vector that `read_ugt` accepts; `InputError` that names the crossing."""
    bits: list[npt.NDArray[np.uint64]] = []
    finor: list[npt.NDArray[np.uint64]] = []
    first = 0
    lines = _vector_lines(path)
    begin = next(lines, b"")
    for table in tables(path, _chain(begin, lines), len(begin.split()), "crossing"):
        for column, found in ((_ALGORITHMS, bits), (_FINOR, finor)):
            length = _WIDTHS[column]
            chars = characters(path, table[:, column : column + 1], length, "crossing", first)
            numerals, good = numbers(chars.reshape(len(table), -1, min(length, _WORD)))
            if column == _FINOR:
                good &= numerals <= 1
            require_all(path, np.logical_and.reduce(good, axis=1, keepdims=True), first, (column,), "a digit")
            found.append(numerals)
        first += len(table)
    return AlgorithmBits(_unpacked(np.concatenate(bits)), np.concatenate(finor)[:, 0] == 1)


def is_ugt(path: Path) -> bool:
    """Whether a file begins like a test vector of the Global Trigger."""
    try:
        line = next(_vector_lines(path), b"")
    except InputError:
        return False
    return len(line.split()) in (len(_WIDTHS), len(_WIDTHS) + 1)


def _vector_lines(path: Path) -> Iterator[bytes]:
    return (line for line in lines_of(path, skip_comments=True) if not line.startswith(b"|"))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _places(contract: InputContract) -> list[tuple[int, int, int] | None]:
    """Column, lowest bit and width of every word; None for one that is always 0."""
    places: list[tuple[int, int, int] | None] = []
    for collection in contract.collections:
        known = _OBJECTS.get(collection.name)
        if known is None or collection.count > known.count:
            have = ", ".join(f"{o.count} {name}" for name, o in _OBJECTS.items())
            raise InputError(
                f"a contract for the Global Trigger must have objects of {have}, not {collection.count} "
                f"{collection.name}"
            )
        for index in range(collection.count):
            places += [_place(known, collection, field, index) for field in collection.fields]
    return places


def _place(known: _Object, collection: Collection, field: Field, index: int) -> tuple[int, int, int] | None:
    if field.low == field.high == 0:
        return None
    bit, width = known.fields.get((field.name, field.lsb), (0, 0))
    if field.bits > width or (field.signed and field.bits != width):
        have = ", ".join(f"{name} in {lsb:.6g} ({bits} bits)" for (name, lsb), (_, bits) in known.fields.items())
        raise InputError(
            f"{collection.name} of a contract for the Global Trigger must have {have}, "
            f"not {field.name} in {field.lsb:.6g} ({field.bits} bits)"
        )
    return known.first + index, bit, width


def _unpacked(words: npt.NDArray[np.uint64]) -> BoolArray:
    """Bits (n, 512) of numbers in words (n, 8) of 64 bits, the most significant first."""
    bits = np.unpackbits(words.astype(">u8").view(np.uint8).reshape(len(words), -1), axis=1)
    return np.ascontiguousarray(bits[:, ::-1]).astype(bool)


def _packed(bits: BoolArray) -> npt.NDArray[np.uint64]:
    """The inverse of `_unpacked`."""
    octets = np.packbits(bits[:, ::-1], axis=1)
    return octets.view(">u8").astype(np.uint64)


def _lines(
    columns: npt.NDArray[np.uint64],
    algorithms: AlgorithmBits,
    scores: npt.NDArray[np.uint64],
    score_digits: int,
) -> bytes:
    count = len(columns)
    parts: list[Chars] = [decimal(0, count, DIGITS[0])]
    for column in range(1, _ALGORITHMS):
        width = min(_WIDTHS[column], _WORD)
        parts += [text_columns(" " + "0" * (_WIDTHS[column] - width), count), hexadecimal(columns[:, column], width)]
    numerals = hexadecimal(_packed(algorithms.bits), _WORD).reshape(count, -1)
    parts += [text_columns(" ", count), numerals]
    parts += [text_columns(" ", count), hexadecimal(algorithms.finor.astype(np.uint64)[:, None], 1)[:, 0]]
    parts += [text_columns(" ", count), hexadecimal(scores, score_digits), text_columns("\n", count)]
    return np.concatenate(parts, axis=1).tobytes()


def _words(
    path: Path,
    table: npt.NDArray[np.bytes_],
    places: list[tuple[int, int, int] | None],
    contract: InputContract,
    first: int,
) -> IntArray:
    words = np.zeros((len(table), len(places)), dtype=np.int64)
    for word, (place, field) in enumerate(zip(places, contract.fields, strict=True)):
        if place is None:
            continue
        column, bit, width = place
        values, good = numbers(characters(path, table[:, column : column + 1], _WIDTHS[column], "crossing", first))
        require_all(path, good, first, (column,), "a digit")
        bits = ((values[:, 0] >> np.uint64(bit)) & np.uint64((1 << width) - 1)).astype(np.int64)
        words[:, word] = bits - ((bits >> (width - 1)) << width) if field.signed else bits
    return words


def _scores(path: Path, column: npt.NDArray[np.bytes_], score: Word, first: int) -> IntArray:
    length = int(np.char.str_len(column).max())
    values, good = numbers(characters(path, column[:, None], length, "crossing", first))
    good &= values >> np.uint64(score.width) == 0
    require_all(path, good, first, (len(_WIDTHS),), "the score")
    bits = values[:, 0].astype(np.int64)
    return bits - ((bits >> (score.width - 1)) << score.width) if score.signed else bits
