"""`simulate`: from a configuration to samples of events in the schema of `trigforge.events`, in a folder.

Interactions and parts of samples are files that are complete or not there: what a kill left is kept, the rest is
made, and the result is the same. Memory does not grow with the number of events.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from trigforge import __version__
from trigforge.errors import InputError
from trigforge.events import read_metadata
from trigforge.events.files import PART
from trigforge.locks import locked
from trigforge.sim.collisions.config import CollisionConfig, SampleConfig
from trigforge.sim.collisions.generate import Library, Request, assemble, generate
from trigforge.sim.collisions.meter import Meter, Update, ignore
from trigforge.sim.collisions.mixing import PileUp, Pool, Span
from trigforge.sim.collisions.processes import HARD, RARE, SOFT, primary
from trigforge.sim.collisions.reconstruct import Part, make_part
from trigforge.sim.collisions.revision import source_revision
from trigforge.sim.collisions.workers import Workers, start_workers
from trigforge.value import Value

PART_EVENTS: Final = 30_000
PART_SHARE: Final = 8
"""So many times as many crossings go into a part if they are thinned."""
SAMPLE_FILE: Final = "sample.json"
LIBRARY: Final = "library"
SCRATCH: Final = ".library-"
PB_PER_MB: Final = 1e9
PYTHIA_COST: Final = 8.0
"""What one interaction costs, in crossings: a guess for the progress bar."""


class Sample(Value):
    """A finished sample: what it is, how it was made, and its sums of weights."""

    name: str
    title: str
    background: bool
    crossings: int
    """Made, of which `events` were kept."""

    events: int
    parts: int
    sum_w: float
    sum_w2: float
    cross_section_pb: float
    """Of the process; of a background, of inelastic collisions."""

    hard_fraction: float
    """Of the inelastic interactions: those above the join."""

    key: str
    config: CollisionConfig
    version: str
    revision: str
    """Of the source, if it was made in a checkout."""


def simulate(
    config: CollisionConfig, out: Path, update: Update = ignore, *, replace: bool = False
) -> dict[str, Sample]:
    """Make the samples in folders of their names in `out`; finished ones and finished pieces are kept.

    Σ weight of a background estimates 1, as that of a signal does. Level-1 words lie on the grid of
    `level1_contract()`, φ in [0, 2π) there and in [-π, π) for other jets. `GenJet` are the jets of all interactions
    but the soft ones. Raises `InputError` if `out` holds another sample of one of the names, unless it may `replace`
    it, and `CheckError` if a worker fails.
    """
    with locked(out):
        for stale in out.glob(f"{SCRATCH}*"):  # of a process that was killed
            shutil.rmtree(stale)
        for sample in config.samples if replace else ():
            if _keys(out / sample.name) - {config.key(sample)}:
                shutil.rmtree(out / sample.name)
        wanted = [sample for sample in config.samples if not _is_there(config, sample, out)]
        if wanted:
            with start_workers(config.jobs or os.cpu_count() or 1) as workers:
                _make(config, wanted, out, workers, update)
    update(1.0, "done")
    return {sample.name: Sample.load(out / sample.name / SAMPLE_FILE) for sample in config.samples}


def _is_there(config: CollisionConfig, sample: SampleConfig, out: Path) -> bool:
    """Whether a sample is finished; another one of its name is an error."""
    folder = out / sample.name
    if _keys(folder) - {config.key(sample)}:
        raise InputError(
            f"{folder} must be empty or hold the same sample, but it was made with other settings; "
            "choose another --out or remove it"
        )
    return (folder / SAMPLE_FILE).is_file()


def _keys(folder: Path) -> set[str]:
    """The keys of the sample that a folder holds, finished or not."""
    record = folder / SAMPLE_FILE
    if record.is_file():
        return {Sample.load(record).key}
    return {str(read_metadata(part).get("sample")) for part in folder.glob(PART)}


def _requests(config: CollisionConfig, samples: Sequence[SampleConfig]) -> list[Request]:
    """The interactions that samples need, in the order of the library: soft, hard, rare, then those of each process."""
    requests = []
    if config.pileup > 0:
        requests += [Request(SOFT, config.soft_interactions), Request(HARD, config.hard_interactions)]
    if any(sample.is_background for sample in samples):
        requests += [Request(process, config.rare_interactions) for process in RARE]
    return requests + [Request(primary(s.name), s.primaries) for s in _with_primary(samples)]


def _with_primary(samples: Sequence[SampleConfig]) -> list[SampleConfig]:
    return [sample for sample in samples if not sample.is_background]


@dataclass(frozen=True, slots=True)
class _Stock:
    """What the crossings of some samples are drawn from: a library in `folder`, pile-up, and a pool a process."""

    folder: Path
    pile_up: PileUp
    primaries: dict[str, Pool]
    libraries: dict[str, Library]
    inelastic_mb: float


def _stock(
    config: CollisionConfig, samples: Sequence[SampleConfig], libraries: Sequence[Library], folder: Path
) -> _Stock:
    weight = assemble(libraries, folder).weight
    inelastic = libraries[0].sigma_mb + libraries[1].sigma_mb if config.pileup > 0 else math.inf
    pools, first = [], 0
    for library in libraries:
        relative = np.array(weight[first : first + library.events])
        pools.append(Pool(first, relative / relative.mean(), config.pileup * library.sigma_mb / inelastic))
        first += library.events
    names = [sample.name for sample in _with_primary(samples)]
    common = len(libraries) - len(names)
    nothing = Pool(0, np.zeros(0), 0.0)
    return _Stock(
        folder=folder,
        pile_up=PileUp(pools[0], pools[1], tuple(pools[2:common])) if common else PileUp(nothing, nothing),
        primaries=dict(zip(names, pools[common:], strict=True)),
        libraries=dict(zip(names, libraries[common:], strict=True)),
        inelastic_mb=inelastic,
    )


def _make(config: CollisionConfig, samples: list[SampleConfig], out: Path, workers: Workers, update: Update) -> None:
    """Generate the interactions, then the missing parts, then the records of the samples."""
    requests = _requests(config, samples)
    interactions, crossings = sum(r.events for r in requests), sum(s.events for s in samples)
    share = PYTHIA_COST * interactions / (PYTHIA_COST * interactions + crossings)
    meter = Meter(update, "Pythia 8 interactions", interactions, 0.0, share)
    libraries = generate(requests, config.seed, out / LIBRARY, workers, meter)
    with TemporaryDirectory(prefix=SCRATCH, dir=out) as scratch:
        stock = _stock(config, samples, libraries, Path(scratch))
        meter = Meter(update, "crossings", crossings, share, 1.0)
        for sample in samples:
            parts = _parts(config, sample, stock, out / sample.name)
            missing = [part for part in parts if not part.file.is_file()]
            meter.skip(sample.events - sum(len(part.span) for part in missing))
            _run(workers, missing, meter)
            _record(config, sample, parts, stock).save(out / sample.name / SAMPLE_FILE)


def _run(workers: Workers, parts: Sequence[Part], meter: Meter) -> None:
    workers.run([partial(make_part, part) for part in parts], lambda place: meter(len(parts[place].span)))


def _parts(config: CollisionConfig, sample: SampleConfig, stock: _Stock, folder: Path) -> list[Part]:
    """The pieces of a sample."""
    size = PART_EVENTS * (PART_SHARE if sample.density else 1)
    starts = range(0, sample.events, size)
    spans = [Span(first, min(first + size, sample.events), sample.events) for first in starts]
    pool = stock.primaries.get(sample.name)
    return [
        Part(config, sample, span, stock.folder, stock.pile_up, pool, folder / f"part-{number:05d}.parquet")
        for number, span in enumerate(spans)
    ]


def _record(config: CollisionConfig, sample: SampleConfig, parts: Sequence[Part], stock: _Stock) -> Sample:
    notes = [read_metadata(part.file) for part in parts]
    library = stock.libraries.get(sample.name)
    hard = stock.pile_up.hard.mean / config.pileup if config.pileup else 0.0
    return Sample(
        name=sample.name,
        title=sample.title,
        background=sample.is_background,
        crossings=sample.events,
        events=sum(note["events"] for note in notes),
        parts=len(parts),
        sum_w=sum(note["sum_w"] for note in notes),
        sum_w2=sum(note["sum_w2"] for note in notes),
        cross_section_pb=(library.sigma_mb if library else stock.inelastic_mb) * PB_PER_MB,
        hard_fraction=hard,
        key=config.key(sample),
        config=config.model_copy(update={"samples": (sample,), "jobs": 0}),
        version=__version__,
        revision=source_revision(),
    )
