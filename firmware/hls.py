"""hls4ml's compiled C++ simulation (csim) of a converted model."""

from __future__ import annotations

import ctypes
import io
import math
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.frontends.conversion import quiet


@dataclass(frozen=True, slots=True)
class Csim:
    """hls4ml's C++ of a model, compiled with g++; calling it maps normalised inputs (n, words) to (n, outputs).

    `inputs` and `outputs` are the sizes of the model's tensors; their values stand side by side, each in row-major
    order.
    """

    function: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __call__(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Outputs (n, outputs) in double precision, which holds every fixed-point value of up to 53 bits."""
        width = sum(self.inputs)
        array = np.ascontiguousarray(values, dtype=np.float64).reshape(len(values), -1)
        if array.shape[1] != width:
            raise InputError(f"csim inputs must have the shape (n, {width}), not {array.shape}")
        out = np.empty((len(array), sum(self.outputs)))
        starts = [*_starts(self.inputs), *_starts(self.outputs)]
        pointed = [array] * len(self.inputs) + [out] * len(self.outputs)
        bases = [a.ctypes.data + 8 * start for a, start in zip(pointed, starts, strict=True)]
        strides = [a.strides[0] for a in pointed]
        for event in range(len(array)):
            self.function(*(base + event * stride for base, stride in zip(bases, strides, strict=True)))
        return out


def compile_csim(graph: Any) -> Csim:
    """Compile a graph's C++ simulation; a failing compiler raises `MissingToolError` with its first error."""
    log = io.StringIO()
    try:
        with quiet(log):
            graph.compile()
    except Exception as error:
        lines = [line for line in log.getvalue().splitlines() if "error" in line] or [str(error)]
        raise MissingToolError(f"g++ must compile the C++ that hls4ml wrote, but: {lines[0].strip()}") from error
    config = graph.config
    return load_csim(Path(config.get_output_dir()), config.get_project_name(), *tensor_sizes(graph))


def tensor_sizes(graph: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes of a graph's input and output tensors."""
    variables = graph.get_input_variables(), graph.get_output_variables()
    inputs, outputs = (tuple(math.prod(int(n) for n in v.shape) for v in group) for group in variables)
    return inputs, outputs


def load_csim(folder: Path, name: str, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Csim:
    """The compiled simulation of the HLS project in `folder`, with the sizes of its tensors."""
    libraries = sorted((folder / "firmware").glob(f"{name}-*.so"))
    if len(libraries) != 1:
        raise InputError(f"{folder} must hold one compiled simulation, not {len(libraries)}; run 'trigforge convert'")
    function = getattr(ctypes.CDLL(str(libraries[0].resolve())), f"{name}_double")
    function.argtypes = [ctypes.c_void_p] * (len(inputs) + len(outputs))
    function.restype = None
    return Csim(function, inputs, outputs)


def _starts(sizes: tuple[int, ...]) -> list[int]:
    return [0, *accumulate(sizes)][:-1]
