"""Recorded scores and trigger bits against the exact emulator: mismatch rates, and what causes them."""

from __future__ import annotations

from trigforge.recorded.columns import Recorded
from trigforge.recorded.compare import Answer, Question, compare_recorded
from trigforge.recorded.process import process
from trigforge.recorded.study import Chunk, Study
from trigforge.recorded.summary import summarise
from trigforge.recorded.values import Comparison, Rate

__all__ = [
    "Answer",
    "Chunk",
    "Comparison",
    "Question",
    "Rate",
    "Recorded",
    "Study",
    "compare_recorded",
    "process",
    "summarise",
]
