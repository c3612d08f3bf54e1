"""C++ of a schedule: straight-line code on GCC vectors, one event a lane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from trigforge.firmware.circuit import Circuit, Lookup
from trigforge.firmware.native.expressions import Expression, Kind
from trigforge.firmware.native.schedule import Instruction, Place, Schedule, pieces
from trigforge.fixed import FixedType

CHUNK = 4000
"""Instructions of a function: compilers need more than linear time for longer ones."""

INFIX = {Kind.ADD: "+", Kind.SUB: "-", Kind.MUL: "*", Kind.AND: "&", Kind.OR: "|", Kind.XOR: "^"}


@dataclass(frozen=True, slots=True)
class VectorCode:
    """What a C++ source is made from: a schedule, its tables, and the types of the words in lanes of `word` bits."""

    schedule: Schedule
    circuit: Circuit
    types: tuple[FixedType, ...]
    word: int
    lanes: tuple[int, ...]
    """The lane of every node of the circuit."""

    def source(self) -> str:
        """The source; it exports `run_int16`, `run_int32` and `run_int64`."""
        package = resources.files(__package__)
        parts = (
            (package / "vectors.hpp").read_text(),
            "\n".join(self._constants()),
            "\n".join(self._in_range()),
            "\n".join(self._functions()),
            (package / "driver.hpp").read_text(),
        )
        return "\n".join(parts)

    def _constants(self) -> Iterator[str]:
        least, inputs = self.schedule.least, len(self.types)
        yield "namespace {"
        yield f"typedef int{self.word}_t word_t;"
        yield f"typedef v{self.word} word_v;"
        yield f"constexpr int INPUTS = {inputs}, OUTPUTS = {len(self.schedule.results)};"
        yield f"constexpr int EVENTS = 8 * BYTES / {least}; // of a block"
        yield f"constexpr int PIECES = {pieces(self.word, least)}; // vectors that hold a word of all of them"
        yield "constexpr int EACH = EVENTS / PIECES;"
        yield f"const int64_t LOW[INPUTS] = {{{', '.join(str(t.low) for t in self.types)}}};"
        yield f"const int64_t HIGH[INPUTS] = {{{', '.join(str(t.high) for t in self.types)}}};"
        lookups = {i.expression.value: i.expression.lane for i in self.schedule.instructions if _is_lookup(i)}
        for node, lane in sorted(lookups.items()):
            operation = self.circuit.nodes[node].operation
            assert isinstance(operation, Lookup)
            yield f"const int{lane}_t TABLE{node}[] = {{{', '.join(map(str, operation.table))}}};"
        yield "}"

    def _in_range(self) -> Iterator[str]:
        """A word of w bits is in range if no bit above them is set after the type's low end was taken off."""
        kinds: dict[tuple[int, int], list[int]] = {}
        for k, kind in enumerate(self.types):
            if kind.width < self.word:
                kinds.setdefault((-kind.low, kind.width), []).append(k)
        yield "namespace {"
        yield "inline bool in_range(const word_v (*x)[PIECES]) {"
        yield "    word_v bad = {};"
        for (offset, width), members in kinds.items():
            yield "    {"
            yield "        word_v seen = {};"
            for k in members:
                for p in range(pieces(self.word, self.schedule.least)):
                    yield f"        seen |= x[{k}][{p}]" + (f" + splat<word_v>({offset})" if offset else "") + ";"
            yield f"        bad |= seen & splat<word_v>({-(1 << width)});"
            yield "    }"
        yield "    int64_t part[BYTES / 8], any = 0;"
        yield "    std::memcpy(part, &bad, BYTES);"
        yield "    for (int64_t p : part) any |= p;"
        yield "    return any == 0;"
        yield "}"
        yield "}"

    def _functions(self) -> Iterator[str]:
        count, lines = len(self.schedule.instructions), len(self.types) * self.word // self.schedule.least + 1
        chunks = [range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
        kept = self._kept(chunks)
        yield "namespace {"
        yield "// Line LINE of the words of the next block, fetched while this one is computed."
        yield "template <int LINE> inline void prefetch(const char *ahead) {"
        yield "    if (64 * LINE < EVENTS * INPUTS * int(sizeof(word_t)) + 64) __builtin_prefetch(ahead + 64 * LINE);"
        yield "}"
        yield "struct Kept {"
        for lane in (8, 16, 32, 64):
            number = sum(self.schedule.instructions[i].expression.lane == lane for i in kept)
            yield f"    v{lane} k{lane}[{max(number, 1)}];"
        yield "};"
        for number, chunk in enumerate(chunks):
            yield "__attribute__((noinline))"
            yield f"void part{number}(const word_v (*x)[PIECES], Kept &kept, const char *ahead) {{"
            for index in chunk:
                line = index * lines // count
                if line != (index - 1) * lines // count:
                    yield f"    prefetch<{line}>(ahead);"
                yield "    " + self._statement(index, chunk, kept)
                if index in kept:
                    yield f"    kept.{kept[index]} = n{index};"
            yield "}"
        yield "inline void evaluate(const word_v (*x)[PIECES], int64_t *out, const char *ahead) {"
        yield "    Kept kept;"
        yield from (f"    part{number}(x, kept, ahead);" for number in range(len(chunks)))
        yield from self._stores(kept)
        yield "}"
        yield "}"

    def _kept(self, chunks: Sequence[range]) -> dict[int, str]:
        """Where the instructions are kept whose results other functions use."""
        used = {place for result in self.schedule.results for place in result if isinstance(place, int)}
        for chunk in chunks:
            for index in chunk:
                operands = self.schedule.instructions[index].operands
                used.update(o for o in operands if isinstance(o, int) and o not in chunk)
        kept: dict[int, str] = {}
        counts = dict.fromkeys((8, 16, 32, 64), 0)
        for index in sorted(used):
            lane = self.schedule.instructions[index].expression.lane
            kept[index] = f"k{lane}[{counts[lane]}]"
            counts[lane] += 1
        return kept

    def _statement(self, index: int, chunk: range, kept: dict[int, str]) -> str:
        instruction = self.schedule.instructions[index]
        operands = [
            f"n{o}" if o in chunk else f"kept.{kept[o]}" if isinstance(o, int) else _leaf(o)
            for o in instruction.operands
        ]
        return f"const v{instruction.expression.lane} n{index} = {_operation(instruction, operands)};"

    def _stores(self, kept: dict[int, str]) -> Iterator[str]:
        for output, places in enumerate(self.schedule.results):
            lane = self._lane(places[0])
            values = [f"kept.{kept[place]}" if isinstance(place, int) else _leaf(place) for place in places]
            yield f"    {{ const v{lane} made[] = {{{', '.join(values)}}};"
            yield f"      v{lane} r[{len(places)}];"
            yield f"      in_order<{lane // self.word}>(made, r, {len(places)});"
            yield f"      for (int i = 0; i < {len(places)}; ++i)"
            yield f"          store<OUTPUTS>(r[i], out + i * lanes<v{lane}> * OUTPUTS + {output}); }}"

    def _lane(self, place: int | Place) -> int:
        return self.schedule.instructions[place].expression.lane if isinstance(place, int) else place[0].lane


def _is_lookup(instruction: Instruction) -> bool:
    return instruction.expression.kind is Kind.LOOKUP


def _leaf(place: Place) -> str:
    x, piece = place
    return f"x[{x.value}][{piece}]" if x.kind is Kind.INPUT else f"splat<v{x.lane}>({_integer(x.value)})"


def _integer(value: int) -> str:
    return f"(-{-value - 1}L - 1)" if value < 0 else f"{value}L"


def _operation(instruction: Instruction, operands: list[str]) -> str:
    x, a = instruction.expression, operands[0]
    match x.kind:
        case Kind.NOT:
            return f"~{a}"
        case Kind.SHL | Kind.SAR:
            return f"{x.kind}<{x.value}>({a})"
        case Kind.WIDEN:
            return f"{'odd' if instruction.piece % 2 else 'even'}({a})"
        case Kind.NARROW | Kind.SELECT | Kind.RELU | Kind.MIN | Kind.MAX:
            return f"{x.kind}{_template(x)}({', '.join(operands)})"
        case Kind.ABOVE | Kind.EQUAL:
            return f"{x.kind}({a}, {_integer(x.value)})"
        case Kind.LOOKUP:
            return f"lookup(TABLE{x.value}, {a})"
        case _:
            return f"{a} {INFIX[x.kind]} {operands[1]}"


def _template(x: Expression) -> str:
    return f"<v{x.lane}>"
