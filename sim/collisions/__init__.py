"""Simulated collisions at trigger level: Pythia 8, a fast detector, pile-up, Level-1, HLT and offline objects."""

from __future__ import annotations

from trigforge.sim.collisions.config import ENHANCED_BIAS, ZERO_BIAS, CollisionConfig, Content, SampleConfig
from trigforge.sim.collisions.dataset import Sample, simulate
from trigforge.sim.collisions.processes import PRIMARIES, Process

__all__ = [
    "ENHANCED_BIAS",
    "PRIMARIES",
    "ZERO_BIAS",
    "CollisionConfig",
    "Content",
    "Process",
    "Sample",
    "SampleConfig",
    "simulate",
]
