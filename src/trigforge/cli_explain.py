"""`trigforge explain`: what the score of a run's or a project's firmware looks at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from trigforge.cli_emulate import Found, find_program
from trigforge.cli_samples import JSON, print_json
from trigforge.errors import InputError
from trigforge.ui import Reporter

RESULT, TABLE = "explanations.json", "explanations.parquet"
LABEL: Final = "emulation"
"""What is said above figures of events that were given."""


@click.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("events", type=click.Path(path_type=Path), required=False)
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Folder of results.  [default: runs/NAME/explained]")
@click.option("--contract", type=click.Path(path_type=Path), help="The input contract; default: that of PROGRAM.")
@click.option(
    "--background", type=click.Path(path_type=Path),
    help="Events whose words replace those of an explained one.  [default: zero bias of the samples, or EVENTS]",
)  # fmt: skip
@click.option("--threshold", type=int, help="Also explain events from this score on.  [default: that of the run]")
@click.option("--output", type=click.IntRange(min=0), default=0, show_default=True, help="The output word.")
@click.option("--count", "-n", type=click.IntRange(min=1), default=1000, show_default=True, help="Events of a group.")
@click.option("--words", type=click.IntRange(min=1), default=200, show_default=True, help="Of these also by words.")
@click.option("--shown", type=click.IntRange(min=0), default=3, show_default=True, help="Displays of a sample.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the random orders of words.")
@JSON
def explain(program: Path, events: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """Say what the integer score of PROGRAM looks at: exact Shapley values of objects, sampled ones of words.

    PROGRAM is a program.json.gz, or the folder of a run, of a conversion or of a project. EVENTS is a Parquet file or a
    folder of parts; without it the samples of the run, or those that trigforge brings along. Writes explanations.json,
    the contributions of every explained event (Parquet), and figures with the most anomalous events.
    """
    found, reporter, start = find_program(program, options["contract"]), Reporter(), time.monotonic()
    chosen = _chosen(program, events, found, options)
    folder = out or Path("runs") / found.name / "explained"
    with reporter.stage("explain") as update:
        explanations, groups = _study(found, chosen, options, update)
        seconds = time.monotonic() - start
        update(0.95, "figures")
        files = [str(path) for path in _write(folder, explanations, groups, chosen)]
    rows = sum(len(group.events) for group in groups)
    from trigforge.stages_explain import say

    reporter.line(f"{rows} events in {seconds:.1f} s with reading; {say(explanations)}")
    reporter.line(f"{files[0]}, {len(files) - 1} more files")
    if as_json:
        printed = {"program": explanations.program_digest, "threshold": explanations.threshold, "events": rows}
        printed |= {"seconds": seconds, "groups": explanations.summary(), "files": files}
        print_json(printed)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The events to explain and what is said about them."""

    samples: tuple[tuple[Path, Any], ...]
    """Files, and what kind of group each is."""
    background: Path
    threshold: int | None
    left: str
    right: str


def _chosen(path: Path, events: Path | None, found: Found, options: dict[str, Any]) -> Chosen:
    """The events that were given, or the samples of the run or of trigforge."""
    from trigforge.explain import Kind
    from trigforge.plots.style import SIMULATION, collisions
    from trigforge.samples import TRAINING
    from trigforge.sim.collisions.frozen import require_run_samples
    from trigforge.stages_explain import kind_of

    threshold = options["threshold"] if options["threshold"] is not None else _threshold(path, found)
    if events is not None:
        digest = f"program {found.program.digest[:12]}"
        return Chosen(((events, Kind.BACKGROUND),), options["background"] or events, threshold, LABEL, digest)
    folder = _samples(path)
    samples = require_run_samples(folder)
    _require_collections(found)
    files = tuple((folder / name, kind_of(name)) for name in samples if name != TRAINING)
    pileup = next(iter(samples.values())).config.pileup
    background = options["background"] or folder / TRAINING
    return Chosen(files, background, threshold, SIMULATION, collisions(pileup))


def _samples(path: Path) -> Path:
    """The folder of the samples of a run, or of those that trigforge brings along."""
    from trigforge.config import STORED, RunConfig
    from trigforge.pipeline import Run
    from trigforge.samples import sample_folder

    stored = path / STORED
    return sample_folder(Run(RunConfig.load(stored) if stored.is_file() else RunConfig(), path, path))


def _require_collections(found: Found) -> None:
    """Raise `InputError` if the samples have other collections than the contract."""
    from trigforge.events import COLLECTIONS

    missing = [c.name for c in found.contract.collections if c.name not in COLLECTIONS]
    if missing:
        raise InputError(
            f"EVENTS must be given for contract {found.contract.name!r}: samples of collisions have no "
            f"{', '.join(missing)}"
        )


def _threshold(path: Path, found: Found) -> int | None:
    """The threshold of a run, if it has one; it must be of the same program."""
    from trigforge.calibration.thresholds import ThresholdRow, ThresholdTable

    row, table = path / "calibration/threshold.json", path / "calibration/thresholds.json"
    if not row.is_file() or not table.is_file():
        return None
    if ThresholdTable.load(table).program_digest != found.program.digest:
        raise InputError(f"{row} must be of the program of {path}, but that was made again; give --threshold")
    return ThresholdRow.load(row).threshold


def _study(found: Found, chosen: Chosen, options: dict[str, Any], update: Any) -> tuple[Any, Any]:
    from trigforge.explain import Effort, study
    from trigforge.stages_explain import read_words, subject_of, typical_words

    outputs = len(found.program.outputs)
    if options["output"] >= outputs:
        raise InputError(f"--output must be 0..{outputs - 1}, outputs of the program, not {options['output']}")
    update(0.01, "reading")
    subject = subject_of(found.program, found.contract, found.folder, options["output"], chosen.threshold)
    samples = [read_words(path, found.contract, kind) for path, kind in chosen.samples]
    background = typical_words(chosen.background, found.contract)
    effort = Effort(options["count"], options["words"], options["shown"], options["shown"], options["seed"])
    return study(subject, samples, background, effort, lambda share, text: update(0.9 * share, text))


def _write(folder: Path, explanations: Any, groups: Any, chosen: Chosen) -> Iterator[Path]:
    """Write everything and name it."""
    from trigforge.explain.table import write_table
    from trigforge.plots import render
    from trigforge.plots.event_display import display
    from trigforge.plots.explanations import Origin, fields_figure, objects_figure
    from trigforge.plots.style import plot_style
    from trigforge.value import write_atomic

    explanations.save(folder / RESULT)
    yield folder / RESULT
    write_table(folder / TABLE, groups, explanations.program_digest)
    yield folder / TABLE
    origin = Origin(chosen.left, chosen.right)
    with plot_style():
        figures = {name: draw(explanations, origin) for name, draw in
                   (("objects", objects_figure), ("fields", fields_figure))}  # fmt: skip
        shown = enumerate(explanations.shown, start=1)
        figures |= {f"event_{i}": display(explanations, event, origin) for i, event in shown}
    for name, figure in figures.items():
        for form in ("png", "svg"):
            write_atomic(folder / f"{name}.{form}", render(figure, form))
            yield folder / f"{name}.{form}"
