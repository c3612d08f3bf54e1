"""`trigforge compare`: recorded scores and trigger bits against the exact emulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from trigforge.cli_emulate import find_program
from trigforge.cli_samples import JSON, print_json
from trigforge.errors import CheckError
from trigforge.ui import Reporter

if TYPE_CHECKING:
    from trigforge.contract import InputContract
    from trigforge.recorded import Answer, Comparison

RECORD: Final = "comparison.json"
EXAMPLES: Final = "examples.parquet"
SHOWN: Final = 5
"""Conditions printed."""
SIGNIFICANT: Final = 0.01
"""Largest corrected p-value of a condition that is printed."""


@click.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("events", type=click.Path(path_type=Path))
@click.option(
    "--recorded", "-r", multiple=True, required=True, metavar="COLUMN",
    help="A recorded score, or a trigger bit as 'COLUMN>=N'; also COLUMN[INDEX], COLUMN@OUTPUT. Repeatable.",
)  # fmt: skip
@click.option("--threshold", "-t", "thresholds", type=int, multiple=True, metavar="N",
              help="Compare decisions score >= N too; the threshold of bits that name none. Repeatable.")  # fmt: skip
@click.option("--contract", type=click.Path(path_type=Path), help="The input contract; default: that beside PROGRAM.")
@click.option("--words", metavar="COLUMN", help="Column of lists of all input words.  [default: words, if there]")
@click.option("--tree", metavar="NAME", help="TTree or RNTuple of a ROOT file.  [default: Events, or the only one]")
@click.option("--out", "-o", type=click.Path(path_type=Path), default=Path("runs/comparison"), show_default=True)
@click.option("--examples", type=click.IntRange(min=0), default=100, show_default=True,
              help="Mismatching events to write as an event file.")  # fmt: skip
@click.option("--allow", type=click.FloatRange(0, 1), default=0.0, show_default=True, metavar="RATE",
              help="Highest mismatch rate that is a success.")  # fmt: skip
@click.option("--plots/--no-plots", default=True, show_default=True, help="Draw PNG and SVG files.")
@JSON
def compare(
    program: Path, events: Path, recorded: tuple[str, ...], thresholds: tuple[int, ...], contract: Path | None,
    words: str | None, tree: str | None, out: Path, examples: int, allow: float, plots: bool, as_json: bool,
) -> None:  # fmt: skip
    """Compare what firmware recorded in EVENTS (Parquet, ROOT) with the exact emulator of PROGRAM, and find causes.

    PROGRAM is a program.json.gz, or the folder of a run or a project with one. EVENTS holds hardware words (one column
    a word named as in the contract, or lists in one column) or objects of the contract's collections, and the columns
    that were recorded. Plots, comparison.json and mismatching events go to the folder --out.
    """
    from trigforge.firmware.emulator import compile_emulator
    from trigforge.recorded import Question, Recorded, compare_recorded

    found = find_program(program, contract)
    columns = tuple(Recorded.from_text(text) for text in recorded)
    question = Question(found.program, found.contract, columns, thresholds, words, tree, examples)
    reporter = Reporter()
    with reporter.stage("compare") as update:
        answer = compare_recorded(question, events, compile_emulator(found.program, found.folder), progress=update)
    write_answer(out, found.contract, answer, plots=plots)
    for line in describe(answer.comparison):
        reporter.line(line)
    reporter.line(f"{out}: {RECORD}, {EXAMPLES}{', figures' * plots}")
    if as_json:
        print_json(answer.comparison.model_dump(mode="json"))
    require(answer.comparison, allow)


def write_answer(out: Path, contract: InputContract, answer: Answer, *, plots: bool) -> None:
    """Write result, examples and, if wanted, figures."""
    from trigforge.recorded.examples import write_examples

    answer.comparison.save(out / RECORD)
    write_examples(out / EXAMPLES, contract, answer.columns, answer.examples)
    if not plots:
        return
    from trigforge.plots import render
    from trigforge.recorded.figures import draw
    from trigforge.value import write_atomic

    for name, figure in draw(answer.comparison).items():
        for form in ("png", "svg"):
            write_atomic(out / f"{name}.{form}", render(figure, form))


def describe(result: Comparison) -> list[str]:
    """The result in lines."""
    rate = result.mismatch
    interval = f"{rate.low:.3g}..{rate.high:.3g} at 95 %"
    lines = [f"{rate.count} of {rate.total} events mismatch, rate {rate.value:.3g} ({interval})"]
    lost = result.events - rate.total
    if lost or result.off_grid:
        lines.append(
            f"{lost} of {result.events} events not comparable: {result.outside} with words out of range; "
            f"{sum(c.missing for c in result.columns)} values missing, {result.off_grid} off the output's grid"
        )
    if len(result.columns) > 1:
        lines += [f"{c.label}: {c.mismatch.count} of {c.mismatch.total} differ" for c in result.columns]
    lines += [
        f"{c.label} >= {t.threshold}: both {t.both}, recorded only {t.recorded_only}, "
        f"emulated only {t.emulated_only}, neither {t.neither}"
        for c in result.columns
        for t in c.thresholds
    ]
    significant = [c for c in result.distinct_conditions if c.p_corrected < SIGNIFICANT][:SHOWN]
    return [
        *lines,
        result.verdict,
        *(
            f"{c.name}: rate {c.inside.value:.3g}, else {c.outside.value:.3g}, p = {c.p_corrected:.1g} (Holm)"
            for c in significant
        ),
    ]


def require(result: Comparison, allow: float) -> None:
    """Raise `CheckError` if too many events mismatch, too many values are off the grid, or nothing was compared."""
    rate = result.mismatch
    if not rate.total:
        raise CheckError(f"at least one event must be compared, but of {result.events} none could")
    if rate.value > allow:
        count = f"{rate.count} of {rate.total}"
        raise CheckError(f"at most a fraction {allow:g} of events must mismatch, but {count} do: {result.verdict}")
    if result.off_grid > allow * (rate.total + result.off_grid):
        raise CheckError(
            f"at most a fraction {allow:g} of recorded values must be off the output's grid, but {result.off_grid} are"
        )
