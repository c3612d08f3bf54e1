"""Proofs for all inputs, with open tools: Yosys elaborates, ABC decides, and what times out is unknown."""

from __future__ import annotations

from trigforge.sim.formal.equal import Counterexample, Limits, Proof, Result, Unknown, prove_equal
from trigforge.sim.formal.normaliser import prove_normaliser
from trigforge.sim.formal.program import prove_program
from trigforge.sim.formal.properties import Trace, prove_property
from trigforge.sim.formal.theorems import Proofs, Theorem, Verdict

__all__ = [
    "Counterexample",
    "Limits",
    "Proof",
    "Proofs",
    "Result",
    "Theorem",
    "Trace",
    "Unknown",
    "Verdict",
    "prove_equal",
    "prove_normaliser",
    "prove_program",
    "prove_property",
]
