"""Other people's event files converted to ours: streamed, part by part, resumable after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import awkward as ak
import pyarrow.parquet as pq

from trigforge.errors import InputError
from trigforge.events.files import PART, write_events
from trigforge.events.formats import LABELLED_JETS, Format, default_chunk, detect, iterate
from trigforge.events.labelled import CLASSES, TOP_CLASSES, write_jets
from trigforge.value import Value

RECORD: Final = "import.json"
JET_CLASSES: Final = {Format.JET_TAGGING: CLASSES, Format.TOP_TAGGING: TOP_CLASSES}


class Import(Value):
    """What a folder of converted parts was made of; `events` is `None` until all of them are there."""

    source: str
    format: Format
    bytes: int
    chunk: int
    events: int | None = None


def convert_file(
    path: Path,
    folder: Path,
    chunk: int | None = None,
    fmt: Format | None = None,
    progress: Callable[[int], object] | None = None,
) -> Import:
    """Convert a file of any of the formats to `folder/part-*.parquet` of at least `chunk` events but for the last.

    Event files keep every value; labelled jets become the compact files of `write_jets` with all their constituents.
    Each part is complete or not there and its metadata say source, format and first event. A conversion that was
    killed goes on after its last part; a finished one is left alone. `progress` gets the events that each part adds.
    Raises `InputError` for a folder that holds something else.
    """
    found = detect(path) if fmt is None else fmt
    plan = Import(source=path.name, format=found, bytes=_size(path), chunk=chunk or default_chunk(found))
    before = _claim(folder, plan)
    if before.events is not None:
        return before
    parts = _parts_in_order(folder)
    events = sum(pq.read_metadata(part).num_rows for part in parts)
    for number, batch in enumerate(_batches(iterate(path, plan.chunk, events, fmt=found), plan.chunk), len(parts)):
        notes = {"source": plan.source, "format": str(found), "first": events}
        _write(folder / PART.replace("*", f"{number:05d}"), batch, found, notes)
        events += len(batch)
        if progress is not None:
            progress(len(batch))
    done = plan.model_copy(update={"events": events})
    done.save(folder / RECORD)
    return done


def _claim(folder: Path, plan: Import) -> Import:
    """The record of the same conversion in `folder`, or a new one there; `InputError` if it holds anything else."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} must be a folder, not a file; give another one")
    record = folder / RECORD
    if record.is_file():
        before = Import.load(record)
        if before.model_copy(update={"events": None}) != plan:
            raise InputError(
                f"{folder} must hold the conversion of {plan.source} ({plan.bytes} bytes, chunk {plan.chunk}), "
                f"not that of {before.source} ({before.bytes} bytes, chunk {before.chunk}); give another folder"
            )
        return before
    if any(folder.glob(PART)):
        raise InputError(f"{folder} must not hold {PART} of something else; give another folder")
    plan.save(record)
    return plan


def _parts_in_order(folder: Path) -> list[Path]:
    """The parts from the first one to before the first that is not there."""
    parts: list[Path] = []
    while (part := folder / PART.replace("*", f"{len(parts):05d}")).is_file():
        parts.append(part)
    return parts


def _batches(chunks: Iterator[ak.Array], size: int) -> Iterator[ak.Array]:
    """Chunks joined until they have at least `size` events."""
    waiting: list[ak.Array] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(map(len, waiting)) >= size:
            yield ak.concatenate(waiting)
            waiting = []
    if waiting:
        yield ak.concatenate(waiting)


def _write(part: Path, batch: ak.Array, fmt: Format, notes: dict[str, Any]) -> None:
    if fmt in LABELLED_JETS:
        longest = int(ak.max(ak.num(batch.Constituent), initial=0))
        write_jets(part, batch, JET_CLASSES[fmt], longest, notes)
    else:
        write_events(part, batch, notes)


def _size(path: Path) -> int:
    files = path.rglob("*.parquet") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
