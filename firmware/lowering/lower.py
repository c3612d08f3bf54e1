"""Lowering: an hls4ml `ModelGraph`, behind the contract's normaliser, becomes one `IntegerProgram`.

Every node is evaluated on symbolic numbers as hls4ml's C++ evaluates it, and cast to the type that hls4ml gave its
result, with that type's rounding and overflow. A construct without an exact integer meaning is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.layer import Loss, Outcome, Width, examine, label, result_type
from trigforge.firmware.lowering.rules import RULES
from trigforge.firmware.lowering.symbols import Symbols, cast, concatenate, interval_symbols
from trigforge.firmware.program import IntegerProgram, Provenance, trace_program
from trigforge.fixed import FixedType


@dataclass(frozen=True, slots=True)
class Layer:
    """A lowered layer: its symbols in the shape of its result, and what its types lose."""

    name: str
    class_name: str
    values: Symbols
    widths: tuple[Width, ...]


@dataclass(frozen=True, slots=True)
class Lowering:
    """A program and the layers that it was made of, in the graph's order."""

    program: IntegerProgram
    layers: tuple[Layer, ...]
    words: Symbols

    @property
    def widths(self) -> tuple[Width, ...]:
        """Every accumulator, quantiser and result of the model and what interval arithmetic proves about it."""
        return tuple(width for layer in self.layers for width in layer.widths)

    def require_no_wrap(self) -> None:
        """Raise `ExactnessError` unless every type that wraps is proved to hold all that reaches it."""
        wrapping = [width for width in self.widths if width.loss is Loss.WRAPS]
        if wrapping:
            raise ExactnessError(
                f"{len(wrapping)} types must hold every value that the contract's words can make, or saturate; "
                f"first the {wrapping[0]}; widen it, let it saturate (SAT), or accept it with allow_wrap = true"
            )

    def inside(self) -> IntegerProgram:
        """A program from the words to the values of all layers, one layer after the other."""
        values = concatenate([layer.values.ravel() for layer in self.layers])
        return trace_program(self.words, values, self.program.inputs)


def lower(graph: Any, contract: InputContract, provenance: Provenance | None = None) -> Lowering:
    """The program from the contract's words to the graph's outputs, in the order of `graph.outputs`.

    Words are shared out to the graph's inputs in order, in row-major order each. Raises `ExactnessError` naming the
    layer, the reason and the remedy.
    """
    words, types = word_symbols(contract)
    inputs = dict(_inputs(graph, contract, normalised(words, contract)))
    values: dict[str, Symbols] = {}
    layers = []
    for node in graph.graph.values():
        outcome = Outcome(inputs[node.name]) if node.class_name == "Input" else _outcome(node, values)
        layer = _finished(node, outcome)
        values.update(dict.fromkeys(node.outputs, layer.values))
        layers.append(layer)
    outputs = concatenate([values[name].ravel() for name in graph.outputs])
    return Lowering(trace_program(words, outputs, types, provenance), tuple(layers), words)


def word_symbols(contract: InputContract) -> tuple[Symbols, tuple[FixedType, ...]]:
    """One symbol a word, over everything its wires can carry, and the words' types.

    A word with a single allowed value carries no information and has no wires.
    """
    types = tuple(FixedType(signed=f.signed, width=f.bits, integer=f.bits) for f in contract.fields)
    free = [f.low < f.high for f in contract.fields]
    low = np.array([t.low if wired else f.low for t, f, wired in zip(types, contract.fields, free, strict=True)])
    high = np.array([t.high if wired else f.high for t, f, wired in zip(types, contract.fields, free, strict=True)])
    return interval_symbols(low.astype(float), high.astype(float), np.ones(len(types))), types


def normalised(words: Symbols, contract: InputContract) -> Symbols:
    """The contract's normaliser on symbols: `cast((word - offset) · 2^-shift)`."""
    offset = np.array([float(f.offset) for f in contract.fields])
    scale = np.array([2.0**-f.shift for f in contract.fields])
    return cast((words - offset) * scale, contract.model_input, f"the normaliser of contract {contract.name!r}")


def _inputs(graph: Any, contract: InputContract, words: Symbols) -> Iterator[tuple[str, Symbols]]:
    """The words of every input layer, in its shape."""
    variables = graph.get_input_variables()
    sizes = [math.prod(v.shape) for v in variables]
    if sum(sizes) != contract.words:
        raise ExactnessError(
            f"the model must take {contract.words} values for contract {contract.name!r}, not "
            f"{' + '.join(map(str, sizes))}; give a contract of its words"
        )
    start = 0
    for name, variable, size in zip(graph.inputs, variables, sizes, strict=True):
        yield name, words[start : start + size].reshape(tuple(variable.shape))
        start += size


def _outcome(node: Any, values: Mapping[str, Symbols]) -> Outcome:
    rule = RULES.get(node.class_name)
    if rule is None:
        raise ExactnessError(f"{label(node)} has no exact lowering; supported: {', '.join(sorted(RULES))}")
    return rule(node, [values[name] for name in node.inputs])


def _finished(node: Any, outcome: Outcome) -> Layer:
    """The layer with its values cast to the result type."""
    shape = tuple(int(n) for n in node.get_output_variable().shape)
    values, widths = outcome.values.reshape(shape), outcome.inner
    if not outcome.final:
        kind = result_type(node)
        widths = (*widths, examine(node.name, "result", values, kind))
        values = cast(values, kind, label(node))
    return Layer(node.name, node.class_name, values, widths)
