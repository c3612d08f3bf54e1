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

ALGORITHM = click.option(
    "--algorithm", "algorithms", multiple=True, metavar="THRESHOLD[@PRESCALE]",
    help="Setting of the trigger's next algorithm, such as 300@5/2, or 'off'; give it for each.",
)  # fmt: skip
SETTINGS = click.option(
    "--settings", type=click.Path(path_type=Path), help='The same in a TOML file: algorithms = ["1200", "300@5/2"].'
)


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
@ALGORITHM
@SETTINGS
@CONTRACT
@JSON
def write(project: Path, form: str, events: str, out: Path, as_json: bool, **options: Any) -> None:
    """Write the inputs of PROJECT's core as a pattern and, in NAME.expected, the outputs that must come.

    PROJECT is the folder of a project, of a run or of a conversion, or its program. With settings of its trigger
    (--algorithm, --settings) NAME.trigger has what the trigger must say. A test vector of the Global Trigger (ugt) has
    all in one file and no links.
    """
    subject = _subject(project, options.pop("contract"))
    decider = _decider(project, subject, options.pop("settings"), options.pop("algorithms"))
    words, depth = _words(events, subject), options.pop("depth")
    out.parent.mkdir(parents=True, exist_ok=True)
    if form == "ugt":
        if depth or options["period"] or options["lead"] or options["first_channel"]:
            raise InputError("--depth, --period, --lead and --first-channel must not be given with --format ugt")
        files = [_write_ugt(out, subject, words, decider)]
    else:
        files = _write_links(out, form, subject, words, depth, options, decider)
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
@ALGORITHM
@SETTINGS
@CONTRACT
@JSON
def check(
    capture: Path, project: Path, stimulus: Path | None, contract: Path | None, as_json: bool, **options: Any
) -> None:
    """Compare CAPTURE, in any of the formats, with what the program of PROJECT makes of the stimulus.

    With settings of its trigger (--algorithm, --settings) the trigger's results are compared: crossing numbers, scores
    and bits of the algorithms. The latency is found. Exit code 1, and the first event, word and bit that differ, if any
    do.
    """
    from trigforge.sim.patterns.captures import check_file

    subject = _subject(project, contract)
    decider = _decider(project, subject, options.pop("settings"), options.pop("algorithms"))
    checked = check_file(capture, subject, stimulus, decider=decider, **options)
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
                "first_difference": checked.first,
            }
        )
    checked.require()


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


def _decider(path: Path, subject: Any, settings: Path | None, algorithms: tuple[str, ...]) -> Any:
    """The trigger of a project with the settings that were given, if any were."""
    if settings is None and not algorithms:
        return None
    if settings is not None and algorithms:
        raise InputError("the trigger's settings must be given by --algorithm or by --settings, not by both")
    from trigforge.sim.patterns.decisions import Decider, TriggerSettings

    given = TriggerSettings(algorithms=algorithms) if settings is None else TriggerSettings.load(settings)
    return Decider.of(_project(path), subject.program, given)


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
    out: Path,
    form: str,
    subject: Any,
    words: Callable[[], Iterable[Any]],
    depth: int | None,
    options: dict[str, Any],
    decider: Any,
) -> list[Path]:
    """The files of a pattern of links, as many as the depth of a buffer makes necessary."""
    from trigforge.sim.patterns.files import Places, write_patterns

    places = Places(**options)
    if depth is None:
        return list(write_patterns(out, form, subject, places, words, decider))
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
        files += write_patterns(path, form, subject, places, lambda part=part: [part], decider)  # type: ignore[misc]
    return files


def _write_ugt(out: Path, subject: Any, words: Callable[[], Iterable[Any]], decider: Any) -> Path:
    import numpy as np

    from trigforge.sim.patterns.decisions import ugt_bits
    from trigforge.sim.patterns.files import score_word
    from trigforge.sim.patterns.ugt import write_ugt

    whole = np.concatenate(list(words()))
    score, outputs = score_word(subject), subject.program(whole)
    bits = None if decider is None else ugt_bits(decider, outputs)
    write_ugt(out, subject.contract, whole, outputs[:, 0], score, bits)
    return out
