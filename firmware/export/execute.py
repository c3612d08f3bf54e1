"""Running exported files where others run them, and comparing them with the program word for word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.contract import InputContract
from trigforge.errors import CheckError, MissingToolError
from trigforge.firmware.export.builder import load_onnx
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray

CHUNK = 4096
FloatArray = npt.NDArray[np.float64]


def run_exported(path: Path, values: FloatArray) -> FloatArray:
    """The outputs (n, outputs) of an exported file for inputs (n, words), flattened and in order.

    QONNX runs in the package qonnx, plain ONNX in ONNX Runtime. Raises `MissingToolError` without them.
    """
    model = load_onnx().load(str(path))
    run = _run_qonnx if any(node.domain for node in model.graph.node) else _run_onnx
    try:
        return run(model, values)
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"running {path} needs the package {error.name}; pip install 'trigforge[brevitas]'"
        ) from None


def check_exported(path: Path, contract: InputContract, program: IntegerProgram, words: IntArray) -> None:
    """Raise `CheckError` unless the file gives the program's output words for contract words (n, words)."""
    expected = program.to_float(program(words))
    given = run_exported(path, _normalised(contract, words))
    wrong = int((given != expected).sum())
    if wrong:
        event, output = (int(n) for n in np.argwhere(given != expected)[0])
        raise CheckError(
            f"{path} must give the program's words: {wrong} of {expected.size} differ, first event {event}, output "
            f"{output}: {given[event, output]!r} instead of {expected[event, output]!r}"
        )


def _normalised(contract: InputContract, words: IntArray) -> FloatArray:
    """The model's inputs, in real values: `cast((word - offset) · 2^-shift)`."""
    kind = contract.model_input
    columns = [kind.cast(words[:, i] - f.offset, f.shift) for i, f in enumerate(contract.fields)]
    return kind.to_float(np.stack(columns, axis=1))


def _run_qonnx(model: Any, values: FloatArray) -> FloatArray:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx

    chunk = min(len(values), CHUNK)
    wrapper = ModelWrapper(_with_batch(model, chunk))
    filled = np.concatenate([values, np.zeros((-len(values) % chunk, values.shape[1]))])
    results = []
    for rows in np.split(filled, len(filled) // chunk):
        outputs = execute_onnx(wrapper, _feeds(model, rows))
        results.append([outputs[info.name] for info in model.graph.output])
    return _flat(results)[: len(values)]


def _run_onnx(model: Any, values: FloatArray) -> FloatArray:
    from onnxruntime import InferenceSession

    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    pieces = [values[i : i + CHUNK] for i in range(0, len(values), CHUNK)]
    return _flat([session.run(None, _feeds(model, rows)) for rows in pieces])


def _feeds(model: Any, rows: FloatArray) -> dict[str, npt.NDArray[Any]]:
    """The columns shared out to the model's inputs."""
    from onnx import helper

    feeds, start = {}, 0
    for info in model.graph.input:
        kind = info.type.tensor_type
        shape = [dim.dim_value for dim in kind.shape.dim][1:]
        part = rows[:, start : start + int(np.prod(shape))]
        start += part.shape[1]
        feeds[info.name] = part.reshape(-1, *shape).astype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return feeds


def _flat(pieces: list[list[npt.NDArray[Any]]]) -> FloatArray:
    rows = [np.concatenate([np.asarray(p, dtype=np.float64).reshape(len(p), -1) for p in parts], 1) for parts in pieces]
    return np.concatenate(rows)


def _with_batch(model: Any, events: int) -> Any:
    """A copy of a model for a batch of one, for a batch of `events`."""
    import copy

    changed = copy.deepcopy(model)
    graph = changed.graph
    constant = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if all(name in constant for name in node.input):
            constant.update(node.output)
    for info in [*graph.input, *graph.output, *graph.value_info]:
        if info.name not in constant:
            info.type.tensor_type.shape.dim[0].dim_value = events
    return changed
