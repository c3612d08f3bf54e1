"""`Comparison`: the result of a data–emulator comparison as one value."""

from __future__ import annotations

from pydantic import Field

from trigforge.recorded.statistics import clopper_pearson
from trigforge.value import Value


class Rate(Value):
    """`count` of `total`, with the exact central 95 % interval (Clopper and Pearson)."""

    count: int = Field(ge=0)
    total: int = Field(ge=0)
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> Rate:
        """The rate and its interval."""
        low, high = clopper_pearson(count, total)
        return cls(count=count, total=total, low=low, high=high)

    @property
    def value(self) -> float:
        """The fraction; 0 of nothing is 0."""
        return self.count / self.total if self.total else 0.0


class BitCount(Value):
    """Mismatches in which a bit (0 = least significant) of the score differs."""

    bit: int
    recorded_only: int
    """Set in the recorded word only."""
    emulated_only: int
    """Set in the emulated word only."""


class Bin(Value):
    """Events whose integer is in `low..high`, and how many of them mismatch."""

    low: int
    high: int
    events: int
    mismatches: int


class Threshold(Value):
    """Decisions `score >= threshold` of recorded and emulated scores."""

    threshold: int
    both: int
    recorded_only: int
    emulated_only: int
    neither: int
    disagreement: Rate
    near: tuple[Bin, ...]
    """Mismatches of the score by `emulated - threshold`."""


class Column(Value):
    """One recorded column against the emulator."""

    label: str
    output: int
    type: str
    """Type of the output word."""
    threshold: int | None
    """Of a trigger bit; `None` for a score."""
    missing: int
    """Null, NaN or an empty list: not compared."""
    off_grid: int
    """Numbers that no word of the output is: not compared."""
    mismatch: Rate
    bits: tuple[BitCount, ...]
    differences: tuple[Bin, ...]
    """Mismatches by `recorded - emulated`."""
    scores: tuple[Bin, ...]
    """Compared events by emulated score."""
    plane: tuple[tuple[int, int, int], ...]
    """Mismatches by bin of `scores`: emulated, recorded, events."""
    thresholds: tuple[Threshold, ...]


class Condition(Value):
    """A condition on the inputs or on the emulated score, and the mismatches with and without it."""

    name: str
    inside: Rate
    outside: Rate
    ratio: float | None
    """Rate with the condition over rate without it; `None` if nothing mismatches without it."""
    p_value: float
    """Fisher's exact test, two-sided (twice the smaller tail)."""
    p_corrected: float
    """Corrected by Holm's method for all conditions tested."""


class Hypothesis(Value):
    """A fault that was re-emulated."""

    name: str
    explained: int
    """Mismatching events that agree under it."""
    tested: int
    broken: int
    """Equal events that no longer agree under it."""
    tested_equal: int
    p_coincidence: float
    """That a change of the same spread, unrelated to the mismatches, explains as many; for all hypotheses together."""


class Cause(Value):
    """A hypothesis that is named as a cause, and those that the events cannot tell from it."""

    hypothesis: Hypothesis
    explained: int
    """Mismatches that it explains and causes named before it do not."""
    intermittent: bool
    """Applied to all events it would break more than it mends: the fault is not always there."""
    equivalent: tuple[str, ...]


class Place(Value):
    """Mismatches of the events of one run, luminosity block or bunch crossing, or of a part of the input."""

    place: tuple[int, ...]
    mismatch: Rate


class Comparison(Value):
    """Recorded scores or bits against the exact emulator."""

    program: str
    """Digest of the program."""
    contract: str
    source: str
    events: int
    outside: int
    """Events with an input word outside its range: not compared."""
    mismatch: Rate
    """Events in which any column differs, of those in which at least one is compared."""
    columns: tuple[Column, ...]
    verdict: str
    """The result and its best explanation in one sentence."""
    causes: tuple[Cause, ...]
    hypotheses: tuple[Hypothesis, ...]
    """Those that explain anything, best first."""
    hypotheses_tested: int
    conditions: tuple[Condition, ...]
    """The most significant first; empty without mismatches."""
    conditions_tested: int
    parts: tuple[Place, ...]
    """Equal parts of the input in its order; `place` is the number of the part."""
    places: dict[str, tuple[Place, ...]]
    """By run, by run and luminosity block, by bunch crossing, as far as recorded: the worst first."""

    @property
    def distinct_conditions(self) -> tuple[Condition, ...]:
        """The conditions without those that hold, or fail, in as many events and mismatches as an earlier one."""
        kept: dict[frozenset[tuple[int, int]], Condition] = {}
        for c in self.conditions:
            kept.setdefault(frozenset((r.count, r.total) for r in (c.inside, c.outside)), c)
        return tuple(kept.values())

    @property
    def off_grid(self) -> int:
        """Recorded numbers that no output word is, in all columns."""
        return sum(c.off_grid for c in self.columns)
