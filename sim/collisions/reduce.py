"""What a trigger sees of generated interactions: Pythia's particles reduced to towers, muons and true jets."""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions import detector, flow
from trigforge.sim.collisions.detector import Particles
from trigforge.sim.collisions.interactions import Interactions
from trigforge.sim.collisions.jets import Jets, anti_kt, no_jets

GEN_JET_PT_MIN_GEV: Final = 8.0


def reduce_batch(batch: ak.Array, jets: bool, rng: np.random.Generator) -> Interactions:
    """The interactions of a batch of Pythia events; with `jets`, also their particle-level jets and their tracks."""
    particles, count = stable_particles(batch), len(batch)
    hits, found = detector.hits(particles, rng), flow.tracked(particles, rng)
    em, had = detector.towers(hits, rng)
    muons = detector.muons(particles, rng)
    tracks = flow.tracks(particles[found], rng)
    vertex = flow.has_vertex(np.bincount(tracks.event, minlength=count), rng)
    tracks = tracks if jets else tracks[:0]
    gen_jets = _gen_jets(particles, count) if jets else no_jets(count)
    scale = np.maximum(_highest(hits.event, em + had, count), _highest(muons.event, muons.pt, count))
    return Interactions(
        weight=ak.to_numpy(batch.info.weights[:, 0]).astype(np.float64),
        pt_hat=np.sqrt(ak.to_numpy(batch.info.pT2Hat)).astype(np.float32),
        scale=scale.astype(np.float32),
        vertex=vertex,
        tower_start=_starts(np.bincount(hits.event, minlength=count)),
        tower=hits.cell.astype(np.uint16),
        em=em.astype(np.float32),
        had=had.astype(np.float32),
        neutral=flow.neutral(hits, found).astype(np.float32),
        **_columns("muon", muons, count),
        muon_charge=detector.charge(muons).astype(np.int8),
        **_columns("track", tracks, count),
        jet_start=_starts(gen_jets.counts),
        jet_mass=gen_jets.mass.astype(np.float32),
        **_kinematics("jet", gen_jets),
    )


def _columns(name: str, particles: Particles, count: int) -> dict[str, npt.NDArray[Any]]:
    """`<name>_start`, `<name>_pt`, … of particles that are in order of their events."""
    return {f"{name}_start": _starts(np.bincount(particles.event, minlength=count)), **_kinematics(name, particles)}


def _kinematics(name: str, objects: Particles | Jets) -> dict[str, npt.NDArray[Any]]:
    return {f"{name}_{axis}": getattr(objects, axis).astype(np.float32) for axis in ("pt", "eta", "phi")}


def _highest(event: npt.NDArray[Any], values: npt.NDArray[Any], count: int) -> npt.NDArray[np.float64]:
    """The highest value of each event, 0 without any."""
    highest = np.zeros(count)
    np.maximum.at(highest, event, values)
    return highest


def _starts(counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def stable_particles(batch: ak.Array) -> Particles:
    """All final particles of a batch of Pythia events, flat."""
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


def _gen_jets(particles: Particles, count: int) -> Jets:
    """Particle-level jets of all visible particles but muons."""
    seen = particles[detector.visible(particles) & (np.abs(particles.eta) < detector.ETA_MAX)]
    counts = np.bincount(seen.event, minlength=count)
    return anti_kt(seen.pt, seen.eta, seen.phi, seen.energy, counts, GEN_JET_PT_MIN_GEV)
