"""QONNX and ONNX models: every operator becomes an hls4ml layer with types that lose nothing, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends import onnx_einsum as sums
from trigforge.firmware.frontends import onnx_elementwise as elementwise
from trigforge.firmware.frontends import onnx_linear as linear
from trigforge.firmware.frontends import onnx_quantisers as quantisers
from trigforge.firmware.frontends import onnx_shapes as shapes
from trigforge.firmware.frontends import onnx_windows as windows
from trigforge.firmware.frontends.conversion import Conversion, Source, run_hls4ml
from trigforge.firmware.frontends.onnx_graph import QUANTISERS, OnnxGraph, read_graph
from trigforge.firmware.frontends.onnx_layers import VARIABLES, LayerList, UserTypes
from trigforge.firmware.frontends.onnx_tensors import Grid, Tensor
from trigforge.firmware.frontends.onnx_walk import Walk, label
from trigforge.firmware.lowering.layer import fixed_type
from trigforge.fixed import FixedType

Rule = Callable[[Walk, Any], None]

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "MatMul": linear.matmul,
        "Gemm": linear.gemm,
        "Einsum": sums.einsum,
        "Conv": linear.convolution,
        "BatchNormalization": linear.batch_normalization,
        "MaxPool": windows.pooling,
        "AveragePool": windows.pooling,
        "GlobalMaxPool": windows.global_pooling,
        "GlobalAveragePool": windows.global_pooling,
        "ReduceMean": windows.reduce_mean,
        "Pad": windows.pad,
        "Quant": quantisers.quant,
        "IntQuant": quantisers.quant,
        "BipolarQuant": quantisers.bipolar_quant,
        "Trunc": quantisers.trunc,
        "QuantizeLinear": quantisers.quantize_linear,
        "Relu": elementwise.relu,
        "PRelu": elementwise.prelu,
        "Clip": elementwise.clip,
        "Div": elementwise.arithmetic,
        **dict.fromkeys(elementwise.MERGES, elementwise.arithmetic),
        **dict.fromkeys(elementwise.TABLES, elementwise.table),
        "LeakyRelu": elementwise.leaky_relu,
        "Concat": shapes.concatenate,
        "Gather": sums.gather,
        "Slice": sums.slices,
        "Split": sums.split,
        "Transpose": shapes.transpose,
        **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), shapes.reshape),
        **dict.fromkeys(("Identity", "Dropout", "Cast"), shapes.same),
    }
)
"""One rule an ONNX operator."""
REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "Softmax": "drop it: thresholds and argmax of the logits take the same decisions",
        "LogSoftmax": "drop it: argmax of the logits takes the same decisions",
        "MultiThreshold": "give the model as it was before FINN's streamlining, with Quant nodes",
    }
)


def convert_onnx(model: Any, conversion: Conversion) -> Source:
    """Convert a QONNX or ONNX model, a file or a `ModelProto`, as its exporter wrote it, and write its HLS project.

    The types of a model with quantisers follow from them and lose nothing; what they leave open, and every type of a
    model without, is the user's `precision`. Inputs and outputs keep the file's order (channels first). Raises
    `InputError` for what is not supported and `ExactnessError` for what has no exact integer meaning.
    """
    graph = read_graph(model)
    quantised = any(node.op_type in QUANTISERS for node in graph.wrapper.graph.node)
    if not quantised and not conversion.precision.default:
        raise InputError(
            f"the ONNX model {conversion.name!r} must have quantisers or a precision; set precision.default, "
            "such as 'fixed<16,6,RND,SAT>'"
        )
    layers = LayerList(user_types(conversion, everywhere=not quantised))
    outputs = walk_graph(graph, layers, conversion.input_type)
    check_names(conversion, layers)
    if layers.coded and layers.lossy:
        raise ExactnessError(
            f"the ONNX model {conversion.name!r} must have power-of-two scales where the precision types its layers, "
            "since layers of other scales hold codes in units of their own; leave precision out"
        )

    def convert() -> Any:
        return make_graph(layers, outputs, conversion)

    result = run_hls4ml(conversion, "ONNX", convert)
    exact = quantised and not layers.lossy
    return Source(result, framework(graph, quantised), graph.reference if exact else None)


def user_types(conversion: Conversion, *, everywhere: bool) -> UserTypes:
    """The user's precision, parsed as hls4ml parses it."""
    import hls4ml

    backend = hls4ml.backends.get_backend(conversion.backend)

    def parse(text: str, where: str) -> FixedType:
        try:
            precision = backend.convert_precision_string(text)
        except (ValueError, AttributeError, IndexError):
            raise InputError(f"{where} must be a type such as 'fixed<16,6,RND,SAT>', not {text!r}") from None
        return fixed_type(precision, where)

    precision = conversion.precision
    unknown = [v for types in precision.layers.values() for v in types if v not in VARIABLES]
    if unknown:
        raise InputError(f"precision.layers must give types to {', '.join(VARIABLES)}, not to {unknown[0]!r}")
    layers = {
        layer: {variable: parse(text, f"precision.layers.{layer}.{variable}") for variable, text in types.items()}
        for layer, types in precision.layers.items()
    }
    default = parse(precision.default, "precision.default") if precision.default else None
    return UserTypes(default, MappingProxyType(layers), everywhere)


def walk_graph(graph: OnnxGraph, layers: LayerList, input_type: FixedType) -> list[str]:
    """Make the layers of a graph; the names of the layers that hold its outputs, in its order."""
    walk = Walk(graph, layers)
    for name in graph.inputs:
        shape = graph.shape(name)[1:]
        layer = layers.name(name)
        layers.types[layer] = {"result": input_type}
        layers.layers.append({"name": layer, "class_name": "InputLayer", "input_shape": list(shape)})
        walk.tensors[name] = Tensor(layer, Grid.of_type(input_type, shape))
    for node in graph.nodes:
        if node.output[0] in walk.tensors:  # fused into a node before
            continue
        rule = RULES.get(node.op_type)
        if rule is None:
            remedy = REMEDIES.get(node.op_type, f"supported: {', '.join(sorted(RULES))}")
            raise InputError(f"{label(node)} has no exact conversion; {remedy}")
        rule(walk, node)
    return [_output(walk, name) for name in graph.outputs]


def _output(walk: Walk, name: str) -> str:
    if name not in walk.tensors:
        raise InputError(f"output {name!r} of the ONNX model must depend on its input, not be a constant")
    tensor = walk.stored(walk.tensors[name], last=False)
    if tensor.unit is not None:
        raise ExactnessError(
            f"output {name!r} of the ONNX model must be quantised with a power-of-two scale, not be multiples of "
            f"{tensor.unit.flat[0]}; put a fixed-point quantiser last, such as Int8ActPerTensorFixedPoint"
        )
    if walk.layers.layers[0]["name"] == tensor.layer:
        raise InputError(f"output {name!r} of the ONNX model must be computed, not be the input itself")
    return tensor.layer


def check_names(conversion: Conversion, layers: LayerList) -> None:
    """Raise `InputError` for types of layers that the model does not have."""
    names = [layer["name"] for layer in layers.layers]
    for name in conversion.precision.layers:
        if name not in names:
            raise InputError(f"precision.layers must name layers of the model ({', '.join(names)}), not {name!r}")


def make_graph(layers: LayerList, outputs: list[str], conversion: Conversion) -> Any:
    """hls4ml's graph of the layers."""
    from hls4ml.model import ModelGraph
    from hls4ml.utils.config import create_config

    config = create_config(**conversion.settings())
    config["HLSConfig"] = {
        "Model": {"Precision": {"default": str(conversion.input_type)}, "ReuseFactor": 1, "Strategy": "Latency"},
        "LayerName": {
            name: {"Precision": {variable: str(kind) for variable, kind in types.items()}}
            for name, types in layers.types.items()
        },
    }
    inputs = [layer["name"] for layer in layers.layers if layer["class_name"] == "InputLayer"]
    return ModelGraph.from_layer_list(config, layers.layers, inputs, outputs)


def framework(graph: OnnxGraph, quantised: bool) -> str:
    """The exporter of a model, as it names itself."""
    producer = " ".join(p for p in (graph.original.model.producer_name, graph.original.model.producer_version) if p)
    return f"{'QONNX' if quantised else 'ONNX'}{f' by {producer}' if producer else ''}"
