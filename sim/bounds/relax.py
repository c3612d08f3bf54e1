"""Intervals of a network's variables, and linear rows that hold for all their integer values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trigforge.sim.bounds.network import Clip, Floor, Image, Linear, Problem, Rule, Square, Variable
from trigforge.sim.bounds.reach import Interval

TARGET: Final = -1
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
            inside = _operands(variable.rule, -(-first // step) * step, last // step * step)
            if inside is None:
                return None
            operand = inside
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


def value_of(rule: Rule, unit: int, operand: float) -> float:
    """What a rule makes of an operand, in units of the network; of a mantissa that is worth `unit`."""
    match rule:
        case Floor():
            return operand
        case Clip(_, bound, upper):
            return min(operand, bound) if upper else max(operand, bound)
        case Square(_, scale):
            return operand * operand / scale
        case Image(_, curve, _, source_unit):
            return curve.at(operand / source_unit) * unit


def _meet(one: Interval, other: Interval | None) -> Interval:
    return one if other is None else (max(one[0], other[0]), min(one[1], other[1]))


def _operands(rule: Rule, low: int, high: int) -> Interval | None:
    """The operands in `low..high` that there are; None if there are none."""
    if not isinstance(rule, Image):
        return (low, high) if low <= high else None
    inside = rule.curve.within(-(-low // rule.source_unit), high // rule.source_unit)
    return None if inside is None else (inside[0] * rule.source_unit, inside[1] * rule.source_unit)


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
        case Image(_, curve, _, source_unit):
            return curve.image(low // source_unit, high // source_unit)


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
        case Image(_, curve, _, source_unit):
            for weight, factor, limit in curve.hull(low // source_unit, high // source_unit).lines:
                yield weight, factor * source_unit, limit * source_unit


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
