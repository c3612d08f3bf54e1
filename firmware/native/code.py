"""From an integer program to the C++ of its emulator."""

from __future__ import annotations

from trigforge.firmware.native.c_vector import VectorCode
from trigforge.firmware.native.lanes import choose_lanes, narrowest_lanes
from trigforge.firmware.native.schedule import schedule
from trigforge.firmware.native.translate import Source, translate, with_outputs
from trigforge.firmware.program import IntegerProgram


def vector_code(program: IntegerProgram, least: int | None = None) -> VectorCode:
    """The vector code that computes a program, word for word; `least` bits is the narrowest lane, None: the best."""
    source = Source(with_outputs(program.circuit), program.inputs)
    lanes = choose_lanes(source) if least is None else narrowest_lanes(source, least)
    nodes = [translate(index, source, lanes) for index in range(len(source.formats))]
    ordered = schedule(nodes, source.results, source.input_lane)
    return VectorCode(ordered, source.circuit, source.types, source.input_lane, lanes)
