"""Per-layer values of a graph: hls4ml's `trace`, from the program that the layers were lowered to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.firmware.emulator import compile_emulator
from trigforge.hls4ml_backend.compiled import compiled_of
from trigforge.hls4ml_backend.files import FOLDER, lower_graph
from trigforge.hls4ml_backend.interface import Prediction, real_type, to_reals


def trace(model: Any, x: Any) -> tuple[Prediction, dict[str, npt.NDArray[Any]]]:
    """hls4ml's prediction for `x` and the output (n, *shape) of every layer by name, whatever its `Trace` setting.

    The model is compiled first if it was not.
    """
    if getattr(model, "trigforge", None) is None:
        model.compile()
    compiled, dtype = compiled_of(model), real_type(x)
    lowering, _ = lower_graph(model)
    inside = lowering.inside()
    emulator = compile_emulator(inside, Path(model.config.get_output_dir()) / FOLDER)
    values = to_reals(emulator(compiled.interface.words(x)), inside, dtype)
    layers, start = {}, 0
    for layer in lowering.layers:
        stop = start + layer.values.size
        if layer.class_name != "Input":
            layers[layer.name] = np.ascontiguousarray(values[:, start:stop]).reshape(-1, *layer.values.shape)
        start = stop
    return compiled(x), layers
