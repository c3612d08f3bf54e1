"""The low bits that every value of a node has: what intervals do not see, such as a sum that is never even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trigforge.firmware.circuit import (
    BitBinary,
    Bits,
    Bits2,
    BitUnary,
    Format,
    Input,
    Lookup,
    Mux,
    Node,
    Product,
    Relu,
    Sum,
    Wrap,
    alignment,
)
from trigforge.fixed import IntArray

ALL_BITS = 64
"""More bits than a mantissa has: the value is known."""


@dataclass(frozen=True, slots=True)
class Residue:
    """All mantissas are `value` modulo 2^`bits`."""

    bits: int
    value: int

    @classmethod
    def of(cls, values: IntArray | Sequence[int]) -> Residue:
        """What some values have in common, at least one."""
        first = int(values[0])
        return cls.known(_twos(int(np.gcd.reduce(np.asarray(values, dtype=np.int64) - first))), first)

    @classmethod
    def known(cls, bits: int, value: int) -> Residue:
        """The residue of a value of which so many bits are known."""
        return cls(min(bits, ALL_BITS), value & ((1 << min(bits, ALL_BITS)) - 1))

    @property
    def twos(self) -> int:
        """How often 2 divides every value."""
        return min(_twos(self.value), self.bits)

    def moved(self, left: int) -> Residue:
        """Of the values times 2^`left`, rounded down."""
        if left >= 0:
            return Residue.known(self.bits + left, self.value << left)
        return Residue.known(max(self.bits + left, 0), self.value >> -left)

    def fit(self, target: Format) -> Residue:
        """Of the values wrapped to a format's width."""
        return Residue.known(min(self.bits, target.width), self.value)

    def either(self, other: Residue) -> Residue:
        """Of the values of both."""
        return Residue.known(min(self.bits, other.bits, _twos(self.value - other.value)), self.value)

    def plus(self, other: Residue, sign: int) -> Residue:
        """Of sums or differences."""
        return Residue.known(min(self.bits, other.bits), self.value + sign * other.value)

    def times(self, other: Residue) -> Residue:
        """Of products."""
        bits = min(self.bits + other.twos, other.bits + self.twos, self.bits + other.bits)
        return Residue.known(bits, self.value * other.value)

    def squared(self) -> Residue:
        """Of squares: (r + 2^b k)² = r² + 2^(b+1) r k + 2^2b k², and an odd one is 1 modulo 8."""
        bits = min(self.bits + 1 + self.twos, 2 * self.bits)
        return Residue.known(max(bits, 3) if self.value & 1 else bits, self.value**2)

    def next(self, value: int) -> int:
        """The first value from `value` on that has these low bits."""
        return value + (self.value - value) % (1 << self.bits)

    def last(self, value: int) -> int:
        """The last value up to `value` that has these low bits."""
        return value - (value - self.value) % (1 << self.bits)


UNKNOWN = Residue(0, 0)


def residue_of(node: Node, known: Sequence[Residue], formats: Sequence[Format]) -> Residue:
    """The residue of a node from those of its operands."""
    target = node.format
    match node.operation:
        case Input():
            return UNKNOWN
        case Sum() as op:
            return _sum(op, known, formats, target)
        case Relu(source):
            own = known[source].either(Residue.known(ALL_BITS, 0))
            return own.moved(target.fraction - formats[source].fraction).fit(target)
        case Wrap(source, shift):
            return known[source].moved(target.fraction - formats[source].fraction + shift).fit(target)
        case Mux(_, when_set, when_clear, shift):
            first = known[when_set].moved(target.fraction - formats[when_set].fraction)
            second = known[when_clear].moved(target.fraction - formats[when_clear].fraction + shift)
            return first.either(second).fit(target)
        case Product(left, right):
            point = formats[left].fraction + formats[right].fraction
            product = known[left].squared() if left == right else known[left].times(known[right])
            return product.moved(target.fraction - point).fit(target)
        case Lookup(_, _, table):
            return Residue.of(table)
        case Bits(source, kind):
            return _bits(known[source], kind, target)
        case Bits2() as op:
            return _bits2(op, known, formats, target)


def _sum(op: Sum, known: Sequence[Residue], formats: Sequence[Format], target: Format) -> Residue:
    point = alignment(op, formats)
    total = Residue.known(ALL_BITS, op.constant << max(point - op.constant_fraction, 0))
    for term in op.terms:
        part = known[term.source].moved(point - formats[term.source].fraction + term.shift)
        total = total.plus(part, -1 if term.negative else 1)
    return total.moved(target.fraction - point).fit(target)


def _bits(own: Residue, kind: BitUnary, target: Format) -> Residue:
    match kind:
        case BitUnary.NOT:
            return Residue.known(own.bits, ~own.value).fit(target)
        case BitUnary.ANY:
            return Residue.known(ALL_BITS, 1) if own.value else UNKNOWN
        case BitUnary.ALL:
            ones = own.value == (1 << own.bits) - 1
            return UNKNOWN if ones else Residue.known(ALL_BITS, 0)


def _bits2(op: Bits2, known: Sequence[Residue], formats: Sequence[Format], target: Format) -> Residue:
    point = max(formats[op.left].fraction, formats[op.right].fraction - op.shift)
    left = known[op.left].moved(point - formats[op.left].fraction)
    right = known[op.right].moved(point - formats[op.right].fraction + op.shift)
    match op.kind:
        case BitBinary.AND:
            value = left.value & right.value
        case BitBinary.OR:
            value = left.value | right.value
        case BitBinary.XOR:
            value = left.value ^ right.value
    return Residue.known(min(left.bits, right.bits), value).moved(target.fraction - point).fit(target)


def _twos(value: int) -> int:
    """How often 2 divides a value; 0 is divisible as often as one likes."""
    return (value & -value).bit_length() - 1 if value else ALL_BITS
