"""Pairs of isolated true jets and their trigger jets, matched in ΔR = sqrt(Δη² + Δφ²)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import awkward as ak
import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.reuse import interaction_groups
from trigforge.weighted import BoolArray, FloatArray

MATCH_DR = 0.25
GEN_ISOLATION_DR = 0.8
RECO_ISOLATION_DR = 0.6
GEN_NEIGHBOUR_SHARE = 0.1
"""Share of the pt of a true jet from which on a neighbour spoils its isolation."""

RECO_NEIGHBOUR_SHARE = 0.3
"""The same for trigger jets, whose spectrum has pile-up jets at its foot."""

CHUNK_EVENTS = 20_000
"""Events whose jet pairs are held in memory at once."""


@dataclass(frozen=True, slots=True)
class JetPairs:
    """Isolated true jets, flat, each of shape (jets,); trigger quantities are NaN where `matched` is False."""

    event: IntArray
    group: IntArray
    """Equal for the jets of crossings that depend on each other."""

    weight: FloatArray
    pt_true: FloatArray
    eta_true: FloatArray
    matched: BoolArray
    pt: FloatArray
    eta: FloatArray
    area: FloatArray
    rho: FloatArray

    def __len__(self) -> int:
        return len(self.event)

    def __getitem__(self, chosen: BoolArray) -> JetPairs:
        return JetPairs(*(getattr(self, f.name)[chosen] for f in fields(self)))


def match_jets(events: ak.Array, pt_min_gev: float = 0.0) -> JetPairs:
    """The isolated `GenJet` from `pt_min_gev` on with the nearest `HLTJet` within ΔR < 0.25, where there is one.

    A true jet is isolated if no other with over 10 % of its pt is within 0.8. One whose trigger jet has a neighbour
    with over 30 % of its pt within 0.6 is dropped: two jets share its energy.
    """
    missing = [c for c in ("GenJet", "HLTJet", "rho", "weight") if c not in ak.fields(events)]
    if missing:
        raise InputError(f"events of a jet calibration must have {', '.join(missing)}; simulate with jets")
    if len(events) == 0:
        raise InputError("a jet calibration must have at least one event, not 0")
    starts, groups = range(0, len(events), CHUNK_EVENTS), interaction_groups(events)
    parts = [_match(events[start : start + CHUNK_EVENTS], groups, start, pt_min_gev) for start in starts]
    return JetPairs(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(JetPairs)))


def rectangular(jets: ak.Array, name: str) -> FloatArray:
    """A field of jagged jets as an array (n, most jets), NaN where there is no jet."""
    most = int(ak.max(ak.num(jets[name], axis=1), initial=1))
    return np.asarray(ak.to_numpy(ak.fill_none(ak.pad_none(jets[name], most, axis=1), np.nan)), dtype=np.float64)


def _match(events: ak.Array, groups: IntArray, start: int, pt_min_gev: float) -> JetPairs:
    all_gen = {f: rectangular(events["GenJet"], f) for f in ("pt", "eta", "phi")}
    all_hlt = {f: rectangular(events["HLTJet"], f) for f in ("pt", "eta", "phi", "area")}
    event, place = np.nonzero(np.nan_to_num(all_gen["pt"]) >= max(pt_min_gev, 1e-9))
    gen = {f: values[event, place] for f, values in all_gen.items()}
    alone = ~_crowded(gen, {f: v[event] for f, v in all_gen.items()}, place, GEN_ISOLATION_DR, GEN_NEIGHBOUR_SHARE)
    event, gen = event[alone], {f: values[alone] for f, values in gen.items()}
    near = {f: values[event] for f, values in all_hlt.items()}
    distance = np.nan_to_num(_delta_r(gen, near), nan=np.inf)
    nearest = np.argmin(distance, axis=1)
    row = np.arange(len(event))
    matched = distance[row, nearest] < MATCH_DR
    hlt = {f: np.where(matched, values[row, nearest], np.nan) for f, values in near.items()}
    kept = ~(matched & _crowded(hlt, near, nearest, RECO_ISOLATION_DR, RECO_NEIGHBOUR_SHARE))
    event = event[kept]
    return JetPairs(
        event=event + start,
        group=groups[event + start],
        weight=ak.to_numpy(events["weight"]).astype(np.float64)[event],
        pt_true=gen["pt"][kept],
        eta_true=gen["eta"][kept],
        matched=matched[kept],
        pt=hlt["pt"][kept],
        eta=hlt["eta"][kept],
        area=hlt["area"][kept],
        rho=ak.to_numpy(events["rho"]).astype(np.float64)[event],
    )


def _delta_r(one: dict[str, FloatArray], many: dict[str, FloatArray]) -> FloatArray:
    """ΔR of each jet (jets,) to those of its event (jets, most), NaN where there is none."""
    dphi = np.mod(one["phi"][:, None] - many["phi"] + np.pi, 2 * np.pi) - np.pi
    return np.hypot(one["eta"][:, None] - many["eta"], dphi)


def _crowded(
    one: dict[str, FloatArray],
    many: dict[str, FloatArray],
    own: npt.NDArray[np.intp],
    radius: float,
    share: float,
) -> BoolArray:
    """Which jets (jets,), the `own`-th of their events, have another with over `share` of their pt in `radius`."""
    close = (_delta_r(one, many) < radius) & (many["pt"] > share * one["pt"][:, None])
    close[np.arange(len(own)), own] = False
    return np.asarray(close.any(axis=1))
