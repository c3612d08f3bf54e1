"""What a mapped netlist holds: cells by kind, ports, and LUTs on its longest path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from trigforge.firmware.synthesis.families import Family
from trigforge.value import Value

NETLIST: Final = "netlist.json"


class Resources(Value):
    """Cells after technology mapping. An estimate of its tool: not comparable with HLS or post-route counts."""

    lut: int = Field(ge=0)
    """Look-up tables that hold logic, shift registers or small memories."""
    ff: int = Field(ge=0)
    dsp: int = Field(ge=0)
    bram: int = Field(ge=0)
    carry: int = Field(ge=0)
    """Carry cells: of 8 bits (CARRY8), 4 bits (CARRY4) or 2 bits with their two LUTs (CCU2C)."""
    estimator: str
    shift: int = Field(default=0, ge=0)
    """Those of the LUTs that hold a shift register."""
    inverters: int = Field(default=0, ge=0)
    """Inverters that Yosys left beside the LUTs: each is one LUT more unless the vendor's tool absorbs it."""


def read_statistics(text: str, estimator: str, family: Family = Family.XCUP) -> Resources:
    """The resources in the output of Yosys' `stat -json`."""
    found: dict[str, int] = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]
    cells = family.cells

    def count(names: frozenset[str]) -> int:
        return sum(found.get(name, 0) for name in names)

    return Resources(
        lut=count(cells.lut | cells.shift | cells.memory),
        ff=count(cells.ff),
        dsp=count(cells.dsp),
        bram=count(cells.bram),
        carry=count(cells.carry),
        estimator=estimator,
        shift=count(cells.shift),
        inverters=count(frozenset({"INV"})),
    )


def top_module(netlist: Path) -> dict[str, Any]:
    """The top module of a netlist that Yosys' `write_json` wrote."""
    modules: dict[str, dict[str, Any]] = json.loads(netlist.read_text())["modules"]
    return next(m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))


def logic_levels(folder: Path, family: Family = Family.XCUP) -> int:
    """LUTs on the longest path between registers, or ports, of the netlist that `estimate` left in `folder`.

    A carry chain counts nothing in Xilinx devices, where LUTs feed it; in an ECP5, whose carry cells hold LUTs, one.
    """
    module, cells = top_module(folder / NETLIST), family.cells
    logic = {n: c for n, c in module["cells"].items() if c["type"] not in cells.clocked and c.get("port_directions")}
    driver = {bit: name for name, cell in logic.items() for _, bit in _bits(cell, "output")}
    inside = {name: [(p, bit) for p, bit in _bits(cell, "input")] for name, cell in logic.items()}
    before = {name: {driver[bit] for _, bit in bits if bit in driver} for name, bits in inside.items()}
    levels: dict[str, int] = {}
    for name in TopologicalSorter(before).static_order():
        kind = logic[name]["type"]
        reached = (levels.get(driver.get(bit, ""), 0) + _is_lut(kind, port, family) for port, bit in inside[name])
        levels[name] = max(reached, default=0)
    return max(levels.values(), default=0)


def _is_lut(kind: str, port: str, family: Family) -> bool:
    """Whether a path into a cell by a port goes through a LUT."""
    cells = family.cells
    return kind in cells.lut or (family is Family.ECP5 and kind in cells.carry and port != "CIN")


def _bits(cell: dict[str, Any], direction: str) -> Iterator[tuple[str, int]]:
    """The wires at a cell's inputs or outputs with their ports; constants are none."""
    for port, bits in cell["connections"].items():
        if cell["port_directions"][port] == direction:
            yield from ((port, bit) for bit in bits if isinstance(bit, int))
