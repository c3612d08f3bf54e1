"""Simulated collisions at trigger level: Pythia 8, a fast detector, pile-up, Level-1 and HLT objects."""

from __future__ import annotations

from trigforge.sim.collisions.processes import SIGNALS, Process
from trigforge.sim.collisions.simulate import CollisionConfig, simulate

__all__ = ["SIGNALS", "CollisionConfig", "Process", "simulate"]
