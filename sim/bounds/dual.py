"""The largest value of a sum in a polyhedron: found by HiGHS in floating point, proved in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ldexp
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from trigforge.sim.bounds.network import Problem
from trigforge.sim.bounds.reach import Interval
from trigforge.sim.bounds.relax import TARGET, Row

BITS: Final = 80
"""Multipliers are rounded to multiples of 2^-BITS; any that are not negative prove something."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """sign · target <= `bound`, exactly; the point is where floating point found the largest value."""

    bound: int
    point: Floats
    weights: Floats
    """How much the optimum gains from one more of every variable's mantissa, its own rule aside."""


class Infeasible:
    """Proved: no point fulfils the rows."""


class Solver:
    """The linear programs of one problem: the same operands, other rows and other intervals each time."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        operands = [() if v.rule is None else v.rule.operand.terms for v in problem.variables]
        self.operands = [*operands, problem.target.terms]
        count = len(problem.variables)
        starts = np.cumsum([0, *map(len, self.operands)])
        columns = np.array([n for terms in self.operands for n, _ in terms], dtype=np.int64)
        values = np.array([float(f) for terms in self.operands for _, f in terms])
        self.matrix = csr_array((values, columns, starts), shape=(count + 1, count))
        self.largest = np.array([max((abs(f) for _, f in terms), default=0) for terms in self.operands], dtype=float)

    def maximise(self, sign: int, rows: Sequence[Row], box: Sequence[Interval]) -> Optimum | Infeasible | None:
        """A proved upper bound of sign · target under `rows` within `box`; None if the solver found none."""
        if not box:
            return Optimum(sign * self.problem.target.constant, np.zeros(0), np.zeros(0))
        matrix, limits, scales = self._program(rows)
        objective = -sign * self.matrix[[TARGET]].toarray()[0]
        unit = float(np.abs(objective).max(initial=0.0)) or 1.0
        found = linprog(objective / unit, A_ub=matrix, b_ub=limits, bounds=np.array(box, dtype=float), method="highs")
        if found.status == 0:
            multipliers = np.maximum(-found.ineqlin.marginals, 0.0) * unit / scales
            bound = self.safe_bound(sign, rows, box, multipliers)
            return Optimum(bound, found.x, self._gains(objective, rows, multipliers))
        if found.status == 2:
            conflict = _conflict(matrix, limits, box)
            if conflict is not None and self.safe_bound(0, rows, box, conflict / scales) < 0:
                return Infeasible()
        return None

    def safe_bound(self, sign: int, rows: Sequence[Row], box: Sequence[Interval], multipliers: Floats) -> int:
        """sign · target is at most this wherever the rows hold, for any multipliers that are not negative.

        cost · x <= y · limit + max over the box of (cost - A^T y) · x (Neumaier and Shcherbina,
        doi:10.1007/s10107-003-0433-3), here in integers: nothing is rounded but y itself. Of a negative bound with
        sign 0 it follows that the rows contradict each other.
        """
        total = (sign * self.problem.target.constant) << BITS
        weights = [0] * len(self.operands)
        rest = [0] * len(box)
        weights[TARGET] = -sign << BITS
        for row, y in zip(rows, multipliers.tolist(), strict=True):
            if y > 0.0:
                exact = int(ldexp(y, BITS))
                total += exact * row.limit
                weights[row.owner] += exact * row.weight
                if row.factor:
                    rest[row.owner] -= exact * row.factor
        for weight, terms in zip(weights, self.operands, strict=True):
            if weight:
                for number, factor in terms:
                    rest[number] -= weight * factor
        for gain, (low, high) in zip(rest, box, strict=True):
            total += gain * (high if gain > 0 else low)
        return total >> BITS

    def _program(self, rows: Sequence[Row]) -> tuple[Any, Floats, Floats]:
        """Matrix and limits, each row divided by a power of two, and those powers."""
        owner = np.array([row.owner for row in rows], dtype=np.int64)
        weight, factor, limit = (
            np.array([float(getattr(row, name)) for row in rows]) for name in ("weight", "factor", "limit")
        )
        size = np.maximum(np.abs(weight) * self.largest[owner], np.abs(factor))
        scales = np.exp2(np.floor(np.log2(np.maximum(size, 1.0))))
        matrix = self.matrix[owner]
        matrix.data *= np.repeat(weight / scales, np.diff(matrix.indptr))
        place = np.where(owner == TARGET, 0, owner)
        own = csr_array((factor / scales, place, np.arange(len(rows) + 1)), shape=matrix.shape)
        return matrix + own, limit / scales, scales

    def _gains(self, objective: Floats, rows: Sequence[Row], multipliers: Floats) -> Floats:
        weights = np.zeros(len(self.operands))
        for row, y in zip(rows, multipliers.tolist(), strict=True):
            weights[row.owner] += y * row.weight
        gains: Floats = np.abs(objective + weights @ self.matrix)
        return gains


def _conflict(matrix: Any, limits: Floats, box: Sequence[Interval]) -> Floats | None:
    """Multipliers of the rows of an empty polyhedron: of the program in which all may be broken, at a price."""
    count, variables = matrix.shape
    wider = hstack([matrix, csr_array(-np.ones((count, 1)))])
    objective = np.zeros(variables + 1)
    objective[-1] = 1.0
    bounds = np.array([*box, (0.0, np.inf)], dtype=float)
    found = linprog(objective, A_ub=wider, b_ub=limits, bounds=bounds, method="highs")
    return np.maximum(-found.ineqlin.marginals, 0.0) if found.status == 0 else None
