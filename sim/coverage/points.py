"""The bins of functional coverage: what a stream of events must show of every bit, saturation, choice and table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.circuit import Circuit, Format, Input, Lookup, Mux, Node, Relu, Wrap
from trigforge.firmware.native.translate import with_outputs
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.sim.bounds.analysis import reachable
from trigforge.sim.bounds.reach import Limit, Reach, limit_of, node_values

GROUPS = ("input", "output", "saturation", "relu", "mux", "flag", "wrap", "table", "threshold", "node")
"""The classes of bins: rise and fall of input bits; 0, 1, rise and fall of output bits; saturations low, inside and
high; both sides of every ReLU and choice; both values of one-bit nodes; wraps; table entries; thresholds straddled;
and, on demand, both values of every bit of every node."""

Hits = npt.NDArray[np.bool_]
EVENTS_AT_ONCE = 2048


@dataclass(frozen=True, slots=True)
class Cells:
    """Regions of a node's mantissa, region k being `cuts[k-1] <= mantissa < cuts[k]`; one without a name is no bin."""

    group: str
    node: int
    cuts: tuple[int, ...]
    names: tuple[str, ...]

    def region(self, cell: int) -> tuple[int | None, int | None]:
        """The first and last mantissa of a region (None: unbounded)."""
        first = self.cuts[cell - 1] if cell else None
        return first, self.cuts[cell] - 1 if cell < len(self.cuts) else None

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of the bins."""
        return tuple(name for name in self.names if name)

    def impossible(self, reach: Reach) -> Hits:
        """Which bins no value can hit."""
        return np.array([not reach.meets(*self.region(k)) for k, name in enumerate(self.names) if name], dtype=bool)

    def hit(self, values: IntArray) -> Hits:
        """Which bins the values (n,) of the node hit."""
        cells = np.searchsorted(np.array(self.cuts, dtype=np.int64), values, side="right")
        seen = np.bincount(cells, minlength=len(self.names)) > 0
        return seen[[k for k, name in enumerate(self.names) if name]]


@dataclass(frozen=True, slots=True)
class BitBins:
    """The bits of a node's mantissa: the value 0, the value 1, 0 after 1 and 1 after 0 (those of `kinds`)."""

    group: str
    node: int
    width: int
    name: str
    kinds: tuple[str, ...]

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of the bins."""
        return tuple(f"{self.name} bit {bit} {kind}" for bit in range(self.width) for kind in self.kinds)

    def impossible(self, reach: Reach) -> Hits:
        """Which bins no value can hit; a bit that is constant does not toggle."""
        can = [(reach.bit(bit, 0), reach.bit(bit, 1)) for bit in range(self.width)]
        able = {"0": lambda c: c[0], "1": lambda c: c[1], "rise": all, "fall": all}
        return np.array([not able[kind](c) for c in can for kind in self.kinds], dtype=bool)

    def hit(self, values: IntArray) -> Hits:
        """Which bins the values (n,) of the node hit in this order."""
        before, after = values[:-1], values[1:]
        masks = {
            "0": ~np.bitwise_and.reduce(values),
            "1": np.bitwise_or.reduce(values),
            "rise": np.bitwise_or.reduce(~before & after),
            "fall": np.bitwise_or.reduce(before & ~after),
        }
        seen = np.array([masks[kind] for kind in self.kinds], dtype=np.int64)
        bits: Hits = ((seen >> np.arange(self.width, dtype=np.int64)[:, None]) & 1).astype(bool).ravel()
        return bits


Point = Cells | BitBins


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of a program for words in `low..high`: bin `k` of `names` belongs to a point, in their order."""

    program: IntegerProgram
    circuit: Circuit
    """The program's circuit with a node for every output and every input word behind its own."""
    low: IntArray
    high: IntArray
    points: tuple[Point, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    excluded: Mapping[int, str]
    """Bins that no event can hit, and the proof."""

    def starts(self) -> list[int]:
        """The first bin of every point."""
        return list(accumulate((len(point.bins) for point in self.points), initial=0))[:-1]

    def hits(self, words: IntArray) -> Hits:
        """Which bins the events (n, words), streamed in this order, hit."""
        found = np.zeros(len(self.names), dtype=bool)
        nodes = sorted({point.node for point in self.points})
        place = {node: k for k, node in enumerate(nodes)}
        starts = self.starts()
        for first in range(0, len(words), EVENTS_AT_ONCE):
            block = words[max(first - 1, 0) : first + EVENTS_AT_ONCE]
            values = node_values(self.circuit, block, self.program.inputs, nodes)
            for start, point in zip(starts, self.points, strict=True):
                seen = point.hit(values[place[point.node]])
                found[start : start + len(seen)] |= seen
        return found


def bins_of(
    program: IntegerProgram, low: IntArray, high: IntArray, thresholds: Sequence[int] = (), *, nodes: bool = False
) -> Bins:
    """The bins of a program for words in `low..high` (each of shape (inputs,)), thresholds on its first output.

    Raises `InputError` if the limits are not those of the program's words.
    """
    low, high = np.asarray(low, dtype=np.int64), np.asarray(high, dtype=np.int64)
    _check_limits(program, low, high)
    circuit, count = _extended(program), len(program.circuit.nodes)
    reach = reachable(circuit, program.inputs, low, high)
    points = [
        *_ports(program, count),
        *_saturations(program.circuit, reach),
        *(p for k in range(count) for p in _operation(program.circuit, k, reach)),
        *(_threshold(count, t) for t in dict.fromkeys(thresholds)),
    ]
    if nodes:
        known = {point.node for point in points if point.group == "flag"}
        points += [
            BitBins("node", k, node.format.width, f"node {k}", ("0", "1"))
            for k, node in enumerate(program.circuit.nodes)
            if node.format.width and k not in known
        ]
    names = tuple(name for point in points for name in point.bins)
    groups = tuple(point.group for point in points for _ in point.bins)
    never = np.concatenate([point.impossible(reach[point.node]) for point in points])
    proofs = [reach[point.node].proof for point in points for _ in point.bins]
    excluded = {int(k): proofs[k] for k in np.flatnonzero(never)}
    return Bins(program, circuit, low, high, tuple(points), names, groups, excluded)


def _check_limits(program: IntegerProgram, low: IntArray, high: IntArray) -> None:
    if low.shape != (len(program.inputs),) or high.shape != low.shape:
        raise InputError(
            f"the limits of coverage must be of the program's {len(program.inputs)} words, "
            f"not of shapes {low.shape} and {high.shape}"
        )
    for word, kind in enumerate(program.inputs):
        if not kind.low <= low[word] <= high[word] <= kind.high:
            raise InputError(
                f"the limits of word {word} must lie in {kind.low}..{kind.high} in order, not {low[word]}..{high[word]}"
            )


def _extended(program: IntegerProgram) -> Circuit:
    """The circuit with a node for every output, then one for every input word, behind its own nodes."""
    circuit = with_outputs(program.circuit)
    forms = [Format(kind.signed, kind.width, kind.fraction) for kind in program.inputs]
    words = [Node(Input(k), form, form.low, form.high) for k, form in enumerate(forms)]
    return replace(circuit, nodes=(*circuit.nodes, *words))


def _ports(program: IntegerProgram, count: int) -> Iterator[Point]:
    for k, kind in enumerate(program.inputs):
        place = count + len(program.circuit.outputs) + k
        yield BitBins("input", place, kind.width, f"word {k}", ("rise", "fall"))
    for k, form in enumerate(program.circuit.output_formats):
        yield BitBins("output", count + k, form.width, f"output {k}", ("0", "1", "rise", "fall"))


def _saturations(circuit: Circuit, reach: Sequence[Reach]) -> Iterator[Point]:
    """Limits; a lower and an upper one, the second of the first, are one saturation."""
    limits = {k: _limit(circuit, k, reach) for k in range(len(circuit.nodes))}
    found = {k: limit for k, limit in limits.items() if limit is not None}
    inner = {k: own.source for k, own in found.items() if own.source in found and found[own.source].upper != own.upper}
    for k, own in found.items():
        if k in inner:
            first = found[inner[k]]
            low, high = sorted((own, first), key=lambda limit: limit.upper)
            cuts = (low.bound, high.bound + 1)
            yield Cells("saturation", first.source, cuts, _named(k, "low", "inside", "high"))
        elif k not in inner.values():
            names = _named(k, "inside", "high") if own.upper else _named(k, "low", "inside")
            yield Cells("saturation", own.source, (own.bound + own.upper,), names)


def _limit(circuit: Circuit, index: int, reach: Sequence[Reach]) -> Limit | None:
    operation = circuit.nodes[index].operation
    return limit_of(circuit, operation, reach) if isinstance(operation, Mux) else None


def _operation(circuit: Circuit, index: int, reach: Sequence[Reach]) -> Iterator[Point]:
    """The points of one node that is no saturation."""
    node = circuit.nodes[index]
    if node.format.width == 1 and not isinstance(node.operation, Input) and reach[index].low != reach[index].high:
        yield BitBins("flag", index, 1, f"node {index}", ("0", "1"))
    match node.operation:
        case Relu(source):
            yield Cells("relu", source, (0, 1), (f"node {index} clipped", "", f"node {index} passed"))
        case Mux(selector) as op if limit_of(circuit, op, reach) is None:
            form = circuit.nodes[selector].format
            sides = ("set", "clear") if form.signed else ("clear", "set")
            yield Cells("mux", selector, (0 if form.signed else 1 << (form.width - 1),), _named(index, *sides))
        case Wrap(source, shift) if node.format.width > 1:
            left = node.format.fraction - circuit.nodes[source].format.fraction + shift
            yield from _wrap(index, node.format, source, left, reach[source])
        case Lookup(source, low, table):
            entries = (f"node {index} entry {k}" for k in range(len(table)))
            yield Cells("table", source, tuple(range(low, low + len(table) + 1)), ("", *entries, ""))
        case _:
            return


def _wrap(index: int, target: Format, source: int, left: int, reach: Reach) -> Iterator[Point]:
    """Values of the source below, inside and above what the target holds, if it can leave it."""
    if left >= 0:
        first, last = -(-target.low >> left), target.high >> left
    else:
        first, last = target.low << -left, ((target.high + 1) << -left) - 1
    if reach.low < first or reach.high > last:
        yield Cells("wrap", source, (first, last + 1), _named(index, "below", "inside", "above"))


def _threshold(output: int, threshold: int) -> Cells:
    names = tuple(f"threshold {threshold} {side}" for side in ("below", "just below", "exact", "above"))
    return Cells("threshold", output, (threshold - 1, threshold, threshold + 1), names)


def _named(index: int, *sides: str) -> tuple[str, ...]:
    return tuple(f"node {index} {side}" for side in sides)
