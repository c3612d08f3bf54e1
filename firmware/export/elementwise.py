"""Rules of activations, quantisers and tables."""

from __future__ import annotations

import numpy as np

from trigforge.errors import ExactnessError
from trigforge.firmware.export.builder import Constant, Tensor
from trigforge.firmware.export.grids import Grid, largest
from trigforge.firmware.export.limits import clipped
from trigforge.firmware.export.step import Result, Step
from trigforge.firmware.export.targets import Target
from trigforge.firmware.lowering import rules as lowering_rules
from trigforge.firmware.lowering.activations import literal
from trigforge.firmware.lowering.layer import Loss, covering_type, examine, label, result_type, type_of, weight
from trigforge.firmware.lowering.symbols import FloatArray, cast, interval_symbols, type_symbols
from trigforge.firmware.program import trace_program
from trigforge.fixed import FixedType, Overflow, Rounding

MAX_ENTRIES = 1 << 16
"""Entries of the largest table that is written."""


def activation(step: Step) -> Result:
    """Linear and rectified ones as operators, all others as tables of their exact results."""
    (tensor,) = step.inputs
    match str(step.node.get_attr("activation")).lower():
        case "linear":
            return Result(tensor)
        case "relu":
            return Result(_relu(step, tensor))
        case "relu1" | "relu6" as name:
            return Result(clipped(step.builder, tensor, np.array(0.0), np.array(float(name[-1])), step.name))
        case _:
            return table(step)


def parametrized_activation(step: Step) -> Result:
    """Leaky and thresholded rectified ones as operators, all others as tables."""
    kind = type_of(step.node, "param_t")
    parameter = literal(step.node.get_attr("activ_param", 1.0), kind, f"the parameter of {label(step.node)}")
    match str(step.node.get_attr("activation")).lower().replace("_", ""):
        case "leakyrelu":
            return Result(_leaky(step, np.array(parameter)))
        case "thresholdedrelu":
            return Result(_thresholded(step, parameter))
        case _:
            return table(step)


def _thresholded(step: Step, threshold: float) -> Tensor:
    """`x` above the threshold, else 0."""
    (tensor,) = step.inputs
    lsb = np.ldexp(1.0, -tensor.grid.finest)
    above = _from(step, np.array(np.floor(threshold / lsb) * lsb + lsb), lsb)
    return step.op("Mul", [tensor, above], tensor.grid.times(above.grid))


def prelu(step: Step) -> Result:
    """`x` where positive, else `alpha x`, one alpha an element."""
    return Result(_leaky(step, weight(step.node, "param").reshape(step.inputs[0].shape)))


def hard_activation(step: Step) -> Result:
    """`s = clip(slope x + shift, 0, 1)`, for hard_tanh `2 s - 1`."""
    slope, shift = (
        literal(step.node.get_attr(name), type_of(step.node, f"{name}_t"), f"the {name} of {label(step.node)}")
        for name in ("slope", "shift")
    )
    line = _line(step, step.inputs[0], slope, shift)
    sigmoid = clipped(step.builder, line, np.array(0.0), np.array(1.0), step.name)
    hyperbolic = str(step.node.get_attr("activation")).lower() == "hard_tanh"
    return Result(_line(step, sigmoid, 2.0, -1.0) if hyperbolic else sigmoid)


def _relu(step: Step, tensor: Tensor) -> Tensor:
    return step.op("Relu", [tensor], tensor.grid.bounded(0.0, np.inf))


def _line(step: Step, tensor: Tensor, slope: float, shift: float) -> Tensor:
    scaled = step.op("Mul", [tensor, Constant(np.array(slope), learnt=True)], tensor.grid.affine(slope, 0.0))
    return step.op("Add", [scaled, Constant(np.array(shift), learnt=True)], tensor.grid.affine(slope, shift))


def _leaky(step: Step, slope: FloatArray) -> Tensor:
    """`relu(x) - slope · relu(-x)`."""
    (tensor,) = step.inputs
    positive = _relu(step, tensor)
    negative = _relu(step, step.op("Mul", [tensor, Constant(np.array(-1.0))], tensor.grid.affine(-1.0, 0.0)))
    given = Constant(step.builder.aligned(slope, tensor), learnt=True)
    scaled = step.op("Mul", [negative, given], negative.grid.affine(slope, 0.0))
    return step.op("Sub", [positive, scaled], positive.grid.plus(scaled.grid.affine(-1.0, 0.0)))


def table(step: Step) -> Result:
    """`Gather` from the layer's results for every value that reaches it, as the lowering computes them."""
    (tensor,) = step.inputs
    low, high = float(tensor.grid.low.min()), float(tensor.grid.high.max())
    fraction = tensor.grid.finest
    count = int(np.ldexp(high - low, fraction)) + 1
    if count > MAX_ENTRIES:
        raise ExactnessError(
            f"{label(step.node)} must take at most {MAX_ENTRIES} values to be exported as a table, not {count}; give "
            "its input a narrower type"
        )
    values = low + np.ldexp(np.arange(count, dtype=np.float64), -fraction)
    entries = _entries(step, values, fraction)
    places = _line_of_places(step, tensor, low, fraction)
    shape = tensor.shape
    finest = Grid.of_constants(entries).finest
    results = Grid(np.full(shape, entries.min()), np.full(shape, entries.max()), np.full(shape, finest))
    index = step.builder.integers(step.name, places)
    return Result(step.builder.table(step.name, entries, index, results, first=tensor.first), final=True)


def _line_of_places(step: Step, tensor: Tensor, low: float, fraction: int) -> Tensor:
    """The index of every value in its table."""
    moved = step.op("Sub", [tensor, Constant(np.array(low))], tensor.grid.affine(1.0, -low))
    return step.op("Mul", [moved, Constant(np.array(2.0**fraction))], moved.grid.affine(2.0**fraction, 0.0))


def _entries(step: Step, values: FloatArray, fraction: int) -> FloatArray:
    """The layer's results for some values of its input, cast to their type."""
    node, where = step.node, label(step.node)
    kind = covering_type(interval_symbols(values[:1], values[-1:], np.ldexp(np.ones(1), -fraction)), where)
    symbols = type_symbols([kind])
    outcome = lowering_rules.RULES[node.class_name](node, [symbols])
    results = outcome.values if outcome.final else cast(outcome.values, result_type(node), where)
    program = trace_program(symbols, results, [kind])
    return np.asarray(program.to_float(program(kind.from_float(values)[:, None]))[:, 0], dtype=np.float64)


def fixed_point_quantizer(step: Step) -> Result:
    """HGQ's quantiser: pruned elements become 0, the others are cast, each to its own type."""
    node, (tensor,), (symbols,) = step.node, step.inputs, step.symbols
    rounding, overflow = Rounding(node.RND), Overflow(node.SAT)
    masks = [np.broadcast_to(m[0], tensor.shape).ravel().astype(int).tolist() for m in node.mask_kbi]
    kinds: list[FixedType | None] = []
    losses = []
    for signed, width, integer, value in zip(*masks, symbols.reshape(-1, 1), strict=True):
        if width <= (signed and overflow is Overflow.SAT_SYM):
            kinds.append(None)
            continue
        kind = FixedType(signed=bool(signed), width=width, integer=integer, rounding=rounding, overflow=overflow)
        kinds.append(kind)
        losses.append(examine(node.name, "quantiser", value, kind).loss)
    kept = np.array([kind is not None for kind in kinds], dtype=np.float64).reshape(tensor.shape)
    if not kept.all():
        mask = Constant(step.builder.aligned(kept, tensor), learnt=True)
        tensor = step.op("Mul", [tensor, mask], tensor.grid.affine(kept, 0.0))
    known = [kind for kind in kinds if kind is not None]
    if not known:
        return Result(tensor, final=True)
    if len(set(known)) == 1:
        loss = next((loss for loss in losses if loss in (Loss.SATURATES, Loss.WRAPS)), Loss.NONE)
        return Result(step.cast(tensor, Target.of_type(known[0], loss)), final=True)
    return Result(step.cast(tensor, Target.of_types(kinds, losses, tensor.shape, known[0])), final=True)


def quantised_tanh(step: Step) -> Result:
    """Binary: 1 from the threshold on, else 0; ternary: 1 above the upper threshold, -1 up to the lower one, else 0."""
    (tensor,) = step.inputs
    lsb = np.ldexp(1.0, -tensor.grid.finest)
    repeated = {
        name: np.tile(weight(step.node, name).ravel(), tensor.grid.low.size // weight(step.node, name).size).reshape(
            tensor.shape
        )
        for name in step.node.weights
        if name.startswith("threshold")
    }
    if int(step.node.get_attr("quantize")) == 2:
        return Result(_from(step, np.ceil(repeated["threshold"] / lsb) * lsb, lsb))
    upper = _from(step, np.floor(repeated["threshold_hi"] / lsb) * lsb + lsb, lsb)
    lower = _from(step, np.floor(repeated["threshold_lo"] / lsb) * lsb + lsb, lsb)
    above = step.op("Mul", [upper, Constant(np.array(2.0))], upper.grid.affine(2.0, 0.0))
    either = step.op("Max", [above, lower], largest(above.grid, lower.grid))
    return Result(step.op("Sub", [either, Constant(np.array(1.0))], either.grid.affine(1.0, -1.0)))


def _from(step: Step, threshold: FloatArray, lsb: float) -> Tensor:
    """1 from the threshold on, else 0: `clip((x - threshold) / lsb + 1, 0, 1)` on the input's grid."""
    (tensor,) = step.inputs
    moved = tensor.grid.affine(1.0, lsb - threshold)
    shifted = step.op("Add", [tensor, Constant(step.builder.aligned(lsb - threshold, tensor))], moved)
    scaled = step.op("Mul", [shifted, Constant(np.array(1 / lsb))], moved.affine(1 / lsb, 0.0))
    return clipped(step.builder, scaled, np.array(0.0), np.array(1.0), step.name)
