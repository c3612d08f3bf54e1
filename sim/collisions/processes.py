"""The table of simulated processes: what Pythia 8 is told, and how the soft and the hard sample join."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from trigforge import units
from trigforge.errors import InputError

JOIN_PT_HAT_GEV: Final = 20.0
"""p̂T at which the soft sample ends and the hard one begins.

Hard interactions are then about 1 % of all inelastic ones, so a crossing with 60 of them holds 0.6 on average.
The hardest p̂T of a non-diffractive soft event follows the same 2→2 cross section, so that cutting it there joins
without double counting; diffractive events have no p̂T near the cut and all stay.
"""

HARD_BIAS_POWER: Final = 4.0
"""Hard events are drawn ∝ (p̂T)^4 dσ, about evenly in log p̂T, and weighted back."""

COMMON: Final = (
    "Print:quiet = on",
    f"Beams:eCM = {units.SQRT_S_GEV}",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10.",  # mm/c: the usual definition of a stable particle; K_S and Λ reach the detector
)


class Role(Enum):
    """How a process enters a crossing: as one of many, or as the one that the sample is about."""

    SOFT = "soft"
    HARD = "hard"
    RARE = "rare"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class Process:
    """One process at √s = 13.6 TeV; `settings` are Pythia's, `chunk` the interactions of one Pythia run."""

    name: str
    title: str
    role: Role
    settings: tuple[str, ...]
    chunk: int = 400

    @property
    def commands(self) -> tuple[str, ...]:
        """All Pythia settings but the seed."""
        return (*COMMON, *self.settings)


def above(pt_hat_gev: float, power: float = 0.0) -> tuple[str, ...]:
    """p̂T from a minimum on; with a `power`, drawn ∝ (p̂T)^power dσ and weighted back."""
    cut = (f"PhaseSpace:pTHatMin = {pt_hat_gev}",)
    biased = (
        "PhaseSpace:bias2Selection = on",
        f"PhaseSpace:bias2SelectionPow = {power}",
        f"PhaseSpace:bias2SelectionRef = {pt_hat_gev}",
    )
    return cut + biased if power else cut


def decays(particle: int, *products: int) -> tuple[str, ...]:
    """Only decays of a particle that have any of these among their products."""
    return (f"{particle}:onMode = off", f"{particle}:onIfAny = {' '.join(map(str, products))}")


QUARKS: Final = (1, 2, 3, 4, 5)

SOFT: Final = Process(
    name="soft",
    title=f"inelastic, hardest p̂T below {JOIN_PT_HAT_GEV:g} GeV",
    role=Role.SOFT,
    settings=("SoftQCD:inelastic = on",),
    chunk=2000,
)
HARD: Final = Process(
    name="qcd",
    title=f"QCD 2→2, p̂T above {JOIN_PT_HAT_GEV:g} GeV",
    role=Role.HARD,
    settings=("HardQCD:all = on", *above(JOIN_PT_HAT_GEV, HARD_BIAS_POWER)),
)
RARE: Final = (
    Process("w", "W → anything", Role.RARE, ("WeakSingleBoson:ffbar2W = on",)),
    Process("z", "Z/γ* → anything, mass above 15 GeV", Role.RARE, ("WeakSingleBoson:ffbar2gmZ = on", "23:mMin = 15.")),
    Process("ttbar", "top quark pairs", Role.RARE, ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")),
    Process(
        "photon",
        f"prompt photons, p̂T above {JOIN_PT_HAT_GEV:g} GeV",
        Role.RARE,
        ("PromptPhoton:all = on", *above(JOIN_PT_HAT_GEV, HARD_BIAS_POWER)),
    ),
)
"""Processes of electroweak strength: less than 10⁻⁵ of all interactions, but most of the prompt leptons and photons."""


def _zprime(mass_gev: int) -> Process:
    return Process(
        name=f"zprime_{mass_gev}",
        title=f"Z′ ({mass_gev} GeV) → qq̄",
        role=Role.SIGNAL,
        settings=(
            "NewGaugeBoson:ffbar2gmZZprime = on",
            "Zprime:gmZmode = 3",  # no photon, no Z
            f"32:m0 = {mass_gev}.",
            f"32:mMin = {0.5 * mass_gev}",
            *decays(32, *QUARKS),
        ),
    )


SIGNALS: Final = (
    Process(
        name="a_to_4l",
        title="A (50 GeV) → Z*Z* → 4ℓ, ℓ = e, µ",
        role=Role.SIGNAL,
        settings=(
            "HiggsSM:gg2H = on",
            "25:m0 = 50.",
            "25:doForceWidth = on",
            "25:mWidth = 0.01",
            "25:mMin = 45.",
            "25:onMode = off",
            "25:onIfMatch = 23 23",
            "23:mMin = 2.",
            *decays(23, 11, 13),
        ),
    ),
    Process(
        name="lq_to_btau",
        title="scalar leptoquark pair (80 GeV) → bτ bτ",
        role=Role.SIGNAL,
        settings=(
            "LeptoQuark:gg2LQLQbar = on",
            "LeptoQuark:qqbar2LQLQbar = on",
            "42:m0 = 80.",
            "42:mMin = 60.",
            "42:0:products = 5 15",
        ),
    ),
    Process(
        name="h_to_tautau",
        title="h (60 GeV) → ττ",
        role=Role.SIGNAL,
        settings=(
            "HiggsSM:gg2H = on",
            "25:m0 = 60.",
            "25:mMin = 55.",
            "25:onMode = off",
            "25:onIfMatch = 15 -15",
        ),
    ),
    Process(
        name="hplus_to_taunu",
        title="h± (60 GeV) → τν",
        role=Role.SIGNAL,
        settings=(
            "Higgs:useBSM = on",
            "HiggsBSM:ffbar2H+- = on",
            "37:m0 = 60.",
            "37:mMin = 55.",
            "37:doForceWidth = on",
            "37:mWidth = 0.01",
            *decays(37, 15),
        ),
    ),
    *map(_zprime, (400, 700, 1000, 2000)),
    Process(
        name="boosted_top",
        title="top quark pairs, p̂T above 400 GeV, hadronic",
        role=Role.SIGNAL,
        settings=("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *above(400.0), *decays(24, *QUARKS)),
    ),
    Process(
        name="boosted_w",
        title="WW, p̂T above 400 GeV, hadronic",
        role=Role.SIGNAL,
        settings=("WeakDoubleBoson:ffbar2WW = on", *above(400.0), *decays(24, *QUARKS)),
    ),
    Process(
        name="boosted_z",
        title="ZZ, p̂T above 400 GeV, hadronic",
        role=Role.SIGNAL,
        settings=(
            "WeakDoubleBoson:ffbar2gmZgmZ = on",
            "WeakZ0:gmZmode = 2",
            "23:mMin = 60.",
            *above(400.0),
            *decays(23, *QUARKS),
        ),
    ),
    Process(
        name="boosted_h",
        title="HZ and HW, p̂T above 400 GeV, H → bb̄, W and Z hadronic",
        role=Role.SIGNAL,
        settings=(
            "HiggsSM:ffbar2HZ = on",
            "HiggsSM:ffbar2HW = on",
            *above(400.0),
            "25:onMode = off",
            "25:onIfMatch = 5 -5",
            *decays(23, *QUARKS),
            *decays(24, *QUARKS),
        ),
    ),
    Process(
        name="hidden_valley",
        title="Z_v (500 GeV) → dark quarks, strongly coupled dark shower, soft dark mesons (3 GeV) → qq̄",
        role=Role.SIGNAL,
        settings=(
            "HiddenValley:ffbar2Zv = on",
            "4900023:m0 = 500.",
            "4900023:mMin = 400.",
            "4900023:doForceWidth = on",
            "4900023:mWidth = 5.",
            "4900023:onMode = off",
            "4900023:onIfAny = 4900101",
            "4900101:m0 = 1.5",
            "4900111:m0 = 3.",
            "4900113:m0 = 3.",
            "HiddenValley:Ngauge = 3",
            "HiddenValley:FSR = on",
            "HiddenValley:fragment = on",
            "HiddenValley:alphaOrder = 0",
            "HiddenValley:alphaFSR = 1.",
            "HiddenValley:pTminFSR = 1.",
            "4900111:oneChannel = 1 1.0 91 1 -1",
            "4900113:oneChannel = 1 1.0 91 2 -2",
        ),
    ),
)
PRIMARIES: Final = {process.name: process for process in (HARD, *RARE, *SIGNALS)}
"""The processes that a sample can be about."""


def primary(name: str) -> Process:
    """The process of this name that a sample can be about; unknown names raise `InputError`."""
    if name not in PRIMARIES:
        raise InputError(f"process must be one of {', '.join(PRIMARIES)}, not {name!r}")
    return PRIMARIES[name]
