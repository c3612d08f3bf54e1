"""Functional coverage of a program by a stream of events: what it has shown of every bit, saturation and table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field, model_validator

from trigforge.errors import CheckError, InputError
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.sim.coverage.points import GROUPS, Bins, Hits, bins_of
from trigforge.value import Value

SHOWN = 6


class GroupCoverage(Value):
    """The bins of one class: how many there are, are hit and cannot be, and the names of those that are neither."""

    bins: int = Field(ge=0)
    hit: int = Field(ge=0)
    excluded: int = Field(ge=0)
    missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _counts_agree(self) -> GroupCoverage:
        if self.bins != self.hit + self.excluded + len(self.missing):
            raise ValueError(
                f"bins must be those that are hit, excluded and missing, not {self.bins} for "
                f"{self.hit}, {self.excluded} and {len(self.missing)}"
            )
        return self


class Coverage(Value):
    """What events have shown of a program, class by class, and what they cannot show, with the proof."""

    program: str
    """The program's digest."""
    events: int = Field(ge=0)
    low: tuple[int, ...]
    high: tuple[int, ...]
    """The limits of the words for which bins are excluded."""
    groups: dict[str, GroupCoverage]
    excluded: dict[str, str]
    """Bins that no event within the limits can hit, and why."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Bins that were not hit, although nothing proves that they cannot be."""
        return tuple(name for group in self.groups.values() for name in group.missing)

    def __add__(self, other: Coverage) -> Coverage:
        """The coverage of both streams, one after the other or in two simulations.

        Raises `InputError` if they are not of the same bins, `CheckError` if one hit what the other proves impossible.
        """
        sizes = [{name: group.bins for name, group in c.groups.items()} for c in (self, other)]
        same = (self.program, self.low, self.high) == (other.program, other.low, other.high)
        if not same or sizes[0] != sizes[1]:
            raise InputError(
                "coverage that is added must be of one program, limits and thresholds, "
                f"not of {self.program[:12]} {sizes[0]} and {other.program[:12]} {sizes[1]}"
            )
        excluded = {**self.excluded, **other.excluded}
        for one in (self, other):
            _require_unhit(set(excluded) - set(one.excluded) - set(one.missing), excluded)
        both = set(self.missing) & set(other.missing)
        return _coverage(self, excluded, {n: [m for m in g.missing if m in both] for n, g in self.groups.items()},
                         events=self.events + other.events)  # fmt: skip

    def excluding(self, proofs: Mapping[str, str]) -> Coverage:
        """The same coverage with more bins that are proved impossible; one that was hit raises `CheckError`."""
        known = set(self.missing) | set(self.excluded)
        _require_unhit(set(proofs) - known, proofs)
        missing = {n: list(g.missing) for n, g in self.groups.items()}
        return _coverage(self, {**proofs, **self.excluded}, missing, events=self.events)

    def require(self) -> None:
        """Raise `CheckError` that names bins that are neither hit nor excluded."""
        if self.missing:
            raise CheckError(
                f"every bin of coverage must be hit or proved impossible, but {len(self.missing)} are open: "
                f"{_few(self.missing)}; add vectors that reach them"
            )

    def counts(self) -> dict[str, dict[str, int]]:
        """Bins that are hit, open and impossible, of every class that has any; what a certificate quotes."""
        return {
            name: {"hit": group.hit, "open": len(group.missing), "impossible": group.excluded}
            for name, group in self.groups.items()
            if group.bins
        }

    def lines(self) -> list[str]:
        """A line a class that has bins."""
        return [
            f"{name:<11} {group.hit} of {group.bins - group.excluded} bins hit, {group.excluded} proved impossible"
            + (f"; open: {_few(group.missing)}" if group.missing else "")
            for name, group in self.groups.items()
            if group.bins
        ]


def measure(
    program: IntegerProgram,
    words: IntArray,
    thresholds: Sequence[int] = (),
    limits: tuple[IntArray, IntArray] | None = None,
    *,
    nodes: bool = False,
) -> Coverage:
    """The coverage of a program by events (n, inputs), streamed in this order, with thresholds on its first output.

    `limits`, by default those of the program's types, say which words can occur; `nodes` adds all bits of all nodes.
    """
    low, high = limits or (np.array([t.low for t in program.inputs]), np.array([t.high for t in program.inputs]))
    return coverage(bins_of(program, low, high, thresholds, nodes=nodes), words)


def coverage(bins: Bins, words: IntArray) -> Coverage:
    """The coverage of known bins by events (n, inputs), streamed in this order; words beyond their limits are refused.

    Raises `CheckError` if an event hits a bin that was proved impossible.
    """
    outside = (words < bins.low) | (words > bins.high)
    if outside.any():
        event, word = (int(k) for k in np.argwhere(outside)[0])
        raise InputError(
            f"word {word} of event {event} must be {bins.low[word]}..{bins.high[word]}, not {int(words[event, word])}"
        )
    return summary(bins, bins.hits(words), len(words))


def summary(bins: Bins, hits: Hits, events: int) -> Coverage:
    """The coverage that says which bins are hit."""
    excluded = {bins.names[k]: proof for k, proof in bins.excluded.items()}
    _require_unhit({bins.names[k] for k in bins.excluded if hits[k]}, excluded)
    missing: dict[str, list[str]] = {group: [] for group in GROUPS}
    total = dict.fromkeys(GROUPS, 0)
    never = dict.fromkeys(GROUPS, 0)
    for k, (name, group) in enumerate(zip(bins.names, bins.groups, strict=True)):
        total[group] += 1
        never[group] += k in bins.excluded
        if not hits[k] and k not in bins.excluded:
            missing[group].append(name)
    groups = {
        g: GroupCoverage(bins=total[g], hit=total[g] - never[g] - len(missing[g]), excluded=never[g],
                         missing=tuple(missing[g]))
        for g in GROUPS
    }  # fmt: skip
    return Coverage(
        program=bins.program.digest,
        events=events,
        low=tuple(bins.low.tolist()),
        high=tuple(bins.high.tolist()),
        groups=groups,
        excluded=excluded,
    )


def _coverage(
    base: Coverage, excluded: Mapping[str, str], missing: Mapping[str, Sequence[str]], events: int
) -> Coverage:
    """`base` with more bins excluded and fewer missing."""
    groups = {}
    for name, group in base.groups.items():
        newly = sum(bin_name in excluded and bin_name not in base.excluded for bin_name in group.missing)
        left = tuple(m for m in missing[name] if m not in excluded)
        never = group.excluded + newly
        groups[name] = GroupCoverage(bins=group.bins, hit=group.bins - never - len(left), excluded=never, missing=left)
    return base.model_copy(update={"groups": groups, "excluded": dict(excluded), "events": events})


def _require_unhit(hit: set[str], proofs: Mapping[str, str]) -> None:
    for name in sorted(hit):
        raise CheckError(f"the bin {name!r} must be impossible, as {proofs[name]}, but it was hit; report this fault")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
