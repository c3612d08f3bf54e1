"""What the trigger of a project says of the events of a pattern: crossing numbers, scores, bits of its algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
from pydantic import Field, field_validator

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Language, Project
from trigforge.firmware.rtl.core import CLOCK_PORT, SUFFIX, core_ports
from trigforge.firmware.rtl.links_top import Result, result_words, results_of
from trigforge.firmware.rtl.project_trigger import project_trigger
from trigforge.firmware.rtl.settings import Algorithm
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.firmware.rtl.trigger_model import Decisions, Stimulus, predict
from trigforge.fixed import IntArray
from trigforge.sim.patterns.ugt import ALGORITHMS, AlgorithmBits
from trigforge.units import ORBIT_BUNCHES
from trigforge.value import Value

_ORDER: Final = ("out_bx", "out_score", "out_raw", "out_bits")
"""Causes before what follows from them: of a crossing the first of these that differs is named."""


class TriggerSettings(Value):
    """Settings of a trigger's algorithms, in their order."""

    algorithms: tuple[str, ...] = Field(min_length=1)
    """`THRESHOLD`, `THRESHOLD@PRESCALE` or `off`."""
    bits: tuple[int, ...] = ()
    """The bit of each in a test vector of the Global Trigger; default: 0, 1 …"""

    @field_validator("bits")
    @classmethod
    def _bits_are_distinct(cls, bits: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(bits)) != len(bits) or any(not 0 <= bit < ALGORITHMS for bit in bits):
            raise ValueError(f"bits must be distinct and in 0..{ALGORITHMS - 1}, not {list(bits)}")
        return bits


class Columns(NamedTuple):
    """What is compared: names, and values (n, names) of crossings."""

    names: tuple[str, ...]
    values: IntArray


@dataclass(frozen=True, slots=True)
class Decider:
    """A trigger with its settings. It decides as the hardware does whatever its latency, which is left out here."""

    trigger: TriggerTop
    algorithms: tuple[Algorithm, ...]
    bits: tuple[int, ...]
    """The bit of every algorithm in a test vector of the Global Trigger."""

    @classmethod
    def of(cls, project: Project, program: IntegerProgram, settings: TriggerSettings) -> Self:
        """The trigger of a project; `InputError` if it has none, or settings that are not of its algorithms."""
        if project.trigger is None:
            raise InputError(
                f"settings must be for a project with a trigger, but {project.name!r} has no table [trigger]"
            )
        if project.trigger.orbit != ORBIT_BUNCHES:
            raise InputError(
                f"the trigger of a pattern must have the orbit of patterns, {ORBIT_BUNCHES} crossings, "
                f"not {project.trigger.orbit}"
            )
        inputs, outputs = core_ports(program)
        absent = Path(project.top).with_suffix(SUFFIX[Language.VERILOG])
        core = RtlDesign((absent,), project.top, CLOCK_PORT, inputs, outputs, latency_clocks=1)
        trigger = project_trigger(project, program, core)
        algorithms = tuple(Algorithm.parse(text) for text in settings.algorithms)
        trigger.writes(algorithms)
        bits = settings.bits or tuple(range(len(algorithms)))
        if len(bits) != len(algorithms):
            raise InputError(f"bits must be one for each of {len(algorithms)} algorithms, not {len(bits)}")
        return cls(trigger, algorithms, bits)

    @property
    def notation(self) -> tuple[str, ...]:
        """The algorithms' settings as headers have them."""
        return tuple(map(str, self.algorithms))

    def require(self, stated: Sequence[str], where: str) -> None:
        """Raise `InputError` that names the first setting that differs from those that a header states."""
        own = self.notation
        if len(stated) != len(own):
            raise InputError(f"{where} must be of {len(own)} algorithms, but has settings of {len(stated)}")
        for number, (given, found) in enumerate(zip(own, stated, strict=True)):
            if given != found:
                raise InputError(
                    f"algorithm {number} must be {found} as in {where}, not {given}; give the settings that the "
                    "pattern was written with, or write it anew"
                )

    def decide(self, outputs: IntArray) -> Decisions:
        """What the trigger says of the outputs (n, outputs) of a program: event k is crossing k, all are valid.

        The settings become active with crossing 0, where prescales begin to count; no luminosity section follows.
        """
        one = replace(self.trigger, clocks_per_bx=1)
        writes = tuple(enumerate(one.writes(self.algorithms), 1))
        first, events = len(writes) + 1, len(outputs)
        clocks = np.arange(first + events + one.latency_clocks) - first
        scores = np.zeros((len(clocks), len(one.scores)), dtype=np.int64)
        scores[first : first + events] = outputs[:, list(one.scores)]
        found = predict(
            one,
            Stimulus(
                reset=clocks == -first,
                bc0=(clocks >= 0) & (clocks % one.orbit == 0),
                lumi=np.zeros(len(clocks), dtype=bool),
                valid=(clocks >= 0) & (clocks < events),
                scores=scores,
                writes=writes,
            ),
        )
        names = ("clock", "bx", "valid", "scores", "raw", "passed")
        cut = {name: getattr(found, name)[:events] for name in names}
        return Decisions(**cut, sections=found.sections, sync_errors=found.sync_errors)


def result_names(trigger: TriggerTop) -> tuple[str, ...]:
    """The words of `results_of(trigger)` as layouts name them: `bx0`, the outputs that are scores, `bits0`, `raw0` …"""
    scores = iter(trigger.scores)
    return tuple(
        f"output{next(scores)}" if result.port == "out_score" else f"{result.port.removeprefix('out_')}{result.low}"
        for result in results_of(trigger)
    )


def sent_words(decider: Decider, outputs: IntArray) -> IntArray:
    """The words (n, results) that links carry for the outputs of a program."""
    return result_words(decider.trigger, decider.decide(outputs))


def columns_of(trigger: TriggerTop, chosen: Sequence[int], words: IntArray) -> Columns:
    """Some of the words (n, chosen) of `results_of(trigger)`, the bit of every algorithm in a column of its own."""
    results, names = results_of(trigger), result_names(trigger)
    order = sorted(range(len(chosen)), key=lambda k: (_ORDER.index(results[chosen[k]].port), chosen[k]))
    parts = [_split(results[chosen[k]], names[chosen[k]], words[:, k]) for k in order]
    return joined(parts)


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns side by side."""
    names = tuple(name for part in parts for name in part.names)
    return Columns(names, np.concatenate([part.values for part in parts], axis=1))


def ugt_bits(decider: Decider, outputs: IntArray) -> AlgorithmBits:
    """The columns of algorithms of a test vector for the outputs (n, outputs) of a program."""
    passed = decider.decide(outputs).passed
    bits = np.zeros((len(outputs), ALGORITHMS), dtype=bool)
    bits[:, list(decider.bits)] = passed
    return AlgorithmBits(bits, np.logical_or.reduce(passed, axis=1))


def ugt_columns(decider: Decider, outputs: IntArray, found: AlgorithmBits) -> tuple[Columns, Columns]:
    """What a test vector must have for the outputs of a program, and what it has.

    FINOR is compared unless the vector has bits of algorithms of others.
    """
    own, wanted = list(decider.bits), ugt_bits(decider, outputs)
    alone = not np.delete(found.bits, own, axis=1).any()
    names = (*(f"algorithm {number}" for number in range(len(own))), *(["FINOR"] if alone else []))
    due, seen = (
        np.column_stack([side.bits[:, own], *([side.finor] if alone else [])]).astype(np.int64)
        for side in (wanted, found)
    )
    return Columns(names, due), Columns(names, seen)


def _split(result: Result, name: str, words: IntArray) -> Columns:
    """One word of a result."""
    if result.port == "out_bx":
        return Columns(("the crossing's number",), words[:, None])
    if result.port == "out_score":
        return Columns((name.replace("output", "output "),), words[:, None])
    suffix = " before its prescale" if result.port == "out_raw" else ""
    places = np.arange(result.word.width)
    names = tuple(f"algorithm {result.low + place}{suffix}" for place in places.tolist())
    return Columns(names, (words[:, None] >> places) & 1)
