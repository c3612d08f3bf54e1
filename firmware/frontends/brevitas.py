"""Brevitas modules (PyTorch), by way of QONNX."""

from __future__ import annotations

import importlib.util
from typing import Any

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.frontends.conversion import Conversion, Source, quiet
from trigforge.firmware.frontends.onnx import convert_onnx
from trigforge.firmware.frontends.onnx_graph import first_line
from trigforge.firmware.frontends.torch_modules import checked, predict, quiet_export


def convert_brevitas(module: Any, example_shape: tuple[int, ...], conversion: Conversion) -> Source:
    """Convert a PyTorch module with Brevitas layers and write its HLS project.

    `example_shape` is the shape of one event, without the batch axis. Scales must be powers of two (Brevitas's
    fixed-point quantisers). The reference is the module's own forward pass in evaluation mode. Raises `InputError` for
    what is not supported and `ExactnessError` for what has no exact integer meaning.
    """
    _require("brevitas", "onnxoptimizer", "onnxscript", "qonnx")
    import torch

    with quiet():
        import brevitas

    copy = checked(module, example_shape)
    if not any(type(m).__module__.startswith("brevitas.") for m in copy.modules()):
        raise InputError(
            f"the module {conversion.name!r} must have Brevitas layers; convert plain PyTorch with "
            "convert_pytorch and a precision"
        )
    source = convert_onnx(export_qonnx(copy, example_shape), conversion)
    framework = f"Brevitas {brevitas.__version__} on PyTorch {torch.__version__}"
    exact = source.reference is not None
    return Source(source.graph, framework, (lambda values: predict(copy, example_shape, values)) if exact else None)


def export_qonnx(module: Any, example_shape: tuple[int, ...]) -> Any:
    """The QONNX `ModelProto` of a Brevitas module."""
    import torch

    try:
        with quiet_export():
            from brevitas.export import export_qonnx as export

            return export(module, torch.zeros(1, *example_shape))
    except Exception as error:  # the exporter raises whatever the module's layers meet
        raise InputError(f"Brevitas cannot export the module as QONNX: {first_line(error)}") from error


def _require(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingToolError(f"Brevitas models need the package {package}; pip install 'trigforge[brevitas]'")
