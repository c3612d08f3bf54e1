"""Rules of layers that combine or move values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from trigforge.firmware.export.builder import Constant, Tensor
from trigforge.firmware.export.grids import Grid, joined, largest, least, symmetric
from trigforge.firmware.export.products import arranged, turned
from trigforge.firmware.export.step import Result, Step
from trigforge.firmware.export.windows import padded


def merge(step: Step) -> Result:
    """Sum, difference, product, mean, maximum or minimum of two tensors, the shorter one repeated."""
    left, right = step.inputs
    if (left.first, left.shape) != (right.first, right.shape):
        left, right = step.input(0), step.input(1)
    operation = str(step.node.get_attr("op")).lower()
    kind, rule = OPERATIONS[operation]
    tensor = step.op(kind, [left, right], _broadcast(rule(left.grid, right.grid)))
    if operation == "average":
        half = np.array(0.5)
        tensor = step.op("Mul", [tensor, Constant(half, learnt=True)], tensor.grid.affine(half, 0.0))
    return Result(tensor)


def _broadcast(grid: Grid) -> Grid:
    shape = np.broadcast_shapes(grid.low.shape, grid.fraction.shape)
    return grid.moved(lambda a: np.broadcast_to(a, shape))


OPERATIONS: Mapping[str, tuple[str, Callable[[Grid, Grid], Grid]]] = MappingProxyType(
    {
        "add": ("Add", Grid.plus),
        "subtract": ("Sub", lambda a, b: a.plus(b.affine(-1.0, 0.0))),
        "multiply": ("Mul", Grid.times),
        "average": ("Add", Grid.plus),
        "maximum": ("Max", largest),
        "minimum": ("Min", least),
    }
)
"""The operator of each operation and the grid of its results."""


def dot(step: Step) -> Result:
    """`Mul` and a `MatMul` by ones."""
    flat = [step.reshaped(step.input(k), (step.inputs[k].grid.low.size,)) for k in range(2)]
    products = step.op("Mul", flat, flat[0].grid.times(flat[1].grid))
    total, within = _summed(products)
    if step.rounds_terms(within):
        column = step.reshaped(products, (products.shape[0], 1))
        return Result(step.rounded_sum(column, np.zeros(1)))
    ones = Constant(np.ones((products.shape[0], 1)), learnt=True)
    return Result(step.accumulated(step.op("MatMul", [products, ones], total, within=within), within))


def _summed(products: Tensor) -> tuple[Grid, Grid]:
    """The grids of the sum over the last axis and of its partial sums."""
    grid = products.grid
    fraction = grid.fraction.max(axis=-1, keepdims=True)
    total = Grid(grid.low.sum(-1, keepdims=True), grid.high.sum(-1, keepdims=True), fraction)
    within = symmetric(grid.reach.sum(-1, keepdims=True), fraction)
    return total, within


def einsum(step: Step) -> Result:
    """`Transpose`, a batched `MatMul` of two tensors, `Transpose`."""
    node = step.node
    kept, free_left, free_right, contracted = (
        int(node.get_attr(name)) for name in ("n_inplace", "n_free0", "n_free1", "n_contract")
    )
    left = turned(step, 0, "inp0_shape", "inp0_tpose_idxs", (kept, free_left, contracted))
    right = turned(step, 1, "inp1_shape", "inp1_tpose_idxs", (kept, free_right, contracted))
    terms = left.grid.moved(lambda a: a[:, :, None]).times(right.grid.moved(lambda a: a[:, None]))
    fraction = terms.fraction.max(axis=-1)
    grid, within = Grid(terms.low.sum(-1), terms.high.sum(-1), fraction), symmetric(terms.reach.sum(-1), fraction)
    other = step.transposed(right, (0, 2, 1))
    total = step.op("MatMul", [left, other], grid, within=within)
    return Result(arranged(step, step.accumulated(total, within)))


def join(step: Step) -> Result:
    """`Concat`; hls4ml counts positive axes from the batch axis."""
    parts, axis = [step.input(0), step.input(1)], int(step.node.get_attr("axis"))
    rank = len(parts[0].shape)
    place = axis % rank if axis < 0 else max(axis - 1, 0)
    return Result(step.op("Concat", parts, joined([part.grid for part in parts], place), axis=place + 1))


def reshape(step: Step) -> Result:
    """The same values in the shape of the layer's output."""
    return Result(step.inputs[0], final=True)


def transpose(step: Step) -> Result:
    """Axes in another order."""
    return Result(step.transposed(step.inputs[0], [int(axis) for axis in step.node.get_attr("perm")]))


def zero_padding(step: Step) -> Result:
    """`Pad` with zeros."""
    return Result(padded(step, step.inputs[0], [*_margins(step, "pad"), (0, 0)], 0.0))


def cropping(step: Step) -> Result:
    """`Slice` without the margins."""
    tensor, margins = step.input(), _margins(step, "crop")
    starts = [before for before, _ in margins]
    ends = [size - after for size, (_, after) in zip(tensor.shape, margins, strict=False)]
    kept = tuple(slice(a, b) for a, b in zip(starts, ends, strict=True))
    limits = [step.builder.whole(step.name, v) for v in (starts, ends, range(1, len(margins) + 1))]
    return Result(step.op("Slice", [tensor, *limits], tensor.grid.moved(lambda a: a[kept])))


def resize(step: Step) -> Result:
    """`Gather` of the nearest rows and columns, found with hls4ml's ratios of 16 fraction bits."""
    tensor = step.reshaped(step.input(), tuple(int(step.node.get_attr(n)) for n in ("in_height", "in_width", "n_chan")))
    for axis, side in enumerate(("height", "width")):
        old, new = (int(step.node.get_attr(f"{end}_{side}")) for end in ("in", "out"))
        tensor = _taken(step, tensor, axis, [k * ((old << 16) // new + 1) >> 16 for k in range(new)])
    return Result(tensor)


def _taken(step: Step, tensor: Tensor, axis: int, places: Sequence[int]) -> Tensor:
    index = step.builder.whole(step.name, places)
    return step.op("Gather", [tensor, index], tensor.grid.moved(lambda a: a.take(places, axis)), axis=axis + 1)


def _margins(step: Step, action: str) -> list[tuple[int, int]]:
    """Pixels before and after, an axis each."""
    sides = (("top", "bottom"), ("left", "right"))[-(len(step.inputs[0].shape) - 1) :]
    return [tuple(int(step.node.get_attr(f"{action}_{side}")) for side in pair) for pair in sides]  # type: ignore[misc]
