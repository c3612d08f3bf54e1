"""What the hardware multiplies by: hls4ml's product of an input and a weight for every pair of their types."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.accumulate import products_summed
from trigforge.firmware.lowering.layer import Outcome, input_type, label, weight
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, add_constants, cast
from trigforge.fixed import MAX_WIDTH, FixedType, Overflow, Rounding


@dataclass(frozen=True, slots=True)
class Products:
    """The product of an input `a` and weight w is `factors[w] · a + offsets[w]`, cast to `kind` if there is one."""

    factors: FloatArray
    offsets: FloatArray
    kind: FixedType | None = None


def products(node: Any, name: str) -> Products:
    """What a layer's input is multiplied by, in the shape of its weights `name`, as `nnet_mult.h` multiplies.

    A binary type holds -1 as 0, so that products of binary values have offsets.
    """
    from hls4ml.backends.backend import get_backend

    precisions = node.get_input_variable().type.precision, node.weights[name].type.precision
    product = get_backend("vivado").product_type(*precisions)
    return PRODUCTS[product](node, name)


def _multiplied(node: Any, name: str) -> Products:
    return _linear(weight(node, name))


def _by_binary(node: Any, name: str) -> Products:
    return _linear(2 * weight(node, name) - 1)


def _by_ternary(node: Any, name: str) -> Products:
    """Weights that are neither 0 nor -1 count as +1."""
    data = weight(node, name)
    return _linear(np.where(data == 0, 0.0, np.where(data == -1, -1.0, 1.0)))


def _of_binary(node: Any, name: str) -> Products:
    data = weight(node, name)
    return Products(2 * data, -data)


def _agreement(node: Any, name: str) -> Products:
    """1 where the input's bit equals the weight's."""
    data = weight(node, name)
    return Products(2 * data - 1, 1 - data)


def _shifted(node: Any, name: str) -> Products:
    """Shifts of the input in a type of its own, twice as wide as input and exponent together."""
    data, width = np.asarray(node.weights[name].data, dtype=np.float64), int(node.weights[name].type.precision.width)
    where, bits = f"{name} of {label(node)}", 1 << (width - 1)
    mantissa, exponent = np.frexp(data)
    if not ((abs(mantissa) == 0.5) & (-bits < exponent) & (exponent <= bits)).all():
        raise ExactnessError(f"{where} must be powers of two from 2^{-bits} to 2^{bits - 1}; change its quantizer")
    given = input_type(node)
    half = width + given.width
    finest = given.fraction + max(0, 1 - int(exponent.min()))
    largest = max(-given.low, given.high + 1) * given.lsb * max(1.0, abs(data).max())
    if finest <= half and largest < 2.0 ** (half - 1):
        return _linear(data)
    if 2 * half > MAX_WIDTH:
        raise ExactnessError(f"{where}: products must fit into {MAX_WIDTH} bits, not {2 * half}; use narrower types")
    return Products(data, np.zeros_like(data), FixedType(signed=True, width=2 * half, integer=half))


def _linear(factors: FloatArray) -> Products:
    return Products(factors, np.zeros_like(factors))


PRODUCTS: Mapping[str, Callable[[Any, str], Products]] = MappingProxyType(
    {
        "both_binary": _agreement,
        "data_binary": _of_binary,
        "mult": _multiplied,
        "weight_binary": _by_binary,
        "weight_exponential": _shifted,
        "weight_ternary": _by_ternary,
    }
)
"""hls4ml's product classes."""


def kernel(node: Any, outputs: int) -> Products:
    """The products of a dense or convolution kernel as matrices (inputs, outputs); resource strategy transposes it."""
    given = products(node, "weight")
    if node.get_attr("_weights_transposed", False):
        parts = [part.reshape(outputs, -1).T for part in (given.factors, given.offsets)]
    else:
        parts = [part.reshape(-1, outputs) for part in (given.factors, given.offsets)]
    return Products(parts[0], parts[1], given.kind)


def weighted_sums(node: Any, values: Symbols, weights: Products, size: int) -> Outcome:
    """`bias + values @ weights` for values (…, n), in the layer's accumulator and in its strategy's order.

    `size` is the `n_in` of hls4ml's configuration: of a sum of agreeing bits hls4ml gives `2 · sum - n_in`.
    """
    bias = weight(node, "bias") if "bias" in node.weights else None
    order = _order(node, values.shape[-1])
    ordered = Products(weights.factors[order], weights.offsets[order], weights.kind)
    sums = products_summed(
        node, values[..., order], ordered.factors, bias, offsets=ordered.offsets, product=ordered.kind
    )
    if not (_is_bit(node.get_input_variable()) and _is_bit(node.weights["weight"])):
        return sums
    bits = max(1, math.ceil(math.log2(size))) + 2
    kind = FixedType(signed=True, width=bits, integer=bits, rounding=Rounding.TRN_ZERO, overflow=Overflow.WRAP)
    return Outcome(cast(add_constants(sums.values * 2.0, -float(size)), kind, label(node)), sums.inner)


def _order(node: Any, inputs: int) -> Any:
    """The order in which products are added: resource strategy strides through the inputs by its reuse factor."""
    strategy, reuse = str(node.get_attr("strategy", "latency")).lower(), int(node.get_attr("reuse_factor", 1))
    if strategy == "latency" or (strategy == "resource" and reuse % inputs == 0):
        return slice(None)
    if strategy != "resource" or inputs % reuse:
        raise ExactnessError(
            f"{label(node)}: strategy {strategy!r} with reuse factor {reuse} has no exact lowering; "
            "set Strategy to Latency or Resource"
        )
    return np.arange(inputs).reshape(-1, reuse).T.ravel()


def _is_bit(variable: Any) -> bool:
    """Whether C++ holds a variable as `ap_uint<1>`."""
    from hls4ml.model.types import IntegerPrecisionType, XnorPrecisionType

    kind = variable.type.precision
    return isinstance(kind, XnorPrecisionType | IntegerPrecisionType) and kind.width == 1 and not kind.signed
