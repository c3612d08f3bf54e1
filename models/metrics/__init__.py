"""How well scores separate signals from weighted background: with errors, beside baselines, or not quoted."""

from trigforge.models.metrics.baselines import IsolationForest, baseline_scores, grow_forest
from trigforge.models.metrics.comparison import (
    BASELINES,
    AtPoint,
    Comparison,
    Outcome,
    Row,
    ScoreKind,
    TotalImprovement,
    Verdict,
    gain_at,
)
from trigforge.models.metrics.efficiencies import Efficiency, Gain, Signal
from trigforge.models.metrics.measure import (
    DEFAULT_POINTS,
    IMPROVEMENT_POINTS,
    Options,
    ScoreArrays,
    compare_scores,
)
from trigforge.models.metrics.points import Background, Cut, Target, WorkingPoint, find_cut
from trigforge.models.metrics.roc import Improvement, Roc, efficiency, improvement, roc
from trigforge.models.metrics.sculpting import Sculpting, jensen_shannon, sculpting, sculpting_variables
from trigforge.models.metrics.values import Measured, Quoted, Refused

__all__ = [
    "BASELINES",
    "DEFAULT_POINTS",
    "IMPROVEMENT_POINTS",
    "AtPoint",
    "Background",
    "Comparison",
    "Cut",
    "Efficiency",
    "Gain",
    "Improvement",
    "IsolationForest",
    "Measured",
    "Options",
    "Outcome",
    "Quoted",
    "Refused",
    "Roc",
    "Row",
    "ScoreArrays",
    "ScoreKind",
    "Sculpting",
    "Signal",
    "Target",
    "TotalImprovement",
    "Verdict",
    "WorkingPoint",
    "baseline_scores",
    "compare_scores",
    "efficiency",
    "find_cut",
    "gain_at",
    "grow_forest",
    "improvement",
    "jensen_shannon",
    "roc",
    "sculpting",
    "sculpting_variables",
]
