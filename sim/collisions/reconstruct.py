"""One part of a sample: draw its crossings, overlay them, run Level-1 and HLT, and write the events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numba
import numpy as np
import numpy.typing as npt

from trigforge import units
from trigforge.events import write_events
from trigforge.precision import round_mantissa
from trigforge.sim.collisions import mixing
from trigforge.sim.collisions.config import ENHANCED_BIAS, ZERO_BIAS, CollisionConfig, Content, SampleConfig
from trigforge.sim.collisions.detector import TOWER_PHI
from trigforge.sim.collisions.hlt import hlt_jets, rho
from trigforge.sim.collisions.interactions import FloatArray, Interactions, ragged_take
from trigforge.sim.collisions.level1 import calo_objects, coarse, regions
from trigforge.sim.collisions.matching import match_jets
from trigforge.sim.collisions.mixing import Crossings, PileUp, Pool, Span, Uses
from trigforge.sim.collisions.muons import level1_muons
from trigforge.sim.collisions.offline import Tracks, offline_jets, rho_offline
from trigforge.sim.collisions.overlay import overlay, overlay_neutral
from trigforge.sim.collisions.thinning import thin

BLOCK: Final = 1000
"""Crossings that are in memory with all their towers at a time."""
MANTISSA_BITS: Final = {"pt": 10, "mass": 8, "area": 8}
ANGLE_STEP: Final = 1 / 256
"""What is kept of jets in files: pt to 0.05 %, η and φ to 0.002, far below any resolution."""
GEN_SHARE: Final = 0.6
"""True jets are kept from this share of the least pt of reconstructed ones on."""
CALO_PHI: Final = 2 * np.pi / units.CALO_PHI_STEPS
MUON_PHI: Final = 2 * np.pi / units.MUON_PHI_STEPS

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sample to make: its crossings, what they are drawn from, and its file."""

    config: CollisionConfig
    sample: SampleConfig
    span: Span
    library: Path
    pile_up: PileUp
    primary: Pool | None
    file: Path


def make_part(part: Part) -> None:
    """Simulate a part and write its file, with the sample's key and the sums of weights in its metadata."""
    library = Interactions.load(part.library)
    name = int.from_bytes(part.sample.name.encode(), "little")
    rng = np.random.default_rng([part.config.seed, name, part.span.first])
    crossings = draw(part, rng)
    starts = range(0, len(crossings), BLOCK)
    blocks = [
        reconstruct(library, crossings.part(first, min(first + BLOCK, len(crossings))), part.config, part.sample, rng)
        for first in starts
    ]
    events = ak.concatenate(blocks)
    weight = ak.to_numpy(events["weight"])
    notes = {
        "sample": part.config.key(part.sample),
        "events": len(events),
        "sum_w": float(weight.sum()),
        "sum_w2": float((weight**2).sum()),
    }
    write_events(part.file, ak.with_field(events, _numbers(part, events), "interaction"), notes)


def _numbers(part: Part, events: ak.Array) -> npt.NDArray[np.int32]:
    """Interactions numbered as in a library of this sample alone, so that other samples beside it change nothing."""
    place = np.asarray(ak.to_numpy(events["interaction"]), np.int32)
    if part.primary is None:
        return place
    common = len(part.pile_up.soft.weight) + len(part.pile_up.hard.weight)
    return np.where(place >= part.primary.first, place - part.primary.first + common, place).astype(np.int32)


def draw(part: Part, rng: np.random.Generator) -> Crossings:
    """The crossings of a part."""
    spill = len(part.config.pulses)
    if part.sample.name == ZERO_BIAS:
        return mixing.zero_bias(part.pile_up, part.span, spill, rng)
    if part.sample.name == ENHANCED_BIAS:
        return mixing.enhanced_bias(part.pile_up, part.span, spill, rng)
    assert part.primary is not None
    return mixing.signal(part.pile_up, part.primary, part.span, spill, rng)


def reconstruct(
    library: Interactions, crossings: Crossings, config: CollisionConfig, sample: SampleConfig, rng: np.random.Generator
) -> ak.Array:
    """Events of a few crossings, thinned if the sample is."""
    em, had = overlay(crossings, library, config.pulses, rng)
    calo, now = calo_objects(em, had), crossings.now
    columns: dict[str, Any] = {
        "interaction": leading(now, library),
        "nPU": np.maximum(np.diff(now.start) - 1, 0).astype(np.int32),
        "L1MET": _words(np.insert(calo.met, 1, 0, axis=1), units.CALO_ETA_LSB, CALO_PHI),
        "L1HT": ak.zip({"pt": (calo.ht * units.PT_LSB_GEV).astype(np.float32)}),
        "L1EG": _lists(calo.egs, calo.eg_count, iso=calo.eg_iso),
        "L1Mu": _muons(library, now, rng),
        "L1Jet": _lists(calo.jets, calo.jet_count),
    }
    events = ak.Array(columns)
    thinned = thin(events, crossings.weight, sample.density, rng)
    kept, more = thinned.kept, {"weight": thinned.weight}
    if sample.regions:
        words = coarse(regions(em[kept], had[kept]), sample.region_step)
        more["L1Region"] = ak.from_regular(ak.from_numpy(words, regulararray=True))
    if sample.content is Content.JETS:
        seeded = calo.jets[kept, 0, 0] * units.PT_LSB_GEV >= max(config.hlt_seed_gev, units.PT_LSB_GEV)
        more |= _jets(library, now.of(kept), (em + had)[kept], seeded, config.jet_pt_min_gev)
    chosen = events[kept]
    return ak.zip({**{name: chosen[name] for name in columns}, **more}, depth_limit=1)


def leading(uses: Uses, library: Interactions) -> npt.NDArray[np.int32]:
    """Place in the library of the interaction with the highest tower or muon in each crossing, -1 if it has none."""
    return np.asarray(_leading(uses.start, uses.index, library.scale))


kernel: Any = numba.njit(cache=True, nogil=True)


@kernel
def _leading(start, index, scale):  # type: ignore[no-untyped-def]
    found = np.full(len(start) - 1, -1, np.int32)
    for crossing in range(len(found)):
        for use in range(start[crossing], start[crossing + 1]):
            if found[crossing] < 0 or scale[index[use]] > scale[found[crossing]]:
                found[crossing] = index[use]
    return found


def _jets(
    library: Interactions, uses: Uses, towers: FloatArray, seeded: npt.NDArray[np.bool_], pt_min: float
) -> dict[str, Any]:
    """Jets of the same crossings at HLT, offline and at particle level, with the densities under them."""
    primary = _primary(uses.start, uses.index, library.track_start, library.track_pt)
    gen = _gen_jets(library, uses, primary)
    gen = gen[gen.pt >= GEN_SHARE * pt_min]
    neutral = overlay_neutral(uses, library)
    online, offline = rho(towers), rho_offline(neutral)
    hlt = _standing_out(hlt_jets(towers, seeded), online, pt_min)
    jets = _standing_out(offline_jets(neutral, _tracks(library, uses, primary), seeded), offline, pt_min)
    vertices = np.bincount(uses.owners(), library.vertex[uses.index], len(seeded))
    return {
        "HLTJet": ak.with_field(_rounded(hlt), match_jets(hlt, gen), "genJetIdx"),
        "Jet": ak.with_field(_rounded(jets), _match_primary(jets, gen), "genJetIdx"),
        "GenJet": _rounded(gen),
        "rho": round_mantissa(online, MANTISSA_BITS["pt"]),
        "rhoOffline": round_mantissa(offline, MANTISSA_BITS["pt"]),
        "nPV": vertices.astype(np.int32),
    }


def _standing_out(jets: ak.Array, density: Numbers, pt_min: float) -> ak.Array:
    """Jets with at least `pt_min` GeV of pt - ρ·area."""
    return jets[jets.pt - density * jets.area >= pt_min]


def _match_primary(jets: ak.Array, gen: ak.Array) -> ak.Array:
    """`genJetIdx` of jets among the true jets of the primary vertex."""
    here = gen.primary == 1
    index = match_jets(jets, gen[here])
    places = ak.local_index(gen.pt)[here]
    found = ak.fill_none(places[ak.mask(index, index >= 0)], -1)
    return ak.values_astype(found, np.int16)


def _rounded(jets: ak.Array) -> ak.Array:
    """Jets with as many digits as mean something."""
    flat = {name: ak.to_numpy(ak.flatten(jets[name])) for name in ak.fields(jets)}
    for name, bits in MANTISSA_BITS.items():
        if name in flat:
            flat[name] = round_mantissa(flat[name], bits)
    for name in ("eta", "phi"):
        flat[name] = (np.rint(flat[name] / ANGLE_STEP) * ANGLE_STEP).astype(np.float32)
    return ak.unflatten(ak.zip(flat), ak.num(jets))


def _words(words: Numbers, eta_lsb: float, phi_lsb: float) -> ak.Array:
    """Records pt, eta, phi of words (m, 3)."""
    scales = {"pt": units.PT_LSB_GEV, "eta": eta_lsb, "phi": phi_lsb}
    return ak.zip({name: (words[:, i] * lsb).astype(np.float32) for i, (name, lsb) in enumerate(scales.items())})


def _lists(words: Numbers, count: Numbers, **extra: Numbers) -> ak.Array:
    """Lists of records of the first `count` of padded calorimeter words (n, slots, 3) and `extra` fields (n, slots)."""
    present = np.arange(words.shape[1]) < count[:, None]
    found = _words(words[present], units.CALO_ETA_LSB, CALO_PHI)
    for name, values in extra.items():
        found = ak.with_field(found, values[present], name)
    return ak.unflatten(found, count)


def _muons(library: Interactions, uses: Uses, rng: np.random.Generator) -> ak.Array:
    place, counts = ragged_take(library.muon_start, uses.index)
    eta, phi = _oriented(library.muon_eta[place], library.muon_phi[place], uses, counts)
    owner = np.repeat(uses.owners(), counts)
    pt, charge = library.muon_pt[place], library.muon_charge[place]
    found = level1_muons(owner, len(uses.start) - 1, pt, eta, phi, charge, rng)
    muons = ak.with_field(_words(found.words, units.MUON_ETA_LSB, MUON_PHI), found.charge, "charge")
    return ak.unflatten(muons, found.count)


def _tracks(library: Interactions, uses: Uses, primary: Numbers) -> Tracks:
    """The tracks of the primary vertex of each crossing; the others' are dropped (charged-hadron subtraction)."""
    owner, here = np.flatnonzero(primary >= 0), primary[primary >= 0]
    first = Uses(np.arange(len(here) + 1), uses.index[here], uses.turn[here], uses.mirror[here])
    place, counts = ragged_take(library.track_start, first.index)
    eta, phi = _oriented(library.track_eta[place], library.track_phi[place], first, counts)
    return Tracks(np.repeat(owner, counts), library.track_pt[place], eta, phi)


@kernel
def _primary(start, index, track_start, track_pt):  # type: ignore[no-untyped-def]
    """Place among the uses of the primary vertex, that of the largest Σ pt² of tracks, of each crossing; -1 if none."""
    found = np.full(len(start) - 1, -1)
    for crossing in range(len(found)):
        best = 0.0
        for use in range(start[crossing], start[crossing + 1]):
            total = 0.0
            for track in range(track_start[index[use]], track_start[index[use] + 1]):
                total += track_pt[track] ** 2
            if total > best:
                best, found[crossing] = total, use
    return found


def _gen_jets(library: Interactions, uses: Uses, primary: Numbers) -> ak.Array:
    place, counts = ragged_take(library.jet_start, uses.index)
    eta, phi = _oriented(library.jet_eta[place], library.jet_phi[place], uses, counts)
    columns = {"pt": library.jet_pt[place], "eta": eta, "phi": phi, "mass": library.jet_mass[place]}
    jets = ak.zip({name: column.astype(np.float32) for name, column in columns.items()})
    use = np.repeat(np.arange(len(uses.index)), counts)
    owner = np.repeat(uses.owners(), counts)
    jets = ak.with_field(jets, (use == primary[owner]).astype(np.int8), "primary")
    jets = ak.unflatten(jets, np.bincount(owner, minlength=len(primary)))
    return jets[ak.argsort(jets.pt, ascending=False)]


def _oriented(eta: Numbers, phi: Numbers, uses: Uses, counts: Numbers) -> tuple[Numbers, Numbers]:
    """η and φ in [-π, π) as the uses mirror and turn them; `counts` objects of each use."""
    sign = np.repeat(np.where(uses.mirror, -1, 1), counts)
    turned = phi + np.repeat(uses.turn, counts) * TOWER_PHI
    return eta * sign, np.mod(turned + np.pi, 2 * np.pi) - np.pi
