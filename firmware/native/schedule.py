"""Order of the machine instructions: expressions split into vectors, so arranged that few values live at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trigforge.firmware.native.expressions import LEAVES, Expression, Kind

Place = tuple[Expression, int]
"""An expression and which of the vectors that hold its lanes is meant."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One vector operation; operands are instructions by number, or inputs and constants."""

    expression: Expression
    piece: int
    operands: tuple[int | Place, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Instructions in order; `results[k]` are the instructions, inputs or constants of the vectors of result k."""

    instructions: tuple[Instruction, ...]
    results: tuple[tuple[int | Place, ...], ...]
    least: int
    """The narrowest lane: a vector of it holds all events of a block."""


def schedule(nodes: Sequence[Expression], results: Sequence[int], input_lane: int) -> Schedule:
    """The instructions that make the nodes `results` from the expressions of all nodes, depth first.

    What needs most registers is made first, so that its operands are not kept alive meanwhile.
    """
    known: list[Expression] = []
    for x in nodes:
        known.append(_substituted(x, known))
    made = [known[result] for result in results]
    return _Scheduler(known, _least_lane(known, made, input_lane)).run(made)


def pieces(lane: int, least: int) -> int:
    """Vectors that hold a value of all events of a block."""
    return lane // least


def operands_of(place: Place) -> list[Place]:
    """The vectors that a vector is made of."""
    x, piece = place
    match x.kind:
        case Kind.WIDEN:
            return [(x.operands[0], piece // 2)]
        case Kind.NARROW:
            return [(x.operands[0], 2 * piece), (x.operands[0], 2 * piece + 1)]
        case _:
            return [(operand, piece) for operand in x.operands]


def _substituted(x: Expression, known: Sequence[Expression]) -> Expression:
    """`x` without nodes that are nothing but another node, an input or a constant."""
    if x.kind is Kind.NODE:
        return known[x.value] if known[x.value].kind in LEAVES else x
    return x._replace(operands=tuple(_substituted(o, known) for o in x.operands)) if x.operands else x


def _least_lane(nodes: Sequence[Expression], results: Sequence[Expression], input_lane: int) -> int:
    seen: set[Expression] = set()
    stack, least = list(results), input_lane
    while stack:
        x = stack.pop()
        x = nodes[x.value] if x.kind is Kind.NODE else x
        if x in seen:
            continue
        seen.add(x)
        if x.kind is not Kind.CONST:
            least = min(least, x.lane)
        stack.extend(x.operands)
    return least


class _Scheduler:
    def __init__(self, nodes: Sequence[Expression], least: int) -> None:
        self.nodes, self.least = nodes, least
        self.numbers: dict[Place, int] = {}
        self.instructions: list[Instruction] = []

    def run(self, results: Sequence[Expression]) -> Schedule:
        made = []
        for result in results:
            places = [self.resolved((result, p)) for p in range(pieces(result.lane, self.least))]
            for place in places:
                self.make(place)
            made.append(tuple(self.reference(place) for place in places))
        return Schedule(tuple(self.instructions), tuple(made), self.least)

    def resolved(self, place: Place) -> Place:
        """The place with a node replaced by its expression."""
        x, piece = place
        while x.kind is Kind.NODE:
            x = self.nodes[x.value]
        return x, piece

    def reference(self, place: Place) -> int | Place:
        place = self.resolved(place)
        return place if place[0].kind in LEAVES else self.numbers[place]

    def make(self, root: Place) -> None:
        stack = [(root, False)]
        while stack:
            place, ready = stack.pop()
            if place in self.numbers or place[0].kind in LEAVES:
                continue
            operands = [self.resolved(o) for o in operands_of(place)]
            if ready:
                self.numbers[place] = len(self.instructions)
                used = tuple(self.reference(o) for o in operands)
                self.instructions.append(Instruction(*place, used))
            else:
                stack.append((place, True))
                stack.extend((o, False) for o in reversed(operands))
