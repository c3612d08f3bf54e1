"""The AXI4-Streams that a project asks for around its core, and what software must know of them."""

from __future__ import annotations

from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Project
from trigforge.firmware.rtl.axis import AxisTop
from trigforge.value import Value


class LaneRecord(Value):
    """A word in an event of a stream: its lowest bit, counted from the first beat's, and its bits, the lane's."""

    first_bit: int
    bits: int
    signed: bool


class StreamRecord(Value):
    """A stream: bits of TDATA, beats an event, and where the words are."""

    data_bits: int
    beats: int
    words: tuple[LaneRecord, ...]


class AxisRecord(Value):
    """What software must know of a core between AXI4-Streams beside docs/links.md."""

    top: str
    program_digest: str
    clock_ns: float
    words: StreamRecord
    results: StreamRecord
    depth: int
    """Events that the queue holds."""
    latency_clocks: int
    """From the last beat of an event to its first beat of results."""
    sources: tuple[str, ...]
    """Files beside this one, and before them those of the core; a file after those that it uses."""


def project_axis(project: Project, core: RtlDesign) -> AxisTop:
    """The core of a project, in Verilog, between its AXI4-Streams; `InputError` if a word does not fit its lane."""
    assert project.axis is not None
    axis = project.axis
    try:
        return AxisTop(project.name, core, axis.data_bits, axis.lane_bits, axis.depth)
    except InputError as error:
        raise InputError(f"[axis] of {project.name!r}: {error}") from None


def axis_record(project: Project, program: IntegerProgram, top: AxisTop) -> AxisRecord:
    """What is written beside the streams of a project."""
    words, results = (
        StreamRecord(data_bits=bits, beats=beats, words=_lanes(port))
        for bits, beats, port in zip(top.data_bits, top.beats, top.ports, strict=True)
    )
    return AxisRecord(
        top=top.top,
        program_digest=program.digest,
        clock_ns=project.targets.clock_ns,
        words=words,
        results=results,
        depth=top.events,
        latency_clocks=top.latency_clocks,
        sources=tuple(top.emit()),
    )


def _lanes(port: Port) -> tuple[LaneRecord, ...]:
    starts = [sum(word.width for word in port.words[:k]) for k in range(len(port.words))]
    return tuple(
        LaneRecord(first_bit=start, bits=word.width, signed=word.signed)
        for start, word in zip(starts, port.words, strict=True)
    )
