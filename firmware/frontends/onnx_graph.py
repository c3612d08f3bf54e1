"""Reading ONNX: a file or a `ModelProto` becomes an `OnnxGraph` with static shapes, ready to be walked and executed."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.frontends.conversion import FloatArray, quiet

QONNX_QUANTISERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc")
QUANTISERS = (*QONNX_QUANTISERS, "QuantizeLinear", "DequantizeLinear")
QONNX_DOMAIN = "qonnx.custom_op.general"
PASSED_ON = ("Identity", "Dropout", "Cast")
"""Operators that change no value of a floating-point model in inference."""
MOVES = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
"""Operators after which a quantised constant still is one."""
CHUNK = 4096
Constants = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A cleaned model (batch of one, shapes inferred, constants folded) and the model as it was given."""

    wrapper: Any
    original: Any
    constants: dict[str, np.ndarray[Any, Any]]
    quantised: dict[str, str]
    """Constants that went through a quantiser, and what is wrong with its scale, if anything."""
    units: dict[str, np.ndarray[Any, Any]]
    """The scale of every element of such a constant, if something is."""

    @property
    def nodes(self) -> list[Any]:
        """Nodes that depend on an input, in execution order."""
        return [n for n in self.wrapper.graph.node if any(o not in self.constants for o in n.output)]

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs proper."""
        return [i.name for i in self.wrapper.graph.input if i.name not in self.constants]

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [o.name for o in self.wrapper.graph.output]

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Inferred shape, batch of one included."""
        shape = self.wrapper.get_tensor_shape(tensor)
        if shape is None:
            raise InputError(
                f"the shape of ONNX tensor {tensor!r} must be static, it cannot be inferred; export with fixed shapes"
            )
        return tuple(int(n) for n in shape)

    def sole_consumer(self, tensor: str) -> Any | None:
        """The one node that reads a tensor, if nothing else does."""
        readers = [n for n in self.nodes for i in n.input if i == tensor]
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def whole_numbers(self, node: Any) -> list[int]:
        """The limits of the integers that a QuantizeLinear makes; its zero point has their type."""
        zero = self.constants.get(node.input[2]) if len(node.input) > 2 else None
        limits = np.iinfo(np.uint8 if zero is None else zero.dtype)
        return [int(limits.min), int(limits.max)]

    def execute(self, node: Any, inputs: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """One node on arrays of any shape, in the arithmetic of QONNX's execution."""
        return execute_node(self.wrapper, node, inputs)

    def reference(self, values: FloatArray) -> FloatArray:
        """The given model's outputs (n, outputs) by QONNX's execution, flattened in the order of its outputs."""
        return execute(self.original, self.inputs, values)


def read_graph(model: Any) -> OnnxGraph:
    """Read, check and clean a model; the model itself is not changed. Raises `InputError` for what cannot be used."""
    original = _load(model)
    with quiet():
        wrapper = with_batch(_prepared(original), 1)
    return OnnxGraph(wrapper, original, *_folded(wrapper))


def _load(model: Any) -> Any:
    """The model as QONNX's wrapper with its checked protobuf."""
    try:
        import onnx
        from qonnx.core.modelwrapper import ModelWrapper
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"reading ONNX needs the package {error.name}; pip install 'trigforge[brevitas]'"
        ) from None
    where = f"{model}" if isinstance(model, str | Path) else "the ONNX model"
    try:
        proto = onnx.load(str(model)) if isinstance(model, str | Path) else copy.deepcopy(model)
        for node in proto.graph.node:
            if node.op_type in QONNX_QUANTISERS:
                node.domain = QONNX_DOMAIN
        with quiet():
            wrapper = ModelWrapper(proto)
    except Exception as error:  # protobuf, OS and ONNX errors share no base
        raise InputError(f"{where} must be an ONNX model: {first_line(error)}") from None
    if not wrapper.graph.node or not wrapper.graph.output:
        raise InputError(f"{where} must have nodes and outputs; it is empty or cut off")
    _check_inputs(wrapper, where)
    return wrapper


def first_line(error: Exception) -> str:
    """What an error, or the error that caused it, says, on one line."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _check_inputs(wrapper: Any, where: str) -> None:
    initialisers = {i.name for i in wrapper.graph.initializer}
    for value in wrapper.graph.input:
        if value.name in initialisers:
            continue
        kind = value.type.tensor_type
        if not kind.HasField("shape") or len(kind.shape.dim) < 2:
            raise InputError(
                f"input {value.name!r} of {where} must have a shape of a batch axis and more; export with static shapes"
            )
        for axis, dim in enumerate(kind.shape.dim[1:], start=1):
            if dim.dim_value < 1:
                raise InputError(
                    f"axis {axis} of input {value.name!r} of {where} must have a fixed size, "
                    f"not {dim.dim_param or 'unknown'!r}; only the first (batch) may vary"
                )


def _prepared(original: Any) -> Any:
    """Nodes that change nothing removed, every node named."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.general import SortGraph

    wrapper = ModelWrapper(copy.deepcopy(original.model))
    graph = wrapper.graph
    renamed: dict[str, str] = {}
    outputs = {o.name for o in graph.output}
    for node in list(graph.node):
        for k, name in enumerate(node.input):
            node.input[k] = renamed.get(name, name)
        if node.op_type in PASSED_ON and node.output[0] not in outputs:
            renamed[node.output[0]] = node.input[0]
            graph.node.remove(node)
    for index, node in enumerate(graph.node):
        node.name = _module(node) or node.name or f"{node.op_type}_{index}"
    return wrapper.transform(SortGraph())


def _module(node: Any) -> str:
    """The PyTorch module that a node comes from, where the exporter noted it."""
    scopes = next((p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), "[]")
    names = ast.literal_eval(scopes)
    module = str(names[-2]) if len(names) > 1 else ""
    return module.removesuffix(".export_handler").removesuffix(
        ".act_quant.fused_activation_quant_proxy.activation_impl"
    )


def with_batch(wrapper: Any, events: int) -> Any:
    """A copy for a batch of `events`, with constant reshapes following, and shapes inferred."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    changed = ModelWrapper(copy.deepcopy(wrapper.model))
    graph = changed.graph
    initialisers = {i.name for i in graph.initializer}
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        if value.name not in initialisers and value.type.tensor_type.HasField("shape"):
            value.type.tensor_type.shape.dim[0].dim_value = events
    for index, node in enumerate(n for n in graph.node if n.op_type == "Reshape"):
        target = _constant_input(changed, node.input[1])
        if target is not None and changed.get_initializer(node.input[0]) is None and target[0] != -1:
            name = f"{node.input[1]}_{index}"
            changed.set_initializer(name, np.concatenate([[events], target[1:]]).astype(np.int64))
            node.input[1] = name
    try:
        return changed.transform(InferShapes())
    except Exception as error:  # onnx's own inference errors
        raise InputError(f"the shapes of the ONNX model cannot be inferred: {first_line(error)}") from None


def _constant_input(wrapper: Any, name: str) -> Any | None:
    from onnx import numpy_helper

    value = wrapper.get_initializer(name)
    producer = wrapper.find_producer(name)
    if value is None and producer is not None and producer.op_type == "Constant":
        return numpy_helper.to_array(producer.attribute[0].t)
    return value


def _folded(wrapper: Any) -> tuple[Constants, dict[str, str], Constants]:
    """The values of all constants, computed in the graph's arithmetic, those that a quantiser made, and their units."""
    from onnx import numpy_helper

    values = {i.name: numpy_helper.to_array(i) for i in wrapper.graph.initializer}
    quantised: dict[str, str] = {}
    units: Constants = {}
    for node in wrapper.graph.node:
        output, given = node.output[0], [i for i in node.input if i]
        if node.op_type == "Shape":
            values[output] = np.array(wrapper.get_tensor_shape(node.input[0]), dtype=np.int64)
        elif all(i in values for i in given):
            values[output] = execute_node(wrapper, node, [values[i] for i in given])
            if node.op_type in QUANTISERS:
                quantised[output] = _off_grid(node, values[node.input[1]])
                if quantised[output] and node.op_type != "QuantizeLinear":
                    units[output] = _scales(wrapper, node, [values[i] for i in given])
            elif given and given[0] in quantised and node.op_type in MOVES:
                quantised[output] = quantised[given[0]]
                if given[0] in units:
                    units[output] = execute_node(wrapper, node, [units[given[0]], *(values[i] for i in given[1:])])
    return values, quantised, units


def _scales(wrapper: Any, node: Any, inputs: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The scale of every element that a quantiser of constants makes: what it makes of the code 1."""
    if node.op_type != "DequantizeLinear":
        return np.broadcast_to(inputs[1], inputs[0].shape)
    zeros = [np.zeros_like(zero) for zero in inputs[2:]]
    return execute_node(wrapper, node, [np.ones_like(inputs[0]), inputs[1], *zeros])


def _off_grid(node: Any, scale: np.ndarray[Any, Any]) -> str:
    """What keeps a constant quantiser's values off a binary grid, or nothing."""
    odd = scale[np.frexp(scale)[0] != 0.5]
    return f" (quantised by {node.name!r} with scale {odd.flat[0]}, not a power of two)" if odd.size else ""


def execute_node(wrapper: Any, node: Any, inputs: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The first output of one node for inputs of any shape: QONNX's operators by QONNX, others by ONNX Runtime."""
    import onnxruntime
    from onnx import helper
    from qonnx.core.execute_custom_node import execute_custom_node
    from qonnx.custom_op.registry import is_custom_op

    context = dict(zip((i for i in node.input if i), inputs, strict=True))
    opsets = wrapper.get_opset_imports()
    if is_custom_op(node.domain, node.op_type):
        execute_custom_node(node, context, wrapper.graph, onnx_opset_version=opsets.get(node.domain, 1))
        return np.asarray(context[node.output[0]])
    infos = [
        helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in context.items()
    ]
    graph = helper.make_graph([node], "node", infos, [helper.make_empty_tensor_value_info(node.output[0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opsets.get("", 20))], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, context)[0])


def execute(wrapper: Any, names: list[str], values: FloatArray) -> FloatArray:
    """Outputs (n, outputs) of a whole model for inputs (n, …), given to its inputs in order, by QONNX's execution."""
    from qonnx.core.onnx_exec import execute_onnx

    chunk = min(len(values), CHUNK)
    with quiet():
        model = with_batch(wrapper, chunk)
        shapes = [tuple(model.get_tensor_shape(name)) for name in names]
        flat = values.reshape(len(values), -1).astype(np.float32)
        splits = np.cumsum([int(np.prod(shape[1:])) for shape in shapes])[:-1]
        parts = []
        for start in range(0, len(flat), chunk):
            rows = flat[start : start + chunk]
            padded = np.concatenate([rows, np.zeros((chunk - len(rows), flat.shape[1]), dtype=np.float32)])
            feeds = [part.reshape(shape) for part, shape in zip(np.split(padded, splits, axis=1), shapes, strict=True)]
            outputs = execute_onnx(model, dict(zip(names, feeds, strict=True)))
            results = [outputs[o.name].reshape(chunk, -1) for o in model.graph.output]
            parts.append(np.concatenate(results, axis=1)[: len(rows)].astype(np.float64))
    return np.concatenate(parts)
