"""What a rule of the export reads and gives, and casts to the types of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.export.builder import Builder, Constant, Operand, Tensor
from trigforge.firmware.export.grids import Grid, symmetric
from trigforge.firmware.export.targets import Target
from trigforge.firmware.lowering.layer import SEVERITY, Loss, Width, label, type_of
from trigforge.firmware.lowering.symbols import FloatArray, Symbols
from trigforge.firmware.lowering.tables import cast_real
from trigforge.fixed import FixedType, Overflow


@dataclass(frozen=True, slots=True)
class Result:
    """A layer's values before the cast to its result type; `final` values are not cast again."""

    tensor: Tensor
    final: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A layer: its node in hls4ml's graph, its inputs here and as the lowering has them, and what its types lose."""

    builder: Builder
    node: Any
    inputs: tuple[Tensor, ...]
    symbols: tuple[Symbols, ...]
    widths: tuple[Width, ...]

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.node.name)

    def input(self, index: int = 0) -> Tensor:
        """An input with channels last."""
        return self.builder.stored(self.inputs[index], first=False)

    def op(self, kind: str, operands: Sequence[Operand], grid: Grid, **settings: Any) -> Tensor:
        """Append an operator."""
        return self.builder.op(self.name, kind, operands, grid, **settings)

    def cast(self, tensor: Tensor, target: Target) -> Tensor:
        """Cast in the dialect's way."""
        return self.builder.dialect.cast(self.builder, tensor, target, self.name)

    def loss(self, place: str) -> Loss:
        """What interval arithmetic proved about the layer's types of one place."""
        losses = [width.loss for width in self.widths if width.place == place]
        return max(losses, key=lambda loss: SEVERITY[loss], default=Loss.NONE)

    def accumulated(self, tensor: Tensor, within: Grid) -> Tensor:
        """A sum as the layer's accumulator holds it; `within` bounds its partial sums.

        An accumulator that rounds or saturates partial sums is refused: no operator adds like that.
        """
        kind = type_of(self.node, "accum_t")
        if self.rounds_terms(within):
            raise self._refusal(kind, "rounds")
        return self._wrapped(tensor, kind, within, self.loss("accumulator"))

    def rounds_terms(self, within: Grid) -> bool:
        """Whether the accumulator drops fraction bits of what is added."""
        kind = type_of(self.node, "accum_t")
        return int(within.fraction.max(initial=kind.fraction)) > kind.fraction

    def rounded_sum(self, terms: Tensor, start: FloatArray) -> Tensor:
        """`start` plus the terms along the last axis but one, each rounded as the accumulator rounds it."""
        kind = type_of(self.node, "accum_t")
        bits = int(np.ceil(terms.grid.reach.max() / kind.lsb)).bit_length() + 1
        wide = kind.model_copy(update={"signed": True, "width": bits, "integer": bits - kind.fraction})
        rounded = self.cast(terms, Target.of_type(wide.model_copy(update={"overflow": Overflow.WRAP}), Loss.NONE))
        axis = len(terms.shape) - 2
        fraction = rounded.grid.fraction.max(axis=axis)
        low, high, reach = (part.sum(axis) for part in (rounded.grid.low, rounded.grid.high, rounded.grid.reach))
        within = symmetric(reach, fraction)
        axes = self.builder.whole(self.name, [axis + 1])
        total = self.op("ReduceSum", [rounded, axes], Grid(low, high, fraction), within=within, keepdims=0)
        first = cast_real(start, kind, f"the bias of {label(self.node)}")
        if first.any():
            moved = total.grid.affine(1.0, first)
            within = symmetric(reach + abs(first), np.broadcast_to(moved.fraction, reach.shape))
            total = self.op("Add", [total, Constant(first, learnt=True)], moved, within=within)
        beyond = (total.grid.low < kind.low * kind.lsb).any() or (total.grid.high > kind.high * kind.lsb).any()
        return self._wrapped(total, kind, within, Loss.WRAPS if beyond else Loss.NONE)

    def _wrapped(self, tensor: Tensor, kind: FixedType, within: Grid, loss: Loss) -> Tensor:
        """A sum without fraction bits to lose; wrapping commutes with addition, saturation must not occur."""
        inside = kind.signed and bool(within.reach.max(initial=0.0) <= kind.high * kind.lsb)
        if kind.overflow is not Overflow.WRAP and not inside:
            raise self._refusal(kind, "saturates")
        wrapping = kind.model_copy(update={"overflow": Overflow.WRAP})
        return self.cast(tensor, Target.of_type(wrapping, Loss.NONE if inside else loss))

    def _refusal(self, kind: FixedType, action: str) -> ExactnessError:
        return ExactnessError(
            f"the accumulator of {label(self.node)} must hold every partial sum to be exported, {kind} {action} them; "
            "give accum a wider type"
        )

    def reshaped(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The tensor in another shape, channels last."""
        if tensor.shape == shape:
            return tensor
        plain = self.builder.stored(tensor, first=False)
        target = self.builder.whole(self.name, [0, *shape])
        return self.op("Reshape", [plain, target], plain.grid.moved(lambda a: a.reshape(shape)))

    def transposed(self, tensor: Tensor, axes: Sequence[int]) -> Tensor:
        """Axes in another order, counted without the batch."""
        plain, order = self.builder.stored(tensor, first=False), tuple(axes)
        if order == tuple(range(len(order))):
            return plain
        return self.op(
            "Transpose", [plain], plain.grid.moved(lambda a: np.transpose(a, order)), perm=[0, *(a + 1 for a in order)]
        )


Rule = Callable[[Step], Result]
"""From a layer to its values."""
