"""hls4ml's csim of a written project: compiled by hls4ml's script, called in double precision, traced by layer."""

from __future__ import annotations

import ctypes
import math
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import MissingToolError
from trigforge.firmware.frontends.conversion import quiet
from trigforge.firmware.hls import Csim
from trigforge.hls4ml_backend.files import Project, load_project

Reals = npt.NDArray[np.float64]


class _TraceEntry(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("data", ctypes.c_void_p))


def compile_library(project: Project) -> None:
    """Run hls4ml's compile script; a compiler that is missing or fails raises `MissingToolError`."""
    result = subprocess.run(["bash", "build_lib.sh"], cwd=project.folder, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = (result.stderr.strip() or result.stdout.strip() or "no message").splitlines()
        raise MissingToolError(f"g++ must compile the C++ that hls4ml wrote, but: {lines[-1]}")


def load_csim(project: Project) -> Csim:
    """The compiled csim of a project."""
    interface = project.interface
    inputs, outputs = (tuple(t.size for t in group) for group in (interface.inputs, interface.outputs))
    function = getattr(_library(project), f"{interface.project}_double")
    function.argtypes = [ctypes.c_void_p] * (len(inputs) + len(outputs))
    function.restype = None
    return Csim(function, inputs, outputs)


def trace_csim(model: Any, values: Reals) -> dict[str, Reals]:
    """The values of every layer in csim for one event, inputs side by side; it is written and compiled anew for it."""
    with _traced(model) as layers, quiet():
        model.write()
        project = load_project(Path(model.config.get_output_dir()))
        compile_library(project)
        library = _library(project)
        library.allocate_trace_storage(ctypes.c_size_t(ctypes.sizeof(ctypes.c_double)))
        try:
            load_csim(project)(values)
            entries = (_TraceEntry * len(layers))()
            library.collect_trace_output(entries)
            found = {entry.name.decode(): entry.data for entry in entries if entry.name}
            return {name: _copy(found[name], size) for name, size in layers.items() if name in found}
        finally:
            library.free_trace_storage()


@contextmanager
def _traced(model: Any) -> Iterator[dict[str, int]]:
    """Let hls4ml write the model with traces of all layers; their sizes."""
    nodes = [node for node in model.graph.values() if node.get_attr("function_cpp", None)]
    before = {node.name: node.get_attr("trace", False) for node in nodes}
    output = model.config.trace_output
    model.config.trace_output = True
    for node in nodes:
        node.set_attr("trace", True)
    try:
        yield {node.name: math.prod(int(n) for n in node.get_output_variable().shape) for node in nodes}
    finally:
        model.config.trace_output = output
        for node in nodes:
            node.set_attr("trace", before[node.name])


def _library(project: Project) -> ctypes.CDLL:
    return ctypes.CDLL(str(project.library.resolve()))


def _copy(address: int, size: int) -> Reals:
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_double)), shape=(size,)).copy()
