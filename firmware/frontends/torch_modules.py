"""What the Brevitas and PyTorch front ends share: a module's ONNX graph and its own outputs."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from trigforge.errors import InputError
from trigforge.firmware.frontends.conversion import FloatArray, quiet
from trigforge.firmware.frontends.onnx_graph import first_line

CHUNK = 4096


def checked(module: Any, event_shape: tuple[int, ...]) -> Any:
    """A copy of a PyTorch module in evaluation mode that takes events of a shape; else `InputError`."""
    import torch

    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"the model must be a torch.nn.Module, not {type(module).__name__}; load it with your own class"
        )
    if not event_shape or any(n < 1 for n in event_shape):
        raise InputError(f"example_shape must be the shape of one event without the batch axis, not {event_shape}")
    result = copy.deepcopy(module).to("cpu").eval()
    try:
        with torch.no_grad(), quiet():
            result(torch.zeros(2, *event_shape))
    except Exception as error:  # a module's forward can raise anything
        raise InputError(f"the module must take events of shape {event_shape}, but: {first_line(error)}") from None
    return result


@contextlib.contextmanager
def quiet_export() -> Iterator[None]:
    """Keep to ourselves what PyTorch's exporter prints, logs and warns about."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with quiet():
            yield
    finally:
        logging.disable(previous)


def predict(module: Any, event_shape: tuple[int, ...], values: FloatArray) -> FloatArray:
    """The module's own outputs (n, outputs) in float32, flattened and in order, for inputs (n, *event_shape)."""
    import torch

    inputs = values.reshape(-1, *event_shape).astype(np.float32)
    with torch.no_grad(), quiet():
        chunks = [_flat(module(torch.from_numpy(inputs[k : k + CHUNK]))) for k in range(0, len(inputs), CHUNK)]
    return np.concatenate(chunks)


def _flat(output: Any) -> FloatArray:
    parts = output if type(output) in (tuple, list) else [output]
    arrays = [np.asarray(getattr(p, "value", p), dtype=np.float64) for p in parts]
    return np.concatenate([a.reshape(len(a), -1) for a in arrays], axis=1)
