"""Which values every node of a circuit can take, found in one pass from the inputs to the outputs.

All exact and sound: a node that depends on one input word, or on one other node, is evaluated for every value of that;
any other lies in an interval, that of a sum being the interval of its affine form, so that what cancels does not count;
and some of its low bits may be always the same. Intervals that were proved elsewhere narrow what follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor

import numpy as np

from trigforge.firmware.circuit import Circuit, Input, Lookup, Mux, Node, Product, Relu, Sum, Wrap, operands
from trigforge.firmware.evaluate import evaluate_node
from trigforge.firmware.native.ranges import Range, raw_range
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.bounds.reach import Form, Reach, limit_of, node_values
from trigforge.sim.bounds.residue import ALL_BITS, Residue, residue_of

ENUMERATED = 1 << 14
"""Most values of a word that are all tried."""
IMAGINED = 1 << 17
"""Most values of a node for which all that depends on it alone is tried."""


def reachable(circuit: Circuit, types: Sequence[FixedType], low: IntArray, high: IntArray) -> tuple[Reach, ...]:
    """The values of every node for words in `low..high` (each of shape (inputs,))."""
    return analyse(circuit, types, low, high).reach


def analyse(
    circuit: Circuit,
    types: Sequence[FixedType],
    low: IntArray,
    high: IntArray,
    proved: Mapping[int, tuple[int, int]] | None = None,
) -> Analysis:
    """What is known of every node for words in `low..high`, with the intervals of some nodes `proved` elsewhere."""
    tried = _enumerated(circuit, types, low, high)
    analysis = Analysis(circuit, tuple(types), low, high, tried, proved or {})
    for index, node in enumerate(circuit.nodes):
        analysis.add(index, node)
    return analysis


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


class Analysis:
    """The intervals, the residues and the affine forms of a circuit's nodes, added one after the other."""

    def __init__(
        self,
        circuit: Circuit,
        types: tuple[FixedType, ...],
        low: IntArray,
        high: IntArray,
        tried: Mapping[int, IntArray],
        proved: Mapping[int, tuple[int, int]],
    ) -> None:
        self.circuit, self.types, self.low, self.high = circuit, types, low, high
        self.tried, self.proved = tried, proved
        self.formats = tuple(node.format for node in circuit.nodes)
        self.known: list[Range] = []
        self.residues: list[Residue] = []
        self.forms: list[Form] = []
        self.bases: dict[int, int] = {}
        """The node of which another one is a function, constants aside."""
        self.images: dict[int, IntArray] = {}
        """Nodes for all values that are possible for their base."""

    @property
    def reach(self) -> tuple[Reach, ...]:
        """What is known of every node."""
        return tuple(self.reach_of(k) for k in range(len(self.known)))

    def reach_of(self, index: int) -> Reach:
        """What is known of a node."""
        own = self.known[index]
        values = self.tried.get(index)
        if values is None and index in self.images:
            values = np.unique(self.images[index])
            values = values[(own.low <= values) & (values <= own.high)]
        return Reach(own.low, own.high, values, self.residues[index])

    def add(self, index: int, node: Node) -> None:
        """Find what is known of the next node."""
        own, form = self.bounds(index, node)
        values = self.tried[index] if index in self.tried else self.imagined(index, node)
        low, high = self.proved.get(index, (own.low, own.high))
        if values is not None:
            residue = Residue.of(values)
            own = Range(max(int(values.min()), low), min(int(values.max()), high), own.fraction)
        else:
            residue = residue_of(node, self.residues, self.formats)
            own = Range(residue.next(max(own.low, low)), residue.last(min(own.high, high)), own.fraction)
        if own.low == own.high:
            residue = Residue.known(ALL_BITS, own.low)
        self.known.append(own)
        self.residues.append(residue)
        self.forms.append(form)

    def bounds(self, index: int, node: Node) -> tuple[Range, Form]:
        """The interval of the next node, and its form: of other nodes where it is their exact sum, else of itself."""
        raw, form = self.raw(node), self.exact(node)
        is_sum = form is not None and raw.fraction <= node.format.fraction and raw.inside(node.format)
        return raw.fit(node.format), form if form is not None and is_sum else Form({index: Fraction(1)}, Fraction(0))

    def imagined(self, index: int, node: Node) -> IntArray | None:
        """A node's values for all that its base can be; None if it is its own base or that can be too much."""
        sources = [k for k in operands(node) if self.known[k].low < self.known[k].high]
        bases = {self.bases.get(k, k) for k in sources}
        if len(bases) != 1 or not self.started(base := bases.pop()):
            return None
        count = len(self.images[base])
        given = {k: np.full(count, self.known[k].low) for k in operands(node)} | {k: self.images[k] for k in sources}
        if isinstance(node.operation, Lookup):  # what is not really possible may be beyond the table
            own, last = node.operation, node.operation.low + len(node.operation.table) - 1
            given[own.source] = np.clip(given[own.source], own.low, last)
        self.bases[index] = base
        self.images[index] = evaluate_node(node, given, self.formats, count)
        return self.images[index]

    def started(self, base: int) -> bool:
        """Whether the values that a base can have are few enough, then listed."""
        own, step = self.known[base], 1 << self.residues[base].bits
        if base not in self.images and (own.high - own.low) // step < IMAGINED:
            self.images[base] = self.tried.get(base, np.arange(own.low, own.high + 1, step, dtype=np.int64))
        return base in self.images

    def is_own(self, index: int) -> bool:
        """Whether a node is no exact sum of others."""
        return index in self.forms[index].terms

    def fits(self, index: int) -> bool:
        """Whether a node's format holds all that its operation gives: no high bit is ever lost."""
        node = self.circuit.nodes[index]
        return self.raw(node).inside(node.format)

    def raw(self, node: Node) -> Range:
        """The interval of a node's exact result, before it is brought into the node's format."""
        known = self.known
        match node.operation:
            case Input(k):
                return Range(int(self.low[k]), int(self.high[k]), self.types[k].fraction)
            case Sum() as op:
                return self.interval(node, self.added(op))
            case Lookup(source, first, table):
                entries = table[max(known[source].low - first, 0) : known[source].high - first + 1]
                return Range(min(entries), max(entries), node.format.fraction)
            case Mux() as op:
                return self.choice(node, op)
            case Product(left, right) if left == right:
                ends = known[left].low ** 2, known[left].high ** 2
                least = 0 if known[left].low <= 0 <= known[left].high else min(ends)
                return Range(least, max(ends), 2 * known[left].fraction)
            case _:
                return raw_range(node, known, self.formats, self.types)

    def exact(self, node: Node) -> Form | None:
        """What a node's result is the sum of before it is brought into its format; None if it is no sum."""
        known, forms = self.known, self.forms
        match node.operation:
            case Sum() as op:
                return self.added(op)
            case Wrap(source, shift):
                return forms[source].times(Fraction(2) ** shift)
            case Relu(source) if known[source].low >= 0:
                return forms[source]
            case Mux() as op:
                return self.passed(op)
            case _:
                return None

    def passed(self, op: Mux) -> Form | None:
        """What a choice always passes; None if that depends."""
        limit, side = limit_of(self.circuit, op, self.known), self.side(op)
        if limit is not None:
            own = self.known[limit.source]
            if own.high <= limit.bound if limit.upper else own.low >= limit.bound:
                return self.forms[limit.source]
        if side is None:
            return None
        return self.forms[op.when_set] if side else self.forms[op.when_clear].times(Fraction(2) ** op.shift)

    def side(self, op: Mux) -> bool | None:
        """Whether a choice always passes what it passes when its selector's sign is set, or never; None if neither."""
        own, form = self.known[op.selector], self.formats[op.selector]
        first = form.low if form.signed else 1 << (form.width - 1)
        last = -1 if form.signed else form.high
        if first <= own.low and own.high <= last:
            return True
        return False if own.high < first or own.low > last else None

    def interval(self, node: Node, form: Form) -> Range:
        """Of a sum."""
        plain = raw_range(node, self.known, self.formats, self.types)
        unit = Fraction(2) ** plain.fraction
        low = high = form.constant
        for k, factor in form.terms.items():
            ends = [
                factor * bound / Fraction(2) ** self.known[k].fraction
                for bound in (self.known[k].low, self.known[k].high)
            ]
            low, high = low + min(ends), high + max(ends)
        return Range(max(plain.low, ceil(low * unit)), min(plain.high, floor(high * unit)), plain.fraction)

    def added(self, op: Sum) -> Form:
        """The form of the exact sum of some terms."""
        total: dict[int, Fraction] = {}
        constant = Fraction(op.constant) / Fraction(2) ** op.constant_fraction
        for term in op.terms:
            factor, form = Fraction(2) ** term.shift * (-1 if term.negative else 1), self.forms[term.source]
            constant += factor * form.constant
            for k, coefficient in form.terms.items():
                total[k] = total.get(k, Fraction(0)) + factor * coefficient
        return Form({k: coefficient for k, coefficient in total.items() if coefficient}, constant)

    def choice(self, node: Node, op: Mux) -> Range:
        """Of a choice: a limit's, or that of what may be passed, each in the node's format."""
        limit, known, side = limit_of(self.circuit, op, self.known), self.known, self.side(op)
        if limit is not None:
            own, pick = known[limit.source], min if limit.upper else max
            return Range(pick(own.low, limit.bound), pick(own.high, limit.bound), own.fraction)
        passed = known[op.when_set], known[op.when_clear].times(op.shift)
        if side is not None:
            return passed[0 if side else 1]
        first, second = (one.fit(node.format) for one in passed)
        return Range(min(first.low, second.low), max(first.high, second.high), node.format.fraction)
