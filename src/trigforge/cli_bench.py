"""`trigforge bench`: measured speeds, competitors in the same run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from trigforge.cli_samples import JSON, print_json
from trigforge.errors import InputError
from trigforge.ui import Reporter

if TYPE_CHECKING:
    from trigforge.bench_emulator import BenchReport, EmulatorSpeed
    from trigforge.sim.cosim.bench_cosim import CosimSpeed

PROJECT_FILE = "project.toml"


@click.group()
def bench() -> None:
    """Measure speeds, competitors in the same run."""


@bench.command()
@click.argument("projects", nargs=-1, type=click.Path(path_type=Path))
@JSON
def emulator(projects: tuple[Path, ...], as_json: bool) -> None:
    """Measure the emulator of PROJECTS beside hls4ml's csim and alkaid's interpreter.

    PROJECTS are folders of projects that name a model file; default: all of hls_projects.
    """
    from trigforge.bench_emulator import bench_emulator

    folders = projects or tuple(sorted(path.parent for path in Path("hls_projects").glob(f"*/{PROJECT_FILE}")))
    if not folders:
        raise InputError("a project must be given, or the working folder must hold hls_projects; none was found")
    reporter = Reporter()
    with reporter.stage("bench") as update:
        report = bench_emulator(folders, update)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        reporter.console.print(_table(report))


@bench.command()
@click.argument("projects", nargs=-1, type=click.Path(path_type=Path))
@JSON
def cosim(projects: tuple[Path, ...], as_json: bool) -> None:
    """Measure how fast the RTL of PROJECTS is built and simulated: with cocotb on Verilator and Icarus, and in bulk.

    PROJECTS are folders of projects that name a model file; default: all of hls_projects.
    """
    from trigforge.conversion import convert_project
    from trigforge.firmware.project import Project
    from trigforge.firmware.rtl import write_rtl
    from trigforge.sim.cosim import SimulatorName, available_simulators
    from trigforge.sim.cosim.bench_cosim import measure_cosim

    folders = projects or tuple(sorted(path.parent for path in Path("hls_projects").glob(f"*/{PROJECT_FILE}")))
    if not folders:
        raise InputError("a project must be given, or the working folder must hold hls_projects; none was found")
    simulators = tuple(s for s in available_simulators() if s.name is not SimulatorName.GHDL)
    reporter, speeds = Reporter(), []
    with tempfile.TemporaryDirectory() as scratch, reporter.stage("bench") as update:
        for number, folder in enumerate(folders):
            update(number / len(folders), folder.name)
            build = Path(scratch) / folder.name
            project = Project.load(folder / PROJECT_FILE)
            program = convert_project(project, folder, build).program
            design = write_rtl(program, project.targets, build / "rtl", folder.name)
            speeds.append(measure_cosim(folder.name, program, design, simulators, build / "simulations"))
    if as_json:
        print_json([speed.model_dump(mode="json") for speed in speeds])
    else:
        for speed in speeds:
            reporter.console.print(_simulation_table(speed))


def _table(report: BenchReport) -> Table:
    table = Table(
        title=f"{report.processor}, {report.cores} cores: {report.lane_gbits_per_second:.0f} Gbit/s of lanes added by "
        f"one core, {report.read_gb_per_second:.1f} GB/s read by all; medians of one run",
    )
    table.add_column("")
    for p in report.projects:
        table.add_column(p.project, justify="right")
    for name, value in ROWS.items():
        table.add_row(name, *[value(p) for p in report.projects])
    return table


ROWS: dict[str, Callable[[EmulatorSpeed], str]] = {
    "operations": lambda p: f"{p.operations}",
    "emulator, all cores, million events/s": lambda p: f"{p.all_cores / 1e6:.1f}",
    "emulator, one core, million events/s": lambda p: f"{p.one_core / 1e6:.1f}",
    "alkaid's interpreter, one core, million events/s": lambda p: f"{p.alkaid_one_core / 1e6:.3f}",
    "hls4ml's csim, million events/s": lambda p: f"{p.csim / 1e6:.4f}",
    "one core over alkaid's": lambda p: f"{p.over_alkaid:.0f}",
    "one core over csim": lambda p: f"{p.over_csim:.0f}",
    "roof: additions of all cores, million events/s": lambda p: f"{p.add_roof / 1e6:.0f}",
    "roof: reading the words, million events/s": lambda p: f"{p.memory_roof / 1e6:.0f}",
    "all cores of the lower roof": lambda p: f"{p.of_roof:.0%}",
    "compile, s": lambda p: f"{p.compile_seconds:.1f}",
    "memory beyond words and scores, MB": lambda p: f"{p.peak_mb:.0f}",
}


def _simulation_table(speed: CosimSpeed) -> Table:
    table = Table(title=f"{speed.project}: {speed.operations} operations, latency {speed.latency_clocks} clocks")
    for name in ("", "simulator", "build, s", "events", "run, s", "events/s"):
        table.add_column(name, justify="right" if name not in ("", "simulator") else "left")
    for way in speed.ways:
        times = f"{way.build_seconds:.1f}", str(way.events), f"{way.run_seconds:.1f}"
        table.add_row(way.name, way.simulator, *times, f"{way.events_per_second:,.0f}")
    return table
