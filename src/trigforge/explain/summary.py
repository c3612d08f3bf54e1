"""What is kept of explanations: importance by object and word for groups of events, and single events to be drawn."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from pydantic import Field

from trigforge.contract import InputContract
from trigforge.explain.contributions import Contributions
from trigforge.fixed import IntArray
from trigforge.value import Value
from trigforge.weighted import FloatArray


class Kind(StrEnum):
    """What the events of a group are."""

    BACKGROUND = "background"
    ACCEPTED = "accepted"
    """Those of another group's events whose score reaches the threshold."""
    SAMPLE = "sample"
    """A signal, or events that the user gave."""


class Importance(Value):
    """How much an object or a word moves the score: mean contribution, and mean of its size with a standard error.

    Sampled contributions have a mean size even where there is nothing to find: `noise`, 0 for exact ones.
    """

    name: str
    mean: float
    size: float = Field(ge=0)
    error: float = Field(ge=0)
    noise: float = Field(ge=0)


class Group(Value):
    """Importance over the explained events of a sample, weighted as nature has them; words on some of these."""

    sample: str
    kind: Kind
    events: int = Field(ge=1)
    events_by_word: int = Field(ge=1)
    mean_score: float
    objects: tuple[Importance, ...]
    words: tuple[Importance, ...]


class ShownEvent(Value):
    """An event to be drawn: its contract words, and for every object its contribution and the score without it."""

    sample: str
    kind: Kind
    event: int = Field(ge=0)
    """Its number in the sample."""
    score: int
    words: tuple[int, ...]
    contributions: tuple[float, ...]
    without: tuple[int, ...]


class Explanations(Value):
    """What the score of a program looks at.

    Contributions of objects add up to score less `empty_score`, that of an event without objects. Those of words add up
    to score less `typical_score`, the mean over `background_events` events; `orders` random orders are drawn an event.
    """

    program_digest: str
    contract: InputContract
    output: int = Field(ge=0)
    threshold: int | None
    empty_score: int
    typical_score: float
    background_events: int = Field(ge=2)
    orders: int = Field(ge=2)
    groups: tuple[Group, ...]
    shown: tuple[ShownEvent, ...]

    def summary(self) -> list[dict[str, Any]]:
        """For every group the share of each collection in the mean size of the objects' contributions."""
        return [
            {"sample": g.sample, "kind": g.kind.value, "events": g.events, "shares": self._shares(g)}
            for g in self.groups
        ]

    def _shares(self, group: Group) -> dict[str, float]:
        sizes, start = {}, 0
        for c in self.contract.collections:
            sizes[c.name] = sum(o.size for o in group.objects[start : start + c.count])
            start += c.count
        total = sum(sizes.values()) or 1.0
        return {name: size / total for name, size in sizes.items()}


def importance(found: Contributions, copies: IntArray) -> tuple[Importance, ...]:
    """Importance of every player over events that stand for so many `copies` (n,) of themselves."""
    sizes, values, noise = np.abs(found.values), found.values, np.sqrt(2 / np.pi) * found.errors
    mean, size, floor = (np.average(a, axis=0, weights=copies) for a in (values, sizes, noise))
    return tuple(
        Importance(name=name, mean=mean[j], size=size[j], error=_error(sizes[:, j], copies), noise=floor[j])
        for j, name in enumerate(found.players)
    )


def _error(values: FloatArray, copies: IntArray) -> float:
    """Standard error of a weighted mean."""
    deviations = copies * (values - np.average(values, weights=copies))
    return float(np.sqrt(np.sum(deviations**2)) / copies.sum())
