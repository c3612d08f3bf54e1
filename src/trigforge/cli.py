"""The `trigforge` command line: exit code 0 on success, 1 on a failed check, 2 on bad input, 130 on Ctrl-C."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click

from trigforge import __version__
from trigforge.cli_bench import bench
from trigforge.cli_compare import compare
from trigforge.cli_emulate import emulate
from trigforge.cli_explain import explain
from trigforge.cli_patterns import patterns, testbench
from trigforge.cli_samples import JSON, generate, import_file, print_json
from trigforge.cli_train import train
from trigforge.cli_validate import validate
from trigforge.cli_zoo import card, zoo
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
INTERRUPTED = "interrupted; finished stages are kept, the same command goes on from there"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

ALL = ("all",)
"""Redo every stage."""

Command = Callable[..., None]

LATEST = Path("runs/latest")
OUT = click.option(
    "--out", "-o", type=click.Path(path_type=Path), default=LATEST, show_default=True,
    help="Folder of the run; finished stages in it are re-used.",
)  # fmt: skip
PROJECT_OUT = click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="Folder of what is made.  [default: runs/NAME]"
)
VERIFY_OUT = click.option(
    "--out", "-o", type=click.Path(path_type=Path),
    help="Folder of the run, or of what is made of PROJECT.  [default: runs/latest, or runs/NAME of PROJECT]",
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
SIMULATOR = click.option(
    "--simulator", type=click.Choice(["verilator", "icarus", "ghdl"]),
    help="Simulate the RTL of PROJECT with this; default: what its project.toml says.",
)  # fmt: skip
EVENTS = click.option("--events", type=click.IntRange(min=1), help="Simulate about so many of the vectors of PROJECT.")
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
    from trigforge.stages_firmware import CONVERSION

    reporter = Reporter()
    config, origin = choose_config(out, Choices(**chosen), projects)
    reporter.line(f"config               {origin}")
    with open_run(config, out, projects) as run:
        records = execute(run, STAGES, targets, reporter, list(STAGES) if redo is ALL else redo)
    if as_json:
        summary = run.path("summary.json")
        printed = {"stages": {n: {"wall_seconds": r.wall_seconds, "text": r.text} for n, r in records.items()}}
        if "program" in targets:
            printed["conversion"] = json.loads(run.path(*CONVERSION).read_text())
        print_json(json.loads(summary.read_text()) if "report" in targets else printed)


_stages(app, "run", "Do everything: events, model, firmware, certificate, rates, stream, search, report.", "report")
app.add_command(generate)
app.add_command(import_file)
app.add_command(validate)
app.add_command(compare)
app.add_command(bench)
app.add_command(patterns)
app.add_command(testbench)
app.add_command(train)
app.add_command(zoo)
app.add_command(card)
_stages(app, "rates", "Count the trigger menu, the anomaly seed included.", "rates")
_stages(app, "tla", "Write the trigger-level stream and account for rates and bytes.", "streams")
_stages(app, "search", "Fit the dijet mass spectrum of the trigger-level stream.", "search")
_stages(app, "report", "Write summary.json and report.html.", "report", redo=("report",))
_stages(calibrate, "thresholds", "Find the threshold that gives the target rate.", "thresholds")
_stages(calibrate, "jets", "Derive the trigger's jet energy scale.", "jets")


@app.command()
@click.argument("project", type=click.Path(path_type=Path))
@PROJECT_OUT
@PROJECTS
@click.option(
    "--mutants", type=click.IntRange(min=1), default=200, show_default=True, help="Faulty copies of the core."
)
@click.option("--seed", type=int, default=1, show_default=True, help="What the faults are drawn from.")
@click.option(
    "--proof-seconds",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    help="Most time for what must be proved of a mutant, and again for the whole core.",
)
@click.option("--simulator", type=click.Choice(["verilator", "icarus"]), help="Default: verilator.")
@JSON
def mutate(
    project: Path,
    out: Path | None,
    projects: Path,
    mutants: int,
    seed: int,
    proof_seconds: float,
    simulator: str | None,
    as_json: bool,
) -> None:
    """Make faulty copies of PROJECT's core and show that verification catches each, or prove it equal."""
    from trigforge.cli_mutate import mutate_project
    from trigforge.sim.mutation.campaign import Effort

    mutate_project(project, out, projects, simulator, Effort(mutants, seed, proof_seconds), as_json)


@app.command()
@click.argument("project", type=click.Path(path_type=Path))
@PROJECT_OUT
@click.option("--family", type=click.Choice(["xcup", "xc7", "ecp5"]), help="Map to this family; default: the part's.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Place and route so often (ECP5)."
)
@PROJECTS
@JSON
def synth(project: Path, out: Path | None, projects: Path, family: str | None, seeds: int, as_json: bool) -> None:
    """Say how large and how fast PROJECT's core is, every number with the tool that said it."""
    from trigforge.cli_synth import synth_alone

    synth_alone(project, out, projects, family, seeds, as_json)


@app.command()
@click.argument("project", type=click.Path(path_type=Path))
@PROJECT_OUT
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for a theorem.")
@click.option(
    "--core", is_flag=True, help="The whole core too: RTL = program. Small ones are proved, large ones not decided."
)
@PROJECTS
@JSON
def prove(project: Path, out: Path | None, projects: Path, as_json: bool, timeout: float | None, core: bool) -> None:
    """Prove PROJECT's normaliser, and thresholds, alignment and prescales of its trigger, for all inputs."""
    from trigforge.cli_prove import prove_project

    prove_project(project, out, projects, timeout, core, as_json)


@app.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder of the program and the RTL, if FILE was moved out of it.  [default: that of FILE]",
)
@click.option("--waves", type=click.Path(path_type=Path), help="FST file to write, for GTKWave or Surfer.")
@JSON
def replay(file: Path, out: Path | None, waves: Path | None, as_json: bool) -> None:
    """Play a failure that 'verify' saved again, and say in which bits of which outputs the RTL is wrong."""
    from trigforge.cli_replay import replay_file

    replay_file(file, out, waves, as_json)


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
@click.argument("project", type=click.Path(path_type=Path), required=False)
@VERIFY_OUT
@SIMULATOR
@EVENTS
@CONFIG
@SAMPLES
@GENERATE
@RECIPE
@PROJECTS
@FRESH
@JSON
def verify(
    project: Path | None, out: Path | None, projects: Path, fresh: bool, as_json: bool, simulator: str | None,
    events: int | None, **chosen: Any,
) -> None:  # fmt: skip
    """Prove trainer, csim, program, emulator and RTL equal, word by word, and write the certificate.

    PROJECT is the folder of a project.toml that names a model file; without it, the run's own model.
    """
    if project is not None:
        from trigforge.cli_verify import verify_alone

        if any(chosen.values()):
            raise InputError("--config, --samples, --generate and --recipe must be given without PROJECT")
        verify_alone(project, out, projects, simulator, events, as_json)
    elif simulator or events:
        raise InputError("--simulator and --events must be given with PROJECT; a run's are in its --config")
    else:
        bring_up(out or LATEST, projects, chosen, ("verify",), ALL if fresh else ("verify",), as_json)


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


app.add_command(emulate)
app.add_command(explain)


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
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # of retracing, which a user cannot mend
    interrupts: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    sys.exit(run_command(arguments, interrupts))


def run_command(arguments: Sequence[str] | None, interrupts: Sequence[int] = ()) -> int:
    """Run one command and return its exit code; `interrupts` get the signals that came."""
    try:
        app.main(arguments, prog_name="trigforge", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return EXIT_INPUT
    except click.ClickException as error:
        return _fail(f"{error.format_message().rstrip('.')}; see 'trigforge --help'", EXIT_INPUT)
    except (click.Abort, KeyboardInterrupt):
        return _fail(INTERRUPTED, EXIT_INTERRUPT)
    except SystemError:  # what CPython makes of a KeyboardInterrupt inside TensorFlow's C++
        if not interrupts:
            raise
        return _fail(INTERRUPTED, EXIT_INTERRUPT)
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
