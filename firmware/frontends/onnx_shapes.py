"""Rules of ONNX operators that move values: reshapes, transpositions, concatenation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from trigforge.errors import InputError
from trigforge.firmware.frontends.onnx_codes import one_unit
from trigforge.firmware.frontends.onnx_tensors import Grid, Tensor
from trigforge.firmware.frontends.onnx_walk import Walk, attribute, label, storage

MAX_RANK = 3


def same(walk: Walk, node: Any) -> None:
    """Operators that change nothing."""
    walk.tensors[node.output[0]] = walk.tensor(node)


def reshape(walk: Walk, node: Any) -> None:
    """Reshape, Flatten, Squeeze and Unsqueeze of each event on its own."""
    tensor = walk.stored(one_unit(node, walk.held(node)), last=False)
    shape = walk.graph.shape(node.output[0])
    if shape[0] != 1 or len(shape) < 2:
        raise InputError(f"{label(node)} must keep the batch axis first, not give {shape} for a batch of one")
    if shape[1:] != tensor.shape:
        layer = walk.layers.name(node.name)
        attributes = {"target_shape": list(shape[1:])}
        reshaped = walk.layers.add(layer, "Reshape", [tensor], tensor.grid.reshape(shape[1:]), attributes)
        tensor = replace(reshaped, unit=tensor.unit, slack=tensor.slack)
    walk.tensors[node.output[0]] = tensor


def transpose(walk: Walk, node: Any) -> None:
    """Transpose of the axes behind the batch."""
    tensor = walk.stored(one_unit(node, walk.held(node)), last=False)
    rank = len(tensor.shape) + 1
    perm = list(attribute(node, "perm") or range(rank)[::-1])
    if perm[0] != 0 or rank - 1 > MAX_RANK:
        raise InputError(
            f"{label(node)} must keep the batch axis first and permute up to {MAX_RANK} others, not {perm}"
        )
    axes = tuple(p - 1 for p in perm[1:])
    shape = tuple(tensor.shape[a] for a in axes)
    moved = walk.permute(tensor, storage(tensor), shape, axes, "transposed", node.name)
    walk.tensors[node.output[0]] = replace(tensor, layer=moved.layer, grid=tensor.grid.transpose(axes))


def concatenate(walk: Walk, node: Any) -> None:
    """Concat behind the batch axis, two tensors at a time."""
    tensors = [walk.tensor(node, k) for k in range(len(node.input))]
    rank = len(tensors[0].shape) + 1
    axis = int(attribute(node, "axis", 1)) % rank
    if axis == 0 or rank - 1 > MAX_RANK:
        raise InputError(
            f"{label(node)} must join tensors of up to {MAX_RANK} axes behind the batch axis, not along {axis}"
        )
    result = tensors[0]
    for tensor in tensors[1:]:
        result = _joined(walk, node, result, walk.stored(tensor, result.last), axis)
    walk.tensors[node.output[0]] = result


def _joined(walk: Walk, node: Any, left: Tensor, right: Tensor, axis: int) -> Tensor:
    low, high = (
        np.concatenate([a, b], axis=axis - 1)
        for a, b in ((left.grid.low, right.grid.low), (left.grid.high, right.grid.high))
    )
    grid = Grid(low, high, max(left.grid.fraction, right.grid.fraction))
    rank = len(left.shape)
    stored = (rank if axis == 1 else axis - 1) if left.last and rank > 1 else axis
    attributes = {"axis": stored, "op": f"concatenate{rank}d"}
    return walk.layers.add(walk.layers.name(node.name), "Concatenate", [left, right], grid, attributes)
