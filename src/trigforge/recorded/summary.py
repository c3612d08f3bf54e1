"""Counts to `Comparison`: rates with intervals, ranked conditions, ranked and named causes."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np

from trigforge.fixed import IntArray
from trigforge.recorded.accumulator import Accumulator, ColumnCounts, Place, Tally
from trigforge.recorded.binning import exponent_range, score_edges
from trigforge.recorded.causes import find_causes, rank
from trigforge.recorded.columns import Recorded
from trigforge.recorded.statistics import association, deviance, holm
from trigforge.recorded.study import Study
from trigforge.recorded.values import Bin, BitCount, Cause, Column, Comparison, Condition, Hypothesis, Rate, Threshold
from trigforge.recorded.values import Place as PlaceValue

SHOWN_CONDITIONS: Final = 100
SHOWN_HYPOTHESES: Final = 100
SHOWN_PLACES: Final = 4000
"""More luminosity blocks than these are cut: the worst stay."""


def summarise(study: Study, counted: Accumulator, *, program: str, source: str) -> Comparison:
    """The result of a comparison: `program` is the digest of the program, `source` names the input."""
    mismatch = Rate.of(counted.mismatches, counted.compared)
    ranked = rank(study, counted.faults)
    causes = find_causes(study, counted.faults)
    tested, conditions = _conditions(study, counted)
    columns = tuple(_column(study, c, n) for c, n in zip(study.recorded, counted.columns, strict=True))
    return Comparison(
        program=program,
        contract=study.contract.digest,
        source=source,
        events=counted.events,
        outside=counted.outside,
        mismatch=mismatch,
        columns=columns,
        verdict=_verdict(mismatch, counted.faults.mismatches, causes, ranked),
        causes=causes,
        hypotheses=tuple(h for h in ranked if h.explained)[:SHOWN_HYPOTHESES],
        hypotheses_tested=len(study.faults) if counted.faults.mismatches else 0,
        conditions=conditions,
        conditions_tested=tested,
        parts=tuple(
            PlaceValue(place=(i,), mismatch=Rate.of(int(k), int(n)))
            for i, (n, k) in enumerate(zip(counted.positions.events, counted.positions.mismatches, strict=True))
            if n
        ),
        places={name: _places(seen, counted.places_hit[name]) for name, seen in counted.places.items()},
    )


def _verdict(mismatch: Rate, tested: int, causes: tuple[Cause, ...], ranked: tuple[Hypothesis, ...]) -> str:
    """What the comparison says, in one sentence."""
    if not mismatch.total:
        return "no event could be compared"
    if not mismatch.count:
        return f"all {mismatch.total} events agree; the mismatch rate is below {mismatch.high:.2g} (95 % interval)"
    thinned = "" if tested == mismatch.count else " tested"
    if not causes:
        text = f"no known fault explains the {mismatch.count} mismatches of {mismatch.total} events"
        best = next((h for h in ranked if h.explained), None)
        return text if best is None else f"{text}; the best meets {best.explained}, '{best.name}'"
    first, *others = causes
    text = f"{first.explained} of {tested}{thinned} mismatches vanish if {first.hypothesis.name}{_limits(first)}"
    for cause in others:
        text += f", and {cause.explained} more if {cause.hypothesis.name}{_limits(cause)}"
    return text


def _limits(cause: Cause) -> str:
    """What restricts the statement: events that disagree, other hypotheses that are as good."""
    notes = []
    if cause.hypothesis.broken:
        always = ", so the fault is not always there" if cause.intermittent else ""
        notes.append(
            f"in these events; it would break {cause.hypothesis.broken} of {cause.hypothesis.tested_equal} equal ones"
            f"{always}"
        )
    if cause.equivalent:
        more = f" and {len(cause.equivalent) - 2} more" if len(cause.equivalent) > 2 else ""
        notes.append(f"not told from: {'; '.join(cause.equivalent[:2])}{more}")
    return f" ({'; '.join(notes)})" if notes else ""


def _column(study: Study, column: Recorded, counted: ColumnCounts) -> Column:
    kind, edges = study.kind(column), score_edges(study.kind(column), bit=column.threshold is not None)
    ranges = list(zip(edges[:-1].tolist(), (edges[1:] - 1).tolist(), strict=True))
    return Column(
        label=column.label,
        output=column.output,
        type=str(kind),
        threshold=column.threshold,
        missing=counted.missing,
        off_grid=counted.off_grid,
        mismatch=Rate.of(counted.mismatches, counted.compared),
        bits=tuple(
            BitCount(bit=b, recorded_only=int(r), emulated_only=int(e))
            for b, (r, e) in enumerate(zip(counted.bits_recorded, counted.bits_emulated, strict=True))
            if r or e or b < (kind.width if column.threshold is None else 1)
        ),
        differences=_exponents(Tally(counted.differences, counted.differences)),
        scores=tuple(
            Bin(low=low, high=high, events=int(n), mismatches=int(k))
            for (low, high), n, k in zip(ranges, counted.scores.events, counted.scores.mismatches, strict=True)
        ),
        plane=tuple((int(i), int(j), int(counted.plane[i, j])) for i, j in np.argwhere(counted.plane)),
        thresholds=tuple(
            _threshold(t, counted.decisions[i], Tally(counted.near.events[i], counted.near.mismatches[i]))
            for i, t in enumerate(study.thresholds if column.threshold is None else ())
        ),
    )


def _threshold(threshold: int, decisions: IntArray, near: Tally) -> Threshold:
    (neither, emulated_only), (recorded_only, both) = decisions.tolist()
    return Threshold(
        threshold=threshold,
        both=both,
        recorded_only=recorded_only,
        emulated_only=emulated_only,
        neither=neither,
        disagreement=Rate.of(recorded_only + emulated_only, int(decisions.sum())),
        near=_exponents(near),
    )


def _exponents(tally: Tally) -> tuple[Bin, ...]:
    """The bins of signed powers of two that are not empty."""
    bins = []
    for index in np.flatnonzero(tally.events):
        low, high = exponent_range(int(index))
        bins.append(Bin(low=low, high=high, events=int(tally.events[index]), mismatches=int(tally.mismatches[index])))
    return tuple(bins)


def _conditions(study: Study, counted: Accumulator) -> tuple[int, tuple[Condition, ...]]:
    """Number of conditions that some but not all events fulfil, and the most significant of them."""
    total, hit = counted.compared, counted.mismatches
    inside, found = counted.conditions.events, counted.conditions.mismatches
    tested = np.flatnonzero((inside > 0) & (inside < total))
    if not hit or not len(tested):
        return 0, ()
    n, k = inside[tested], found[tested]
    p = association(n, k, total, hit)
    corrected, strength = holm(p), deviance(n, k, total, hit)
    order = np.lexsort((tested, -np.round(strength, 6), corrected))[:SHOWN_CONDITIONS]
    names = [study.condition_names[i] for i in tested]
    return len(tested), tuple(_condition(names[i], n[i], k[i], total, hit, p[i], corrected[i]) for i in order)


def _condition(name: str, n: Any, k: Any, total: int, hit: int, p: Any, corrected: Any) -> Condition:
    inside, outside = Rate.of(int(k), int(n)), Rate.of(hit - int(k), total - int(n))
    ratio = inside.value / outside.value if outside.count else None
    return Condition(
        name=name, inside=inside, outside=outside, ratio=ratio, p_value=float(p), p_corrected=float(corrected)
    )


def _places(seen: Counter[Place], hit: Counter[Place]) -> tuple[PlaceValue, ...]:
    found = [PlaceValue(place=place, mismatch=Rate.of(hit[place], n)) for place, n in seen.items()]
    return tuple(sorted(found, key=lambda p: (-p.mismatch.low, -p.mismatch.value, p.place))[:SHOWN_PLACES])
