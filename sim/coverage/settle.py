"""Open bins settled: proved impossible by branch and bound, or reached by events that its relaxed optima suggest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trigforge.fixed import IntArray
from trigforge.sim.bounds.decide import Limits, Region
from trigforge.sim.bounds.prover import BY, FEW, Answer, Prover
from trigforge.sim.bounds.reach import Reach, node_values
from trigforge.sim.coverage.points import Bins, Cells, Hits, Point
from trigforge.sim.coverage.search import close


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Bins with more proofs, and events (n, words) that, streamed behind the known ones, hit more of them."""

    bins: Bins
    events: IntArray


def settle(bins: Bins, words: IntArray, seed: int, limits: Limits, cache: Path | None = None) -> Settled:
    """Decide the bins that events (n, words) leave open; the same for the same seed.

    A bin is proved impossible for all words within the limits of `bins`, or events near it are made and the search goes
    on from there; `limits` are those of one question. With the folder `cache` nodes are evaluated by native code.
    """
    hits = bins.hits(words)
    open_points = [
        (point, own)
        for start, point in zip(bins.starts(), bins.points, strict=True)
        if (own := [k for k in range(len(point.bins)) if not hits[start + k] and start + k not in bins.excluded])
    ]
    if not open_points:
        return Settled(bins, words[:0])
    prover = Prover(bins.circuit, bins.program.inputs, bins.low, bins.high)
    never: dict[str, str] = {}
    near = [words[:0]]
    for point, missing in sorted(open_points, key=lambda pair: pair[0].node):
        (values,) = node_values(bins.circuit, words, bins.program.inputs, [point.node])
        asked: dict[Region, Answer] = {}
        for k in missing:
            regions = _regions(point, k, prover.reach(point.node))
            for region in regions or ():
                if region not in asked:
                    asked[region] = prover.ask(point.node, region, words[_nearest(values, region)], limits)
            answers = [asked[region] for region in regions or ()]
            if regions is not None and all(answer.never for answer in answers):
                never[point.bins[k]] = f"it is never reached, {BY}"
        near += [answer.events for answer in asked.values()]
    prover.learn()
    proved = replace(bins, excluded={**dict(_excluded(bins, hits, prover, never)), **bins.excluded})
    start = np.concatenate(near)
    return Settled(proved, close(proved, words, seed, cache=cache, near=start) if len(start) else start)


def _excluded(bins: Bins, hits: Hits, prover: Prover, never: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Bins that are not hit and cannot be, and why."""
    for start, point in zip(bins.starts(), bins.points, strict=True):
        reach = prover.reach(point.node)
        for k, (name, impossible) in enumerate(zip(point.bins, point.impossible(reach), strict=True), start):
            if not hits[k] and (impossible or name in never):
                yield k, f"{reach.proof}, {BY}" if impossible else never[name]


def _regions(point: Point, k: int, reach: Reach) -> list[Region] | None:
    """The values that hit bin `k` of a point, among those that are known to be possible; None if they are too many.

    Of a toggle they are those of the bit that is harder to reach; of an impossible bin there are none.
    """
    if isinstance(point, Cells):
        first, last = point.region([cell for cell, name in enumerate(point.names) if name][k])
        return [Region(first, last)] if reach.meets(first, last) else []
    bit, kind = divmod(k, len(point.kinds))
    wanted = {"0": [0], "1": [1]}.get(point.kinds[kind], [0, 1])
    found = [_with_bit(bit, value, reach.low, reach.high) for value in wanted]
    return min((regions for regions in found if regions is not None), key=len, default=None)


def _with_bit(bit: int, value: int, low: int, high: int) -> list[Region] | None:
    """The intervals of `low..high` in which a bit of the two's complement is `value`; None if there are many."""
    first = (low >> bit) + (((low >> bit) & 1) != value)
    starts = range(first << bit, high + 1, 2 << bit)
    if len(starts) > FEW:
        return None
    return [Region(max(start, low), min(start + (1 << bit) - 1, high)) for start in starts]


def _nearest(values: IntArray, region: Region) -> int:
    """The event whose value is nearest to a region."""
    return int(np.argmin(values) if region.first is None else np.argmax(values))
