"""What the simulation says where the answer is known: Pythia's particles and cross sections, objects and pile-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.events import read_events
from trigforge.sim.collisions.config import ZERO_BIAS, CollisionConfig, Content, SampleConfig
from trigforge.sim.collisions.dataset import Sample, simulate
from trigforge.sim.collisions.detector import ETA_MAX, MUON, NEUTRINOS, Particles, charge
from trigforge.sim.collisions.generate import start_pythia
from trigforge.sim.collisions.jets import anti_kt
from trigforge.sim.collisions.meter import Update, ignore
from trigforge.sim.collisions.processes import HARD, PRIMARIES, SOFT, Process, above, decays
from trigforge.sim.collisions.reduce import stable_particles
from trigforge.value import Value

ENERGY_13_TEV: Final = "Beams:eCM = 13000."
"""Most public measurements are at 13 TeV; the samples are at 13.6 TeV."""

DENSITY_EDGES: Final = tuple(round(0.2 * i, 1) for i in range(11))
"""Bins of |η| of the charged-particle density, those of arXiv:1507.05915."""

JET_EDGES_GEV: Final = (97.0, 133.0, 174.0, 220.0, 272.0, 330.0, 395.0, 468.0, 548.0, 638.0, 737.0, 846.0, 967.0)
"""Bins of the inclusive jet spectrum, those of arXiv:2111.10431."""

JET_RAPIDITY: Final = 1.0
JET_PT_MIN_GEV: Final = 90.0
ELECTRON: Final = 11
JET_PT_HAT_GEV: Final = 50.0
JET_BIAS_POWER: Final = 4.0
"""Partons below 50 GeV give no jets in the bins."""

BATCH: Final = 200
NB_PER_MB: Final = 1e6
PB_PER_MB: Final = 1e9
NO_HLT_GEV: Final = 10_000.0
"""No crossing has a Level-1 jet of this pt, so none pays for clustering."""

MEASURED_PROCESSES: Final = (
    ("W → µν", replace(PRIMARIES["w"], settings=(*PRIMARIES["w"].settings, *decays(24, MUON)))),
    (
        "Z/γ* → µµ, 60–120 GeV",
        replace(
            PRIMARIES["z"],
            settings=("WeakSingleBoson:ffbar2gmZ = on", "23:mMin = 60.", "23:mMax = 120.", *decays(23, MUON)),
        ),
    ),
    ("tt̄", PRIMARIES["ttbar"]),
)
"""Processes at 13.6 TeV whose cross sections have been published."""

Floats = npt.NDArray[np.float64]


class Point(Value):
    """A quantity with its statistical error between two edges."""

    low: float
    high: float
    value: float
    error: float = Field(ge=0)


class CrossSection(Value):
    """The cross section of a process in nb, with the error of the integration."""

    name: str
    nb: float
    error_nb: float


class GeneratorFacts(Value):
    """Pythia by itself: dN/dη of charged hadrons and the jet spectrum at 13 TeV, cross sections at 13.6 TeV.

    `density` is per unit of η, in bins of |η|, of all inelastic interactions; `jets` d²σ/dpT dy in pb/GeV at
    |y| < 1; `inelastic_mb` the inelastic cross section at 13 TeV.
    """

    density: tuple[Point, ...]
    jets: tuple[Point, ...]
    inelastic_mb: float
    cross_sections: tuple[CrossSection, ...]


class PileUpPoint(Value):
    """Means of zero-bias crossings at `pileup` interactions, each (mean, statistical error).

    `jets`, `egs` and `muons` are numbers of Level-1 objects, `lit_regions` of the 252 regions, `region_gev` the sum
    of all regions in GeV, `rho` and `rho_offline` densities in GeV, `vertices` reconstructed vertices.
    """

    pileup: float
    jets: tuple[float, float]
    egs: tuple[float, float]
    muons: tuple[float, float]
    lit_regions: tuple[float, float]
    region_gev: tuple[float, float]
    met_gev: tuple[float, float]
    rho: tuple[float, float]
    rho_offline: tuple[float, float]
    vertices: tuple[float, float]


def generator_facts(soft: int, hard: int, process: int, update: Update = ignore) -> GeneratorFacts:
    """Facts from so many inelastic, QCD and W, Z and tt̄ events each, generated here."""
    pt_hat = above(JET_PT_HAT_GEV, JET_BIAS_POWER)
    total = soft + hard + process * len(MEASURED_PROCESSES)
    at_13_tev = replace(SOFT, settings=(*SOFT.settings, ENERGY_13_TEV))
    pythia = start_pythia(at_13_tev, 1)
    density = _density(pythia, soft)
    inelastic_mb = float(pythia.infoPython().sigmaGen())
    update(soft / total, "minimum bias at 13 TeV")
    jets = _jet_spectrum(replace(HARD, settings=("HardQCD:all = on", *pt_hat, ENERGY_13_TEV)), hard)
    update((soft + hard) / total, "jets at 13 TeV")
    sections = tuple(_cross_section(name, known, process) for name, known in MEASURED_PROCESSES)
    return GeneratorFacts(density=density, jets=jets, inelastic_mb=inelastic_mb, cross_sections=sections)


def _batches(pythia: Any, events: int) -> Any:
    for start in range(0, events, BATCH):
        yield pythia.nextBatch(min(BATCH, events - start), errorMode="skip")


def _density(pythia: Any, events: int) -> tuple[Point, ...]:
    """Charged hadrons per unit of η, without leptons."""
    counts = [_charged_hadrons(stable_particles(batch), len(batch)) for batch in _batches(pythia, events)]
    per_event = np.concatenate(counts) / (2 * np.diff(DENSITY_EDGES))
    return _points(DENSITY_EDGES, per_event.mean(axis=0), per_event.std(axis=0) / np.sqrt(len(per_event)))


def _charged_hadrons(particles: Particles, events: int) -> Floats:
    """Numbers in bins of |η|, (events, bins)."""
    hadron = (charge(particles) != 0) & ~np.isin(np.abs(particles.pid), (ELECTRON, MUON))
    edges = (np.arange(events + 1) - 0.5, np.array(DENSITY_EDGES))
    return np.asarray(np.histogram2d(particles.event[hadron], np.abs(particles.eta[hadron]), bins=edges)[0])


def _jet_spectrum(process: Process, events: int) -> tuple[Point, ...]:
    """Particle-level jets of all stable particles but neutrinos."""
    pythia = start_pythia(process, 1)
    contents = [_jet_counts(batch) for batch in _batches(pythia, events)]
    weights, counts = np.concatenate([w for w, _ in contents]), np.concatenate([c for _, c in contents])
    weighted = weights[:, None] * counts
    scale = float(pythia.infoPython().sigmaGen()) * PB_PER_MB / weights.sum() / (2 * JET_RAPIDITY)
    width = np.diff(JET_EDGES_GEV)
    error = np.sqrt((weighted**2).sum(axis=0))
    return _points(JET_EDGES_GEV, scale * weighted.sum(axis=0) / width, scale * error / width)


def _jet_counts(batch: ak.Array) -> tuple[Floats, Floats]:
    """Weights (events,) and numbers of jets (events, bins)."""
    particles = stable_particles(batch)
    seen = particles[~np.isin(np.abs(particles.pid), NEUTRINOS) & (np.abs(particles.eta) < ETA_MAX)]
    counts = np.bincount(seen.event, minlength=len(batch))
    jets = anti_kt(seen.pt, seen.eta, seen.phi, seen.energy, counts, JET_PT_MIN_GEV)
    mass_t = np.hypot(jets.pt, jets.mass)
    central = np.abs(np.arcsinh(jets.pt * np.sinh(jets.eta) / mass_t)) < JET_RAPIDITY
    owner = np.repeat(np.arange(len(batch)), jets.counts)[central]
    edges = (np.arange(len(batch) + 1) - 0.5, np.array(JET_EDGES_GEV))
    found = np.histogram2d(owner, jets.pt[central], bins=edges)[0]
    return ak.to_numpy(batch.info.weights[:, 0]).astype(np.float64), found


def _cross_section(name: str, process: Process, events: int) -> CrossSection:
    pythia = start_pythia(process, 1)
    for _ in _batches(pythia, events):
        pass
    info = pythia.infoPython()
    return CrossSection(name=name, nb=info.sigmaGen() * NB_PER_MB, error_nb=info.sigmaErr() * NB_PER_MB)


def _points(edges: Sequence[float], values: Floats, errors: Floats) -> tuple[Point, ...]:
    rows = zip(edges, edges[1:], values, errors, strict=False)
    return tuple(Point(low=a, high=b, value=float(v), error=float(e)) for a, b, v, e in rows)


def pile_up_scan(
    base: CollisionConfig, pileups: Sequence[float], crossings: int, folder: Path, update: Update = ignore
) -> tuple[PileUpPoint, ...]:
    """Zero-bias crossings at each of `pileups`, on one library of interactions in `folder`."""
    sample = SampleConfig(name=ZERO_BIAS, events=crossings, content=Content.JETS, regions=True)
    points = []
    for place, pileup in enumerate(pileups):
        config = base.model_copy(update={"samples": (sample,), "pileup": pileup, "hlt_seed_gev": NO_HLT_GEV})
        simulate(config, folder, _part_of(update, place, len(pileups)), replace=True)
        points.append(pile_up_point(pileup, read_events(folder / ZERO_BIAS)))
    return tuple(points)


def _part_of(update: Update, place: int, parts: int) -> Update:
    return lambda fraction, text: update((place + fraction) / parts, text)


def pile_up_point(pileup: float, events: ak.Array) -> PileUpPoint:
    """The means of zero-bias `events` that have regions, densities and vertices."""
    measured: dict[str, Callable[[], Any]] = {
        "jets": lambda: ak.num(events["L1Jet"]),
        "egs": lambda: ak.num(events["L1EG"]),
        "muons": lambda: ak.num(events["L1Mu"]),
        "lit_regions": lambda: ak.sum(events["L1Region"] > 0, axis=1),
        "region_gev": lambda: 0.5 * ak.sum(events["L1Region"], axis=1),
        "met_gev": lambda: events["L1MET"].pt,
        "rho": lambda: events["rho"],
        "rho_offline": lambda: events["rhoOffline"],
        "vertices": lambda: events["nPV"],
    }
    means = {name: _mean(ak.to_numpy(values()).astype(np.float64)) for name, values in measured.items()}
    return PileUpPoint.model_validate({"pileup": pileup, **means})


def _mean(values: Floats) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def reference_sample(
    base: CollisionConfig, sample: SampleConfig, pileup: float, folder: Path, update: Update = ignore
) -> tuple[Sample, ak.Array]:
    """A sample at the pile-up of a public measurement, on the library in `folder`, and its Level-1 events."""
    config = base.model_copy(update={"samples": (sample,), "pileup": pileup})
    record = simulate(config, folder, update, replace=True)[sample.name]
    return record, read_events(folder / sample.name)
