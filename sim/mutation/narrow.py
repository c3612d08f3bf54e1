"""The smallest and largest values of single nodes, each proved or shown by an event, as far as that is decided."""

from __future__ import annotations

from typing import Final

import numpy as np

from trigforge.firmware.evaluate import evaluate
from trigforge.fixed import IntArray
from trigforge.sim.bounds.decide import Limits, Region
from trigforge.sim.bounds.events import cone_of
from trigforge.sim.bounds.prover import Prover

STEPS: Final = 6
"""Most questions about either end of a node."""


class Narrow:
    """Intervals of nodes, and the events that showed their ends; every node is looked at once."""

    def __init__(self, prover: Prover, events: IntArray, limits: Limits) -> None:
        self.prover, self.limits = prover, limits
        self.known = events
        self.found: dict[int, IntArray] = {}

    def interval(self, node: int) -> tuple[int, int]:
        """All that a node can be lies between these."""
        if node not in self.found:
            ends = [event for up in (True, False) for event in self._end(node, up=up)]
            self.found[node] = np.concatenate([self.known[:0], *ends])
        return self.prover.interval(node)

    @property
    def events(self) -> IntArray:
        """All events that were found."""
        return np.concatenate([self.known[:0], *self.found.values()])

    def _end(self, node: int, *, up: bool) -> list[IntArray]:
        """Events towards one end: what is beyond the last is asked for, then what is beyond half of what is left."""
        cone = cone_of(self.prover.circuit, node)
        sign = 1 if up else -1
        values = sign * evaluate(cone, list(self.known.T), self.prover.fractions)[0]
        best, edge = self.known[np.argmax(values)], int(values.max())
        seen: list[IntArray] = []
        low = asked = edge
        for _ in range(STEPS):
            end = sign * self.prover.interval(node)[up]
            if asked >= end:
                break
            region = Region(asked + 1, None) if up else Region(None, -asked - 1)
            answer = self.prover.ask(node, region, best, self.limits)
            if answer.seen:
                best = answer.events[0]
                seen.append(best[None])
                low = asked = sign * int(evaluate(cone, list(best[None].T), self.prover.fractions)[0][0])
                continue
            low, end = (low, asked) if answer.never else (asked, end)
            asked = low + (end - low) // 2
            if asked == low:
                break
        return seen
