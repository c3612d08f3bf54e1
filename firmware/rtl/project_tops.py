"""What a project asks for around its core (trigger, links, streams): made, written beside it, found there again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Project
from trigforge.firmware.rtl.axis import AxisTop
from trigforge.firmware.rtl.elaborate import elaborated, netlist_in
from trigforge.firmware.rtl.links_top import LinksTop
from trigforge.firmware.rtl.project_axis import axis_record, project_axis
from trigforge.firmware.rtl.project_links import links_record, project_links
from trigforge.firmware.rtl.project_trigger import project_trigger, trigger_record
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.value import Value

TRIGGER: Final = "trigger"
LINKS: Final = "links"
AXIS: Final = "axis"
"""Folders beside the core's, each with a record of its own name."""
NETLIST_FOLDER: Final = "core"


@dataclass(frozen=True, slots=True)
class Tops:
    """The modules around a core; `None` for what the project does not ask for."""

    trigger: TriggerTop | None = None
    links: LinksTop | None = None
    axis: AxisTop | None = None

    @property
    def named(self) -> dict[str, TriggerTop | LinksTop | AxisTop]:
        """Those that there are, by folder."""
        found = {TRIGGER: self.trigger, LINKS: self.links, AXIS: self.axis}
        return {name: top for name, top in found.items() if top is not None}

    def files(self, build: Path) -> tuple[Path, ...]:
        """Sources and records of those that lie in `build`, the core's included; none without tops."""
        found: tuple[Path, ...] = ()
        for name, top in self.named.items():
            found += (*top.sources_in(build / name), record_file(build, name))
        return found


def record_file(build: Path, name: str) -> Path:
    """Where what software must know of the top of a folder is written."""
    return build / name / f"{name}.json"


def write_tops(project: Project, program: IntegerProgram, core: RtlDesign, build: Path) -> Tops:
    """Write what a project asks for around its core, each to its folder in `build`: SystemVerilog and a record.

    A VHDL core is written as a netlist. Raises `InputError`, before any of them is written, if one does not fit the
    core, and for a VHDL core what `elaborated` does.
    """
    tops = _tops(project, program, core, build, elaborated)
    for name, record in _records(project, program, tops):
        tops.named[name].write(build / name)
        record.save(record_file(build, name))
    return tops


def read_tops(project: Project, program: IntegerProgram, core: RtlDesign, build: Path) -> Tops:
    """What `write_tops` wrote to `build` for this project and core; `InputError` if it is another's."""
    tops = _tops(project, program, core, build, netlist_in)
    for name, record in _records(project, program, tops):
        top, folder = tops.named[name], build / name
        if type(record).load(record_file(build, name)) != record:
            raise InputError(f"the {name} in {folder} must be of this project; run 'trigforge build' again")
        missing = [path.name for path in top.sources_in(folder) if not path.is_file()]
        if missing:
            raise InputError(f"{folder} must hold the {name} {top.top!r}, but {', '.join(missing)} is missing")
    return tops


def _tops(
    project: Project,
    program: IntegerProgram,
    core: RtlDesign,
    build: Path,
    in_verilog: Callable[[RtlDesign, Path], RtlDesign],
) -> Tops:
    trigger = links = axis = None
    if project.trigger is not None:
        trigger = project_trigger(project, program, in_verilog(core, build / TRIGGER / NETLIST_FOLDER))
        links = None if project.links is None else project_links(project, program, trigger)
    if project.axis is not None:
        axis = project_axis(project, in_verilog(core, build / AXIS / NETLIST_FOLDER))
    return Tops(trigger, links, axis)


def _records(project: Project, program: IntegerProgram, tops: Tops) -> Iterator[tuple[str, Value]]:
    if tops.trigger is not None:
        yield TRIGGER, trigger_record(project, tops.trigger)
    if tops.links is not None:
        yield LINKS, links_record(project, tops.links)
    if tops.axis is not None:
        yield AXIS, axis_record(project, program, tops.axis)
