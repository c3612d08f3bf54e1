"""What the score of a trigger looks at: Shapley values of the firmware's integers, by object and by word."""

from __future__ import annotations

from trigforge.explain.contributions import Contributions
from trigforge.explain.explaining import PAIRS, Explained, explain, explain_objects, explain_words
from trigforge.explain.study import Effort, ExplainedGroup, SampleWords, Subject, spread, study
from trigforge.explain.summary import Explanations, Group, Importance, Kind, ShownEvent

__all__ = [
    "PAIRS",
    "Contributions",
    "Effort",
    "Explained",
    "ExplainedGroup",
    "Explanations",
    "Group",
    "Importance",
    "Kind",
    "SampleWords",
    "ShownEvent",
    "Subject",
    "explain",
    "explain_objects",
    "explain_words",
    "spread",
    "study",
]
