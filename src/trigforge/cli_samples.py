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
@click.option("--pileup", type=float, help="Mean number of inelastic interactions in a crossing.  [default: 60]")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--jobs", "-j", type=int, default=0, help="Processes; 0 takes all cores. Results do not depend on it.")
@click.option("--regions", is_flag=True, help="Keep the 18 x 14 calorimeter regions.")
@click.option("--level1-only", is_flag=True, help="Keep Level-1 objects only, no jets of HLT, offline and truth.")
@click.option("--constituents", type=int, help="Constituents of a labelled jet to keep.  [default: 150]")
@click.option("--hdf5", type=click.Path(path_type=Path), help="Also write labelled jets in the public HDF5 layout.")
@click.option("--config", "-c", type=click.Path(path_type=Path), help="TOML file of many samples instead of NAME.")
@OUT
@JSON
def generate(name: str | None, config: Path | None, out: Path, as_json: bool, **options: Any) -> None:
    """Simulate a sample: zero_bias, enhanced_bias, qcd, w, z, ttbar, photon, a signal, or labelled jets.

    Labelled jets are jet_tagging (five classes) and top_tagging. The samples of a folder share one library of
    interactions, so that the second comes faster. An interrupted command goes on where it was.
    """
    from trigforge.sim.collisions.jet_dataset import JET_SAMPLES

    if (name is None) == (config is None):
        raise InputError("generate must be given either the NAME of a sample or a file with --config")
    samples = _jets(name, out, options) if name in JET_SAMPLES else _events(name, config, out, options)
    if as_json:
        print_json(samples)


def _events(name: str | None, config: Path | None, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Simulate samples of events, and say what they are."""
    from trigforge.sim.collisions import CollisionConfig, Content, simulate

    if options["constituents"] is not None or options["hdf5"] is not None:
        raise InputError("--constituents and --hdf5 must come with jet_tagging or top_tagging, not with events")
    if config is not None:
        chosen = CollisionConfig.load(config)
    else:
        content = (Content.LEVEL1 if options["level1_only"] else Content.JETS).value
        sample = {"name": name, "events": options["events"], "regions": options["regions"], "content": content}
        common = {key: options[key] for key in ("pileup", "seed", "jobs") if options[key] is not None}
        chosen = CollisionConfig.parse({"samples": [sample], **common}, where="generate")
    reporter = Reporter()
    with reporter.stage("generate") as update:
        samples = simulate(chosen, out, update)
    for sample_name, made in samples.items():
        weights = f"sum of weights {made.sum_w:.4g} ± {made.sum_w2**0.5:.2g}"
        reporter.line(f"{out / sample_name}: {made.events} events, {weights}, {made.cross_section_pb:.4g} pb")
    return {sample_name: made.model_dump(mode="json") for sample_name, made in samples.items()}


def _jets(name: str | None, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Simulate labelled jets, and say what they are."""
    from trigforge.sim.collisions.jet_dataset import JetConfig, export_jets, simulate_jets

    if options["pileup"] is not None or options["regions"] or options["level1_only"]:
        raise InputError(f"--pileup, --regions and --level1-only must not come with {name}: its jets stand alone")
    given = {"name": name, "jets": options["events"], **{key: options[key] for key in ("seed", "jobs")}}
    if options["constituents"] is not None:
        given["constituents"] = options["constituents"]
    reporter = Reporter()
    with reporter.stage("generate") as update:
        made = simulate_jets(JetConfig.parse(given, where="generate"), out, update)
    reporter.line(f"{out / made.name}: {made.jets} jets of {len(made.classes)} classes, {', '.join(made.classes)}")
    if options["hdf5"] is not None:
        export_jets(out / made.name, options["hdf5"])
        reporter.line(f"{options['hdf5']}: the same jets in the layout of the public set")
    return {made.name: made.model_dump(mode="json")}


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@OUT
@JSON
def import_file(file: Path, out: Path, as_json: bool) -> None:
    """Read a FILE of another format into the event files of trigforge, part by part.

    Formats, told apart by content: ADC2021 ("40 MHz") HDF5, jet-tagging and top-tagging HDF5, CMS NanoAOD and
    ScoutingNano, ATLAS PHYSLITE, Parquet of the CMS Level-1 anomaly-detection set.
    """
    from trigforge.events.convert import convert_file

    reporter = Reporter()
    with reporter.stage("import") as update:
        events = 0

        def count(more: int) -> None:
            nonlocal events
            events += more
            update(0.0, f"{events} events")

        made = convert_file(file, out, progress=count)
    reporter.line(f"{out}: {made.events} events of {made.source} ({made.format})")
    if as_json:
        print_json(made.model_dump(mode="json"))


def print_json(content: Any) -> None:
    """Print one JSON object on stdout."""
    click.echo(json.dumps(content, indent=1))
