"""A failing event as one small file: what it was, what was expected, and how to see it again."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from trigforge.errors import CheckError, InputError
from trigforge.firmware.design import Bits, Port, RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.rtl import DESIGN_FILE, read_rtl
from trigforge.fixed import IntArray
from trigforge.sim.cosim.certificate import LevelResult
from trigforge.sim.cosim.shrink import Oracle, Run, runner, shrink
from trigforge.sim.cosim.simulators import Simulator
from trigforge.value import Value

_UNDEFINED = "XZUWLHxzuwlh-"
"""What a simulator may print for a bit besides 0 and 1."""


class Place(Value):
    """Where a failure's program, RTL and compiled simulations are, relative to the folder of its file."""

    program: str
    rtl: str
    build: str


class Failure(Value):
    """A stream of events, one of which gave a wrong word."""

    name: str
    top: str
    words: tuple[tuple[int, ...], ...] = Field(min_length=1)
    """The events, streamed one a clock between padding."""
    event: int = Field(ge=0)
    """The first of them that is wrong."""
    expected: tuple[int, ...]
    got: tuple[int | str, ...]
    """The RTL's outputs of that event; one with undefined bits is quoted as bits."""
    bits: tuple[tuple[int, ...], ...]
    """The bits of every output that differ, the lowest first (0 = least significant)."""
    kind: str
    """The kind of vector that failed first."""
    program: str
    rtl: str
    """Digests."""
    simulator: str
    """Its name; `tool` says its version."""
    tool: str
    seed: int
    clock_ns: float = Field(gt=0)
    place: Place
    command: str = ""
    """What replays it."""

    @model_validator(mode="after")
    def _shapes_agree(self) -> Failure:
        if len({len(event) for event in self.words}) != 1 or not len(self.expected) == len(self.got) == len(self.bits):
            raise ValueError("the events of a failure must have equally many words, and its outputs expected and got")
        if not any(self.bits) or self.event >= len(self.words):
            raise ValueError("a failure must have a bit that differs, in one of its events")
        return self

    @property
    def first(self) -> tuple[int, int]:
        """The first output that differs, and the lowest bit in it that does."""
        return next((output, bits[0]) for output, bits in enumerate(self.bits) if bits)

    @property
    def file_name(self) -> str:
        """`failure-<digest>.json`, by what failed."""
        content = [self.words, self.expected, self.got, self.program, self.rtl, self.simulator, self.seed]
        return f"failure-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}.json"

    def differences(self) -> list[str]:
        """A line an output that differs: what was expected, what came and in which bits."""
        return [
            f"output {k}: expected {self.expected[k]}, got {self.got[k]}, "
            f"bit{'s' if len(bits) > 1 else ''} {', '.join(map(str, bits))} differ{'' if len(bits) > 1 else 's'}"
            for k, bits in enumerate(self.bits)
            if bits
        ]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A design that failed: what it should compute, where both are, and how it was simulated."""

    name: str
    program: IntegerProgram
    design: RtlDesign
    program_file: Path
    rtl: Path
    build_dir: Path
    """The folder of compiled simulations."""
    simulator: Simulator
    clock_ns: float
    seed: int = 1

    def run(self, waves: Path | None = None) -> Run:
        """What plays events into the design, behind padding; `waves` is the FST file to write."""
        return runner(self.design, self.simulator, self.build_dir, self.rest, self.seed, self.clock_ns, waves=waves)

    @property
    def rest(self) -> IntArray:
        """Padding: an event of words 0."""
        return np.zeros(len(self.program.inputs), dtype=np.int64)


def shrink_failure(suspect: Suspect, stream: IntArray, kind: str, folder: Path) -> Failure:
    """Make a stream (n, inputs) that fails small and save it to `folder` with the command that replays it.

    `kind` is that of the vector. Raises `CheckError` if it does not fail again.
    """
    run = suspect.run()
    small = shrink(stream, Oracle(suspect.program, suspect.design, run, suspect.rest), suspect.rest).words
    seen = played(suspect, small, kind, folder)
    if seen is None:
        raise CheckError("a failure must show again when it is played, but the RTL was right this time")
    path = folder / seen.file_name
    named = seen.model_copy(update={"command": f"trigforge replay {shlex.quote(str(path))}"})
    named.save(path)
    return named


def save_first_failure(suspect: Suspect, words: IntArray, level: LevelResult, folder: Path) -> Failure | None:
    """Shrink the first divergence of a level that compared events (n, inputs), and save it to `folder`.

    The events in the pipeline with it are part of it at first. None if nothing diverged, or not in another simulation.
    """
    if level.first is None:
        return None
    stream = words[: level.first.event + 1 + suspect.design.latency_clocks]
    try:
        return shrink_failure(suspect, stream, level.first.kind, folder)
    except CheckError:
        return None


def rtl_folder(design: RtlDesign) -> Path:
    """The folder that `write_rtl` wrote a design to."""
    parents = design.sources[-1].parents
    found = next((parent for parent in parents if (parent / DESIGN_FILE).is_file()), None)
    if found is None:
        raise InputError(
            f"the RTL of {design.top!r} must lie in a folder with {DESIGN_FILE}; 'trigforge build' writes it"
        )
    return found


def suspect_of(failure: Failure, folder: Path, simulator: Simulator) -> Suspect:
    """What failed, read from where a failure in `folder` says; `InputError` if program or RTL are others by now."""
    program_file, rtl, build_dir = (
        folder / path for path in (failure.place.program, failure.place.rtl, failure.place.build)
    )
    program = IntegerProgram.load(program_file)
    _require_same("program", program_file, program.digest, failure.program)
    design = read_rtl(program, rtl, failure.top)
    _require_same("RTL", rtl, design.digest, failure.rtl)
    return Suspect(
        name=failure.name, program=program, design=design, program_file=program_file, rtl=rtl, build_dir=build_dir,
        simulator=simulator, clock_ns=failure.clock_ns, seed=failure.seed,
    )  # fmt: skip


def played(suspect: Suspect, words: IntArray, kind: str, folder: Path, waves: Path | None = None) -> Failure | None:
    """The failure that some events (n, inputs) show, its paths as seen from `folder`; None if all are right."""
    port, expected, bits = suspect.design.outputs, suspect.program(words), suspect.run(waves)(words)
    wrong = np.flatnonzero(bits != port.pack(expected))
    if not len(wrong):
        return None
    event = slice(int(wrong[0]), int(wrong[0]) + 1)
    program, rtl, build_dir = (
        os.path.relpath(path, folder) for path in (suspect.program_file, suspect.rtl, suspect.build_dir)
    )
    return Failure(
        name=suspect.name,
        top=suspect.design.top,
        words=tuple(tuple(event) for event in words.tolist()),
        event=event.start,
        expected=tuple(expected[event.start].tolist()),
        got=_values(port, bits[event]),
        bits=_differing(port, port.pack(expected[event]), bits[event]),
        kind=kind,
        program=suspect.program.digest,
        rtl=suspect.design.digest,
        simulator=suspect.simulator.name.value,
        tool=suspect.simulator.label,
        seed=suspect.seed,
        clock_ns=suspect.clock_ns,
        place=Place(program=program, rtl=rtl, build=build_dir),
    )


def _values(port: Port, bits: Bits) -> tuple[int | str, ...]:
    """The words of one bit string, those with undefined bits as bits."""
    text, start, values = bits[0].decode()[::-1], 0, []  # type: str, int, list[int | str]
    known = np.array([text[::-1].translate(str.maketrans(_UNDEFINED, "0" * len(_UNDEFINED))).encode()])
    clean = port.unpack(known)[0].tolist()
    for word, value in zip(port.words, clean, strict=True):
        own = text[start : start + word.width]
        values.append(value if set(own) <= {"0", "1"} else own[::-1])
        start += word.width
    return tuple(values)


def _differing(port: Port, expected: Bits, got: Bits) -> tuple[tuple[int, ...], ...]:
    """The bits in which each word of two bit strings differs, the lowest first."""
    found: list[list[int]] = [[] for _ in port.words]
    for position in np.flatnonzero((port.digits(expected) != port.digits(got))[0, ::-1]).tolist():
        word, bit = port.locate(position)
        found[word].append(bit)
    return tuple(tuple(bits) for bits in found)


def _require_same(what: str, path: Path, own: str, wanted: str) -> None:
    if own != wanted:
        raise InputError(
            f"the {what} in {path} must be the one that failed, {wanted[:12]}, but it is {own[:12]}; "
            "verify again, or check out what the failure was made with"
        )
