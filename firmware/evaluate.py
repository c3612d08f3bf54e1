"""Evaluation of a `Circuit` in exact integer arithmetic: slow, and obviously right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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
    shifted,
)
from trigforge.fixed import IntArray

Values = Sequence[IntArray] | Mapping[int, IntArray]
"""The mantissas (n,) of nodes."""


def evaluate(circuit: Circuit, inputs: Sequence[IntArray], input_fractions: Sequence[int]) -> list[IntArray]:
    """The output mantissas, one array of shape (n,) an output, for input mantissas with these fraction bits."""
    values: list[IntArray] = []
    formats = [node.format for node in circuit.nodes]
    events = len(inputs[0]) if inputs else 0
    for node in circuit.nodes:
        if isinstance(node.operation, Input):
            k = node.operation.index
            values.append(node.format.fit(inputs[k], input_fractions[k]))
        else:
            values.append(evaluate_node(node, values, formats, events))
    return [
        np.zeros(events, dtype=np.int64)
        if term is None
        else f.fit((-1 if term.negative else 1) * values[term.source], formats[term.source].fraction - term.shift)
        for term, f in zip(circuit.outputs, circuit.output_formats, strict=True)
    ]


def evaluate_node(node: Node, values: Values, formats: Sequence[Format], events: int) -> IntArray:
    """A node's mantissas (n,) from those of its operands; no input word."""
    match node.operation:
        case Sum() as op:
            point = alignment(op, formats)
            total = np.full(events, op.constant << max(point - op.constant_fraction, 0), dtype=np.int64)
            for term in op.terms:
                part = shifted(values[term.source], point - formats[term.source].fraction + term.shift)
                total = total - part if term.negative else total + part
            return node.format.fit(total, point)
        case Relu(source):
            return node.format.fit(np.maximum(values[source], 0), formats[source].fraction)
        case Wrap(source, shift):
            return node.format.fit(values[source], formats[source].fraction - shift)
        case Mux(selector, a, b, shift):
            chosen = formats[selector]
            is_set = values[selector] < 0 if chosen.signed else values[selector] >= 1 << (chosen.width - 1)
            when_set = node.format.fit(values[a], formats[a].fraction)
            when_clear = node.format.fit(values[b], formats[b].fraction - shift)
            chosen_values: IntArray = np.where(is_set, when_set, when_clear)
            return chosen_values
        case Product(a, b):
            return node.format.fit(values[a] * values[b], formats[a].fraction + formats[b].fraction)
        case Lookup(source, low, table):
            entries: IntArray = np.asarray(table, dtype=np.int64)[values[source] - low]
            return entries
        case Bits(source, kind):
            return _bits(kind, values[source], formats[source], node.format)
        case Bits2(a, b, shift, kind):
            return _bits2(node.operation, values, formats, node.format)
        case _:
            raise AssertionError(node)


def _bits(kind: BitUnary, value: IntArray, source: Format, target: Format) -> IntArray:
    match kind:
        case BitUnary.NOT:
            return target.fit(~value, target.fraction)
        case BitUnary.ANY:
            return np.asarray(value != 0, dtype=np.int64)
        case BitUnary.ALL:
            return np.asarray(value == (-1 if source.signed else source.high), dtype=np.int64)


def _bits2(op: Bits2, values: Values, formats: Sequence[Format], target: Format) -> IntArray:
    left, right = formats[op.left], formats[op.right]
    point = max(left.fraction, right.fraction - op.shift)
    a = shifted(values[op.left], point - left.fraction)
    b = shifted(values[op.right], point - right.fraction + op.shift)
    match op.kind:
        case BitBinary.AND:
            return target.fit(a & b, point)
        case BitBinary.OR:
            return target.fit(a | b, point)
        case BitBinary.XOR:
            return target.fit(a ^ b, point)
