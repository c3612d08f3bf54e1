"""Where two levels of a model first differ: the layer, the element, the bit, and why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np

from trigforge.firmware.frontends.conversion import FloatArray, quiet
from trigforge.firmware.lowering import Layer, Lowering
from trigforge.firmware.lowering.layer import covering_type
from trigforge.fixed import FixedType, IntArray
from trigforge.value import Value

LayerValues = Mapping[str, FloatArray]
"""The values (n, elements) of layers by name."""


class Cause(StrEnum):
    """What distinguishes the values of a layer that differ."""

    RANGE = "range"
    """They differ by multiples of a type's period, or one of them sits at its limit."""
    ROUNDING = "rounding"
    """They differ by less than two of the result's least significant bits."""
    SCALE = "scale"
    """One is the other times a constant."""
    ARITHMETIC = "arithmetic"
    """None of these: other weights, another operation."""


class LayerDivergence(Value):
    """The first layer in which two levels differ, and its first differing element."""

    layer: str
    class_name: str
    event: int
    element: int
    left: float
    right: float
    bit: int
    """The highest bit that differs, counted from the least significant bit of the layer's result."""
    cause: Cause
    differing: int
    values: int

    def __str__(self) -> str:
        return (
            f"layer {self.layer!r} ({self.class_name}), element {self.element} of event {self.event}: {self.left:g} "
            f"against {self.right:g}, bit {self.bit} ({self.cause.value}); "
            f"{self.differing} of {self.values} values differ"
        )


def first_divergence(left: LayerValues, right: LayerValues, layers: tuple[Layer, ...]) -> LayerDivergence | None:
    """The first of `layers` whose values differ between two levels that both know it; None if there is none."""
    for layer in layers:
        if layer.name in left and layer.name in right:
            found = _compare(layer, left[layer.name], right[layer.name])
            if found is not None:
                return found
    return None


def program_layers(lowering: Lowering, words: IntArray) -> dict[str, FloatArray]:
    """The values of every layer as the integer program computes them, for words (n, words)."""
    program = lowering.inside()
    values = program.to_float(program(words))
    ends = np.cumsum([layer.values.size for layer in lowering.layers])
    parts = np.split(values, ends[:-1], axis=1)
    return {layer.name: part for layer, part in zip(lowering.layers, parts, strict=True)}


def csim_layers(graph: Any, values: FloatArray) -> dict[str, FloatArray]:
    """The values of every layer in hls4ml's csim, recompiled with tracing, for inputs (n, words), n ≥ 2."""
    shapes = [tuple(int(n) for n in v.shape) for v in graph.get_input_variables()]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    columns = np.split(np.asarray(values, dtype=np.float64), ends[:-1], axis=1)
    inputs = [np.ascontiguousarray(c.reshape(-1, *shape)) for c, shape in zip(columns, shapes, strict=True)]
    for node in graph.get_layers():
        node.set_attr("trace", True)
    with quiet():
        _, traced = graph.trace(inputs[0] if len(inputs) == 1 else inputs)
    return {name: np.asarray(v, dtype=np.float64).reshape(len(values), -1) for name, v in traced.items()}


def _compare(layer: Layer, left: FloatArray, right: FloatArray) -> LayerDivergence | None:
    differing = left != right
    if not differing.any():
        return None
    kind = covering_type(layer.values, f"layer {layer.name!r}")
    event, element = (int(n) for n in np.argwhere(differing)[0])
    first, second = left[event, element], right[event, element]
    steps = [int(np.floor(np.ldexp(v, kind.fraction))) for v in (first, second)]
    return LayerDivergence(
        layer=layer.name,
        class_name=layer.class_name,
        event=event,
        element=element,
        left=first,
        right=second,
        bit=(steps[0] ^ steps[1]).bit_length() - 1,
        cause=_cause(left[differing], right[differing], kind),
        differing=int(differing.sum()),
        values=differing.size,
    )


def _cause(left: FloatArray, right: FloatArray, kind: FixedType) -> Cause:
    """What holds for all pairs of differing values."""
    distance, limits = abs(left - right), np.array([kind.low, kind.high]) * kind.lsb
    if (distance < 2 * kind.lsb).all():
        return Cause.ROUNDING
    period = np.minimum.reduce(distance)
    at_limit = np.isin(left, limits) | np.isin(right, limits)
    if (at_limit | ((np.log2(period) % 1 == 0) & (period > kind.lsb) & (distance % period == 0))).all():
        return Cause.RANGE
    nonzero = (left != 0) & (right != 0)
    ratios = np.unique(left[nonzero] / right[nonzero])
    if nonzero.all() and len(ratios) == 1:
        return Cause.SCALE
    return Cause.ARITHMETIC
