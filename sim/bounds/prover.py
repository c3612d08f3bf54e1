"""`Prover`: all that is proved of a circuit's nodes so far, and questions about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from trigforge.firmware.circuit import Circuit, Input
from trigforge.firmware.evaluate import evaluate
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.bounds.analysis import Analysis, analyse
from trigforge.sim.bounds.climb import climb
from trigforge.sim.bounds.decide import Limits, Never, Region, Seen, decide
from trigforge.sim.bounds.dual import Floats
from trigforge.sim.bounds.events import events_of
from trigforge.sim.bounds.network import network_of
from trigforge.sim.bounds.reach import Interval, Reach, cone_of
from trigforge.sim.bounds.tighten import Proved, box_of, tighten

LOOK_EVERY: Final = 4
"""Branches between two events that are tried; the first is always."""
FEW: Final = 4
"""Most intervals of a node that are asked for one by one."""
KEPT: Final = 3
"""Events near a region that are kept where none in it was found."""
CLIMBED: Final = 16
"""Events that are kept of a climb."""
BY: Final = "by linear relaxations with bounds checked in integers"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Whether a node can be in a region."""

    never: bool
    """Proved: it cannot."""
    seen: bool
    """The first of `events` brings it there."""
    events: IntArray
    """Events (n, words) in the region or, if nothing was decided, near it."""


class Prover:
    """Asked about one node after the other, best from the inputs to the outputs: what is proved helps what follows."""

    def __init__(
        self,
        circuit: Circuit,
        types: Sequence[FixedType],
        low: IntArray,
        high: IntArray,
        supposed: Mapping[int, Interval] | None = None,
    ) -> None:
        self.circuit, self.limits = circuit, (types, low, high)
        supposed = supposed or {}
        self.proved: Proved = tighten(network_of(analyse(circuit, *self.limits, supposed)), supposed)
        self.learn()

    def case(self, node: int, interval: Interval) -> Prover:
        """What is proved of all events for which a node is in an interval; there must be one."""
        low, high = self.interval(node)
        there = Prover(self.circuit, *self.limits, {node: (max(low, interval[0]), min(high, interval[1]))})
        for k, (first, last) in self.proved.items():
            own = there.interval(k)
            there.proved[k] = max(own[0], first), min(own[1], last)
        there.learn()
        return there

    def learn(self) -> None:
        """Let what was proved decide what depends on it."""
        self.facts: Analysis = analyse(self.circuit, *self.limits, self.proved)
        self.network = network_of(self.facts)

    def reach(self, node: int) -> Reach:
        """What is known of a node."""
        return self.facts.reach_of(node)

    def interval(self, node: int) -> tuple[int, int]:
        """All that a node can be lies between these."""
        own = self.facts.known[node]
        low, high = self.proved.get(node, (own.low, own.high))
        return max(own.low, low), min(own.high, high)

    @property
    def fractions(self) -> list[int]:
        """Fraction bits of the input words."""
        return [kind.fraction for kind in self.facts.types]

    def ask(self, node: int, region: Region, base: IntArray, limits: Limits) -> Answer:
        """Whether a node can be in a region; events differ from `base` (words,) in what the node depends on."""
        origin, regions = self.traced(node, region)
        events = [base[None][:0]]
        never = True
        for one in regions:
            answer = self._asked(origin, one, base, limits)
            if answer.seen:
                return answer
            never &= answer.never
            events.append(answer.events)
        if never:
            self._narrow(node, region)
        return Answer(never, seen=False, events=np.concatenate(events))

    def climb(self, node: int, region: Region, start: IntArray, seed: Sequence[int]) -> IntArray:
        """The few events (n, words), nearest first, that a climb from `start` (m, words) brings nearest to a region."""
        origin, regions = self.traced(node, region)
        cone = cone_of(self.circuit, [origin])
        used = sorted({own.operation.index for own in cone.nodes if isinstance(own.operation, Input)})

        def distance(events: IntArray) -> IntArray:
            (values,) = evaluate(cone, list(events.T), self.fractions)
            return np.asarray(np.min([one.distance(values) for one in regions], axis=0))

        _, low, high = self.limits
        return climb(distance, (low, high), np.array(used), start, seed)[:CLIMBED]

    def traced(self, node: int, region: Region) -> tuple[int, list[Region]]:
        """The node of which this one is a function, and the few regions there that bring this one into its own."""
        facts, origin = self.facts, self.facts.bases.get(node, node)
        if origin == node:
            return node, [region]
        image, given = facts.images[node], facts.images[origin]
        hit = np.flatnonzero(
            (image >= (image.min() if region.first is None else region.first))
            & (image <= (image.max() if region.last is None else region.last))
        )
        groups = [group for group in np.split(hit, np.flatnonzero(np.diff(hit) > 1) + 1) if len(group)]
        if len(groups) > FEW:
            return node, [region]
        last = len(given) - 1
        return origin, [
            Region(int(given[g[0]]) if g[0] or g[-1] == last else None, int(given[g[-1]]) if g[-1] < last else None)
            for g in groups
        ]

    def _asked(self, node: int, region: Region, base: IntArray, limits: Limits) -> Answer:
        problem = self.network.about(node)
        events, near, calls = events_of(problem, node, self.facts), [base], 0

        def look(point: Floats) -> bool:
            nonlocal calls
            calls += 1
            if calls % LOOK_EVERY != 1:
                return False
            near.append(events.near(point, base))
            return region.holds(int(events.target(near[-1][None])[0]))

        answer = decide(problem, region, box_of(problem, self.proved), look, limits)
        if isinstance(answer, Never):
            self._narrow(node, region)  # of the origin
        kept = [] if isinstance(answer, Never) else near[: -KEPT - 1 : -1]
        found = np.array(kept, dtype=np.int64).reshape(-1, len(base))
        return Answer(isinstance(answer, Never), isinstance(answer, Seen), found)

    def _narrow(self, node: int, region: Region) -> None:
        """Remember that a node is never in a region, if that leaves an interval."""
        low, high = self.interval(node)
        if region.first is not None and (region.last is None or region.last >= high):
            high = min(high, region.first - 1)
        elif region.last is not None and (region.first is None or region.first <= low):
            low = max(low, region.last + 1)
        self.proved[node] = low, high
