"""The links that a project asks for around its trigger, and what software must know of them."""

from __future__ import annotations

from collections.abc import Sequence

from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import LinkShape, Project
from trigforge.firmware.rtl.links import LinkMap, Place
from trigforge.firmware.rtl.links_top import LinksTop, results_of
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.value import Value


class CarriedRecord(Value):
    """A word on links: what it is, and link, frame and lowest bit."""

    name: str
    bits: int
    signed: bool
    place: tuple[int, int, int] | None


class LinksRecord(Value):
    """What software and test stands must know of a trigger between links beside docs/links.md."""

    top: str
    program_digest: str
    clock_ns: float
    frames: int
    """A crossing, one a clock."""
    receiving_links: int
    receiving_width: int
    receives: tuple[CarriedRecord, ...]
    sending_links: int
    sending_width: int
    sends: tuple[CarriedRecord, ...]
    latency_clocks: int
    """From a crossing's first frame to its first frame of results."""
    sources: tuple[str, ...]
    """Files beside this one, and before them those of the core; a file after those that it uses."""


def project_links(project: Project, program: IntegerProgram, trigger: TriggerTop) -> LinksTop:
    """The trigger of a project between its links.

    Raises `InputError` if words do not fit the links, or the latency, from a crossing's first frame to its first of
    results, exceeds the budget.
    """
    assert project.links is not None
    words = [Word(kind.width, kind.signed) for kind in program.inputs]
    results = [result.word for result in results_of(trigger)]
    shapes = {"receives": (project.links.receives, words), "sends": (project.links.sends, results)}
    maps = [_map_of(project, side, *given, trigger.clocks_per_bx) for side, given in shapes.items()]
    top = LinksTop(trigger, *maps)
    latency, budget = _latency_clocks(top) * project.targets.clock_ns, project.targets.latency_budget_ns
    if latency > budget:
        raise InputError(
            f"latency_budget_ns must be at least {latency:g} ns for the links of {project.name!r} "
            f"({trigger.clocks_per_bx} clocks for a crossing's frames, {trigger.latency_clocks} of the trigger and "
            f"1 to send), not {budget:g}; raise the budget, lower stages or shrink the model"
        )
    return top


def links_record(project: Project, top: LinksTop) -> LinksRecord:
    """What is written beside the links of a project."""
    results = results_of(top.trigger)
    inputs = [f"word{index}" for index in range(len(top.receives.words))]
    outputs = [f"{result.port}[{result.low + result.word.width - 1}:{result.low}]" for result in results]
    return LinksRecord(
        top=top.top,
        program_digest=top.trigger.program_digest,
        clock_ns=project.targets.clock_ns,
        frames=top.receives.frames,
        receiving_links=top.receives.links,
        receiving_width=top.receives.width,
        receives=_carried(top.receives, inputs),
        sending_links=top.sends.links,
        sending_width=top.sends.width,
        sends=_carried(top.sends, outputs),
        latency_clocks=_latency_clocks(top),
        sources=tuple(top.emit()),
    )


def _map_of(project: Project, side: str, shape: LinkShape, words: Sequence[Word], frames: int) -> LinkMap:
    try:
        if not shape.places:
            return LinkMap.pack(words, frames, shape.width, shape.links, shape.align)
        links = max(link for link, _, _ in shape.places) + 1 if shape.links is None else shape.links
        return LinkMap(tuple(words), tuple(Place(*place) for place in shape.places), links, frames, shape.width)
    except InputError as error:
        raise InputError(f"[links.{side}] of {project.name!r}: {error}") from None


def _latency_clocks(top: LinksTop) -> int:
    """From a crossing's first frame to its first frame of results, a clock after its bits."""
    return top.latency_clocks + 1


def _carried(link_map: LinkMap, names: Sequence[str]) -> tuple[CarriedRecord, ...]:
    return tuple(
        CarriedRecord(name=name, bits=word.width, signed=word.signed, place=place)
        for name, word, place in zip(names, link_map.words, link_map.places, strict=True)
    )
