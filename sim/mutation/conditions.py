"""What must be proved of a window's free nodes for a fault to change nothing, found out and asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.fixed import IntArray
from trigforge.sim.bounds.decide import Limits, Region
from trigforge.sim.bounds.prover import Prover
from trigforge.sim.bounds.reach import Reach, node_values
from trigforge.sim.formal.clock import Clock
from trigforge.sim.formal.yosys import OutOfTimeError
from trigforge.sim.mutation.proofs import Equal, Known, Workshop
from trigforge.sim.mutation.schemata import Fault
from trigforge.sim.mutation.windows import Window

HALVINGS: Final = 5
"""Steps between an end that events have shown and one that is proved already."""

End = tuple[int, bool]
"""A node, and whether its upper end is meant."""


class Supposed:
    """Intervals of nodes: what is proved, narrowed to what events show, and then widened as far as a fault allows."""

    def __init__(self, prover: Prover, shown: Mapping[int, tuple[int, int]]) -> None:
        self.prover = prover
        self.ends: dict[End, int] = {(node, up): ends[up] for node, ends in shown.items() for up in (False, True)}

    def known(self, node: int) -> Reach:
        """What is supposed of a node."""
        proved, low, high = self.prover.reach(node), *self.prover.interval(node)
        return replace(
            proved, low=max(low, self.ends.get((node, False), low)), high=min(high, self.ends.get((node, True), high))
        )

    def open(self) -> Iterator[End]:
        """The ends that are narrower than what is proved."""
        for (node, up), end in self.ends.items():
            low, high = self.prover.interval(node)
            if end < high if up else end > low:
                yield node, up

    def widen(self, ends: Sequence[End], equal: Callable[[], bool]) -> None:
        """Move ends as far out as the fault still changes nothing: all at once, else one half after the other."""
        before = {end: self.ends[end] for end in ends}
        for node, up in ends:
            self.ends[node, up] = self.prover.interval(node)[up]
        if not ends or equal():
            return
        self.ends |= before
        if len(ends) > 1:
            self.widen(ends[: len(ends) // 2], equal)
            self.widen(ends[len(ends) // 2 :], equal)
        else:
            self._halve(ends[0], equal)

    def _halve(self, end: End, equal: Callable[[], bool]) -> None:
        """Move one end out by halves of what is left."""
        good, bad = self.ends[end], self.prover.interval(end[0])[end[1]]
        for _ in range(HALVINGS):
            middle = (good + bad) // 2
            if middle in (good, bad):
                break
            self.ends[end] = middle
            good, bad = (middle, bad) if equal() else (good, middle)
        self.ends[end] = good


def conditions(
    shop: Workshop, fault: Fault, window: Window, events: IntArray, limits: Limits, folder: Path, clock: Clock
) -> tuple[Known | None, IntArray]:
    """What is proved of a window's free nodes so that a fault changes nothing, and events that showed otherwise.

    If it changes nothing as long as all free nodes stay within what `events` (n, words) show, the loosest intervals
    for which that is so are looked for, and it is asked whether an event leaves them; where that is not decided, events
    climb there.
    """
    graph, prover = shop.graph, shop.graph.flat.prover
    nodes = [node for node in (*window.free, *(window.faulty if fault.moved else ())) if not graph.is_word(node)]
    values = node_values(graph.flat.circuit, events, prover.facts.types, nodes)
    supposed = Supposed(prover, {k: (int(v.min()), int(v.max())) for k, v in zip(nodes, values, strict=True)})
    try:
        gates = shop.elaborate(fault, window, folder, clock.rest)
    except OutOfTimeError:
        return None, events[:0]

    def equal() -> bool:
        return isinstance(gates.compare(supposed.known, folder / "abc", clock.rest), Equal)

    if not equal():
        return None, events[:0]
    supposed.widen(list(supposed.open()), equal)
    for node, up in list(supposed.open()):
        end, own = supposed.ends[node, up], values[nodes.index(node)]
        base = events[int(np.argmax(own) if up else np.argmin(own))]
        asked = replace(limits, seconds=min(limits.seconds, clock.rest))
        region = Region(end + 1, None) if up else Region(None, end - 1)
        answer = prover.ask(node, region, base, asked)
        if answer.seen:
            return None, answer.events
        if not answer.never:
            return None, prover.climb(node, region, np.concatenate([answer.events, events]), (node, up))
    return supposed.known, events[:0]
