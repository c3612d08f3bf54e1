"""From stable particles to calorimeter towers and muon candidates: a fast CMS-like detector.

The grid has 0.087 × 2π/72 towers up to |η| = 4.96 (finer than the real forward calorimeters); a particle's energy
goes to the one tower it hits. Charged particles bend in 3.8 T; those that curl up before the calorimeter are lost.
Hadrons have the non-compensating response of Groom (arXiv:physics/0605164),
π/e = 1 - (1 - h/e) (E/1 GeV)^(m-1), in the hadronic calorimeter scaled to 1 at 50 GeV, while the electromagnetic one
is calibrated with electrons. Deposits are log-normal with σ/E = a/√E ⊕ c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge import units

TOWER_ETA: Final = 2 * units.CALO_ETA_LSB
ETA_HALF: Final = 57
N_ETA: Final = 2 * ETA_HALF
N_PHI: Final = units.CALO_PHI_STEPS // 2
TOWER_PHI: Final = 2 * np.pi / N_PHI
ETA_MAX: Final = ETA_HALF * TOWER_ETA

FIELD_T: Final = 3.8
RADIUS_M: Final = 1.29
"""Inner radius of the barrel calorimeter."""
FACE_M: Final = 3.1
"""Distance of the endcap calorimeters from the interaction point."""

H_OVER_E: Final = 0.7
ECAL_H_OVER_E: Final = 0.6
GROOM_POWER: Final = 0.85
ECAL_INTERACTS: Final = 0.6
"""Probability that a hadron showers in the electromagnetic calorimeter (about one interaction length)."""
MIP_EM_GEV: Final = 0.3
MIP_HAD_GEV: Final = 2.0
FORWARD_ETA: Final = 3.0
EM_RESOLUTION: Final = ((0.08, 0.01), (2.0, 0.10))
HAD_RESOLUTION: Final = ((1.10, 0.09), (2.7, 0.13))
"""(a, c) of σ/E = a/√E ⊕ c, E in GeV, below and above `FORWARD_ETA`."""
HAD_UNIFORMITY: Final = 0.10
"""Relative spread of the hadronic response from tower to tower: gaps, dead material, leakage."""
TRIGGER_UNIFORMITY: Final = 0.15
"""What the coarser calibration of the trigger adds. Both are chosen for jets to have about the published resolution."""

MUON_ETA_MAX: Final = 2.5
MUON_PT_MIN_GEV: Final = 2.0
NEUTRINOS: Final = (12, 14, 16)
MUON: Final = 13
ELECTROMAGNETIC: Final = (11, 22)
POSITIVE: Final = (-11, -13, 211, 321, 2212, 3222, -3112, -3312, -3334)
"""Codes of stable particles of charge +1; their antiparticles have -1."""
DECAYS_IN_FLIGHT: Final = ((211, 0.1396, 7.80, 1.0), (321, 0.4937, 3.71, 0.636))
"""Code, mass in GeV, cτ in m and branching fraction to µν."""
MUON_MASS_GEV: Final = 0.1057

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Resolution = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Particles:
    """Flat arrays of stable particles: the interaction each belongs to, its code, momentum and energy in GeV."""

    event: Ints
    pid: Ints
    pt: Floats
    eta: Floats
    phi: Floats
    energy: Floats

    def __getitem__(self, chosen: npt.NDArray[Any] | slice) -> Particles:
        return Particles(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Hits:
    """Particles that reach the calorimeter, their places among all particles, and the towers that they light.

    Lit towers are sorted by `event` and `cell` = ieta · 72 + iphi, (towers,); `tower` is that of each particle.
    `em_draw` and `had_draw` are normal: one shower fluctuates alike for trigger and offline. `gain` is the hadronic
    response of each tower.
    """

    particles: Particles
    place: Ints
    tower: Ints
    em_draw: Floats
    had_draw: Floats
    event: Ints
    cell: Ints
    gain: Floats

    def sums(self, energy: Floats) -> Floats:
        """Transverse energies of the towers."""
        return np.bincount(self.tower, energy / np.cosh(self.particles.eta), len(self.cell)).astype(np.float64)


def visible(particles: Particles) -> npt.NDArray[np.bool_]:
    """Whether a particle leaves its energy in a calorimeter: all but neutrinos and muons."""
    return ~np.isin(np.abs(particles.pid), (*NEUTRINOS, MUON))


def charge(particles: Particles) -> Ints:
    """1, 0 or -1."""
    return np.asarray(np.isin(particles.pid, POSITIVE).astype(int) - np.isin(-particles.pid, POSITIVE))


def hits(particles: Particles, rng: np.random.Generator) -> Hits:
    """What of the particles reaches the calorimeter, and where."""
    seen = np.flatnonzero((np.abs(particles.eta) < ETA_MAX) & ~np.isin(np.abs(particles.pid), NEUTRINOS))
    phi, arrives = _at_calorimeter(particles[seen])
    place, phi = seen[arrives], phi[arrives]
    here = particles[place]
    ieta = np.clip(np.floor(here.eta / TOWER_ETA).astype(np.int64) + ETA_HALF, 0, N_ETA - 1)
    iphi = np.floor(phi / TOWER_PHI).astype(np.int64) % N_PHI
    key, tower = np.unique((here.event * N_ETA + ieta) * N_PHI + iphi, return_inverse=True)
    return Hits(
        particles=here,
        place=place,
        tower=tower,
        em_draw=rng.standard_normal(len(place)),
        had_draw=rng.standard_normal(len(place)),
        event=key // (N_ETA * N_PHI),
        cell=key % (N_ETA * N_PHI),
        gain=log_normal(np.ones(len(key)), HAD_UNIFORMITY**2, rng.standard_normal(len(key))),
    )


def towers(hits: Hits, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Electromagnetic and hadronic transverse energies in GeV that the trigger sees in the lit towers."""
    em, had = _deposit(hits.particles, rng)
    forward = np.abs(hits.particles.eta) > FORWARD_ETA
    trigger = log_normal(hits.gain, TRIGGER_UNIFORMITY**2, rng.standard_normal(len(hits.gain)))
    return (
        hits.sums(smear(em, EM_RESOLUTION, forward, hits.em_draw)),
        hits.sums(smear(had, HAD_RESOLUTION, forward, hits.had_draw)) * trigger,
    )


def muons(particles: Particles, rng: np.random.Generator) -> Particles:
    """Muons of |η| < 2.5 and pt > 2 GeV, those of pions and kaons that decay before the calorimeter included."""
    central = particles[(np.abs(particles.eta) < MUON_ETA_MAX) & (particles.pt > MUON_PT_MIN_GEV)]
    code = np.abs(central.pid)
    share = (code == MUON).astype(np.float64)
    for pid, mass, ctau, branching in DECAYS_IN_FLIGHT:
        chosen = code == pid
        path = _radius(central.eta) * np.cosh(central.eta)
        momentum = central.pt * np.cosh(central.eta)
        decays = rng.random(len(code)) < branching * -np.expm1(-path * mass / (momentum * ctau))
        fraction = rng.uniform((MUON_MASS_GEV / mass) ** 2, 1.0, len(code))
        share = np.where(chosen & decays, fraction, share)
    found = Particles(central.event, central.pid, central.pt * share, central.eta, central.phi, central.energy)
    return found[found.pt > MUON_PT_MIN_GEV]


def _radius(eta: Floats) -> Floats:
    """Transverse distance at which a straight track of this η enters the calorimeter, in m."""
    return np.minimum(RADIUS_M, FACE_M / np.maximum(np.abs(np.sinh(eta)), 1e-6))


def _at_calorimeter(particles: Particles) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """φ at the face of the calorimeter, and whether the particle gets there."""
    sign = charge(particles)
    chord = _radius(particles.eta) * 0.3 * FIELD_T / (2 * particles.pt)
    bend = np.arcsin(np.minimum(chord, 1.0))
    return particles.phi - sign * bend, (sign == 0) | (chord < 1.0)


def _deposit(particles: Particles, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean energies that the electromagnetic and the hadronic calorimeter measure, in GeV."""
    energy, code, size = particles.energy, np.abs(particles.pid), len(particles.energy)
    showers = rng.random(size) < ECAL_INTERACTS
    early = np.where(showers, rng.random(size) * energy, np.minimum(MIP_EM_GEV, energy))
    em = early * groom(energy, ECAL_H_OVER_E)
    had = (energy - early) * hadron_response(energy)
    is_em, is_muon = np.isin(code, ELECTROMAGNETIC), code == MUON
    em, had = np.where(is_em, energy, em), np.where(is_em, 0.0, had)
    em = np.where(is_muon, np.minimum(MIP_EM_GEV, energy), em)
    had = np.where(is_muon, np.minimum(MIP_HAD_GEV, energy), had)
    return em, had


def hadron_response(energy: Floats) -> Floats:
    """Mean response of the hadronic calorimeter to a hadron of `energy` GeV, 1 at 50 GeV."""
    return groom(energy, H_OVER_E) / groom(np.array(50.0), H_OVER_E)


def groom(energy: Floats, h_over_e: float) -> Floats:
    """π/e of a hadron of `energy` GeV."""
    return np.asarray(1 - (1 - h_over_e) * np.maximum(energy, 1.0) ** (GROOM_POWER - 1))


def smear(energy: Floats, resolution: Resolution, forward: npt.NDArray[np.bool_], draw: Floats) -> Floats:
    """Log-normal energies of mean `energy` from normal draws; `resolution` is (a, c) in the barrel and forward."""
    (a, c), (a_forward, c_forward) = resolution
    stochastic, constant = np.where(forward, a_forward, a), np.where(forward, c_forward, c)
    return log_normal(energy, stochastic**2 / np.maximum(energy, 1e-3) + constant**2, draw)


def log_normal(mean: Floats, relative_variance: Floats | float, draw: Floats) -> Floats:
    """Log-normal values from normal draws."""
    variance = np.log1p(relative_variance)
    return np.asarray(mean * np.exp(np.sqrt(variance) * draw - variance / 2))
