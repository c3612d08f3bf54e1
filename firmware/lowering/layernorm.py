"""Rule of layer normalisation: hls4ml's sums, its table of inverse square roots, its types."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.firmware.lowering.accumulate import summed
from trigforge.firmware.lowering.layer import Outcome, combined, label, type_of, weight
from trigforge.firmware.lowering.symbols import FloatArray, Symbols, add_constants, added, cast, concatenate
from trigforge.firmware.lowering.tables import cast_real, indexed, scaled, tabulated
from trigforge.fixed import FixedType


def layer_normalization(node: Any, inputs: list[Symbols]) -> Outcome:
    """`y = (x - mean) · table[variance] · scale + bias` over the last axis, mean and variance in `accum_t`."""
    where, kind = label(node), type_of(node, "accum_t")
    rows = int(node.get_attr("seq_len"))
    values = cast(inputs[0].reshape(rows, -1), kind, where)
    size = values.shape[1]
    share = float(cast_real(1.0 / size, kind, where))
    sums = summed(node, [values[:, i : i + 1] for i in range(size)])
    mean = cast(scaled(sums.values, share), kind, where)
    centred = cast(added([values, -mean]), kind, where)
    squares = cast(centred * centred, kind, where)
    spread = summed(node, [squares[:, i : i + 1] for i in range(size)])
    variance = cast(scaled(spread.values, share), kind, where)
    table = inverse_roots(node, type_of(node, "table_t"), where)
    density = float(len(table)) * 2.0 ** int(node.get_attr("table_range_power2"))
    inverse = tabulated(*indexed(variance, table, density, 0, where), where)
    normalised = centred * inverse
    factors, bias = weight(node, "scale").ravel(), weight(node, "bias").reshape(1, size)
    columns = [scaled(normalised[:, i : i + 1], float(factor)) for i, factor in enumerate(factors)]
    return Outcome(add_constants(concatenate(columns, axis=1), bias), combined([*sums.inner, *spread.inner]))


def inverse_roots(node: Any, kind: FixedType, where: str) -> FloatArray:
    """`1 / sqrt(x)` from 10^-epsilon upwards, in single precision as the C++ forms it."""
    size = int(node.get_attr("table_size"))
    least = np.float32(10.0 ** -int(node.get_attr("epsilon_power_of_10")))
    step = np.float32(2.0 ** -int(node.get_attr("table_range_power2"))) / np.float32(size)
    arguments = least + step * np.arange(size, dtype=np.float32)
    return cast_real(1.0 / np.sqrt(arguments).astype(np.float64), kind, where)
