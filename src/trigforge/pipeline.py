"""A run as a chain of stages: each knows what decides its result, so finished stages are kept and re-used."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from trigforge import __version__
from trigforge.config import STORED, RunConfig
from trigforge.errors import InputError
from trigforge.firmware.project import build_folder
from trigforge.locks import locked
from trigforge.ui import Reporter, Update
from trigforge.value import Value

RECORDS = "stages"


@dataclass(frozen=True, slots=True)
class Run:
    """Where a run keeps its files: `folder` for results, `projects` for the generated firmware trees."""

    config: RunConfig
    folder: Path
    projects: Path

    def path(self, *parts: str) -> Path:
        """A file of the run."""
        return self.folder.joinpath(*parts)

    @property
    def build(self) -> Path:
        """The folder of the generated HLS project and RTL."""
        return build_folder(self.projects, self.config.project.name)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a run.

    Its result is decided by `settings` of the configuration, by the results of the stages it `needs` and by `state`,
    a digest of files that others may change. `work` writes `outputs` (files of the run) and returns one line.
    `intact` tells whether what it made outside the run's folder is still there and still its own.
    """

    name: str
    needs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Callable[[RunConfig], str]
    work: Callable[[Run, Update], str]
    state: Callable[[Run], str] = lambda run: ""  # noqa: ARG005
    intact: Callable[[Run], bool] = lambda run: True  # noqa: ARG005


class StageRecord(Value):
    """A finished stage: the key of everything that decided it, how long it took and what it said."""

    stage: str
    key: str
    wall_seconds: float
    text: str


@contextmanager
def open_run(config: RunConfig, folder: Path, projects: Path) -> Iterator[Run]:
    """A run in `folder`, which is made, proved writable and kept from other processes, as is its build folder."""
    with ExitStack() as locks:
        for place in (folder, build_folder(projects, config.project.name)):
            locks.enter_context(locked(place))
        config.save(folder / STORED)
        yield Run(config, folder, projects)


def execute(
    run: Run,
    stages: Mapping[str, Stage],
    targets: Collection[str],
    reporter: Reporter,
    redo: Collection[str] = (),
) -> dict[str, StageRecord]:
    """Bring a run up to the `targets`, doing only what is not done yet, and `redo` in any case."""
    records: dict[str, StageRecord] = {}
    wanted = _closure(stages, targets)
    for name in (n for n in stages if n in wanted):
        stage = stages[name]
        key = _key(run, stage, records)
        kept = None if name in redo else _finished(run, stage, key)
        records[name] = kept or _perform(run, stage, key, reporter)
        note = "kept" if kept else f"{records[name].wall_seconds:.1f} s"
        reporter.line(f"{name:<10} {note:>8}  {records[name].text}")
    return records


def read_records(run: Run, stages: Mapping[str, Stage]) -> dict[str, StageRecord]:
    """The records of the finished stages, in order."""
    paths = {name: run.path(RECORDS, f"{name}.json") for name in stages}
    return {name: StageRecord.load(path) for name, path in paths.items() if path.is_file()}


def _perform(run: Run, stage: Stage, key: str, reporter: Reporter) -> StageRecord:
    record_path = run.path(RECORDS, f"{stage.name}.json")
    record_path.unlink(missing_ok=True)
    start = time.monotonic()
    with reporter.stage(stage.name) as update:
        text = stage.work(run, update)
    record = StageRecord(stage=stage.name, key=key, wall_seconds=time.monotonic() - start, text=text)
    record.save(record_path)
    return record


def _finished(run: Run, stage: Stage, key: str) -> StageRecord | None:
    path = run.path(RECORDS, f"{stage.name}.json")
    if not path.is_file() or not all(run.path(*output.split("/")).exists() for output in stage.outputs):
        return None
    try:
        record = StageRecord.load(path)
    except InputError:
        return None
    return record if record.key == key and stage.intact(run) else None


def _key(run: Run, stage: Stage, records: Mapping[str, StageRecord]) -> str:
    needed = [records[name].key for name in stage.needs]
    content = [stage.name, __version__, stage.settings(run.config), needed, stage.state(run)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _closure(stages: Mapping[str, Stage], targets: Collection[str]) -> set[str]:
    wanted = set(targets)
    for name in reversed(list(stages)):
        if name in wanted:
            wanted.update(stages[name].needs)
    return wanted
