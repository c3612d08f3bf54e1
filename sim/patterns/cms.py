"""Pattern files of CMS's Phase-2 test stands: buffers of the EMP framework (v1, v2) and of APx boards.

The layouts are those that CMS software reads and writes (CMSSW, L1Trigger/DemonstratorTools). It names a fourth, X2O,
whose layout is not published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.sim.patterns.pattern import END, ORBIT, START, VALID, Buffers, Pattern
from trigforge.sim.patterns.rows import (
    Chars,
    characters,
    decimal,
    digits_of,
    hexadecimal,
    lines_of,
    numbers,
    open_write,
    quote,
    require_all,
    require_count,
    tables,
    text_columns,
)


class CmsFormat(StrEnum):
    """The published layouts."""

    EMPV1 = "empv1"
    EMPV2 = "empv2"
    APX = "apx"


METADATA = "Metadata: (strobe,) start of orbit, start of packet, end of packet, valid"
KNOWN_FLAGS = {CmsFormat.EMPV1: VALID, CmsFormat.EMPV2: ORBIT | START | END | VALID, CmsFormat.APX: START | END | VALID}
"""What each layout tells when it is read; CMS software leaves out APx's first frame of an orbit."""

_WORD = 16
_LEAST = 4
_SIDEBAND = ((VALID, 0), (START, 1), (ORBIT, 2), (END, 3))
"""Flag and its bit in an APx sideband byte; further ones (errors, reserved) must be 0."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one format writes a file's head and the columns of a link, and how many columns it reads."""

    head: Callable[[str, tuple[int, ...]], str]
    row: tuple[str, str]
    """What stands before and after a clock's number."""
    base: int
    link: Callable[[Pattern, int], Chars]
    columns: tuple[int, int]
    """Columns of a row that are its number, and columns of each link."""


def write_cms(path: Path, form: CmsFormat, name: str, channels: tuple[int, ...], blocks: Iterable[Pattern]) -> None:
    """Write a pattern as one file of a board called `name`; a name that ends in .gz is compressed."""
    layout = _LAYOUTS[form]
    with open_write(path) as file:
        file.write(layout.head(name, channels).encode())
        clock = 0
        for block in blocks:
            file.write(_rows(layout, block, clock))
            clock += len(block)


def read_cms(path: Path, form: CmsFormat) -> Buffers:
    """The pattern of a file; anything that is not of the layout raises `InputError` that names clock and channel."""
    lines = lines_of(path, skip_comments=form is not CmsFormat.APX)
    channels = _HEADS[form](path, lines)
    return Buffers(channels, KNOWN_FLAGS[form], _read_blocks(path, form, channels, lines))


def _rows(layout: _Layout, block: Pattern, clock: int) -> bytes:
    parts, start = [], 0
    digits = _LEAST if layout.base == 16 else 0
    runs = digits_of(clock, len(block), _LEAST) if not digits else _hex_runs(clock, len(block))
    for first, count, width in runs:
        part = Pattern(first, block.frames[start : start + count], block.flags[start : start + count])
        clocks = np.arange(first, first + count, dtype=np.uint64)
        number = decimal(first, count, width) if layout.base == 10 else hexadecimal(clocks, width)
        before, after = (text_columns(text, count) for text in layout.row)
        links = [layout.link(part, link) for link in range(block.frames.shape[1])]
        parts.append(np.concatenate([before, number, after, *links, text_columns("\n", count)], axis=1).tobytes())
        start += count
    return b"".join(parts)


def _hex_runs(first: int, count: int) -> Iterator[tuple[int, int, int]]:
    end = first + count
    while first < end:
        digits = max(_LEAST, len(f"{first:x}"))
        stop = min(end, 16**digits)
        yield first, stop - first, digits
        first = stop


def _flag_digits(pattern: Pattern, link: int, flags: tuple[int, ...]) -> Chars:
    return np.stack([(pattern.flags[:, link] & flag != 0) + np.uint8(ord("0")) for flag in flags], axis=1)


def _emp1_head(name: str, channels: tuple[int, ...]) -> str:
    quads = "".join(f"         q{c // 4:02d}c{c % 4}       " for c in channels)
    return f"Board {name}\n Quad/Chan :{quads}\n      Link :{''.join(f'          {c:03d}        ' for c in channels)}\n"


def _emp1_link(pattern: Pattern, link: int) -> Chars:
    count = len(pattern)
    valid, frames = _flag_digits(pattern, link, (VALID,)), hexadecimal(pattern.frames[:, link], _WORD)
    return np.concatenate([text_columns("   ", count), valid, text_columns("v", count), frames], axis=1)


def _emp2_head(name: str, channels: tuple[int, ...]) -> str:
    return f"ID: {name}\n{METADATA}\n\n      Link  {''.join(f'            {c:03d}        ' for c in channels)}\n"


def _emp2_link(pattern: Pattern, link: int) -> Chars:
    count = len(pattern)
    flags, frames = _flag_digits(pattern, link, (ORBIT, START, END, VALID)), pattern.frames[:, link]
    return np.concatenate(
        [text_columns("  ", count), flags, text_columns(" ", count), hexadecimal(frames, _WORD)], axis=1
    )


def _apx_head(name: str, channels: tuple[int, ...]) -> str:  # noqa: ARG001  (the layout has no place for a name)
    return f"#Sideband ON\n#LinkLabel{''.join(f'                LINK_{c:02d}    ' for c in channels)}\n#BeginData\n"


def _apx_link(pattern: Pattern, link: int) -> Chars:
    count, sideband = len(pattern), np.zeros(len(pattern), dtype=np.uint8)
    for flag, bit in _SIDEBAND:
        sideband |= ((pattern.flags[:, link] & flag) != 0).astype(np.uint8) << bit
    words = [hexadecimal(sideband, 2), hexadecimal(pattern.frames[:, link], _WORD)]
    before = [text_columns("    0x", count), text_columns(" 0x", count)]
    return np.concatenate([before[0], words[0], before[1], words[1]], axis=1)


_LAYOUTS = {
    CmsFormat.EMPV1: _Layout(_emp1_head, ("Frame ", " :"), 10, _emp1_link, (3, 1)),
    CmsFormat.EMPV2: _Layout(_emp2_head, ("Frame ", "  "), 10, _emp2_link, (2, 2)),
    CmsFormat.APX: _Layout(_apx_head, ("0x", ""), 16, _apx_link, (1, 2)),
}


def _line_of(path: Path, lines: Iterator[bytes], pattern: str, what: str) -> str:
    """What follows the start of the next line, which must be of a pattern."""
    line = next(lines, b"")
    found = re.match(pattern, line.decode("utf-8", "replace"))
    if found is None:
        raise InputError(f"{path} must have {what} here, not {quote(line)}")
    return line.decode("utf-8", "replace")[found.end() :]


def _channels(path: Path, text: str, prefix: str = "") -> tuple[int, ...]:
    names = text.split()
    if not names or not all(re.fullmatch(rf"{prefix}[0-9]+", name) for name in names):
        raise InputError(f"{path} must name its links {prefix}NUMBER, not {text.strip()!r}")
    channels = tuple(int(name.removeprefix(prefix)) for name in names)
    if len(set(channels)) != len(channels):
        raise InputError(f"{path} must name every link once, not {text.strip()!r}")
    return channels


def _emp1_channels(path: Path, lines: Iterator[bytes]) -> tuple[int, ...]:
    _line_of(path, lines, r"Board ", "the line 'Board NAME'")
    _line_of(path, lines, r"\s*Quad/Chan :", "the line 'Quad/Chan :'")
    return _channels(path, _line_of(path, lines, r"\s*Link :", "the line 'Link :'"))


def _emp2_channels(path: Path, lines: Iterator[bytes]) -> tuple[int, ...]:
    _line_of(path, lines, r"I[Dd]: ", "the line 'ID: NAME'")
    _line_of(path, lines, re.escape(METADATA), f"the line {METADATA!r}")
    return _channels(path, _line_of(path, lines, r"\s*Link ", "the line 'Link'"))


def _apx_channels(path: Path, lines: Iterator[bytes]) -> tuple[int, ...]:
    _line_of(path, lines, r"#Sideband ON\s*$", "the line '#Sideband ON'")
    channels = _channels(path, _line_of(path, lines, r"#LinkLabel", "the line '#LinkLabel'"), "LINK_")
    _line_of(path, lines, r"#BeginData\s*$", "the line '#BeginData'")
    return channels


_HEADS = {CmsFormat.EMPV1: _emp1_channels, CmsFormat.EMPV2: _emp2_channels, CmsFormat.APX: _apx_channels}


def _read_blocks(path: Path, form: CmsFormat, channels: tuple[int, ...], lines: Iterator[bytes]) -> Iterator[Pattern]:
    before, each = _LAYOUTS[form].columns
    first = 0
    for table in tables(path, lines, before + each * len(channels), "clock"):
        if form is not CmsFormat.APX and not (table[:, 0] == b"Frame").all():
            raise InputError(f"{path}: clock {first} and those after it must begin with 'Frame'")
        number = table[:, 0 if form is CmsFormat.APX else 1]
        require_count(path, number, first, _LAYOUTS[form].base, "clock")
        yield _PARSERS[form](path, channels, table[:, before:], first)
        first += len(table)
    if not first:
        raise InputError(f"{path} must have at least one clock after its header")


def _emp1_parse(path: Path, channels: tuple[int, ...], table: npt.NDArray[np.bytes_], first: int) -> Pattern:
    strobes = np.char.find(table, b"s") == 1
    table = np.where(strobes & np.char.startswith(table, b"1s"), np.char.replace(table, b"1s", b"", 1), table)
    chars = characters(path, table, 2 + _WORD, "clock", first)
    frames, good = numbers(chars[..., 2:])
    valid = chars[..., 0] - ord("0")
    require_all(path, good & (valid <= 1) & (chars[..., 1] == ord("v")), first, channels, "the word")
    return Pattern(first, frames, valid * np.uint8(VALID))


def _emp2_parse(path: Path, channels: tuple[int, ...], table: npt.NDArray[np.bytes_], first: int) -> Pattern:
    metadata = table[:, 0::2]
    strobes = np.char.str_len(metadata) == 5
    if (strobes & ~np.char.startswith(metadata, b"1")).any():
        raise InputError(f"{path} must have data at every clock, but has frames without strobe; they have no event")
    rest = np.array([text[1:] for text in metadata.ravel().tolist()], dtype=metadata.dtype).reshape(metadata.shape)
    chars = characters(path, np.where(strobes, rest, metadata), 4, "clock", first)
    ones = chars - ord("0")
    frames, good = numbers(characters(path, table[:, 1::2], _WORD, "clock", first))
    require_all(path, good & (ones <= 1).all(axis=-1), first, channels, "the word")
    return Pattern(first, frames, ones @ np.array([ORBIT, START, END, VALID], dtype=np.uint8))


def _apx_parse(path: Path, channels: tuple[int, ...], table: npt.NDArray[np.bytes_], first: int) -> Pattern:
    sideband_chars = characters(path, table[:, 0::2], 4, "clock", first)
    word_chars = characters(path, table[:, 1::2], 2 + _WORD, "clock", first)
    sideband, good_sideband = numbers(sideband_chars[..., 2:])
    frames, good = numbers(word_chars[..., 2:])
    for chars in (sideband_chars, word_chars):
        good &= (chars[..., 0] == ord("0")) & (chars[..., 1] == ord("x"))
    require_all(path, good & good_sideband & (sideband < 16), first, channels, "the word or its sideband")
    flags = np.zeros(frames.shape, dtype=np.uint8)
    for flag, bit in _SIDEBAND:
        flags |= ((sideband >> np.uint64(bit)) & np.uint64(1)).astype(np.uint8) * np.uint8(flag)
    return Pattern(first, frames, flags)


_PARSERS = {CmsFormat.EMPV1: _emp1_parse, CmsFormat.EMPV2: _emp2_parse, CmsFormat.APX: _apx_parse}
