"""A circuit as few variables: what is no exact sum, and how each of them depends on sums of those before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd

import numpy as np

from trigforge.firmware.circuit import Circuit, Lookup, Mux, Product, Relu, Sum, Wrap
from trigforge.sim.bounds.analysis import Analysis
from trigforge.sim.bounds.curve import Curve
from trigforge.sim.bounds.reach import Form, limit_of


@dataclass(frozen=True, slots=True)
class Linear:
    """Σ coefficient · variable + constant, in units of the network."""

    terms: tuple[tuple[int, int], ...]
    """Variable and coefficient."""
    constant: int
    step: int
    """All values are multiples of it."""

    @classmethod
    def of(cls, terms: tuple[tuple[int, int], ...], constant: int) -> Linear:
        """The sum of some terms and a constant."""
        return cls(terms, constant, gcd(constant, *(factor for _, factor in terms)) or 1)


@dataclass(frozen=True, slots=True)
class Floor:
    """The operand, rounded down."""

    operand: Linear


@dataclass(frozen=True, slots=True)
class Clip:
    """max(operand, bound), or min(operand, bound) if `upper`; then rounded down."""

    operand: Linear
    bound: int
    upper: bool
    source: int
    """The node that is the operand."""
    source_unit: int
    """What its mantissa is worth."""


@dataclass(frozen=True, slots=True)
class Square:
    """operand² / scale."""

    operand: Linear
    scale: int


@dataclass(frozen=True, slots=True)
class Image:
    """What a curve makes of the mantissa of a node that is the operand: roundings, ReLU and saturation in one."""

    operand: Linear
    curve: Curve
    source: int
    """The node that is the operand."""
    source_unit: int
    """What its mantissa is worth."""


Rule = Floor | Clip | Square | Image


@dataclass(frozen=True, slots=True)
class Variable:
    """The mantissa of a node, each worth `unit`; without a rule it is free within its interval."""

    node: int
    unit: int
    low: int
    high: int
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A node and what it depends on; variables only depend on earlier ones."""

    variables: tuple[Variable, ...]
    target: Linear
    """The node itself."""
    unit: int
    """What its mantissa is worth."""


@dataclass(frozen=True, slots=True)
class Network:
    """All variables of a circuit, in order of evaluation, and the sums that its nodes are; a unit is 2^-`fraction`."""

    facts: Analysis
    fraction: int
    variables: tuple[Variable, ...]
    cones: tuple[int, ...]
    """The variables that each one depends on, itself included, as bits."""
    place: dict[int, int]
    """The variable of a node."""

    def about(self, node: int) -> Problem:
        """The part of the network on which a node depends."""
        circuit = self.facts.circuit
        target = _linear(circuit, self.place, self.fraction, self.facts.forms[node])
        cone = 0
        for number, _ in target.terms:
            cone |= self.cones[number]
        chosen = [number for number in range(len(self.variables)) if cone >> number & 1]
        new = {number: k for k, number in enumerate(chosen)}
        variables = tuple(_renumbered(self.variables[number], new) for number in chosen)
        unit = 1 << (self.fraction - circuit.nodes[node].format.fraction)
        return Problem(variables, _moved(target, new), unit)


def network_of(facts: Analysis) -> Network:
    """The network of a circuit, for the intervals and forms that are known."""
    circuit = facts.circuit
    nodes = range(len(circuit.nodes))
    operands = {k: _operand(circuit, facts, k) for k in nodes if facts.is_own(k)}
    forms = [*facts.forms, *(form for form in operands.values() if form is not None)]
    widest = max((node.format.fraction for node in circuit.nodes), default=0)
    fraction = max(widest, *(_point(form, circuit) for form in forms))
    place = {k: number for number, k in enumerate(operands)}
    variables: list[Variable] = []
    cones: list[int] = []
    for k, form in operands.items():
        unit, known = 1 << (fraction - circuit.nodes[k].format.fraction), facts.known[k]
        operand = None if form is None else _linear(circuit, place, fraction, form)
        rule = None if operand is None else _rule(circuit, facts, k, operand, fraction)
        cone = 1 << len(variables)
        for number, _ in () if operand is None else operand.terms:
            cone |= cones[number]
        variables.append(Variable(k, unit, known.low, known.high, rule))
        cones.append(cone)
    return Network(facts, fraction, tuple(variables), tuple(cones), place)


def _linear(circuit: Circuit, place: dict[int, int], fraction: int, form: Form) -> Linear:
    terms = tuple(
        (place[k], _whole(factor * Fraction(2) ** (fraction - circuit.nodes[k].format.fraction)))
        for k, factor in form.terms.items()
    )
    return Linear.of(terms, _whole(form.constant * Fraction(2) ** fraction))


def _whole(value: Fraction) -> int:
    assert value.denominator == 1
    return value.numerator


def _point(form: Form, circuit: Circuit) -> int:
    """Fraction bits with which a form has whole coefficients of mantissas."""
    parts = [form.constant, *(f / Fraction(2) ** circuit.nodes[k].format.fraction for k, f in form.terms.items())]
    return max(part.denominator.bit_length() - 1 for part in parts)


def _moved(linear: Linear, new: dict[int, int]) -> Linear:
    return Linear(tuple((new[number], factor) for number, factor in linear.terms), linear.constant, linear.step)


def _renumbered(variable: Variable, new: dict[int, int]) -> Variable:
    rule = variable.rule
    if rule is None:
        return variable
    moved = replace(rule, operand=_moved(rule.operand, new))
    return Variable(variable.node, variable.unit, variable.low, variable.high, moved)


def _operand(circuit: Circuit, facts: Analysis, index: int) -> Form | None:
    """What a node that is no exact sum is a function of; None if that is one word, or no rule is known for it."""
    node, forms = circuit.nodes[index], facts.forms
    if index in facts.tried:
        return None
    if _is_image(facts, index):
        return forms[facts.bases[index]]
    if not facts.fits(index):
        return None
    match node.operation:
        case Sum() as op:
            return facts.added(op)
        case Relu(source) | Lookup(source, _, _):
            return forms[source]
        case Wrap(source, shift):
            return forms[source].times(Fraction(2) ** shift)
        case Mux() as op:
            limit = limit_of(circuit, op, facts.known)
            return None if limit is None else forms[limit.source]
        case Product(left, right) if left == right:
            return forms[left] if 2 * circuit.nodes[left].format.fraction <= node.format.fraction else None
        case _:
            return None


def _is_image(facts: Analysis, index: int) -> bool:
    """Whether a node is known for all values of another one; a square's own lines are better."""
    return index in facts.bases and not isinstance(facts.circuit.nodes[index].operation, Product)


def _rule(circuit: Circuit, facts: Analysis, index: int, operand: Linear, fraction: int) -> Rule | None:
    """The rule of a node whose operand is known."""
    node = circuit.nodes[index]

    def unit(k: int) -> int:
        return 1 << (fraction - circuit.nodes[k].format.fraction)

    if _is_image(facts, index):
        base = facts.bases[index]
        return Image(operand, Curve(facts.images[base], facts.images[index]), base, unit(base))
    match node.operation:
        case Sum() | Wrap():
            return Floor(operand)
        case Relu(source):
            return Clip(operand, 0, upper=False, source=source, source_unit=unit(source))
        case Mux() as op:
            limit = limit_of(circuit, op, facts.known)
            assert limit is not None
            bound = limit.bound * unit(limit.source)
            return Clip(operand, bound, limit.upper, limit.source, unit(limit.source))
        case Product():
            return Square(operand, 1 << fraction)
        case Lookup(source, low, table):
            entries = np.array(table, dtype=np.int64)
            return Image(operand, Curve(low + np.arange(len(entries)), entries), source, unit(source))
        case _:
            return None
