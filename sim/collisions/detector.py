"""From stable particles to calorimeter towers and muon candidates: a fast CMS-like detector.

The grid has 0.087 × 2π/72 towers up to |η| = 4.96 (finer than the real forward calorimeters); a particle's energy
goes to the one tower it hits. Charged particles bend in 3.8 T; those that curl up before the calorimeter are lost.
Hadrons have the non-compensating response of Groom (arXiv:physics/0605164),
π/e = 1 - (1 - h/e) (E/1 GeV)^(m-1), in the hadronic calorimeter scaled to 1 at 50 GeV, while the electromagnetic one
is calibrated with electrons. Deposits are log-normal with σ/E = a/√E ⊕ c.

Offline, as particle flow does it (arXiv:1706.04965), charged particles are tracks, and the calorimeter adds what
leaves none: photons, neutral hadrons, charged particles that the tracker misses or does not cover. Hadrons are then
calibrated to a response of 1. In a tower that tracks point to, hadronic energy is neutral only where it exceeds
their momenta by more than its resolution explains. Efficiencies and resolutions are assumptions of the order of
the CMS ones.
"""

from __future__ import annotations

from collections.abc import Callable
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
EM_UNIFORMITY: Final = 0.03
HAD_UNIFORMITY: Final = 0.10
"""Relative spread of the response from tower to tower: calibration, gaps, dead material, leakage."""

TRACKER_ETA: Final = 2.5
TRACK_PT_MIN_GEV: Final = 0.5
TRACK_PLATEAU: Final = (0.94, 0.88)
"""Efficiency of a track of high pt below and above `TRACK_BARREL_ETA`: one hadron in ten interacts on its way."""
TRACK_BARREL_ETA: Final = 1.5
TRACK_TURN_ON: Final = (0.3, 0.7)
"""The efficiency at pt is the plateau times 1 - 0.3 exp(-pt / 0.7 GeV)."""
TRACK_RESOLUTION: Final = ((1.5e-4, 0.01), (4.0e-4, 0.02))
"""(a, c) of σ/pt = a pt ⊕ c, pt in GeV, below and above `TRACK_BARREL_ETA`."""
OFFLINE_PHOTON: Final = ((0.03, 0.01), (2.0, 0.10))
OFFLINE_HADRON: Final = ((1.00, 0.05), (2.0, 0.10))
"""(a, c) of σ/E = a/√E ⊕ c offline, E in GeV, below and above `FORWARD_ETA`."""
EXCESS_SIGMAS: Final = 1.5
"""Standard deviations by which hadronic energy must exceed the tracks that point to a tower to be neutral."""
VERTEX_EFFICIENCY: Final = (0.0, 0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
"""Probability that an interaction of 0, 1, … tracks gives a primary vertex; the last for all larger numbers."""

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

    def __getitem__(self, chosen: npt.NDArray[Any] | slice) -> Particles:
        return Particles(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Towers:
    """Lit towers, sorted by event and cell `ieta · 72 + iphi`; transverse energies in GeV.

    `em` and `had` are what a trigger sees, `neutral` what the calorimeter adds to the tracks offline.
    """

    event: Ints
    cell: Ints
    em: Floats
    had: Floats
    neutral: Floats


def visible(particles: Particles) -> npt.NDArray[np.bool_]:
    """Whether a particle leaves its energy in a calorimeter: all but neutrinos and muons."""
    return ~np.isin(np.abs(particles.pid), (*NEUTRINOS, MUON))


def charge(particles: Particles) -> Ints:
    """1, 0 or -1."""
    return np.asarray(np.isin(particles.pid, POSITIVE).astype(int) - np.isin(-particles.pid, POSITIVE))


def tracked(particles: Particles, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether the tracker finds a particle: charged, |η| < 2.5, pt > 0.5 GeV, and then by chance."""
    depth, scale = TRACK_TURN_ON
    plateau = np.where(np.abs(particles.eta) < TRACK_BARREL_ETA, *TRACK_PLATEAU)
    efficiency = plateau * (1 - depth * np.exp(-particles.pt / scale))
    inside = (np.abs(particles.eta) < TRACKER_ETA) & (particles.pt > TRACK_PT_MIN_GEV) & (charge(particles) != 0)
    return np.asarray(inside & (rng.random(len(efficiency)) < efficiency))


def tracks(found: Particles, rng: np.random.Generator) -> Particles:
    """Tracks of the found particles but muons, which no jet takes: smeared pt above 0.5 GeV, η and φ at the vertex."""
    found = found[np.abs(found.pid) != MUON]
    a, c = (np.where(np.abs(found.eta) < TRACK_BARREL_ETA, *pair) for pair in zip(*TRACK_RESOLUTION, strict=True))
    pt = _log_normal(found.pt, (a * found.pt) ** 2 + c**2, rng)
    smeared = Particles(found.event, found.pid, pt, found.eta, found.phi, found.energy * pt / found.pt)
    return smeared[pt > TRACK_PT_MIN_GEV]


def has_vertex(tracks: Ints, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether interactions with these numbers of tracks (n,) give a reconstructed primary vertex."""
    efficiency = np.array(VERTEX_EFFICIENCY)[np.minimum(tracks, len(VERTEX_EFFICIENCY) - 1)]
    return np.asarray(rng.random(len(tracks)) < efficiency)


def towers(particles: Particles, found: npt.NDArray[np.bool_], rng: np.random.Generator) -> Towers:
    """The calorimeter towers of the particles, smeared; `found` marks those that are tracks."""
    seen = (np.abs(particles.eta) < ETA_MAX) & ~np.isin(np.abs(particles.pid), NEUTRINOS)
    here, found = particles[seen], found[seen]
    phi, arrives = _at_calorimeter(here)
    here, found, phi = here[arrives], found[arrives], phi[arrives]
    ieta = np.clip(np.floor(here.eta / TOWER_ETA).astype(np.int64) + ETA_HALF, 0, N_ETA - 1)
    iphi = np.floor(phi / TOWER_PHI).astype(np.int64) % N_PHI
    key, place = np.unique((here.event * N_ETA + ieta) * N_PHI + iphi, return_inverse=True)

    def sums(energy: Floats) -> Floats:
        return np.bincount(place, energy / np.cosh(here.eta), len(key)).astype(np.float64)

    em, had = map(sums, _deposit(here, rng))
    em_gain, had_gain = (_log_normal(np.ones(len(key)), spread**2, rng) for spread in (EM_UNIFORMITY, HAD_UNIFORMITY))
    return Towers(
        event=key // (N_ETA * N_PHI),
        cell=key % (N_ETA * N_PHI),
        em=em * em_gain,
        had=had * had_gain,
        neutral=_trackless(here, found, sums, had_gain, rng),
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
    """Measured energies in the electromagnetic and the hadronic calorimeter, in GeV."""
    energy, code, size = particles.energy, np.abs(particles.pid), len(particles.energy)
    showers = rng.random(size) < ECAL_INTERACTS
    early = np.where(showers, rng.random(size) * energy, np.minimum(MIP_EM_GEV, energy))
    em = early * groom(energy, ECAL_H_OVER_E)
    had = (energy - early) * hadron_response(energy)
    is_em, is_muon = np.isin(code, ELECTROMAGNETIC), code == MUON
    em, had = np.where(is_em, energy, em), np.where(is_em, 0.0, had)
    em = np.where(is_muon, np.minimum(MIP_EM_GEV, energy), em)
    had = np.where(is_muon, np.minimum(MIP_HAD_GEV, energy), had)
    forward = np.abs(particles.eta) > FORWARD_ETA
    return _smear(em, EM_RESOLUTION, forward, rng), _smear(had, HAD_RESOLUTION, forward, rng)


def hadron_response(energy: Floats) -> Floats:
    """Mean response of the hadronic calorimeter to a hadron of `energy` GeV, 1 at 50 GeV."""
    return groom(energy, H_OVER_E) / groom(np.array(50.0), H_OVER_E)


def groom(energy: Floats, h_over_e: float) -> Floats:
    """π/e of a hadron of `energy` GeV."""
    return np.asarray(1 - (1 - h_over_e) * np.maximum(energy, 1.0) ** (GROOM_POWER - 1))


def _trackless(
    particles: Particles,
    found: npt.NDArray[np.bool_],
    sums: Callable[[Floats], Floats],
    had_gain: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Transverse energies in GeV of towers that are in no track; muons leave none. `sums` adds up energies."""
    code, forward = np.abs(particles.pid), np.abs(particles.eta) > FORWARD_ETA
    photon = np.isin(code, ELECTROMAGNETIC) & ~found
    hadron = ~np.isin(code, (*ELECTROMAGNETIC, MUON))
    photons = sums(_smear(np.where(photon, particles.energy, 0.0), OFFLINE_PHOTON, forward, rng))
    hadrons = had_gain * sums(_smear(np.where(hadron, particles.energy, 0.0), OFFLINE_HADRON, forward, rng))
    charged = np.where(hadron & found, particles.energy, 0.0)
    momenta = sums(charged)
    (a, c), _ = OFFLINE_HADRON  # there are no tracks forward
    sigma = np.sqrt(a**2 * sums(charged / np.cosh(particles.eta)) + (c**2 + HAD_UNIFORMITY**2) * momenta**2)
    significant = hadrons - momenta > EXCESS_SIGMAS * sigma
    return photons + np.where(significant, hadrons - momenta, 0.0)


def _smear(
    energy: Floats,
    resolution: tuple[tuple[float, float], tuple[float, float]],
    forward: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """Log-normal energies of mean `energy`."""
    (a, c), (a_forward, c_forward) = resolution
    stochastic, constant = np.where(forward, a_forward, a), np.where(forward, c_forward, c)
    return _log_normal(energy, stochastic**2 / np.maximum(energy, 1e-3) + constant**2, rng)


def _log_normal(mean: Floats, relative_variance: Floats | float, rng: np.random.Generator) -> Floats:
    variance = np.log1p(relative_variance)
    return np.asarray(mean * np.exp(np.sqrt(variance) * rng.standard_normal(len(mean)) - variance / 2))
