"""`Aig`: an and-inverter graph with structural hashing, its evaluation and its AIGER file.

Literals are AIGER's: 2 · variable, plus 1 if inverted; 0 is false and 1 is true (Biere, FMV report 07/1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FALSE = 0
TRUE = 1
Literal = int
Word = tuple[Literal, ...]
"""The bits of a number, least significant first."""


@dataclass(slots=True)
class Aig:
    """A graph under construction: a variable is an input, a latch or the AND of two literals of earlier ones."""

    ands: dict[int, tuple[Literal, Literal]] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    latches: dict[int, Literal] = field(default_factory=dict)
    """Next state by variable; every latch begins with 0."""
    _known: dict[tuple[Literal, Literal], Literal] = field(default_factory=dict)
    _size: int = 0

    def input(self) -> Literal:
        """A new free variable."""
        self._size += 1
        self.inputs.append(self._size)
        return 2 * self._size

    def latch(self) -> Literal:
        """A new state bit, 0 at first; `latches` must be given its next state."""
        self._size += 1
        self.latches[self._size] = FALSE
        return 2 * self._size

    def both(self, a: Literal, b: Literal) -> Literal:
        """a AND b."""
        a, b = min(a, b), max(a, b)
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in (TRUE, b):
            return b
        found = self._known.get((a, b))
        if found is None:
            self._size += 1
            self.ands[self._size] = (a, b)
            found = self._known[a, b] = 2 * self._size
        return found

    def either(self, a: Literal, b: Literal) -> Literal:
        """a OR b."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: Literal, b: Literal) -> Literal:
        """a XOR b."""
        return self.either(self.both(a, b ^ 1), self.both(a ^ 1, b))

    def choose(self, condition: Literal, if_set: Literal, if_clear: Literal) -> Literal:
        """`if_set` where the condition holds, else `if_clear`."""
        return self.either(self.both(condition, if_set), self.both(condition ^ 1, if_clear))

    def gate(self, kind: str, operands: Sequence[Literal]) -> Literal:
        """A gate that Yosys names so."""
        match kind:
            case "$_NOT_":
                return operands[0] ^ 1
            case "$_AND_":
                return self.both(*operands)
            case "$_OR_":
                return self.either(*operands)
            case "$_XOR_":
                return self.differ(*operands)
            case "$_MUX_":
                return self.choose(*operands)
            case _:
                raise AssertionError(kind)

    def below(self, a: Word, b: Word, signed: bool) -> Literal:
        """a < b, of numbers of one width."""
        less: Literal = FALSE
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            if signed and i == len(a) - 1:
                x, y = y, x
            less = self.choose(self.differ(x, y), y, less)
        return less

    def clamped(self, word: Word, low: int, high: int, signed: bool) -> Word:
        """The number nearest to `word` in `low..high`: it takes every value there and no other."""
        width = len(word)
        least, most = constant(low, width), constant(high, width)
        under, over = self.below(word, least, signed), self.below(most, word, signed)
        return tuple(
            self.choose(under, a, self.choose(over, b, bit)) for bit, a, b in zip(word, least, most, strict=True)
        )

    def evaluate(self, assignment: Mapping[int, bool], literals: Sequence[Literal]) -> list[bool]:
        """The values of literals for those of inputs and latches, by variable."""
        return [bool(value) for value in self.simulate(assignment, literals, 1)]

    def simulate(self, patterns: Mapping[int, int], literals: Sequence[Literal], mask: int) -> list[int]:
        """The values of literals in many cases at a time, one a bit that is set in `mask`."""
        values = self.values(patterns, mask)
        return [values[k >> 1] ^ mask if k & 1 else values[k >> 1] for k in literals]

    def values(self, patterns: Mapping[int, int], mask: int) -> dict[int, int]:
        """The values of all variables in many cases at a time, as `simulate` has them."""
        values = {0: 0, **patterns}
        for variable, (a, b) in self.ands.items():
            left, right = values[a >> 1], values[b >> 1]
            values[variable] = (left ^ mask if a & 1 else left) & (right ^ mask if b & 1 else right)
        return values

    def aiger(self, outputs: Sequence[Literal]) -> bytes:
        """The binary AIGER file of the graph with these outputs."""
        order = [0, *self.inputs, *self.latches, *self.ands]
        place = {variable: k for k, variable in enumerate(order)}

        def moved(literal: Literal) -> int:
            return 2 * place[literal >> 1] + (literal & 1)

        sizes = (len(order) - 1, len(self.inputs), len(self.latches), len(outputs), len(self.ands))
        lines = ["aig " + " ".join(map(str, sizes))]
        lines += [str(moved(literal)) for literal in (*self.latches.values(), *outputs)]
        body = bytearray("".join(line + "\n" for line in lines).encode())
        for variable, operands in self.ands.items():
            left, right = sorted(map(moved, operands), reverse=True)
            body += _variable_length(2 * place[variable] - left) + _variable_length(left - right)
        return bytes(body)


def constant(value: int, width: int) -> Word:
    """The literals of an integer in two's complement."""
    return tuple((value >> i) & 1 for i in range(width))


def _variable_length(number: int) -> bytes:
    """AIGER's coding of a difference: seven bits a byte, least significant first."""
    coded = bytearray()
    while number >= 128:
        coded.append(number & 127 | 128)
        number >>= 7
    coded.append(number)
    return bytes(coded)
