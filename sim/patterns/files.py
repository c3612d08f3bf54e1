"""Pattern files of every format by their names: written with what explains them, recognised, and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl.links import LinkMap
from trigforge.firmware.rtl.links_top import LinksTop, results_of
from trigforge.fixed import IntArray
from trigforge.sim.patterns.cms import CmsFormat, read_cms, write_cms
from trigforge.sim.patterns.decisions import Decider, result_names, sent_words
from trigforge.sim.patterns.pattern import Buffers, Header, Kind, Pattern, events_of, play
from trigforge.sim.patterns.rows import lines_of
from trigforge.sim.patterns.text import MAGIC, read_text, write_text
from trigforge.sim.patterns.ugt import is_ugt, read_ugt

TEXT: Final = "text"
UGT: Final = "ugt"
FORMATS: Final = (TEXT, *(form.value for form in CmsFormat), UGT)

_FIRST = {
    CmsFormat.EMPV1: (b"Board ",),
    CmsFormat.EMPV2: (b"ID: ", b"Id: "),
    CmsFormat.APX: (b"#Sideband", b"#LinkLabel"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose patterns they are."""

    project: str
    contract: InputContract
    program: IntegerProgram

    @property
    def output_words(self) -> tuple[Word, ...]:
        """The program's outputs as words of links."""
        return tuple(Word(kind.width, kind.signed) for kind in self.program.outputs)

    def require(self, header: Header, where: str) -> None:
        """Raise `InputError` unless a pattern is of this contract and this program."""
        own = {"contract": self.contract.digest, "program": self.program.digest}
        for what, digest in own.items():
            found = getattr(header, what)
            if found != digest:
                raise InputError(
                    f"{where} must be of the {what} {digest[:12]}, but it is of {found[:12]}; write the patterns anew"
                )


@dataclass(frozen=True, slots=True)
class Places:
    """How inputs and outputs lie on links: frames of an event, clocks between events and before the first, channels."""

    frames: int = 9
    period: int | None = None
    """Default: its frames."""
    lead: int = 0
    first_channel: int = 0
    bits: int = 64

    def header(self, subject: Subject, kind: Kind, events: int) -> Header:
        """The header of inputs (a stimulus) or of outputs."""
        if kind is Kind.STIMULUS:
            words = tuple(Word(field.bits, field.signed) for field in subject.contract.fields)
            names = subject.contract.word_names
        else:
            words = subject.output_words
            names = tuple(f"output{index}" for index in range(len(words)))
        return self._header(subject, kind, words, names, events=events)

    def trigger_header(self, subject: Subject, decider: Decider, events: int) -> Header:
        """The header of the results of a trigger."""
        words = tuple(result.word for result in results_of(decider.trigger))
        names, settings = result_names(decider.trigger), decider.notation
        return self._header(subject, Kind.EXPECTED, words, names, events=events, algorithms=settings)

    def _header(
        self, subject: Subject, kind: Kind, words: tuple[Word, ...], names: tuple[str, ...], **rest: object
    ) -> Header:
        link_map = LinkMap.pack(words, self.frames, self.bits)
        channels = range(self.first_channel, self.first_channel + link_map.links)
        return Header.of(
            kind,
            link_map,
            names,
            channels,
            self.period or self.frames,
            project=subject.project,
            contract=subject.contract.digest,
            program=subject.program.digest,
            lead=self.lead,
            **rest,
        )


def capture_header(top: LinksTop, subject: Subject, events: int, first_channel: int = 0) -> Header:
    """How the results of a trigger between links lie on those that it sends; its scores are the program's outputs."""
    return Header.of(
        Kind.CAPTURE,
        top.sends,
        result_names(top.trigger),
        range(first_channel, first_channel + top.sends.links),
        top.sends.frames,
        project=subject.project,
        contract=subject.contract.digest,
        program=subject.program.digest,
        events=events,
    )


def write_patterns(
    path: Path,
    form: str,
    subject: Subject,
    places: Places,
    words: Callable[[], Iterable[IntArray]],
    decider: Decider | None = None,
) -> tuple[Path, ...]:
    """Write what is to be played, and beside it (`NAME.expected.txt`) what must come out; returns the paths.

    With a `decider` a third file (`NAME.trigger.txt`) has what the trigger must say. `words` gives the blocks
    (n, words) of the events from the beginning, each time that it is called. A file of CMS has its header beside it
    (`NAME.txt.json`). Raises `InputError` if a word does not fit the links.
    """
    events = sum(len(block) for block in words())
    if not events:
        raise InputError("a pattern must have at least one event")
    expected, decided = expected_path(path), trigger_path(path)
    header = None if decider is None else places.trigger_header(subject, decider, events)
    _write(path, form, places.header(subject, Kind.STIMULUS, events), words())
    outputs = (subject.program(block) for block in words())
    _write(expected, form, places.header(subject, Kind.EXPECTED, events), outputs)
    if decider is None or header is None:
        return path, expected
    outputs = (subject.program(block) for block in words())
    _write(decided, form, header, [sent_words(decider, np.concatenate(list(outputs)))])
    return path, expected, decided


def expected_path(path: Path) -> Path:
    """`NAME.expected.txt` of `NAME.txt`."""
    return _beside(path, "expected")


def trigger_path(path: Path) -> Path:
    """`NAME.trigger.txt` of `NAME.txt`."""
    return _beside(path, "trigger")


def header_path(path: Path) -> Path:
    """Where the header of a file is that has no place for one."""
    return path.with_name(f"{path.name}.json")


def recognise(path: Path) -> str:
    """The format of a file, by how it begins; `InputError` if it is none."""
    lines = lines_of(path, skip_comments=False)
    first = next((line for line in lines if line.strip()), b"")
    if first.startswith(MAGIC.split()[0].encode()):
        return TEXT
    if first.startswith(_FIRST[CmsFormat.APX]):
        return CmsFormat.APX
    if is_ugt(path):
        return UGT
    lines = lines_of(path, skip_comments=True)
    first = next(lines, b"")
    form = next((form for form, starts in _FIRST.items() if first.startswith(starts)), None)
    if form is None:
        raise InputError(f"{path} must be a pattern file ({', '.join(FORMATS)}), but does not begin like one")
    return form


def read_header(path: Path) -> Header:
    """The header of a pattern file, in it or beside it."""
    if recognise(path) == TEXT:
        return read_text(path)[0]
    beside = header_path(path)
    if not beside.is_file():
        raise InputError(f"{path} must have its header beside it in {beside.name}, as 'trigforge patterns write' makes")
    return Header.load(beside)


def read_buffers(path: Path) -> Buffers:
    """The links of a pattern file of links, whatever its format."""
    form = recognise(path)
    if form == UGT:
        raise InputError(f"{path} must be a pattern of links, not a test vector of the Global Trigger")
    return read_text(path)[1] if form == TEXT else read_cms(path, CmsFormat(form))


def read_events(path: Path, subject: Subject) -> IntArray:
    """The words (n, words) of what was played: a stimulus of this contract, or a uGT test vector."""
    if recognise(path) == UGT:
        return read_ugt(path, subject.contract, None)[0]
    header = read_header(path)
    if header.kind is not Kind.STIMULUS:
        raise InputError(f"{path} must be a stimulus, not {header.kind.value}")
    if header.contract != subject.contract.digest:
        subject.require(header, str(path))
    return np.concatenate(list(events_of(header, read_buffers(path), str(path))))


def _beside(path: Path, what: str) -> Path:
    name, dot, rest = path.name.partition(".")
    return path.with_name(f"{name}.{what}{dot}{rest}")


def _write(path: Path, form: str, header: Header, words: Iterable[IntArray]) -> None:
    blocks: Iterator[Pattern] = play(header, words)
    if form == TEXT:
        write_text(path, header, blocks)
        return
    write_cms(path, CmsFormat(form), header.project, header.channels, blocks)
    header.save(header_path(path))


def score_word(subject: Subject) -> Word:
    """The one output of a program whose score is in a test vector of the Global Trigger."""
    if len(subject.output_words) != 1:
        raise InputError(
            f"a program must have one output to be the score of a test vector, not {len(subject.output_words)}"
        )
    return subject.output_words[0]
