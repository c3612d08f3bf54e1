"""Rows of hexadecimal numbers as arrays and back, a block of lines at a time."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Final, cast

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError

Chars = npt.NDArray[np.uint8]

ROWS: Final = 4096
"""Lines that are read or written at a time."""
_HEXADECIMAL = b"0123456789abcdefABCDEF"
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_VALUE = np.full(256, 255, dtype=np.uint8)
_VALUE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16)
_VALUE[np.frombuffer(b"ABCDEF", dtype=np.uint8)] = np.arange(10, 16)


@contextmanager
def open_write(path: Path) -> Iterator[IO[bytes]]:
    """A new file, compressed if its name ends in .gz (without a time stamp, so that equal content is equal)."""
    with ExitStack() as stack:
        try:
            file: IO[bytes] = stack.enter_context(path.open("wb"))
        except OSError as error:
            raise InputError(f"the pattern file {path} cannot be written: {error.strerror}") from None
        if path.suffix == ".gz":
            file = cast(
                "IO[bytes]",
                stack.enter_context(gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)),
            )
        yield file


def open_read(path: Path) -> IO[bytes]:
    """A file, decompressed if its name ends in .gz."""
    try:
        return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise InputError(f"the pattern file {path} cannot be read: {error.strerror}") from None


def lines_of(path: Path, skip_comments: bool) -> Iterator[bytes]:
    """The lines of a file without their ends; without blank ones and those that begin with #, if so wanted."""
    with open_read(path) as file:
        try:
            for number, line in enumerate(file, 1):
                stripped = line.rstrip(b"\r\n")
                if b"\0" in stripped:
                    raise InputError(f"line {number} of the pattern file {path} must be text, but has a byte 0")
                if not (skip_comments and (not stripped.strip() or stripped.lstrip().startswith(b"#"))):
                    yield stripped
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"the pattern file {path} must be whole, but {error}") from None


def hexadecimal(values: npt.NDArray[np.unsignedinteger], digits: int) -> Chars:
    """Digits (..., digits) of numbers (...)."""
    shifts = np.arange(4 * (digits - 1), -1, -4, dtype=np.uint64)
    nibbles = (values.astype(np.uint64)[..., None] >> shifts) & np.uint64(15)
    return _DIGITS[nibbles.astype(np.uint8)]


def decimal(first: int, count: int, digits: int) -> Chars:
    """Digits (count, digits) of the numbers from `first` on."""
    numbers = np.arange(first, first + count, dtype=np.int64)[:, None]
    powers = 10 ** np.arange(digits - 1, -1, -1, dtype=np.int64)
    return ((numbers // powers) % 10 + ord("0")).astype(np.uint8)


def digits_of(first: int, count: int, least: int) -> Iterator[tuple[int, int, int]]:
    """Runs (first, count, digits) of numbers that have equally many decimal digits, at least `least`."""
    end = first + count
    while first < end:
        digits = max(least, len(str(first)))
        stop = min(end, 10**digits)
        yield first, stop - first, digits
        first = stop


def text_columns(text: str, rows: int) -> Chars:
    """The same text (rows, len) in every row."""
    return np.broadcast_to(np.frombuffer(text.encode(), dtype=np.uint8), (rows, len(text)))


def numbers(chars: Chars) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """The numbers (...) of hexadecimal digits (..., digits), and whether all of their digits are some."""
    values = _VALUE[chars]
    total = np.zeros(chars.shape[:-1], dtype=np.uint64)
    for digit in range(chars.shape[-1]):
        total = (total << np.uint64(4)) | (values[..., digit] & 15).astype(np.uint64)
    return total, (values != 255).all(axis=-1)


def tables(path: Path, lines: Iterable[bytes], columns: int, what: str) -> Iterator[npt.NDArray[np.bytes_]]:
    """The words of lines, each of so many columns separated by blanks, in blocks (rows, columns)."""
    stream, done = iter(lines), 0
    while block := list(islice(stream, ROWS)):
        tokens = b"\n".join(block).split()
        if len(tokens) != len(block) * columns or any(len(line.split()) != columns for line in block):
            bad = next(i for i, line in enumerate(block) if len(line.split()) != columns)
            raise InputError(
                f"{path}: {what} {done + bad} must have {columns} columns, not {len(block[bad].split())}: "
                f"{quote(block[bad])}"
            )
        yield np.array(tokens).reshape(len(block), columns)
        done += len(block)


def characters(path: Path, table: npt.NDArray[np.bytes_], length: int, what: str, first: int) -> Chars:
    """The characters (rows, columns, length) of words, which must all be so long."""
    bad = np.char.str_len(table) != length
    if bad.any():
        row, column = (int(k) for k in np.argwhere(bad)[0])
        raise InputError(
            f"{path}: {what} {first + row} must have words of {length} characters, not {quote(table[row, column])}"
        )
    return np.ascontiguousarray(table.astype(f"S{length}")).view(np.uint8).reshape(*table.shape, length)


def require_count(path: Path, column: npt.NDArray[np.bytes_], first: int, base: int, what: str) -> None:
    """Raise `InputError` unless a column counts up by one from `first`."""
    for row, text in enumerate(column.tolist()):
        digits = text.removeprefix(b"0x") if base == 16 else text
        number = int(digits, base) if digits and not digits.strip(_HEXADECIMAL[: 10 if base == 10 else None]) else -1
        if number != first + row or (base == 16 and digits == text):
            raise InputError(f"{path}: {what} {first + row} must follow {what} {first + row - 1}, not {quote(text)}")


def quote(line: bytes) -> str:
    """A line or word as errors show it."""
    text = line.decode("ascii", "backslashreplace")
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def require_all(path: Path, good: npt.NDArray[np.bool_], first: int, channels: Sequence[int], what: str) -> None:
    """Raise `InputError` that names the first clock and channel (clocks, links) that are not good."""
    if not good.all():
        row, link = (int(k) for k in np.argwhere(~good)[0])
        raise InputError(f"{path}: {what} of clock {first + row} on channel {channels[link]} is not of the format")
