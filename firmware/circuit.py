"""`Circuit`: alkaid's ALIR operations, decoded once into integer nodes that are evaluated, compiled and counted.

ALIR gives every value a quantised interval (low, high, step); here a value is an integer mantissa in a `Format`, and
every operation says exactly what happens to its bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from alkaid.types import CombLogic, Op

from trigforge.errors import ExactnessError
from trigforge.fixed import MAX_WIDTH, IntArray


@dataclass(frozen=True, slots=True)
class Format:
    """Two's-complement (`signed`) or unsigned integers of `width` bits, worth 2^-`fraction` each; width 0 is zero."""

    signed: bool
    width: int
    fraction: int

    @property
    def low(self) -> int:
        """Smallest mantissa."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest mantissa."""
        return (1 << (self.width - self.signed)) - 1

    def fit(self, mantissa: IntArray, fraction: int) -> IntArray:
        """Values `mantissa · 2^-fraction` in this format: low bits dropped (floor), high bits wrapped."""
        if self.width == 0:
            return np.zeros_like(mantissa)
        masked: IntArray = shifted(mantissa, self.fraction - fraction) & np.int64((1 << self.width) - 1)
        if self.signed:
            masked[masked > self.high] -= 1 << self.width
        return masked


class BitUnary(Enum):
    """Operations on the bits of one value; the numbers are ALIR's."""

    NOT = 0
    ANY = 1
    ALL = 2


class BitBinary(Enum):
    """Operations on the aligned bits of two values; the numbers are ALIR's."""

    AND = 0
    OR = 1
    XOR = 2


@dataclass(frozen=True, slots=True)
class Term:
    """±2^`shift` times the value of node `source`."""

    source: int
    shift: int
    negative: bool


@dataclass(frozen=True, slots=True)
class Input:
    """Input word `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of its terms and of `constant` · 2^-`constant_fraction`."""

    terms: tuple[Term, ...]
    constant: int = 0
    constant_fraction: int = 0


@dataclass(frozen=True, slots=True)
class Relu:
    """max(0, source)."""

    source: int


@dataclass(frozen=True, slots=True)
class Wrap:
    """The source times 2^`shift`, its low bits dropped and its high bits wrapped to the node's format."""

    source: int
    shift: int


@dataclass(frozen=True, slots=True)
class Mux:
    """`when_set` if the selector's most significant bit is set, else 2^`shift` · `when_clear`."""

    selector: int
    when_set: int
    when_clear: int
    shift: int


@dataclass(frozen=True, slots=True)
class Product:
    """The product of two values."""

    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """Entry `source - low` of a table of mantissas of the node's format."""

    source: int
    low: int
    table: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bits:
    """A bitwise operation on one value, in the source's own width."""

    source: int
    kind: BitUnary


@dataclass(frozen=True, slots=True)
class Bits2:
    """A bitwise operation on `left` and 2^`shift` · `right`, aligned at the binary point."""

    left: int
    right: int
    shift: int
    kind: BitBinary


Operation = Input | Sum | Relu | Wrap | Mux | Product | Lookup | Bits | Bits2


@dataclass(frozen=True, slots=True)
class Node:
    """An operation, the format of its result, and the mantissas `low..high` that interval arithmetic proves for it."""

    operation: Operation
    format: Format
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Circuit:
    """Nodes in order of evaluation; output k is node `outputs[k].source` times ±2^shift (None: zero)."""

    nodes: tuple[Node, ...]
    inputs: int
    outputs: tuple[Term | None, ...]
    output_formats: tuple[Format, ...]


def operands(node: Node) -> tuple[int, ...]:
    """The nodes that a node is computed from."""
    match node.operation:
        case Input():
            return ()
        case Sum(terms):
            return tuple(term.source for term in terms)
        case Relu(source) | Wrap(source, _) | Lookup(source, _, _) | Bits(source, _):
            return (source,)
        case Mux(selector, when_set, when_clear, _):
            return selector, when_set, when_clear
        case Product(left, right) | Bits2(left, right, _, _):
            return left, right


def renumbered(operation: Operation, new: Callable[[int], int]) -> Operation:
    """An operation whose sources are other nodes."""
    match operation:
        case Input():
            return operation
        case Sum(terms):
            return replace(operation, terms=tuple(replace(t, source=new(t.source)) for t in terms))
        case Relu(source) | Wrap(source, _) | Lookup(source, _, _) | Bits(source, _):
            return replace(operation, source=new(source))
        case Mux(selector, when_set, when_clear, _):
            return replace(operation, selector=new(selector), when_set=new(when_set), when_clear=new(when_clear))
        case Product(left, right) | Bits2(left, right, _, _):
            return replace(operation, left=new(left), right=new(right))


def decode(comb: CombLogic) -> Circuit:
    """The circuit of an ALIR program; `ExactnessError` if a value needs more than 62 bits."""
    formats = [_format(op) for op in comb.ops]
    nodes = tuple(_decode_node(op, comb, formats, f) for op, f in zip(comb.ops, formats, strict=True))
    widest = max((width_needed(node, formats) for node in nodes), default=0)
    if widest > MAX_WIDTH:
        raise ExactnessError(
            f"every intermediate value must fit into {MAX_WIDTH} bits, one needs {widest}; use narrower types"
        )
    outputs = tuple(
        None if index < 0 else Term(index, shift, bool(negative))
        for index, shift, negative in zip(comb.out_idxs, comb.out_shifts, comb.out_negs, strict=True)
    )
    out_formats = tuple(Format(bool(k), int(k + i + f), int(f)) for k, i, f in comb.out_kifs.T)
    return Circuit(nodes, int(comb.shape[0]), outputs, out_formats)


def _format(op: Op) -> Format:
    signed, integer, fraction = op.qint.kif
    return Format(bool(signed), int(signed) + integer + fraction, fraction)


def _decode_node(op: Op, comb: CombLogic, formats: Sequence[Format], own: Format) -> Node:
    low, high = (int(np.ldexp(bound, own.fraction)) for bound in (op.qint.min, op.qint.max))
    return Node(_decode_op(op, comb, formats), own, low, high)


def _decode_op(op: Op, comb: CombLogic, formats: Sequence[Format]) -> Operation:  # noqa: C901  (one case an opcode)
    a, data = op.addr, op.data
    match op.opcode:
        case -2:
            return Sum((Term(a[0], 0, True),))
        case -1:
            return Input(data[0])
        case 0 | 1:
            return Sum((Term(a[0], 0, False), Term(a[1], data[0], op.opcode == 1)))
        case 2:
            return Relu(a[0])
        case 3:
            return Wrap(a[0], data[0])
        case 4:
            return Sum((Term(a[0], 0, False),), data[0], data[1])
        case 5:
            return Sum((), data[0], _format(op).fraction)
        case 6:
            return Mux(a[2], a[0], a[1], data[0])
        case 7:
            return Product(a[0], a[1])
        case 8:
            return _decode_lookup(op, comb, formats[a[0]])
        case 9:
            return Bits(a[0], BitUnary(data[0]))
        case 10:
            return Bits2(a[0], a[1], data[0], BitBinary(data[1]))
        case 11:
            return Sum(tuple(Term(s, data[2 * i + 1], not data[2 * i]) for i, s in enumerate(a)))
        case _:
            raise ExactnessError(f"ALIR opcode must be one of -2..11, not {op.opcode}; use alkaid 0.8")


def _decode_lookup(op: Op, comb: CombLogic, source: Format) -> Lookup:
    assert comb.lookup_tables is not None
    table = comb.lookup_tables[op.data[0]]
    signed, integer, fraction = table.spec.out_kif
    stored = Format(bool(signed), int(signed) + integer + fraction, fraction)
    entries = stored.fit(np.asarray(table.table, dtype=np.int64), fraction)
    low = int(np.ldexp(comb.ops[op.addr[0]].qint.min, source.fraction))
    return Lookup(op.addr[0], low, tuple(_format(op).fit(entries, fraction).tolist()))


def width_needed(node: Node, formats: Sequence[Format]) -> int:
    """Bits of the widest intermediate value of a node's evaluation, sign included."""
    return max(_intermediate_width(node.operation, formats), node.format.width + (not node.format.signed))


def _intermediate_width(operation: Operation, formats: Sequence[Format]) -> int:
    match operation:
        case Sum():
            return _sum_width(operation, formats)
        case Product():
            return formats[operation.left].width + formats[operation.right].width
        case Bits2():
            left, right = formats[operation.left], formats[operation.right]
            point = max(left.fraction, right.fraction - operation.shift)
            return max(left.width + point - left.fraction, right.width + point - right.fraction + operation.shift)
        case _:
            return 0


def _sum_width(operation: Sum, formats: Sequence[Format]) -> int:
    fractions = [formats[t.source].fraction - t.shift for t in operation.terms]
    point = alignment(operation, formats)
    widths = [formats[t.source].width + point - f for t, f in zip(operation.terms, fractions, strict=True)]
    widths.append(operation.constant.bit_length() + 1 + point - operation.constant_fraction)
    return max(widths) + len(widths)


def alignment(operation: Sum, formats: Sequence[Format]) -> int:
    """Fraction bits to which the terms of a sum are aligned before they are added."""
    fractions = [formats[t.source].fraction - t.shift for t in operation.terms]
    if operation.constant or not fractions:
        fractions.append(operation.constant_fraction)
    return max(fractions)


def shifted(mantissa: IntArray, left: int) -> IntArray:
    """`mantissa · 2^left`, rounded down."""
    moved: IntArray = mantissa << np.int64(left) if left >= 0 else mantissa >> np.int64(min(-left, 63))
    return moved
