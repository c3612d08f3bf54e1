"""The commands that make event samples: `generate` simulates them, `import` reads the field's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from trigforge.errors import InputError
from trigforge.ui import Reporter

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
OUT = click.option(
    "--out", "-o", type=click.Path(path_type=Path), default=Path("samples"), show_default=True,
    help="Folder of samples; what is finished in it is kept.",
)  # fmt: skip


@click.command()
@click.argument("name", required=False)
@click.option("--events", "-n", type=int, default=10_000, show_default=True, help="Crossings, or labelled jets.")
@click.option(
    "--pileup", type=float, default=60.0, show_default=True, help="Mean inelastic interactions in a crossing."
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--jobs", "-j", type=int, default=0, help="Processes; 0 takes all cores. Results do not depend on it.")
@click.option("--regions", is_flag=True, help="Keep the 18 x 14 calorimeter regions.")
@click.option("--level1-only", is_flag=True, help="Keep Level-1 objects only, no jets of HLT, offline and truth.")
@click.option("--config", "-c", type=click.Path(path_type=Path), help="TOML file of many samples instead of NAME.")
@OUT
@JSON
def generate(name: str | None, config: Path | None, out: Path, as_json: bool, **options: Any) -> None:
    """Simulate a sample: zero_bias, enhanced_bias, qcd, a signal, or labelled jets.

    Every sample of a folder and seed shares one library of interactions, so the second comes faster. An interrupted
    command goes on where it was.
    """
    from trigforge.sim.collisions import simulate

    chosen = _collisions(name, config, options)
    reporter = Reporter()
    with reporter.stage("generate") as update:
        samples = simulate(chosen, out, update)
    for sample in samples.values():
        error = sample.sum_w2**0.5
        text = (
            f"{sample.events} events, sum of weights {sample.sum_w:.4g} ± {error:.2g}, {sample.cross_section_pb:.4g} pb"
        )
        reporter.line(f"{out / sample.name}: {text}")
    if as_json:
        print_json({name: sample.model_dump(mode="json") for name, sample in samples.items()})


def _collisions(name: str | None, config: Path | None, options: dict[str, Any]) -> Any:
    """The configuration of a file, or of one sample."""
    from trigforge.sim.collisions import CollisionConfig, Content

    if (name is None) == (config is None):
        raise InputError("generate must be given either the NAME of a sample or a file with --config")
    if config is not None:
        return CollisionConfig.load(config)
    sample = {
        "name": name,
        "events": options["events"],
        "regions": options["regions"],
        "content": (Content.LEVEL1 if options["level1_only"] else Content.JETS).value,
    }
    common = {key: options[key] for key in ("pileup", "seed", "jobs")}
    return CollisionConfig.parse({"samples": [sample], **common}, where="generate")


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@OUT
@JSON
def import_file(file: Path, out: Path, as_json: bool) -> None:
    """Read a file of another format (ADC2021, NanoAOD, ScoutingNano, PHYSLITE, jet tagging, ...) into samples."""
    raise NotImplementedError


def print_json(content: Any) -> None:
    """Print one JSON object on stdout."""
    click.echo(json.dumps(content, indent=1))
