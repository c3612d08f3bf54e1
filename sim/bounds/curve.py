"""A function of one integer, and its convex hull over an interval: all that a linear relaxation can know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.fixed import IntArray
from trigforge.sim.bounds.reach import Interval

FACETS: Final = 12
"""Most lines on a side of a hull that are used; any of them holds."""

Vertex = tuple[int, int]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """`values` (n,) at `points` (n,), ascending; nothing is asked of it elsewhere."""

    points: IntArray
    values: IntArray

    def within(self, low: int, high: int) -> Interval | None:
        """The first and the last point in `low..high`; None if there is none."""
        start, stop = self._part(low, high)
        return (int(self.points[start]), int(self.points[stop - 1])) if start < stop else None

    def image(self, low: int, high: int) -> Interval:
        """The least and the greatest value at the points in `low..high`, at least one."""
        start, stop = self._part(low, high)
        return int(self.values[start:stop].min()), int(self.values[start:stop].max())

    def at(self, point: float) -> float:
        """The value between two points, as on the line between them."""
        return float(np.interp(point, self.points, self.values))

    def hull(self, low: int, high: int) -> tuple[list[Vertex], list[Vertex]]:
        """The lower and the upper vertices of the hull at the points in `low..high`, at least one."""
        start, stop = self._part(low, high)
        points, values = self.points[start:stop], self.values[start:stop]
        flat = values[1:] == values[:-1]
        inside = np.concatenate([[False], flat[1:] & flat[:-1], [False]]) if len(values) > 1 else [False]
        chosen = np.flatnonzero(np.logical_not(inside))
        vertices = list(zip(points[chosen].tolist(), values[chosen].tolist(), strict=True))
        return _lower(vertices), [(x, -y) for x, y in _lower([(x, -y) for x, y in vertices])]

    def lines(self, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """(a, b, c) with a · point + b · value <= c at every point in `low..high`."""
        lower, upper = self.hull(low, high)
        for sign, vertices in ((-1, lower), (1, upper)):
            facets = list(pairwise(vertices))
            for (x, y), (other, end) in facets[:: -(-len(facets) // FACETS) or 1]:
                run, rise = other - x, end - y
                yield -sign * rise, sign * run, sign * (run * y - rise * x)

    def cut(self, low: int, high: int, at: float) -> int | None:
        """Where to part an interval: the last point of the lower part, at a bend of the hull; None if it is a line.

        Of the bends at which the hull is nearly as thick as anywhere that one which is nearest to `at`.
        """
        places, thickness = self._bends(low, high)
        if not len(places):
            return None
        chosen = places[thickness >= thickness.max() / 2]
        cut = int(chosen[np.argmin(np.abs(chosen - at))])
        return cut if cut < high else int(self.points[self._part(low, high)[1] - 2])

    def thickness(self, low: int, high: int) -> float:
        """The greatest distance of two values that the hull has at a point."""
        return float(self._bends(low, high)[1].max(initial=0.0))

    def _bends(self, low: int, high: int) -> tuple[IntArray, Floats]:
        """Where a side of the hull bends, and how thick it is there."""
        lower, upper = self.hull(low, high)
        places = np.array(sorted({x for x, _ in (*lower[1:-1], *upper[1:-1])}), dtype=np.int64)
        low_side, high_side = (np.interp(places, *np.array(side).T) for side in (lower, upper))
        return places, high_side - low_side

    def _part(self, low: int, high: int) -> tuple[int, int]:
        return int(np.searchsorted(self.points, low)), int(np.searchsorted(self.points, high, side="right"))


def _lower(vertices: Sequence[Vertex]) -> list[Vertex]:
    """The lower hull of points from left to right (Andrew's monotone chain)."""
    found: list[Vertex] = []
    for x, y in vertices:
        while len(found) > 1:
            (first, start), (middle, height) = found[-2:]
            if (height - start) * (x - first) < (y - start) * (middle - first):
                break
            found.pop()
        found.append((x, y))
    return found
