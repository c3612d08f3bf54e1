"""Samples of labelled large-radius jets, after the public jet-tagging and top-tagging sets.

As there, each class has a process of its own, W, Z and top decay to quarks alone, and there is no pile-up. The five
classes (arXiv:1709.08705, arXiv:1908.05318) are made at p̂T of 1 TeV ± 1.5 % and kept with a jet pt of 0.8 to 1.6 TeV;
the top-tagging pair has jet pt of 550 to 650 GeV, |η| < 2 and no multiparton interactions (arXiv:1902.09914).
Unlike there, √s is 13.6 TeV, matrix elements are Pythia's own, both hard jets of an event are used, and a jet counts
only if exactly one parton of its class lies inside it. The top-tagging set went through another detector (Delphes,
ATLAS card).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError, InputError
from trigforge.events.labelled import CLASSES, KINEMATICS, TOP_CLASSES, check_jets
from trigforge.sim.collisions import fatjets
from trigforge.sim.collisions.fatjets import GLUON, TOP, W_BOSON, Z_BOSON, Partons
from trigforge.sim.collisions.generate import BATCH, SEEDS, start_pythia
from trigforge.sim.collisions.processes import Process, Role
from trigforge.sim.collisions.reduce import stable_particles
from trigforge.sim.collisions.substructure import features

RADIUS: Final = 0.8
LIGHT_QUARKS: Final = (1, 2, 3)
QUARKS: Final = (1, 2, 3, 4, 5)
JETS_PER_EVENT: Final = 2


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the two hardest jets of an event are kept, and how many constituents of each."""

    pt_min_gev: float
    pt_max_gev: float
    eta_max: float
    constituents: int
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JetSource:
    """A process and the label of the jets that hold one of its partons of these codes."""

    process: Process
    selection: Selection
    codes: tuple[int, ...]
    label: int


@dataclass(frozen=True, slots=True)
class LabelledJets:
    """Labelled jets, and what became of the others.

    `selected` jets passed the selection; `unmatched` of them hold no parton of the class, or several, and
    `ungroomed` have fewer than two constituents after grooming, so no observables. Both are left out.
    """

    jets: ak.Array
    events: int
    sigma_mb: float
    selected: int
    unmatched: int
    ungroomed: int


JET_TAGGING: Final = Selection(800.0, 1600.0, 2.0, 150, CLASSES)
TOP_TAGGING: Final = Selection(550.0, 650.0, 2.0, 200, TOP_CLASSES)

_ONE_TEV: Final = ("PhaseSpace:pTHatMin = 985.", "PhaseSpace:pTHatMax = 1015.")
_HALF_TEV: Final = ("PhaseSpace:pTHatMin = 530.", "PhaseSpace:pTHatMax = 750.", "PartonLevel:MPI = off")
_TOPS: Final = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")
_W_TO_QUARKS: Final = ("24:onMode = off", "24:onIfAny = 1 2 3 4 5")
_Z_TO_QUARKS: Final = ("23:onMode = off", "23:onIfAny = 1 2 3 4 5")
_H_TO_PHOTONS: Final = ("25:onMode = off", "25:onIfMatch = 22 22")


def _source(selection: Selection, label: str, title: str, codes: tuple[int, ...], *settings: str) -> JetSource:
    group = "jet" if selection is JET_TAGGING else "toptag"
    process = Process(f"{group}_{label}", title, Role.SIGNAL, settings)
    return JetSource(process, selection, codes, selection.classes.index(label))


_GLUONS: Final = ("HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on")
_QUARK_PAIRS: Final = ("HardQCD:qq2qq = on", "HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on")
_WH: Final = ("HiggsSM:ffbar2HW = on", *_W_TO_QUARKS, *_H_TO_PHOTONS)
_ZH: Final = ("HiggsSM:ffbar2HZ = on", *_Z_TO_QUARKS, *_H_TO_PHOTONS)
"""W and Z beside a Higgs boson are longitudinal, so that both quarks are hard; in WW and ZZ they are transverse, and
grooming takes away a quark of one in four."""

JET_TAGGING_SOURCES: Final = (
    _source(JET_TAGGING, "g", "gluon jets, 1 TeV", (GLUON,), *_GLUONS, *_ONE_TEV),
    _source(JET_TAGGING, "q", "light-quark jets, 1 TeV", LIGHT_QUARKS, *_QUARK_PAIRS, *_ONE_TEV),
    _source(JET_TAGGING, "w", "W jets, 1 TeV", (W_BOSON,), *_WH, *_ONE_TEV),
    _source(JET_TAGGING, "z", "Z jets, 1 TeV", (Z_BOSON,), *_ZH, *_ONE_TEV),
    _source(JET_TAGGING, "t", "top jets, 1 TeV", (TOP,), *_TOPS, *_W_TO_QUARKS, *_ONE_TEV),
)
TOP_TAGGING_SOURCES: Final = (
    _source(TOP_TAGGING, "qcd", "QCD jets, 550 to 650 GeV", (GLUON, *QUARKS), "HardQCD:all = on", *_HALF_TEV),
    _source(TOP_TAGGING, "top", "top jets, 550 to 650 GeV", (TOP,), *_TOPS, *_W_TO_QUARKS, *_HALF_TEV),
)


def labelled_jets(source: JetSource, events: int, seed: tuple[int, ...]) -> LabelledJets:
    """The labelled jets of so many events of one Pythia run; the result depends on the arguments alone.

    The jets have `features`, `Constituent` and `Parton`. Raises `CheckError` if Pythia fails.
    """
    if events < 1:
        raise InputError(f"the number of {source.process.name} events must be ≥ 1, not {events!r}")
    name = int.from_bytes(source.process.name.encode(), "little")
    sequence = np.random.SeedSequence((*seed, name))
    rng = np.random.default_rng(sequence)
    pythia = start_pythia(source.process, int(sequence.generate_state(1)[0]) % SEEDS + 1)
    parts, made = [], 0
    while made < events:
        batch = pythia.nextBatch(min(BATCH, events - made), errorMode="skip")
        if len(batch) == 0:
            raise CheckError(f"Pythia must generate {source.process.name} events, but all of a batch failed")
        part = jets_of_batch(batch, source, rng)
        parts.append(replace(part, jets=ak.with_field(part.jets, part.jets.event + made, "event")))
        made += len(batch)
    return LabelledJets(
        jets=check_jets(ak.concatenate([part.jets for part in parts]), source.process.name),
        events=made,
        sigma_mb=pythia.infoPython().sigmaGen(),
        selected=sum(part.selected for part in parts),
        unmatched=sum(part.unmatched for part in parts),
        ungroomed=sum(part.ungroomed for part in parts),
    )


def jets_of_batch(batch: ak.Array, source: JetSource, rng: np.random.Generator) -> LabelledJets:
    """The labelled jets of a batch of Pythia events, numbered from 0; their cross section is not known yet, so 0."""
    selection = source.selection
    particles = fatjets.particle_flow(stable_particles(batch), rng)
    every = fatjets.anti_kt_constituents(particles, len(batch), RADIUS, selection.pt_min_gev)[:, :JETS_PER_EVENT]
    event = np.repeat(np.arange(len(batch)), ak.to_numpy(ak.num(every)))
    jets = ak.flatten(every)
    inside = ak.to_numpy((jets.pt < selection.pt_max_gev) & (np.abs(jets.eta) < selection.eta_max))
    jets, event = jets[inside], event[inside]
    partons = fatjets.partons(batch)
    partons = partons[np.isin(partons.code, source.codes)]
    place = fatjets.match(event, ak.to_numpy(jets.eta), ak.to_numpy(jets.phi), partons, RADIUS)
    matched = place >= 0
    jets, place = jets[matched], place[matched]
    observables = features(jets.Constituent)
    whole = np.isfinite(ak.to_numpy(observables.n2_b1_mmdt))
    weight = ak.to_numpy(batch.info.weights[:, 0]).astype(np.float64)[event[matched]]
    return LabelledJets(
        jets=_records(jets, event[matched], observables, partons[place], weight, source)[whole],
        events=len(batch),
        sigma_mb=0.0,
        selected=len(matched),
        unmatched=int(np.sum(~matched)),
        ungroomed=int(np.sum(~whole)),
    )


def _records(
    jets: ak.Array,
    event: npt.NDArray[np.int64],
    observables: ak.Array,
    partons: Partons,
    weight: npt.NDArray[np.float64],
    source: JetSource,
) -> ak.Array:
    """Jets in the schema of `trigforge.events.labelled`."""
    constituents = jets.Constituent[:, : source.selection.constituents]
    floats = {n: ak.values_astype(constituents[n], np.float32) for n in ("pt", "eta", "phi", "energy")}
    columns: dict[str, Any] = {
        "weight": weight,
        "event": event,
        "label": np.full(len(jets), source.label, np.int8),
        "FatJet": ak.zip({n: ak.values_astype(jets[n], np.float32) for n in KINEMATICS}),
        "features": observables,
        "Constituent": ak.zip({**floats, "pdgId": ak.values_astype(constituents.pdgId, np.int32)}),
        "Parton": ak.zip({n: getattr(partons, n).astype(np.float32) for n in KINEMATICS}),
    }
    return ak.zip(columns, depth_limit=1)
