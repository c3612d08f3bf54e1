"""QONNX models written node by node, with every operator that the front end supports."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"


class Builder:
    """Nodes in order; inputs that are not names become initialisers."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def __call__(self, kind: str, *inputs: Any, name: str = "", domain: str = "", **attributes: Any) -> str:
        output = f"tensor{len(self.nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(kind, names, [output], name=name, domain=domain, **attributes))
        return output

    def quant(self, tensor: str, scale: Any, bits: int, *, zero: float = 0.0, name: str = "", **modes: Any) -> str:
        modes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **modes}
        return self("Quant", tensor, scale, zero, float(bits), name=name, domain=QONNX, **modes)

    def weights(self, shape: tuple[int, ...], scale: Any, bits: int, *, narrow: int = 1) -> str:
        values = self.rng.normal(0, float(np.max(scale)) * 2 ** (bits - 1) * 0.6, shape)
        return self.quant(self.constant(values), scale, bits, narrow=narrow)

    def model(self, shape: tuple[Any, ...], *outputs: str) -> ModelProto:
        values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "model", values, results, self.constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def images() -> ModelProto:
    """Convolutions over two axes: scales a channel, depthwise, grouped, padded pools, batch normalisation, FLOOR."""
    b = Builder(2)
    scales = np.array([2.0**-3, 2.0**-2, 2.0**-4, 2.0**-3]).reshape(4, 1, 1, 1)
    square = {"kernel_shape": [2, 2]}
    x = b.quant("x", 2.0**-3, 7)
    x = b("Conv", x, b.weights((4, 2, 3, 3), scales, 4), b.weights((4,), 2.0**-4, 6), pads=[1] * 4, name="conv")
    x = b.quant(b("Relu", x), 0.5, 5, signed=0)
    x = b("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, name="unsigned_pool")
    x = b("Conv", x, b.weights((4, 1, 2, 2), 0.25, 4), group=4, name="depthwise", **square)
    gamma, beta, mean, variance = [0.5, -1, 2, 0.25], [0.5, 0, -1, 2], [1.0, 2, -0.5, 0], [0.75] * 4
    x = b("BatchNormalization", x, gamma, beta, mean, variance, epsilon=0.25, name="normalise")
    x = b.quant(x, 0.25, 8, rounding_mode="FLOOR")
    x = b("MaxPool", x, pads=[0, 1, 1, 0], name="signed_pool", **square)
    x = b("Conv", x, b.weights((6, 2, 1, 1), 0.25, 4), group=2, name="grouped")
    x = b.quant(b("AveragePool", x, name="mean", **square), 0.5, 9, narrow=1)
    x = b("MatMul", b("Flatten", x), b.weights((6, 3), 2.0**-3, 5), name="head")
    return b.model(("batch", 2, 5, 6), b("Add", x, b.weights((3,), 2.0**-5, 8)))


def series() -> ModelProto:
    """Convolutions over one axis, a skip connection, pools, padding, three outputs."""
    b = Builder(4)
    x = b.quant("x", 2.0**-3, 7)
    x = b("Conv", x, b.weights((6, 3, 3), 2.0**-3, 4), pads=[2, 0], strides=[2], name="conv")
    x = b("Add", x, b.weights((1, 6, 1), 2.0**-4, 6))
    x = b.quant(b("Relu", x), 0.5, 5, signed=0)
    y = b("Conv", x, b.weights((6, 1, 3), 0.25, 4), group=6, dilations=[2], pads=[2, 2], name="depthwise")
    x = b("Add", x, b.quant(y, 0.25, 6), name="skip")
    halves = {"kernel_shape": [2], "strides": [2]}
    x = b("Concat", b("AveragePool", x, **halves), b("MaxPool", x, **halves), axis=1)
    x = b("Pad", x, b.constant([0, 0, 1, 0, 0, 0], np.int64))
    kernel = b(
        "DequantizeLinear", b.constant(b.rng.integers(-7, 8, (4, 12, 2)), np.int8), 0.125, b.constant(0, np.int8)
    )
    x = b("Conv", x, kernel, auto_pad="SAME_UPPER", name="same")
    mean = b("ReduceMean", x, b.constant([2], np.int64), keepdims=0)
    squeezed = b("Squeeze", b("GlobalAveragePool", x), b.constant([2], np.int64))
    return b.model((1, 3, 14), squeezed, b("Flatten", b("GlobalMaxPool", x)), mean)


def vectors() -> ModelProto:
    """Quantisers of every kind, merges, arithmetic with constants, tables, and moves of values."""
    b, n = Builder(3), 4
    x = b.quant("x", 2.0**-3, 7)
    first = b("Gemm", x, b.weights((n, n), 2.0**-3, 4), b.weights((n,), 2.0**-4, 6), transB=1, alpha=0.5, name="first")
    second = b("MatMul", x, b.weights((n, n), [0.5, 0.25, 0.125, 0.0625], 4), name="second")
    left = b.quant(b("LeakyRelu", first, alpha=0.125), 0.25, 6, zero=3.0, name="zero_point")
    right = b.quant(second, np.array([[0.5, 0.25, 0.125, 1.0]]), 6, name="per_channel")
    total, difference, largest = b("Add", left, right), b("Sub", left, right), b("Max", left, right)
    least = b("Min", total, difference)
    weighted = b("Mul", largest, np.array([0.5, 1, -2, 0]))
    parts = [
        b.quant(b("Sigmoid", b.quant(total, 0.25, 8)), 2.0**-8, 8, signed=0),
        b.quant(b("Tanh", b.quant(difference, 0.25, 8)), 2.0**-7, 8),
        b.quant(b("LeakyRelu", b.quant(difference, 0.125, 9), alpha=0.1), 2.0**-5, 8),
        b("BipolarQuant", difference, 0.25, domain=QONNX),
        b.quant(largest, 0.5, 1),
        b("Clip", b("Mul", left, right), -2.5, 3.0),
        b("PRelu", least, b.quant(b.constant([0.1, 0.2, -0.3, 2.0]), 0.25, 5)),
        b("Div", b("Sub", 3.0, weighted), 4.0),
        *(b.quant(total, 0.5, 6, rounding_mode=mode) for mode in ("FLOOR", "DOWN", "HALF_UP", "HALF_DOWN")),
    ]
    channels, zeros = b.constant([0.5, 0.25, 0.5, 1.0]), b.constant([0, 1, -3, 2], np.int8)
    codes = b("Clip", b("QuantizeLinear", total, channels, zeros), *(b.constant(v, np.int8) for v in (-32, 31)))
    parts.append(b("DequantizeLinear", codes, channels, zeros))
    joined = b("Concat", *parts, axis=1)
    moved = b("Transpose", b("Reshape", joined, b.constant([1, len(parts), n], np.int64)), perm=[0, 2, 1])
    mixed = b("MatMul", moved, b.weights((len(parts), 3), 0.25, 4), name="pointwise")
    mixed = b("Add", mixed, b.weights((3,), 2.0**-4, 6))
    return b.model((1, n), b("Flatten", mixed), joined)


def codes() -> ModelProto:
    """Scales that are no powers of two, one a tensor or a channel, by Quant and by QuantizeLinear; the last one is."""
    b = Builder(7)

    def linear(tensor: str, scale: float, dtype: Any) -> str:
        zero = b.constant(0, dtype)
        return b("DequantizeLinear", b("QuantizeLinear", tensor, scale, zero), scale, zero)

    scales = np.array([0.1139, 0.0717, 0.1313, 0.0571]).reshape(4, 1, 1)
    x = b.quant("x", 0.5437, 6)
    bias = b.quant(b.constant(b.rng.normal(size=4)), np.float32(0.5437) * scales.ravel().astype(np.float32), 9)
    x = b("Relu", b("Conv", x, b.weights((4, 3, 3), scales, 4), bias, pads=[1, 1], name="conv"))
    x = b("MaxPool", b.quant(x, 0.7177, 4, signed=0), kernel_shape=[2], strides=[2])
    x = b("Reshape", b("Transpose", x, perm=[0, 2, 1]), b.constant([1, 12], np.int64))
    kernel = b("DequantizeLinear", b.constant(b.rng.integers(-7, 8, (12, 5)), np.int8), 0.0937, b.constant(0, np.int8))
    x = b.quant(b("MatMul", x, kernel, name="hidden"), 3.1371, 4, narrow=1)
    x = linear(b("Gemm", x, b.weights((3, 5), 0.125, 4), transB=1, name="head"), 0.3171, np.int8)
    return b.model((1, 3, 6), b.quant(b("MatMul", x, b.weights((3, 2), 0.1733, 3)), 0.25, 6))


def products() -> ModelProto:
    """Products of two tensors, and parts of tensors that hold channels first and last."""
    b = Builder(5)

    def places(*values: int) -> str:
        return b.constant(values, np.int64)

    x = b.quant("x", 2.0**-2, 5)
    x = b.quant(b("Conv", x, b.weights((4, 3, 2), 2.0**-2, 4), name="conv"), 0.25, 6)
    second = b("Slice", x, places(1), places(2**31), places(1), places(2), name="every_second")
    mirrored = b("Slice", x, places(0, -1), places(2**62, -(2**40)), places(0, 2), places(1, -1), name="mirrored")
    chosen = b("Gather", x, places(2, 0, -1), axis=1, name="channels")
    b.nodes.append(helper.make_node("Split", [chosen], ["left", "right"], axis=2, num_outputs=2, name="halves"))
    matrix = b("MatMul", "left", b("Transpose", "right", perm=[0, 2, 1]), name="product")
    total = b("Einsum", b.quant(matrix, 0.25, 8), "left", equation="bij, bik -> bkj", name="einsum")
    column = b("Gather", x, b.constant(1, np.int64), axis=2, name="column")
    row = b("Gather", x, b.constant(-1, np.int64), axis=1, name="row")
    part = b("Slice", column, places(1), places(3), places(1), name="part")
    return b.model((1, 3, 7), second, mirrored, total, column, row, part)
