"""`trigforge synth PROJECT`: cells, levels and clock of a project's core, every number with the tool that said it."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from trigforge import __version__
from trigforge.cli_samples import print_json
from trigforge.cli_verify import read_folder
from trigforge.config import STORED
from trigforge.conversion import PROGRAM_FILE, TOOLS, convert_project
from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.pipeline import Pipeline, choose_pipeline
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import DESIGN_FILE, DesignRecord, read_rtl, write_rtl, write_tops
from trigforge.firmware.rtl.project_tops import AXIS, LINKS, TRIGGER
from trigforge.firmware.synthesis.compare import Comparison, Row, Subject, compare_estimates
from trigforge.firmware.synthesis.families import Family
from trigforge.firmware.synthesis.tools import nextpnr_version, yosys_version
from trigforge.firmware.synthesis.yosys import Block
from trigforge.locks import locked
from trigforge.ui import Reporter
from trigforge.value import Value

AROUND: Final = {TRIGGER: "core in its trigger", LINKS: "trigger between links", AXIS: "core between streams"}
"""What is mapped beside the core, by its folder."""
CACHE: Final = "synthesis"
ORIGIN_FILE: Final = "origin.json"
CONVERTING: Final = ("frontends", "lowering", "scores")
"""Packages of `trigforge.firmware` that decide what program a model becomes."""


class Origin(Value):
    """What decided the program of a folder: another origin converts anew."""

    project: str
    files: dict[str, str]
    """SHA-256 of the project's files."""
    tools: dict[str, str]
    code: str
    """SHA-256 of the sources that convert."""
    program: str = ""


def synth_alone(folder: Path, out: Path | None, projects: Path, family: str | None, seeds: int, as_json: bool) -> None:
    """Map the core of the project in `folder`, and what is around it, and say what every estimator says of them.

    Program, RTL and results are kept in `out` (`runs/NAME`) and made again only if what decides them changed.
    """
    project, reporter = read_folder(folder, projects, None), Reporter()
    out = out or Path("runs") / project.name
    if (out / STORED).is_file():
        raise InputError(f"--out must not be the folder of a run, whose program is another, but {out} is")
    chosen = None if family is None else Family(family)
    yosys_version()
    if chosen is Family.ECP5:
        nextpnr_version()
    with locked(out), reporter.stage("synth") as update:
        update(0.0, "program")
        program = kept_program(project, folder, out)
        update(0.2, "RTL")
        design, pipeline = kept_rtl(project, program, out)
        around = blocks_around(project, program, design, out)
        subject = Subject(project.name, program, design, pipeline, project.targets, around)
        update(0.3, "Yosys, and nextpnr for an ECP5" if chosen is Family.ECP5 else "Yosys")
        found = compare_estimates(subject, out / CACHE, chosen, tuple(range(1, seeds + 1)))
    if as_json:
        print_json(found.model_dump(mode="json") | {"latency_ns": found.latency_ns, "folder": str(out)})
    else:
        show(found)


def kept_program(project: Project, folder: Path, out: Path) -> IntegerProgram:
    """The program of a project: of an earlier call if nothing that decides it changed, else converted."""
    assert project.model is not None
    names = [name for name in (project.model.file, project.model.contract) if name]
    origin = Origin(
        project=project.digest,
        files={name: _sha256(folder / name) for name in names},
        tools={name: importlib.metadata.version(name) for name in TOOLS} | {"trigforge": __version__},
        code=_code_digest(),
    )
    stored = out / ORIGIN_FILE
    if stored.is_file() and (out / PROGRAM_FILE).is_file():
        program = IntegerProgram.load(out / PROGRAM_FILE)
        if Origin.load(stored) == origin.model_copy(update={"program": program.digest}):
            return program
    program = convert_project(project, folder, out).program
    origin.model_copy(update={"program": program.digest}).save(stored)
    return program


def kept_rtl(project: Project, program: IntegerProgram, out: Path) -> tuple[RtlDesign, Pipeline]:
    """The core's RTL: as it lies there if it is of this program and these targets, else written."""
    wanted, folder = choose_pipeline(program, project.targets), out / "rtl"
    try:
        design, record = read_rtl(program, folder, project.top), DesignRecord.load(folder / DESIGN_FILE)
        if (record.pipeline, record.language) == (wanted, project.targets.language):
            return design, wanted
    except InputError:
        pass
    return write_rtl(program, project.targets, folder, project.top), wanted


def blocks_around(project: Project, program: IntegerProgram, design: RtlDesign, out: Path) -> dict[str, Block]:
    """What the project has around its core, written to folders of `out`, by what it is."""
    clocks = {TRIGGER: design.clock, LINKS: design.clock, AXIS: "aclk"}
    tops = write_tops(project, program, design, out).named
    return {AROUND[name]: Block(top.sources_in(out / name), top.top, clocks[name]) for name, top in tops.items()}


def show(found: Comparison) -> None:
    """Print the rows as a table, and below it who said them."""
    console = Console()
    table = Table(title_justify="left")
    table.title = (
        f"{found.project}, program {found.program[:12]}: {found.latency_clocks} clocks of {found.clock_ns:g} ns = "
        f"{found.latency_ns:g} ns, II {found.ii}, for {found.part}"
    )
    for column in ("", "of", "stage", "LUT", "FF", "carry", "DSP", "BRAM", "levels", "ns"):
        table.add_column(column, justify="left" if column in ("", "of", "stage") else "right")
    for number, row in enumerate(found.rows, 1):
        table.add_row(str(number), *cells(row))
    console.print(table)
    for number, row in enumerate(found.rows, 1):
        console.print(f"{number}  {row.tool}{f': {row.note}' if row.note else ''}", soft_wrap=True, markup=False)
    console.print(
        f"levels: LUTs on the slowest path; ns: shortest clock period. What is estimated, mapped or placed and routed "
        f"are different quantities. {found.multipliers}.",
        soft_wrap=True,
    )


def cells(row: Row) -> list[str]:
    """A row of the table: '-' for what its tool does not say."""
    counts = [row.lut, row.ff, row.carry, row.dsp, row.bram, row.levels, row.period_ns]
    return [row.subject, row.stage, *("-" if number is None else str(number) for number in counts)]


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _code_digest() -> str:
    """Of what lies between a model file and its program."""
    own = Path(__file__).parent
    converting = [path for name in CONVERTING for path in (own / "firmware" / name).rglob("*.py")]
    total = hashlib.sha256()
    for path in sorted([*converting, own / "firmware" / "program.py", own / "conversion.py", own / "contract.py"]):
        total.update(path.read_bytes())
    return total.hexdigest()
