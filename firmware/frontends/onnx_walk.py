"""`Walk`: one pass over an ONNX graph; every rule reads its inputs here and leaves its output here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.onnx_graph import OnnxGraph
from trigforge.firmware.frontends.onnx_layers import LayerList
from trigforge.firmware.frontends.onnx_tensors import Constant, Grid, Tensor, fraction_bits
from trigforge.fixed import FixedType

CODED = "MatMul, Gemm, Conv, Relu, MaxPool, Reshape, Flatten, Transpose and the next quantiser"


@dataclass(slots=True)
class Walk:
    """The graph, the layers made of it so far, and which tensor of the one is which layer of the other."""

    graph: OnnxGraph
    layers: LayerList
    tensors: dict[str, Tensor] = field(default_factory=dict)
    turned: dict[tuple[str, bool], Tensor] = field(default_factory=dict)

    def tensor(self, node: Any, index: int = 0) -> Tensor:
        """A node's input that depends on the model's input, in the model's own unit."""
        tensor = self.held(node, index)
        if tensor.unit is not None:
            raise ExactnessError(
                f"what enters {label(node)} must be quantised with a power-of-two scale, not {tensor.unit.flat[0]}; "
                f"values of other scales may only pass {CODED}"
            )
        return tensor

    def held(self, node: Any, index: int = 0) -> Tensor:
        """A node's input that depends on the model's input, perhaps in a unit of its own."""
        name = node.input[index]
        if name not in self.tensors:
            raise InputError(
                f"input {index} of {label(node)} must depend on the model's input, not be a constant; "
                "fold it before the export"
            )
        return self.tensors[name]

    def constant(self, node: Any, index: int) -> Constant | None:
        """A node's constant input as float64, or None if it is left out or not a constant."""
        name = node.input[index] if index < len(node.input) else ""
        if name not in self.graph.constants:
            return None
        values = np.asarray(self.graph.constants[name], dtype=np.float64)
        origin = self.graph.quantised.get(name)
        return Constant(values, quantised=origin == "", origin=origin or "", unit=self.graph.units.get(name))

    def required(self, node: Any, index: int, what: str) -> Constant:
        """A node's constant input that must be there."""
        constant = self.constant(node, index)
        if constant is None:
            raise InputError(f"the {what} of {label(node)} must be constant; products of two tensors are not supported")
        return constant

    def stored(self, tensor: Tensor, last: bool) -> Tensor:
        """The tensor in a layer that holds channels last, or in ONNX's order; turned only if it must be."""
        if tensor.last == last or len(tensor.shape) < 2:
            return tensor
        key = (tensor.layer, last)
        if key not in self.turned:
            axes = tuple(np.roll(range(len(tensor.shape)), -1 if last else 1).tolist())
            before = storage(tensor)
            turned = replace(tensor, last=last)
            self.turned[key] = self.permute(tensor, before, storage(turned), axes, "last" if last else "first")
        return replace(tensor, layer=self.turned[key].layer, last=last)

    def permute(
        self,
        tensor: Tensor,
        before: tuple[int, ...],
        after: tuple[int, ...],
        axes: tuple[int, ...],
        tag: str,
        name: str = "",
    ) -> Tensor:
        """Append a transposition of a layer's own axes, or a reshape if no value moves."""
        layers = self.layers
        order = np.arange(int(np.prod(before))).reshape(before).transpose(axes)
        attributes: dict[str, Any] = {"perm": list(axes)}
        kind = "Transpose"
        if (np.diff(order.ravel()) == 1).all():
            kind, attributes = "Reshape", {"target_shape": list(after)}
        return layers.add(layers.name(name or f"{tensor.layer}_{tag}"), kind, [tensor], tensor.grid, attributes)

    def affine(self, name: str, tensor: Tensor, scale: Constant, offset: Constant) -> Tensor:
        """Append `tensor · scale + offset`, element by element; constants broadcast to ONNX's shape without batch."""
        layers, layer = self.layers, self.layers.name(name)
        factors, offsets = (
            np.broadcast_to(layers.constant(layer, variable, constant), tensor.shape).astype(np.float64)
            for variable, constant in (("scale", scale), ("bias", offset))
        )
        attributes = {
            "scale_data": in_storage(factors, tensor).ravel(),
            "bias_data": in_storage(offsets, tensor).ravel(),
            "n_in": int(np.prod(tensor.shape)),
            "n_filt": -1,
            "use_gamma": True,
            "use_beta": True,
        }
        return layers.add(layer, "BatchNormalization", [tensor], tensor.grid.affine(factors, offsets), attributes)

    def cast(self, name: str, tensor: Tensor, kind: FixedType, *, sole: bool) -> Tensor:
        """`tensor` cast to `kind`; `sole`: nothing else reads it, so that its own layer may deliver `kind`."""
        grid = tensor.grid.cast(kind)
        if sole and self.layers.recast(tensor, kind):
            return Tensor(tensor.layer, grid, tensor.last)
        layer = self.layers.name(name)
        result = self.layers.add(layer, "Activation", [tensor], grid, {"activation": "linear"})
        self.layers.set_result(layer, kind)
        return Tensor(result.layer, grid, tensor.last)

    def bias_after(self, node: Any, channels: int, axis: int) -> tuple[Constant | None, str]:
        """The bias that an `Add` behind a linear node brings, if nothing else reads the node, and the result's name."""
        output = node.output[0]
        add = self.graph.sole_consumer(output)
        if add is not None and add.op_type == "Add":
            bias = self.constant(add, 1 if add.input[0] == output else 0)
            shape = [1] * len(self.graph.shape(output))
            shape[axis] = channels
            if bias is not None and bias.values.shape in (tuple(shape), tuple(shape[1:]), tuple(shape[axis:])):
                return replace(bias, values=bias.values.reshape(channels)), add.output[0]
        return None, output


def storage(tensor: Tensor) -> tuple[int, ...]:
    """The shape in which a tensor's layer holds it."""
    return (*tensor.shape[1:], tensor.shape[0]) if tensor.last else tensor.shape


def in_storage(values: FloatArray, tensor: Tensor) -> FloatArray:
    """Element-wise values in ONNX's order, in the order of a tensor's layer."""
    return np.moveaxis(values, 0, -1) if tensor.last and values.ndim > 1 else values


def label(node: Any) -> str:
    """How messages name an ONNX node."""
    return f"node {node.name!r} ({node.op_type})"


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """An attribute of a node; byte strings become text."""
    from onnx import helper

    found = next((a for a in node.attribute if a.name == name), None)
    value = default if found is None else helper.get_attribute_value(found)
    return value.decode() if isinstance(value, bytes) else value


def without_batch(values: FloatArray, rank: int) -> FloatArray:
    """A constant that broadcasts against a tensor of `rank` axes (batch included), without the batch axis."""
    return values.reshape(values.shape[1:]) if values.ndim == rank and values.shape[0] == 1 else values


def exact_zero() -> Constant:
    """Nothing added."""
    return Constant(np.zeros(1), quantised=True)


def sums(grid: Grid, weights: FloatArray, bias: FloatArray) -> Grid:
    """The range of `bias + values @ weights` for values (…, k) on `grid` and weights (k, m)."""
    positive, negative = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    fraction = max(grid.fraction + fraction_bits(weights), fraction_bits(bias))
    low = grid.low @ positive + grid.high @ negative + bias
    return Grid(low, grid.high @ positive + grid.low @ negative + bias, fraction)
