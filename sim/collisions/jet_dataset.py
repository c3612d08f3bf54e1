"""Samples of labelled jets in a folder: parts of equal shares of every class, shuffled, resumable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import awkward as ak
import numpy as np
from pydantic import Field, field_validator

from trigforge import __version__
from trigforge.errors import InputError
from trigforge.events.labelled import read_jets, read_notes, write_jets
from trigforge.events.labelled_hdf5 import write_jet_tagging, write_top_tagging
from trigforge.locks import locked
from trigforge.sim.collisions.labelled import JET_TAGGING_SOURCES, TOP_TAGGING_SOURCES, JetSource, labelled_jets
from trigforge.sim.collisions.meter import Meter, Update, ignore
from trigforge.sim.collisions.revision import source_digest, source_revision
from trigforge.sim.collisions.workers import start_workers
from trigforge.value import Value

JET_SAMPLES: Final = {"jet_tagging": JET_TAGGING_SOURCES, "top_tagging": TOP_TAGGING_SOURCES}
JET_SAMPLE_FILE: Final = "jets.json"
PART_JETS: Final = 500
"""Jets of each class in a part."""
EVENTS: Final = 400
"""Events of one Pythia run."""
EVENTS_OF_A_SHARE: Final = 1 << 20
"""More than the events behind the jets of one class in one part."""


class JetConfig(Value):
    """A sample of labelled jets: `jet_tagging` (five classes, 1 TeV) or `top_tagging`, no pile-up.

    `jets` in all, shared evenly by the classes; files keep the `constituents` hardest of each (0: none). `jobs` = 0
    takes all cores; results do not depend on it.
    """

    name: str
    jets: int = Field(ge=1)
    constituents: int = Field(default=150, ge=0, le=200)
    seed: int = Field(default=1, ge=0)
    jobs: int = Field(default=0, ge=0)

    @field_validator("name")
    @classmethod
    def _name_is_known(cls, name: str) -> str:
        if name not in JET_SAMPLES:
            raise ValueError(f"a sample of labelled jets must be one of {', '.join(JET_SAMPLES)}, not {name!r}")
        return name

    @property
    def sources(self) -> tuple[JetSource, ...]:
        """A source for every class."""
        return JET_SAMPLES[self.name]

    @property
    def key(self) -> str:
        """A digest of all that decides the sample, the code included."""
        alone: JetConfig = self.model_copy(update={"jobs": 0})
        return hashlib.sha256(f"{source_digest()} {alone.digest}".encode()).hexdigest()


class JetSample(Value):
    """A finished sample of labelled jets."""

    name: str
    classes: tuple[str, ...]
    jets: int
    parts: int
    key: str
    config: JetConfig
    version: str
    revision: str


@dataclass(frozen=True, slots=True)
class _Part:
    config: JetConfig
    number: int
    counts: tuple[int, ...]
    file: Path


def simulate_jets(config: JetConfig, out: Path, update: Update = ignore) -> JetSample:
    """Make the sample in a folder of its name in `out`; a finished one and finished parts are kept.

    Raises `InputError` if the folder holds another sample, `CheckError` if a worker fails.
    """
    folder = out / config.name
    with locked(out):
        _refuse_another(config, folder)
        parts = _parts(config, folder)
        missing = [part for part in parts if not part.file.is_file()]
        meter = Meter(update, "labelled jets", config.jets)
        meter.skip(config.jets - sum(sum(part.counts) for part in missing))
        with start_workers(config.jobs or os.cpu_count() or 1) as workers:
            tasks = [partial(_make_part, part) for part in missing]
            workers.run(tasks, lambda place: meter(sum(missing[place].counts)))
        sample = JetSample(
            name=config.name,
            classes=config.sources[0].selection.classes,
            jets=config.jets,
            parts=len(parts),
            key=config.key,
            config=config.model_copy(update={"jobs": 0}),
            version=__version__,
            revision=source_revision(),
        )
        if not (folder / JET_SAMPLE_FILE).is_file():
            sample.save(folder / JET_SAMPLE_FILE)
    return JetSample.load(folder / JET_SAMPLE_FILE)


def _refuse_another(config: JetConfig, folder: Path) -> None:
    keys = {str(read_notes(part)[1].get("sample")) for part in folder.glob("part-*.parquet")}
    if keys - {config.key}:
        raise InputError(
            f"{folder} must be empty or hold the same sample, but it was made with other settings; "
            "choose another --out or remove it"
        )


def _parts(config: JetConfig, folder: Path) -> list[_Part]:
    """Parts of `PART_JETS` of every class; the last takes what is left, the first classes the odd ones."""
    classes = len(config.sources)
    wanted = [config.jets // classes + (k < config.jets % classes) for k in range(classes)]
    count = -(-max(wanted) // PART_JETS)
    shares = [tuple(min(PART_JETS, max(w - n * PART_JETS, 0)) for w in wanted) for n in range(count)]
    return [_Part(config, n, share, folder / f"part-{n:05d}.parquet") for n, share in enumerate(shares)]


def _make_part(part: _Part) -> None:
    config = part.config
    first = part.number * len(config.sources)
    pieces = [
        _exactly(source, count, (config.seed, part.number), (first + place) * EVENTS_OF_A_SHARE)
        for place, (source, count) in enumerate(zip(config.sources, part.counts, strict=True))
    ]
    jets = ak.concatenate([piece for piece in pieces if len(piece)])
    order = np.random.default_rng([config.seed, part.number]).permutation(len(jets))
    classes = config.sources[0].selection.classes
    write_jets(part.file, jets[order], classes, config.constituents, {"sample": config.key})


def _exactly(source: JetSource, count: int, seed: Sequence[int], first: int) -> ak.Array:
    """So many jets of a source, from as many Pythia runs as that takes; events are numbered from `first` on."""
    found: list[ak.Array] = []
    while sum(map(len, found)) < count:
        jets = labelled_jets(source, EVENTS, (*seed, len(found))).jets
        found.append(ak.with_field(jets, jets.event + first + EVENTS * len(found), "event"))
    return ak.concatenate(found)[:count] if found else ak.Array([])


def export_jets(folder: Path, file: Path) -> None:
    """Write a finished sample as one HDF5 file in the layout of the public set of its name; all of it is in memory."""
    sample = JetSample.load(folder / JET_SAMPLE_FILE)
    jets = ak.concatenate([read_jets(part) for part in sorted(folder.glob("part-*.parquet"))])
    write = write_jet_tagging if sample.name == "jet_tagging" else write_top_tagging
    write(file, jets)
