"""What is known of a node's values, and what its operation is: a sum of others, or a saturation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from trigforge.firmware.circuit import (
    Circuit,
    Mux,
    Sum,
    Term,
    operands,
    renumbered,
)
from trigforge.firmware.evaluate import evaluate
from trigforge.firmware.native.ranges import Range
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.bounds.residue import UNKNOWN, Residue

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reach:
    """The mantissas of a node lie in `low..high`; `values`, where known, are all of them, ascending."""

    low: int
    high: int
    values: IntArray | None = None
    residue: Residue = UNKNOWN

    @property
    def proof(self) -> str:
        """What is proved, as an excluded bin quotes it."""
        if self.values is None:
            low_bits = f" and are {self.residue.value} modulo {1 << self.residue.bits}" if self.residue.bits else ""
            return f"its values lie in {self.low}..{self.high}{low_bits}"
        return f"its {len(self.values)} values in {self.low}..{self.high} were enumerated"

    def meets(self, low: int | None, high: int | None) -> bool:
        """Whether a value may lie in `low..high` (None: unbounded)."""
        start, stop = (self.low if low is None else max(low, self.low)), (self.high if high is None else high)
        if self.values is None:
            return self.residue.next(start) <= min(stop, self.high)
        place = int(np.searchsorted(self.values, start))
        return place < len(self.values) and int(self.values[place]) <= stop

    def bit(self, position: int, value: int) -> bool:
        """Whether a bit of the two's-complement mantissa may be `value`."""
        if self.values is not None:
            return bool((((self.values >> np.int64(position)) & 1) == value).any())
        if position < self.residue.bits:
            return (self.residue.value >> position) & 1 == value
        first, last = self.low >> position, self.high >> position
        return first != last or (first & 1) == value


@dataclass(frozen=True, slots=True)
class Form:
    """constant + Σ coefficient · value of a node."""

    terms: Mapping[int, Fraction]
    constant: Fraction

    def times(self, factor: Fraction) -> Form:
        """The form of a multiple."""
        return Form({k: factor * coefficient for k, coefficient in self.terms.items()}, factor * self.constant)


def node_values(circuit: Circuit, words: IntArray, types: Sequence[FixedType], nodes: Sequence[int]) -> list[IntArray]:
    """The mantissas (n,) of some nodes of a circuit for input words (n, inputs)."""
    return evaluate(cone_of(circuit, nodes), list(words.T), [kind.fraction for kind in types])


def cone_of(circuit: Circuit, nodes: Sequence[int]) -> Circuit:
    """What some nodes depend on, as a circuit whose outputs they are."""
    needed, stack = set(nodes), list(nodes)
    while stack:
        new = set(operands(circuit.nodes[stack.pop()])) - needed
        needed |= new
        stack += new
    chosen = sorted(needed)
    place = {k: number for number, k in enumerate(chosen)}
    made = tuple(
        replace(circuit.nodes[k], operation=renumbered(circuit.nodes[k].operation, place.__getitem__)) for k in chosen
    )
    outputs = tuple(Term(place[k], 0, negative=False) for k in nodes)
    return Circuit(made, circuit.inputs, outputs, tuple(circuit.nodes[k].format for k in nodes))


@dataclass(frozen=True, slots=True)
class Limit:
    """A saturation: min(source, bound) if `upper`, else max(source, bound); the bound is a mantissa of the source."""

    source: int
    bound: int
    upper: bool


def limit_of(circuit: Circuit, op: Mux, known: Sequence[Reach | Range]) -> Limit | None:
    """`x - c < 0 ? x : c` and `x - c < 0 ? c : x`, which is how ALIR saturates; None for any other choice."""
    selector = circuit.nodes[op.selector]
    if not isinstance(selector.operation, Sum) or len(selector.operation.terms) != 1 or not selector.format.signed:
        return None
    (term,), target = selector.operation.terms, selector.format
    x, other = term.source, {op.when_set: op.when_clear, op.when_clear: op.when_set}.get(term.source)
    if term.negative or term.shift or op.shift or other is None or known[other].low != known[other].high:
        return None
    fraction = circuit.nodes[x].format.fraction
    bound = Fraction(-selector.operation.constant) / Fraction(2) ** selector.operation.constant_fraction
    end = Fraction(known[other].low) / Fraction(2) ** circuit.nodes[other].format.fraction
    mantissa = bound * Fraction(2) ** fraction
    if end != bound or mantissa.denominator != 1 or fraction > target.fraction:
        return None
    difference = Range(known[x].low - int(mantissa), known[x].high - int(mantissa), fraction)
    return Limit(x, int(mantissa), upper=x == op.when_set) if difference.inside(target) else None
