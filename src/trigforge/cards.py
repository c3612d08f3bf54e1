"""Model cards: what a project's model is, how it came about, what it reaches, what it costs, what was proved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from trigforge.comparison_tables import LEGEND, scores_table, verdicts_table
from trigforge.contract import InputContract
from trigforge.errors import InputError
from trigforge.firmware.project import Project
from trigforge.firmware.synthesis.compare import Comparison as Estimates
from trigforge.models.metrics import Comparison
from trigforge.notation import count
from trigforge.report_tables import flatten
from trigforge.sim.cosim import Certificate
from trigforge.table import Table
from trigforge.value import Value, read_mapping
from trigforge.verification import CERTIFICATE_FILE

PROJECT_FILE, CARD_FILE, PAGE_FILE = "project.toml", "card.json", "README.md"
LICENCE: Final = "Apache-2.0, as trigforge; the events are its own simulation"


class CardTable(Value):
    """A table of text; the first `words` columns are words."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def markdown(self) -> str:
        """As Markdown."""
        return Table(self.head, self.rows, self.words).markdown()


class Resource(Value):
    """What one tool says of one block of a project."""

    subject: str
    stage: str
    tool: str
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram: int | None = None


class ModelCard(Value):
    """A reference project in figures, each measured and of a named tool, sample and program."""

    name: str
    title: str
    licence: str = LICENCE
    data: str
    """Which events trained and measured it."""
    contract: str
    words: int
    outputs: tuple[str, ...]
    training: dict[str, str]
    """What the training says of itself, key by key."""
    measured: dict[str, CardTable] = Field(default_factory=dict)
    part: str
    clock_ns: float
    latency_ns: float
    trigger_latency_ns: float | None = None
    levels: dict[str, tuple[int, int]]
    """By level of the certificate: words compared, words that differ."""
    resources: tuple[Resource, ...] = ()
    digests: dict[str, str]

    @property
    def lut(self) -> int | None:
        """LUTs of the core after technology mapping."""
        return next((r.lut for r in self.resources if r.subject == "core" and "Yosys" in r.tool), None)

    def page(self) -> str:
        """The card as Markdown."""
        timing = f"{self.latency_ns:g} ns from input to output port at {self.clock_ns:g} ns a clock, II 1"
        around = "" if self.trigger_latency_ns is None else f"; {self.trigger_latency_ns:g} ns with its trigger"
        levels = Table(
            ("level", "words", "that differ"),
            tuple((name, count(words), count(wrong)) for name, (words, wrong) in self.levels.items()),
        )
        cells = Table(
            ("block", "stage", "tool", "LUT", "FF", "DSP", "BRAM"),
            tuple(
                (r.subject, r.stage, r.tool, *("–" if n is None else count(n) for n in (r.lut, r.ff, r.dsp, r.bram)))
                for r in self.resources
            ),
            words=3,
        )
        training = Table(("training", ""), tuple(self.training.items()), words=2)
        measured = "".join(f"\n## {name}\n\n{table.markdown()}" for name, table in self.measured.items())
        measured += f"\n{LEGEND}\n" if measured else ""
        return (
            f"# {self.name}: {self.title}\n\n{self.data}\n\nInput: {self.words} words of contract `{self.contract}`; "
            f"output: {', '.join(self.outputs)}. Licence: {self.licence}.\n\n{training.markdown()}{measured}\n"
            f"## Firmware\n\n{timing}{around}, for {self.part}: measured in simulation; that it meets the clock is an "
            f"estimate.\n\n{levels.markdown()}\n{cells.markdown()}\n"
            + "".join(f"- {name} `{digest[:12]}`\n" for name, digest in self.digests.items())
        )


def make_card(folder: Path, data: str, comparison: Comparison | None, estimates: Estimates) -> ModelCard:
    """The card of a project whose certificate and golden digests are stored in its folder."""
    from trigforge.reference import GOLDEN_FILE, Golden, stored_certificate

    if not (folder / CERTIFICATE_FILE).is_file():
        raise InputError(
            f"{folder} must hold a certificate; 'python -m trigforge.reference {folder}' verifies and writes it"
        )
    project, certificate = Project.load(folder / PROJECT_FILE), stored_certificate(folder)
    golden, contract = Golden.load(folder / GOLDEN_FILE), InputContract.load(folder / "contract.json")
    return ModelCard(
        name=project.name,
        title=title_of(folder),
        data=data,
        contract=contract.name,
        words=contract.words,
        outputs=golden.outputs,
        training=_training(folder),
        measured={} if comparison is None else _tables(comparison),
        part=project.targets.part,
        clock_ns=certificate.clock_ns,
        latency_ns=certificate.latency_ns,
        trigger_latency_ns=certificate.trigger_latency_ns,
        levels=_levels(certificate),
        resources=tuple(
            Resource(subject=r.subject, stage=r.stage, tool=r.tool, lut=r.lut, ff=r.ff, dsp=r.dsp, bram=r.bram)
            for r in estimates.rows
            if r.lut is not None
        ),
        digests=dict(certificate.digests),
    )


def title_of(folder: Path) -> str:
    """What the first line of a project's file says of it."""
    first = (folder / PROJECT_FILE).read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip().removeprefix("Reference project:").strip().rstrip(".")


@dataclass(frozen=True, slots=True)
class Entry:
    """A project of the zoo: what it is called and is, and its certificate and card if it has them."""

    name: str
    title: str
    certificate: Certificate | None
    card: ModelCard | None


def find_entries(projects: Path) -> dict[str, Entry]:
    """The projects of a folder by name."""
    folders = {path.parent.name: path.parent for path in sorted(projects.glob(f"*/{PROJECT_FILE}"))}
    if not folders:
        raise InputError(f"--projects must hold folders with a {PROJECT_FILE}, but {projects} has none")
    return {
        name: Entry(
            name,
            title_of(folder),
            Certificate.load(folder / CERTIFICATE_FILE) if (folder / CERTIFICATE_FILE).is_file() else None,
            ModelCard.load(folder / CARD_FILE) if (folder / CARD_FILE).is_file() else None,
        )
        for name, folder in folders.items()
    }


def _levels(certificate: Certificate) -> dict[str, tuple[int, int]]:
    return {level.name: (level.words, level.mismatches) for level in certificate.levels}


def _tables(comparison: Comparison) -> dict[str, CardTable]:
    made = {"Scores on the same events": scores_table(comparison), "Against baselines": verdicts_table(comparison)}
    return {name: CardTable(head=t.head, rows=t.rows, words=t.words) for name, t in made.items()}


def _training(folder: Path) -> dict[str, str]:
    """What `training.json` says, its epochs summed up."""
    path = folder / "training.json"
    said: dict[str, Any] = read_mapping(path) if path.is_file() else {}
    epochs = said.pop("epochs", None)
    if isinstance(epochs, list) and epochs:
        last = epochs[-1]
        said |= {"epochs": len(epochs), "final loss": last["loss"], "final validation loss": last["validation_loss"]}
        said["seconds"] = round(sum(epoch["seconds"] for epoch in epochs))
        said.pop("chosen", None)
    return {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in _leaves(said)}


def _leaves(tree: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in flatten(json.loads(json.dumps(tree)))]
