"""`Builder`: the nodes of an ONNX graph, every tensor with its grid, its layout and an exact floating-point type."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import ExactnessError, MissingToolError
from trigforge.firmware.export.grids import DOUBLE_BITS, FLOAT_BITS, Grid
from trigforge.firmware.export.targets import Target
from trigforge.firmware.lowering.symbols import FloatArray

OPSET = 13
IR_VERSION = 8
BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the ONNX graph.

    `grid` has hls4ml's order of axes (channels last) without the batch; `first`: stored with the channels first.
    """

    name: str
    grid: Grid
    double: bool = False
    first: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in hls4ml's order, without the batch axis."""
        return self.grid.shape

    @property
    def stored(self) -> tuple[int, ...]:
        """Shape as it is stored, without the batch axis."""
        return (self.shape[-1], *self.shape[:-1]) if self.first else self.shape


@dataclass(frozen=True, slots=True)
class Constant:
    """Values that an operator combines with a tensor; `learnt` ones are quantised in the dialect's way."""

    values: FloatArray
    learnt: bool = False


Operand = Tensor | Constant | str
"""A tensor, a constant in the floating-point type of its operator, or the name of an initialiser."""


class Dialect(abc.ABC):
    """How casts and learnt constants are written."""

    @abc.abstractmethod
    def cast(self, builder: Builder, tensor: Tensor, target: Target, layer: str) -> Tensor:
        """A tensor cast to a target; raises `ExactnessError` for what the dialect cannot say."""

    @abc.abstractmethod
    def learnt(self, builder: Builder, values: FloatArray, double: bool, layer: str) -> str:
        """The name of a learnt constant."""


@dataclass(slots=True)
class Builder:
    """The graph so far."""

    dialect: Dialect
    onnx: Any
    nodes: list[Any] = field(default_factory=list)
    initialisers: list[Any] = field(default_factory=list)
    infos: dict[str, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    turned: dict[tuple[str, bool], Tensor] = field(default_factory=dict)

    def input(self, name: str, grid: Grid) -> Tensor:
        """An input of the graph."""
        tensor = Tensor(self.free(name), grid, grid.steps > 2.0**FLOAT_BITS)
        self.note(tensor)
        return tensor

    def op(
        self,
        layer: str,
        kind: str,
        operands: Sequence[Operand],
        grid: Grid,
        *,
        within: Grid | None = None,
        first: bool | None = None,
        **attributes: Any,
    ) -> Tensor:
        """Append an operator whose results lie on `grid` and its partial results on `within`, in an exact type."""
        tensors = [operand for operand in operands if isinstance(operand, Tensor)]
        double = self.needs_double(layer, grid, within) or any(t.double for t in tensors)
        stored_first = tensors[0].first if first is None else first
        result = Tensor(self.free(f"{layer}_{kind.lower()}"), grid, double, stored_first)
        names = [self._operand(operand, double, layer) for operand in operands]
        self.node(kind, names, result.name, **attributes)
        self.note(result)
        return result

    def needs_double(self, layer: str, *grids: Grid | None) -> bool:
        """Whether single precision would round; `ExactnessError` if double precision would, too."""
        steps = max(grid.steps for grid in grids if grid is not None)
        if steps > 2.0**DOUBLE_BITS:
            raise ExactnessError(
                f"layer {layer!r} must be exact in double precision to be exported, it needs more than {DOUBLE_BITS} "
                "bits; use narrower types before it"
            )
        return steps > 2.0**FLOAT_BITS

    def node(self, kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> None:
        """Append a node as it is."""
        made = self.onnx.helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes)
        self.nodes.append(made)

    def typed(self, tensor: Tensor, double: bool) -> Tensor:
        """The tensor in a floating-point type that holds it."""
        if tensor.double == double:
            return tensor
        proto = self.onnx.TensorProto
        result = replace(tensor, name=self.free(f"{tensor.name}_{'double' if double else 'float'}"), double=double)
        self.node("Cast", [tensor.name], result.name, to=proto.DOUBLE if double else proto.FLOAT)
        self.note(result)
        return result

    def narrowed(self, tensor: Tensor) -> Tensor:
        """The tensor in single precision if that holds it."""
        return self.typed(tensor, double=False) if tensor.grid.steps <= 2.0**FLOAT_BITS else tensor

    def integers(self, layer: str, tensor: Tensor) -> str:
        """A tensor of whole numbers as int64."""
        name = self.free(f"{layer}_index")
        self.node("Cast", [tensor.name], name, to=self.onnx.TensorProto.INT64)
        self.infos[name] = self._info(name, (BATCH, *tensor.stored), self.onnx.TensorProto.INT64)
        return name

    def table(self, layer: str, entries: FloatArray, index: str, grid: Grid, *, first: bool) -> Tensor:
        """The entries at an index of int64, which has the layout of the results."""
        result = Tensor(self.free(f"{layer}_gather"), grid, self.needs_double(layer, grid), first)
        values = self.constant(layer, entries.astype(np.float64 if result.double else np.float32))
        self.node("Gather", [values, index], result.name, axis=0)
        self.note(result)
        return result

    def stored(self, tensor: Tensor, *, first: bool) -> Tensor:
        """The tensor with its channels first, or in hls4ml's order; turned only if it must be, and once."""
        rank = len(tensor.shape)
        if tensor.first == first or rank < 2:
            return tensor if rank < 2 else replace(tensor, first=first)
        key = tensor.name, first
        if key not in self.turned:
            perm = [0, rank, *range(1, rank)] if first else [0, *range(2, rank + 1), 1]
            side = "first" if first else "last"
            result = replace(tensor, name=self.free(f"{tensor.name}_channels_{side}"), first=first)
            self.node("Transpose", [tensor.name], result.name, perm=perm)
            self.note(result)
            self.turned[key], self.turned[result.name, not first] = result, tensor
        return replace(self.turned[key], grid=tensor.grid)

    def aligned(self, values: FloatArray, tensor: Tensor) -> FloatArray:
        """Constants that broadcast in hls4ml's order, with equal ones along an axis merged, in a tensor's layout."""
        array = np.asarray(values, dtype=np.float64)
        if array.size and (array == array.flat[0]).all():
            return np.array(array.flat[0])
        array = array.reshape((1,) * (len(tensor.shape) - array.ndim) + array.shape)
        for axis in range(array.ndim):
            first = array.take([0], axis)
            array = first if (array == first).all() else array
        turned: FloatArray = np.moveaxis(array, -1, 0) if tensor.first else array
        return turned

    def constant(self, layer: str, values: npt.NDArray[Any]) -> str:
        """The name of an initialiser."""
        name = self.free(f"{layer}_constant")
        whole = np.ascontiguousarray(values).reshape(values.shape)
        self.initialisers.append(self.onnx.numpy_helper.from_array(whole, name))
        return name

    def whole(self, layer: str, values: Sequence[int] | npt.NDArray[Any]) -> str:
        """The name of an initialiser of int64."""
        return self.constant(layer, np.asarray(values, dtype=np.int64))

    def free(self, wanted: str) -> str:
        """A name that no tensor has."""
        name, count = wanted, 1
        while name in self.names:
            count += 1
            name = f"{wanted}_{count}"
        self.names.add(name)
        return name

    def note(self, tensor: Tensor) -> None:
        """Note the shape and the type of a tensor whose node was appended as it is."""
        self._note(tensor.name, (BATCH, *tensor.stored), tensor.double)

    def note_constant(self, name: str, shape: tuple[int, ...], *, double: bool = False) -> None:
        """Note the shape and the type of a computed constant."""
        self._note(name, shape, double)

    def _operand(self, operand: Operand, double: bool, layer: str) -> str:
        if isinstance(operand, str):
            return operand
        if isinstance(operand, Tensor):
            return self.typed(operand, double).name
        if operand.learnt:
            return self.dialect.learnt(self, operand.values, double, layer)
        return self.constant(layer, np.asarray(operand.values, dtype=np.float64 if double else np.float32))

    def _note(self, name: str, shape: Sequence[int | str], double: bool) -> None:
        proto = self.onnx.TensorProto
        self.infos[name] = self._info(name, shape, proto.DOUBLE if double else proto.FLOAT)

    def _info(self, name: str, shape: Sequence[int | str], kind: int) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, kind, list(shape))


def load_onnx() -> Any:
    """The package onnx, or `MissingToolError`."""
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"writing ONNX needs the package {error.name}; pip install 'trigforge[brevitas]'"
        ) from None
    return onnx
