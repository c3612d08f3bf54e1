"""Rules of layers that move values, and the refusal of layers that index with them."""

from __future__ import annotations

from typing import Any, NoReturn

from trigforge.errors import ExactnessError
from trigforge.firmware.lowering.layer import Outcome, label
from trigforge.firmware.lowering.symbols import Symbols


def reshape(node: Any, inputs: list[Symbols]) -> Outcome:
    """The same values in another shape: in hls4ml another name of the same memory, without a type of its own.

    hls4ml loses a quantiser that it fused into such a name, which is refused.
    """
    fused = "_result_t_propagated"
    if node.get_attr(fused) and not node.get_input_node().get_attr(fused):
        raise ExactnessError(
            f"{label(node)}: the quantiser after it must stand before it, since hls4ml drops it where another layer "
            "uses the same values; move it in front of the reshape"
        )
    return Outcome(inputs[0], final=True)


def transpose(node: Any, inputs: list[Symbols]) -> Outcome:
    """Axes in another order; every value is cast to the result."""
    return Outcome(inputs[0].transpose(tuple(int(axis) for axis in node.get_attr("perm"))))


def embedding(node: Any, _: list[Symbols]) -> NoReturn:
    """Refused: the C++ reads beyond its table for an index that the contract allows and the table does not hold."""
    raise ExactnessError(
        f"{label(node)} has no exact lowering: an index beyond its table reads other memory; encode the index one-hot "
        "in the contract and use a dense layer"
    )
