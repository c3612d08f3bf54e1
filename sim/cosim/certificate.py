"""`Certificate`: the evidence that trainer, emulators and RTL compute the same words, or where they first do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from trigforge.errors import CheckError, InputError
from trigforge.fixed import IntArray
from trigforge.value import Value

LEVELS = ("trainer_vs_csim", "csim_vs_program", "program_vs_emulator", "program_vs_rtl")
"""The comparisons that lead from a trained model to its RTL."""
TRIGGER_LEVEL = "program_vs_trigger"
"""The comparison of a project that has a trigger: its outputs on every clock against what scores and settings say."""
LINKS_LEVEL = "program_vs_links"
"""The comparison of a project whose trigger lies between links: all outputs on every clock, whatever these carry."""
AXIS_LEVEL = "program_vs_axis"
"""The comparison of a project whose core lies between AXI4-Streams: both streams on every clock."""


class Divergence(Value):
    """The first word that differs, and the lowest bit in it that does (0 = least significant)."""

    event: int = Field(ge=0)
    element: int = Field(ge=0)
    bit: int = Field(ge=0, lt=64)
    expected: int
    got: int
    kind: str
    port: str = Field(default="", exclude_if=lambda port: not port)
    """Of the module, where an event is a clock; empty where it is a vector and the element an output of the program."""

    def __str__(self) -> str:
        where = f"event {self.event} ({self.kind}), output {self.element}"
        if self.port:
            where = f"clock {self.event} ({self.kind}), port {self.port}"
        return f"{where}, bit {self.bit}: expected {self.expected}, got {self.got}"


class LevelResult(Value):
    """One comparison, word by word."""

    name: str = Field(min_length=1)
    words: int = Field(ge=1)
    mismatches: int = Field(ge=0)
    first: Divergence | None = None
    vectors: dict[str, int] = Field(default_factory=dict)
    """Number of events of every kind that were compared here; a simulator may get fewer than the software."""

    @model_validator(mode="after")
    def _counts_agree(self) -> LevelResult:
        if self.mismatches > self.words:
            raise ValueError(f"mismatches of {self.name} must be at most its {self.words} words, not {self.mismatches}")
        if (self.first is None) != (self.mismatches == 0):
            raise ValueError(f"{self.name} must have a first divergence if and only if words differ")
        return self

    @property
    def ok(self) -> bool:
        """Whether every word is equal."""
        return self.mismatches == 0

    def require(self) -> None:
        """Raise `CheckError` that names the first divergence, if there is one."""
        if self.first is not None:
            raise CheckError(
                f"{self.name} must agree on every word, but {self.mismatches} of {self.words} differ; "
                f"first at {self.first}"
            )


class Timing(Value):
    """How what lies around a core behaves in time: measured in clocks."""

    latency_clocks: int = Field(ge=1)
    ii: int = Field(ge=1)
    """Clocks from an event to the next, at most, at full speed."""


class Certificate(Value):
    """What was compared on which vectors with which tools, and the timing that was measured in simulation."""

    name: str = Field(min_length=1)
    levels: tuple[LevelResult, ...] = Field(min_length=1)
    vectors: dict[str, int]
    """Number of events of every kind; a level that was compared on others says so itself."""
    latency_clocks: int = Field(ge=1)
    """Of the core."""
    trigger_latency_clocks: int | None = Field(default=None, ge=1, exclude_if=lambda clocks: clocks is None)
    """Of the trigger around it, from the words of a crossing to its bits, if there is one."""
    links: Timing | None = Field(default=None, exclude_if=lambda timing: timing is None)
    """Of the trigger between links, from a crossing's first frame to its first frame of results, if there is one."""
    axis: Timing | None = Field(default=None, exclude_if=lambda timing: timing is None)
    """Of the core between AXI4-Streams, from the last beat of an event to its first of results, if there is one."""
    ii: int = Field(ge=1)
    clock_ns: float = Field(gt=0)
    tools: dict[str, str]
    """Tool -> version, the simulators included."""
    digests: dict[str, str]
    """Digests of what was verified: contract, model, program, rtl."""
    coverage: dict[str, dict[str, int]] = Field(default_factory=dict, exclude_if=lambda classes: not classes)
    """Functional coverage of the program by the RTL's events, class by class: bins hit, open and impossible."""

    @model_validator(mode="after")
    def _levels_are_distinct(self) -> Certificate:
        names = [level.name for level in self.levels]
        if len(set(names)) != len(names):
            raise ValueError(f"the levels of a certificate must be distinct, not {names}")
        return self

    @property
    def ok(self) -> bool:
        """Whether every level agrees on every word."""
        return all(level.ok for level in self.levels)

    @property
    def events(self) -> int:
        """Number of events compared."""
        return sum(self.vectors.values())

    @property
    def latency_ns(self) -> float:
        """Measured latency of the core in nanoseconds."""
        return self.latency_clocks * self.clock_ns

    @property
    def trigger_latency_ns(self) -> float | None:
        """Measured latency of the trigger in nanoseconds, if there is one."""
        return None if self.trigger_latency_clocks is None else self.trigger_latency_clocks * self.clock_ns

    def mismatches(self) -> dict[str, int]:
        """Mismatching words of every level."""
        return {level.name: level.mismatches for level in self.levels}

    def require(self, *names: str) -> None:
        """Raise `CheckError` that names the first divergence, or a level of `names` that was not compared."""
        for level in self.levels:
            level.require()
        missing = [name for name in names if name not in self.mismatches()]
        if missing:
            raise CheckError(
                f"the certificate of {self.name!r} must hold the levels {', '.join(missing)}, but does not"
            )

    def require_digests(self, digests: Mapping[str, str]) -> None:
        """Raise `CheckError` unless the certificate is of what has these digests (`contract`, `program` …)."""
        for name, digest in digests.items():
            own = self.digests.get(name)
            if own != digest:
                raise CheckError(
                    f"the certificate of {self.name!r} must be of the {name} {digest[:12]}, but it is of "
                    f"{own[:12] if own else 'none'}; verify again"
                )

    def require_latency(self, budget_ns: float) -> None:
        """Raise `CheckError` if the measured latency exceeds the budget in ns: the links', the trigger's or the core's.

        A core between streams waits for whom it gives its results to, so that it has no budget of its own.
        """
        clocks = self.links.latency_clocks if self.links else self.trigger_latency_clocks or self.latency_clocks
        if clocks * self.clock_ns > budget_ns:
            raise CheckError(
                f"the latency of {self.name!r} must be at most {budget_ns:g} ns, but {clocks} clocks of "
                f"{self.clock_ns:g} ns are {clocks * self.clock_ns:g} ns; raise the budget or lower stages"
            )


def compare(
    level: str,
    expected: IntArray,
    got: IntArray,
    kinds: npt.NDArray[np.str_],
    ports: Sequence[str] = (),
    first_clock: int = 0,
) -> LevelResult:
    """Compare integer words of shape (n, outputs) exactly; `kinds` (n,) labels the events.

    If the events are clocks, the outputs are those of `ports` and the first event is `first_clock`. The first
    divergence is that of the earliest event, in it of the first output. Unequal shapes, other types than integers and
    empty arrays raise `InputError`.
    """
    for side, words in (("expected", expected), ("got", got)):
        if words.ndim != 2 or not words.size or words.dtype != np.int64:
            raise InputError(
                f"the {side} words of {level} must be int64 of shape (n, outputs) with n, outputs > 0, "
                f"not {words.dtype} of shape {words.shape}"
            )
    if expected.shape != got.shape or kinds.shape != expected.shape[:1]:
        raise InputError(
            f"the words of {level} must have one shape and a kind for every event, "
            f"not {expected.shape}, {got.shape} and {kinds.shape}"
        )
    differ = expected != got
    first = None
    if differ.any():
        event, element = (int(k) for k in np.argwhere(differ)[0])
        wanted, found = int(expected[event, element]), int(got[event, element])
        bits = wanted ^ found
        first = Divergence(
            event=event + first_clock,
            element=element,
            bit=(bits & -bits).bit_length() - 1,
            expected=wanted,
            got=found,
            kind=str(kinds[event]),
            port=ports[element] if ports else "",
        )
    names, counts = np.unique(kinds, return_counts=True)
    return LevelResult(
        name=level,
        words=expected.size,
        mismatches=int(differ.sum()),
        first=first,
        vectors={str(kind): int(count) for kind, count in zip(names, counts, strict=True)},
    )
