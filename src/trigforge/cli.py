"""The `trigforge` command line: exit code 0 on success, 1 on a failed check, 2 on bad input, 130 on Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from trigforge import __version__
from trigforge.cli_samples import JSON, generate, import_file, print_json
from trigforge.cli_validate import validate
from trigforge.errors import CheckError, InputError
from trigforge.ui import Reporter

EXIT_CHECK, EXIT_INPUT, EXIT_INTERRUPT = 1, 2, 130
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # One thread and one order of summation, so that a training repeats to the last bit.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
"""Set for the libraries unless the user set them."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

ALL = ("all",)
"""Redo every stage."""

Command = Callable[..., None]

OUT = click.option(
    "--out", "-o", type=click.Path(path_type=Path), default=Path("runs/latest"), show_default=True,
    help="Folder of the run; finished stages in it are re-used.",
)  # fmt: skip
PROJECTS = click.option(
    "--projects", type=click.Path(path_type=Path), default=Path("hls_projects"), show_default=True,
    help="Folder of firmware projects; generated trees go to NAME/build.",
)  # fmt: skip
CONFIG = click.option("--config", "-c", type=click.Path(path_type=Path), help="TOML file of the run; all has defaults.")
RECIPE = click.option("--recipe", help="A shipped recipe or a TOML file of one.")
SAMPLES = click.option(
    "--samples", type=click.Path(path_type=Path),
    help="Folder of samples from 'trigforge generate'; default: those that trigforge brings along.",
)  # fmt: skip
GENERATE = click.option("--generate", is_flag=True, help="Simulate fresh samples into the run's folder.")
TARGETS = {"vitis": ("program",), "vivado": ("rtl",)}
"""The stages that a vendor's tool builds upon."""
TOOL = click.option(
    "--tool", type=click.Choice(tuple(TARGETS)),
    help="Build with this vendor's tool, which must be on PATH, and read its reports.",
)  # fmt: skip
MODEL = click.argument("model", type=click.Path(path_type=Path), required=False)
INPUT = click.option("--input", help="Type of the model's input values, such as 'fixed<12,4,RND,SAT>'.")
PRECISION = click.option("--precision", default="", help="Type of what the model leaves open (post-training).")
SAMPLING = click.option("--sampling", default="", help="The layer of a VAE that samples; it becomes the mean.")
ALLOW_WRAP = click.option("--allow-wrap", is_flag=True, help="Accept types that wrap for values that can occur.")
EXPLAIN = click.option("--explain", is_flag=True, help="Say what every type loses, and the first layer that differs.")
EXPORT = click.option(
    "--to", "form", type=click.Choice(["qonnx", "onnx"]), help="Write the exact model as such a file too."
)  # fmt: skip
FRESH = click.option("--fresh", is_flag=True, help="Do every stage again, even if nothing changed.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="trigforge", message="%(prog)s %(version)s")
def app() -> None:
    """From a trigger idea to verified firmware, calibrated rates and a trigger-level-analysis stream."""


@app.group()
def calibrate() -> None:
    """Calibrate thresholds or jets."""


def _stages(group: click.Group, name: str, help_text: str, *targets: str, redo: tuple[str, ...] = ()) -> None:
    """Add a command that brings a run up to some stages."""

    def command(out: Path, projects: Path, fresh: bool, as_json: bool, **chosen: Any) -> None:
        bring_up(out, projects, chosen, targets, ALL if fresh else redo, as_json)

    decorated: Command = command
    for option in (JSON, FRESH, PROJECTS, RECIPE, GENERATE, SAMPLES, CONFIG, OUT):
        decorated = option(decorated)
    group.command(name, help=help_text)(decorated)


def bring_up(
    out: Path, projects: Path, chosen: dict[str, Any], targets: Sequence[str], redo: Sequence[str], as_json: bool
) -> None:
    """Execute stages of a run and print what they said."""
    from trigforge.config import Choices, choose_config
    from trigforge.pipeline import execute, open_run
    from trigforge.stages import STAGES

    reporter = Reporter()
    config, origin = choose_config(out, Choices(**chosen), projects)
    reporter.line(f"config               {origin}")
    with open_run(config, out, projects) as run:
        records = execute(run, STAGES, targets, reporter, list(STAGES) if redo is ALL else redo)
    if as_json:
        summary = run.path("summary.json")
        stages = {n: {"wall_seconds": r.wall_seconds, "text": r.text} for n, r in records.items()}
        print_json(json.loads(summary.read_text()) if "report" in targets else {"stages": stages})


_stages(app, "run", "Do everything: events, model, firmware, certificate, rates, stream, search, report.", "report")
app.add_command(generate)
app.add_command(import_file)
app.add_command(validate)
_stages(app, "train", "Train the recipe's model, quantised, on background only.", "model")
_stages(app, "verify", "Prove trainer, csim, program, emulator and RTL equal.", "verify", redo=("verify",))
_stages(app, "rates", "Count the trigger menu, the anomaly seed included.", "rates")
_stages(app, "tla", "Write the trigger-level stream and account for rates and bytes.", "streams")
_stages(app, "search", "Fit the dijet mass spectrum of the trigger-level stream.", "search")
_stages(app, "report", "Write summary.json and report.html.", "report", redo=("report",))
_stages(calibrate, "thresholds", "Find the threshold that gives the target rate.", "thresholds")
_stages(calibrate, "jets", "Derive the trigger's jet energy scale.", "jets")


@app.command()
@MODEL
@OUT
@INPUT
@PRECISION
@SAMPLING
@ALLOW_WRAP
@EXPLAIN
@EXPORT
@CONFIG
@SAMPLES
@GENERATE
@RECIPE
@PROJECTS
@FRESH
@JSON
def convert(
    model: Path | None, out: Path, projects: Path, fresh: bool, as_json: bool, explain: bool, form: str | None,
    **chosen: Any,
) -> None:  # fmt: skip
    """Convert a model with hls4ml, lower it to an exact integer program and prove both equal.

    MODEL is a saved model (.keras, .h5 of QKeras, .onnx) or the folder of a project; without it, the run's own model.
    """
    options = {key: chosen.pop(key) for key in ("input", "precision", "sampling", "allow_wrap")}
    if model is not None:
        from trigforge.cli_convert import convert_alone

        convert_alone(model, out, as_json, explain, form, options)
    elif explain or form or any(options.values()):
        raise InputError("--explain, --to and the options of a model must be given with MODEL")
    else:
        bring_up(out, projects, chosen, ("program",), ALL if fresh else (), as_json)


@app.command()
@OUT
@CONFIG
@SAMPLES
@GENERATE
@RECIPE
@PROJECTS
@FRESH
@TOOL
@JSON
def build(out: Path, projects: Path, fresh: bool, as_json: bool, tool: str | None, **chosen: Any) -> None:
    """Write the RTL and estimate its resources with Yosys, or build with a vendor's tool."""
    targets = TARGETS[tool] if tool else ("rtl", "estimate")
    bring_up(out, projects, chosen, targets, ALL if fresh else (), as_json and not tool)
    if tool:
        from trigforge.cli_build import build_with

        build_with(tool, out, projects, as_json)


@app.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("events", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path(path_type=Path))
@click.option("--contract", type=click.Path(path_type=Path), help="The input contract; default: that of the run.")
@JSON
def emulate(program: Path, events: Path, scores: Path, contract: Path | None, as_json: bool) -> None:
    """Run the exact emulator of PROGRAM (program.json.gz) on EVENTS (a Parquet file or a folder of parts).

    Writes int64 SCORES (.npy).
    """
    import io
    import time

    import numpy as np

    from trigforge.contract import InputContract
    from trigforge.events import iterate_words
    from trigforge.firmware.emulator import compile_emulator
    from trigforge.firmware.program import IntegerProgram
    from trigforge.value import write_atomic

    loaded = IntegerProgram.load(program)
    used = InputContract.load(contract or program.parent.parent / "model" / "contract.json")
    if used.digest != loaded.provenance.contract_digest:
        raise InputError("the contract must be the one that the program was made with; give it with --contract")
    emulator = compile_emulator(loaded, program.parent)
    start = time.monotonic()
    result = np.concatenate([emulator(words) for words in iterate_words(events, used)])
    seconds = time.monotonic() - start
    buffer = io.BytesIO()
    np.save(buffer, result)
    write_atomic(scores, buffer.getvalue())
    speed = f"{len(result) / seconds / 1e6:.2f} million/s with reading and encoding"
    Reporter().line(f"{len(result)} events in {seconds:.3f} s ({speed}): {scores}")
    if as_json:
        print_json({"events": len(result), "seconds": seconds, "scores": str(scores), "program": loaded.digest})


@app.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say what is installed, which simulators and vendor tools are found, and what will work."""
    from trigforge.doctor import examine, show

    findings = examine()
    if as_json:
        print_json(findings.model_dump(mode="json"))
    else:
        show(findings)
    if not findings.ok:
        raise CheckError(f"missing for 'trigforge run': {', '.join(findings.missing)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; turns every user's mistake into one line on stderr and an exit code."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None) -> int:
    """Run one command and return its exit code."""
    try:
        app.main(arguments, prog_name="trigforge", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return EXIT_INPUT
    except click.ClickException as error:
        return _fail(f"{error.format_message().rstrip('.')}; see 'trigforge --help'", EXIT_INPUT)
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
    return 0


def _fail(message: str, code: int) -> int:
    print(f"trigforge: {message}", file=sys.stderr)  # noqa: T201  (this is the command line)
    return code
