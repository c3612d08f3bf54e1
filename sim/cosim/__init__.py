"""Co-simulation of generated RTL with cocotb on Verilator, Icarus Verilog or GHDL, and the certificate of it."""

from __future__ import annotations

from trigforge.sim.cosim.bulk import BulkModel, compile_bulk
from trigforge.sim.cosim.bulk_stream import BulkResult, random_rows, simulate_bulk
from trigforge.sim.cosim.certificate import LEVELS, Certificate, Divergence, LevelResult, compare
from trigforge.sim.cosim.cosim import CosimResult, simulate
from trigforge.sim.cosim.simulators import Simulator, SimulatorName, available_simulators, find_simulator
from trigforge.sim.cosim.vectors import Vectors, make_vectors

__all__ = [
    "LEVELS",
    "BulkModel",
    "BulkResult",
    "Certificate",
    "CosimResult",
    "Divergence",
    "LevelResult",
    "Simulator",
    "SimulatorName",
    "Vectors",
    "available_simulators",
    "compare",
    "compile_bulk",
    "find_simulator",
    "make_vectors",
    "random_rows",
    "simulate",
    "simulate_bulk",
]
