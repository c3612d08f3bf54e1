"""The hls4ml front end: conversion to a `ModelGraph`, the HLS project it writes, and its compiled C++ simulation."""

from __future__ import annotations

import contextlib
import ctypes
import io
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.project import Targets


@dataclass(frozen=True, slots=True)
class Csim:
    """hls4ml's C++ of a model, compiled with g++; calling it maps normalised inputs (n, words) to (n, outputs)."""

    function: Any
    inputs: int
    outputs: int

    def __call__(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Outputs (n, outputs) in double precision, which holds every fixed-point value of up to 53 bits."""
        array = np.ascontiguousarray(values, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != self.inputs:
            raise InputError(f"csim inputs must have the shape (n, {self.inputs}), not {array.shape}")
        out = np.empty((len(array), self.outputs))
        for row, result in zip(array, out, strict=True):
            self.function(row.ctypes.data, result.ctypes.data)
        return out


def convert(model: Any, targets: Targets, folder: Path, name: str) -> Any:
    """Convert a quantised Keras model with `bit_exact=True`, write its Vitis HLS project and return the graph.

    What was in `folder` is replaced. Raises `InputError` with hls4ml's reason if it cannot convert the model.
    """
    import hls4ml

    if folder.exists():
        shutil.rmtree(folder)
    try:
        with _quiet():
            config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis")
            graph = hls4ml.converters.convert_from_keras_model(
                model,
                hls_config=config,
                output_dir=str(folder),
                project_name=name,
                backend="Vitis",
                io_type="io_parallel",
                part=targets.part,
                clock_period=targets.clock_ns,
                bit_exact=True,
            )
            graph.write()
    except (AssertionError, NotImplementedError, ValueError, KeyError) as error:
        raise InputError(f"hls4ml cannot convert model {name!r}: {error}") from error
    return graph


def compile_csim(graph: Any) -> Csim:
    """Compile a graph's C++ simulation; a failing compiler raises `MissingToolError` with its last line."""
    log = io.StringIO()
    try:
        with _quiet(log):
            graph.compile()
    except Exception as error:
        lines = log.getvalue().strip().splitlines() or [str(error)]
        raise MissingToolError(f"g++ must compile the C++ that hls4ml wrote, but: {lines[-1]}") from error
    config = graph.config
    inputs, outputs = graph.get_input_variables()[0].size(), graph.get_output_variables()[0].size()
    return load_csim(Path(config.get_output_dir()), config.get_project_name(), inputs, outputs)


def load_csim(folder: Path, name: str, inputs: int, outputs: int) -> Csim:
    """The compiled simulation of the HLS project in `folder`."""
    libraries = sorted((folder / "firmware").glob(f"{name}-*.so"))
    if len(libraries) != 1:
        raise InputError(f"{folder} must hold one compiled simulation, not {len(libraries)}; run 'trigforge convert'")
    function = getattr(ctypes.CDLL(str(libraries[0].resolve())), f"{name}_double")
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    function.restype = None
    return Csim(function, inputs, outputs)


@contextlib.contextmanager
def _quiet(log: io.StringIO | None = None) -> Iterator[None]:
    """Keep to ourselves what hls4ml prints and Keras warns about: it concerns our calls, not the user's input."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(log or io.StringIO()):
        warnings.simplefilter("ignore")
        yield
