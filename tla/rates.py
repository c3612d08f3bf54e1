"""`RateTable`: raw, prescaled, pure and proportional rates of the seeds of a menu, and of their OR.

Prescales enter as independent probabilities pᵢ = firedᵢ / PSᵢ (weighting), so no event is lost:
OR = 1 - Π(1-pᵢ); pure = pᵢ Π_{j≠i}(1-pⱼ); proportional = pᵢ E[1/(1+K)], K the number of other accepted seeds.
"""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.reuse import interaction_groups
from trigforge.tla.menu import Menu, decide
from trigforge.tla.prescale import acceptance
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, ORBIT_BUNCHES
from trigforge.value import Value
from trigforge.weighted import BoolArray, FloatArray, check_weights, measure_rate

L1_CAP_HZ = 100e3
"""Rate at which the detectors are read out: the most that a physics menu may accept."""


class SeedRate(Value):
    """Rates of one seed in Hz with statistical errors.

    raw: before its prescale; total: after; pure: of events that no other seed accepts; proportional: every event
    shared evenly by the seeds that accept it.
    """

    name: str
    prescale: float
    raw_hz: float
    raw_err_hz: float
    total_hz: float
    total_err_hz: float
    pure_hz: float
    pure_err_hz: float
    proportional_hz: float
    proportional_err_hz: float
    effective_events: float
    """Behind the raw rate: (Σw)²/Σw²."""


class RateTable(Value):
    """Rates of all seeds and of their OR; `overlap_hz[i][j]` is that of events which seeds i and j accept."""

    menu: str
    colliding_bunches: int = Field(ge=1, le=ORBIT_BUNCHES)
    events: int
    seeds: tuple[SeedRate, ...]
    or_hz: float
    or_err_hz: float
    or_effective_events: float
    overlap_hz: tuple[tuple[float, ...], ...]
    cap_hz: float = L1_CAP_HZ

    @property
    def exceeds_cap(self) -> bool:
        """Whether the menu accepts more than the detectors can be read out at."""
        return self.or_hz > self.cap_hz

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the rates must know."""
        if not self.exceeds_cap:
            return ()
        rate = f"{self.or_hz / 1e3:.1f} ± {self.or_err_hz / 1e3:.1f} kHz"
        cap = f"the Level-1 cap of {self.cap_hz / 1e3:g} kHz"
        return (f"the menu accepts {rate}, above {cap}; raise thresholds or prescales",)

    def seed(self, name: str) -> SeedRate:
        """The rates of one seed."""
        for row in self.seeds:
            if row.name == name:
                return row
        raise InputError(f"seed must be one of {', '.join(s.name for s in self.seeds)}, not {name!r}")


def measure_rates(
    menu: Menu,
    events: ak.Array,
    scores: npt.NDArray[np.int64] | None = None,
    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES,
) -> RateTable:
    """Decide a menu on background events (n,) and count."""
    decisions = decide(menu, events, scores)
    weights, groups = ak.to_numpy(events["weight"]), interaction_groups(events)
    return tabulate_rates(menu, decisions, weights, colliding_bunches, groups)


def tabulate_rates(
    menu: Menu,
    decisions: Mapping[str, BoolArray],
    weights: npt.ArrayLike,
    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES,
    groups: IntArray | None = None,
) -> RateTable:
    """Rates from decisions before prescales, each (n,), and weights (n,) that sum to 1; `groups` of dependent ones."""
    w = check_weights(weights)
    p = np.stack([acceptance(decisions[s.name], s.prescale) for s in menu.seeds])
    pure, shared = _pure(p), _proportional(p)
    rows = []
    for i, seed in enumerate(menu.seeds):
        raw = measure_rate(w, decisions[seed.name], colliding_bunches, groups)
        kinds = {"total": p[i], "pure": pure[i], "proportional": shared[i]}
        rates = {kind: measure_rate(w, value, colliding_bunches, groups) for kind, value in kinds.items()}
        rows.append(
            SeedRate(
                name=seed.name,
                prescale=seed.prescale,
                raw_hz=raw.hz,
                raw_err_hz=raw.error_hz,
                effective_events=raw.effective_events,
                **{f"{kind}_hz": rate.hz for kind, rate in rates.items()},
                **{f"{kind}_err_hz": rate.error_hz for kind, rate in rates.items()},
            )
        )
    union = measure_rate(w, 1 - np.prod(1 - p, axis=0), colliding_bunches, groups)
    return RateTable(
        menu=menu.name,
        colliding_bunches=colliding_bunches,
        events=len(w),
        seeds=tuple(rows),
        or_hz=union.hz,
        or_err_hz=union.error_hz,
        or_effective_events=union.effective_events,
        overlap_hz=_overlap(p, w, colliding_bunches),
    )


def any_accepted(menu: Menu, decisions: Mapping[str, BoolArray], names: tuple[str, ...]) -> FloatArray:
    """Probability (n,) that at least one of the named seeds accepts, after prescales."""
    prescales = {s.name: s.prescale for s in menu.seeds}
    rejected = [1 - acceptance(decisions[name], prescales[name]) for name in names]
    return np.asarray(1 - np.prod(rejected, axis=0))


def other_seeds(menu: Menu, decisions: Mapping[str, BoolArray], name: str) -> BoolArray:
    """OR (n,) of the seeds that are on, except `name`: what a pure rate excludes."""
    others = [decisions[s.name] for s in menu.seeds if s.name != name and s.prescale]
    return np.any(others, axis=0) if others else np.zeros(len(decisions[name]), dtype=np.bool_)


def _pure(p: FloatArray) -> FloatArray:
    """pᵢ Π_{j≠i}(1-pⱼ), shape (seeds, n)."""
    return np.stack([p[i] * np.prod(np.delete(1 - p, i, axis=0), axis=0) for i in range(len(p))])


def _proportional(p: FloatArray) -> FloatArray:
    """pᵢ E[1/(1+K)] = pᵢ ∫₀¹ Π_{j≠i}(1 - pⱼ + pⱼt) dt, exact by Gauss-Legendre; shape (seeds, n)."""
    nodes, weights = np.polynomial.legendre.leggauss((len(p) + 1) // 2)
    shared = np.zeros_like(p)
    for t, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        term = 1 - p * (1 - t)
        for i in range(len(p)):
            shared[i] += weight * p[i] * np.prod(np.delete(term, i, axis=0), axis=0)
    return shared


def _overlap(p: FloatArray, weights: FloatArray, bunches: int) -> tuple[tuple[float, ...], ...]:
    def both(i: int, j: int) -> float:
        return measure_rate(weights, p[i] if i == j else p[i] * p[j], bunches).hz

    return tuple(tuple(both(i, j) for j in range(len(p))) for i in range(len(p)))
