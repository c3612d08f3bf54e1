"""`MutationReport`: what became of every mutant of a design, and the tables of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from trigforge.errors import CheckError
from trigforge.sim.cosim.certificate import Divergence
from trigforge.value import Value


class Outcome(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    """A check of the bench fails on the bench's own vectors."""
    CAUGHT_BY_SEARCH = "caught_by_search"
    """The bench's own vectors pass, but a search, or a proof that fails, gave a vector on which it does not."""
    EQUIVALENT = "equivalent"
    """Proved to compute what the original computes, for every input within the contract's limits."""
    SURVIVED = "survived"
    """Neither caught nor proved equivalent."""


class Result(Value):
    """One mutant."""

    number: int = Field(ge=1)
    """What the selector of the instrumented design is set to."""
    kind: str
    stage: str
    what: str
    outcome: Outcome
    caught_by: tuple[str, ...] = ()
    """The checks that fail: latency, interval, words, undefined."""
    first: Divergence | None = None
    proof: str = ""
    """What is proved, by what."""
    vector: tuple[int, ...] = ()
    """Input words that a search found and on which the mutant fails."""

    @model_validator(mode="after")
    def _outcome_has_evidence(self) -> Result:
        caught = self.outcome in (Outcome.CAUGHT, Outcome.CAUGHT_BY_SEARCH)
        if caught != bool(self.caught_by) or (self.outcome is Outcome.EQUIVALENT) != bool(self.proof):
            raise ValueError(f"mutant {self.number} must have the evidence of its outcome {self.outcome.value!r}")
        if (self.outcome is Outcome.CAUGHT_BY_SEARCH) != bool(self.vector):
            raise ValueError(f"mutant {self.number} must have a vector if and only if a search caught it")
        return self


class MutationReport(Value):
    """All mutants of a design, reproducible from its digests and the seed."""

    name: str = Field(min_length=1)
    digests: dict[str, str]
    """Of `program` and `rtl`."""
    seed: int
    vectors: dict[str, int]
    """Number of the bench's own events of every kind."""
    tools: dict[str, str]
    mutants: tuple[Result, ...] = Field(min_length=1)
    build_seconds: float = Field(ge=0)
    run_seconds: float = Field(ge=0)
    proof_seconds: float = Field(ge=0)

    @property
    def ok(self) -> bool:
        """Whether every mutant is caught or proved equivalent."""
        return self.count(Outcome.SURVIVED) == 0

    def count(self, outcome: Outcome, kind: str | None = None) -> int:
        """Number of mutants with an outcome, of all kinds or of one."""
        return sum(m.outcome is outcome and kind in (None, m.kind) for m in self.mutants)

    def table(self) -> list[str]:
        """Lines: a header, one a kind with the number of mutants of every outcome, and the sums."""
        kinds = dict.fromkeys(m.kind for m in self.mutants)
        width = max(map(len, (*kinds, "kind")))
        rows = [("kind", "made", *(outcome.value for outcome in Outcome))]
        for title, kind in (*((kind, kind) for kind in kinds), ("all", None)):
            counts = [self.count(outcome, kind) for outcome in Outcome]
            rows.append((title, *map(str, (sum(counts), *counts))))
        heads = rows[0][1:]
        return [
            f"{row[0]:<{width}}" + "".join(f"  {c:>{len(h)}}" for c, h in zip(row[1:], heads, strict=True))
            for row in rows
        ]

    def require(self) -> None:
        """Raise `CheckError` that names the first mutant that survived without a proof."""
        alive = [m for m in self.mutants if m.outcome is Outcome.SURVIVED]
        if alive:
            first = alive[0]
            raise CheckError(
                f"every mutant of {self.name!r} must be caught or proved equivalent, but {len(alive)} of "
                f"{len(self.mutants)} survived; first mutant {first.number} ({first.kind}, {first.stage}): {first.what}"
            )
