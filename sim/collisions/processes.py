"""The table of simulated processes: what Pythia 8 is told, and how the soft and the hard sample join."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from trigforge import units
from trigforge.errors import InputError

JOIN_PT_HAT_GEV: Final = 20.0
"""p̂T at which the soft sample ends and the hard one begins.

Hard interactions are then about 1 % of all inelastic ones, so a crossing with 40 of them holds 0.4 on average.
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
    """How a process enters a crossing."""

    SOFT = "soft"
    HARD = "hard"
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


SOFT: Final = Process(
    name="soft",
    title=f"inelastic, hardest p̂T below {JOIN_PT_HAT_GEV:g} GeV",
    role=Role.SOFT,
    settings=("SoftQCD:inelastic = on",),
    chunk=2000,
)
HARD: Final = Process(
    name="hard",
    title=f"QCD 2→2, p̂T above {JOIN_PT_HAT_GEV:g} GeV",
    role=Role.HARD,
    settings=(
        "HardQCD:all = on",
        f"PhaseSpace:pTHatMin = {JOIN_PT_HAT_GEV}",
        "PhaseSpace:bias2Selection = on",
        f"PhaseSpace:bias2SelectionPow = {HARD_BIAS_POWER}",
        f"PhaseSpace:bias2SelectionRef = {JOIN_PT_HAT_GEV}",
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
            "23:onMode = off",
            "23:onIfAny = 11 13",
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
        name="ttbar",
        title="top quark pairs",
        role=Role.SIGNAL,
        settings=("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    ),
)


def signal(name: str) -> Process:
    """The signal process of this name; unknown names raise `InputError`."""
    for process in SIGNALS:
        if process.name == name:
            return process
    known = ", ".join(p.name for p in SIGNALS)
    raise InputError(f"signal must be one of {known}, not {name!r}")
