"""One piece of a sample: overlay the crossings, run Level-1 and HLT, and fill the event schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge import units
from trigforge.sim.collisions.detector import TOWER_PHI
from trigforge.sim.collisions.hlt import hlt_jets, rho
from trigforge.sim.collisions.interactions import Interactions, ragged_take
from trigforge.sim.collisions.level1 import calo_objects
from trigforge.sim.collisions.mixing import Crossings, overlay
from trigforge.sim.collisions.muons import level1_muons

BLOCK: Final = 250
"""Crossings that are in memory with all their towers at a time."""

Numbers = npt.NDArray[Any]


def reconstruct(folder: Path, crossings: Crossings, seed: tuple[int, str, int], hlt_seed_gev: float) -> ak.Array:
    """Events of the crossings of the library in `folder`, in blocks; `seed` names the piece: (seed, sample, number)."""
    library = Interactions.load(folder)
    number, sample, piece = seed
    rng = np.random.default_rng([number, int.from_bytes(sample.encode(), "little"), piece])
    blocks = [
        reconstruct_block(library, crossings.part(first, min(first + BLOCK, len(crossings))), rng, hlt_seed_gev)
        for first in range(0, len(crossings), BLOCK)
    ]
    return ak.to_packed(ak.concatenate(blocks))


def reconstruct_block(
    library: Interactions, crossings: Crossings, rng: np.random.Generator, hlt_seed_gev: float
) -> ak.Array:
    """Events of a few crossings; those whose hardest Level-1 jet is below `hlt_seed_gev` get no HLT jets."""
    em, had = overlay(crossings, library, rng)
    calo = calo_objects(em, had)
    seeded = calo.jets[:, 0, 0] * units.PT_LSB_GEV >= max(hlt_seed_gev, units.PT_LSB_GEV)
    towers = em + had
    calo_phi = 2 * np.pi / units.CALO_PHI_STEPS
    return ak.Array(
        {
            "weight": crossings.weight,
            "L1MET": _words(np.insert(calo.met, 1, 0, axis=1), units.CALO_ETA_LSB, calo_phi),
            "L1EG": _lists(calo.egs, calo.eg_count, units.CALO_ETA_LSB, calo_phi),
            "L1Mu": _muons(library, crossings, rng),
            "L1Jet": _lists(calo.jets, calo.jet_count, units.CALO_ETA_LSB, calo_phi),
            "HLTJet": ak.values_astype(hlt_jets(towers, seeded), np.float32),
            "GenJet": _gen_jets(library, crossings),
            "rho": rho(towers).astype(np.float32),
            "nPU": np.maximum(np.diff(crossings.start) - 1, 0).astype(np.int32),
        }
    )


def _words(words: Numbers, eta_lsb: float, phi_lsb: float) -> ak.Array:
    """Records pt, eta, phi of words (m, 3)."""
    scales = {"pt": units.PT_LSB_GEV, "eta": eta_lsb, "phi": phi_lsb}
    return ak.zip({name: (words[:, i] * lsb).astype(np.float32) for i, (name, lsb) in enumerate(scales.items())})


def _lists(words: Numbers, count: Numbers, eta_lsb: float, phi_lsb: float) -> ak.Array:
    """Lists of records of the first `count` of padded words (n, slots, 3)."""
    present = np.arange(words.shape[1]) < count[:, None]
    return ak.unflatten(_words(words[present], eta_lsb, phi_lsb), count)


def _muons(library: Interactions, crossings: Crossings, rng: np.random.Generator) -> ak.Array:
    place, counts = ragged_take(library.muon_start, crossings.index)
    eta, phi = _oriented(library.muon_eta[place], library.muon_phi[place], crossings, counts)
    owner = np.repeat(crossings.owners(), counts)
    found = level1_muons(owner, len(crossings), library.muon_pt[place], eta, phi, rng)
    return ak.unflatten(_words(found.words, units.MUON_ETA_LSB, 2 * np.pi / units.MUON_PHI_STEPS), found.count)


def _gen_jets(library: Interactions, crossings: Crossings) -> ak.Array:
    place, counts = ragged_take(library.jet_start, crossings.index)
    eta, phi = _oriented(library.jet_eta[place], library.jet_phi[place], crossings, counts)
    columns = {"pt": library.jet_pt[place], "eta": eta, "phi": phi, "mass": library.jet_mass[place]}
    number = np.bincount(np.repeat(crossings.owners(), counts), minlength=len(crossings))
    jets = ak.unflatten(ak.zip({name: c.astype(np.float32) for name, c in columns.items()}), number)
    return jets[ak.argsort(jets.pt, ascending=False)]


def _oriented(eta: Numbers, phi: Numbers, crossings: Crossings, counts: Numbers) -> tuple[Numbers, Numbers]:
    """η and φ in [-π, π) as the crossings mirror and turn them; `counts` objects of each use."""
    sign = np.repeat(np.where(crossings.mirror, -1, 1), counts)
    turned = phi + np.repeat(crossings.turn, counts) * TOWER_PHI
    return eta * sign, np.mod(turned + np.pi, 2 * np.pi) - np.pi
