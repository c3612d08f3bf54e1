"""From stable particles to calorimeter towers and muon candidates: a fast CMS-like detector.

The grid has 0.087 × 2π/72 towers up to |η| = 4.96 (finer than the real forward calorimeters); a particle's energy
goes to the one tower it hits. Charged particles bend in 3.8 T; those that curl up before the calorimeter are lost.
Hadrons have the non-compensating response of Groom (arXiv:physics/0605164),
π/e = 1 - (1 - h/e) (E/1 GeV)^(m-1), scaled to 1 at 50 GeV. Deposits are log-normal with σ/E = a/√E ⊕ c.
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
GROOM_POWER: Final = 0.85
ECAL_INTERACTS: Final = 0.6
"""Probability that a hadron showers in the electromagnetic calorimeter (about one interaction length)."""
MIP_EM_GEV: Final = 0.3
MIP_HAD_GEV: Final = 2.0
FORWARD_ETA: Final = 3.0
EM_RESOLUTION: Final = ((0.08, 0.01), (2.0, 0.10))
HAD_RESOLUTION: Final = ((1.10, 0.07), (2.7, 0.13))
"""(a, c) of σ/E = a/√E ⊕ c, E in GeV, below and above `FORWARD_ETA`."""

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


@dataclass(frozen=True, slots=True)
class Particles:
    """Flat arrays of stable particles: the interaction each belongs to, its code, momentum and energy in GeV."""

    event: Ints
    pid: Ints
    pt: Floats
    eta: Floats
    phi: Floats
    energy: Floats

    def __getitem__(self, mask: npt.NDArray[Any]) -> Particles:
        return Particles(*(getattr(self, name)[mask] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Towers:
    """Lit towers, sorted by event and cell `ieta · 72 + iphi`; transverse energies in GeV."""

    event: Ints
    cell: Ints
    em: Floats
    had: Floats


def visible(particles: Particles) -> npt.NDArray[np.bool_]:
    """Whether a particle leaves its energy in a calorimeter: all but neutrinos and muons."""
    return ~np.isin(np.abs(particles.pid), (*NEUTRINOS, MUON))


def towers(particles: Particles, rng: np.random.Generator) -> Towers:
    """The calorimeter towers of the particles, smeared."""
    here = particles[(np.abs(particles.eta) < ETA_MAX) & ~np.isin(np.abs(particles.pid), NEUTRINOS)]
    phi, arrives = _at_calorimeter(here)
    here, phi = here[arrives], phi[arrives]
    em, had = _deposit(here, rng)
    ieta = np.clip(np.floor(here.eta / TOWER_ETA).astype(np.int64) + ETA_HALF, 0, N_ETA - 1)
    iphi = np.floor(phi / TOWER_PHI).astype(np.int64) % N_PHI
    key, place = np.unique((here.event * N_ETA + ieta) * N_PHI + iphi, return_inverse=True)
    transverse = 1 / np.cosh(here.eta)
    return Towers(
        event=key // (N_ETA * N_PHI),
        cell=key % (N_ETA * N_PHI),
        em=np.bincount(place, em * transverse, len(key)).astype(np.float64),
        had=np.bincount(place, had * transverse, len(key)).astype(np.float64),
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
    charge = np.isin(particles.pid, POSITIVE).astype(int) - np.isin(-particles.pid, POSITIVE)
    chord = _radius(particles.eta) * 0.3 * FIELD_T / (2 * particles.pt)
    bend = np.arcsin(np.minimum(chord, 1.0))
    return particles.phi - charge * bend, (charge == 0) | (chord < 1.0)


def _deposit(particles: Particles, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Measured energies in the electromagnetic and the hadronic calorimeter, in GeV."""
    energy, code, size = particles.energy, np.abs(particles.pid), len(particles.energy)
    showers = rng.random(size) < ECAL_INTERACTS
    early = np.where(showers, rng.random(size) * energy, np.minimum(MIP_EM_GEV, energy))
    response = hadron_response(energy)
    em, had = early * response, (energy - early) * response
    is_em, is_muon = np.isin(code, ELECTROMAGNETIC), code == MUON
    em, had = np.where(is_em, energy, em), np.where(is_em, 0.0, had)
    em = np.where(is_muon, np.minimum(MIP_EM_GEV, energy), em)
    had = np.where(is_muon, np.minimum(MIP_HAD_GEV, energy), had)
    forward = np.abs(particles.eta) > FORWARD_ETA
    return _smear(em, EM_RESOLUTION, forward, rng), _smear(had, HAD_RESOLUTION, forward, rng)


def hadron_response(energy: Floats) -> Floats:
    """Mean response to a hadron of `energy` GeV, 1 at 50 GeV."""
    groom = 1 - (1 - H_OVER_E) * np.maximum(energy, 1.0) ** (GROOM_POWER - 1)
    return np.asarray(groom / (1 - (1 - H_OVER_E) * 50.0 ** (GROOM_POWER - 1)))


def _smear(
    energy: Floats,
    resolution: tuple[tuple[float, float], tuple[float, float]],
    forward: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """Log-normal energies of mean `energy`."""
    (a, c), (a_forward, c_forward) = resolution
    stochastic, constant = np.where(forward, a_forward, a), np.where(forward, c_forward, c)
    variance = np.log1p(stochastic**2 / np.maximum(energy, 1e-3) + constant**2)
    return np.asarray(energy * np.exp(np.sqrt(variance) * rng.standard_normal(len(energy)) - variance / 2))
