"""`ThresholdTable`: integer thresholds of a firmware score against total and pure Level-1 rate.

The firmware condition is `score >= threshold`; every threshold here is the smallest integer with its rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from trigforge.errors import InputError
from trigforge.fixed import IntArray
from trigforge.units import DEFAULT_COLLIDING_BUNCHES, ORBIT_BUNCHES, crossing_rate_hz
from trigforge.value import Value
from trigforge.weighted import (
    MIN_EFFECTIVE_EVENTS,
    BoolArray,
    FloatArray,
    check_weights,
    effective_events,
    refuse_unsupported,
    square_steps,
)

TABLE_ROWS = 200


class ThresholdRow(Value):
    """One threshold, its total rate and its pure rate, of events that no other seed of the menu accepts.

    `pure_rate_khz` is None where the other seeds were not given. Errors are statistical, from sqrt(Σw²).
    """

    threshold: int
    rate_khz: float = Field(ge=0)
    rate_err_khz: float = Field(ge=0)
    pure_rate_khz: float | None = Field(default=None, ge=0)
    pure_rate_err_khz: float | None = Field(default=None, ge=0)
    effective_events: float = Field(ge=0)

    def summary(self) -> dict[str, float | int | None]:
        """The entry `threshold` of a run's summary."""
        return {
            "score": self.threshold,
            "rate_khz": self.rate_khz,
            "rate_err_khz": self.rate_err_khz,
            "pure_rate_khz": self.pure_rate_khz,
        }


class ThresholdTable(Value):
    """Thresholds and rates of the score of one program; thresholds rise and rates fall strictly."""

    program_digest: str
    colliding_bunches: int = Field(ge=1, le=ORBIT_BUNCHES)
    events: int = Field(ge=1)
    rows: tuple[ThresholdRow, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rows_are_monotone(self) -> ThresholdTable:
        for low, high in pairwise(self.rows):
            if not (low.threshold < high.threshold and low.rate_khz > high.rate_khz):
                raise ValueError(
                    "thresholds must rise and rates fall strictly, not "
                    f"({low.threshold}, {low.rate_khz:g} kHz) then ({high.threshold}, {high.rate_khz:g} kHz)"
                )
        return self

    def for_program(self, digest: str) -> ThresholdTable:
        """This table, if it was made with the program of that digest; else `InputError`."""
        if digest != self.program_digest:
            raise InputError(
                f"a threshold table must be of the program it is used with, {digest[:12]!r}, "
                f"not {self.program_digest[:12]!r}; run 'trigforge calibrate thresholds' again"
            )
        return self

    def threshold_at(self, rate_khz: float) -> ThresholdRow:
        """The row with the lowest threshold whose rate does not exceed `rate_khz`."""
        for row in self.rows:
            if row.rate_khz <= rate_khz:
                return row
        raise InputError(
            f"rate must be at least {self.rows[-1].rate_khz:.4g} kHz, the smallest of this table, "
            f"not {rate_khz!r}; scan more crossings"
        )

    def rate_at(self, threshold: int) -> ThresholdRow:
        """The row whose rate bounds that of `score >= threshold` from above; exact if all scores have rows."""
        if threshold > self.rows[-1].threshold:
            raise InputError(
                f"threshold must be at most {self.rows[-1].threshold}, the largest of this table, "
                f"not {threshold!r}; scan more crossings"
            )
        return next((row for row in reversed(self.rows) if row.threshold <= threshold), self.rows[0])


def scan_thresholds(
    scores: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    program_digest: str,
    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES,
    others: npt.ArrayLike | None = None,
    groups: IntArray | None = None,
    rows: int = TABLE_ROWS,
) -> ThresholdTable:
    """The table of all distinct scores with enough events above, thinned to `rows` evenly in ln(rate).

    `scores` int64 (n,); `weights` (n,), summing to 1; `others` (n,) is the OR of the other menu seeds;
    `groups` (n,) number dependent crossings, from `interaction_groups`.
    """
    s, w, o = _check(scores, weights, others)
    table = _integrate(s, w, o, groups, colliding_bunches)
    rising = np.append(True, np.diff(table.total) < 0)
    useful = np.flatnonzero(rising & (table.effective >= MIN_EFFECTIVE_EVENTS))
    if len(useful) == 0:
        refuse_unsupported("the loosest threshold", len(s), effective_events(w, groups), 1.0, MIN_EFFECTIVE_EVENTS)
    return ThresholdTable(
        program_digest=program_digest,
        colliding_bunches=colliding_bunches,
        events=len(s),
        rows=tuple(table.row(i) for i in _thin(useful, table.total, rows)),
    )


def threshold_for(
    scores: npt.ArrayLike,
    weights: npt.ArrayLike,
    rate_khz: float,
    *,
    colliding_bunches: int = DEFAULT_COLLIDING_BUNCHES,
    others: npt.ArrayLike | None = None,
    groups: IntArray | None = None,
    min_effective_events: float = MIN_EFFECTIVE_EVENTS,
    pure: bool = False,
) -> ThresholdRow:
    """The smallest integer threshold whose rate, or `pure` rate, does not exceed `rate_khz`, with both.

    `scores` int64 (n,), `weights` (n,); a pure rate needs `others` (n,), the OR of the other seeds. Refuses a rate
    with fewer effective events.
    """
    s, w, o = _check(scores, weights, others)
    if not rate_khz > 0:
        raise InputError(f"target rate must be positive, not {rate_khz!r} kHz")
    if pure and o is None:
        raise InputError("a pure rate must have the OR of the other seeds, others=, not None")
    table = _integrate(s, w, o, groups, colliding_bunches)
    rates = table.pure if pure and table.pure is not None else table.total
    row = table.row(int(np.argmax(rates <= rate_khz)))
    effective = row.effective_events
    if pure and row.pure_rate_khz is not None:
        effective = (row.pure_rate_khz / row.pure_rate_err_khz) ** 2 if row.pure_rate_err_khz else 0.0
    what = f"a target {'pure ' if pure else ''}rate of {rate_khz:g} kHz"
    probability = rate_khz * 1e3 / crossing_rate_hz(colliding_bunches)
    refuse_unsupported(what, len(s), effective, probability, min_effective_events)
    return row


def _check(
    scores: npt.ArrayLike, weights: npt.ArrayLike, others: npt.ArrayLike | None
) -> tuple[IntArray, FloatArray, BoolArray | None]:
    s, w = np.asarray(scores), check_weights(weights)
    if s.dtype.kind not in "iu" or s.shape != w.shape:
        raise InputError(f"scores must be integers of shape {w.shape}, not {s.dtype} of shape {s.shape}")
    o = None if others is None else np.asarray(others, dtype=np.bool_)
    if o is not None and o.shape != w.shape:
        raise InputError(f"the OR of the other seeds must have shape {w.shape}, not {o.shape}")
    return s.astype(np.int64), w, o


@dataclass(frozen=True, slots=True)
class _Integral:
    """Per threshold, rising: accepted rate and its error in kHz, total and pure, and the effective events.

    Thresholds are the smallest integers that accept a distinct score; the last accepts nothing.
    """

    thresholds: IntArray
    total: FloatArray
    total_err: FloatArray
    effective: FloatArray
    pure: FloatArray | None
    pure_err: FloatArray | None

    def row(self, index: int) -> ThresholdRow:
        pure, pure_err = self.pure, self.pure_err
        return ThresholdRow(
            threshold=int(self.thresholds[index]),
            rate_khz=float(self.total[index]),
            rate_err_khz=float(self.total_err[index]),
            pure_rate_khz=None if pure is None else float(pure[index]),
            pure_rate_err_khz=None if pure_err is None else float(pure_err[index]),
            effective_events=float(self.effective[index]),
        )


def _integrate(
    scores: IntArray, weights: FloatArray, others: BoolArray | None, groups: IntArray | None, bunches: int
) -> _Integral:
    distinct, place = np.unique(scores, return_inverse=True)
    crossing_khz = crossing_rate_hz(bunches) / 1e3

    def above(w: FloatArray) -> FloatArray:
        return np.append(np.cumsum(np.bincount(place, w)[::-1])[::-1], 0.0)

    total, squares = above(weights), above(square_steps(scores, weights, groups))
    pure = None if others is None else weights * ~others
    return _Integral(
        thresholds=np.append(distinct[0], distinct + 1),
        total=crossing_khz * total,
        total_err=crossing_khz * np.sqrt(squares),
        effective=np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0),
        pure=None if pure is None else crossing_khz * above(pure),
        pure_err=None if pure is None else crossing_khz * np.sqrt(above(square_steps(scores, pure, groups))),
    )


def _thin(useful: npt.NDArray[np.intp], total: FloatArray, rows: int) -> list[int]:
    """At most `rows` of the indices `useful`, evenly spaced in ln(total), the first and the last always."""
    if len(useful) <= rows:
        return [int(i) for i in useful]
    falling = np.log(total[useful])
    wanted = np.linspace(falling[0], falling[-1], rows)
    chosen = np.clip(np.searchsorted(-falling, -wanted), 0, len(useful) - 1)
    return [int(i) for i in useful[np.unique(np.append(chosen, [0, len(useful) - 1]))]]
