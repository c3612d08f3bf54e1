"""Rule of dense layers."""

from __future__ import annotations

from typing import Any

from trigforge.firmware.lowering.layer import Outcome
from trigforge.firmware.lowering.products import kernel, weighted_sums
from trigforge.firmware.lowering.symbols import Symbols


def dense(node: Any, inputs: list[Symbols]) -> Outcome:
    """`y = x W + b`."""
    (values,) = inputs
    weights = kernel(node, int(node.get_attr("n_out")))
    size = len(weights.factors)
    return weighted_sums(node, values.reshape(-1, size), weights, size)
