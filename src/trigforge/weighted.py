"""Rates of weighted events: n_b · f_rev · Σw, errors from sqrt(Σw²), effective counts (Σw)²/Σw²."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.units import crossing_rate_hz

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_EFFECTIVE_EVENTS = 10.0
"""Fewest effective events above a threshold: below, its rate has an error above 30 %."""

WEIGHT_SUM_TOLERANCE = (0.05, 0.25)
WEIGHT_SUM_SIGMAS = 5.0
"""How far the sum of the weights of a background sample may be from one crossing: so many errors, within these."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in Hz, its statistical error in Hz and the effective number of events behind it."""

    hz: float
    error_hz: float
    effective_events: float


def squared_sum(weights: npt.ArrayLike, groups: IntArray | None = None) -> float:
    """The variance Σw² of Σw; with `groups` (n,) of dependent events Σ over groups of (Σw)²."""
    w = np.asarray(weights, dtype=np.float64)
    return float(np.sum((w if groups is None else np.bincount(groups, w)) ** 2)) if len(w) else 0.0


def effective_events(weights: npt.ArrayLike, groups: IntArray | None = None) -> float:
    """The number (Σw)²/Σw² of unit-weight events with the same relative error; 0 for no events."""
    w = np.asarray(weights, dtype=np.float64)
    squares = squared_sum(w, groups)
    return float(np.sum(w)) ** 2 / squares if squares > 0 else 0.0


def square_steps(
    scores: npt.NDArray[np.integer[Any] | np.floating[Any]], weights: FloatArray, groups: IntArray | None
) -> FloatArray:
    """What each event adds to Σ over groups of (Σw)² when events are taken from the highest score down."""
    if groups is None:
        return weights**2
    order = np.lexsort((-scores, groups))
    w, g = weights[order], groups[order]
    before = np.cumsum(w) - w
    first = np.append(True, g[1:] != g[:-1])
    before = before - before[first][np.cumsum(first) - 1]
    steps = np.empty_like(w)
    steps[order] = 2 * before * w + w**2
    return steps


def check_weights(weights: npt.ArrayLike) -> FloatArray:
    """`weights` (n,) as float64 if finite, not negative and summing to one crossing; else `InputError`."""
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 1 or len(w) == 0:
        raise InputError(f"weights must be a list of at least one number, not an array of shape {w.shape}")
    if not np.isfinite(w).all() or (w < 0).any():
        bad = w[~np.isfinite(w) | (w < 0)][0]
        raise InputError(f"weights must be finite and not negative, not {float(bad)!r}")
    total = float(w.sum())
    if abs(total - 1) > float(np.clip(WEIGHT_SUM_SIGMAS * np.sqrt(squared_sum(w)), *WEIGHT_SUM_TOLERANCE)):
        raise InputError(
            f"background weights must sum to 1 per crossing, not {total:.6g}; "
            "divide the weights of a part of a sample by their sum"
        )
    return w


def measure_rate(
    weights: npt.ArrayLike, accepted: npt.ArrayLike, colliding_bunches: int, groups: IntArray | None = None
) -> Rate:
    """The rate n_b · f_rev · Σ w·p of weights w (n,) and acceptances p (n,), flags or probabilities.

    The error is n_b · f_rev · sqrt(Σ (w·p)²), the effective count (Σ w·p)²/Σ (w·p)²; `groups` (n,) are those of
    dependent events.
    """
    w, p = np.asarray(weights, dtype=np.float64), np.asarray(accepted, dtype=np.float64)
    if w.shape != p.shape:
        raise InputError(f"weights and decisions must have one shape, not {w.shape} and {p.shape}")
    crossing_hz, accepted_weight = crossing_rate_hz(colliding_bunches), w * p
    return Rate(
        hz=crossing_hz * float(accepted_weight.sum()),
        error_hz=crossing_hz * float(np.sqrt(squared_sum(accepted_weight, groups))),
        effective_events=effective_events(accepted_weight, groups),
    )


def refuse_unsupported(what: str, events: int, effective: float, probability: float, required: float) -> None:
    """Raise `InputError` if fewer than `required` effective events lie behind `what`, saying how many would do.

    `probability` is the fraction of crossings that `what` accepts: it serves where no event is left.
    """
    if effective >= required:
        return
    needed = events * required / effective if effective > 0 else required / max(probability, 1e-300)
    raise InputError(
        f"{what} must have at least {required:g} effective events behind it, not {effective:.3g}: "
        f"it needs about {max(needed, events + 1):.2g} crossings (there are {events}); "
        "generate more or enrich the hard ones"
    )
