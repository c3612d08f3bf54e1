"""Events that close coverage: a bounded, seeded hill-climb on the distance of a node's value to an open bin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from alkaid.types import CombLogic

from trigforge.firmware.circuit import Circuit, Input, operands
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.sim.bounds.reach import node_values
from trigforge.sim.coverage.points import Bins, BitBins, Cells, Hits

Watch = Callable[[IntArray], dict[int, IntArray]]
"""Events (n, inputs) -> the mantissas (n,) of every node that is watched."""
FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a search goes on, and how many events it looks at."""

    steps: int = 30
    """Most generations of events for one bin."""
    patience: int = 6
    """Generations without progress after which a bin stays open."""
    mutants: int = 1024
    """Random events of a generation, besides the systematic ones."""
    parents: int = 16
    """Best events that mutate."""
    sample: int = 4096
    """Known events among which the first parents are chosen."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What an open bin wants of a node: a mantissa in `first..last` (None: unbounded), there with a bit of a value."""

    node: int
    first: int | None = None
    last: int | None = None
    bit: int | None = None
    value: int = 0

    def distance(self, values: IntArray) -> IntArray:
        """How far mantissas (n,) are from the bin; 0 inside."""
        if self.bit is None:
            below = 0 if self.first is None else np.maximum(self.first - values, 0)
            above = 0 if self.last is None else np.maximum(values - self.last, 0)
            return np.asarray(below + above + np.zeros_like(values))
        half = np.int64(1) << np.int64(self.bit)
        rest = values & (2 * half - 1)
        start = rest - half if self.value == 0 else rest
        up, down = half - start, start + 1
        up = np.where((self.last is not None) & (values > (self.last or 0) - up), FAR, up)
        down = np.where((self.first is not None) & (values < (self.first or 0) + down), FAR, down)
        return np.where((rest >= half) == bool(self.value), 0, np.minimum(up, down))


def close(
    bins: Bins,
    words: IntArray,
    seed: int,
    effort: Effort | None = None,
    cache: Path | None = None,
    near: IntArray | None = None,
) -> IntArray:
    """Events (m, inputs) that, streamed behind `words`, hit bins that those leave open; the same for the same seed.

    What stays open is neither proved impossible nor found within the effort. The search also starts from the events
    `near`. With the folder `cache` nodes are
    evaluated by native code, compiled into it, some ten times as fast.
    """
    effort, generator = effort or Effort(), np.random.default_rng(seed)
    start = words if len(words) else np.clip(0, bins.low, bins.high)[None]
    hits = bins.hits(start)
    goals = _goals(bins, hits)
    watch = _watch(bins, sorted({goal.node for goal in goals}), cache)
    found = _Search(bins, effort, generator, watch).run(goals, start, words[:0] if near is None else near)
    return np.concatenate([found, _toggles(bins, np.concatenate([start, found]))])


def _goals(bins: Bins, hits: Hits) -> list[Goal]:
    """What is wanted of values; a toggle wants nothing that its two values do not."""
    goals: dict[Goal, None] = {}
    for start, point in zip(bins.starts(), bins.points, strict=True):
        is_open = [not hits[start + k] and start + k not in bins.excluded for k in range(len(point.bins))]
        if not any(is_open):
            continue
        if isinstance(point, Cells):
            regions = [point.region(k) for k, name in enumerate(point.names) if name]
            wanted = [Goal(point.node, *region) for region, missing in zip(regions, is_open, strict=True) if missing]
        else:
            values = [(bit, int(kind)) for bit in range(point.width) for kind in ("0", "1")]
            kinds = point.kinds
            missing = {k // len(kinds) for k, missing in enumerate(is_open) if missing}
            form = bins.circuit.nodes[point.node].format
            wanted = [Goal(point.node, form.low, form.high, bit, value) for bit, value in values if bit in missing]
        goals.update(dict.fromkeys(wanted))
    return list(goals)


@dataclass(frozen=True, slots=True)
class _Search:
    bins: Bins
    effort: Effort
    generator: np.random.Generator
    watch: Watch

    def run(self, goals: Sequence[Goal], words: IntArray, near: IntArray) -> IntArray:
        """Events (m, inputs), each of which reaches a goal that no earlier one and none of `words` reaches."""
        sample = words[np.unique(np.linspace(0, len(words) - 1, self.effort.sample).round().astype(np.int64))]
        best = _Best(self.bins, list(goals), self.effort.parents, self.watch)
        best.offer(sample)
        if len(near):
            best.offer(near)
        left = [k for k in range(len(goals)) if best.distance[k]]
        while left:
            for goal in left:
                self.approach(best, goal, sample)
            still = [k for k in left if best.distance[k]]
            left = still if len(still) < len(left) else []
        reached = [best.rows[k][0] for k in range(len(goals)) if best.new[k] and not best.distance[k]]
        unique = {row.tobytes(): row for row in reached}
        return np.array(list(unique.values()), dtype=np.int64).reshape(-1, len(self.bins.low))

    def approach(self, best: _Best, goal: int, sample: IntArray) -> None:
        """Generations of events until the goal is reached or no more progress is made."""
        stale, step = 0, 0
        while best.distance[goal] and stale < self.effort.patience and step < self.effort.steps:
            before = best.distance[goal]
            start = self.anywhere(best, goal) if stale else best.rows[goal][0]
            self.systematic(best, goal, start)
            if best.distance[goal]:
                best.offer(self.mutants(best, goal, sample))
            stale, step = (0 if best.distance[goal] < before else stale + 1), step + 1

    def anywhere(self, best: _Best, goal: int) -> IntArray:
        """A good event, or one that reached another goal: what is near may be where the value does not move."""
        rows = np.concatenate([best.rows[goal], *(own[:1] for own in best.rows)])
        chosen: IntArray = rows[self.generator.integers(0, len(rows))]
        return chosen

    def systematic(self, best: _Best, goal: int, row: IntArray) -> None:
        """Offer an event with each word at its ends, at zero and anywhere, then with all changes that helped."""
        words = best.inputs[goal]
        low, high = self.bins.low[words], self.bins.high[words]
        options = [low, high, np.clip(0, low, high), self.generator.integers(low, high, endpoint=True)]
        changed = np.repeat(row[None], len(options) * len(words), axis=0)
        place = np.tile(np.arange(len(words)), len(options))
        changed[np.arange(len(changed)), words[place]] = np.concatenate(options)
        distances = best.offer(np.concatenate([changed, row[None]]))[goal]
        distances, now = distances[:-1], distances[-1]
        order = np.argsort(distances, kind="stable")
        helpful = order[distances[order] < now]
        _, first = np.unique(place[helpful], return_index=True)
        helpful = helpful[np.sort(first)]
        together = np.repeat(row[None], len(helpful), axis=0)
        for k, one in enumerate(helpful):
            together[k:, words[place[one]]] = changed[one, words[place[one]]]
        if len(together):
            best.offer(together)

    def mutants(self, best: _Best, goal: int, sample: IntArray) -> IntArray:
        """Random changes of good events: a few words at an end, anywhere, a power of two away or from another event."""
        random, words = self.generator, best.inputs[goal]
        count = self.effort.mutants
        own, others = best.rows[goal], np.concatenate([rows[:1] for rows in best.rows])
        near = own[random.integers(0, len(own), count)]
        far = others[random.integers(0, len(others), count)]
        rows = np.where(random.random((count, 1)) < 0.75, near, far)
        low, high = self.bins.low, self.bins.high
        moved = rows + np.int64(1) * random.choice([-1, 1], rows.shape) * (1 << random.integers(0, 10, rows.shape))
        choices = [
            np.where(random.random(rows.shape) < 0.5, low, high),
            random.integers(low, high, rows.shape, endpoint=True),
            np.clip(moved, low, high),
            sample[random.integers(0, len(sample), count)],
        ]
        several = 1 + random.geometric(0.5, (count, 1))
        chance = np.zeros(rows.shape)
        chance[:, words] = random.random((count, len(words)))
        changes = chance > 1 - several / max(len(words), 1)
        return np.where(changes, np.choose(random.integers(0, len(choices), rows.shape), choices), rows)


class _Best:
    """The events nearest to every goal."""

    def __init__(self, bins: Bins, goals: list[Goal], parents: int, watch: Watch) -> None:
        self.goals, self.parents, self.watch = goals, parents, watch
        self.inputs = [_inputs(bins.circuit, goal.node) for goal in goals]
        self.rows = [np.zeros((0, len(bins.low)), dtype=np.int64)] * len(goals)
        self.near: list[IntArray] = [np.zeros(0, dtype=np.int64)] * len(goals)
        self.new = [False] * len(goals)

    @property
    def distance(self) -> list[int]:
        """The distance of the best event of every goal."""
        return [int(near[0]) if len(near) else int(FAR) for near in self.near]

    def offer(self, words: IntArray) -> list[IntArray]:
        """Keep what is nearer to any goal than what is known; the distances (n,) to every goal."""
        values = self.watch(words)
        distances = [goal.distance(values[goal.node]) for goal in self.goals]
        for k, far in enumerate(distances):
            if len(self.near[k]) and not self.near[k][0]:
                continue
            if len(self.near[k]) == self.parents and far.min() >= self.near[k][-1]:
                continue
            chosen = np.argsort(far, kind="stable")[: self.parents]
            near = np.concatenate([self.near[k], far[chosen]])
            rows = np.concatenate([self.rows[k], words[chosen]])
            self.new[k] = bool(len(self.near[k]))
            keep = np.argsort(near, kind="stable")[: self.parents]
            self.near[k], self.rows[k] = near[keep], rows[keep]
        return distances


def _watch(bins: Bins, nodes: Sequence[int], cache: Path | None) -> Watch:
    """What evaluates nodes: natively, as outputs of a program of their own, if there is a folder for the code."""
    if cache is None:
        return lambda words: dict(zip(nodes, node_values(bins.circuit, words, bins.program.inputs, nodes), strict=True))
    program, count = bins.program, len(bins.program.circuit.nodes)
    results = count + len(program.circuit.outputs)
    comb, inner = program.comb, [k for k in nodes if k < results]
    ends = [(k, 0, False) if k < count else _end(comb, k - count) for k in inner]
    index, shift, negative = ([end[k] for end in ends] for k in range(3))
    shape = (comb.shape[0], len(inner))
    shown = comb._replace(shape=shape, out_idxs=index, out_shifts=shift, out_negs=negative)
    emulator = compile_emulator(IntegerProgram(shown, program.inputs), cache) if inner else None

    def watch(words: IntArray) -> dict[int, IntArray]:
        values = {k: words[:, k - results] for k in nodes if k >= results}
        found = () if emulator is None else emulator(words).T
        return values | dict(zip(inner, found, strict=True))

    return watch


def _end(comb: CombLogic, output: int) -> tuple[int, int, bool]:
    return comb.out_idxs[output], comb.out_shifts[output], comb.out_negs[output]


def _inputs(circuit: Circuit, node: int) -> IntArray:
    """The input words on which a node depends."""
    seen, stack, words = set(), [node], set()
    while stack:
        k = stack.pop()
        if k in seen:
            continue
        seen.add(k)
        operation = circuit.nodes[k].operation
        if isinstance(operation, Input):
            words.add(operation.index)
        stack += operands(circuit.nodes[k])
    return np.array(sorted(words), dtype=np.int64)


def _toggles(bins: Bins, words: IntArray) -> IntArray:
    """Known events in an order in which open bits rise and fall."""
    hits, rows = bins.hits(words), [np.zeros((0, words.shape[1]), dtype=np.int64)]
    for start, point in zip(bins.starts(), bins.points, strict=True):
        if not isinstance(point, BitBins) or "rise" not in point.kinds:
            continue
        for bit in range(point.width):
            own = [start + bit * len(point.kinds) + point.kinds.index(kind) for kind in ("rise", "fall")]
            if all(hits[k] or k in bins.excluded for k in own):
                continue
            (values,) = node_values(bins.circuit, words, bins.program.inputs, [point.node])
            is_set = (values >> np.int64(bit)) & 1 == 1
            if is_set.any() and not is_set.all():
                clear, high = words[np.argmin(is_set)], words[np.argmax(is_set)]
                rows.append(np.stack([clear, high, clear]))
                hits = hits | bins.hits(rows[-1])
    return np.concatenate(rows)
