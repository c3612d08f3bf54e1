"""`LayerList`: the hls4ml layers of an imported model, made one by one, each with types that lose nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import FloatArray
from trigforge.firmware.frontends.onnx_tensors import (
    FLOAT32_BITS,
    Constant,
    Grid,
    Tensor,
    constant_grid,
    round_to,
)
from trigforge.fixed import FixedType

CASTABLE = (
    "Dense",
    "Conv1D",
    "Conv2D",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Einsum",
    "EinsumDense",
    "BatchNormalization",
    "Activation",
    "Merge",
)
"""Layer classes that hls4ml casts to their result type as the very last step."""
VARIABLES = ("default", "weight", "bias", "scale", "param", "table", "accum", "result")


@dataclass(frozen=True, slots=True)
class UserTypes:
    """The types that a user gave, by layer and variable; `everywhere`: the default holds for the whole model."""

    default: FixedType | None
    layers: Mapping[str, Mapping[str, FixedType]]
    everywhere: bool

    def of(self, layer: str, variable: str, left_open: bool) -> FixedType | None:
        """The user's type of a variable, if there is one; `left_open`: the model has none of its own."""
        given = self.layers.get(layer, {})
        return given.get(variable) or given.get("default") or (self.default if self.everywhere or left_open else None)


@dataclass(slots=True)
class LayerList:
    """The layers so far, in hls4ml's own description, and the types of their variables."""

    user: UserTypes
    layers: list[dict[str, Any]] = field(default_factory=list)
    types: dict[str, dict[str, FixedType]] = field(default_factory=dict)
    open: dict[str, list[str]] = field(default_factory=dict)
    """Constants without quantiser and without the user's type, by layer."""
    final: set[str] = field(default_factory=set)
    """Layers whose result type is a quantiser's."""
    coded: bool = False
    """Whether any layer holds codes whose unit is not a power of two."""
    lossy: bool = False
    """Whether a user's type is used anywhere: the result is then no longer the model's own arithmetic."""

    def name(self, wanted: str) -> str:
        """A free layer name, an identifier in C++; names differ by more than case."""
        base = re.sub(r"\W+", "_", wanted).strip("_") or "layer"
        base = f"n_{base}" if base[0].isdigit() or base == "input" else base
        taken = {layer["name"].lower() for layer in self.layers}
        name, count = base, 1
        while name.lower() in taken:
            count += 1
            name = f"{base}_{count}"
        return name

    def constant(self, layer: str, variable: str, constant: Constant) -> FloatArray:
        """The values of a layer's constant in its type, which is noted."""
        kind = self.user.of(layer, variable, left_open=not constant.quantised)
        types = self.types.setdefault(layer, {})
        if kind is not None:
            types[variable], self.lossy = kind, True
            return round_to(constant.values, kind)
        grid = constant_grid(constant.values)
        if not constant.quantised:
            self.open.setdefault(layer, []).append(f"{variable}{constant.origin}")
            self._check_open(layer, grid, f"layer {layer!r}")
        types[variable] = grid.covering(f"{variable} of layer {layer!r}")
        return constant.values

    def add(
        self,
        layer: str,
        kind: str,
        inputs: Sequence[Tensor],
        grid: Grid,
        attributes: Mapping[str, Any],
        *,
        accumulates: bool = False,
    ) -> Tensor:
        """Append a layer whose exact results lie on `grid`; they get a type that holds them, or the user's."""
        where = f"layer {layer!r} ({kind})"
        types = self.types.setdefault(layer, {})
        exact = grid.covering(f"the result of {where}")
        self._check_open(layer, grid, where)
        if accumulates:
            types["accum"] = self.user.of(layer, "accum", left_open=False) or exact
        result = self.user.of(layer, "result", left_open=False)
        types["result"] = result or exact
        self.lossy |= result is not None
        names = [tensor.layer for tensor in inputs]
        self.layers.append({"name": layer, "class_name": kind, "inputs": names, "outputs": [layer], **attributes})
        return Tensor(layer, grid.cast(result) if result else grid, last=bool(inputs) and inputs[0].last)

    def _check_open(self, layer: str, grid: Grid, where: str) -> None:
        if layer in self.open and grid.bits > FLOAT32_BITS:
            raise ExactnessError(
                f"{' and '.join(self.open[layer])} of {where} must be quantised with a power-of-two scale: these "
                f"values need {grid.bits} bits, but float32 itself rounds to {FLOAT32_BITS}; train it with a "
                f"fixed-point quantiser, or choose its type in precision.layers.{layer}"
            )

    def recast(self, tensor: Tensor, kind: FixedType) -> bool:
        """Let the layer that makes `tensor` deliver `kind` itself, if its class casts last; else change nothing."""
        layer = next(entry for entry in self.layers if entry["name"] == tensor.layer)
        chosen = self.user.of(tensor.layer, "result", left_open=False)
        if layer["class_name"] not in CASTABLE or tensor.layer in self.final or chosen:
            return False
        self.set_result(tensor.layer, kind)
        return True

    def set_result(self, layer: str, kind: FixedType) -> None:
        """Let a layer deliver a quantiser's type."""
        self.types[layer]["result"] = kind
        self.final.add(layer)
