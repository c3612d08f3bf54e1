"""Cases: where a fault's statement is wrong at all; the events there, and what other nodes can be for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.fixed import IntArray
from trigforge.sim.bounds.decide import Limits, Region
from trigforge.sim.bounds.reach import Interval, Reach, node_values
from trigforge.sim.formal.clock import Clock
from trigforge.sim.formal.yosys import OutOfTimeError
from trigforge.sim.mutation.conditions import conditions
from trigforge.sim.mutation.graph import Graph
from trigforge.sim.mutation.proofs import Elaborated, Equal, Workshop
from trigforge.sim.mutation.schemata import Fault
from trigforge.sim.mutation.windows import Window

NEAR: Final = 4
"""Windows in which it is looked for what a node must be for a fault to be seen."""
ENOUGH: Final = 32
"""Events of a case; where fewer are known, others climb there."""
CLIMBS: Final = 6
"""Climbs to a case, each from other events."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault that is seen in a small window only with a node in an interval."""

    shop: Workshop
    fault: Fault
    node: int
    interval: Interval

    @property
    def parts(self) -> tuple[int, list[Region]]:
        """The node of which the case's node is a function, and the regions there that are the case."""
        return self.shop.graph.flat.prover.traced(self.node, Region(*self.interval))

    def events(self, known: IntArray) -> IntArray:
        """Events (n, words) of the case: those that are known, and some that climbs from those reach."""
        origin, regions = self.parts
        prover = self.shop.graph.flat.prover
        found = [known[self._within(origin, one, known)] for one in regions]
        for one, own in zip(regions, list(found), strict=True):
            if len(own) < ENOUGH:
                climbed = [prover.climb(origin, one, known[k::CLIMBS], (origin, k)) for k in range(CLIMBS)]
                found += [events[self._within(origin, one, events)] for events in climbed]
        return np.concatenate([known[:0], *found])

    def proof(
        self, windows: Sequence[Window], events: IntArray, limits: Limits, folder: Path, clock: Clock
    ) -> str | None:
        """What proves that the fault is never seen, with the interval in the place of all that the node can be.

        Some of the `events` (n, words) must be of the case.
        """
        origin, regions = self.parts
        proofs = []
        for place, one in enumerate(regions):
            proof = self._proof(origin, one, windows, events, limits, folder / str(place), clock)
            if proof is None:
                return None
            proofs.append(proof)
        stage, signal = self.shop.graph.place(self.node)
        first, last = self.interval
        return "; ".join([f"seen at most with {signal} of stage {stage} in {first}..{last}", *proofs])

    def _proof(
        self,
        origin: int,
        region: Region,
        windows: Sequence[Window],
        events: IntArray,
        limits: Limits,
        folder: Path,
        clock: Clock,
    ) -> str | None:
        graph = self.shop.graph
        events = events[self._within(origin, region, events)]
        if not len(events):
            return None
        low, high = graph.flat.prover.interval(origin)
        interval = (low if region.first is None else region.first, high if region.last is None else region.last)
        flat = replace(graph.flat, prover=graph.flat.prover.case(origin, interval))
        there = Workshop(Graph(graph.netlist, flat), self.shop.modules)
        for place, window in enumerate(windows):
            if not clock.rest:
                return None
            known, found = conditions(there, self.fault, window, events, limits, folder / str(place), clock)
            if known is not None:
                return there.statement(self.fault, window, known)
            events = np.concatenate([events, found[self._within(origin, region, found)]])
        return None

    def _within(self, node: int, region: Region, events: IntArray) -> IntArray:
        """Which events (n, words) bring a node into a region."""
        flat = self.shop.graph.flat
        (values,) = node_values(flat.circuit, events, flat.prover.facts.types, [node])
        return np.flatnonzero(region.distance(values) == 0)


def cases(shop: Workshop, fault: Fault, windows: Sequence[Window], folder: Path, clock: Clock) -> Iterator[Case]:
    """What operands of a faulty statement must be for the fault to be seen, where that is not all that they can be."""
    for place, window in enumerate(windows[:NEAR]):
        try:
            gates = shop.elaborate(fault, window, folder / str(place), clock.rest)
        except OutOfTimeError:
            return
        for node in windows[0].free:
            if node in window.free and not shop.graph.is_word(node):
                interval = _wrong(gates, shop, node, folder / "abc", clock)
                if interval is not None:
                    yield Case(shop, fault, node, interval)


def _wrong(gates: Elaborated, shop: Workshop, node: int, folder: Path, clock: Clock) -> Interval | None:
    """The smallest interval of a node outside of which nothing is seen; None if that is all that it can be."""
    prover = shop.graph.flat.prover
    low, high = prover.interval(node)

    def unseen(first: int, last: int) -> bool:
        def known(k: int) -> Reach:
            own = prover.reach(k)
            return replace(own, low=first, high=last) if k == node else own

        return isinstance(gates.compare(known, folder, clock.rest), Equal)

    start, stop = low, high
    for bit in reversed(range((high - low).bit_length())):
        if start + (1 << bit) <= high and unseen(low, start + (1 << bit) - 1):
            start += 1 << bit
        if stop - (1 << bit) >= low and unseen(stop - (1 << bit) + 1, high):
            stop -= 1 << bit
    return (start, stop) if start <= stop and (start, stop) != (low, high) else None
