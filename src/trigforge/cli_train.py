"""`trigforge train RECIPE`: a network, its front of physics against bits, its float twin, as a project folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from trigforge.cli_samples import JSON, print_json
from trigforge.ui import Reporter

if TYPE_CHECKING:
    from trigforge.models.metrics import Comparison
    from trigforge.models.trained import TrainingRecord


@click.command()
@click.argument("recipe", required=False)
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Folder of the project.  [default: trained/RECIPE]")
@click.option("--target-lut", type=click.IntRange(min=1), help="LUTs (Yosys, UltraScale+) that the model may have.")
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the recipe's.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Another key's, as architecture.latent=4.")
@click.option("--clock-ns", type=float, default=5.0, show_default=True)
@click.option("--latency-ns", type=float, default=50.0, show_default=True, help="Budget from input to output port.")
@click.option("--samples", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of samples.")
@click.option("--no-float", is_flag=True, help="Do not train the floating-point twin.")
@click.option("--post-training", type=click.IntRange(2, 18), multiple=True, help="Also quantise the twin to such bits.")
@click.option("--ensemble", "members", type=click.IntRange(2, 32), help="Train so many seeds; the first is the model.")
@click.option("--no-measure", is_flag=True, help="Do not compare the scores with baselines.")
@click.option("--fresh", is_flag=True, help="Start again where a training was interrupted or finished.")
@JSON
def train(recipe: str | None, out: Path | None, fresh: bool, as_json: bool, **options: Any) -> None:
    """Train a RECIPE (a shipped one, a TOML or a Python file) on background; without one, list them.

    The folder then holds a project: 'trigforge convert', 'verify' and 'synth' take it. An interrupted command goes on
    where it was, to the same end.
    """
    from trigforge.locks import locked
    from trigforge.models.recipe import changed, find_recipe, shipped_recipes

    if recipe is None:
        _list([find_recipe(name) for name in shipped_recipes()], as_json)
        return
    chosen = find_recipe(recipe)
    asked = {f"training.{key}": options[key] for key in ("epochs", "seed") if options[key] is not None}
    chosen = changed(chosen, asked | dict(_key_and_value(text) for text in options.pop("changes")))
    folder = out or Path("trained") / chosen.name
    with locked(folder):
        if fresh:
            _clear(folder)
        _train(chosen, folder, as_json, options)


def _train(recipe: Any, folder: Path, as_json: bool, options: dict[str, Any]) -> None:
    from trigforge.datasets import dataset_of
    from trigforge.ensembles import ENSEMBLE, members_of
    from trigforge.errors import InputError
    from trigforge.training import (
        FRONT_FILE,
        project_of,
        quantise_twin,
        train_float,
        train_project,
    )

    reporter, samples = Reporter(), options["samples"]
    if options["no_float"] and options["post_training"]:
        raise InputError("--post-training quantises the floating-point twin, which --no-float leaves out; drop one")
    if options["no_float"] and recipe.training.imitate:
        raise InputError(f"recipe {recipe.name} imitates its floating-point twin, which --no-float leaves out; drop it")
    project = project_of(recipe, options["clock_ns"], options["latency_ns"])
    with reporter.stage("samples"):
        dataset = dataset_of(recipe.data, samples)
        background = dataset.background()
        signals = dataset.choosing(background.contract)
    reporter.line(f"samples    {len(background)} events of background, signals {', '.join(signals) or 'none'}")
    twin = None
    if not options["no_float"]:
        with reporter.stage("float") as update:
            twin = train_float(recipe, background, signals, folder, update)
        reporter.line(f"float      {_said(twin.record)}")
        for bits in options["post_training"]:
            reporter.line(f"quantised  {quantise_twin(twin, background, bits, project, folder)}")
    with reporter.stage("train") as update:
        trained = train_project(recipe, background, signals, project, folder, options["target_lut"], update, twin)
    record = trained.model.record
    reporter.line(f"train      {_said(record)}")
    for name, member in members_of(recipe, options["members"] or 1).items():
        with reporter.stage(name) as update:
            place = folder / ENSEMBLE / name
            twin = None if options["no_float"] else train_float(member, background, signals, place, update)
            other = train_project(member, background, signals, project, place, options["target_lut"], update, twin)
        reporter.line(f"{name:10} {_said(other.model.record)}")
    comparison = None if options["no_measure"] else _measure(reporter, folder, samples)
    if as_json:
        front = [point.model_dump() for point, _ in trained.front]
        compared = None if comparison is None else comparison.model_dump(mode="json")
        printed = {"folder": str(folder), "training": record.model_dump(mode="json"), "front": front}
        print_json({**printed, "comparison": compared})
    else:
        reporter.line(f"{folder}, {len(trained.front)} models on the front, {folder / FRONT_FILE}")


def _said(record: TrainingRecord) -> str:
    """How long a training took, and the epoch that it chose."""
    chosen = record.epochs[record.chosen]
    return f"{record.seconds:.0f} s, epoch {record.chosen + 1} of {len(record.epochs)}: {chosen}"


def _key_and_value(text: str) -> tuple[str, Any]:
    """The key and the TOML value of `KEY=VALUE`; what is no TOML is a string."""
    import tomllib

    from trigforge.errors import InputError

    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals:
        raise InputError(f"--set must be KEY=VALUE, such as architecture.latent=4, not {text!r}")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _measure(reporter: Reporter, folder: Path, samples: Path | None) -> Comparison | None:
    """Compare the scores on events that were not trained on, save what is found and show it."""
    from trigforge.comparison_tables import LEGEND, scores_table, verdicts_table
    from trigforge.ensembles import spread_table
    from trigforge.measuring import COMPARISON_FILE, measure_folder

    with reporter.stage("measure"):
        found = measure_folder(folder, samples)
    if found is None:
        reporter.line("measure    nothing: the model has no score")
        return None
    found.save(folder / COMPARISON_FILE)
    for table in (scores_table(found), verdicts_table(found), spread_table(found)):
        if table.rows:
            reporter.line(table.text())
    reporter.line(f"{LEGEND} {folder / COMPARISON_FILE}")
    return found


def _list(recipes: list[Any], as_json: bool) -> None:
    if as_json:
        print_json({recipe.name: recipe.model_dump(mode="json") for recipe in recipes})
        return
    table = Table("recipe", "", "network", "kind", box=None)
    for recipe in recipes:
        table.add_row(recipe.name, recipe.title, recipe.architecture.shape, recipe.architecture.kind)
    Console().print(table)


def _clear(folder: Path) -> None:
    """Remove what an earlier training left in a folder."""
    from trigforge.ensembles import ENSEMBLE
    from trigforge.models.checkpoint import CHECKPOINT_FILE
    from trigforge.models.log import LOG_FILE, TENSORBOARD

    shutil.rmtree(folder / ENSEMBLE, ignore_errors=True)
    for place in (folder, folder / "float"):
        for name in (CHECKPOINT_FILE, LOG_FILE):
            (place / name).unlink(missing_ok=True)
        for name in (TENSORBOARD, "front"):
            shutil.rmtree(place / name, ignore_errors=True)
