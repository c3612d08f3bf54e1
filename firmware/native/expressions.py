"""Machine expressions: what SIMD lanes do to compute one node, each value in a lane of 8 to 64 bits."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

LANES = (8, 16, 32, 64)


class Kind(StrEnum):
    """What an expression does, lane by lane, modulo 2^lane."""

    NODE = "node"
    INPUT = "input"
    CONST = "const"
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    AND = "and"
    OR = "or"
    XOR = "xor"
    NOT = "not"
    SHL = "shl"
    SAR = "sar"
    RELU = "relu"
    MIN = "min"
    MAX = "max"
    ABOVE = "above"
    """-1 where an operand is greater than `value`, else 0."""
    EQUAL = "equal"
    """-1 where an operand equals `value`, else 0."""
    SELECT = "select"
    """The second operand where the first is negative, else the third."""
    LOOKUP = "lookup"
    """Entry (operand) of table `value`."""
    WIDEN = "widen"
    """Into lanes of twice the bits, sign-extended."""
    NARROW = "narrow"
    """Into lanes of half the bits, the high half dropped."""


LEAVES = (Kind.NODE, Kind.INPUT, Kind.CONST)


class Expression(NamedTuple):
    """An operation on lanes of `lane` bits; `value` is a node, an input, a constant, a shift or a table."""

    kind: Kind
    lane: int
    operands: tuple[Expression, ...]
    value: int = 0


CYCLES = {
    Kind.NODE: 0.0, Kind.INPUT: 0.0, Kind.CONST: 0.0,
    Kind.ADD: 0.5, Kind.SUB: 0.5, Kind.MUL: 1.0, Kind.AND: 0.5, Kind.OR: 0.5, Kind.XOR: 0.5, Kind.NOT: 0.5,
    Kind.SHL: 0.5, Kind.SAR: 0.5, Kind.RELU: 0.5, Kind.MIN: 0.5, Kind.MAX: 0.5, Kind.ABOVE: 1.0, Kind.EQUAL: 1.0,
    Kind.SELECT: 1.0, Kind.LOOKUP: 20.0, Kind.WIDEN: 0.75, Kind.NARROW: 1.25,
}  # fmt: skip
"""Cycles of one 512-bit vector on a core that does two such operations a cycle."""


def cost(expression: Expression) -> float:
    """Cycles of an expression without its operands, per eight bits of lane."""
    return CYCLES[expression.kind] * expression.lane


def lane_for(bits: int) -> int:
    """The narrowest lane that holds two's-complement integers of so many bits."""
    return next(lane for lane in LANES if bits <= lane)


def constant(lane: int, value: int) -> Expression:
    """A constant in every lane, modulo 2^lane."""
    low = 1 << (lane - 1)
    return Expression(Kind.CONST, lane, (), ((value + low) & ((1 << lane) - 1)) - low)


def moved(x: Expression, left: int) -> Expression:
    """`x · 2^left`, rounded down."""
    if left == 0:
        return x
    if x.kind is Kind.CONST:
        return constant(x.lane, x.value << left if left > 0 else x.value >> -left)
    if left >= x.lane:
        return constant(x.lane, 0)
    return Expression(Kind.SHL if left > 0 else Kind.SAR, x.lane, (x,), min(abs(left), x.lane - 1))


def converted(x: Expression, lane: int) -> Expression:
    """`x` in lanes of another width, modulo 2^lane."""
    if x.kind is Kind.CONST:
        return constant(lane, x.value)
    while x.lane < lane:
        x = Expression(Kind.WIDEN, 2 * x.lane, (x,))
    while x.lane > lane:
        x = Expression(Kind.NARROW, x.lane // 2, (x,))
    return x


def binary(kind: Kind, a: Expression, b: Expression) -> Expression:
    """An operation on two values in lanes of the same width."""
    if b.kind is Kind.CONST and b.value == 0 and kind in (Kind.ADD, Kind.SUB, Kind.OR, Kind.XOR):
        return a
    return Expression(kind, a.lane, (a, b))


def masked(x: Expression, mask: int) -> Expression:
    """`x` with only the bits of a mask."""
    return binary(Kind.AND, x, constant(x.lane, mask))


def unary(kind: Kind, x: Expression, value: int = 0) -> Expression:
    """An operation on one value."""
    return Expression(kind, x.lane, (x,), value)


def signed_sum(terms: Sequence[tuple[Expression, bool]], start: Expression) -> Expression:
    """The sum of a constant and of terms that are added, or subtracted where their flag is set."""
    positive = [x for x, negative in terms if not negative]
    negative = [x for x, negative in terms if negative]
    total = start if not positive else positive.pop(0)
    if total is not start:
        for x in positive:
            total = binary(Kind.ADD, total, x)
        total = binary(Kind.ADD, total, start)
    for x in negative:
        total = binary(Kind.SUB, total, x)
    return total


def parts(expression: Expression) -> list[Expression]:
    """An expression and everything that it is made of, operands first, without leaves."""
    found: dict[Expression, None] = {}
    stack = [(expression, False)]
    while stack:
        x, done = stack.pop()
        if x.kind in LEAVES or x in found:
            continue
        if done:
            found[x] = None
        else:
            stack.append((x, True))
            stack.extend((o, False) for o in x.operands)
    return list(found)
