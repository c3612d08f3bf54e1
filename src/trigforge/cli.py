"""The `trigforge` command line: exit code 0 on success, 1 on a failed check, 2 on bad input, 130 on Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from trigforge import __version__
from trigforge.errors import CheckError, InputError
from trigforge.ui import Reporter

EXIT_CHECK, EXIT_INPUT, EXIT_INTERRUPT = 1, 2, 130
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    name="trigforge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a trigger idea to verified firmware, calibrated rates and a trigger-level-analysis stream.",
)
calibrate = typer.Typer(no_args_is_help=True, help="Calibrate thresholds or jets.")
app.add_typer(calibrate, name="calibrate")

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the run; finished stages in it are re-used.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="TOML file of the run; every key has a default.")]
Recipe = Annotated[str | None, typer.Option("--recipe", help="A shipped recipe or a TOML file of one.")]
Projects = Annotated[Path, typer.Option("--projects", help="Folder of firmware projects; trees go to NAME/build.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Do the command's own stages again even if nothing changed.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

DEFAULT_OUT, DEFAULT_PROJECTS = Path("runs/latest"), Path("hls_projects")


def _stages(targets: Sequence[str], redo: Sequence[str], help_text: str) -> Callable[..., None]:
    """A command that brings a run up to some stages."""

    def command(
        out: Out = DEFAULT_OUT,
        config: Config = None,
        recipe: Recipe = None,
        projects: Projects = DEFAULT_PROJECTS,
        fresh: Fresh = False,
        as_json: Json = False,
    ) -> None:
        bring_up(out, config, recipe, projects, targets, tuple(targets) if fresh else tuple(redo), as_json)

    command.__doc__ = help_text
    return command


def bring_up(
    out: Path,
    config: Path | None,
    recipe: str | None,
    projects: Path,
    targets: Sequence[str],
    redo: Sequence[str],
    as_json: bool,
) -> None:
    """Execute stages of a run and print what they said."""
    from trigforge.pipeline import execute, open_run
    from trigforge.stages import STAGES

    run = open_run(_configuration(out, config, recipe, projects), out, projects)
    records = execute(run, STAGES, targets, Reporter(), redo)
    if as_json:
        summary = run.path("summary.json")
        stages = {n: {"wall_seconds": r.wall_seconds, "text": r.text} for n, r in records.items()}
        _print_json(json.loads(summary.read_text()) if "report" in targets else {"stages": stages})


def _configuration(out: Path, config: Path | None, recipe: str | None, projects: Path) -> Any:
    """The given configuration, else that of the run in `out`, else the default; a project file fills in its part."""
    from trigforge.config import RunConfig
    from trigforge.firmware.project import Project
    from trigforge.models.recipe import find_recipe

    stored = out / "run.json"
    source = config or (stored if stored.is_file() else None)
    chosen = RunConfig.load(source) if source else RunConfig()
    project_file = projects / chosen.project.name / "project.toml"
    if source is None and project_file.is_file():
        chosen = chosen.model_copy(update={"project": Project.load(project_file)})
    if recipe is not None:
        chosen = chosen.model_copy(update={"project": chosen.project.model_copy(update={"recipe": recipe})})
    find_recipe(chosen.project.recipe)
    return chosen


app.command("run")(
    _stages(("report",), (), "Do everything: events, model, firmware, certificate, rates, stream, search, report.")
)
app.command("generate")(_stages(("events",), (), "Simulate proton collisions and their Level-1 objects."))
app.command("train")(_stages(("model",), (), "Train the recipe's model, quantised, on background only."))
app.command("convert")(_stages(("program",), (), "Convert the model with hls4ml and lower it to an integer program."))
app.command("build")(_stages(("rtl", "estimate"), (), "Write the RTL and estimate its resources with Yosys."))
app.command("verify")(
    _stages(("verify",), ("verify",), "Prove trainer, csim, program, emulator and RTL equal, word by word.")
)
app.command("rates")(_stages(("rates",), (), "Count the trigger menu, the anomaly seed included."))
app.command("tla")(_stages(("streams",), (), "Write the trigger-level stream and account for rates and bytes."))
app.command("search")(_stages(("search",), (), "Fit the dijet mass spectrum of the trigger-level stream."))
app.command("report")(_stages(("report",), ("report",), "Write summary.json and report.html."))
calibrate.command("thresholds")(_stages(("thresholds",), (), "Find the threshold that gives the target rate."))
calibrate.command("jets")(_stages(("jets",), (), "Derive the trigger's jet energy scale."))


@app.command()
def emulate(
    program: Annotated[Path, typer.Argument(help="A program that 'convert' wrote (program.json.gz).")],
    events: Annotated[Path, typer.Argument(help="Events with Level-1 objects, as Parquet.")],
    scores: Annotated[Path, typer.Argument(help="The NumPy file to write: int64 scores (n, outputs).")],
    contract: Annotated[Path | None, typer.Option(help="The input contract; default: that of the program's run.")] = None,
    as_json: Json = False,
) -> None:
    """Run the firmware's exact emulator on events."""
    import io
    import time

    import numpy as np

    from trigforge.contract import InputContract
    from trigforge.events import read_events
    from trigforge.firmware.emulator import compile_emulator
    from trigforge.firmware.program import IntegerProgram
    from trigforge.value import write_atomic

    loaded = IntegerProgram.load(program)
    used = InputContract.load(contract or program.parent.parent / "model" / "contract.json")
    if used.digest != loaded.provenance.contract_digest:
        raise InputError("the contract must be the one that the program was made with; give it with --contract")
    words = used.encode(read_events(events))
    emulator = compile_emulator(loaded, program.parent)
    start = time.monotonic()
    result = emulator(words)
    seconds = time.monotonic() - start
    buffer = io.BytesIO()
    np.save(buffer, result)
    write_atomic(scores, buffer.getvalue())
    Reporter().line(f"{len(result)} events in {seconds:.3f} s ({len(result) / seconds / 1e6:.2f} million/s): {scores}")
    if as_json:
        _print_json({"events": len(result), "seconds": seconds, "scores": str(scores), "program": loaded.digest})


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed, which simulators and vendor tools are found, and what will work."""
    from trigforge.doctor import examine, show

    findings = examine()
    if as_json:
        _print_json(findings.model_dump(mode="json"))
    else:
        show(findings)
    if not findings.ok:
        raise CheckError(f"missing for 'trigforge run': {', '.join(findings.missing)}")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"trigforge {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; turns every user's mistake into one line on stderr and an exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.simplefilter("ignore")
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None) -> int:
    """Run one command and return its exit code."""
    try:
        code = app(arguments, standalone_mode=False)
    except click.ClickException as error:
        return _fail(f"{error.format_message()}; see 'trigforge --help'", EXIT_INPUT)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted; finished stages are kept, the same command goes on from there", EXIT_INTERRUPT)
    except CheckError as error:
        return _fail(str(error), EXIT_CHECK)
    except InputError as error:
        return _fail(str(error), EXIT_INPUT)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        what = error.filename or "the results"
        reason = os.strerror(error.errno)
        return _fail(f"cannot write {what}: {reason}; free some space, finished stages are kept", EXIT_INPUT)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    print(f"trigforge: {message}", file=sys.stderr)  # noqa: T201  (this is the command line)
    return code


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=1))
