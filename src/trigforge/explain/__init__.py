"""What the score of a trigger looks at: Shapley values of the firmware's integers, by object and by word."""

from __future__ import annotations

from trigforge.explain.contributions import Contributions
from trigforge.explain.explaining import Explained, explain, explain_objects, explain_words

__all__ = ["Contributions", "Explained", "explain", "explain_objects", "explain_words"]
