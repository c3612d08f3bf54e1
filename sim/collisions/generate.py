"""Generation: Pythia 8 interactions, reduced to `Interactions` as they come, in parallel and reproducibly.

Each chunk is a file of its own that is complete or not there, so a library goes on where a kill left it and serves
every later sample of the same seed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError, InputError
from trigforge.sim.collisions.interactions import Interactions, concatenate
from trigforge.sim.collisions.meter import Meter
from trigforge.sim.collisions.processes import JOIN_PT_HAT_GEV, Process, Role
from trigforge.sim.collisions.reduce import reduce_batch
from trigforge.sim.collisions.revision import source_digest
from trigforge.sim.collisions.workers import Workers
from trigforge.value import write_atomic

BATCH: Final = 200
"""Events that are in memory with all their particles at a time."""
SEEDS: Final = 900_000_000
"""Pythia takes seeds from 1 to 900 000 000."""
MPI_FILE: Final = "multiparton.dat"
"""What Pythia computes in the 5 s of its initialisation with diffraction."""
SIGMA: Final = "sigma_mb"
MODULES: Final = ("detector", "flow", "generate", "interactions", "jets", "reduce")
"""The code that decides what is in a chunk."""


@dataclass(frozen=True, slots=True)
class Request:
    """So many interactions of a process."""

    process: Process
    events: int


@dataclass(frozen=True, slots=True)
class Library:
    """Generated interactions of one process, in files of chunks, and its cross section in mb.

    That of `soft` is what lies below the join.
    """

    process: Process
    files: tuple[Path, ...]
    events: int
    sigma_mb: float

    def read(self) -> Interactions:
        """All interactions, in memory."""
        return concatenate([_read(file) for file in self.files])


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one Pythia instance generates into `file`; `mpi_file` is read if it is there, else made."""

    process: Process
    events: int
    seed: tuple[int, ...]
    file: Path
    mpi_file: Path | None

    @property
    def mpi_file_is_there(self) -> bool:
        """Whether Pythia needs not compute it."""
        return self.mpi_file is not None and self.mpi_file.is_file()


def generate(requests: Sequence[Request], seed: int, folder: Path, workers: Workers, meter: Meter) -> list[Library]:
    """Bring the library in `folder` up to the requests, making only what is missing: one `Library` for each.

    The result depends on `requests` and `seed`, not on the number of workers nor on what was there before.
    """
    for request in requests:
        if request.events < 1:
            raise InputError(f"the number of {request.process.name} interactions must be ≥ 1, not {request.events!r}")
    pieces = [_chunks(request, seed, folder) for request in requests]
    wanted = list(dict.fromkeys(chunk for chunks in pieces for chunk in chunks))
    missing = [chunk for chunk in wanted if not chunk.file.is_file()]
    meter.skip(sum(chunk.events for chunks in pieces for chunk in chunks) - sum(chunk.events for chunk in missing))
    soft = [chunk for chunk in missing if chunk.mpi_file is not None]
    # The first chunk computes what the others read, so that no other chunk's seed can enter there.
    maker = [c for c in wanted if soft and c.mpi_file == soft[0].mpi_file and not soft[0].mpi_file_is_there][:1]
    first = maker + [chunk for chunk in missing if chunk.mpi_file is None]
    for stage in (first, [chunk for chunk in soft if chunk not in maker]):
        events = [chunk.events if chunk in missing else 0 for chunk in stage]
        workers.run([partial(generate_chunk, chunk) for chunk in stage], partial(_note, meter, events))
    return [_library(request.process, chunks) for request, chunks in zip(requests, pieces, strict=True)]


def _note(meter: Meter, events: Sequence[int], place: int) -> None:
    meter(events[place])


def _chunks(request: Request, seed: int, folder: Path) -> list[Chunk]:
    process = request.process
    name = int.from_bytes(process.name.encode(), "little")
    key = json.dumps([source_digest(*MODULES), process.commands, process.chunk, seed])
    place = folder / f"{process.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    sizes = [min(process.chunk, request.events - start) for start in range(0, request.events, process.chunk)]
    mpi_file = place / MPI_FILE if process.role is Role.SOFT else None
    return [Chunk(process, n, (seed, name, i), place / f"{i:05d}-{n}.npz", mpi_file) for i, n in enumerate(sizes)]


def _library(process: Process, chunks: Sequence[Chunk]) -> Library:
    sigmas = [float(np.load(chunk.file)[SIGMA]) for chunk in chunks]
    sigma = float(np.average(sigmas, weights=[chunk.events for chunk in chunks]))
    return Library(process, tuple(chunk.file for chunk in chunks), sum(chunk.events for chunk in chunks), sigma)


def _read(file: Path) -> Interactions:
    with np.load(file) as arrays:
        return Interactions(**{field.name: arrays[field.name] for field in fields(Interactions)})


def assemble(libraries: Sequence[Library], folder: Path) -> Interactions:
    """All interactions of the libraries, in order, in files of `folder` that are mapped into memory."""
    files = [file for library in libraries for file in library.files]
    names = [field.name for field in fields(Interactions)]
    lengths: dict[str, list[int]] = {name: [0] for name in names}
    for file in files:
        part = _read(file)
        for name in names:
            lengths[name].append(len(getattr(part, name)) - name.endswith("_start"))
    whole = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", getattr(part, name).dtype, (sum(lengths[name]) + name.endswith("_start"),)
        )
        for name in names
    }
    for place, file in enumerate(files, start=1):
        _copy(_read(file), whole, {name: sum(lengths[name][:place]) for name in names})
    del whole
    return Interactions.load(folder)


def _copy(part: Interactions, whole: dict[str, Any], first: dict[str, int]) -> None:
    """Put one part into its place; starts count on from what is there."""
    for name, array in whole.items():
        values = getattr(part, name)
        if name.endswith("_start"):
            values = values + (array[first[name]] if first[name] else 0)
        array[first[name] : first[name] + len(values)] = values


def generate_chunk(chunk: Chunk) -> None:
    """Generate one chunk in this process and write its file."""
    sequence = np.random.SeedSequence(chunk.seed)
    rng = np.random.default_rng(sequence)
    chunk.file.parent.mkdir(parents=True, exist_ok=True)
    scratch = None if chunk.mpi_file is None else chunk.mpi_file.with_name(f".{MPI_FILE}.{os.getpid()}")
    source = chunk.mpi_file if chunk.mpi_file_is_there else scratch
    pythia = start_pythia(chunk.process, int(sequence.generate_state(1)[0]) % SEEDS + 1, source)
    if scratch is not None and chunk.mpi_file is not None and scratch.is_file():
        scratch.replace(chunk.mpi_file)
    parts: list[Interactions] = []
    missing, below, made = chunk.events, 0, 0
    while missing > 0:
        batch = pythia.nextBatch(min(BATCH, missing), errorMode="skip")
        if len(batch) == 0:
            raise CheckError(f"Pythia must generate {chunk.process.name} events, but all of a batch failed")
        chosen = np.flatnonzero(_in_sample(chunk.process, batch))
        below, made = below + len(chosen), made + len(batch)
        parts.append(reduce_batch(batch[chosen], chunk.process.role is not Role.SOFT, rng))
        missing -= len(parts[-1])
    _write(concatenate(parts), pythia.infoPython().sigmaGen() * below / made, chunk.file)


def _write(interactions: Interactions, sigma_mb: float, file: Path) -> None:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {field.name: getattr(interactions, field.name) for field in fields(Interactions)}
    arrays[SIGMA] = np.float64(sigma_mb)
    np.savez(buffer, **arrays)
    write_atomic(file, buffer.getvalue())


def _in_sample(process: Process, batch: ak.Array) -> npt.NDArray[np.bool_]:
    """Whether an event belongs to its side of the join."""
    below = ak.to_numpy(batch.info.pT2Hat) < JOIN_PT_HAT_GEV**2
    return below if process.role is Role.SOFT else np.ones_like(below)


def start_pythia(process: Process, seed: int, mpi_file: Path | None = None) -> Any:
    """A Pythia instance of the process, ready to generate."""
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    commands = [*process.commands, "Random:setSeed = on", f"Random:seed = {seed}"]
    if mpi_file is not None:
        commands += ["MultipartonInteractions:reuseInit = 3", f"MultipartonInteractions:initFile = {mpi_file}"]
    for command in commands:
        if not pythia.readString(command):
            raise CheckError(f"Pythia must accept the setting {command!r} of process {process.name}")
    if not pythia.init():
        raise CheckError(f"Pythia must initialise the process {process.name}, but it does not")
    return pythia
