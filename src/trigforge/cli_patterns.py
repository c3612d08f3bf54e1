"""`trigforge patterns` and `trigforge testbench`: the same vectors for a board, and for any simulator."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click

from trigforge.cli_emulate import find_program
from trigforge.cli_samples import JSON, print_json
from trigforge.errors import InputError
from trigforge.ui import Reporter

FORMATS: Final = ("text", "empv1", "empv2", "apx", "ugt")
DEFAULT_EVENTS: Final = "1000"

PROJECT = click.argument("project", type=click.Path(path_type=Path))
CONTRACT = click.option("--contract", type=click.Path(path_type=Path), help="The input contract; default: PROJECT's.")
EVENTS = click.option(
    "--events", default=DEFAULT_EVENTS, show_default=True, metavar="N|FILE",
    help="So many random and corner events, or those of a Parquet file, of a pattern or of a uGT test vector.",
)  # fmt: skip


@click.group()
def patterns() -> None:
    """Write and check the test-vector files of hardware test stands."""


@patterns.command()
@PROJECT
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="File format.")
@EVENTS
@click.option("--out", "-o", type=click.Path(path_type=Path), required=True, help="File; NAME.gz is compressed.")
@click.option("--frames", type=click.IntRange(min=1), default=9, show_default=True, help="Frames an event on a link.")
@click.option("--period", type=click.IntRange(min=1), help="Clocks from event to event.  [default: its frames]")
@click.option("--lead", type=click.IntRange(min=0), default=0, help="Clocks before the first event.")
@click.option("--first-channel", type=click.IntRange(min=0), default=0, help="Number of the first link on the board.")
@click.option("--depth", type=click.IntRange(min=1), help="Clocks of a buffer; more become files NAME_0, NAME_1.")
@CONTRACT
@JSON
def write(project: Path, form: str, events: str, out: Path, as_json: bool, **options: Any) -> None:
    """Write the inputs of PROJECT's core as a pattern and, in NAME.expected, the outputs that must come.

    PROJECT is the folder of a project, of a run or of a conversion, or its program. A test vector of the Global Trigger
    (ugt) has both in one file and no links.
    """
    subject = _subject(project, options.pop("contract"))
    words, depth = _words(events, subject), options.pop("depth")
    out.parent.mkdir(parents=True, exist_ok=True)
    if form == "ugt":
        if depth or options["period"] or options["lead"] or options["first_channel"]:
            raise InputError("--depth, --period, --lead and --first-channel must not be given with --format ugt")
        files = [_write_ugt(out, subject, words)]
    else:
        files = _write_links(out, form, subject, words, depth, options)
    for path in files:
        Reporter().line(str(path))
    if as_json:
        digests = {"contract": subject.contract.digest, "program": subject.program.digest}
        print_json({"files": [str(path) for path in files], "format": form, **digests})


@patterns.command()
@click.argument("capture", type=click.Path(path_type=Path))
@PROJECT
@click.option("--stimulus", type=click.Path(path_type=Path), help="What was played, as 'patterns write' wrote it.")
@click.option("--layout", type=click.Path(path_type=Path), help="Header (JSON) of where CAPTURE has the outputs.")
@click.option("--latency", type=int, help="Clocks from the first event played to its output.  [default: found]")
@CONTRACT
@JSON
def check(
    capture: Path, project: Path, stimulus: Path | None, contract: Path | None, as_json: bool, **options: Any
) -> None:
    """Compare CAPTURE, in any of the formats, with what the program of PROJECT makes of the stimulus.

    The latency is found. Exit code 1, and the first event, output and bit that differ, if any do.
    """
    from trigforge.sim.patterns.files import check_file

    checked = check_file(capture, _subject(project, contract), stimulus, **options)
    result = checked.result
    Reporter().line(
        f"{checked.events} events, latency {checked.latency_clocks} clocks: "
        f"{result.mismatches} of {result.words} words differ"
    )
    if as_json:
        print_json(
            {
                "events": checked.events,
                "latency_clocks": checked.latency_clocks,
                "words": result.words,
                "mismatches": result.mismatches,
                "first": None if result.first is None else result.first.model_dump(mode="json"),
            }
        )
    result.require()


@click.command()
@PROJECT
@EVENTS
@click.option("--out", "-o", type=click.Path(path_type=Path), required=True, help="Folder of the test bench.")
@CONTRACT
@JSON
def testbench(project: Path, events: str, out: Path, contract: Path | None, as_json: bool) -> None:
    """Write PROJECT's core with a self-checking test bench and a script for each simulator.

    PROJECT is the folder of a project or of a run. The scripts run the bench with Questa, Xsim or VCS, Verilator,
    Icarus Verilog, and for a VHDL core GHDL; a run ends with PASS or with the first difference and FAIL.
    """
    import numpy as np

    from trigforge.firmware.rtl import write_rtl
    from trigforge.sim.testbench import write_testbench

    described = _project(project)
    subject = _subject(project, contract)
    words = np.concatenate(list(_words(events, subject)()))
    with tempfile.TemporaryDirectory() as scratch:
        design = write_rtl(subject.program, described.targets, Path(scratch) / "rtl", described.top)
        written = write_testbench(design, subject.program, words, out, described.targets.clock_ns)
    Reporter().line(f"{out}: {len(words)} events; " + ", ".join(path.name for path in written.scripts.values()))
    if as_json:
        scripts = {name: str(path) for name, path in written.scripts.items()}
        print_json({**written.record.model_dump(mode="json"), "folder": str(out), "scripts": scripts})


def _subject(path: Path, contract: Path | None) -> Any:
    from trigforge.sim.patterns.files import Subject

    found = find_program(path, contract)
    return Subject(found.name, found.contract, found.program)


def _project(path: Path) -> Any:
    """The project in a folder, or that of a run."""
    from trigforge.config import STORED, RunConfig
    from trigforge.firmware.project import Project

    if (path / "project.toml").is_file():
        return Project.load(path / "project.toml")
    if (path / STORED).is_file():
        return RunConfig.load(path / STORED).project
    raise InputError(f"PROJECT must be the folder of a project.toml or of a run, but {path} is neither")


def _words(events: str, subject: Any) -> Callable[[], Iterable[Any]]:
    """What gives the blocks of words that `--events` stands for, from the beginning each time."""
    from trigforge.events import iterate_words
    from trigforge.sim.patterns.files import read_events

    contract = subject.contract
    if events.isdecimal():
        block = _made(contract, int(events))
        return lambda: [block]
    path = Path(events)
    if not path.exists():
        raise InputError(f"--events must be a number or a file of events, but {events!r} is not there")
    if path.is_dir() or path.suffix == ".parquet":
        return lambda: iterate_words(path, contract)
    block = read_events(path, subject)
    return lambda: [block]


def _made(contract: Any, count: int) -> Any:
    """So many events of all kinds, evenly taken from twice as many and all corners; the same each time."""
    import numpy as np

    from trigforge.sim.cosim import make_vectors

    if count < 1:
        raise InputError(f"--events must be at least 1, not {count}")
    low, high = contract.limits()
    words = make_vectors(low, high, random=count, saturating=count // 4, seed=1).words
    return words[np.linspace(0, len(words) - 1, count).round().astype(np.int64)]


def _write_links(
    out: Path, form: str, subject: Any, words: Callable[[], Iterable[Any]], depth: int | None, options: dict[str, Any]
) -> list[Path]:
    """The files of a pattern of links, as many as the depth of a buffer makes necessary."""
    from trigforge.sim.patterns.files import Places, write_patterns

    places = Places(**options)
    if depth is None:
        return list(write_patterns(out, form, subject, places, words))
    import numpy as np

    share = (depth - places.lead) // (places.period or places.frames)
    if share < 1:
        raise InputError(f"--depth must hold at least one event after the lead, not {depth} clocks")
    whole = np.concatenate(list(words()))
    name, dot, rest = out.name.partition(".")
    files: list[Path] = []
    for number, start in enumerate(range(0, len(whole), share)):
        part = whole[start : start + share]
        path = out.with_name(f"{name}_{number}{dot}{rest}")
        files += write_patterns(path, form, subject, places, lambda part=part: [part])  # type: ignore[misc]
    return files


def _write_ugt(out: Path, subject: Any, words: Callable[[], Iterable[Any]]) -> Path:
    import numpy as np

    from trigforge.sim.patterns.files import score_word
    from trigforge.sim.patterns.ugt import write_ugt

    whole = np.concatenate(list(words()))
    score = score_word(subject)
    write_ugt(out, subject.contract, whole, subject.program(whole)[:, 0], score)
    return out
