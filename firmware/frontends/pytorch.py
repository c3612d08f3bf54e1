"""Plain PyTorch modules with a user's precision (post-training quantisation), by way of ONNX."""

from __future__ import annotations

from typing import Any

from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import Conversion, Source
from trigforge.firmware.frontends.onnx import convert_onnx
from trigforge.firmware.frontends.onnx_graph import first_line
from trigforge.firmware.frontends.torch_modules import checked, quiet_export


def convert_pytorch(module: Any, example_shape: tuple[int, ...], conversion: Conversion) -> Source:
    """Convert a floating-point PyTorch module with the user's types and write its HLS project.

    `example_shape` is the shape of one event, without the batch axis; inputs and outputs keep PyTorch's order (channels
    first). Layers are named after their modules. Raises `InputError` without a precision or for unsupported layers.
    """
    import torch

    if not conversion.precision.default:
        raise InputError(
            f"the PyTorch module {conversion.name!r} must have a precision; set precision.default, such as "
            "'fixed<16,6,RND,SAT>', or train it with Brevitas"
        )
    copy = checked(module, example_shape)
    source = convert_onnx(export_onnx(copy, example_shape), conversion)
    return Source(source.graph, f"PyTorch {torch.__version__}", None)


def export_onnx(module: Any, example_shape: tuple[int, ...]) -> Any:
    """The ONNX `ModelProto` of a module in evaluation mode."""
    import torch

    try:
        with quiet_export():
            program = torch.onnx.export(module, (torch.zeros(1, *example_shape),), dynamo=True, verbose=False)
    except Exception as error:  # the exporter raises whatever the module's layers meet
        raise InputError(f"PyTorch cannot export the module as ONNX: {first_line(error)}") from error
    assert program is not None
    return program.model_proto
