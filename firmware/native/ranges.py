"""Exact intervals of every value of a circuit, from its input types alone, in integers of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trigforge.firmware.circuit import (
    BitBinary,
    Bits,
    Bits2,
    BitUnary,
    Circuit,
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
from trigforge.fixed import FixedType


@dataclass(frozen=True, slots=True)
class Range:
    """The integers `low..high`, worth 2^-`fraction` each."""

    low: int
    high: int
    fraction: int

    @property
    def bits(self) -> int:
        """Bits of a two's-complement integer that holds every value."""
        return max((self.low if self.low >= 0 else ~self.low).bit_length(), self.high.bit_length()) + 1

    def at(self, fraction: int) -> Range:
        """The same values, rounded down to multiples of 2^-`fraction`."""
        left = fraction - self.fraction
        low, high = (b << left if left >= 0 else b >> -left for b in (self.low, self.high))
        return Range(low, high, fraction)

    def times(self, shift: int) -> Range:
        """The values times 2^`shift`."""
        return Range(self.low, self.high, self.fraction - shift)

    def inside(self, target: Format) -> bool:
        """Whether dropping low bits alone brings every value into a format."""
        moved = self.at(target.fraction)
        return target.low <= moved.low and moved.high <= target.high

    def fit(self, target: Format) -> Range:
        """What `Format.fit` makes of the values."""
        if target.width == 0:
            return Range(0, 0, target.fraction)
        return self.at(target.fraction) if self.inside(target) else Range(target.low, target.high, target.fraction)


def input_range(kind: FixedType) -> Range:
    """All values of an input type."""
    return Range(kind.low, kind.high, kind.fraction)


def node_ranges(circuit: Circuit, types: Sequence[FixedType]) -> tuple[Range, ...]:
    """The interval of every node; unlike ALIR's own it never passed through floating point."""
    ranges: list[Range] = []
    formats = [node.format for node in circuit.nodes]
    for node in circuit.nodes:
        ranges.append(_range(node, ranges, formats, types))
    return tuple(ranges)


def _range(node: Node, known: Sequence[Range], formats: Sequence[Format], types: Sequence[FixedType]) -> Range:
    match node.operation:
        case Lookup(_, _, table):
            return Range(min(table), max(table), node.format.fraction)
        case Mux(_, when_set, when_clear, shift):
            first, second = known[when_set].fit(node.format), known[when_clear].times(shift).fit(node.format)
            return Range(min(first.low, second.low), max(first.high, second.high), node.format.fraction)
        case _:
            return raw_range(node, known, formats, types).fit(node.format)


def raw_range(node: Node, known: Sequence[Range], formats: Sequence[Format], types: Sequence[FixedType]) -> Range:
    """The interval of a node's exact result, before it is brought into the node's format."""
    match node.operation:
        case Input(k):
            return input_range(types[k])
        case Sum() as op:
            return sum_range(op, known, formats)
        case Relu(source):
            own = known[source]
            return Range(max(own.low, 0), max(own.high, 0), own.fraction)
        case Wrap(source, shift):
            return known[source].times(shift)
        case Product(a, b):
            ends = [x * y for x in (known[a].low, known[a].high) for y in (known[b].low, known[b].high)]
            return Range(min(ends), max(ends), known[a].fraction + known[b].fraction)
        case Bits(source, kind):
            return _bits_range(kind, known[source], node.format.fraction)
        case Bits2() as op:
            return bits2_range(op, known)
        case _:
            raise AssertionError(node)


def sum_range(op: Sum, known: Sequence[Range], formats: Sequence[Format]) -> Range:
    """The interval of a sum, at the binary point to which its terms are aligned."""
    point = alignment(op, formats)
    low = high = op.constant << max(point - op.constant_fraction, 0)
    for term in op.terms:
        part = known[term.source].times(term.shift).at(point)
        low, high = (low - part.high, high - part.low) if term.negative else (low + part.low, high + part.high)
    return Range(low, high, point)


def bits2_range(op: Bits2, known: Sequence[Range]) -> Range:
    """Bounds of a bitwise operation: what its aligned operands' bits can hold."""
    a, b = known[op.left], known[op.right].times(op.shift)
    point = max(a.fraction, b.fraction)
    a, b = a.at(point), b.at(point)
    bits = max(a.bits, b.bits) - 1
    positive = min(a.low, b.low) >= 0 or (op.kind is BitBinary.AND and max(a.low, b.low) >= 0)
    return Range(0 if positive else -(1 << bits), (1 << bits) - 1, point)


def _bits_range(kind: BitUnary, own: Range, fraction: int) -> Range:
    if kind is BitUnary.NOT:
        return Range(~own.high, ~own.low, fraction)
    return Range(0, 1, fraction)
