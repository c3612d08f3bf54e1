"""One node of a circuit as a machine expression: one rule an operation, exact at every lane width that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

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
    Term,
    Wrap,
    alignment,
)
from trigforge.firmware.native.expressions import (
    Expression,
    Kind,
    binary,
    constant,
    converted,
    lane_for,
    masked,
    moved,
    signed_sum,
    unary,
)
from trigforge.firmware.native.ranges import Range, bits2_range, input_range, node_ranges, raw_range, sum_range
from trigforge.fixed import FixedType


def with_outputs(circuit: Circuit) -> Circuit:
    """The circuit with a node of its own for every output, in the output's format."""
    nodes = [
        Node(Sum(() if term is None else (term,)), form, form.low, form.high)
        for term, form in zip(circuit.outputs, circuit.output_formats, strict=True)
    ]
    terms = tuple(Term(len(circuit.nodes) + k, 0, False) for k in range(len(nodes)))
    return replace(circuit, nodes=(*circuit.nodes, *nodes), outputs=terms)


BITWISE = {BitBinary.AND: Kind.AND, BitBinary.OR: Kind.OR, BitBinary.XOR: Kind.XOR}


@dataclass(frozen=True)
class Source:
    """A circuit whose last nodes are its outputs, and what is known of its values."""

    circuit: Circuit
    types: tuple[FixedType, ...]

    @property
    def results(self) -> range:
        """The nodes that are the outputs, one after the other."""
        count = len(self.circuit.nodes)
        return range(count - len(self.circuit.outputs), count)

    @cached_property
    def formats(self) -> tuple[Format, ...]:
        """The format of every node."""
        return tuple(node.format for node in self.circuit.nodes)

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        """The interval of every node."""
        return node_ranges(self.circuit, self.types)

    @cached_property
    def input_lane(self) -> int:
        """Bits of the integers in which input words arrive: 16, 32 or 64."""
        return max(16, lane_for(max((input_range(kind).bits for kind in self.types), default=1)))


def translate(index: int, source: Source, lanes: Sequence[int]) -> Expression:
    """The expression of a node in its lane; every node's mantissa is held as it is."""
    return _Rule(source, lanes, index).expression()


@dataclass(frozen=True, slots=True)
class _Rule:
    source: Source
    lanes: Sequence[int]
    index: int

    @property
    def node(self) -> Node:
        return self.source.circuit.nodes[self.index]

    @property
    def lane(self) -> int:
        return self.lanes[self.index]

    def expression(self) -> Expression:  # noqa: C901  (one case an operation)
        if self.node.format.width == 0:
            return constant(self.lane, 0)
        match self.node.operation:
            case Input(k):
                word = Expression(Kind.INPUT, self.source.input_lane, (), k)
                return self.settle(word, self.source.types[k].fraction, input_range(self.source.types[k]))
            case Sum() as op:
                return self.sum(op)
            case Relu(a):
                return self.settle(unary(Kind.RELU, self.leaf(a)), self.fraction(a), self.raw())
            case Wrap(a, shift):
                return self.settle(self.leaf(a), self.fraction(a) - shift, self.raw())
            case Mux() as op:
                return self.mux(op)
            case Product(a, b):
                return self.product(a, b)
            case Lookup(a, low, table):
                return self.lookup(a, low, len(table))
            case Bits(a, kind):
                return self.bits(a, kind)
            case Bits2() as op:
                return self.bits2(op)

    def leaf(self, node: int) -> Expression:
        return Expression(Kind.NODE, self.lanes[node], (), node)

    def fraction(self, node: int) -> int:
        return self.source.formats[node].fraction

    def known(self, node: int) -> Range:
        return self.source.ranges[node]

    def raw(self) -> Range:
        return self.raw_of(self.index)

    def aligned(self, node: int, shift: int, fraction: int, lane: int) -> Expression:
        """2^`shift` times an operand with `fraction` fraction bits."""
        return moved(converted(self.leaf(node), lane), fraction + shift - self.fraction(node))

    def settle(self, x: Expression, fraction: int, interval: Range) -> Expression:
        """An exact value of a known interval in the node's format, as `Format.fit` does it."""
        target, lane = self.node.format, self.lane
        left = target.fraction - fraction
        x = converted(moved(x, left), lane) if left < 0 or x.lane > lane else moved(converted(x, lane), left)
        if interval.inside(target):
            return x
        if not target.signed:
            return masked(x, (1 << target.width) - 1)
        return moved(moved(x, lane - target.width), target.width - lane)

    def work_lane(self, interval: Range, *operands: int) -> int:
        """A lane that holds every value of an interval and of some operands."""
        return max(lane_for(interval.bits), *(self.lanes[o] for o in operands))

    def sum(self, op: Sum) -> Expression:
        point = alignment(op, self.source.formats)
        interval = sum_range(op, self.source.ranges, self.source.formats)
        sources = [term.source for term in op.terms]
        exact = point <= self.node.format.fraction
        fraction = self.node.format.fraction if exact else point
        # Without dropped bits the sum may wrap on the way: only the bits of the result matter.
        lane = max((self.lane, *(self.lanes[s] for s in sources))) if exact else (
            self.work_lane(interval, *sources, self.index))  # fmt: skip
        terms = [(self.aligned(t.source, t.shift, fraction, lane), t.negative) for t in op.terms]
        start = constant(lane, op.constant << (fraction - op.constant_fraction) if op.constant else 0)
        return self.settle(signed_sum(terms, start), fraction, interval)

    def mux(self, op: Mux) -> Expression:
        limit = self.limit(op)
        if limit is not None:
            return limit
        chosen, selector = self.source.formats[op.selector], self.leaf(op.selector)
        if not chosen.signed:
            selector = unary(Kind.ABOVE, selector, (1 << (chosen.width - 1)) - 1)
        elif selector.lane > self.lane:
            selector = moved(selector, -(selector.lane - 1))
        when_set = self.settle(self.leaf(op.when_set), self.fraction(op.when_set), self.known(op.when_set))
        clear = self.known(op.when_clear).times(op.shift)
        when_clear = self.settle(self.leaf(op.when_clear), self.fraction(op.when_clear) - op.shift, clear)
        return Expression(Kind.SELECT, self.lane, (converted(selector, self.lane), when_set, when_clear))

    def limit(self, op: Mux) -> Expression | None:
        """`x < c ? x : c` and `x < c ? c : x`, which is how ALIR saturates, as a minimum and a maximum."""
        compared = self.comparison(op.selector)
        if compared is None or op.shift:
            return None
        x, bound = compared
        other = {op.when_set: op.when_clear, op.when_clear: op.when_set}.get(x)
        mantissa = bound * Fraction(2) ** self.fraction(x)
        if other is None or self.constant_of(other) != bound or mantissa.denominator != 1:
            return None
        end, own = int(mantissa), self.known(x)
        smaller = x == op.when_set
        pick = min if smaller else max
        lane = max(self.lane, self.lanes[x], lane_for(end.bit_length() + 1))
        limited = binary(Kind.MIN if smaller else Kind.MAX, converted(self.leaf(x), lane), constant(lane, end))
        return self.settle(limited, own.fraction, Range(pick(own.low, end), pick(own.high, end), own.fraction))

    def comparison(self, selector: int) -> tuple[int, Fraction] | None:
        """The node and the constant whose exact difference a selector is: it is negative if the node is less."""
        node = self.source.circuit.nodes[selector]
        if not isinstance(node.operation, Sum) or len(node.operation.terms) != 1 or not node.format.signed:
            return None
        (term,), raw = node.operation.terms, self.raw_of(selector)
        if term.negative or term.shift or raw.fraction > node.format.fraction or not raw.inside(node.format):
            return None
        return term.source, Fraction(-node.operation.constant) / Fraction(2) ** node.operation.constant_fraction

    def raw_of(self, node: int) -> Range:
        return raw_range(self.source.circuit.nodes[node], self.source.ranges, self.source.formats, self.source.types)

    def constant_of(self, node: int) -> Fraction | None:
        """The value of a node that is a constant."""
        known = self.known(node)
        return Fraction(known.low) / Fraction(2) ** known.fraction if known.low == known.high else None

    def product(self, a: int, b: int) -> Expression:
        interval = self.raw()
        lane = self.work_lane(interval, a, b)
        factors = (self.aligned(x, 0, self.fraction(x), lane) for x in (a, b))
        return self.settle(binary(Kind.MUL, *factors), interval.fraction, interval)

    def lookup(self, a: int, low: int, entries: int) -> Expression:
        lane = max(self.lane, self.lanes[a], lane_for(entries.bit_length() + 1))
        own = self.aligned(a, 0, self.fraction(a), lane)
        entry = unary(Kind.LOOKUP, binary(Kind.ADD, own, constant(lane, -low)), self.index)
        return self.settle(entry, self.node.format.fraction, self.known(self.index))

    def bits(self, a: int, kind: BitUnary) -> Expression:
        own, fraction = self.source.formats[a], self.node.format.fraction
        if kind is BitUnary.NOT:
            inverted = unary(Kind.NOT, self.aligned(a, 0, own.fraction, self.lanes[a]))
            return self.settle(inverted, fraction, self.raw())
        wanted = 0 if kind is BitUnary.ANY else (-1 if own.signed else own.high)
        equal = unary(Kind.EQUAL, self.leaf(a), wanted)
        mask = converted(equal if kind is BitUnary.ALL else unary(Kind.NOT, equal), self.lane)
        return masked(mask, 1)

    def bits2(self, op: Bits2) -> Expression:
        interval = bits2_range(op, self.source.ranges)
        lane = self.work_lane(interval, op.left, op.right, self.index)
        operands = (
            self.aligned(op.left, 0, interval.fraction, lane),
            self.aligned(op.right, op.shift, interval.fraction, lane),
        )
        return self.settle(binary(BITWISE[op.kind], *operands), interval.fraction, interval)
