"""Rules of convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.layer import Outcome, label
from trigforge.firmware.lowering.products import Products, kernel, products, weighted_sums
from trigforge.firmware.lowering.symbols import Symbols
from trigforge.firmware.lowering.windows import Windows, windows


def convolution(node: Any, inputs: list[Symbols]) -> Outcome:
    """`y[p, f] = b[f] + Σ x[window p] W[f]`, the channel the fastest index of a window."""
    view = _undilated(node)
    weights = kernel(node, int(node.get_attr("n_filt")))
    size = view.pixels.shape[1] * view.channels
    if len(weights.factors) != size:
        raise ExactnessError(
            f"{label(node)} must use all {size} values of a window, not {len(weights.factors)}; no groups"
        )
    if str(node.get_attr("strategy")).lower().startswith("resource") and int(node.get_attr("reuse_factor")) > size:
        raise ExactnessError(
            f"{label(node)}: reuse factor {node.get_attr('reuse_factor')} must be at most {size} with strategy resource"
        )
    values = view.cut(inputs[0], 0.0).reshape(-1, size)
    return weighted_sums(node, values, weights, _configured_size(node, size))


def depthwise(node: Any, inputs: list[Symbols]) -> Outcome:
    """`y[p, c] = b[c] + Σ x[window p, c] W[c]`."""
    view = _undilated(node)
    if int(node.get_attr("n_filt")) != view.channels or str(node.get_attr("strategy")).lower() != "latency":
        raise ExactnessError(
            f"{label(node)} must have depth_multiplier 1 and strategy latency, which is what hls4ml's C++ supports"
        )
    given = products(node, "weight")
    size = view.pixels.shape[1] * view.channels
    if given.factors.size != size:
        raise ExactnessError(
            f"{label(node)} must have {size} weights, not {given.factors.size}; hls4ml fuses a BatchNormalization "
            "behind it wrongly, quantise what is between them"
        )
    weights = Products(_diagonal(given.factors, view), _diagonal(given.offsets, view), given.kind)
    values = view.cut(inputs[0], 0.0).reshape(-1, size)
    return weighted_sums(node, values, weights, _configured_size(node, size))


def _undilated(node: Any) -> Windows:
    dilations = {name: int(node.get_attr(name, 1)) for name in ("dilation", "dilation_height", "dilation_width")}
    if set(dilations.values()) != {1}:
        raise ExactnessError(
            f"{label(node)} must not be dilated, since hls4ml ignores it; use a larger kernel with zeros"
        )
    return windows(node, "filt")


def _diagonal(weights: Any, view: Windows) -> Any:
    """Weights (size, channels) as a matrix (size · channels, channels) that leaves other channels out."""
    kept = weights.reshape(-1, view.channels)[:, :, None] * np.eye(view.channels)
    return kept.reshape(-1, view.channels)


def _configured_size(node: Any, size: int) -> int:
    """`n_in` of hls4ml's configuration, which for parallel pointwise convolutions counts all pixels."""
    parallel = node.class_name.endswith("1D") and int(node.get_attr("filt_width")) == 1
    if parallel and str(node.get_attr("strategy")).lower() == "latency" and int(node.get_attr("n_partitions")) == 1:
        return size * int(node.get_attr("in_width"))
    return size
