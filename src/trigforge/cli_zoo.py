"""`trigforge zoo`: the reference projects in a table, and the card of one; `trigforge card` measures and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from trigforge.cli_samples import JSON, print_json
from trigforge.ui import Reporter

if TYPE_CHECKING:
    from trigforge.cards import Entry

PROJECTS = click.option(
    "--projects", type=click.Path(path_type=Path), default=Path("hls_projects"), show_default=True,
    help="Folder of projects.",
)  # fmt: skip


@click.command()
@click.argument("name", required=False)
@PROJECTS
@JSON
def zoo(name: str | None, projects: Path, as_json: bool) -> None:
    """List the reference projects with their figures, or print the model card of NAME."""
    from trigforge.cards import find_entries
    from trigforge.errors import InputError

    found = find_entries(projects)
    if name is not None and name not in found:
        raise InputError(f"NAME must be a project of {projects} ({', '.join(found)}), not {name!r}")
    if as_json:
        chosen = found if name is None else {name: found[name]}
        cards = {key: entry.card for key, entry in chosen.items()}
        print_json({key: None if card is None else card.model_dump(mode="json") for key, card in cards.items()})
    elif name is None:
        _list(list(found.values()))
    else:
        card = found[name].card
        if card is None:
            raise InputError(f"{projects / name} must hold a card; 'trigforge card {projects / name}' writes it")
        click.echo(card.page(), nl=False)


def _list(entries: list[Entry]) -> None:
    """A table of projects, a line each."""
    table = Table("project", "", "latency", "LUT (Yosys)", "verified words", "that differ", box=None)
    for entry in entries:
        levels = () if entry.certificate is None else entry.certificate.levels
        latency = "–" if entry.certificate is None else f"{entry.certificate.latency_ns:g} ns"
        lut = "–" if entry.card is None or entry.card.lut is None else str(entry.card.lut)
        words, wrong = sum(level.words for level in levels), sum(level.mismatches for level in levels)
        table.add_row(entry.name, entry.title, latency, lut, str(words), str(wrong))
    Console().print(table)
    Console().print("'trigforge zoo NAME' prints a model card, 'trigforge card FOLDER' makes one", markup=False)


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--samples", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of samples.")
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Where to build.  [default: runs/NAME]")
@JSON
def card(project: Path, samples: Path | None, out: Path | None, as_json: bool) -> None:
    """Measure the PROJECT in a folder and write its model card: card.json and README.md."""
    from trigforge.cards import CARD_FILE, PAGE_FILE, make_card
    from trigforge.cli_synth import CACHE, blocks_around, kept_program, kept_rtl
    from trigforge.contract import InputContract
    from trigforge.firmware.project import Project
    from trigforge.firmware.synthesis.compare import Subject, compare_estimates
    from trigforge.locks import locked
    from trigforge.measuring import describe_data, measure_firmware, measure_folder
    from trigforge.models.trained import CONTRACT_FILE
    from trigforge.value import write_atomic

    reporter, known = Reporter(), Project.load(project / "project.toml")
    build = out or Path("runs") / known.name
    with locked(build), reporter.stage("card") as update:
        update(0.0, "program")
        program = kept_program(known, project, build)
        design, pipeline = kept_rtl(known, program, build)
        update(0.2, "Yosys")
        around = blocks_around(known, program, design, build)
        subject = Subject(known.name, program, design, pipeline, known.targets, around)
        estimates = compare_estimates(subject, build / CACHE)
        update(0.6, "scores")
        contract = InputContract.load(project / CONTRACT_FILE)
        comparison = measure_folder(project, samples, build) or measure_firmware(build, program, contract, samples)
        data = describe_data(project, samples)
        made = make_card(project, data, comparison, estimates)
    made.save(project / CARD_FILE)
    write_atomic(project / PAGE_FILE, made.page())
    reporter.line(f"card       {project / CARD_FILE}, {project / PAGE_FILE}")
    if as_json:
        print_json(made.model_dump(mode="json"))
