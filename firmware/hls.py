"""The hls4ml front end: conversion to a `ModelGraph`, its C++ simulation, and the HLS project it writes."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, MissingToolError
from .project import Targets


@dataclass(frozen=True, slots=True)
class HlsProject:
    """An hls4ml model graph and the folder of its HLS project."""

    graph: Any
    folder: Path

    def csim(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Outputs (n, outputs) of hls4ml's compiled C++ for normalised inputs (n, words)."""
        with _quiet():
            outputs = self.graph.predict(np.ascontiguousarray(values, dtype=np.float32))
        return np.asarray(outputs, dtype=np.float64).reshape(len(values), -1)


def convert(model: Any, targets: Targets, folder: Path, name: str) -> HlsProject:
    """Convert a quantised Keras model with `bit_exact=True` and write its Vitis HLS project to `folder`."""
    import hls4ml

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
    return HlsProject(graph, folder)


def compile_csim(project: HlsProject) -> HlsProject:
    """Compile the C++ simulation with g++; a failing compiler raises `MissingToolError` with its last line."""
    log = io.StringIO()
    try:
        with _quiet(log):
            project.graph.compile()
    except Exception as error:
        lines = log.getvalue().strip().splitlines() or [str(error)]
        raise MissingToolError(f"g++ must compile the C++ in {project.folder}, but: {lines[-1]}") from error
    return project


@contextlib.contextmanager
def _quiet(log: io.StringIO | None = None) -> Any:
    """hls4ml and Keras print and warn about matters that are ours, not the user's."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(log or io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def check_trained_input(model: Any, words: int) -> None:
    """A model must take the contract's words in one input."""
    shapes = [tuple(t.shape[1:]) for t in model.inputs]
    if shapes != [(words,)]:
        raise InputError(f"the model must take one input of {words} words, not {shapes}")
