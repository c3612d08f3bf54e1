"""Keras 3 models: HGQ2's layers, the QKeras API of HGQ2, and plain Keras with a user's precision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import (
    Conversion,
    FloatArray,
    Source,
    apply_precision,
    run_hls4ml,
)
from trigforge.firmware.frontends.onnx_tensors import constant_grid
from trigforge.firmware.lowering.layer import result_type
from trigforge.firmware.lowering.symbols import constant_fraction

MAX_PARAMETER_BITS = 18
"""Bits of the longest parameters without a quantiser that float32 sums of quantised values still hold."""


def convert_keras(model: Any, conversion: Conversion) -> Source:
    """Convert a Keras 3 model and write its HLS project; quantised models keep their own types bit for bit."""
    import hls4ml
    import keras

    import trigforge.firmware.frontends.keras3_layers  # noqa: F401  (registers handlers with hls4ml)

    quantised = is_quantised(model)
    if not quantised and not conversion.precision.default:
        raise InputError(
            f"the Keras model {conversion.name!r} must have quantised layers or a precision; set precision.default, "
            "such as 'fixed<16,6,RND,SAT>'"
        )

    refuse_ignored(model)
    if quantised:
        refuse_unquantised(model)

    def convert() -> Any:
        config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend=conversion.backend)
        if quantised:  # a quantised softmax says itself how it is implemented; hls4ml's default would contradict it
            for layer in config["LayerName"].values():
                layer.pop("Implementation", None)
        return hls4ml.converters.convert_from_keras_model(
            model,
            hls_config=apply_precision(config, conversion),
            bit_exact=quantised,
            allow_da_fallback=False,
            **conversion.settings(),
        )

    graph = run_hls4ml(conversion, "Keras", convert)
    framework = f"{'HGQ2' if quantised else 'Keras'} on Keras {keras.__version__} ({keras.backend.backend()})"
    if not quantised:
        return Source(graph, framework)
    return Source(graph, framework, partial(predict, model), partial(keras_layers, model, graph))


def refuse_ignored(model: Any) -> None:
    """Raise `ExactnessError` for settings of layers that hls4ml 1.3 drops without a word."""
    for layer in model._flatten_layers():
        rate = np.ravel(getattr(layer, "dilation_rate", 1)).tolist()
        if any(r != 1 for r in rate):
            raise ExactnessError(
                f"layer {layer.name!r}: dilation_rate must be 1, not {rate}; use a larger kernel with zeros"
            )
        way = getattr(layer, "interpolation", "nearest")
        if way != "nearest":
            raise ExactnessError(f"layer {layer.name!r}: interpolation must be 'nearest', not {way!r}; retrain with it")


def refuse_unquantised(model: Any) -> None:
    """Raise `ExactnessError` for Keras's own linear layers among quantised ones, unless their parameters are short."""
    import keras

    own = keras.layers
    linear = (own.Dense, own.EinsumDense, own.Conv1D, own.Conv2D, own.DepthwiseConv1D, own.DepthwiseConv2D)
    for layer in model._flatten_layers():
        if type(layer).__module__.split(".")[0] != "keras":
            continue
        if isinstance(layer, own.BatchNormalization):
            parameters = folded_normalisation(layer)
        elif isinstance(layer, (*linear, own.SeparableConv1D, own.SeparableConv2D)):
            parameters = [np.asarray(value, dtype=np.float64) for value in layer.get_weights()]
        else:
            continue
        bits = max(constant_grid(values).bits for values in parameters)
        if bits > MAX_PARAMETER_BITS:
            raise ExactnessError(
                f"the parameters of layer {layer.name!r} ({type(layer).__name__}) must lie on a grid of at most "
                f"{MAX_PARAMETER_BITS} bits among quantised layers, not {bits}: no integer arithmetic repeats the "
                f"rounding of float32 sums; use HGQ2's layers, such as Q{type(layer).__name__}"
            )


def folded_normalisation(layer: Any) -> list[FloatArray]:
    """Scale and offset of a BatchNormalization: `γ / sqrt(σ² + ε)` and `β - µ · scale`."""
    mean, variance = (np.asarray(v, dtype=np.float64) for v in (layer.moving_mean, layer.moving_variance))
    gamma = np.asarray(layer.gamma, dtype=np.float64) if layer.scale else 1.0
    beta = np.asarray(layer.beta, dtype=np.float64) if layer.center else 0.0
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return [scale, beta - mean * scale]


def is_quantised(model: Any) -> bool:
    """Whether any layer is HGQ2's."""
    return any(type(layer).__module__.split(".")[0] in ("hgq", "qkeras") for layer in model._flatten_layers())


def predict(model: Any, values: FloatArray) -> FloatArray:
    """The model's own outputs (n, outputs), flattened and in order.

    `values` are the inputs (n, *shape), or, for several inputs, each flattened and one after the other (n, words).
    """
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    columns = np.split(values.reshape(len(values), -1).astype(np.float32), ends[:-1], axis=1)
    inputs = [part.reshape(-1, *shape) for part, shape in zip(columns, shapes, strict=True)]
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=4096, verbose=0)
    parts = outputs if isinstance(outputs, list | tuple) else [outputs]
    return np.concatenate([np.asarray(p, dtype=np.float64).reshape(len(values), -1) for p in parts], axis=1)


def keras_layers(model: Any, graph: Any, values: FloatArray) -> dict[str, FloatArray]:
    """The outputs of a Keras model's layers under the names of the graph's nodes that end them.

    A layer may become several nodes (quantiser, product, activation); its output is that of the last, cast to that
    node's type, from which hls4ml leaves out what no later layer sees.
    """
    import keras

    pairs = dict(_last_nodes(model, graph))
    made = {node.operation.name: node.outputs[0] for nodes in model._nodes_by_depth.values() for node in nodes}
    outputs = [made[name] for name in pairs]
    shape = model.inputs[0].shape[1:]
    results = keras.Model(model.inputs, outputs).predict(values.reshape(-1, *shape).astype(np.float32), verbose=0)
    results = results if isinstance(results, list | tuple) else [results]
    return {
        node: _as_seen(graph.graph[node], np.asarray(result, dtype=np.float64).reshape(len(values), -1))
        for node, result in zip(pairs.values(), results, strict=True)
    }


def _as_seen(node: Any, values: FloatArray) -> FloatArray:
    """A layer's own values as its node's type passes them on; element-wise quantisers are exact already."""
    if node.class_name == "FixedPointQuantizer":
        return values
    kind, fraction = result_type(node), constant_fraction(values)
    return kind.to_float(kind.cast(np.ldexp(values, fraction).astype(np.int64), fraction))


def _last_nodes(model: Any, graph: Any) -> Iterator[tuple[str, str]]:
    for layer in model.layers:
        own = [name for name in graph.graph if name == layer.name or name.startswith(f"{layer.name}_")]
        own = [name for name in own if not name.endswith("_iq")]
        if own and type(layer).__name__ != "InputLayer":
            yield layer.name, own[-1]
