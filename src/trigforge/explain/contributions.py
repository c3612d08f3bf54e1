"""`Contributions`: what every player of an event adds to its integer score, as exact fractions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from trigforge.errors import CheckError
from trigforge.fixed import IntArray
from trigforge.weighted import FloatArray


@dataclass(frozen=True, slots=True)
class Contributions:
    """Shapley values of events: player `j` of event `i` adds `numerators[i, j] / denominators[i]` to the score.

    They add up to `scores[i] - baseline` without any remainder (the efficiency axiom); another sum is a `CheckError`.
    `errors` (n, players) are the standard errors of sampled values and 0 where all coalitions were evaluated.
    """

    players: tuple[str, ...]
    scores: IntArray
    baseline: Fraction
    numerators: IntArray
    denominators: IntArray
    errors: FloatArray

    def __post_init__(self) -> None:
        whole = [int(d) * (int(s) - self.baseline) for d, s in zip(self.denominators, self.scores, strict=True)]
        sums = [sum(row) for row in self.numerators.tolist()]
        wrong = next((i for i, (a, b) in enumerate(zip(sums, whole, strict=True)) if a != b), None)
        if wrong is not None:
            unit = f"in units of 1/{self.denominators[wrong]}"
            raise CheckError(
                f"the contributions of event {wrong} must add up to score less baseline, {whole[wrong]} {unit}, "
                f"not {sums[wrong]}"
            )

    @property
    def values(self) -> FloatArray:
        """The contributions as floats (n, players), for plots and means."""
        return np.asarray(self.numerators / self.denominators[:, None])
