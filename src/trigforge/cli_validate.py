"""`trigforge validate`: measure simulated samples, compare with public facts, write tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from trigforge.cli_samples import JSON, print_json
from trigforge.errors import InputError
from trigforge.ui import Reporter, Update

if TYPE_CHECKING:
    from trigforge.sim.collisions.validation import GeneratorFacts
    from trigforge.validation import Validation

RECORD: Final = "validation.json"
SCRATCH: Final = "scratch"
PILEUPS: Final = (1.0, 20.0, 40.0, 60.0, 80.0, 100.0, 140.0, 200.0)
SHARE_GENERATOR: Final = 0.4
"""Of the time: facts of Pythia, then the sample at the public pile-up and its library, then the scan."""

SHARE_REFERENCE: Final = 0.9


@click.command()
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    help="Folder with enhanced_bias and zero_bias; default: those that trigforge brings along.",
)
@click.option("--out", "-o", type=click.Path(path_type=Path), default=Path("runs/validation"), show_default=True)
@click.option("--docs", type=click.Path(path_type=Path), help="Markdown file whose marked tables are renewed.")
@click.option("--crossings", type=click.IntRange(min=200), default=30_000, show_default=True,
              help="Of the sample at the pile-up of the public rates; the scan takes 1/20 at each µ.")  # fmt: skip
@click.option("--interactions", type=click.IntRange(min=200), default=6_000, show_default=True,
              help="Soft and hard interactions each that Pythia makes for them.")  # fmt: skip
@click.option("--jobs", "-j", type=int, default=0, help="Processes; 0 takes all cores.")
@JSON
def validate(samples: Path | None, out: Path, docs: Path | None, as_json: bool, **sizes: Any) -> None:
    """Compare simulated samples with public measurements: spectra, pile-up, jets, Level-1 rates, weights."""
    from trigforge.plots.simulation import draw, render_png
    from trigforge.sim.collisions.frozen import FROZEN
    from trigforge.validation import fill
    from trigforge.value import write_atomic

    text = _read(docs) if docs else None
    reporter = Reporter()
    with reporter.stage("validate") as update:
        result = run_validation(samples or FROZEN, out, update, **sizes)
    result.save(out / RECORD)
    figures = docs.parent / "figures" if docs else out / "figures"
    for name, figure in draw(result).items():
        write_atomic(figures / f"simulation_{name}.png", render_png(figure))
    if docs and text is not None:
        write_atomic(docs, fill(text, result))
    reporter.line(f"validation           {out / RECORD}, figures in {figures}")
    if as_json:
        print_json(result.model_dump(mode="json"))


def _read(docs: Path) -> str:
    try:
        return docs.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{docs} must be a Markdown file that can be read: {error.strerror}") from None


def run_validation(
    samples: Path, out: Path, update: Update, *, crossings: int, interactions: int, jobs: int
) -> Validation:
    """Measure the samples in a folder; what else is needed is simulated into `out`, its interactions are kept."""
    from trigforge.events import read_events
    from trigforge.sim.collisions import ENHANCED_BIAS, ZERO_BIAS, CollisionConfig, Content, SampleConfig
    from trigforge.sim.collisions.frozen import find_samples
    from trigforge.sim.collisions.validation import pile_up_scan, reference_sample
    from trigforge.validation import measure
    from trigforge.validation.public import PUBLIC_PILE_UP

    found = find_samples(samples)
    missing = [name for name in (ENHANCED_BIAS, ZERO_BIAS) if name not in found]
    if missing:
        raise InputError(
            f"samples in {samples} must have {', '.join(missing)}; 'trigforge generate' makes them, with jets"
        )
    facts = _facts(out, interactions, lambda f, text: update(SHARE_GENERATOR * f, text))
    base = CollisionConfig(
        soft_interactions=interactions, hard_interactions=interactions, rare_interactions=interactions // 10, jobs=jobs
    )
    scratch = out / SCRATCH
    sample = SampleConfig(name=ENHANCED_BIAS, events=crossings, content=Content.LEVEL1)
    record, reference = reference_sample(
        base, sample, PUBLIC_PILE_UP, scratch, _share(update, SHARE_GENERATOR, SHARE_REFERENCE)
    )
    points = pile_up_scan(base, PILEUPS, crossings // 20, scratch, _share(update, SHARE_REFERENCE, 1.0))
    enhanced, natural = (read_events(samples / name) for name in (ENHANCED_BIAS, ZERO_BIAS))
    return measure((found[ENHANCED_BIAS], found[ZERO_BIAS], record), enhanced, natural, reference, facts, points)


def _share(update: Update, low: float, high: float) -> Update:
    return lambda fraction, text: update(low + (high - low) * fraction, text)


def _facts(out: Path, interactions: int, update: Update) -> GeneratorFacts:
    """The facts of Pythia, kept in a file, as they do not depend on the samples."""
    from trigforge.sim.collisions.validation import GeneratorFacts, generator_facts

    file = out / f"generator-{interactions}.json"
    if file.is_file():
        return GeneratorFacts.load(file)
    facts = generator_facts(interactions, interactions // 2, interactions // 10, update)
    facts.save(file)
    return facts
