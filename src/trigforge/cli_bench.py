"""`trigforge bench`: measured speeds, competitors in the same run."""

from __future__ import annotations

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
