"""Rule of HGQ's element-wise quantiser."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.layer import SEVERITY, Outcome, examine, label, result_type
from trigforge.firmware.lowering.symbols import Symbols, array_of, cast
from trigforge.fixed import FixedType, Overflow, Rounding


def fixed_point_quantizer(node: Any, inputs: list[Symbols]) -> Outcome:
    """Every element cast to its own keep-negative, width and integer bits; no bits make it the constant 0.

    The layer gives what its array's type holds of that: hls4ml narrows it to what later layers use, and joins to it the
    one type of a quantiser behind it.
    """
    (values,) = inputs
    try:
        rounding, overflow = Rounding(node.RND), Overflow(node.SAT)
    except ValueError:
        raise ExactnessError(f"{label(node)}: mode {node.RND}/{node.SAT} has no exact lowering") from None
    masks = (np.broadcast_to(m[0], values.shape).ravel().astype(int).tolist() for m in node.mask_kbi)
    results, widths = [], []
    for value, signed, width, integer in zip(values.reshape(-1, 1), *masks, strict=True):
        if width <= (signed and overflow is Overflow.SAT_SYM):
            results.append(0.0)
            continue
        kind = FixedType(signed=bool(signed), width=width, integer=integer, rounding=rounding, overflow=overflow)
        results.append(cast(value, kind, label(node))[0])
        widths.append(examine(node.name, "quantiser", value, kind))
    worst = max(widths, key=lambda w: SEVERITY[w.loss], default=None)
    quantised = array_of(np.array(results, dtype=object).reshape(values.shape), values)
    return Outcome(cast(quantised, result_type(node), label(node)), () if worst is None else (worst,), final=True)
