"""Which values every node of a circuit can take: proofs that a bin of functional coverage cannot be reached.

Three exact analyses, all sound: a node that depends on one input word is evaluated for every value of that word; any
other lies in an interval, that of a sum being the interval of its affine form, so that what cancels does not count; and
some of its low bits may be always the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

import numpy as np

from trigforge.firmware.circuit import (
    Bits,
    Bits2,
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
)
from trigforge.firmware.evaluate import evaluate
from trigforge.firmware.native.ranges import Range, raw_range
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.coverage.residue import ALL_BITS, UNKNOWN, Residue, residue_of

ENUMERATED = 1 << 14
"""Most values of a word that are all tried."""


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
class _Form:
    """constant + Σ coefficient · value of a node."""

    terms: Mapping[int, Fraction]
    constant: Fraction


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


def node_values(circuit: Circuit, words: IntArray, types: Sequence[FixedType], nodes: Sequence[int]) -> list[IntArray]:
    """The mantissas (n,) of some nodes of a circuit for input words (n, inputs)."""
    formats = tuple(circuit.nodes[k].format for k in nodes)
    shown = replace(circuit, outputs=tuple(Term(k, 0, False) for k in nodes), output_formats=formats)
    return evaluate(shown, list(words.T), [kind.fraction for kind in types])


def reachable(circuit: Circuit, types: Sequence[FixedType], low: IntArray, high: IntArray) -> tuple[Reach, ...]:
    """The values of every node for words in `low..high` (each of shape (inputs,))."""
    tried = _enumerated(circuit, types, low, high)
    analysis = _Analysis(circuit, tuple(types), low, high, tuple(node.format for node in circuit.nodes), [], [], [])
    for index, node in enumerate(circuit.nodes):
        analysis.add(index, node, tried.get(index))
    facts = zip(analysis.known, analysis.residues, strict=True)
    return tuple(Reach(own.low, own.high, tried.get(k), residue) for k, (own, residue) in enumerate(facts))


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


def _enumerated(circuit: Circuit, types: Sequence[FixedType], low: IntArray, high: IntArray) -> dict[int, IntArray]:
    """All values of every node that depends on one word of at most `ENUMERATED` values, or on none."""
    counts = high - low + 1
    cones: list[int] = []
    for node in circuit.nodes:
        cone = 1 << node.operation.index if isinstance(node.operation, Input) else 0
        for source in operands(node):
            cone |= cones[source]
        cones.append(cone)
    small = {1 << k for k, count in enumerate(counts.tolist()) if count <= ENUMERATED}
    chosen = [k for k, cone in enumerate(cones) if not cone or cone in small]
    longest = int(np.where(counts <= ENUMERATED, counts, 1).max(initial=1))
    steps = np.where(counts <= ENUMERATED, counts, 1)
    words = low + np.arange(longest, dtype=np.int64)[:, None] % steps
    found = node_values(circuit, words, types, chosen)
    return {k: np.unique(values) for k, values in zip(chosen, found, strict=True)}


@dataclass(frozen=True, slots=True)
class _Analysis:
    """The intervals, the residues and the affine forms of a circuit's first nodes."""

    circuit: Circuit
    types: tuple[FixedType, ...]
    low: IntArray
    high: IntArray
    formats: tuple[Format, ...]
    known: list[Range]
    residues: list[Residue]
    forms: list[_Form]

    def add(self, index: int, node: Node, values: IntArray | None) -> None:
        """What is known of the next node, of which these values are all, if any are given."""
        own, form = self.bounds(index, node)
        if values is not None:
            residue = Residue.of(values.tolist())
            own = Range(int(values[0]), int(values[-1]), own.fraction)
        else:
            residue = residue_of(node, self.residues, self.formats)
            own = Range(residue.next(own.low), residue.last(own.high), own.fraction)
        if own.low == own.high:
            residue = Residue.known(ALL_BITS, own.low)
        self.known.append(own)
        self.residues.append(residue)
        self.forms.append(form)

    def bounds(self, index: int, node: Node) -> tuple[Range, _Form]:
        """The interval of the next node, and its form: of other nodes where it is their exact sum, else of itself."""
        own, known = _Form({index: Fraction(1)}, Fraction(0)), self.known
        match node.operation:
            case Input(k):
                return Range(int(self.low[k]), int(self.high[k]), self.types[k].fraction).fit(node.format), own
            case Sum() as op:
                return self.sum(node, op, own)
            case Lookup(source, first, table):
                entries = table[max(known[source].low - first, 0) : known[source].high - first + 1]
                return Range(min(entries), max(entries), node.format.fraction), own
            case Mux() as op:
                return self.choice(node, op), own
            case Product(left, right) if left == right:
                ends = known[left].low ** 2, known[left].high ** 2
                least = 0 if known[left].low <= 0 <= known[left].high else min(ends)
                return Range(least, max(ends), 2 * known[left].fraction).fit(node.format), own
            case _:
                return raw_range(node, known, self.formats, self.types).fit(node.format), own

    def sum(self, node: Node, op: Sum, own: _Form) -> tuple[Range, _Form]:
        plain = raw_range(node, self.known, self.formats, self.types)
        form, unit = self.added(op), Fraction(2) ** plain.fraction
        low = high = form.constant
        for k, factor in form.terms.items():
            ends = [
                factor * bound / Fraction(2) ** self.known[k].fraction
                for bound in (self.known[k].low, self.known[k].high)
            ]
            low, high = low + min(ends), high + max(ends)
        tight = Range(max(plain.low, ceil(low * unit)), min(plain.high, floor(high * unit)), plain.fraction)
        exact = plain.fraction <= node.format.fraction and tight.inside(node.format)
        return tight.fit(node.format), form if exact else own

    def added(self, op: Sum) -> _Form:
        total: dict[int, Fraction] = {}
        constant = Fraction(op.constant) / Fraction(2) ** op.constant_fraction
        for term in op.terms:
            factor, form = Fraction(2) ** term.shift * (-1 if term.negative else 1), self.forms[term.source]
            constant += factor * form.constant
            for k, coefficient in form.terms.items():
                total[k] = total.get(k, Fraction(0)) + factor * coefficient
        return _Form({k: coefficient for k, coefficient in total.items() if coefficient}, constant)

    def choice(self, node: Node, op: Mux) -> Range:
        limit, known = limit_of(self.circuit, op, self.known), self.known
        if limit is not None:
            source, pick = known[limit.source], min if limit.upper else max
            return Range(pick(source.low, limit.bound), pick(source.high, limit.bound), source.fraction).fit(
                node.format
            )
        first, second = known[op.when_set].fit(node.format), known[op.when_clear].times(op.shift).fit(node.format)
        return Range(min(first.low, second.low), max(first.high, second.high), node.format.fraction)
