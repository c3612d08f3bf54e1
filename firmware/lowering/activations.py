"""Rules of element-wise activations, as `nnet_activation.h` computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.choice import between, by_sign, constants
from trigforge.firmware.lowering.layer import (
    Outcome,
    examine,
    input_type,
    label,
    result_type,
    type_of,
    weight,
)
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, add_constants, array_of, cast
from trigforge.firmware.lowering.tables import (
    Entries,
    activation_table,
    addressed,
    cast_real,
    scaled,
    tabulated,
)
from trigforge.fixed import FixedType

NAMES = (
    "linear, relu, relu1, relu6, sigmoid, tanh, softplus, softsign, elu, selu, hard_sigmoid, hard_tanh, leaky_relu, "
    "thresholded_relu, prelu, binary_tanh, ternary_tanh, softmax"
)
SELU_SLOPE = FixedType(signed=False, width=16, integer=1)
"""The type of the slope of selu's positive branch in hls4ml."""


def activation(node: Any, inputs: list[Symbols]) -> Outcome:
    """Element-wise activations by name."""
    (values,) = inputs
    match str(node.get_attr("activation")).lower():
        case "linear":
            return Outcome(values)
        case "relu":
            return Outcome(values.relu())
        case "relu1" | "relu6" as name:
            return Outcome(between(values, constants(0.0, values), constants(float(name[-1]), values)))
        case "sigmoid" | "tanh" | "softplus" | "softsign" as name:
            addresses, entries = addressed(values, name, _table(node, name), label(node))
            return _tabulated(node, addresses, entries)
        case "elu":
            return _negative_table(node, "elu", values, values, 1.0)
        case "selu":
            slope = float(cast_real(1.0507009873554805, SELU_SLOPE, label(node)))
            return _negative_table(node, "selu", values, scaled(values, slope), 1.0)
        case "binary_tanh":
            return Outcome(by_sign(values, constants(0.0 if _is_bit(node) else -1.0, values), constants(1.0, values)))
        case "ternary_tanh":
            return ternary_tanh(node, inputs)
        case other:
            raise ExactnessError(f"{label(node)}: the activation must be one of {NAMES}, not {other!r}")


def parametrized_activation(node: Any, inputs: list[Symbols]) -> Outcome:
    """Leaky relu, thresholded relu and elu, their parameter in `param_t`."""
    (values,) = inputs
    name = str(node.get_attr("activation")).lower().replace("_", "")
    parameter = literal(node.get_attr("activ_param", 1.0), type_of(node, "param_t"), f"the parameter of {label(node)}")
    match name:
        case "leakyrelu":
            return Outcome(by_sign(values, scaled(values, parameter), values))
        case "thresholdedrelu":
            kept = values.relu() if parameter >= 0 else values
            return Outcome(by_sign(add_constants(-values, parameter), kept, constants(0.0, values)))
        case "elu":
            return _negative_table(node, "elu", values, values, parameter)
        case _:
            raise ExactnessError(
                f"{label(node)}: the activation must be leaky_relu, thresholded_relu or elu, not {name!r}"
            )


def prelu(node: Any, inputs: list[Symbols]) -> Outcome:
    """`x` where positive, else `alpha x`, one alpha an element."""
    (values,) = inputs
    slopes = weight(node, "param").ravel()
    flat = values.ravel()
    if len(slopes) != len(flat):
        raise ExactnessError(f"{label(node)} must have one slope an element, {len(flat)}, not {len(slopes)}")
    parts = [scaled(flat[i : i + 1], slope)[0] for i, slope in enumerate(slopes.tolist())]
    return Outcome(by_sign(flat, array_of(np.array(parts, dtype=object), flat), flat))


def hard_activation(node: Any, inputs: list[Symbols]) -> Outcome:
    """`s = clip(slope x + shift, 0, 1)` for hard_sigmoid, `2 s - 1` for hard_tanh."""
    (values,) = inputs
    slope, shift = (
        literal(node.get_attr(name), type_of(node, f"{name}_t"), f"the {name} of {label(node)}")
        for name in ("slope", "shift")
    )
    line = add_constants(scaled(values, slope), shift)
    sigmoid = between(line, constants(0.0, line), constants(1.0, line))
    match str(node.get_attr("activation")).lower():
        case "hard_sigmoid":
            return Outcome(sigmoid)
        case "hard_tanh":
            return Outcome(add_constants(sigmoid * 2.0, -1.0))
        case other:
            raise ExactnessError(f"{label(node)}: the activation must be hard_sigmoid or hard_tanh, not {other!r}")


def unary_table(node: Any, inputs: list[Symbols]) -> Outcome:
    """A table of the layer's own, addressed by the bits of its input."""
    table: FloatArray = weight(node, "table").ravel()
    kind = input_type(node)

    def entries(at: FloatArray) -> FloatArray:
        address = kind.from_float(at) & ((1 << kind.width) - 1)
        if address.max() >= len(table):
            raise ExactnessError(
                f"{label(node)} must have an entry for every value of its input, {kind}, not {len(table)} entries; "
                "give its input the type that the table was made for"
            )
        found: FloatArray = table[address]
        return found

    return _tabulated(node, inputs[0], entries)


def ternary_tanh(node: Any, inputs: list[Symbols]) -> Outcome:
    """1, 0 or -1: twice the input, in the input's type, is above 1, above -1, or neither."""
    doubled = cast(inputs[0] * 2.0, input_type(node), label(node))
    one = constants(1.0, doubled)
    above = [by_sign(add_constants(-doubled, limit), one, constants(0.0, doubled)) for limit in (1.0, -1.0)]
    return Outcome(add_constants(above[0] + above[1], -1.0))


def literal(value: Any, kind: FixedType, where: str) -> float:
    """A number that hls4ml prints into the C++, as the type there holds it."""
    return float(cast_real(float(str(value)), kind, where))


def _negative_table(node: Any, name: str, values: Symbols, positive: Symbols, factor: float) -> Outcome:
    """A table times a factor where the input is below 0, else `positive`."""
    addresses, entries = addressed(-(-values).relu(), name, _table(node, name), label(node))
    negative = tabulated(addresses, lambda at: factor * entries(at), label(node))
    return Outcome(by_sign(values, negative, positive))


def _tabulated(node: Any, addresses: Symbols, entries: Entries) -> Outcome:
    """The entries cast to the result's type, in one table."""
    kind, where = result_type(node), label(node)
    width = examine(node.name, "result", tabulated(addresses, entries, where), kind)
    values = tabulated(addresses, lambda at: cast_real(entries(at), kind, where), where)
    return Outcome(values, (width,), final=True)


def _table(node: Any, name: str) -> FloatArray:
    return activation_table(name, int(node.get_attr("table_size")), type_of(node, "table_t"), label(node))


def _is_bit(node: Any) -> bool:
    """Whether the result is `ap_uint<1>`, in which hls4ml writes -1 as 0."""
    from hls4ml.model.types import IntegerPrecisionType, XnorPrecisionType

    kind = node.get_output_variable().type.precision
    return isinstance(kind, XnorPrecisionType | IntegerPrecisionType) and kind.width == 1 and not kind.signed
