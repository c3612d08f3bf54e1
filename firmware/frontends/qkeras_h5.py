"""Saved models of QKeras 0.9 (`.h5`, Keras 2), read without QKeras.

The file's layers become plain Keras 2 layers whose weights are already quantised, folded and exact, and casts for its
activation quantisers; hls4ml's own Keras 2 parser makes the `ModelGraph` of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.frontends.conversion import Conversion, FloatArray, Source, run_hls4ml
from trigforge.firmware.frontends.qkeras_network import Network, Tensor
from trigforge.firmware.frontends.qkeras_parameters import Parameters, SavedLayer, read_type
from trigforge.firmware.frontends.qkeras_rules import translate
from trigforge.firmware.frontends.qkeras_translation import Translation

VARIABLES = ("weight", "bias", "scale", "result")
"""What `precision.layers` may name: every accumulator is exact."""


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model file: Keras's version, the layers with their inputs' names in order, and the names of the outputs."""

    keras_version: str
    layers: tuple[tuple[SavedLayer, tuple[str, ...]], ...]
    outputs: tuple[str, ...]


def convert_qkeras(path: Path, conversion: Conversion) -> Source:
    """Convert a QKeras 0.9 model file and write its HLS project; the graph equals QKeras's inference bit for bit.

    Types are the quantisers' own; `conversion.precision` gives those of parameters without a quantiser. Raises
    `InputError` for a file that is no whole QKeras model and `ExactnessError` for a layer, quantiser or scale without
    an exact integer meaning, each naming it and the remedy.
    """
    saved = read_model(path)
    network, outputs = plain_network(saved, conversion)
    graph = run_hls4ml(conversion, "QKeras", lambda: _model_graph(network, outputs, conversion))
    return Source(graph, f"QKeras 0.9 (Keras {saved.keras_version})")


def read_model(path: Path) -> SavedModel:
    """Read a model file; `InputError` says what is missing or foreign in it."""
    import h5py

    if not path.is_file():
        raise InputError(f"{path} must be a QKeras model file (.h5), but there is none; check the path")
    try:
        with h5py.File(path, "r") as file:
            version, config = _attribute(file, "keras_version"), _attribute(file, "model_config")
            if config is None:
                raise InputError(
                    f"{path} must hold a whole model, not only {sorted(file) or 'nothing'}; write it with "
                    "model.save('model.h5'), not save_weights"
                )
            arrays = dict(_arrays(file["model_weights"]))
    except (OSError, KeyError, RuntimeError) as error:
        reason = str(error).strip("'\"").splitlines()[0]
        raise InputError(f"{path} must be a complete HDF5 file written by model.save('model.h5'): {reason}") from None
    if version is None or not version.startswith("2."):
        raise InputError(f"{path} must be written by Keras 2, not {version}; read Keras 3 models as .keras files")
    try:
        model = _model(json.loads(config), version, arrays)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} must describe a Keras 2 model, but its configuration lacks {error}; save it again"
        ) from None
    if not any(layer.class_name.startswith("Q") for layer, _ in model.layers):
        raise InputError(f"{path} must have QKeras layers, not only plain ones; convert a plain Keras model as .keras")
    return model


def plain_network(saved: SavedModel, conversion: Conversion) -> tuple[Network, tuple[Tensor, ...]]:
    """The plain layers of a saved model and its output tensors."""
    _check_precision(saved, conversion)
    to = Translation(Network(), Parameters(conversion.precision))
    tensors: dict[str, Tensor] = {}
    for layer, inputs in _in_order(saved):
        if layer.class_name == "InputLayer":
            shape = tuple(layer.config["batch_input_shape"][1:])
            if not shape or None in shape:
                raise InputError(f"{layer.label}: its shape must be fixed, not {shape}; rebuild the model with one")
            tensors[layer.name] = to.network.input(layer.name, shape, conversion.input_type)
        else:
            tensors[layer.name] = translate(to, layer, [tensors[name] for name in inputs])
    return to.network, tuple(tensors[name] for name in saved.outputs)


def _in_order(saved: SavedModel) -> Iterator[tuple[SavedLayer, tuple[str, ...]]]:
    """The layers, each after its inputs."""
    waiting, done = list(saved.layers), set[str]()
    while waiting:
        ready = [entry for entry in waiting if done.issuperset(entry[1])]
        if not ready:
            layer, inputs = waiting[0]
            missing = next(name for name in inputs if name not in done)
            raise InputError(f"{layer.label} must follow layers of the model, not {missing!r}; save the model again")
        yield from ready
        done.update(layer.name for layer, _ in ready)
        waiting = [entry for entry in waiting if entry[0].name not in done]


def _attribute(file: Any, name: str) -> str | None:
    value = file.attrs.get(name)
    return value.decode() if isinstance(value, bytes) else value


def _arrays(group: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The arrays of every layer by their last name, such as `kernel`."""
    for layer in group.attrs["layer_names"]:
        name = layer.decode() if isinstance(layer, bytes) else str(layer)
        weights = [w.decode() if isinstance(w, bytes) else str(w) for w in group[name].attrs["weight_names"]]
        yield name, {w.rsplit("/", 1)[-1].split(":")[0]: np.asarray(group[name][w]) for w in weights}


def _model(config: Mapping[str, Any], version: str, arrays: Mapping[str, Mapping[str, Any]]) -> SavedModel:
    kind, body = config["class_name"], config["config"]
    if kind not in ("Sequential", "Functional", "Model"):
        raise InputError(f"the model must be Sequential or Functional, not {kind!r}; rebuild it from layers")
    entries = body if isinstance(body, list) else body["layers"]
    layers = _chain(entries) if kind == "Sequential" else [(entry, _inbound(entry)) for entry in entries]
    last = [[entries[-1]["config"]["name"], 0, 0]] if kind == "Sequential" else body["output_layers"]
    outputs = tuple(_reference(entry, "the model's outputs") for entry in last)
    return SavedModel(
        version,
        tuple(
            (SavedLayer(e["config"]["name"], _class_name(e), e["config"], arrays.get(e["config"]["name"], {})), inputs)
            for e, inputs in layers
        ),
        outputs,
    )


def _class_name(entry: Mapping[str, Any]) -> str:
    name = str(entry["class_name"])
    if "PruneLowMagnitude" in name:
        raise InputError(
            f"layer {entry['config']['name']!r} ({name}) must not be wrapped for pruning; apply strip_pruning"
        )
    return name


def _chain(entries: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """The layers of a sequential model, each after the one before; the input layer may be implied."""
    chain, names = list(entries), [str(entry["config"]["name"]) for entry in entries]
    if chain[0]["class_name"] != "InputLayer":
        shape = chain[0]["config"]["batch_input_shape"]
        chain.insert(0, {"class_name": "InputLayer", "config": {"name": "input", "batch_input_shape": shape}})
        names.insert(0, "input")
    return [(entry, tuple(names[max(i - 1, 0) : i])) for i, entry in enumerate(chain)]


def _inbound(entry: Mapping[str, Any]) -> tuple[str, ...]:
    where, nodes = f"layer {entry['config']['name']!r} ({entry['class_name']})", entry["inbound_nodes"]
    if len(nodes) > 1:
        raise InputError(f"{where} must be called once, not {len(nodes)} times; give every call a layer of its own")
    return tuple(_reference(node, where) for call in nodes for node in call)


def _reference(node: Sequence[Any], where: str) -> str:
    """The layer that `[name, call, output, …]` names."""
    if node[1] != 0 or node[2] != 0:
        raise InputError(
            f"{where} must take the first result of a layer called once, not {list(node[:3])}; separate them"
        )
    return str(node[0])


def _check_precision(saved: SavedModel, conversion: Conversion) -> None:
    names = [layer.name for layer, _ in saved.layers]
    if conversion.precision.default:
        read_type(conversion.precision.default, "precision.default")
    for name, types in conversion.precision.layers.items():
        if name not in names:
            raise InputError(f"precision.layers must name layers of the model ({', '.join(names)}), not {name!r}")
        for variable, text in types.items():
            if variable not in VARIABLES:
                raise InputError(
                    f"precision.layers.{name} must name one of {', '.join(VARIABLES)}, not {variable!r}; the other "
                    "types follow exactly"
                )
            read_type(text, f"precision.layers.{name}.{variable}")


def _model_graph(network: Network, outputs: Sequence[Tensor], conversion: Conversion) -> Any:
    """hls4ml's graph of the plain network, all types derived exactly from those of inputs and casts."""
    from hls4ml.converters import KerasReader, parse_keras_model
    from hls4ml.model import ModelGraph
    from hls4ml.utils.config import create_config

    class Weights(KerasReader):  # type: ignore[misc]
        def get_weights_data(self, layer_name: str, var_name: str) -> FloatArray | None:
            return network.weights[layer_name].get(var_name)

    inputs = [layer["name"] for layer in network.layers if layer["class_name"] == "InputLayer"]
    architecture = {
        "class_name": "Functional",
        "config": {
            "layers": network.layers,
            "input_layers": [[name, 0, 0] for name in inputs],
            "output_layers": [[tensor.name, 0, 0] for tensor in outputs],
        },
    }
    parsed, names_in, names_out, shapes = parse_keras_model(architecture, Weights())
    for name, shape in network.shapes.items():
        if tuple(int(n) for n in shapes[name][1:]) != shape:
            raise ExactnessError(
                f"layer {name!r} must have the shape {shape}, but hls4ml takes it for {shapes[name][1:]}"
            )
    for layer in parsed:
        layer["trusted"] = layer["name"] in network.types
    config = create_config(**conversion.settings())
    types = {name: {"Precision": {"result": str(kind)}} for name, kind in network.types.items()}
    config["HLSConfig"] = {
        "Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency", "BitExact": True},
        "LayerName": types,
    }
    graph = ModelGraph.from_layer_list(config, parsed, names_in, names_out)
    graph.write()
    return graph
