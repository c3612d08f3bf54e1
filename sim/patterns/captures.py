"""Captures by their files: what a board made of a pattern, compared with what program and trigger say."""

from __future__ import annotations

from pathlib import Path

from trigforge.errors import InputError
from trigforge.sim.patterns.check import LEVEL, TRIGGER_LEVEL, Checked, check_capture, check_decisions
from trigforge.sim.patterns.decisions import Columns, Decider, joined, ugt_columns
from trigforge.sim.patterns.files import (
    TEXT,
    UGT,
    Subject,
    expected_path,
    read_buffers,
    read_events,
    read_header,
    recognise,
    score_word,
    trigger_path,
)
from trigforge.sim.patterns.pattern import Buffers, Header, Kind, Pattern
from trigforge.sim.patterns.ugt import read_algorithms, read_ugt


def check_file(
    path: Path,
    subject: Subject,
    stimulus: Path | None,
    latency: int | None,
    layout: Path | None = None,
    decider: Decider | None = None,
) -> Checked:
    """Compare a capture with what the program makes of its stimulus (see `check_capture`).

    With a `decider` the results of a trigger are compared (see `check_decisions`). `layout` is a saved header that says
    where the outputs are, if the capture is not as what was written beside the stimulus. A uGT test vector is its own
    stimulus. Raises `InputError` if the files are of another contract or
    program, or if channels are missing.
    """
    if recognise(path) == UGT:
        return _check_ugt(path, subject, decider)
    if stimulus is None:
        raise InputError(f"what was played to give {path} must be given with --stimulus")
    played = read_header(stimulus)
    subject.require(played, str(stimulus))
    beside = expected_path(stimulus) if decider is None else trigger_path(stimulus)
    described = layout or (path if recognise(path) == TEXT else beside)
    header = Header.load(layout) if layout else read_header(described)
    subject.require(header, str(described))
    _require_layout(header, described, decider)
    expected = subject.program(read_events(stimulus, subject))
    buffers = read_buffers(path)
    capture, known = _channels(path, header, buffers), buffers.known_flags
    if decider is None:
        return check_capture(header, expected, capture, known, played.lead, latency)
    return check_decisions(header, decider, expected, capture, known, played.lead, latency)


def _require_layout(header: Header, where: Path, decider: Decider | None) -> None:
    """Raise `InputError` unless a header says where outputs are, and is of the settings that were given."""
    if header.kind is Kind.STIMULUS:
        raise InputError(f"{where} must say where the outputs are, but it is a stimulus")
    if header.algorithms and decider is None:
        raise InputError(
            f"the settings of the trigger must be given to check {where}: --algorithm "
            f"{' --algorithm '.join(header.algorithms)}, or --settings"
        )
    if header.algorithms and decider is not None:
        decider.require(header.algorithms, str(where))


def _channels(path: Path, header: Header, buffers: Buffers) -> Pattern:
    """The channels of a header out of those that were captured."""
    missing = [channel for channel in header.channels if channel not in buffers.channels]
    if missing:
        raise InputError(
            f"{path} must have channel {missing[0]}, which holds outputs, but has "
            f"{', '.join(map(str, buffers.channels))}"
        )
    columns = [buffers.channels.index(channel) for channel in header.channels]
    whole = buffers.whole()
    return Pattern(whole.first, whole.frames[:, columns], whole.flags[:, columns])


def _check_ugt(path: Path, subject: Subject, decider: Decider | None) -> Checked:
    """Compare the score of every crossing that has one and, with a trigger, the bits of its algorithms and FINOR."""
    score = score_word(subject) if decider is None or len(subject.output_words) == 1 else None
    words, scores = read_ugt(path, subject.contract, score)
    if scores is None and decider is None:
        raise InputError(f"{path} must have a column more with the scores to be compared")
    expected = subject.program(words)
    wanted, got = [], []
    if scores is not None:
        wanted.append(Columns(("output 0",), expected))
        got.append(Columns(("output 0",), scores[:, None]))
    if decider is not None:
        due, found = ugt_columns(decider, expected, read_algorithms(path))
        wanted.append(due)
        got.append(found)
    level = LEVEL if decider is None else TRIGGER_LEVEL
    return Checked.of(level, joined(wanted), joined(got).values)
