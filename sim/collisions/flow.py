"""What an offline particle flow (arXiv:1706.04965) makes of the particles: tracks, and neutral energy in towers.

Charged particles are tracks, and the calorimeter adds what leaves none: photons, neutral hadrons, charged particles
that the tracker misses or does not cover, with hadrons calibrated to a response of 1. In a tower that tracks point
to, hadronic energy is neutral only where it exceeds their momenta by more than its resolution explains. Efficiencies
and resolutions are assumptions of the order of the CMS ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.sim.collisions.detector import (
    ELECTROMAGNETIC,
    FORWARD_ETA,
    HAD_UNIFORMITY,
    MUON,
    Floats,
    Hits,
    Ints,
    Particles,
    charge,
    log_normal,
    smear,
)

TRACKER_ETA: Final = 2.5
TRACK_PT_MIN_GEV: Final = 0.5
TRACK_PLATEAU: Final = (0.94, 0.88)
"""Efficiency of a track of high pt below and above `TRACK_BARREL_ETA`: one hadron in ten interacts on its way."""
TRACK_BARREL_ETA: Final = 1.5
TRACK_TURN_ON: Final = (0.3, 0.7)
"""The efficiency at pt is the plateau times 1 - 0.3 exp(-pt / 0.7 GeV)."""
TRACK_RESOLUTION: Final = ((1.5e-4, 0.01), (4.0e-4, 0.02))
"""(a, c) of σ/pt = a pt ⊕ c, pt in GeV, below and above `TRACK_BARREL_ETA`."""
PHOTON_RESOLUTION: Final = ((0.03, 0.01), (2.0, 0.10))
HADRON_RESOLUTION: Final = ((1.00, 0.05), (2.0, 0.10))
"""(a, c) of σ/E = a/√E ⊕ c offline, E in GeV, below and above `FORWARD_ETA`."""
EXCESS_SIGMAS: Final = 1.5
"""Standard deviations by which hadronic energy must exceed the tracks that point to a tower to be neutral."""
VERTEX_EFFICIENCY: Final = (0.0, 0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
"""Probability that an interaction of 0, 1, … tracks gives a primary vertex; the last for all larger numbers."""


def tracked(particles: Particles, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether the tracker finds a particle: charged, |η| < 2.5, pt > 0.5 GeV, and then by chance."""
    depth, scale = TRACK_TURN_ON
    plateau = np.where(np.abs(particles.eta) < TRACK_BARREL_ETA, *TRACK_PLATEAU)
    efficiency = plateau * (1 - depth * np.exp(-particles.pt / scale))
    charged = charge(particles) != 0
    inside = (np.abs(particles.eta) < TRACKER_ETA) & (particles.pt > TRACK_PT_MIN_GEV) & charged
    return np.asarray(inside & (rng.random(len(efficiency)) < efficiency))


def tracks(found: Particles, rng: np.random.Generator) -> Particles:
    """Tracks of the found particles but muons, which no jet takes: smeared pt above 0.5 GeV, η and φ at the vertex."""
    found = found[np.abs(found.pid) != MUON]
    a, c = (np.where(np.abs(found.eta) < TRACK_BARREL_ETA, *pair) for pair in zip(*TRACK_RESOLUTION, strict=True))
    pt = log_normal(found.pt, (a * found.pt) ** 2 + c**2, rng.standard_normal(len(a)))
    smeared = Particles(found.event, found.pid, pt, found.eta, found.phi, found.energy * pt / found.pt)
    return smeared[pt > TRACK_PT_MIN_GEV]


def has_vertex(tracks: Ints, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether interactions with these numbers of tracks (n,) give a reconstructed primary vertex."""
    efficiency = np.array(VERTEX_EFFICIENCY)[np.minimum(tracks, len(VERTEX_EFFICIENCY) - 1)]
    return np.asarray(rng.random(len(tracks)) < efficiency)


def neutral(hits: Hits, found: npt.NDArray[np.bool_]) -> Floats:
    """Transverse energies in GeV of the lit towers that are in no track; muons leave none.

    `found` marks the particles that are tracks, of all those that `hits` was made of.
    """
    particles, found = hits.particles, found[hits.place]
    code, forward = np.abs(particles.pid), np.abs(particles.eta) > FORWARD_ETA
    is_photon = np.isin(code, ELECTROMAGNETIC) & ~found
    is_hadron = ~np.isin(code, (*ELECTROMAGNETIC, MUON))
    photons = hits.sums(smear(np.where(is_photon, particles.energy, 0.0), PHOTON_RESOLUTION, forward, hits.em_draw))
    hadron = smear(np.where(is_hadron, particles.energy, 0.0), HADRON_RESOLUTION, forward, hits.had_draw)
    charged = np.where(is_hadron & found, particles.energy, 0.0)
    momenta, excess = hits.sums(charged), hits.gain * hits.sums(hadron) - hits.sums(charged)
    (a, c), _ = HADRON_RESOLUTION  # there are no tracks forward
    constant = c**2 + HAD_UNIFORMITY**2
    sigma = np.sqrt(a**2 * hits.sums(charged / np.cosh(particles.eta)) + constant * momenta**2)
    return photons + np.where(excess > EXCESS_SIGMAS * sigma, excess, 0.0)
