"""Generation: Pythia 8 interactions, reduced to `Interactions` as they come, in parallel and reproducibly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError, InputError
from trigforge.sim.collisions import detector
from trigforge.sim.collisions.detector import Particles
from trigforge.sim.collisions.interactions import Interactions, concatenate
from trigforge.sim.collisions.jets import anti_kt
from trigforge.sim.collisions.processes import JOIN_PT_HAT_GEV, Process, Role
from trigforge.sim.collisions.workers import Progress, Workers

BATCH = 200
"""Events that are in memory with all their particles at a time."""
GEN_JET_PT_MIN_GEV = 8.0
SEEDS = 900_000_000
"""Pythia takes seeds from 1 to 900 000 000."""


@dataclass(frozen=True, slots=True)
class Request:
    """So many interactions of a process."""

    process: Process
    events: int


@dataclass(frozen=True, slots=True)
class Library:
    """Generated interactions and their cross section in mb (for `soft`: that below the join)."""

    interactions: Interactions
    sigma_mb: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one Pythia instance generates; `mpi_file` keeps the 5 s initialisation of soft diffraction."""

    process: Process
    events: int
    seed: tuple[int, ...]
    mpi_file: Path | None


def generate(requests: Sequence[Request], seed: int, workers: Workers, advance: Progress) -> dict[str, Library]:
    """Generate all requests; the result depends on `requests` and `seed`, not on the number of workers.

    `advance` receives the cost of each finished piece, in all `cost(requests)`.
    """
    for request in requests:
        if request.events < 1:
            raise InputError(f"the number of {request.process.name} interactions must be ≥ 1, not {request.events!r}")
    with TemporaryDirectory(prefix="trigforge-") as folder:
        mpi_file = Path(folder) / "mpi.dat"
        chunks = {r.process.name: _chunks(r, seed, mpi_file) for r in requests}
        soft = [c for cs in chunks.values() for c in cs if c.process.role is Role.SOFT]
        rest = [c for cs in chunks.values() for c in cs if c.process.role is not Role.SOFT]
        first, second = soft[:1] + rest, soft[1:]  # the first soft chunk writes the file that the others read
        done = [
            library
            for stage in (first, second)
            for library in workers.run([partial(generate_chunk, c) for c in stage], list(map(_cost, stage)), advance)
        ]
    parts = dict(zip(first + second, done, strict=True))
    return {name: _join([parts[chunk] for chunk in pieces]) for name, pieces in chunks.items()}


def cost(requests: Sequence[Request]) -> float:
    """What `generate` costs, in units of one soft interaction."""
    return sum(_cost(r) for r in requests)


def _cost(piece: Request | Chunk) -> float:
    return piece.events * (1.0 if piece.process.role is Role.SOFT else 4.0)


def _chunks(request: Request, seed: int, mpi_file: Path) -> list[Chunk]:
    size = request.process.chunk
    name = int.from_bytes(request.process.name.encode(), "little")
    sizes = [min(size, request.events - start) for start in range(0, request.events, size)]
    reused = mpi_file if request.process.role is Role.SOFT else None
    return [Chunk(request.process, n, (seed, name, i), reused) for i, n in enumerate(sizes)]


def _join(parts: Sequence[Library]) -> Library:
    events = [len(part.interactions) for part in parts]
    sigma = float(np.average([part.sigma_mb for part in parts], weights=events))
    return Library(concatenate([part.interactions for part in parts]), sigma)


def generate_chunk(chunk: Chunk) -> Library:
    """Generate one chunk in this process."""
    sequence = np.random.SeedSequence(chunk.seed)
    rng = np.random.default_rng(sequence)
    pythia = _pythia(chunk, int(sequence.generate_state(1)[0]) % SEEDS + 1)
    parts: list[Interactions] = []
    missing, below, made = chunk.events, 0, 0
    while missing > 0:
        batch = pythia.nextBatch(min(BATCH, missing), errorMode="skip")
        if len(batch) == 0:
            raise CheckError(f"Pythia must generate {chunk.process.name} events, but all of a batch failed")
        chosen = np.flatnonzero(_in_sample(chunk.process, batch))
        below, made = below + len(chosen), made + len(batch)
        parts.append(_reduce(batch[chosen], chunk.process, rng))
        missing -= len(parts[-1])
    return Library(concatenate(parts), pythia.infoPython().sigmaGen() * below / made)


def _in_sample(process: Process, batch: ak.Array) -> npt.NDArray[np.bool_]:
    """Whether an event belongs to its side of the join."""
    below = ak.to_numpy(batch.info.pT2Hat) < JOIN_PT_HAT_GEV**2
    return below if process.role is Role.SOFT else np.ones_like(below)


def _pythia(chunk: Chunk, seed: int) -> Any:
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    commands = [*chunk.process.commands, "Random:setSeed = on", f"Random:seed = {seed}"]
    if chunk.mpi_file is not None:
        commands += [
            "MultipartonInteractions:reuseInit = 3",
            f"MultipartonInteractions:initFile = {chunk.mpi_file}",
        ]
    for command in commands:
        if not pythia.readString(command):
            raise CheckError(f"Pythia must accept the setting {command!r} of process {chunk.process.name}")
    if not pythia.init():
        raise CheckError(f"Pythia must initialise the process {chunk.process.name}, but it does not")
    return pythia


def _reduce(batch: ak.Array, process: Process, rng: np.random.Generator) -> Interactions:
    particles, count = _stable(batch), len(batch)
    towers = detector.towers(particles, rng)
    muons = detector.muons(particles, rng)
    jets = _gen_jets(particles, count) if process.role is not Role.SOFT else _no_jets(count)
    return Interactions(
        weight=ak.to_numpy(batch.info.weights[:, 0]).astype(np.float64),
        pt_hat=np.sqrt(ak.to_numpy(batch.info.pT2Hat)).astype(np.float32),
        tower_start=_starts(np.bincount(towers.event, minlength=count)),
        tower=towers.cell.astype(np.uint16),
        em=towers.em.astype(np.float32),
        had=towers.had.astype(np.float32),
        muon_start=_starts(np.bincount(muons.event, minlength=count)),
        muon_pt=muons.pt.astype(np.float32),
        muon_eta=muons.eta.astype(np.float32),
        muon_phi=muons.phi.astype(np.float32),
        jet_start=_starts(ak.to_numpy(ak.num(jets))),
        **{f"jet_{name}": ak.to_numpy(ak.flatten(jets[name])).astype(np.float32) for name in ak.fields(jets)},
    )


def _starts(counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _stable(batch: ak.Array) -> Particles:
    final = batch.prt[batch.prt.status > 0]
    flat = ak.flatten(final)
    px, py, pz, energy = (ak.to_numpy(flat.p[name]) for name in ("px", "py", "pz", "e"))
    pt = np.maximum(np.hypot(px, py), 1e-6)
    return Particles(
        event=np.repeat(np.arange(len(batch)), ak.to_numpy(ak.num(final))),
        pid=ak.to_numpy(flat.id).astype(np.int64),
        pt=pt,
        eta=np.arcsinh(pz / pt),
        phi=np.arctan2(py, px),
        energy=energy,
    )


def _gen_jets(particles: Particles, count: int) -> ak.Array:
    """Particle-level jets of all visible particles but muons."""
    seen = particles[detector.visible(particles) & (np.abs(particles.eta) < detector.ETA_MAX)]
    counts = np.bincount(seen.event, minlength=count)
    return anti_kt(seen.pt, seen.eta, seen.phi, seen.energy, counts, GEN_JET_PT_MIN_GEV)


def _no_jets(count: int) -> ak.Array:
    return ak.zip({name: ak.Array([[0.0]])[:, :0] for name in ("pt", "eta", "phi", "mass")})[np.zeros(count, int)]
