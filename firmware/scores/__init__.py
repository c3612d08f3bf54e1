"""Scores in the graph: what a trigger compares with its threshold."""

from trigforge.firmware.scores.build import add_score
from trigforge.firmware.scores.spec import (
    Distance,
    KullbackLeibler,
    Margin,
    Reconstructed,
    ReconstructionError,
    Score,
    SquaresOverVariance,
    SumOfSquares,
    Term,
    WeightedSum,
)

__all__ = [
    "Distance",
    "KullbackLeibler",
    "Margin",
    "Reconstructed",
    "ReconstructionError",
    "Score",
    "SquaresOverVariance",
    "SumOfSquares",
    "Term",
    "WeightedSum",
    "add_score",
]
