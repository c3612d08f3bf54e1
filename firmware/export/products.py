"""Rules of layers that multiply by constants: dense, convolutions, Einstein sums, scale and bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.export.builder import Constant, Tensor
from trigforge.firmware.export.grids import Grid, fractions, weighted
from trigforge.firmware.export.step import Result, Step
from trigforge.firmware.export.windows import Kernel, convolved
from trigforge.firmware.export.windows import products as term_products
from trigforge.firmware.lowering.layer import label, type_of, weight
from trigforge.firmware.lowering.products import Products, kernel, products
from trigforge.firmware.lowering.symbols import FloatArray
from trigforge.firmware.lowering.windows import windows


def dense(step: Step) -> Result:
    """`MatMul` and `Add`."""
    given = kernel(step.node, int(step.node.get_attr("n_out")))
    matrix, bias = _linear(step, given)
    tensor = step.input()
    if tensor.shape[-1] != len(matrix):
        tensor = step.reshaped(tensor, (int(np.prod(tensor.shape)) // len(matrix), len(matrix)))
    return Result(_affine(step, tensor, matrix, bias))


def _linear(step: Step, given: Products, *, where: str = "weight") -> tuple[FloatArray, FloatArray]:
    """Factors and the bias with all offsets in it."""
    if given.kind is not None or _binary(step.node, where):
        raise ExactnessError(
            f"{label(step.node)}: products of its types (binary times binary, or shifts that round) have no form in "
            "ONNX; use fixed-point weights"
        )
    if given.offsets.any() and fractions(given.offsets).max() > type_of(step.node, "accum_t").fraction:
        raise ExactnessError(
            f"the accumulator of {label(step.node)} must hold every product of its bits to be exported; give accum "
            "more fraction bits"
        )
    bias = weight(step.node, "bias") if "bias" in step.node.weights else np.zeros(given.factors.shape[-1])
    return given.factors, bias.reshape(-1) + given.offsets.sum(axis=0)


def _binary(node: Any, where: str) -> bool:
    """Whether hls4ml counts agreeing bits, which it rescales behind the sum."""
    from hls4ml.backends.backend import get_backend

    kinds = node.get_input_variable().type.precision, node.weights[where].type.precision
    return bool(get_backend("vivado").product_type(*kinds) == "both_binary")


def _affine(step: Step, tensor: Tensor, matrix: FloatArray, bias: FloatArray) -> Tensor:
    """`tensor @ matrix + bias`, as the accumulator holds it."""
    total, within = weighted(tensor.grid, matrix, bias)
    if step.rounds_terms(within):
        return step.rounded_sum(term_products(step, tensor, matrix), bias)
    grid, partial = weighted(tensor.grid, matrix, np.zeros(1))
    product = step.op("MatMul", [tensor, Constant(matrix, learnt=True)], grid, within=partial)
    if bias.any():
        product = step.op("Add", [product, Constant(bias, learnt=True)], total, within=within)
    return step.accumulated(product, within)


def convolution(step: Step) -> Result:
    """`Conv`."""
    view = windows(step.node, "filt")
    given = kernel(step.node, int(step.node.get_attr("n_filt")))
    matrix, bias = _linear(step, given)
    return Result(convolved(step, Kernel(view, matrix, bias)))


def depthwise(step: Step) -> Result:
    """`Conv` with a group a channel."""
    view = windows(step.node, "filt")
    given = products(step.node, "weight")
    factors, offsets = (part.reshape(-1, view.channels) for part in (given.factors, given.offsets))
    flat = Products(factors, offsets, given.kind)
    matrix, bias = _linear(step, flat)
    return Result(convolved(step, Kernel(view, matrix, bias, depthwise=True)))


def einsum_dense(step: Step) -> Result:
    """`Transpose`, a batched `MatMul` by constants, `Add`, `Transpose`."""
    node = step.node
    kept, free, outputs, contracted = (
        int(node.get_attr(name)) for name in ("n_inplace", "n_free_data", "n_free_kernel", "n_contract")
    )
    given = products(node, "weight")
    if given.kind is not None or given.offsets.any():
        raise ExactnessError(f"{label(node)}: the types of its input and weights must be fixed point to be exported")
    tensor = turned(step, 0, "inp_shape", "inp_tpose_idxs", (kept, free, contracted))
    bias = weight(node, "bias").reshape(kept, free, outputs)
    result = _affine(step, tensor, given.factors.reshape(kept, contracted, outputs), bias)
    return Result(arranged(step, result))


def turned(step: Step, index: int, shape: str, order: str, target: tuple[int, ...]) -> Tensor:
    """An input with its axes in the order that an Einstein sum wants, in the shape `target`."""
    plain = step.reshaped(step.input(index), tuple(int(n) for n in step.node.get_attr(shape)))
    return step.reshaped(step.transposed(plain, [int(n) for n in step.node.get_attr(order)]), target)


def arranged(step: Step, tensor: Tensor) -> Tensor:
    """The results of an Einstein sum in the order of the layer's output."""
    shape = tuple(int(n) for n in step.node.get_attr("out_interpert_shape"))
    return step.transposed(step.reshaped(tensor, shape), [int(n) for n in step.node.get_attr("out_tpose_idxs")])


def scale_and_bias(step: Step) -> Result:
    """`Mul` and `Add` of constants, exact before the cast to the result."""
    (tensor,) = step.inputs
    given = products(step.node, "scale")
    if given.kind is not None:
        raise ExactnessError(f"{label(step.node)}: shifts that round have no form in ONNX; use a fixed-point scale")
    scale, offset = (_repeated(part, tensor) for part in (given.factors, given.offsets))
    offset = offset + _repeated(weight(step.node, "bias"), tensor)
    if (scale != 1).any():
        scaled = tensor.grid.affine(scale, 0.0)
        tensor = step.op("Mul", [tensor, Constant(step.builder.aligned(scale, tensor), learnt=True)], scaled)
    if offset.any():
        moved = tensor.grid.plus(Grid.of_constants(offset))
        tensor = step.op("Add", [tensor, Constant(step.builder.aligned(offset, tensor), learnt=True)], moved)
    return Result(tensor)


def _repeated(parameters: FloatArray, tensor: Tensor) -> FloatArray:
    """Parameters, by channel or by element, for every element."""
    flat = parameters.ravel()
    return np.tile(flat, int(np.prod(tensor.shape)) // len(flat)).reshape(tensor.shape)
