"""Functional coverage: what events have shown of a program, what no event can, and a search for what is open."""

from __future__ import annotations

from trigforge.sim.coverage.measure import Coverage, coverage, measure
from trigforge.sim.coverage.points import Bins, bins_of
from trigforge.sim.coverage.search import Effort, close
from trigforge.sim.coverage.settle import Settled, settle

__all__ = ["Bins", "Coverage", "Effort", "Settled", "bins_of", "close", "coverage", "measure", "settle"]
