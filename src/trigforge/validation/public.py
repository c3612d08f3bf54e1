"""Public measurements that the simulation is compared with, each with its source."""

from __future__ import annotations

import math
from typing import Final

from trigforge.units import DEFAULT_COLLIDING_BUNCHES, crossing_rate_hz
from trigforge.value import Value

CMS_CHARGED_DENSITY: Final = (5.412, 5.495, 5.606, 5.743, 5.825, 5.966, 6.074, 6.091, 6.138, 6.250)
CMS_CHARGED_DENSITY_ERROR: Final = (0.169, 0.168, 0.172, 0.177, 0.179, 0.185, 0.192, 0.196, 0.199, 0.227)
"""Charged hadrons per unit of η in inelastic collisions at 13 TeV, bins of 0.2 in |η|: CMS, arXiv:1507.05915."""

CMS_JETS_PB_GEV: Final = (
    *(9188.3, 2132.8, 586.49, 180.74, 60.143, 21.313, 7.9912, 3.0546, 1.2228, 0.49112, 0.20189, 0.084142),
)
CMS_JETS_ERROR_PB_GEV: Final = (
    *(425.7, 89.5, 23.5, 7.09, 2.32, 0.811, 0.301, 0.115, 0.0466, 0.0191, 0.00811, 0.00352),
)
"""d²σ/dpT dy of anti-kT 0.4 jets at |y| < 1 and 13 TeV: CMS, arXiv:2111.10431, HEPData ins1972986, the mean of
`ak4_xsec_ybin1` and `ak4_xsec_ybin2` with their total errors taken as fully correlated."""

INELASTIC_MB: Final = (78.1, 2.9)
"""Inelastic cross section at 13 TeV: ATLAS, arXiv:1606.02625."""

CROSS_SECTIONS_NB: Final = {
    "W → µν": (20.79, 0.34, "CMS, 13.6 TeV, 5.01 fb⁻¹: W⁺ 11.93 + W⁻ 8.86 nb"),
    "Z/γ* → µµ, 60–120 GeV": (2.021, 0.032, "CMS, 13.6 TeV, 5.01 fb⁻¹"),
    "tt̄": (0.850, 0.027, "ATLAS, 13.6 TeV, Phys. Lett. B 848 (2024) 138376"),
}
"""Value, error and source; Pythia's are of leading order, the ratio is the K factor."""

CMS_OFFLINE_RESOLUTION: Final = {
    30.0: 0.1694,
    50.0: 0.1371,
    100.0: 0.1022,
    200.0: 0.0769,
    500.0: 0.0553,
    1000.0: 0.0455,
}
"""σ(pT)/pT of AK4 PUPPI jets at η = 0.5, ρ = 33 GeV: CMS, correctionlib Summer22_22Sep2023_JRV1_MC_PtResolution."""

CMS_PILE_UP_MEAN: Final = 45.9
CMS_PILE_UP: Final = {"rho": 17.2 / 45.9, "rho_offline": 5.36 / 45.9, "vertices": 35.6 / 46.9}
"""Per interaction, in the 200 simulated tt̄ events, with 45.9 additional interactions, of scikit-hep/coffea's
nano_tt_v15.root: `fixedGridRhoFastjetCentralCalo`, `…CentralNeutral`, `PV_npvs`."""

PUBLIC_CROSSINGS: Final = 9_516_590
PUBLIC_PILE_UP: Final = 41.1
"""Zero-bias crossings of LHC fill 7005 (2018, 13 TeV) with 36 to 46 interactions, 41.1 on average, and the seeds of a
Run-3 menu that fired in them: cms-l1-dpg/L1MenuTools at commit 810fdad,
rate-estimation/plots/Run3_ZeroBias_123_20212906_rateVSpileup_PU.csv."""


class Selection(Value):
    """The hardest object of a Level-1 collection within |η| and, for e/γ, isolated or not."""

    name: str
    collection: str
    max_abs_eta: float | None = None
    isolated: bool = False


class PublicSeed(Selection):
    """A Level-1 seed on one object: its threshold, and how often it fired behind its prescale."""

    threshold_gev: float
    fired: int
    prescale: int = 1

    @property
    def hz(self) -> float:
        """Its rate before the prescale at 2544 bunches and `PUBLIC_PILE_UP`."""
        return crossing_rate_hz(DEFAULT_COLLIDING_BUNCHES) * self.fired * self.prescale / PUBLIC_CROSSINGS

    @property
    def error_hz(self) -> float:
        """The Poisson error of the rate."""
        return self.hz / math.sqrt(self.fired)


def _seeds(
    pattern: str, collection: str, rows: tuple[tuple[int, int, int], ...], eta: float | None = None, iso: bool = False
) -> tuple[PublicSeed, ...]:
    """Seeds from rows of threshold, number that fired, prescale."""
    return tuple(
        PublicSeed(
            name=pattern.format(threshold), collection=collection, threshold_gev=threshold, max_abs_eta=eta,
            isolated=iso, fired=fired, prescale=prescale,
        )
        for threshold, fired, prescale in rows
    )  # fmt: skip


PUBLIC_SEEDS: Final = (
    *_seeds("L1_SingleMu{}", "L1Mu", ((5, 71, 1700), (7, 237, 200), (18, 17, 210), (22, 2192, 1), (25, 1747, 1))),
    *_seeds(
        "L1_SingleEG{}er2p5",
        "L1EG",
        ((10, 88, 7600), (15, 97, 1350), (26, 16, 780), (36, 4048, 1), (45, 1926, 1)),
        eta=2.5,
    ),
    *_seeds("L1_SingleEG{}", "L1EG", ((60, 1022, 1),)),
    *_seeds("L1_SingleIsoEG{}er2p5", "L1EG", ((28, 6316, 1), (34, 4258, 1)), eta=2.5, iso=True),
    *_seeds("L1_SingleIsoEG{}er1p5", "L1EG", ((28, 3308, 1),), eta=1.5, iso=True),
    *_seeds(
        "L1_SingleJet{}",
        "L1Jet",
        ((35, 18, 64000), (60, 5, 17000), (90, 11, 1500), (120, 12, 350), (180, 779, 1), (200, 533, 1)),
    ),
    *_seeds(
        "L1_HTT{}er",
        "L1HT",
        ((120, 6, 11400), (200, 5, 1600), (255, 7, 500), (360, 917, 1), (400, 629, 1), (450, 436, 1)),
    ),
    *_seeds("L1_ETMHF{}", "L1MET", ((100, 731, 1), (110, 468, 1), (120, 345, 1), (150, 240, 1))),
)
