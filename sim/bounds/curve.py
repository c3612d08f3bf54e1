"""A function of one integer, and its convex hull over an interval: all that a linear relaxation can know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
class Hull:
    """The lower and the upper vertices of the convex hull of some points of a curve, from left to right."""

    lower: tuple[Vertex, ...]
    upper: tuple[Vertex, ...]
    bends: IntArray
    """Where a side bends."""
    thickness: Floats
    """The distance of the two sides there."""
    lines: tuple[tuple[int, int, int], ...]
    """(a, b, c) with a · point + b · value <= c at every point."""

    @classmethod
    def of(cls, points: IntArray, values: IntArray) -> Hull:
        """Of points, ascending, and the values there; at least one."""
        same = values[1:] == values[:-1]
        inside = (
            np.concatenate([[False], same[1:] & same[:-1], [False]]) if len(values) > 1 else np.zeros(1, dtype=bool)
        )
        vertices = list(zip(points[~inside].tolist(), values[~inside].tolist(), strict=True))
        lower, upper = _lower(vertices), [(x, -y) for x, y in _lower([(x, -y) for x, y in vertices])]
        bends = np.array(sorted({x for x, _ in (*lower[1:-1], *upper[1:-1])}), dtype=np.int64)
        low, high = (np.interp(bends, *np.array(side).T) for side in (lower, upper))
        return cls(tuple(lower), tuple(upper), bends, high - low, (*_lines(lower, -1), *_lines(upper, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """`values` (n,) at `points` (n,), ascending; nothing is asked of it elsewhere."""

    points: IntArray
    values: IntArray
    hulls: dict[Interval, Hull] = field(default_factory=dict, repr=False)
    """Those that were asked for: branches differ in few intervals."""

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

    def hull(self, low: int, high: int) -> Hull:
        """The hull at the points in `low..high`, at least one."""
        part = self._part(low, high)
        if part not in self.hulls:
            self.hulls[part] = Hull.of(self.points[slice(*part)], self.values[slice(*part)])
        return self.hulls[part]

    def cut(self, low: int, high: int, at: float) -> int | None:
        """Where to part an interval: the last point of the lower part, at a bend of the hull; None if it is a line.

        Of the bends at which the hull is nearly as thick as anywhere that one which is nearest to `at`.
        """
        hull = self.hull(low, high)
        if not len(hull.bends):
            return None
        chosen = hull.bends[hull.thickness >= hull.thickness.max() / 2]
        return int(chosen[np.argmin(np.abs(chosen - at))])

    def _part(self, low: int, high: int) -> Interval:
        return int(np.searchsorted(self.points, low)), int(np.searchsorted(self.points, high, side="right"))


def _lines(vertices: Sequence[Vertex], sign: int) -> Iterator[tuple[int, int, int]]:
    facets = list(pairwise(vertices))
    for (x, y), (other, end) in facets[:: -(-len(facets) // FACETS) or 1]:
        run, rise = other - x, end - y
        yield -sign * rise, sign * run, sign * (run * y - rise * x)


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
