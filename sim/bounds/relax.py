"""Intervals of a network's variables, and linear rows that hold for all their integer values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trigforge.sim.bounds.network import Clip, Floor, Linear, Problem, Rule, Square, Table, Variable

TARGET: Final = -1
Interval = tuple[int, int]
Box = Mapping[int, Interval]
"""Intervals of the operands of some variables' rules, or of variables without one."""


@dataclass(frozen=True, slots=True)
class Row:
    """weight · operand + factor · mantissa <= limit, of the rule of variable `owner`; the operand without its constant.

    The operand of `TARGET` is the target itself.
    """

    owner: int
    weight: int
    factor: int
    limit: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a box makes of every variable, and of the operand of its rule (of one without a rule: (0, 0)).

    Ends of operands are multiples of their steps: what is said of parabolas relies on that.
    """

    values: tuple[Interval, ...]
    operands: tuple[Interval, ...]


def propagate(problem: Problem, box: Box) -> Bounds | None:
    """The intervals of variables and operands in a box; None if nothing is in it."""
    values: list[Interval] = []
    operands: list[Interval] = []
    for number, variable in enumerate(problem.variables):
        low, high, operand = variable.low, variable.high, (0, 0)
        if variable.rule is None:
            low, high = _meet((low, high), box.get(number))
        else:
            first, last = _meet(span(variable.rule.operand, values), box.get(number))
            step = variable.rule.operand.step
            operand = -(-first // step) * step, last // step * step
            if operand[0] > operand[1]:
                return None
            low, high = _meet((low, high), _image(variable.rule, variable.unit, operand))
        if low > high:
            return None
        values.append((low, high))
        operands.append(operand)
    return Bounds(tuple(values), tuple(operands))


def span(linear: Linear, values: Sequence[Interval]) -> Interval:
    """The interval of a sum."""
    low = high = linear.constant
    for number, factor in linear.terms:
        first, last = values[number]
        if factor < 0:
            first, last = last, first
        low, high = low + factor * first, high + factor * last
    return low, high


def rows(problem: Problem, bounds: Bounds, box: Box) -> Iterator[Row]:
    """What holds for every event in a box: each variable's rule, relaxed, and the box itself."""
    for number, variable in enumerate(problem.variables):
        if variable.rule is None:
            continue
        operand, constant = bounds.operands[number], variable.rule.operand.constant
        for weight, factor, limit in _relaxed(variable, operand):
            yield Row(number, weight, factor, limit - weight * constant)
        if number in box:
            yield Row(number, 1, 0, operand[1] - constant)
            yield Row(number, -1, 0, constant - operand[0])


def value_of(rule: Rule, operand: float) -> float:
    """What a rule makes of an operand, in units of the network and without rounding."""
    match rule:
        case Floor():
            return operand
        case Clip(_, bound, upper):
            return min(operand, bound) if upper else max(operand, bound)
        case Square(_, scale):
            return operand * operand / scale
        case Table(_, step, low, values):
            place = min(max(round(operand / step) - low, 0), len(values) - 1)
            return float(values[place])


def _meet(one: Interval, other: Interval | None) -> Interval:
    return one if other is None else (max(one[0], other[0]), min(one[1], other[1]))


def _image(rule: Rule, unit: int, operand: Interval) -> Interval:
    """The mantissas that a rule gives of an interval."""
    low, high = operand
    match rule:
        case Floor():
            return low // unit, high // unit
        case Clip(_, bound, upper):
            pick = min if upper else max
            return pick(low, bound) // unit, pick(high, bound) // unit
        case Square(_, scale):
            least = 0 if low <= 0 <= high else min(low * low, high * high)
            return -(-least // (scale * unit)), max(low * low, high * high) // (scale * unit)
        case Table(_, step, first, values):
            entries = values[max(low // step - first, 0) : high // step - first + 1]
            return min(entries) // unit, max(entries) // unit


def _relaxed(variable: Variable, operand: Interval) -> Iterator[tuple[int, int, int]]:
    """(weight, factor, limit) of rows weight · operand + factor · mantissa <= limit."""
    low, high = operand
    unit, rule = variable.unit, variable.rule
    assert rule is not None
    match rule:
        case Floor():
            yield -1, unit, 0
            yield 1, -unit, _lost(rule.operand, unit)
        case Clip(_, bound, upper):
            yield from (
                _clip(rule, unit, operand) if low < bound < high else _one_side(rule, unit, operand, bound, upper)
            )
        case Square(_, scale):
            step = rule.operand.step
            yield -(low + high), scale * unit, -low * high
            for at in _points(low, high, step):
                yield 2 * at + step, -scale * unit, at * (at + step)
        case Table(_, step, first, values):
            yield from _table(step, first, values, unit, operand)


def _lost(operand: Linear, unit: int) -> int:
    """Most that rounding down to a multiple of `unit` takes away."""
    step = operand.step
    return max(unit - (step & -step), 0)


def _one_side(rule: Clip, unit: int, operand: Interval, bound: int, upper: bool) -> Iterator[tuple[int, int, int]]:
    passes = operand[1] <= bound if upper else operand[0] >= bound
    if passes:
        yield -1, unit, 0
        yield 1, -unit, _lost(rule.operand, unit)


def _clip(rule: Clip, unit: int, operand: Interval) -> Iterator[tuple[int, int, int]]:
    """A limit inside the operand's interval: the chord on one side, both pieces on the other."""
    (low, high), bound = operand, rule.bound
    lost = _lost(rule.operand, unit)
    if rule.upper:
        yield -1, unit, 0
        # value >= low + (bound - low) / (high - low) · (operand - low), less what is rounded
        yield bound - low, -(high - low) * unit, (bound - low) * low - low * (high - low) + lost * (high - low)
    else:
        yield 1, -unit, lost
        # value <= bound + (high - bound) / (high - low) · (operand - low)
        yield -(high - bound), (high - low) * unit, bound * (high - low) - (high - bound) * low


def _points(low: int, high: int, step: int) -> list[int]:
    """Where a parabola is touched from below: between a multiple of the step and the next, at the ends and inside."""
    count = (high - low) // step
    return sorted({low + step * (count * k // 8) for k in range(8)} | {max(high - step, low)}) if count else [low]


def _table(
    step: int, first: int, values: Sequence[int], unit: int, operand: Interval
) -> Iterator[tuple[int, int, int]]:
    """The two lines along the ends' chord between which all entries lie."""
    start, stop = max(operand[0] // step - first, 0), operand[1] // step - first
    entries = values[start : stop + 1]
    wide = max(len(entries) - 1, 1)
    slope = entries[-1] - entries[0]
    rests = [entry * wide - slope * (start + first + k) for k, entry in enumerate(entries)]
    # wide · entry - slope · operand / step lies in min(rests)..max(rests)
    yield -slope, wide * unit * step, max(rests) * step
    yield slope, -wide * unit * step, -min(rests) * step
