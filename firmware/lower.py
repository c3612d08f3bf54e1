"""Lowering: an hls4ml `ModelGraph`, behind the contract's normaliser, becomes one `IntegerProgram`.

Every node is evaluated on alkaid's symbolic numbers in exact arithmetic and then cast to the type that hls4ml gave
its result, with that type's rounding and overflow. A construct without an exact integer meaning is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.program import IntegerProgram, Provenance, trace_program
from trigforge.fixed import FixedType, Overflow, Rounding

Symbols = Any  # alkaid's FVArray, an untyped NumPy subclass
NodeRule = Callable[[Any, list[Symbols]], Symbols]

ROUNDING: Mapping[str, str] = MappingProxyType({"TRN": "TRN", "RND": "RND", "RND_CONV": "RND_CONV"})
OVERFLOW: Mapping[str, str] = MappingProxyType({"WRAP": "WRAP", "SAT": "SAT", "SAT_SYM": "SAT_SYM"})


def lower(graph: Any, contract: InputContract, provenance: Provenance | None = None) -> IntegerProgram:
    """The program from the contract's words to the graph's outputs, in the order of `graph.outputs`.

    Raises `ExactnessError` naming the layer, the reason and the remedy.
    """
    words, types = word_symbols(contract)
    inputs = graph.get_input_variables()
    if len(inputs) != 1 or inputs[0].size() != contract.words:
        raise ExactnessError(
            f"the model must take one input of {contract.words} values for contract {contract.name!r}, "
            f"not {[v.size() for v in inputs]}"
        )
    values: dict[str, Symbols] = {}
    for node in graph.graph.values():
        if node.class_name == "Input":
            values[node.name] = _cast_result(node, normalised(words, contract))
        else:
            values[node.name] = _lower_node(node, [values[name] for name in node.inputs])
    outputs = _concatenate([values[name].ravel() for name in graph.outputs])
    return trace_program(words, outputs, types, provenance)


def word_symbols(contract: InputContract) -> tuple[Symbols, tuple[FixedType, ...]]:
    """One symbol a word, over everything its wires can carry, and the words' types.

    A word with a single allowed value carries no information and has no wires.
    """
    from alkaid.trace import FVArray

    types = tuple(FixedType(signed=f.signed, width=f.bits, integer=f.bits) for f in contract.fields)
    free = [f.low < f.high for f in contract.fields]
    low = np.array([t.low if wired else f.low for t, f, wired in zip(types, contract.fields, free, strict=True)])
    high = np.array([t.high if wired else f.high for t, f, wired in zip(types, contract.fields, free, strict=True)])
    symbols = FVArray.from_lhs(
        low.astype(float), high.astype(float), np.ones(len(types)), solver_options={"hard_dc": 2}
    )
    return symbols, types


def normalised(words: Symbols, contract: InputContract) -> Symbols:
    """The contract's normaliser on symbols: `cast((word - offset) · 2^-shift)`."""
    offset = np.array([float(f.offset) for f in contract.fields])
    scale = np.array([2.0**-f.shift for f in contract.fields])
    return cast((words - offset) * scale, contract.model_input, f"the normaliser of contract {contract.name!r}")


def cast(values: Symbols, target: FixedType, where: str) -> Symbols:
    """Symbols cast to a type with its rounding and overflow."""
    rounding, overflow = target.rounding.value, target.overflow.value
    if rounding not in ROUNDING or overflow not in OVERFLOW:
        raise ExactnessError(
            f"{where}: rounding {rounding} with overflow {overflow} must be one of {', '.join(ROUNDING)} with "
            f"{', '.join(OVERFLOW)}; choose such a type"
        )
    return values.quantize(int(target.signed), target.integer - int(target.signed), target.fraction, overflow, rounding)


def fixed_type(precision: Any, where: str) -> FixedType:
    """The `FixedType` of an hls4ml precision object."""
    try:
        rounding = Rounding(str(precision.rounding_mode).rsplit(".", 1)[-1])
        overflow = Overflow(str(precision.saturation_mode).rsplit(".", 1)[-1])
        width, integer, signed = int(precision.width), int(precision.integer), bool(precision.signed)
    except (AttributeError, ValueError):
        raise ExactnessError(
            f"{where}: the type {precision} must be fixed point; set it in the hls4ml config"
        ) from None
    return FixedType(signed=signed, width=width, integer=integer, rounding=rounding, overflow=overflow)


def _lower_node(node: Any, inputs: list[Symbols]) -> Symbols:
    rule = RULES.get(node.class_name)
    if rule is None:
        raise ExactnessError(
            f"layer {node.name!r} ({node.class_name}) has no exact lowering yet; supported: {', '.join(sorted(RULES))}"
        )
    return rule(node, inputs)


def _cast_result(node: Any, values: Symbols) -> Symbols:
    where = f"layer {node.name!r} ({node.class_name})"
    return cast(values, fixed_type(node.get_output_variable().type.precision, where), where)


def _quantizer(node: Any, inputs: list[Symbols]) -> Symbols:
    """HGQ's element-wise quantiser: keep-negative, width and integer bits of every element."""
    (values,) = inputs
    k, b, i = (np.broadcast_to(m[0], values.shape).astype(int) for m in node.mask_kbi)
    if node.RND not in ROUNDING or node.SAT not in OVERFLOW:
        raise ExactnessError(f"quantiser {node.name!r}: mode {node.RND}/{node.SAT} has no exact lowering")
    k = np.where(b > 0, k, 0)
    return values.quantize(k, i - k, b - i, node.SAT, node.RND)


def _dense(node: Any, inputs: list[Symbols]) -> Symbols:
    (values,) = inputs
    result = matmul(values, _weight(node, "weight"))
    if "bias" in node.weights:
        result = result + _weight(node, "bias")
    return _cast_result(node, _accumulated(node, result))


def matmul(values: Symbols, matrix: npt.NDArray[np.float64]) -> Symbols:
    """`values @ matrix`, exact.

    alkaid 0.8.2 looks groups of one-bit values up in tables addressed by the values themselves, which is wrong for a
    value that is a lone sign bit (0 or -1): then it must add instead.
    """
    from alkaid.trace import FVArray

    k, i, f = values.kif
    if ((k == 1) & (k + i + f == 1)).any():
        values = FVArray(values, {**values.solver_options, "binary_lut": False}, hwconf=values.hwconf)
    return values @ matrix


def _activation(node: Any, inputs: list[Symbols]) -> Symbols:
    (values,) = inputs
    match node.get_attr("activation"):
        case "relu":
            return _cast_result(node, values.relu())
        case "linear":
            return _cast_result(node, values)
        case other:
            raise ExactnessError(f"layer {node.name!r}: the activation must be relu or linear, not {other!r}")


def _dot(node: Any, inputs: list[Symbols]) -> Symbols:
    left, right = inputs
    products = [a * b for a, b in zip(left, right, strict=True)]
    total = products[0]
    for product in products[1:]:
        total = total + product
    return _cast_result(node, _accumulated(node, _concatenate([[total]])))


def _weight(node: Any, name: str) -> npt.NDArray[np.float64]:
    """A weight array as the hardware holds it; `ExactnessError` if its type cannot hold the trained values."""
    variable = node.weights[name]
    data = np.asarray(variable.data, dtype=np.float64)
    kind = fixed_type(variable.type.precision, f"{name} of layer {node.name!r}")
    try:
        mantissa = kind.from_float(data)
    except ValueError as error:
        raise ExactnessError(f"{name} of layer {node.name!r}: {error}; convert with bit_exact=True") from None
    if len(data.ravel()) and not (kind.low <= mantissa.min() and mantissa.max() <= kind.high):
        raise ExactnessError(f"{name} of layer {node.name!r} must fit into {kind}; convert with bit_exact=True")
    return data


def _accumulated(node: Any, exact: Symbols) -> Symbols:
    """`exact`, once it is proved that the layer's accumulator loses none of its bits."""
    kind = fixed_type(node.get_attr("accum_t").precision, f"accumulator of layer {node.name!r}")
    bits = np.stack([part.ravel() for part in exact.kif])
    if not bits.sum(axis=0).any():  # every sum is the constant zero
        return exact
    k, i, f = bits[:, bits.sum(axis=0) > 0].max(axis=1).tolist()
    if k > kind.signed or i > kind.integer - kind.signed or f > kind.fraction:
        raise ExactnessError(
            f"the accumulator {kind} of layer {node.name!r} must hold {k + i} integer and {f} fraction bits; "
            "convert with bit_exact=True or widen accum_t"
        )
    return exact


def _concatenate(parts: list[Any]) -> Symbols:
    from alkaid.trace import FVArray

    return FVArray(np.concatenate([np.asarray(part, dtype=object) for part in parts]))


RULES: Mapping[str, NodeRule] = MappingProxyType(
    {"FixedPointQuantizer": _quantizer, "Dense": _dense, "Activation": _activation, "Dot": _dot}
)
"""One rule a layer class of hls4ml."""
