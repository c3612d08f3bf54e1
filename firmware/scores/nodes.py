"""Nodes that are added to a converted `ModelGraph`: ordinary hls4ml layers with types that lose nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.lowering.layer import covering_type, fixed_type
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, constant_fraction, matmul, type_symbols
from trigforge.fixed import FixedType

MAX_TABLE_BITS = 14
ENDINGS = ("Activation", "FixedPointQuantizer", "HardActivation", "ParametrizedActivation", "PReLU", "Softmax")
Function = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A flat result in the graph: the node's name, its type and its number of elements."""

    name: str
    kind: FixedType
    size: int

    def symbols(self) -> Symbols:
        """One symbol an element, over all that its type holds."""
        return type_symbols([self.kind] * self.size)


@dataclass(frozen=True, slots=True)
class GraphBuilder:
    """Adds nodes named `<prefix>_<step>` to a graph; every result has the narrowest type that holds it."""

    graph: Any
    prefix: str

    def tensor(self, name: str) -> Tensor:
        """An existing layer's result, activated and quantised, flattened; an unknown name raises `InputError`."""
        if name not in self.graph.graph:
            known = ", ".join(self.graph.graph)
            raise InputError(f"a score must take layers of the model ({known}), not {name!r}")
        name = self._end_of(name, name)
        node = self.graph.graph[name]
        variable = node.get_output_variable()
        size = int(np.prod(variable.shape))
        tensor = Tensor(name, fixed_type(variable.type.precision, f"the result of layer {name!r}"), size)
        if len(variable.shape) == 1:
            return tensor
        return self._add("Reshape", "flat", {"target_shape": [size]}, (tensor,), tensor.kind, size)

    def _end_of(self, name: str, layer: str) -> str:
        """The last node of `layer` from node `name` on: activation and output quantiser are nodes of their own."""
        following = (
            node.name
            for node in self.graph.graph.values()
            if node.class_name in ENDINGS and list(node.inputs) == [name] and node.name.startswith(f"{layer}_")
        )
        end = next((found for found in following if not found.endswith("_iq")), None)
        return name if end is None else self._end_of(end, layer)

    def difference(self, left: Tensor, right: Tensor) -> Tensor:
        """`left - right`; tensors of different sizes raise `InputError`."""
        if left.size != right.size:
            raise InputError(
                f"a difference must take tensors of one size, not {left.name!r} of {left.size} "
                f"and {right.name!r} of {right.size}"
            )
        values = left.symbols() - right.symbols()
        return self._merge("subtract", left, right, values)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """`left · right`, element by element."""
        first = left.symbols()
        return self._merge("multiply", left, right, first * (first if left == right else right.symbols()))

    def larger(self, left: Tensor, right: Tensor) -> Tensor:
        """`max(left, right)`, element by element."""
        low, high = (min(left.kind, right.kind, key=_low), max(left.kind, right.kind, key=_high))
        ends = type_symbols([low, high])
        kind = covering_type(ends, self.prefix)
        fraction = max(left.kind.fraction, right.kind.fraction)
        kind = FixedType(signed=kind.signed, width=kind.integer + fraction, integer=kind.integer)
        return self._add("Merge", "maximum", {"op": "maximum"}, (left, right), kind, left.size)

    def squares(self, values: Tensor, weights: Tensor | None = None) -> Tensor:
        """`Σ values²`, or `Σ values · weights`: one element."""
        other = values if weights is None else weights
        first = values.symbols()
        terms = first * (first if weights is None else other.symbols())
        total = matmul(terms[None], np.ones((values.size, 1)))[0]
        kind = covering_type(total, self.prefix)
        return self._add("Dot", "dot", {"op": "dot1d"}, (values, other), kind, 1)

    def linear(self, values: Tensor, matrix: FloatArray) -> Tensor:
        """`values @ matrix` for constants (n, m)."""
        kind = covering_type(matmul(values.symbols()[None], matrix)[0], self.prefix)
        attributes = {
            "n_in": values.size,
            "n_out": matrix.shape[1],
            "weight_data": matrix,
            "bias_data": np.zeros(matrix.shape[1]),
        }
        types = {"weight": _constant_type(matrix), "bias": FixedType(signed=False, width=2, integer=2)}
        return self._add("Dense", "linear", attributes, (values,), kind, matrix.shape[1], types)

    def select(self, values: Tensor, indices: Sequence[int]) -> Tensor:
        """The elements of some indices: wires."""
        if tuple(indices) == tuple(range(values.size)):
            return values
        matrix = np.zeros((values.size, len(indices)))
        matrix[list(indices), np.arange(len(indices))] = 1
        return self.linear(values, matrix)

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """All elements of some tensors, one after the other, in a type that holds them all."""
        total = parts[0]
        for part in parts[1:]:
            kind = covering_type(type_symbols([total.kind, part.kind]), self.prefix)
            attributes = {"op": "concatenate1d", "axis": 1}
            total = self._add("Concatenate", "joined", attributes, (total, part), kind, total.size + part.size)
        return total

    def table(self, values: Tensor, function: Function, kind: FixedType) -> Tensor:
        """`function` of every element, rounded to nearest even and saturated to `kind`: a table of all inputs."""
        given = values.kind
        if given.width > MAX_TABLE_BITS:
            raise ExactnessError(
                f"a table of layer {values.name!r} must have at most {MAX_TABLE_BITS} bits of input, not {given}; "
                "quantise the layer's result more coarsely"
            )
        words = np.arange(1 << given.width)
        inputs = given.to_float(np.where(words > given.high, words - (1 << given.width), words))
        entries = np.clip(np.rint(np.ldexp(function(inputs), kind.fraction)), kind.low, kind.high)
        data = kind.to_float(entries.astype(np.int64))
        attributes = {"table_data": data, "activation": "unary_lut", "n_in": values.size}
        return self._add("UnaryLUT", "table", attributes, (values,), kind, values.size, {"table": kind})

    def cast(self, values: Tensor, kind: FixedType) -> Tensor:
        """Every element cast to a type, with its rounding and overflow."""
        attributes = {"activation": "linear", "n_in": values.size}
        return self._add("Activation", "cast", attributes, (values,), kind, values.size)

    def finish(self, result: Tensor) -> None:
        """Make `result` the graph's only output and drop what it does not need."""
        self.graph.outputs = [result.name]
        needed, open_names = set(), [result.name, *self.graph.inputs]
        while open_names:
            name = open_names.pop()
            if name not in needed:
                needed.add(name)
                open_names.extend(self.graph.graph[name].inputs if name not in self.graph.inputs else ())
        for name in [name for name in self.graph.graph if name not in needed]:
            del self.graph.graph[name]

    def _merge(self, operation: str, left: Tensor, right: Tensor, values: Symbols) -> Tensor:
        kind = covering_type(values, self.prefix)
        return self._add("Merge", operation, {"op": operation}, (left, right), kind, left.size)

    def _add(
        self,
        layer: str,
        step: str,
        attributes: dict[str, Any],
        inputs: Sequence[Tensor],
        kind: FixedType,
        size: int,
        types: dict[str, FixedType] | None = None,
    ) -> Tensor:
        """A node at the end of the graph, with its types set and the backend's own passes applied to it."""
        name = self._free_name(step)
        precisions = self.graph.config.layer_name_precision
        for variable, of_variable in {"result": kind, "accum": kind, "default": kind, **(types or {})}.items():
            precisions[f"{name}_{variable}"] = precision_string(of_variable)
        node = self.graph.make_node(layer, name, attributes, [t.name for t in inputs])
        self.graph.graph[name] = node
        _apply_backend_passes(self.graph, node)
        return Tensor(name, kind, size)

    def _free_name(self, step: str) -> str:
        taken = self.graph.graph
        return next(n for n in (f"{self.prefix}_{step}{i or ''}" for i in range(len(taken) + 1)) if n not in taken)


def precision_string(kind: FixedType) -> str:
    """A type in hls4ml's notation."""
    sign = "" if kind.signed else "u"
    return f"{sign}fixed<{kind.width},{kind.integer},{kind.rounding.value},{kind.overflow.value}>"


def _apply_backend_passes(graph: Any, node: Any) -> None:
    """Run the passes of the backend's flows that match one node: types and templates, as for parsed layers."""
    from hls4ml.model.flow import get_flow
    from hls4ml.model.optimizer import get_optimizer
    from hls4ml.model.optimizer.optimizer import ModelOptimizerPass

    for flow in get_flow(graph.config.backend.get_default_flow()).requires:
        for name in get_flow(flow).optimizers if ":" in flow else ():
            optimizer = get_optimizer(name)
            if not isinstance(optimizer, ModelOptimizerPass) and optimizer.match(node):
                optimizer.transform(graph, node)


def _constant_type(values: FloatArray) -> FixedType:
    fraction = constant_fraction(values)
    whole = np.ldexp(values, fraction)
    signed = bool((whole < 0).any())
    width = max(int(max(whole.max(), -whole.min() - 1)).bit_length(), 1) + signed
    return FixedType(signed=signed, width=max(width, 2), integer=max(width, 2) - fraction)


def _low(kind: FixedType) -> float:
    return kind.low * kind.lsb


def _high(kind: FixedType) -> float:
    return kind.high * kind.lsb
