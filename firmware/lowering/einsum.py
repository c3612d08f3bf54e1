"""Rules of Einstein sums: of two data tensors, and of a data tensor with constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.accumulate import products_summed, summed
from trigforge.firmware.lowering.layer import Outcome, combined, label, weight
from trigforge.firmware.lowering.merge import require_multiplication
from trigforge.firmware.lowering.products import products
from trigforge.firmware.lowering.symbols import Symbols, array_of


def einsum(node: Any, inputs: list[Symbols]) -> Outcome:
    """`y[i, l, m] = Σ_c a[i, l, c] b[i, m, c]` between transpositions; only partial sums are cast, not products."""
    require_multiplication(node)
    left, right = (
        _transposed(values, node.get_attr(f"inp{k}_shape"), node.get_attr(f"inp{k}_tpose_idxs"))
        for k, values in enumerate(inputs)
    )
    kept, free_left, free_right, contracted = (
        int(node.get_attr(name)) for name in ("n_inplace", "n_free0", "n_free1", "n_contract")
    )
    a = left.reshape(kept, free_left, 1, contracted)
    b = right.reshape(kept, 1, free_right, contracted)
    outcome = summed(node, [a[..., c] * b[..., c] for c in range(contracted)], alone=False)
    return Outcome(_arranged(node, outcome.values), outcome.inner)


def einsum_dense(node: Any, inputs: list[Symbols]) -> Outcome:
    """`y[i, l] = x[i, l] W[i] + b[i, l]` between transpositions, each a dense layer."""
    if str(node.get_attr("strategy")).lower() == "distributed_arithmetic":
        raise ExactnessError(f"{label(node)}: the strategy must be latency, not distributed_arithmetic")
    kept, free, outputs, contracted = (
        int(node.get_attr(name)) for name in ("n_inplace", "n_free_data", "n_free_kernel", "n_contract")
    )
    values = _transposed(inputs[0], node.get_attr("inp_shape"), node.get_attr("inp_tpose_idxs"))
    values = values.reshape(kept, free, contracted)
    weights, bias = products(node, "weight"), weight(node, "bias").reshape(kept, free, outputs)
    if weights.offsets.any():
        raise ExactnessError(f"{label(node)}: the types of its input and weights must be fixed point, not binary")
    kernel = weights.factors.reshape(kept, contracted, outputs)
    parts = [products_summed(node, values[i], kernel[i], bias[i], product=weights.kind) for i in range(kept)]
    stacked = np.stack([np.asarray(part.values, dtype=object) for part in parts])
    return Outcome(_arranged(node, array_of(stacked, values)), combined([w for part in parts for w in part.inner]))


def _transposed(values: Symbols, shape: Any, order: Any) -> Symbols:
    return values.reshape(tuple(shape)).transpose(tuple(order))


def _arranged(node: Any, values: Symbols) -> Symbols:
    """The results in the order of the layer's output."""
    return _transposed(values, node.get_attr("out_interpert_shape"), node.get_attr("out_tpose_idxs"))
