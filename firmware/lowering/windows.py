"""Where the windows of convolutions and poolings lie in their input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.layer import label
from trigforge.firmware.lowering.symbols import Symbols, array_of
from trigforge.fixed import IntArray


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over an image whose pixels are counted row by row; `pixels` is (windows, size), -1 is padding."""

    channels: int
    pixels: IntArray

    def cut(self, values: Symbols, padding: float) -> Symbols:
        """The values (windows, size, channels) under every window."""
        image = np.asarray(values, dtype=object).reshape(-1, self.channels)
        padded = np.concatenate([image, np.full((1, self.channels), padding, dtype=object)])
        return array_of(padded[self.pixels], values)


def windows(node: Any, size: str) -> Windows:
    """The windows of a layer whose attributes call a window's extent `size`_height and `size`_width."""
    require_channels_last(node)
    *extent, channels = (int(n) for n in node.get_input_variable().shape)
    axes = (
        [("width", "left", "right")] if len(extent) == 1 else [("height", "top", "bottom"), ("width", "left", "right")]
    )
    places = [
        _places(node, length, node.get_attr(f"{size}_{name}"), node.get_attr(f"stride_{name}"), sides)
        for length, (name, *sides) in zip(extent, axes, strict=True)
    ]
    pixels = places[0]
    if len(places) == 2:
        rows, columns = places[0][:, None, :, None], places[1][None, :, None, :]
        pixels = np.where((rows < 0) | (columns < 0), -1, rows * extent[1] + columns)
        pixels = pixels.reshape(rows.size // rows.shape[2] * columns.shape[1], -1)
    expected = tuple(int(n) for n in node.get_output_variable().shape[:-1])
    if expected != tuple(len(place) for place in places):
        raise ExactnessError(
            f"{label(node)}: {' x '.join(map(str, expected))} outputs must be "
            f"{' x '.join(str(len(place)) for place in places)} by its strides and padding; dilation has no exact "
            "lowering, since hls4ml ignores it"
        )
    return Windows(channels, pixels)


def require_channels_last(node: Any) -> None:
    """Raise `ExactnessError` for another order of axes than (pixels, channels)."""
    order = node.get_attr("data_format", "channels_last")
    if order != "channels_last":
        raise ExactnessError(f"{label(node)}: data_format must be channels_last, not {order}; transpose its input")


def _places(node: Any, length: int, size: int, stride: int, sides: list[str]) -> IntArray:
    """Positions (windows, size) along an axis; -1 is padding."""
    before, after = (int(node.get_attr(f"pad_{side}", 0)) for side in sides)
    count = (length + before + after - int(size)) // int(stride) + 1
    places = np.arange(count)[:, None] * int(stride) + np.arange(int(size)) - before
    return np.where((places < 0) | (places >= length), -1, places)
