"""Rules that become Einstein sums: products of two tensors, and selections of elements as sums with ones and zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.frontends.onnx_tensors import Grid, Tensor
from trigforge.firmware.frontends.onnx_walk import Walk, attribute, label
from trigforge.fixed import FixedType

BIT = FixedType(signed=False, width=1, integer=1)
WHOLE = 2**31 - 1
"""The least end of a slice that takes all of an axis whatever its size."""


def product(walk: Walk, node: Any) -> None:
    """`MatMul` of two tensors, the batch and every other leading axis kept."""
    left, right = (walk.graph.shape(name)[1:] for name in node.input)
    if min(len(left), len(right)) < 2 or left[:-2] != right[:-2]:
        raise InputError(
            f"{label(node)} must multiply matrices of every event, with the same axes before them, not shapes "
            f"{left} and {right}"
        )
    kept = ascii_lowercase[: len(left) - 2]
    walk.tensors[node.output[0]] = _summed(walk, node, f"{kept}xy", f"{kept}yz", f"{kept}xz")


def einsum(walk: Walk, node: Any) -> None:
    """`Einsum` of two tensors, the batch axis first in both and in the result."""
    equation = str(attribute(node, "equation")).replace(" ", "")
    operands, _, output = equation.partition("->")
    axes = operands.split(",")
    every = [*axes, output]
    plain = len(axes) == 2 and all(a.isalpha() and len(set(a)) == len(a) and a[0] == output[:1] for a in every)
    if not plain or set(axes[0]) ^ set(axes[1]) != (set(axes[0]) ^ set(axes[1])) & set(output):
        raise InputError(
            f"{label(node)} must multiply two tensors with the batch axis first, every axis of one tensor alone kept, "
            f"not {equation!r}"
        )
    walk.tensors[node.output[0]] = _summed(walk, node, *(axis[1:] for axis in every))


def _summed(walk: Walk, node: Any, left: str, right: str, output: str) -> Tensor:
    """The Einstein sum of a node's two inputs over the axes that the output has not."""
    a, b = (walk.stored(walk.tensor(node, k), last=False) for k in (0, 1))
    contracted = "".join(sorted((set(left) | set(right)) - set(output)))
    full = f"{left},{right}->{output}{contracted}"
    ends = [np.einsum(full, x, y) for x in (a.grid.low, a.grid.high) for y in (b.grid.low, b.grid.high)]
    behind = tuple(range(len(output), len(output) + len(contracted)))
    low, high = np.min(ends, axis=0).sum(axis=behind), np.max(ends, axis=0).sum(axis=behind)
    grid = Grid(low, high, a.grid.fraction + b.grid.fraction)
    attributes = {
        "equation": f"{left},{right}->{output}",
        "inp0_shape": a.shape,
        "inp1_shape": b.shape,
        "out_shape": grid.shape or (1,),
    }
    layer = walk.layers.name(node.name)
    return walk.layers.add(layer, "Einsum", [a, b], grid, attributes, accumulates=True)


def gather(walk: Walk, node: Any) -> None:
    """Elements of one axis at constant places; at a single place the axis goes."""
    tensor, places = walk.tensor(node), walk.required(node, 1, "indices").values.astype(int)
    axis = int(attribute(node, "axis", 0)) % (len(tensor.shape) + 1)
    if places.ndim > 1 or axis == 0:
        raise InputError(
            f"{label(node)} must take constant places along one axis behind the batch, not {places.tolist()} along "
            f"axis {axis}"
        )
    if len(tensor.shape) == 1 and places.ndim == 0:
        raise InputError(f"{label(node)} must leave an axis behind the batch; take the place as a list of one")
    walk.tensors[node.output[0]] = selected(walk, node.name, tensor, axis - 1, places % tensor.shape[axis - 1])


def slices(walk: Walk, node: Any) -> None:
    """`Slice` with constant bounds."""
    tensor = walk.tensor(node)
    starts, ends = (walk.required(node, k, "bounds").values.astype(int).tolist() for k in (1, 2))
    given = [walk.constant(node, k) for k in (3, 4)]
    axes = range(len(starts)) if given[0] is None else given[0].values.astype(int).tolist()
    steps = [1] * len(starts) if given[1] is None else given[1].values.astype(int).tolist()
    shape = walk.graph.shape(node.input[0])
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis % len(shape):
            places = range(shape[axis])[slice(start, end, step)]
            tensor = selected(walk, node.name, tensor, axis % len(shape) - 1, places)
        elif (start, step) != (0, 1) or end < WHOLE:
            raise InputError(f"{label(node)} must keep the batch axis whole, not take {start}..{end} of it")
    walk.tensors[node.output[0]] = tensor


def split(walk: Walk, node: Any) -> None:
    """`Split` behind the batch axis: one selection an output."""
    tensor = walk.tensor(node)
    axis = int(attribute(node, "axis", 0)) % (len(tensor.shape) + 1)
    if axis == 0:
        raise InputError(f"{label(node)} must keep the batch axis whole, not split it")
    start = 0
    for name in node.output:
        size = walk.graph.shape(name)[axis]
        walk.tensors[name] = selected(walk, node.name, tensor, axis - 1, range(start, start + size))
        start += size


def selected(walk: Walk, name: str, tensor: Tensor, axis: int, places: npt.ArrayLike) -> Tensor:
    """The elements of a tensor at `places` of an axis, which goes at a single place, by a matrix of zeros and ones.

    hls4ml has no layer that picks words; products with 0 and 1 cost nothing.
    """
    chosen, sides = np.asarray(places, dtype=np.int64), tensor.shape[axis]
    if chosen.tolist() == list(range(sides)):
        return tensor
    if not chosen.size:
        raise InputError(f"node {name!r} must take at least one element of an axis of {sides}")
    low, high = (np.take(v, chosen, axis) for v in (tensor.grid.low, tensor.grid.high))
    grid = Grid(low, high, tensor.grid.fraction)
    layer = walk.layers.name(name)
    walk.layers.types[layer] = {"weight": BIT, "bias": BIT}
    axes = ascii_lowercase[: len(tensor.shape)]
    before = "".join(_stored(axes, tensor.last))
    after = before.replace(axes[axis], "z" * chosen.ndim)
    attributes = {
        "equation": f"{before},{axes[axis]}{'z' * chosen.ndim}->{after}",
        "weight_data": np.equal.outer(np.arange(sides), chosen).astype(np.float64),
        "bias_data": None,
        "inp_shape": tuple(_stored(tensor.shape, tensor.last)),
        "out_shape": tuple(len(chosen) if k == "z" else tensor.shape[ascii_lowercase.index(k)] for k in after),
    }
    result = walk.layers.add(layer, "EinsumDense", [tensor], grid, attributes, accumulates=True)
    return result if axis or chosen.ndim else replace(result, last=False)


def _stored(axes: Sequence[Any], last: bool) -> list[Any]:
    """Axes in ONNX's order, in the order of a layer that holds channels last or not."""
    return [*axes[1:], axes[0]] if last else list(axes)
