"""Response, resolution and turn-on of simulated jets before any calibration."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import awkward as ak
import numpy as np

from trigforge.calibration.matching import JetPairs, match_jets
from trigforge.calibration.response import JetBinning, measure_response
from trigforge.errors import InputError
from trigforge.sim.collisions.validation import Point
from trigforge.validation.values import JetLevel, TurnOn
from trigforge.weighted import FloatArray, effective_events

BINNING: Final = JetBinning(
    abs_eta_edges=(0.0, 1.3, 2.5, 3.0, 4.5),
    pt_edges_gev=(20, 25, 30, 40, 50, 65, 85, 110, 150, 200, 300, 450, 700, 1000, 1500),
    min_effective_jets=30,
    min_efficiency=0.5,
)
LEVELS: Final = {"Level-1": ("L1Jet", None), "HLT": ("HLTJet", "rho"), "offline": ("Jet", "rhoOffline")}
"""Collections of jets and the density that is subtracted from them; Level-1 subtracts its own."""

TURN_ON_GEV: Final = 60.0
TURN_ON_ETA: Final = 2.5
TURN_ON_EDGES_GEV: Final = (20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 90, 100, 120, 150, 200, 300)


def measure_jets(events: ak.Array) -> tuple[JetLevel, ...]:
    """Response, resolution and turn-on of Level-1, HLT and offline jets against isolated true jets.

    Jets are matched within ΔR < 0.25, ρ·area is subtracted at HLT and offline; nothing is calibrated.
    """
    missing = [name for name in ("GenJet", "HLTJet", "Jet") if name not in ak.fields(events)]
    if missing:
        raise InputError(f"events of the jet validation must have {', '.join(missing)}; simulate with content 'jets'")
    return tuple(_jet_level(name, *source, events) for name, source in LEVELS.items())


def _jet_level(name: str, collection: str, density: str | None, events: ak.Array) -> JetLevel:
    jets = events[collection]
    plain = ak.zip({f: jets[f] for f in ("pt", "eta", "phi")})
    area = jets["area"] if density else ak.zeros_like(jets["pt"])
    rho = events[density] if density else np.zeros(len(events))
    columns = {"weight": events["weight"], "GenJet": events["GenJet"], "rho": rho}
    columns |= {"interaction": events["interaction"], "HLTJet": ak.with_field(plain, area, "area")}
    # Crossings that were not clustered for lack of a Level-1 jet have no HLT jets: they are no inefficiency of those.
    looked_at = ak.num(events["Jet"]) > 0 if density else np.ones(len(events), np.bool_)
    pairs = match_jets(ak.zip(columns, depth_limit=1)[looked_at], BINNING.pt_edges_gev[0])
    subtracted = pairs.pt - pairs.rho * pairs.area
    bins = measure_response(
        pairs.pt_true,
        np.abs(pairs.eta_true),
        subtracted / pairs.pt_true,
        np.ones(len(pairs)),
        pairs.matched,
        pairs.group,
        BINNING,
    )
    return JetLevel(name=name, bins=bins, turn_on=_turn_on(pairs, subtracted))


def _turn_on(pairs: JetPairs, pt: FloatArray) -> TurnOn:
    central = np.abs(pairs.eta_true) < TURN_ON_ETA
    passed = pairs.matched & (np.nan_to_num(pt) >= TURN_ON_GEV)
    points = []
    for low, high in pairwise(TURN_ON_EDGES_GEV):
        here = central & (pairs.pt_true >= low) & (pairs.pt_true < high)
        if here.any():
            p = float(passed[here].mean())
            n = effective_events(np.ones(int(here.sum())), pairs.group[here])
            points.append(Point(low=low, high=high, value=p, error=float(np.sqrt(max(p * (1 - p), 0.25 / n) / n))))
    return TurnOn(points=tuple(points), half_gev=_crossing(points, 0.5))


def _crossing(points: Sequence[Point], level: float) -> float | None:
    """Where a rising curve first reaches a level, by straight lines between the centres of the bins."""
    for before, after in pairwise(points):
        if before.value < level <= after.value:
            a, b = (before.low + before.high) / 2, (after.low + after.high) / 2
            return a + (b - a) * (level - before.value) / (after.value - before.value)
    return None
