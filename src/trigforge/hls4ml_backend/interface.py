"""`Interface`: the tensors of a converted model and how their real numbers become words and back, as in hls4ml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from trigforge import contract
from trigforge.errors import ExactnessError, InputError
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import FixedType, IntArray
from trigforge.hls4ml_backend.reals import Reals, mantissas
from trigforge.value import Value

MAX_WIDTH = 32
"""Bits of an input with its sign: words are held as int32."""

Prediction = npt.NDArray[Any] | list[npt.NDArray[Any]]
"""hls4ml's: an array if the model has one output, else a list; without the axis of events if there is one event."""


class Settings(Value):
    """The section `Trigforge` of hls4ml's configuration; in YAML its keys are in hls4ml's spelling (`CheckVectors`)."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)

    check_vectors: int = Field(default=4000, ge=0)
    """Vectors on which `compile` compares with hls4ml's csim; 0 does not compile csim at all."""
    latency_budget_ns: float | None = Field(default=None, gt=0)
    """What RTL of a higher latency is refused for; default: hls4ml knows no budget."""
    stages: int | None = Field(default=None, ge=1)
    """Logic stages of the RTL; default: the fewest that meet the clock."""
    ns_per_level: float | None = Field(default=None, gt=0)
    """Delay of a LUT and its net; needed for parts that trigforge knows nothing of."""


class InputTensor(Value):
    """An input of the model; its words are mantissas of `kind`."""

    name: str
    shape: tuple[int, ...]
    kind: FixedType
    """With the rounding and overflow with which real numbers are converted."""
    ap_int: bool = False
    """Whether the C++ type is `ap_int`, which converts real numbers in its own way."""

    @property
    def size(self) -> int:
        """Number of words."""
        return math.prod(self.shape)


class OutputTensor(Value):
    """An output of the model."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of words."""
        return math.prod(self.shape)


class Interface(Value):
    """What a project's program does not say itself: the model's tensors, the device, and what may wrap."""

    project: str
    stamp: str
    """hls4ml's stamp of the written project, in the name of its csim library."""
    inputs: tuple[InputTensor, ...] = Field(min_length=1)
    outputs: tuple[OutputTensor, ...] = Field(min_length=1)
    part: str
    clock_ns: float
    clock_uncertainty: float
    settings: Settings
    may_wrap: tuple[str, ...]
    """Types that interval arithmetic does not prove wide enough for every input, and what they would need."""

    def words(self, x: Any) -> npt.NDArray[np.int32]:
        """Words (n, words) of what hls4ml's `predict` takes: a float array, or a list of one an input."""
        arrays = [x] if len(self.inputs) == 1 else x
        if not isinstance(arrays, list | tuple) or len(arrays) != len(self.inputs):
            raise InputError(f"x must be a list of {len(self.inputs)} arrays, one an input of the model")
        parts = [_words(array, tensor) for array, tensor in zip(arrays, self.inputs, strict=True)]
        if len({len(part) for part in parts}) > 1:
            raise InputError(f"all inputs must have as many events, not {', '.join(str(len(p)) for p in parts)}")
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def prediction(self, outputs: IntArray, program: IntegerProgram, dtype: npt.DTypeLike) -> Prediction:
        """hls4ml's prediction, of type `dtype`, for output words (n, outputs)."""
        reals = to_reals(outputs, program, dtype)
        edges = np.cumsum([tensor.size for tensor in self.outputs])[:-1]
        parts = [np.ascontiguousarray(part) for part in np.split(reals, edges, axis=1)]
        parts = [part[0] for part in parts] if len(reals) == 1 else parts
        return parts[0] if len(parts) == 1 else parts


def real_type(x: Any) -> np.dtype[Any]:
    """The type of numbers that a prediction for `x` has: that of the first input."""
    dtype: np.dtype[Any] = (x[0] if isinstance(x, list | tuple) else x).dtype
    return dtype


def to_reals(words: IntArray, program: IntegerProgram, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Output words (n, outputs) as real numbers, rounded to nearest, ties to even, where `dtype` is too narrow."""
    lsbs = np.array([t.lsb for t in program.outputs], dtype=dtype)
    reals: npt.NDArray[Any] = words.astype(dtype)
    reals *= lsbs
    return reals


def model_contract(inputs: tuple[InputTensor, ...]) -> contract.InputContract:
    """The contract of a model that takes the words of its inputs as they are, one collection an input."""
    if any(tensor.kind.width > MAX_WIDTH - (not tensor.kind.signed) for tensor in inputs):
        raise _too_wide(inputs)
    try:
        collections = tuple(
            contract.Collection(name=tensor.name, count=tensor.size, fields=(_field(tensor.kind),)) for tensor in inputs
        )
        return contract.InputContract(name="hls4ml", collections=collections, model_input=_common(inputs))
    except ValueError:  # pydantic's are
        raise _too_wide(inputs) from None


def _too_wide(inputs: tuple[InputTensor, ...]) -> ExactnessError:
    types = ", ".join(f"{tensor.kind} of {tensor.name!r}" for tensor in inputs)
    return ExactnessError(
        f"input types must have at most {MAX_WIDTH} bits, sign included, of them -32..32 behind the point, not "
        f"{types}; give the inputs other types in the hls4ml config"
    )


def _words(array: Any, tensor: InputTensor) -> npt.NDArray[np.int32]:
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
        found = f"{array.dtype} array" if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"input {tensor.name!r} must be a float32 or float64 array, not a {found}")
    if array.size % tensor.size:
        raise InputError(f"input {tensor.name!r} must have the shape (n, {_sizes(tensor.shape)}), not {array.shape}")
    reals: Reals = array.reshape(-1, tensor.size)
    return mantissas(reals, tensor.kind, ap_int=tensor.ap_int)


def _sizes(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _field(kind: FixedType) -> contract.Field:
    return contract.Field(
        name="x", unit="", lsb=kind.lsb, bits=kind.width, signed=kind.signed, low=kind.low, high=kind.high,
        shift=kind.fraction,
    )  # fmt: skip


def _common(inputs: tuple[InputTensor, ...]) -> FixedType:
    """The narrowest type that holds every value of every input."""
    kinds = [tensor.kind for tensor in inputs]
    signed = any(kind.signed for kind in kinds)
    integer = max(kind.integer + (signed and not kind.signed) for kind in kinds)
    return FixedType(signed=signed, width=integer + max(kind.fraction for kind in kinds), integer=integer)
