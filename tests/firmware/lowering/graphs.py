"""hls4ml graphs from its own description of layers, for layers and types that no front end reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trigforge.firmware.frontends.conversion import Conversion, Source, quiet
from trigforge.fixed import FixedType


def parallel_layers(
    name: str,
    folder: Path,
    kind: FixedType,
    shape: tuple[int, ...],
    layers: list[dict[str, Any]],
    outputs: list[str] | None = None,
) -> tuple[Source, Conversion]:
    """A graph whose layers read its one input unless they say otherwise, each an output; with `types`, by variable.

    `options` of a layer are further settings of hls4ml.
    """
    from hls4ml.model import ModelGraph
    from hls4ml.utils.config import create_config

    conversion = Conversion(name, folder, kind)
    first = {"name": "x", "class_name": "InputLayer", "input_shape": list(shape), "inputs": [], "outputs": ["x"]}
    types = {layer["name"]: layer.pop("types", {}) for layer in layers}
    options = {layer["name"]: layer.pop("options", {}) for layer in layers}
    asked = {key: {**_settings(given), **options[key]} for key, given in types.items()}
    listed = [first, *({"inputs": ["x"], "outputs": [layer["name"]], **layer} for layer in layers)]
    with quiet():
        config = create_config(**conversion.settings())
        config["HLSConfig"] = {
            "Model": {"Precision": {"default": str(kind)}, "ReuseFactor": 1, "Strategy": "Latency"},
            "LayerName": {"x": {"Precision": {"result": str(kind)}}, **asked},
        }
        graph = ModelGraph.from_layer_list(config, listed, ["x"], outputs or [layer["name"] for layer in layers])
        graph.write()
    return Source(graph, "hls4ml"), conversion


def _settings(types: dict[str, Any]) -> dict[str, Any]:
    """hls4ml's settings of a layer's types; it ignores those of tables under `Precision`."""
    tables = {k for k in types if k in ("table", "exp_table", "inv_table", "inv_inp", "inp_norm")}
    inside = {k: str(v) for k, v in types.items() if k not in tables}
    return {"Precision": inside, **{f"{k}_t": str(types[k]) for k in tables}}
