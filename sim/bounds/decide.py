"""Whether a node can be in a region: branch and bound on the kinks of a network, every branch closed by a proof."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from time import monotonic

import numpy as np

from trigforge.fixed import IntArray
from trigforge.sim.bounds.dual import Floats, Infeasible, Optimum, Solver
from trigforge.sim.bounds.network import Clip, Floor, Image, Problem, Rule
from trigforge.sim.bounds.reach import Interval
from trigforge.sim.bounds.relax import TARGET, Bounds, Box, Row, propagate, rows, value_of

Look = Callable[[Floats], bool]
"""A point of a problem's variables -> whether an event near it is in the region; called at every branch."""


@dataclass(frozen=True, slots=True)
class Region:
    """Mantissas `first..last` (None: unbounded; not both)."""

    first: int | None
    last: int | None

    def holds(self, value: int) -> bool:
        """Whether a mantissa is in it."""
        return (self.first is None or self.first <= value) and (self.last is None or value <= self.last)

    def distance(self, values: IntArray) -> IntArray:
        """How far mantissas (n,) are from it."""
        below = 0 if self.first is None else np.maximum(self.first - values, 0)
        above = 0 if self.last is None else np.maximum(values - self.last, 0)
        return np.asarray(np.zeros_like(values) + below + above)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a question may take; the seconds are a safety, what is decided must not depend on them."""

    branches: int = 400
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Never:
    """Proved: no event brings the node into the region."""

    branches: int


class Seen:
    """An event does."""


class Open:
    """Neither, within the limits."""


@dataclass(order=True, slots=True)
class _Branch:
    bound: int
    number: int
    box: Box = field(compare=False)


def decide(problem: Problem, region: Region, known: Box, look: Look, limits: Limits) -> Never | Seen | Open:
    """Whether a problem's target can be in a region, when operands are within `known` boxes.

    `look` may find an event that is, near the optimum of a relaxed branch.
    """
    stop, numbers, done = monotonic() + limits.seconds, count(), 0
    search = _Search(problem, region, Solver(problem))
    heap = [_Branch(0, next(numbers), known)]
    while heap:
        if done >= limits.branches or monotonic() > stop:
            return Open()
        branch, done = heapq.heappop(heap), done + 1
        bounds = propagate(problem, branch.box)
        best = Infeasible() if bounds is None else search.relaxed(bounds, branch.box)
        if bounds is None or isinstance(best, Infeasible):
            continue
        if best is not None and look(best.point):
            return Seen()
        halves = search.halves(bounds, branch.box, best)
        if halves is None:
            return Open()
        bound = branch.bound if best is None else -best.bound
        for box in halves:
            heapq.heappush(heap, _Branch(bound, next(numbers), box))
    return Never(done)


@dataclass(frozen=True, slots=True)
class _Search:
    problem: Problem
    region: Region
    solver: Solver

    def relaxed(self, bounds: Bounds, box: Box) -> Optimum | Infeasible | None:
        """The relaxed optimum of a branch towards the region; `Infeasible` if a bound excludes the region."""
        problem, region = self.problem, self.region
        sign, end = (-1, region.last) if region.first is None else (1, region.first)
        assert end is not None
        best = self.solver.maximise(sign, [*rows(problem, bounds, box), *self.asked()], bounds.values)
        outside = isinstance(best, Optimum) and best.bound < sign * end * problem.unit
        return Infeasible() if outside else best

    def asked(self) -> Iterator[Row]:
        """That the target is in the region."""
        constant, unit = self.problem.target.constant, self.problem.unit
        if self.region.last is not None:
            yield Row(TARGET, 1, 0, self.region.last * unit - constant)
        if self.region.first is not None:
            yield Row(TARGET, -1, 0, constant - self.region.first * unit)

    def halves(self, bounds: Bounds, box: Box, best: Optimum | None) -> tuple[Box, Box] | None:
        """Two parts of a box, cut where the relaxation is most wrong; None if it is nowhere."""
        cuts = []
        for number, variable in enumerate(self.problem.variables):
            rule, operand = variable.rule, bounds.operands[number]
            if rule is None or isinstance(rule, Floor) or operand[0] == operand[1]:
                continue
            at = _middle(operand) if best is None else self.operand(rule, best.point)
            cut = _cut(rule, operand, at)
            if cut is not None:
                cuts.append((self.gap(number, rule, operand, at, best), -number, cut))
        if not cuts:
            return self.parted(bounds, box)
        _, number, cut = max(cuts)
        low, high = bounds.operands[-number]
        return _with(box, -number, (low, cut)), _with(box, -number, (cut + 1, high))

    def parted(self, bounds: Bounds, box: Box) -> tuple[Box, Box] | None:
        """Where all rules are exact but for roundings: the halves of the widest variable without a rule."""
        free = [number for number, variable in enumerate(self.problem.variables) if variable.rule is None]
        number = max(free, key=lambda k: bounds.values[k][1] - bounds.values[k][0], default=-1)
        if number < 0 or bounds.values[number][0] == bounds.values[number][1]:
            return None
        low, high = bounds.values[number]
        return _with(box, number, (low, (low + high) // 2)), _with(box, number, ((low + high) // 2 + 1, high))

    def gap(self, number: int, rule: Rule, operand: Interval, at: float, best: Optimum | None) -> float:
        """How much a rule's relaxation may be worth to the optimum; without one, how wide its operand is."""
        if best is None:
            return float(operand[1] - operand[0])
        unit = self.problem.variables[number].unit
        return abs(value_of(rule, unit, at) / unit - float(best.point[number])) * (float(best.weights[number]) + 1e-9)

    def operand(self, rule: Rule, point: Floats) -> float:
        """A rule's operand at a point."""
        return rule.operand.constant + sum(factor * float(point[k]) for k, factor in rule.operand.terms)


def _with(box: Box, number: int, interval: Interval) -> Mapping[int, Interval]:
    return {**box, number: interval}


def _middle(interval: Interval) -> float:
    return (interval[0] + interval[1]) / 2


def _cut(rule: Rule, operand: Interval, at: float) -> int | None:
    """The last operand of the lower part; None if there is nothing to cut."""
    low, high = operand
    if isinstance(rule, Clip):
        inside = low < rule.bound < high
        return (rule.bound if rule.upper else rule.bound - 1) if inside else None
    if isinstance(rule, Image):
        unit = rule.source_unit
        point = rule.curve.cut(low // unit, high // unit, at / unit)
        return None if point is None else point * unit
    margin = (high - low) / 8
    return int(at if low + margin <= at < high - margin else _middle(operand) // 1)
