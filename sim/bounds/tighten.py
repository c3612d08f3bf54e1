"""Narrower intervals of what is clipped: from the first layer to the last, by linear programs with exact bounds."""

from __future__ import annotations

from collections.abc import Mapping

from trigforge.sim.bounds.dual import Optimum, Solver
from trigforge.sim.bounds.network import Clip, Image, Network, Problem
from trigforge.sim.bounds.reach import Interval
from trigforge.sim.bounds.relax import Box, propagate, rows, span

Proved = dict[int, Interval]
"""Node -> an interval of its mantissa."""


def tighten(network: Network, supposed: Mapping[int, Interval]) -> Proved:
    """What is supposed, and intervals of the nodes whose clip may act or of which others are curves that bend."""
    proved: Proved = dict(supposed)
    for variable in network.variables:
        rule = variable.rule
        if isinstance(rule, Clip | Image) and rule.source not in proved:
            interval = _narrowed(network.about(rule.source), rule, proved)
            if interval is not None:
                proved[rule.source] = interval
    return proved


def box_of(problem: Problem, proved: Mapping[int, Interval]) -> Box:
    """The proved intervals of the operands of a problem's clips and curves."""
    box = {}
    for number, variable in enumerate(problem.variables):
        rule = variable.rule
        if isinstance(rule, Clip | Image) and rule.source in proved:
            low, high = proved[rule.source]
            box[number] = (low * rule.source_unit, high * rule.source_unit)
    return box


def _narrowed(problem: Problem, rule: Clip | Image, proved: Mapping[int, Interval]) -> Interval | None:
    """The interval of a problem's target, by linear programs if a rule on it bends there; None if it has none."""
    box = box_of(problem, proved)
    bounds = propagate(problem, box)
    if bounds is None:
        return None
    first, last = span(problem.target, bounds.values)
    low, high = -(-first // problem.unit), last // problem.unit
    if all(variable.rule is None for variable in problem.variables) or not _bends(rule, low, high):
        return low, high
    solver, found = Solver(problem), list(rows(problem, bounds, box))
    least, most = (solver.maximise(sign, found, bounds.values) for sign in (-1, 1))
    if isinstance(least, Optimum):
        low = max(low, -(least.bound // problem.unit))
    if isinstance(most, Optimum):
        high = min(high, most.bound // problem.unit)
    return low, high


def _bends(rule: Clip | Image, low: int, high: int) -> bool:
    """Whether a rule is more than a line and its roundings between two mantissas of its source."""
    if isinstance(rule, Clip):
        return low < rule.bound // rule.source_unit < high
    return rule.curve.within(low, high) is not None and rule.curve.hull(low, high).thickness.max(initial=0.0) > 1.0
