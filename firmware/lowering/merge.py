"""Rules of layers that combine two tensors element by element, join them, or take their inner product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.accumulate import summed
from trigforge.firmware.lowering.choice import by_sign
from trigforge.firmware.lowering.layer import Outcome, label
from trigforge.firmware.lowering.symbols import Symbols, added, array_of, concatenate


def merge(node: Any, inputs: list[Symbols]) -> Outcome:
    """Sum, difference, product, mean, maximum or minimum of two tensors, formed exactly."""
    operation = str(node.get_attr("op")).lower()
    rule = OPERATIONS.get(operation)
    if rule is None:
        raise ExactnessError(f"{label(node)}: the operation must be one of {', '.join(OPERATIONS)}, not {operation!r}")
    return Outcome(rule(*_broadcast(node, *inputs)))


def dot(node: Any, inputs: list[Symbols]) -> Outcome:
    """`Σ aᵢ bᵢ`, every product cast to the accumulator's type."""
    left, right = (values.reshape(-1, 1) for values in inputs)
    require_multiplication(node)
    return summed(node, [a * b for a, b in zip(left, right, strict=True)])


def join(node: Any, inputs: list[Symbols]) -> Outcome:
    """Two tensors one after the other along an axis; hls4ml counts positive axes from the batch axis."""
    rank, axis = inputs[0].ndim, int(node.get_attr("axis"))
    if rank > 3:
        raise ExactnessError(
            f"{label(node)} must join tensors of at most 3 axes, not {rank}; reshape them before and after"
        )
    return Outcome(concatenate(inputs, axis if axis < 0 else max(axis - 1, 0)))


def require_multiplication(node: Any) -> None:
    """Raise `ExactnessError` where hls4ml does not multiply two data inputs but reads their bits as ±1 or 0."""
    from hls4ml.backends.backend import get_backend

    kinds = [node.get_input_variable(name).type.precision for name in node.inputs]
    if get_backend("vivado").product_type(*kinds) != "mult":
        raise ExactnessError(
            f"{label(node)}: the types of its inputs must be fixed point, not {kinds[0]} and {kinds[1]}, which hls4ml "
            "reads as binary or ternary codes; give the layers before it results such as fixed<2,2>"
        )


def _broadcast(node: Any, left: Symbols, right: Symbols) -> tuple[Symbols, Symbols]:
    """Both tensors as long as the longer one, the shorter repeated, as the C++ repeats it."""
    size = max(left.size, right.size)
    shape = (left if left.size == size else right).shape
    where = f"{label(node)}: shapes {left.shape} and {right.shape}"
    if not all(_repeats(values.shape, shape) for values in (left, right)):
        raise ExactnessError(
            f"{where} must be equal, or one the last axes of the other, since hls4ml repeats the shorter tensor as a "
            "whole; repeat or transpose it in the model"
        )
    written = max(str(node.get_input_variable(name).size_cpp()) for name in node.inputs)
    if math.prod(int(n) for n in written.split("*")) != size:
        raise ExactnessError(
            f"{where} must have as many axes, since hls4ml 1.3 takes {written!r} for the larger size (it compares "
            "text); reshape the smaller one, with 1 for its missing axes"
        )
    return _repeated(left, size), _repeated(right, size)


def _repeats(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether an array of one shape broadcast to another is the array repeated as a whole."""
    places = np.arange(math.prod(shape)).reshape(shape)
    try:
        wanted = np.broadcast_to(places, target).ravel()
    except ValueError:
        return False
    return bool((wanted == np.arange(len(wanted)) % places.size).all())


def _repeated(values: Symbols, size: int) -> Symbols:
    flat = np.asarray(values, dtype=object).ravel()
    return array_of(np.tile(flat, math.ceil(size / len(flat))), values)


OPERATIONS: Mapping[str, Callable[[Symbols, Symbols], Symbols]] = MappingProxyType(
    {
        "add": lambda a, b: added([a, b]),
        "subtract": lambda a, b: added([a, -b]),
        "multiply": lambda a, b: a * b,
        "average": lambda a, b: added([a, b]) * 0.5,
        "maximum": lambda a, b: by_sign(added([a, -b]), b, a),
        "minimum": lambda a, b: by_sign(added([a, -b]), a, b),
    }
)
"""What each operation makes of two tensors of one length."""
