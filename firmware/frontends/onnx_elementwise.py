"""Rules of element-wise ONNX operators: activations, arithmetic with constants and between tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.onnx_tensors import Constant, Grid, Tensor, constant_grid
from trigforge.firmware.frontends.onnx_walk import (
    Walk,
    attribute,
    exact_zero,
    in_storage,
    label,
    without_batch,
)

MERGES: Mapping[str, str] = MappingProxyType(
    {"Add": "add", "Sum": "add", "Sub": "subtract", "Mul": "multiply", "Max": "maximum", "Min": "minimum"}
)
ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {"Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign", "Selu": "selu"}
)
"""Operators that hls4ml has tables of its own for; used only where the user's types say how coarse."""
TABLES = (*ACTIVATIONS, "HardSigmoid", "HardSwish", "Elu", "Celu", "Erf", "Gelu", "Mish", "Exp", "Abs", "LeakyRelu")
"""Operators that become one exact table together with the quantiser behind them."""
MAX_TABLE_BITS = 14


def relu(walk: Walk, node: Any) -> None:
    """`max(x, 0)`."""
    tensor = walk.held(node)
    result = relu_layer(walk, node.name, tensor)
    walk.tensors[node.output[0]] = replace(result, unit=tensor.unit, slack=tensor.slack)


def relu_layer(walk: Walk, name: str, tensor: Tensor) -> Tensor:
    """Append a ReLU."""
    grid = Grid(np.maximum(tensor.grid.low, 0.0), np.maximum(tensor.grid.high, 0.0), tensor.grid.fraction)
    return walk.layers.add(walk.layers.name(name), "Activation", [tensor], grid, {"activation": "relu"})


def leaky_relu(walk: Walk, node: Any) -> None:
    """`x` for x > 0, else `alpha · x`; with a long alpha a table with the quantiser behind it."""
    alpha = float(attribute(node, "alpha", 0.01))
    if walk.layers.user.everywhere or np.ldexp(alpha, 8) == np.rint(np.ldexp(alpha, 8)):
        tensor, layer = walk.tensor(node), walk.layers.name(node.name)
        slope = float(walk.layers.constant(layer, "param", Constant(np.array(alpha), quantised=True)))
        attributes = {"activation": "leakyrelu", "activ_param": slope}
        grid = _sloped(tensor.grid, np.array(slope))
        walk.tensors[node.output[0]] = walk.layers.add(layer, "LeakyReLU", [tensor], grid, attributes)
        return
    table(walk, node)


def prelu(walk: Walk, node: Any) -> None:
    """`x` for x > 0, else `slope · x` with a constant slope an element or a channel."""
    tensor, layer = walk.tensor(node), walk.layers.name(node.name)
    slopes = walk.required(node, 1, "slope")
    values = without_batch(walk.layers.constant(layer, "param", slopes), len(tensor.shape) + 1)
    full = np.broadcast_to(values, tensor.shape)
    attributes = {"activation": "prelu", "param_data": in_storage(full, tensor).ravel()}
    walk.tensors[node.output[0]] = walk.layers.add(layer, "PReLU", [tensor], _sloped(tensor.grid, full), attributes)


def _sloped(grid: Grid, slope: FloatArray) -> Grid:
    below = Grid(np.minimum(grid.low, 0.0), np.minimum(grid.high, 0.0), grid.fraction).affine(slope, np.zeros(1))
    low = np.where(grid.high > 0, np.minimum(below.low, np.maximum(grid.low, 0.0)), below.low)
    high = np.where(grid.high > 0, np.maximum(below.high, grid.high), below.high)
    return Grid(low, high, max(below.fraction, grid.fraction))


def table(walk: Walk, node: Any) -> None:
    """Any function of one value and the quantiser behind it, as one table over the values that can occur."""
    tensor = walk.tensor(node)
    quantiser = walk.graph.sole_consumer(node.output[0])
    if quantiser is None or quantiser.op_type not in ("Quant", "IntQuant", "BipolarQuant"):
        _with_users_types(walk, node, tensor)
        return
    settings = [walk.graph.constants.get(name) for name in quantiser.input[1:]]
    scalars = [s for s in settings if s is not None and s.size == 1]
    if len(scalars) < len(settings):
        raise ExactnessError(
            f"{label(quantiser)} behind {label(node)} must have one constant scale, zero point and width"
        )
    kind = tensor.grid.covering(f"what enters {label(node)}")
    if kind.width > MAX_TABLE_BITS:
        raise ExactnessError(
            f"what enters {label(node)} must fit into {MAX_TABLE_BITS} bits to look its result up, it needs "
            f"{kind.width}; put a quantiser before it"
        )
    codes = np.arange(1 << kind.width)
    codes[codes > kind.high] -= 1 << kind.width
    inputs = kind.to_float(codes).astype(np.float32)
    with np.errstate(all="ignore"):
        results = walk.graph.execute(quantiser, [walk.graph.execute(node, [inputs]), *scalars])
    entries = np.nan_to_num(np.asarray(results, dtype=np.float64))
    layer = walk.layers.name(node.name)
    values = walk.layers.constant(layer, "table", Constant(entries, quantised=True))
    attributes = {"table_data": values, "activation": "unary_lut"}
    all_low, all_high = (np.full(tensor.shape, f(values)) for f in (np.min, np.max))
    grid = Grid(all_low, all_high, constant_grid(values).fraction)
    walk.tensors[quantiser.output[0]] = walk.layers.add(layer, "UnaryLUT", [tensor], grid, attributes)


def _with_users_types(walk: Walk, node: Any, tensor: Tensor) -> None:
    """hls4ml's own table, whose result the user has given a type."""
    layer = walk.layers.name(node.name)
    result = walk.layers.user.of(layer, "result", left_open=False)
    if result is None or node.op_type not in ACTIVATIONS:
        raise ExactnessError(
            f"the result of {label(node)} must be quantised: it has no exact fixed-point value; "
            "put a quantiser behind it"
        )
    grid = Grid.of_type(result, tensor.shape)
    attributes = {"activation": ACTIVATIONS[node.op_type]}
    walk.tensors[node.output[0]] = walk.layers.add(layer, "Activation", [tensor], grid, attributes)
    chosen = walk.layers.user.of(layer, "table", left_open=True)
    if chosen is not None:
        walk.layers.types[layer]["table"] = chosen


def arithmetic(walk: Walk, node: Any) -> None:
    """Add, Sub, Mul, Div, Max, Min, Sum of tensors and constants."""
    constants = {k: c for k in range(len(node.input)) if (c := walk.constant(node, k)) is not None}
    if not constants:
        walk.tensors[node.output[0]] = merged(walk, node)
        return
    if len(node.input) != 2:
        raise InputError(f"{label(node)} must combine two inputs if one is constant, not {len(node.input)}")
    ((index, constant),) = constants.items()
    tensor = walk.tensor(node, 1 - index)
    values = without_batch(constant.values, len(tensor.shape) + 1)
    if np.broadcast_shapes(values.shape, tensor.shape) != tensor.shape:
        raise InputError(
            f"the constant of {label(node)} must not enlarge its input {tensor.shape}, it has {values.shape}"
        )
    given = Constant(values, constant.quantised, constant.origin)
    walk.tensors[node.output[0]] = _with_constant(walk, node, tensor, given, first=index == 0)


def _with_constant(walk: Walk, node: Any, tensor: Tensor, constant: Constant, *, first: bool) -> Tensor:
    """Arithmetic with a constant, which is the `first` or the second input."""
    one, minus = Constant(np.ones(1), True), Constant(-np.ones(1), True)
    negated = Constant(-constant.values, constant.quantised, constant.origin)
    match node.op_type:
        case "Add" | "Sum":
            return walk.affine(node.name, tensor, one, constant)
        case "Sub":
            return walk.affine(node.name, tensor, *((minus, constant) if first else (one, negated)))
        case "Mul":
            return walk.affine(node.name, tensor, constant, exact_zero())
        case "Div" if not first:
            return walk.affine(node.name, tensor, _inverse(constant), exact_zero())
        case "Max":
            return bounded(walk, node.name, tensor, constant, below=True)
        case "Min":
            return bounded(walk, node.name, tensor, constant, below=False)
        case _:
            raise ExactnessError(f"{label(node)} must divide by a constant: a quotient of tensors has no exact value")


def _inverse(constant: Constant) -> Constant:
    """One over a constant; exact only for powers of two."""
    exact = bool((np.abs(np.frexp(constant.values)[0]) == 0.5).all())
    return Constant(1 / constant.values, exact, "" if exact else " (one over a number that is not a power of two)")


def clip(walk: Walk, node: Any) -> None:
    """`min(max(x, low), high)`."""
    tensor = walk.tensor(node)
    for index, name, below in ((1, "min", True), (2, "max", False)):
        limit = walk.constant(node, index)
        given = attribute(node, name)
        if limit is None and given is not None:
            limit = Constant(np.array(float(given)), True)
        if limit is not None:
            tensor = bounded(walk, f"{node.name}_{name}", tensor, Constant(limit.values.reshape(()), True), below=below)
    walk.tensors[node.output[0]] = tensor


def bounded(walk: Walk, name: str, tensor: Tensor, limit: Constant, *, below: bool) -> Tensor:
    """`max(x, c) = relu(x - c) + c`, and `min(x, c) = c - relu(c - x)`."""
    values = limit.values
    if (tensor.grid.low >= values).all() if below else (tensor.grid.high <= values).all():
        return tensor
    if below and not values.any():
        return relu_layer(walk, name, tensor)
    sign = Constant(np.full(1, 1.0 if below else -1.0), True)
    moved = Constant(-sign.values * values, limit.quantised, limit.origin)
    distance = walk.affine(f"{name}_distance", tensor, sign, moved)
    return walk.affine(name, relu_layer(walk, f"{name}_relu", distance), sign, limit)


def merged(walk: Walk, node: Any) -> Tensor:
    """Two or more tensors of one shape, combined one after the other."""
    tensors = [walk.tensor(node, k) for k in range(len(node.input))]
    result = tensors[0]
    for tensor in tensors[1:]:
        if tensor.shape != result.shape:
            raise InputError(f"{label(node)} must combine tensors of one shape, not {result.shape} and {tensor.shape}")
        result = _merge(walk, node, result, walk.stored(tensor, result.last))
    return result


def _merge(walk: Walk, node: Any, left: Tensor, right: Tensor) -> Tensor:
    if node.op_type not in MERGES:
        raise ExactnessError(f"{label(node)} must divide by a constant: a quotient of tensors has no exact value")
    op = MERGES[node.op_type]
    a, b = left.grid, right.grid
    fraction = a.fraction + b.fraction if op == "multiply" else max(a.fraction, b.fraction)
    match op:
        case "add":
            ends = [a.low + b.low, a.high + b.high]
        case "subtract":
            ends = [a.low - b.high, a.high - b.low]
        case "multiply":
            ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
        case "maximum":
            ends = [np.maximum(a.low, b.low), np.maximum(a.high, b.high)]
        case _:
            ends = [np.minimum(a.low, b.low), np.minimum(a.high, b.high)]
    grid = Grid(np.min(ends, axis=0), np.max(ends, axis=0), fraction)
    return walk.layers.add(walk.layers.name(node.name), "Merge", [left, right], grid, {"op": op})
