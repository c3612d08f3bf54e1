"""Simulation: collisions as a trigger sees them, and the firmware as a simulator runs it."""
