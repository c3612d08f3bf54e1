"""Synthesis without vendor tools: Yosys maps an RTL design, nextpnr places and routes it, both kept by digest."""

from __future__ import annotations

from trigforge.firmware.synthesis.cached import SEEDS, Placement, Synthesis, place_and_route, synthesise
from trigforge.firmware.synthesis.families import Family, family_of
from trigforge.firmware.synthesis.harness import HarnessCost
from trigforge.firmware.synthesis.netlist import NETLIST, Resources, logic_levels, read_statistics
from trigforge.firmware.synthesis.nextpnr import CriticalPath, Ecp5, Route, read_route
from trigforge.firmware.synthesis.tools import nextpnr_command, nextpnr_version, yosys_command, yosys_version
from trigforge.firmware.synthesis.yosys import Block, estimate

__all__ = [
    "NETLIST",
    "SEEDS",
    "Block",
    "CriticalPath",
    "Ecp5",
    "Family",
    "HarnessCost",
    "Placement",
    "Resources",
    "Route",
    "Synthesis",
    "estimate",
    "family_of",
    "logic_levels",
    "nextpnr_command",
    "nextpnr_version",
    "place_and_route",
    "read_route",
    "read_statistics",
    "synthesise",
    "yosys_command",
    "yosys_version",
]
