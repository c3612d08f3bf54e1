"""Rules of layers that pad, crop or repeat pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.layer import Outcome, label
from trigforge.firmware.lowering.symbols import Symbols, array_of
from trigforge.firmware.lowering.windows import require_channels_last

SIDES = (("top", "bottom"), ("left", "right"))


def zero_padding(node: Any, inputs: list[Symbols]) -> Outcome:
    """Zeros around the pixels."""
    (values,) = inputs
    margins = [*_margins(node, "pad", values.ndim - 1), (0, 0)]
    return Outcome(array_of(np.pad(np.asarray(values, dtype=object), margins, constant_values=0.0), values))


def cropping(node: Any, inputs: list[Symbols]) -> Outcome:
    """The pixels without their margins."""
    (values,) = inputs
    margins = _margins(node, "crop", values.ndim - 1)
    kept = tuple(slice(before, n - after) for n, (before, after) in zip(values.shape, margins, strict=False))
    return Outcome(values[kept])


def resize(node: Any, inputs: list[Symbols]) -> Outcome:
    """Nearest pixels; hls4ml finds them with ratios of 16 fraction bits."""
    require_channels_last(node)
    if node.get_attr("algorithm") != "nearest":
        raise ExactnessError(f"{label(node)}: the algorithm must be nearest, not {node.get_attr('algorithm')}")
    (values,) = inputs
    height, width, channels = (int(node.get_attr(name)) for name in ("in_height", "in_width", "n_chan"))
    rows = _nearest(height, int(node.get_attr("out_height")))
    columns = _nearest(width, int(node.get_attr("out_width")))
    return Outcome(values.reshape(height, width, channels)[rows[:, None], columns])


def _nearest(old: int, new: int) -> Any:
    return np.arange(new) * ((old << 16) // new + 1) >> 16


def _margins(node: Any, action: str, dimensions: int) -> list[tuple[int, int]]:
    """Pixels before and after, an axis each."""
    require_channels_last(node)
    return [
        (int(node.get_attr(f"{action}_{before}")), int(node.get_attr(f"{action}_{after}")))
        for before, after in SIDES[-dimensions:]
    ]
