"""How far the effect of a fault reaches in a core, event by event, and how near it is to reaching further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.firmware.circuit import Format, Input, Mux, Node, Relu, operands
from trigforge.firmware.evaluate import evaluate_node
from trigforge.fixed import IntArray
from trigforge.sim.bounds.reach import Reach
from trigforge.sim.mutation.graph import Graph
from trigforge.sim.mutation.proofs import Miter, Workshop
from trigforge.sim.mutation.schemata import Fault
from trigforge.sim.mutation.windows import window_of

ELABORATION_S: Final = 300.0
DEEPER: Final = 1 << 40
"""What one choice more that is passed is worth, in distances."""
TARGETS: Final = 64
"""Values of operands for which a faulty statement differs that events are drawn to."""
PATTERNS: Final = 4096

Values = dict[int, IntArray]
"""The mantissas (n,) of nodes."""
Target = dict[int, tuple[int, IntArray]]
"""Of nodes: the node that each is a function of, and the values of that, ascending, for which it is what is wanted."""


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """Of events: the `fitness` (n,), the larger the further the effect reaches, and whether it is `seen` (n,)."""

    fitness: IntArray
    seen: IntArray


@dataclass(frozen=True, eq=False)
class Effect:
    """A fault in a core; what the faulty nodes are is evaluated from the gates of their statements."""

    graph: Graph
    fault: Fault
    faulty: tuple[int, ...]
    miter: Miter
    """Of the faulty nodes alone, for all that the formats of their operands hold."""

    @classmethod
    def of(cls, shop: Workshop, fault: Fault, folder: Path) -> Effect:
        """Of a fault of which `Graph.faulty` knows nodes; elaborated in `folder`."""
        graph = shop.graph
        faulty = graph.faulty(fault)
        formats = [node.format for node in graph.flat.circuit.nodes]
        window = window_of(graph, faulty, 0, 0)
        gates = shop.elaborate(fault, window, folder, ELABORATION_S)
        return cls(graph, fault, faulty, gates.miter(lambda k: Reach(formats[k].low, formats[k].high)))

    @cached_property
    def nodes(self) -> Sequence[Node]:
        """Of the core."""
        return self.graph.flat.circuit.nodes

    @cached_property
    def formats(self) -> tuple[Format, ...]:
        """Of the nodes."""
        return tuple(node.format for node in self.nodes)

    @cached_property
    def wrong(self) -> tuple[int, ...]:
        """All nodes that can be wrong, in order."""
        return tuple(sorted(self.graph.behind(self.faulty)))

    @cached_property
    def needed(self) -> tuple[int, ...]:
        """All nodes that are evaluated, in order."""
        bases = {base for target in self.targets for base, _ in target.values()}
        found = {*self.wrong, *bases}
        stack = list(found)
        while stack:
            new = set(operands(self.nodes[stack.pop()])) - found
            found |= new
            stack += new
        return tuple(sorted(found))

    @cached_property
    def depths(self) -> dict[int, int]:
        """How many choices and ReLUs are passed from the faulty nodes to a node, on the way with most of them."""
        found: dict[int, int] = {}
        for k in self.wrong:
            before = [found[source] for source in operands(self.nodes[k]) if source in found]
            found[k] = max(before, default=1) + (bool(before) and _chooses(self.nodes[k]))
        return found

    def reached(self, words: IntArray) -> Reached:
        """The effects on events (n, words); of a fault in a register, on a stream of them."""
        right = self.right(words)
        wrong = self.first(right)
        depth, seen = np.zeros(len(words), dtype=np.int64), np.zeros(len(words), dtype=bool)
        misses: list[tuple[int, IntArray]] = []
        for k in self.wrong:
            if k not in wrong:
                given = {source: wrong.get(source, right[source]) for source in operands(self.nodes[k])}
                if not wrong.keys() & given.keys():
                    continue
                wrong[k] = evaluate_node(self.nodes[k], given, self.formats, len(words))
            differs = wrong[k] != right[k]
            depth = np.maximum(depth, np.where(differs, self.depths[k], 0))
            if k in self.graph.ends:
                seen |= differs
            if _chooses(self.nodes[k]) and k not in self.faulty:
                misses.append((self.depths[k], self.missed(self.nodes[k], right, wrong, differs)))
            if not differs.any():
                del wrong[k]
        return Reached(self.fitness(depth, misses, right), np.asarray(seen))

    def fitness(self, depth: IntArray, misses: Sequence[tuple[int, IntArray]], right: Values) -> IntArray:
        """Depth first, then how near the next choice is to being another; without any effect how near one is."""
        distance = np.full(len(depth), DEEPER // 2, dtype=np.int64)
        for own, missed in misses:
            distance = np.where(own > depth, np.minimum(distance, missed), distance)
        if self.targets:
            near = np.min([self.away(target, right) for target in self.targets], axis=0)
            distance = np.where(depth == 0, near, distance)
        return depth * DEEPER - distance

    def away(self, target: Target, right: Values) -> IntArray:
        """How far (n,) the nodes that these ones are functions of are from making them have some values."""
        total = np.zeros(len(right[self.faulty[0]]), dtype=np.int64)
        for base, values in target.values():
            place = np.searchsorted(values, right[base])
            above, below = values[np.minimum(place, len(values) - 1)], values[np.maximum(place - 1, 0)]
            total += np.minimum(np.abs(above - right[base]), np.abs(right[base] - below))
        return total

    def missed(self, node: Node, right: Values, wrong: Values, differs: IntArray) -> IntArray:
        """How far a choice that passes no effect is from being another (n,); far where there is no effect on it."""
        sources = operands(node)
        touched = np.zeros(len(differs), dtype=bool)
        for source in sources:
            if source in wrong:
                touched |= wrong[source] != right[source]
        own, other = right[sources[0]], wrong.get(sources[0], right[sources[0]])
        below = np.maximum(own, other) < 0
        distance = np.where(below, -np.maximum(own, other), np.minimum(own, other) + 1)
        return np.where(touched & ~differs, np.maximum(distance, 0), DEEPER // 2)

    def right(self, words: IntArray) -> Values:
        """The mantissas of all that is needed, without the fault."""
        fractions = self.graph.flat.prover.fractions
        values: Values = {}
        for k in self.needed:
            match self.nodes[k].operation:
                case Input(index):
                    values[k] = self.formats[k].fit(words[:, index], fractions[index])
                case _:
                    values[k] = evaluate_node(self.nodes[k], values, self.formats, len(words))
        return values

    def first(self, right: Values) -> Values:
        """What the faulty nodes are instead: of a register's those of the event before, else what their gates say."""
        if self.fault.moved is not None:
            return {k: np.roll(right[k], 1) for k in self.faulty}
        events = len(right[self.faulty[0]])
        patterns = dict.fromkeys(self.miter.aig.inputs, 0)  # what the language leaves undefined is none of its words
        for k, word in zip(self.miter.nodes, self.miter.words, strict=True):
            for bit, literal in enumerate(word):
                digits = ((right[k] >> np.int64(bit)) & 1).astype(np.uint8)
                patterns[literal >> 1] = int.from_bytes(np.packbits(digits, bitorder="little").tobytes(), "little")
        found = iter(self.miter.aig.simulate(patterns, self.miter.gate, (1 << events) - 1))
        return {k: self.number(k, [next(found) for _ in range(bits)], right[k]) for k, bits in self.miter.compared}

    def number(self, node: int, patterns: Sequence[int], right: IntArray) -> IntArray:
        """A node's mantissas (n,) with other low bits, each given for all events as the bits of a number."""
        low = np.zeros(len(right), dtype=np.int64)
        for bit, pattern in enumerate(patterns):
            low |= _digits(pattern, len(right)).astype(np.int64) << np.int64(bit)
        bits = np.int64(len(patterns))
        return self.formats[node].fit((right >> bits << bits) + low, self.formats[node].fraction)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Values that have an effect at once, as random ones show; of words of a register all values but the first."""
        wanted = self._wrong_at_once() if self.fault.moved is None else self._changes()
        found = (self.target(values) for values in wanted)
        return tuple(target for target in found if target is not None)

    def target(self, values: Mapping[int, int]) -> Target | None:
        """What makes nodes have some values: values of the nodes that they are functions of; None if nothing does."""
        facts, target = self.graph.flat.prover.facts, {}
        for k, value in values.items():
            base = facts.bases.get(k, k)
            if k in facts.images and base in facts.images:
                given = np.sort(facts.images[base][facts.images[k] == value])
            else:
                base, given = k, np.array([value] if facts.reach_of(k).meets(value, value) else [], dtype=np.int64)
            if not len(given):
                return None
            target[k] = base, given
        return target

    def _changes(self) -> Iterator[Mapping[int, int]]:
        for k in self.faulty:
            own = self.graph.flat.prover.facts.known[k]
            least = min(max(0, own.low), own.high)
            yield from ({k: value} for value in range(own.low, own.high + 1)[:TARGETS] if value != least)

    def _wrong_at_once(self) -> Iterator[Mapping[int, int]]:
        generator, aig = np.random.default_rng(1), self.miter.aig
        given = {k: int.from_bytes(generator.bytes(PATTERNS // 8), "little") for k in aig.inputs}
        found = aig.simulate(given, [*self.miter.gold, *self.miter.gate], (1 << PATTERNS) - 1)
        different = 0
        for a, b in zip(found[: len(self.miter.gold)], found[len(self.miter.gold) :], strict=True):
            different |= a ^ b
        for place in np.flatnonzero(_digits(different, PATTERNS))[:TARGETS].tolist():
            yield self.miter.seen({k: bool(pattern >> place & 1) for k, pattern in given.items()}).values


def _chooses(node: Node) -> bool:
    """Whether a node passes one of its operands, or one of them or nothing."""
    return isinstance(node.operation, Mux | Relu)


def _digits(pattern: int, count: int) -> npt.NDArray[np.uint8]:
    packed = np.frombuffer(pattern.to_bytes(-(-count // 8), "little"), dtype=np.uint8)
    return np.unpackbits(packed, bitorder="little")[:count]
