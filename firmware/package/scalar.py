"""A `Circuit` as straight-line code of one event, in the language that C99 and C++17 share.

There is no vector and no undefined behaviour in it: values are shifted left without their sign, and every intermediate
value fits its word. Long programs become functions of bounded length, so that compile time grows in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trigforge.firmware.circuit import (
    BitBinary,
    Bits,
    Bits2,
    BitUnary,
    Circuit,
    Format,
    Input,
    Lookup,
    Mux,
    Node,
    Product,
    Relu,
    Sum,
    Wrap,
    alignment,
    width_needed,
)
from trigforge.fixed import FixedType

STATEMENTS = 2000
"""Nodes of one function."""
NUMBERS_A_LINE = 16

PRELUDE = """typedef int{bits}_t word_t;
typedef uint{bits}_t bits_t;
#if defined(__GNUC__)
#define PACKAGE_NOINLINE __attribute__((noinline))
#else
#define PACKAGE_NOINLINE
#endif
static inline word_t shl(word_t a, int n) {{ return (word_t)((bits_t)a << n); }}
static inline word_t shr(word_t a, int n) {{ return a >> n; }}
static inline word_t extend(word_t a, int width) {{ return shr(shl(a, {bits} - width), {bits} - width); }}
static inline int64_t shl64(int64_t a, int n) {{ return (int64_t)((uint64_t)a << n); }}
static inline int64_t shr64(int64_t a, int n) {{ return a >> n; }}
static inline int64_t extend64(int64_t a, int width) {{ return shr64(shl64(a, 64 - width), 64 - width); }}
"""


@dataclass(frozen=True, slots=True)
class _Word:
    """The integer that values are computed in, and the suffix of its helpers' names."""

    bits: int
    suffix: str = ""

    def shift(self, text: str, left: int) -> str:
        """`text` · 2^left, rounded down; bits beyond the word are lost."""
        if left >= self.bits:
            return "0"
        if left > 0:
            return f"shl{self.suffix}({text}, {left})"
        return f"shr{self.suffix}({text}, {min(-left, self.bits - 1)})" if left < 0 else text

    def fit(self, text: str, fraction: int, target: Format, *, wrap: bool = True) -> str:
        """`text` (with `fraction` bits) in a format, as `Format.fit` does it."""
        moved = self.shift(text, target.fraction - fraction)
        if not wrap:
            return moved
        if target.signed:
            return f"extend{self.suffix}({moved}, {target.width})"
        return f"({moved} & {number((1 << target.width) - 1)})"


def word_bits(circuit: Circuit) -> int:
    """The narrower of 32 and 64 bits that holds every intermediate value."""
    formats = [node.format for node in circuit.nodes]
    return 32 if max((width_needed(node, formats) for node in circuit.nodes), default=0) <= 31 else 64


def scalar_source(circuit: Circuit, types: Sequence[FixedType], name: str, statements: int = STATEMENTS) -> str:
    """The text of `static void name(const int32_t *x, int64_t *y)`: output mantissas of input mantissas of these types.

    It needs `<stdint.h>` and input words inside their types; functions have at most `statements` nodes each.
    """
    printer = _Printer(
        circuit.nodes, [n.format for n in circuit.nodes], [t.fraction for t in types], _Word(word_bits(circuit))
    )
    live = _live(circuit)
    blocks = [live[i : i + statements] for i in range(0, len(live), statements)] or [[]]
    tables = [printer.table(i) for i in live if isinstance(circuit.nodes[i].operation, Lookup)]
    stores = [printer.store(k, circuit) for k in range(len(circuit.outputs))]
    body = "".join(_functions(blocks, printer, circuit, stores, name))
    return PRELUDE.format(bits=printer.word.bits) + "".join(tables) + body


def number(value: int) -> str:
    """An integer literal of sufficient width."""
    text = str(value) if abs(value) < 1 << 31 else f"INT64_C({value})"
    return f"({text})" if value < 0 else text


def _live(circuit: Circuit) -> list[int]:
    """The nodes that an output depends on, in order of evaluation."""
    needed = _read_by_outputs(circuit)
    for index in range(len(circuit.nodes) - 1, -1, -1):
        if index in needed:
            needed.update(_sources(circuit.nodes[index]))
    return sorted(needed)


def _read_by_outputs(circuit: Circuit) -> set[int]:
    formats = circuit.output_formats
    return {t.source for t, own in zip(circuit.outputs, formats, strict=True) if t is not None and own.width > 0}


def _sources(node: Node) -> tuple[int, ...]:
    """The nodes whose values a node reads."""
    if node.format.width == 0:
        return ()
    match node.operation:
        case Sum(terms):
            return tuple(term.source for term in terms)
        case Relu(source) | Wrap(source) | Lookup(source) | Bits(source):
            return (source,)
        case Mux(selector, a, b):
            return (selector, a, b)
        case Product(a, b) | Bits2(a, b):
            return (a, b)
        case _:
            return ()


def _functions(
    blocks: Sequence[Sequence[int]], printer: _Printer, circuit: Circuit, stores: Sequence[str], name: str
) -> Iterator[str]:
    """One function, or one a block and one that calls them; values that pass from block to block stand in `m`."""
    if len(blocks) == 1:
        yield _function(f"static void {name}(const int32_t *x, int64_t *y)", printer.nodes_text(blocks[0]), stores)
        return
    slots, size = _slots(blocks, circuit)
    last = len(blocks) - 1
    for b, block in enumerate(blocks):
        own = set(block)
        read = {s for i in block for s in _sources(circuit.nodes[i])}
        if b == last:
            read |= _read_by_outputs(circuit)
        loads = [f"const word_t n{i} = m[{slots[i]}];" for i in sorted(read - own)]
        saves = [f"m[{slots[i]}] = n{i};" for i in block if i in slots]
        head = f"static PACKAGE_NOINLINE void {name}_{b}(const int32_t *x, word_t *m, int64_t *y)"
        yield _function(head, [*loads, *printer.nodes_text(block), *saves], stores if b == last else [], "(void)m;")
    calls = [f"word_t m[{size}] = {{0}};", *(f"{name}_{b}(x, m, y);" for b in range(len(blocks)))]
    yield _function(f"static void {name}(const int32_t *x, int64_t *y)", calls, [])


def _function(head: str, statements: Sequence[str], stores: Sequence[str], unused: str = "") -> str:
    lines = [*statements, *stores, f"(void)x; (void)y; {unused}".rstrip()]
    return head + " {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _slots(blocks: Sequence[Sequence[int]], circuit: Circuit) -> tuple[dict[int, int], int]:
    """A place in memory for every value that a later block reads, used again when it is read for the last time."""
    last_read: dict[int, int] = {}
    for b, block in enumerate(blocks):
        for index in block:
            last_read.update(dict.fromkeys(_sources(circuit.nodes[index]), b))
    last_read.update(dict.fromkeys(_read_by_outputs(circuit), len(blocks) - 1))
    slots: dict[int, int] = {}
    free: list[int] = []
    size = 0
    for b, block in enumerate(blocks):
        for index in (i for i in block if last_read[i] > b):
            if not free:
                free, size = [size], size + 1
            slots[index] = free.pop()
        free += [slots[i] for i, read in last_read.items() if read == b and i in slots]
    return slots, size


@dataclass(frozen=True, slots=True)
class _Printer:
    nodes: Sequence[Node]
    formats: Sequence[Format]
    input_fractions: Sequence[int]
    word: _Word

    def nodes_text(self, block: Sequence[int]) -> list[str]:
        """The statements of some nodes."""
        return [f"const word_t n{i} = {self._expression(i)};" for i in block]

    def table(self, index: int) -> str:
        """The entries of a look-up."""
        operation = self.nodes[index].operation
        assert isinstance(operation, Lookup)
        entries = [number(entry) for entry in operation.table]
        lines = [", ".join(entries[i : i + NUMBERS_A_LINE]) for i in range(0, len(entries), NUMBERS_A_LINE)]
        return f"static const word_t t{index}[] = {{\n    " + ",\n    ".join(lines) + "};\n"

    def store(self, k: int, circuit: Circuit) -> str:
        """The statement that writes output `k`."""
        term, own = circuit.outputs[k], circuit.output_formats[k]
        if term is None or own.width == 0:
            return f"y[{k}] = 0;"
        value = f"{'-' if term.negative else ''}(int64_t)n{term.source}"
        fraction = self.formats[term.source].fraction - term.shift
        return f"y[{k}] = {_Word(64, '64').fit(value, fraction, own)};"

    def _expression(self, index: int) -> str:  # noqa: C901  (one case an operation)
        node, word = self.nodes[index], self.word
        own = node.format
        if own.width == 0:
            return "0"
        match node.operation:
            case Input(k):
                return word.fit(f"(word_t)x[{k}]", self.input_fractions[k], own)
            case Sum() as op:
                return self._sum(op, own)
            case Relu(source):
                high = _moved(self.nodes[source].high, self.formats[source].fraction, own.fraction)
                clipped = f"(n{source} > 0 ? n{source} : 0)"
                return word.fit(clipped, self.formats[source].fraction, own, wrap=high > own.high)
            case Wrap(source, shift):
                return word.fit(f"n{source}", self.formats[source].fraction - shift, own)
            case Mux() as op:
                return self._mux(op, own)
            case Product(a, b):
                return word.fit(f"(n{a} * n{b})", self.formats[a].fraction + self.formats[b].fraction, own)
            case Lookup(source, low, _):
                return f"t{index}[n{source} - {number(low)}]"
            case Bits(source, kind):
                return self._bits(kind, source, own)
            case Bits2() as op:
                return self._bits2(op, own)

    def _sum(self, op: Sum, own: Format) -> str:
        point = alignment(op, self.formats)
        constant = op.constant << max(point - op.constant_fraction, 0)
        low = high = constant
        parts = []
        for term in op.terms:
            source, left = self.nodes[term.source], point - self.formats[term.source].fraction + term.shift
            sign = -1 if term.negative else 1
            bounds = sorted(sign * (m << left) for m in (source.low, source.high))
            low, high = low + bounds[0], high + bounds[1]
            parts.append(("- " if term.negative else "+ ") + self.word.shift(f"n{term.source}", left))
        if constant or not parts:
            parts.append(f"+ {number(constant)}")
        text = " ".join(parts).removeprefix("+ ")
        inside = own.low <= _moved(low, point, own.fraction) and _moved(high, point, own.fraction) <= own.high
        return self.word.fit(f"({text})", point, own, wrap=not inside)

    def _mux(self, op: Mux, own: Format) -> str:
        chosen, selector = self.formats[op.selector], f"n{op.selector}"
        is_set = f"{selector} < 0" if chosen.signed else f"{selector} >= {number(1 << (chosen.width - 1))}"
        when_set = self.word.fit(f"n{op.when_set}", self.formats[op.when_set].fraction, own)
        when_clear = self.word.fit(f"n{op.when_clear}", self.formats[op.when_clear].fraction - op.shift, own)
        return f"{is_set} ? {when_set} : {when_clear}"

    def _bits(self, kind: BitUnary, source: int, own: Format) -> str:
        given = self.formats[source]
        match kind:
            case BitUnary.NOT:
                return self.word.fit(f"(~n{source})", own.fraction, own)
            case BitUnary.ANY:
                return f"n{source} != 0"
            case BitUnary.ALL:
                return f"n{source} == {number(-1 if given.signed else given.high)}"

    def _bits2(self, op: Bits2, own: Format) -> str:
        left, right = self.formats[op.left], self.formats[op.right]
        point = max(left.fraction, right.fraction - op.shift)
        sign = {BitBinary.AND: "&", BitBinary.OR: "|", BitBinary.XOR: "^"}[op.kind]
        a = self.word.shift(f"n{op.left}", point - left.fraction)
        b = self.word.shift(f"n{op.right}", point - right.fraction + op.shift)
        return self.word.fit(f"({a} {sign} {b})", point, own)


def _moved(mantissa: int, fraction: int, target: int) -> int:
    left = target - fraction
    return mantissa << left if left >= 0 else mantissa >> -left
