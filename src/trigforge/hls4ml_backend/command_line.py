"""hls4ml's own command line for our projects: `hls4ml convert`, `build` and `report`.

hls4ml 1.3 knows two backends there and asks no plug-in, so its three functions are wrapped for projects of ours.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from trigforge.errors import CheckError, InputError, TrigforgeError

CONFIG_FILE = "hls4ml_config.yml"
MODEL_KEYS = ("KerasModel", "OnnxModel", "PytorchModel")

Command = Callable[[argparse.Namespace, Sequence[str]], None]


def extend_command_line() -> None:
    """Let hls4ml's command line hand our projects to us; everything else goes the way it went."""
    from hls4ml import cli

    cli._convert = handed_over(cli._convert, convert(cli._convert), lambda args: args.config)
    cli._build = handed_over(cli._build, build, project_config)
    cli._report = handed_over(cli._report, report, project_config)


def handed_over(theirs: Command, ours: Command, config: Callable[[argparse.Namespace], str | None]) -> Command:
    """`ours` if the configuration file that the arguments name is for our backend, else `theirs`."""

    def command(args: argparse.Namespace, extra: Sequence[str]) -> None:
        named = config(args)
        if not named or str(read_config(Path(named)).get("Backend")).lower() != "trigforge":
            theirs(args, extra)
            return
        try:
            ours(args, extra)
        except TrigforgeError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(1 if isinstance(error, CheckError) else 2)

    return command


def project_config(args: argparse.Namespace) -> str | None:
    """The configuration file of the project that `-p` names."""
    return f"{args.project}/{CONFIG_FILE}" if args.project else None


def read_config(path: Path) -> dict[str, Any]:
    """hls4ml's YAML as text, models in it by the names of their files; nothing for a file that is none."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506  (makes text only)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def convert(theirs: Command) -> Command:
    """hls4ml's `convert` where it would convert anything."""

    def command(args: argparse.Namespace, extra: Sequence[str]) -> None:
        keys = set(MODEL_KEYS) & set(read_config(Path(args.config)))
        if "KerasModel" in keys:
            import hgq.layers  # noqa: F401  (Keras reads HGQ2's layers from a file only if they are known)
        if not keys:
            raise InputError(
                f"{args.config} must name the model by 'KerasModel: !keras_model FILE.keras', 'OnnxModel: FILE' or "
                "'PytorchModel: FILE'; hls4ml 1.3 reads no KerasH5"
            )
        theirs(args, extra)

    return command


def build(args: argparse.Namespace, extra: Sequence[str]) -> None:
    """`hls4ml build -p DIR`: everything, or the steps that are asked for."""
    from trigforge.hls4ml_backend.building import Steps, build_project
    from trigforge.hls4ml_backend.files import load_project

    parser = build_parser(args.project)
    if args.list_options:
        parser.print_help()
        return
    asked = parser.parse_args(extra)
    chosen = {name: getattr(asked, name) or asked.all for name in ("csim", "synth", "cosim")}
    if asked.validation:
        chosen |= {"csim": True, "cosim": True}
    if not any((*chosen.values(), asked.export, asked.vsynth)):
        chosen = dict.fromkeys(chosen, True)
    steps = Steps.of(
        **chosen,
        reset=asked.reset,
        export=asked.export,
        vsynth=asked.vsynth,
        fifo_opt=False,
        simulator=asked.simulator,
        vectors=asked.vectors,
    )
    sys.stdout.write(report_text(build_project(load_project(Path(args.project)), steps)))


def report(args: argparse.Namespace, extra: Sequence[str]) -> None:
    """`hls4ml report -p DIR`: what the last build found."""
    from trigforge.hls4ml_backend.files import FOLDER, REPORT_FILE

    parser = argparse.ArgumentParser(prog=f"hls4ml report -p {args.project}", add_help=False)
    parser.add_argument("-f", "--full", help="Show the outputs of the test bench too", action="store_true")
    if args.list_options:
        parser.print_help()
        return
    asked, path = parser.parse_args(extra), Path(args.project) / FOLDER / REPORT_FILE
    if not path.is_file():
        raise InputError(f"{args.project} must be built before it has a report; run 'hls4ml build -p {args.project}'")
    sys.stdout.write(report_text(json.loads(path.read_text(encoding="utf-8")), full=asked.full))


def build_parser(project: str) -> argparse.ArgumentParser:
    """The options of `hls4ml build`, named as those of hls4ml's Vivado backend."""
    parser = argparse.ArgumentParser(prog=f"hls4ml build -p {project}", add_help=False)
    for short, name, text in (
        ("-c", "--csim", "Compare hls4ml's C simulation with the integer program"),
        ("-s", "--synth", "Map the RTL with Yosys"),
        ("-r", "--cosim", "Simulate the RTL and compare it with the integer program"),
        ("-v", "--validation", "Both comparisons"),
        ("-e", "--export", "Not possible without Vivado"),
        ("-l", "--vsynth", "Place and route with Vivado"),
        ("-a", "--all", "Both comparisons and the mapping; so does no option at all"),
        ("-x", "--reset", "Remove what earlier builds left"),
    ):
        parser.add_argument(short, name, help=text, action="store_true")
    parser.add_argument("--simulator", help="verilator (default) or icarus", default="verilator")
    parser.add_argument("--vectors", help="Made vectors to compare", type=int, default=2000)
    return parser


def report_text(content: dict[str, Any], *, full: bool = False) -> str:
    """A report as text, a section a block."""
    blocks = []
    for section, entries in content.items():
        if isinstance(entries, dict):
            blocks.append("\n".join([section, *(f"  {key}: {value}" for key, value in entries.items())]))
        elif full:
            blocks.append("\n".join([section, *(f"  {' '.join(row)}" for row in entries)]))
    return "\n\n".join(blocks) + "\n"
