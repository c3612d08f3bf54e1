"""Events near a point of a relaxed network: each word the one whose values are nearest to those of its variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trigforge.firmware.circuit import Circuit, Input, operands
from trigforge.firmware.evaluate import evaluate
from trigforge.fixed import IntArray
from trigforge.sim.bounds.analysis import Analysis
from trigforge.sim.bounds.dual import Floats
from trigforge.sim.bounds.network import Problem
from trigforge.sim.bounds.reach import cone_of, node_values


@dataclass(frozen=True, slots=True, eq=False)
class WordValues:
    """A word's values (n,), and what each of them makes of variables (n, variables) that depend on it alone."""

    word: int
    values: IntArray
    variables: tuple[int, ...]
    made: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Points of a problem -> events, and the exact mantissas of its target."""

    words: tuple[WordValues, ...]
    cone: Circuit
    """Of the target alone."""
    fractions: tuple[int, ...]

    def near(self, point: Floats, base: IntArray) -> IntArray:
        """`base` (words,) with the words that are nearest to a point."""
        event = base.copy()
        for own in self.words:
            wanted = point[list(own.variables)]
            spread = np.maximum(np.ptp(own.made, axis=0), 1)
            event[own.word] = own.values[np.argmin((np.abs(own.made - wanted) / spread).sum(axis=1))]
        return event

    def target(self, events: IntArray) -> IntArray:
        """The target's mantissas (n,) for events (n, words)."""
        return evaluate(self.cone, list(events.T), list(self.fractions))[0]


def events_of(problem: Problem, node: int, facts: Analysis) -> Events:
    """How points of a problem about a node become events."""
    circuit, types = facts.circuit, facts.types
    by_word: dict[int, list[int]] = {}
    for number, variable in enumerate(problem.variables):
        if variable.node in facts.tried and variable.low < variable.high:
            by_word.setdefault(_word(circuit, variable.node), []).append(number)
    words = []
    for word, numbers in by_word.items():
        values = np.arange(facts.low[word], facts.high[word] + 1, dtype=np.int64)
        table = np.zeros((len(values), len(facts.low)), dtype=np.int64)
        table[:, word] = values
        made = node_values(circuit, table, types, [problem.variables[k].node for k in numbers])
        words.append(WordValues(word, values, tuple(numbers), np.stack(made, axis=1)))
    return Events(tuple(words), cone_of(circuit, [node]), tuple(kind.fraction for kind in types))


def _word(circuit: Circuit, node: int) -> int:
    """The word on which a node depends that depends on one."""
    stack = [node]
    while stack:
        k = stack.pop()
        operation = circuit.nodes[k].operation
        if isinstance(operation, Input):
            return operation.index
        stack += operands(circuit.nodes[k])
    raise AssertionError(node)
