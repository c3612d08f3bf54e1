"""Rules of element-wise scale and bias, and of their fusion with binary and ternary activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.accumulate import shifted_products
from trigforge.firmware.lowering.choice import by_sign, constants
from trigforge.firmware.lowering.layer import Outcome, label, weight
from trigforge.firmware.lowering.products import products
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, add_constants, concatenate, matmul


def scale_and_bias(node: Any, inputs: list[Symbols]) -> Outcome:
    """`y = s · x + b`, exact before the cast to the result; s and b repeat along the leading axes."""
    (values,) = inputs
    given = products(node, "scale")
    factors, offsets = (_repeated(node, part, values) for part in (given.factors, given.offsets))
    if given.kind is None:
        scaled = [
            matmul(value, np.array([[factor]])) for value, factor in zip(values.reshape(-1, 1), factors, strict=True)
        ]
    else:
        kind, where = given.kind, label(node)
        pairs = zip(values.reshape(-1, 1), factors, strict=True)
        scaled = [shifted_products(value, factor[None], kind, where)[0] for value, factor in pairs]
    return Outcome(add_constants(concatenate(scaled), offsets + _repeated(node, weight(node, "bias"), values)))


def quantised_tanh(node: Any, inputs: list[Symbols]) -> Outcome:
    """Binary: 1 from the threshold on, else 0; ternary: 1 above the upper threshold, else -1 up to the lower one."""
    values = inputs[0].reshape(-1)
    zero, one = constants(0.0, values), constants(1.0, values)
    match int(node.get_attr("quantize")):
        case 2:
            return Outcome(
                by_sign(add_constants(values, -_repeated(node, weight(node, "threshold"), values)), zero, one)
            )
        case 3:
            low, high = (_repeated(node, weight(node, f"threshold_{side}"), values) for side in ("lo", "hi"))
            lower = by_sign(add_constants(-values, low), zero, -one)
            return Outcome(by_sign(add_constants(-values, high), one, lower))
        case other:
            raise ExactnessError(f"{label(node)}: quantize must be 2 or 3, not {other}")


def _repeated(node: Any, parameters: FloatArray, values: Symbols) -> FloatArray:
    """Parameters (channels or elements) for every value, in row-major order."""
    per_channel = int(node.get_attr("n_filt"))
    flat = parameters.ravel()
    period = values.size if per_channel == -1 else per_channel
    if len(flat) != period or values.size % period:
        raise ExactnessError(f"{label(node)} must have {period} parameters for {values.size} values, not {len(flat)}")
    return np.tile(flat, values.size // period)
