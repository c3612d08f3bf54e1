"""trigforge's own pattern file: a header that says everything, then one line a clock with checksums between."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from trigforge.errors import InputError
from trigforge.sim.patterns.pattern import Buffers, Header, Pattern
from trigforge.sim.patterns.rows import (
    ROWS,
    decimal,
    hexadecimal,
    lines_of,
    numbers,
    open_write,
    quote,
    require_all,
    text_columns,
)

MAGIC: Final = "trigforge-pattern 1"
ALL_FLAGS: Final = 15
_CLOCK_DIGITS = 10
_LISTS = ("channels", "algorithms")
_WORD = re.compile(r"(?P<index>\d+) (?P<sign>[su])(?P<width>\d+) (?P<place>-|\d+ \d+ \d+)(?: (?P<name>\S+))?")


def write_text(path: Path, header: Header, blocks: Iterable[Pattern]) -> None:
    """Write a pattern; a name that ends in .gz is compressed. See docs/patterns.md for the format."""
    with open_write(path) as file:
        file.write(header_text(header).encode())
        checksum, clocks = 0, 0
        for block in blocks:
            for start in range(0, len(block), ROWS):
                # checksums stand at multiples of ROWS, however the pattern was cut into blocks
                cut = min(len(block), start + ROWS)
                at = start
                while at < cut:
                    stop = min(cut, at + ROWS - clocks % ROWS)
                    text = _rows(header, Pattern(clocks, block.frames[at:stop], block.flags[at:stop]))
                    checksum, clocks = zlib.crc32(text, checksum), clocks + stop - at
                    file.write(text)
                    if clocks % ROWS == 0:
                        file.write(f"check {clocks} {checksum:08x}\n".encode())
                    at = stop
        file.write(f"end {clocks} {checksum:08x}\n".encode())


def header_text(header: Header) -> str:
    """The lines before the first clock."""
    fields = header.model_dump(mode="json", exclude={"format", "words"})
    lines = [MAGIC]
    lines += [f"{key}: {' '.join(map(str, v)) if isinstance(v, list) else v}" for key, v in fields.items()]
    for index, word in enumerate(header.words):
        place = "-" if word.place is None else " ".join(map(str, word.place))
        lines.append(f"word: {index} {'s' if word.signed else 'u'}{word.width} {place} {word.name}".rstrip())
    return "\n".join([*lines, "data:", ""])


def read_text(path: Path) -> tuple[Header, Buffers]:
    """Header and pattern of a file of `write_text`; anything else raises `InputError`, checksums included."""
    lines = lines_of(path, skip_comments=False)
    header = _read_header(path, lines)
    return header, Buffers(header.channels, ALL_FLAGS, _read_blocks(path, header, lines))


def _rows(header: Header, pattern: Pattern) -> bytes:
    count, digits = len(pattern), -(-header.bits // 4)
    parts = [decimal(pattern.first, count, _CLOCK_DIGITS)]
    for link in range(len(header.channels)):
        flags = hexadecimal(pattern.flags[:, link], 1)
        parts += [text_columns(" ", count), flags, text_columns(":", count)]
        parts.append(hexadecimal(pattern.frames[:, link], digits))
    return np.concatenate([*parts, text_columns("\n", count)], axis=1).tobytes()


def _read_header(path: Path, lines: Iterator[bytes]) -> Header:
    first = next(lines, b"")
    if first != MAGIC.encode():
        raise InputError(f"{path} must begin with {MAGIC!r}, not {quote(first)}")
    fields: dict[str, Any] = {}
    words: list[dict[str, Any]] = []
    for line in lines:
        key, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.strip()
        if key == "data":
            return Header.parse({**fields, "words": words}, where=str(path))
        if key == "word":
            words.append(_word(path, value, len(words)))
        elif key in fields:
            raise InputError(f"{path} must have the header line {key!r} once, not twice")
        else:
            fields[key] = value.split() if key in _LISTS else value
    raise InputError(f"{path} must have a line 'data:' after its header, but ends before")


def _word(path: Path, text: str, index: int) -> dict[str, Any]:
    """A line `INDEX s12 LINK FRAME BIT NAME` or `INDEX u0 - NAME`."""
    found = _WORD.fullmatch(text)
    if found is None or int(found["index"]) != index:
        raise InputError(f"{path}: word {index} must be given as 'word: {index} u12 LINK FRAME BIT NAME', not {text!r}")
    place = None if found["place"] == "-" else [int(part) for part in found["place"].split()]
    return {
        "name": found["name"] or "",
        "width": int(found["width"]),
        "signed": found["sign"] == "s",
        "place": place,
    }


def _read_blocks(path: Path, header: Header, lines: Iterator[bytes]) -> Iterator[Pattern]:
    checksum, clocks = 0, 0
    rows: list[bytes] = []
    for line in lines:
        if not line.startswith((b"check ", b"end ")):
            rows.append(line)
            if len(rows) > ROWS:
                raise InputError(f"{path} must have a line 'check' after clock {clocks + ROWS - 1}")
            continue
        checksum = zlib.crc32(b"\n".join([*rows, b""]), checksum)
        if rows:
            yield _parse(path, header, rows, clocks)
        clocks += len(rows)
        rows = []
        word = line.split()[0].decode()
        if line != f"{word} {clocks} {checksum:08x}".encode():
            raise InputError(
                f"{path} must have the line '{word} {clocks} {checksum:08x}' after clock {clocks - 1}, "
                f"not {quote(line)}; the file was changed after it was written"
            )
        if word == "end":
            if next(lines, None) is not None:
                raise InputError(f"{path} must end after its line 'end'")
            return
    raise InputError(f"{path} must end with a line 'end', but it stops after clock {clocks + len(rows) - 1}")


def _parse(path: Path, header: Header, rows: list[bytes], first: int) -> Pattern:
    """The pattern of rows that all have the length and the separators that the header says."""
    links, digits = len(header.channels), -(-header.bits // 4)
    length = _CLOCK_DIGITS + links * (digits + 3)
    bad = next((k for k, row in enumerate(rows) if len(row) != length), None)
    if bad is not None:
        raise InputError(
            f"{path}: the line of clock {first + bad} must have {length} characters for {links} links, "
            f"not {len(rows[bad])}: {quote(rows[bad])}"
        )
    chars = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), length)
    miscounted = (chars[:, :_CLOCK_DIGITS] != decimal(first, len(rows), _CLOCK_DIGITS)).any(axis=1)
    if miscounted.any():
        row = int(np.argmax(miscounted))
        raise InputError(
            f"{path}: clock {first + row} must follow clock {first + row - 1}, not {quote(rows[row][:10])}"
        )
    columns = chars[:, _CLOCK_DIGITS:].reshape(len(rows), links, digits + 3)
    flags, good_flags = numbers(columns[..., 1:2])
    frames, good_frames = numbers(columns[..., 3:])
    good = good_flags & good_frames & (columns[..., 0] == ord(" ")) & (columns[..., 2] == ord(":"))
    if header.bits < 64:
        good &= (frames >> np.uint64(header.bits)) == 0
    require_all(path, good, first, header.channels, "the word")
    return Pattern(first, frames, flags.astype(np.uint8))
