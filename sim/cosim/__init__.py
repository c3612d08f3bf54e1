"""Co-simulation of generated RTL with cocotb on Verilator, Icarus Verilog or GHDL, and the certificate of it."""

from __future__ import annotations

from trigforge.sim.cosim.certificate import LEVELS, Certificate, Divergence, LevelResult, compare
from trigforge.sim.cosim.cosim import CosimResult, simulate
from trigforge.sim.cosim.simulators import Simulator, SimulatorName, available_simulators, find_simulator
from trigforge.sim.cosim.vectors import Vectors, make_vectors

__all__ = [
    "LEVELS",
    "Certificate",
    "CosimResult",
    "Divergence",
    "LevelResult",
    "Simulator",
    "SimulatorName",
    "Vectors",
    "available_simulators",
    "compare",
    "find_simulator",
    "make_vectors",
    "simulate",
]
