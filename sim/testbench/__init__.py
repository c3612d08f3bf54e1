"""A core with a self-checking test bench and a script for each simulator, without Python."""

from __future__ import annotations

from trigforge.sim.testbench.write import FILES, Testbench, TestbenchRecord, hex_lines, write_testbench

__all__ = ["FILES", "Testbench", "TestbenchRecord", "hex_lines", "write_testbench"]
