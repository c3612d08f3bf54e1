"""Which hypotheses are named as causes of mismatches, and which are only listed.

A hypothesis is named if it mends at least a quarter of the mismatches net of the equal events that it breaks, or if it
explains at least a tenth of them and far more than a change of the same spread would meet by coincidence. The latter
finds faults that come and go. A second cause is named if the same holds for what the first one leaves.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from trigforge.fixed import IntArray
from trigforge.recorded.accumulator import FaultCounts
from trigforge.recorded.statistics import Floats, coincidence
from trigforge.recorded.study import EQUAL_EVALUATIONS, MISMATCH_EVALUATIONS, Bools, Study
from trigforge.recorded.values import Cause, Hypothesis

FEWEST: Final = 5
"""Mismatches that a named cause must explain."""
SYSTEMATIC: Final = 0.25
"""Share of the mismatches that a fault that is always there must mend net of what it breaks."""
INTERMITTENT: Final = 0.1
"""Share of the mismatches that any named fault must explain."""
SIGNIFICANCE: Final = 1e-3
"""Largest probability of a coincidence, for all hypotheses together."""
RESOLUTION: Final = 0.01
"""Shares of explained mismatches that are equal within this are ordered by what is broken."""
MOST_EQUIVALENT: Final = 20


def rank(study: Study, counted: FaultCounts) -> tuple[Hypothesis, ...]:
    """All hypotheses, best first; none if no mismatch was tested."""
    if not counted.mismatches:
        return ()
    p = _coincidences(study, counted, counted.explained, counted.mismatches)
    order = _order(study, counted.explained, counted, np.ones(len(p), dtype=bool))
    return tuple(_hypothesis(study, counted, int(i), float(p[i])) for i in order)


def find_causes(study: Study, counted: FaultCounts) -> tuple[Cause, ...]:
    """At most two causes; the second explains mismatches that the first does not."""
    if not counted.mismatches:
        return ()
    first = _best(study, counted, counted.explained, counted.mismatches)
    if first is None:
        return ()
    index, cause = first
    left = counted.mismatches - int(counted.explained[index])
    second = _best(study, counted, counted.explained - counted.together[index], left)
    return (cause,) if second is None else (cause, second[1])


def _best(study: Study, counted: FaultCounts, explained: IntArray, left: int) -> tuple[int, Cause] | None:
    """The best hypothesis for `left` mismatches, of which each explains so many, if one may be named."""
    p = _coincidences(study, counted, explained, left)
    enough = (explained >= FEWEST) & (explained >= INTERMITTENT * counted.mismatches)
    systematic = _net(study, counted, explained) >= SYSTEMATIC * left
    named = enough & (systematic | (p < SIGNIFICANCE))
    if not named.any():
        return None
    order = _order(study, explained, counted, named)
    best = int(order[0])
    alike = (explained == explained[best]) & (counted.broken == counted.broken[best]) & named
    names = [study.faults[int(i)].name for i in order[1:] if alike[i]]
    return best, Cause(
        hypothesis=_hypothesis(study, counted, best, float(p[best])),
        explained=int(explained[best]),
        intermittent=bool(_net(study, counted, explained)[best] < 0),
        equivalent=tuple(names[:MOST_EQUIVALENT]),
    )


def _order(study: Study, explained: IntArray, counted: FaultCounts, named: Bools) -> IntArray:
    """Indices of the hypotheses, best first: most explained, then least broken, then simplest."""
    share = np.floor(explained / max(1.0, RESOLUTION * counted.mismatches))
    touched = np.array([fault.touched for fault in study.faults])
    keys = (np.arange(len(touched)), touched, -explained, counted.broken, -share, ~named)
    return np.asarray(np.lexsort(keys)[: int(named.sum())])


def _net(study: Study, counted: FaultCounts, explained: IntArray) -> Floats:
    """Tested mismatches mended less equal events broken, brought to the same share of all events."""
    scale = study.stride(EQUAL_EVALUATIONS) / study.stride(MISMATCH_EVALUATIONS)
    return np.asarray(explained - scale * counted.broken, dtype=np.float64)


def _coincidences(study: Study, counted: FaultCounts, explained: IntArray, left: int) -> Floats:
    """Probability, times the number of hypotheses, to explain so many by changes unrelated to the deviations."""
    chance = _chance_of_bits(counted) if study.only_bits else _chance_of_scores(counted)
    p = coincidence(explained, left, chance) * len(explained)
    return np.asarray(np.minimum(p, 1.0), dtype=np.float64)


def _chance_of_scores(counted: FaultCounts) -> Floats:
    """Σ P(deviation = v) P(change = v) with v in 255 hash classes, which overestimates it: (H,)."""
    return np.asarray(counted.changes[:, 1:] @ counted.deviations[1:] / max(counted.mismatches, 1) ** 2)


def _chance_of_bits(counted: FaultCounts) -> Floats:
    """How often a fault changes the bit of an equal event as far from the threshold as the mismatching ones: (H,).

    One event is added to those of every class that change, so that a class without equal events proves nothing.
    """
    equal = counted.strata.events - counted.strata.mismatches
    changed = (counted.strata_broken + 1) / (equal + 1)
    return np.asarray(changed @ counted.strata.mismatches / max(counted.mismatches, 1))


def _hypothesis(study: Study, counted: FaultCounts, index: int, p: float) -> Hypothesis:
    return Hypothesis(
        name=study.faults[index].name,
        explained=int(counted.explained[index]),
        tested=counted.mismatches,
        broken=int(counted.broken[index]),
        tested_equal=counted.equal,
        p_coincidence=p,
    )
