"""`Comparison`: scores and baselines beside one another on the same signals and background, with errors."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from trigforge.errors import InputError
from trigforge.models.metrics.efficiencies import Efficiency, Gain
from trigforge.models.metrics.points import Cut, Target, WorkingPoint
from trigforge.models.metrics.roc import Improvement, Roc
from trigforge.models.metrics.sculpting import Sculpting
from trigforge.models.metrics.values import Measured, Quoted, Refused
from trigforge.value import Value

SIGNIFICANT = 2.0
"""How many errors apart two scores must be for one to win."""


class ScoreKind(StrEnum):
    """What a score is: one model at three precisions, a part of it, others of its ensemble, or what it must beat."""

    FIRMWARE = "firmware"
    QUANTISED = "quantised"
    FLOAT = "float"
    LATENT = "latent only"
    MEMBER = "another seed"
    ENSEMBLE = "ensemble"
    FOREST = "isolation forest"
    CUT = "single quantity"


BASELINES = frozenset({ScoreKind.FOREST, ScoreKind.CUT})


class AtPoint(Value):
    """One score at one working point: its cut, and what of every signal passes; nothing where the cut is refused.

    `kept` is the mean over signals of the subject's efficiency divided by this score's.
    """

    point: WorkingPoint
    cut: Cut | Refused
    signals: dict[str, dict[Gain, Efficiency]]
    kept: dict[Gain, Quoted]


class TotalImprovement(Value):
    """Significance improvements of many signals (arXiv:2105.14027).

    Of every signal the largest ε_S/√ε_B over background efficiencies of 10⁻², 10⁻³ and 10⁻⁴; of those the largest,
    the median and the smallest.
    """

    signals: dict[str, Quoted]
    maximum: Quoted
    median: Quoted
    minimum: Quoted


class Row(Value):
    """Everything about one score; by signal: its ROC, by how much the subject's area exceeds its own, its best cut."""

    name: str
    kind: ScoreKind
    rocs: dict[str, Roc]
    area_lead: dict[str, Measured]
    improvement: dict[str, Improvement | Refused]
    points: tuple[AtPoint, ...]
    total_improvement: TotalImprovement
    sculpting: dict[str, Sculpting | Refused]

    def at(self, point: WorkingPoint) -> AtPoint:
        """The score at a working point; `InputError` if the comparison was not made there."""
        for found in self.points:
            if found.point == point:
                return found
        raise InputError(
            f"working point must be one of {', '.join(p.point.title for p in self.points)}, not {point.title}"
        )

    def efficiency(self, signal: str, point: WorkingPoint, gain: Gain) -> Efficiency | Refused:
        """The efficiency for a signal at a working point, or why there is none."""
        found = self.at(point)
        return found.cut if isinstance(found.cut, Refused) else found.signals[signal][gain]


class Outcome(StrEnum):
    """How the subject does against the best of others on a signal, beyond two errors of the difference."""

    WINS = "wins"
    EVEN = "even"
    LOSES = "loses"
    UNKNOWN = "not quoted"


class Verdict(Value):
    """The outcome for one signal, the other score that decides it, and the subject's lead over that.

    That is the best of those that beat the subject; without one, that which is the fewest errors below it.
    """

    outcome: Outcome
    rival: str = ""
    lead: Measured | None = None


class Comparison(Value):
    """The table of all scores; `subject` is the row that the others are compared with."""

    subject: str
    colliding_bunches: int
    effective_background: float
    signals: tuple[str, ...]
    points: tuple[WorkingPoint, ...]
    sculpted_at: WorkingPoint
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """The row of a score."""
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError(f"score must be one of {', '.join(r.name for r in self.rows)}, not {name!r}")

    def verdict(
        self, signal: str, point: WorkingPoint, gain: Gain, against: Collection[ScoreKind] = BASELINES
    ) -> Verdict:
        """Whether the subject is beyond two errors above all scores of the kinds `against`, or below one of them."""
        rivals = [r for r in self.rows if r.kind in against and r.name != self.subject]
        found = [(r.name, r.efficiency(signal, point, gain)) for r in rivals]
        leads = {name: (e.lead, e.value) for name, e in found if isinstance(e, Efficiency) and e.lead is not None}
        if not leads:
            return Verdict(outcome=Outcome.UNKNOWN)
        pulls = {name: lead.value / lead.error if lead.error else 0.0 for name, (lead, _) in leads.items()}
        above = [name for name, pull in pulls.items() if pull < -SIGNIFICANT]
        if above:
            rival = max(above, key=lambda name: leads[name][1])
            return Verdict(outcome=Outcome.LOSES, rival=rival, lead=leads[rival][0])
        closest = min(pulls, key=lambda name: pulls[name])
        outcome = Outcome.WINS if pulls[closest] > SIGNIFICANT else Outcome.EVEN
        return Verdict(outcome=outcome, rival=closest, lead=leads[closest][0])


def gain_at(point: WorkingPoint) -> Gain:
    """The efficiency that belongs to a working point: the pure one to a pure rate."""
    return Gain.PURE if point.target is Target.PURE_RATE else Gain.PLAIN
