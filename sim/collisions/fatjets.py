"""Large-radius jets of one batch of Pythia events: particle flow, anti-kT jets and the partons that made them.

The detector is the CMS-like one of arXiv:1709.08705, which made the public jet-tagging set: tracks keep their
direction, photons and neutral hadrons fall into the cells of two grids, the hardest tracks count as neutral hadrons.
Pile-up, noise and the bending of tracks are left out, as they are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions import detector
from trigforge.sim.collisions.detector import Floats, Ints, Particles

ETA_MAX: Final = 3.0
ECAL_CELL: Final = 0.0175
HCAL_CELL: Final = 0.022
TRACK_PT_MAX_GEV: Final = 220.0
"""Harder charged hadrons are measured by the calorimeter."""
TRACK_RESOLUTION: Final = (0.00025, 0.015)
"""(a, c) of σ(pt)/pt = a·pt ⊕ c, pt in GeV."""
ECAL_RESOLUTION: Final = (0.027 * 1.6**0.5, 0.15 * 1.6, 0.005)
"""(a, b, c) of σ(E)/E = a/√E ⊕ b/E ⊕ c; 1.6 for the deposits of charged hadrons that are subtracted."""
HCAL_RESOLUTION: Final = (1.2 * 7**0.5, 0.0, 0.05)
"""The same; 7 because six times the energy of the neutral hadrons, that of the charged ones, is subtracted."""
PT_MIN_GEV: Final = 0.5
"""Softer tracks and cells are lost. Assumed; a jet then has 51 constituents on average, 49.4 in the public set."""

PHOTON: Final = 22
CHARGED_HADRON: Final = 211
NEUTRAL_HADRON: Final = 130
LEPTONS: Final = (11, 13)

GLUON: Final = 21
QUARK_MAX: Final = 6
W_BOSON: Final = 24
Z_BOSON: Final = 23
TOP: Final = 6
OUTGOING: Final = -23
"""Pythia's status of a parton that leaves the hardest subprocess."""


@dataclass(frozen=True, slots=True)
class Partons:
    """Flat arrays of gluons, quarks, and of W, Z and top that decay to quarks alone; code without its sign.

    `quark_eta` and `quark_phi` of shape (n, 3) are the directions of the decay quarks, NaN where there are fewer.
    """

    event: Ints
    code: Ints
    pt: Floats
    eta: Floats
    phi: Floats
    mass: Floats
    quark_eta: Floats
    quark_phi: Floats

    def __getitem__(self, chosen: npt.NDArray[Any]) -> Partons:
        return Partons(*(getattr(self, name)[chosen] for name in self.__slots__))


def particle_flow(particles: Particles, rng: np.random.Generator) -> Particles:
    """What is measured of the visible particles of |η| < 3, flat, sorted by event.

    Codes are ±211 for tracks, 22 for photon cells, 130 for neutral-hadron cells, the true ones for e and µ.
    """
    seen = particles[(np.abs(particles.eta) < ETA_MAX) & ~np.isin(np.abs(particles.pid), detector.NEUTRINOS)]
    charge = detector.charge(seen)
    lepton = np.isin(np.abs(seen.pid), LEPTONS)
    photon = seen.pid == PHOTON
    track = lepton | ((charge != 0) & (seen.pt < TRACK_PT_MAX_GEV))
    parts = [
        _tracks(seen[track], charge[track], rng),
        _cells(seen[photon], ECAL_CELL, PHOTON, ECAL_RESOLUTION, rng),
        _cells(seen[~track & ~photon], HCAL_CELL, NEUTRAL_HADRON, HCAL_RESOLUTION, rng),
    ]
    found = Particles(*(np.concatenate([getattr(p, name) for p in parts]) for name in Particles.__slots__))
    found = found[found.pt > PT_MIN_GEV]
    return found[np.argsort(found.event, kind="stable")]


def _tracks(particles: Particles, charge: Ints, rng: np.random.Generator) -> Particles:
    hadron = ~np.isin(np.abs(particles.pid), LEPTONS)
    a, c = TRACK_RESOLUTION
    factor = _log_normal((a * particles.pt) ** 2 + c**2, rng)
    return Particles(
        event=particles.event,
        pid=np.where(hadron, charge * CHARGED_HADRON, particles.pid),
        pt=particles.pt * factor,
        eta=particles.eta,
        phi=particles.phi,
        energy=particles.energy * factor,
    )


def _cells(
    particles: Particles, size: float, code: int, resolution: tuple[float, float, float], rng: np.random.Generator
) -> Particles:
    """The lit cells of a grid of squares of `size` in η and φ, each a massless particle at its centre."""
    rows, columns = int(2 * ETA_MAX / size) + 1, int(2 * np.pi / size)
    step = 2 * np.pi / columns
    row = np.floor((particles.eta + ETA_MAX) / size).astype(np.int64)
    column = np.floor(np.mod(particles.phi, 2 * np.pi) / step).astype(np.int64) % columns
    key, place = np.unique((particles.event * rows + row) * columns + column, return_inverse=True)
    energy = np.maximum(np.bincount(place, particles.energy, len(key)), 1e-3)
    a, b, c = resolution
    energy = energy * _log_normal(a**2 / energy + (b / energy) ** 2 + c**2, rng)
    eta = (key // columns % rows + 0.5) * size - ETA_MAX
    phi = (key % columns + 0.5) * step
    return Particles(
        event=key // (rows * columns),
        pid=np.full(len(key), code),
        pt=energy / np.cosh(eta),
        eta=eta,
        phi=np.where(phi >= np.pi, phi - 2 * np.pi, phi),
        energy=energy,
    )


def _log_normal(variance: Floats, rng: np.random.Generator) -> Floats:
    """Factors of mean 1 and of this relative variance."""
    squared = np.log1p(variance)
    return np.asarray(np.exp(np.sqrt(squared) * rng.standard_normal(len(variance)) - squared / 2))


def anti_kt_constituents(particles: Particles, count: int, radius: float, pt_min: float) -> ak.Array:
    """Anti-kT jets (arXiv:0802.1189) above `pt_min` GeV of `count` events, hardest first.

    Lists of pt, eta, phi, mass (the sum of the constituents) and `Constituent`, a list, hardest first, of pt, eta, phi,
    energy, pdgId. `particles` must be sorted by event.
    """
    import fastjet

    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)  # it would go to stdout; cite arXiv:1111.6097
    px, py, pz = _momentum(particles.pt, particles.eta, particles.phi)
    flat = ak.zip({"px": px, "py": py, "pz": pz, "E": particles.energy}, with_name="Momentum4D")
    events = np.bincount(particles.event, minlength=count)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    sequence = fastjet.ClusterSequence(ak.unflatten(flat, events), definition)
    members = sequence.constituent_index(min_pt=pt_min)
    columns = {"pt": particles.pt, "eta": particles.eta, "phi": particles.phi, "energy": particles.energy}
    every = ak.unflatten(ak.zip({**columns, "pdgId": particles.pid}), events)
    jets = every[ak.flatten(members, axis=2)]
    constituents = ak.unflatten(jets, ak.flatten(ak.num(members, axis=2), axis=None), axis=1)
    constituents = constituents[ak.argsort(constituents.pt, axis=2, ascending=False)]
    found = _sum(constituents)
    return found[ak.argsort(found.pt, ascending=False)]


def _momentum(pt: Any, eta: Any, phi: Any) -> tuple[Any, Any, Any]:
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)


def _sum(constituents: ak.Array) -> ak.Array:
    momentum = _momentum(constituents.pt, constituents.eta, constituents.phi)
    px, py, pz = (ak.sum(component, axis=2) for component in momentum)
    energy = ak.sum(constituents.energy, axis=2)
    pt = np.hypot(px, py)
    mass = np.sqrt(np.maximum(energy**2 - pt**2 - pz**2, 0.0))
    columns = {"pt": pt, "eta": np.arcsinh(pz / pt), "phi": np.arctan2(py, px), "mass": mass}
    return ak.zip({**columns, "Constituent": constituents}, depth_limit=2)


def partons(batch: ak.Array) -> Partons:
    """The gluons and quarks that leave the hard process, and the W, Z and top quarks that decay to quarks alone."""
    record = _Record.of(batch)
    code = np.abs(record.pid)
    first, last = record.first, record.last
    quark = (code > 0) & (code < QUARK_MAX)
    hard = np.flatnonzero((record.status == OUTGOING) & (quark | (code == GLUON)))
    two_body = last == first + 1
    boson = np.flatnonzero(np.isin(code, (W_BOSON, Z_BOSON)) & two_body & quark[first] & quark[last])
    top = np.flatnonzero((code == TOP) & two_body & ((code[first] == W_BOSON) | (code[last] == W_BOSON)))
    w = np.where(code[first[top]] == W_BOSON, first[top], last[top])
    down = first[top] + last[top] - w
    while np.any(copied := code[first[w]] == W_BOSON):
        w = np.where(copied, first[w], w)
    hadronic = np.isin(w, boson)
    top, w, down = top[hadronic], w[hadronic], down[hadronic]
    beyond = np.full((len(code), 3), len(code))
    pair = np.column_stack([first[boson], last[boson], beyond[: len(boson), 0]])
    triple = np.column_stack([first[w], last[w], down])
    return record.partons(np.concatenate([hard, boson, top]), np.concatenate([beyond[: len(hard)], pair, triple]))


@dataclass(frozen=True, slots=True)
class _Record:
    """The event records of a batch, flat; `first` and `last` are places of daughters, 0 without one."""

    event: Ints
    pid: Ints
    status: Ints
    first: Ints
    last: Ints
    px: Floats
    py: Floats
    pz: Floats
    mass: Floats

    @classmethod
    def of(cls, batch: ak.Array) -> _Record:
        counts = ak.to_numpy(ak.num(batch.prt))
        start = np.repeat(np.cumsum(counts) - counts, counts)
        flat = ak.flatten(batch.prt)
        first = ak.to_numpy(flat.daughter1).astype(np.int64)
        last = np.maximum(ak.to_numpy(flat.daughter2), first)
        return cls(
            event=np.repeat(np.arange(len(counts)), counts),
            pid=ak.to_numpy(flat.id).astype(np.int64),
            status=ak.to_numpy(flat.status).astype(np.int64),
            first=start + first,
            last=start + last,
            px=ak.to_numpy(flat.p.px),
            py=ak.to_numpy(flat.p.py),
            pz=ak.to_numpy(flat.p.pz),
            mass=ak.to_numpy(flat.m),
        )

    def partons(self, chosen: Ints, quarks: Ints) -> Partons:
        """The particles at `chosen`, with quarks at `quarks` (n, 3); places beyond the record are no quarks."""
        pt = np.maximum(np.hypot(self.px, self.py), 1e-6)
        eta, phi = np.append(np.arcsinh(self.pz / pt), np.nan), np.append(np.arctan2(self.py, self.px), np.nan)
        return Partons(
            event=self.event[chosen],
            code=np.abs(self.pid[chosen]),
            pt=pt[chosen],
            eta=eta[chosen],
            phi=phi[chosen],
            mass=self.mass[chosen],
            quark_eta=eta[quarks],
            quark_phi=phi[quarks],
        )


def match(event: Ints, eta: Floats, phi: Floats, truth: Partons, radius: float) -> Ints:
    """The place in `truth` of the one parton inside each jet, -1 where none or several are.

    A parton is inside if it and all its decay quarks are within ΔR = `radius` of the axis of the jet. The partons that
    are compared are those of `truth`, so leave out what must not compete.
    """
    jet, parton = np.nonzero(event[:, None] == truth.event[None, :])
    near = _within(eta[jet], phi[jet], truth.eta[parton], truth.phi[parton], radius)
    for quark in range(truth.quark_eta.shape[1]):
        there = truth.quark_eta[parton, quark], truth.quark_phi[parton, quark]
        near &= np.isnan(there[0]) | _within(eta[jet], phi[jet], *there, radius)
    jet, parton = jet[near], parton[near]
    single = np.bincount(jet, minlength=len(event)) == 1
    place = np.full(len(event), -1)
    place[jet] = parton
    return np.where(single, place, -1)


def _within(eta: Floats, phi: Floats, other_eta: Floats, other_phi: Floats, radius: float) -> npt.NDArray[np.bool_]:
    turn = np.mod(phi - other_phi + np.pi, 2 * np.pi) - np.pi
    return np.asarray((eta - other_eta) ** 2 + turn**2 < radius**2)
