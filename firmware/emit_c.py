"""C++ of a `Circuit`: straight-line code on vectors, one event a lane."""

from __future__ import annotations

from collections.abc import Sequence

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

VECTOR_BYTES = 64

FRAME = """#include <cstdint>
#include <cstring>
typedef {lane} lane_t;
typedef lane_t v __attribute__((vector_size({bytes})));
constexpr int LANES = {lanes}, INPUTS = {inputs}, OUTPUTS = {outputs}, BITS = 8 * sizeof(lane_t);
static inline v shr(v a, int n) {{ return a >> (n < BITS ? n : BITS - 1); }}
static inline v sign_extend(v a, int width) {{ return (a << (BITS - width)) >> (BITS - width); }}
static inline v look(const lane_t *table, v index) {{
    v r;
    for (int e = 0; e < LANES; ++e) r[e] = table[index[e]];
    return r;
}}
{tables}
static const int32_t LOW[INPUTS] = {{{low}}}, HIGH[INPUTS] = {{{high}}};
/* Evaluates LANES events; whether all their words are in range. */
static inline bool block(const int32_t *w, int64_t *out) {{
    v x[INPUTS], bad = {{}};
    for (int k = 0; k < INPUTS; ++k) {{
        for (int e = 0; e < LANES; ++e) x[k][e] = w[e * INPUTS + k];
        bad |= (x[k] < LOW[k]) | (x[k] > HIGH[k]);
    }}
{body}
    lane_t any = 0;
    for (int e = 0; e < LANES; ++e) {{
        any |= bad[e];
{stores}
    }}
    return any == 0;
}}
static int64_t first_bad(const int32_t *words, int64_t i, int64_t n) {{
    for (; i < n; ++i)
        for (int k = 0; k < INPUTS; ++k)
            if (words[i * INPUTS + k] < LOW[k] || words[i * INPUTS + k] > HIGH[k]) return i;
    return -1;
}}
/* The first event with a word out of range, or -1; outputs from its block on are then undefined. */
extern "C" int64_t run(const int32_t *words, int64_t n, int64_t *out) {{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        if (!block(words + i * INPUTS, out + i * OUTPUTS)) return first_bad(words, i, n);
    if (i == n) return -1;
    int32_t in_tail[LANES * INPUTS];
    int64_t out_tail[LANES * OUTPUTS];
    for (int e = 0; e < LANES; ++e)
        std::memcpy(in_tail + e * INPUTS, words + (i + e < n ? i + e : i) * INPUTS, sizeof(int32_t) * INPUTS);
    if (!block(in_tail, out_tail)) return first_bad(words, i, n);
    std::memcpy(out + i * OUTPUTS, out_tail, sizeof(int64_t) * (n - i) * OUTPUTS);
    return -1;
}}
"""


def lane_bits(circuit: Circuit) -> int:
    """The narrowest of 32 and 64 bits that holds every intermediate value."""
    formats = [node.format for node in circuit.nodes]
    widest = max((width_needed(node, formats) for node in circuit.nodes), default=0)
    return 32 if widest <= 31 else 64


def c_source(circuit: Circuit, types: Sequence[FixedType]) -> str:
    """A C++ source whose `run(words, n, out)` evaluates the circuit on int32 mantissas (n, inputs) of these types."""
    bits, fractions = lane_bits(circuit), [t.fraction for t in types]
    nodes = circuit.nodes
    body = [f"    const v n{i} = {_expression(node, i, nodes, fractions)};" for i, node in enumerate(nodes)]
    return FRAME.format(
        lane=f"int{bits}_t",
        bytes=VECTOR_BYTES,
        lanes=VECTOR_BYTES * 8 // bits,
        inputs=max(circuit.inputs, 1),
        outputs=len(circuit.outputs),
        low=", ".join(str(t.low) for t in types),
        high=", ".join(str(t.high) for t in types),
        tables="\n".join(_table(i, node) for i, node in enumerate(nodes) if isinstance(node.operation, Lookup)),
        body="\n".join(body),
        stores="\n".join(_store(k, circuit) for k in range(len(circuit.outputs))),
    )


def _expression(node: Node, index: int, nodes: Sequence[Node], input_fractions: Sequence[int]) -> str:  # noqa: C901  (one case an operation)
    if node.format.width == 0:
        return "v{}"
    match node.operation:
        case Input(k):
            return _fit(f"x[{k}]", input_fractions[k], node, wrap=True)
        case Sum() as op:
            return _sum(op, node, nodes)
        case Relu(source):
            clipped = f"(n{source} & ~(n{source} >> (BITS - 1)))"
            high = _moved(nodes[source].high, nodes[source].format.fraction, node.format.fraction)
            return _fit(clipped, nodes[source].format.fraction, node, wrap=high > node.format.high)
        case Wrap(source, shift):
            return _fit(f"n{source}", nodes[source].format.fraction - shift, node, wrap=True)
        case Mux(selector, a, b, shift):
            return _mux(selector, a, b, shift, node, nodes)
        case Product(a, b):
            fraction = nodes[a].format.fraction + nodes[b].format.fraction
            return _fit(f"(n{a} * n{b})", fraction, node, wrap=True)
        case Lookup(source, low, _):
            return f"look(t{index}, n{source} - ({low}))"
        case Bits(source, kind):
            return _bits(kind, source, node, nodes[source].format)
        case Bits2() as op:
            return _bits2(op, node, nodes)


def _sum(op: Sum, node: Node, nodes: Sequence[Node]) -> str:
    formats = [n.format for n in nodes]
    point = alignment(op, formats)
    constant = op.constant << max(point - op.constant_fraction, 0)
    low = high = constant
    parts = []
    for term in op.terms:
        left = point - formats[term.source].fraction + term.shift
        parts.append(("-" if term.negative else "+") + _shift(f"n{term.source}", left))
        bounds = sorted(
            (-1 if term.negative else 1) * (m << left) for m in (nodes[term.source].low, nodes[term.source].high)
        )
        low, high = low + bounds[0], high + bounds[1]
    text = " ".join(parts).removeprefix("+")
    if constant or not parts:
        text = f"{text} + (v{{}} + ({constant}))" if text else f"(v{{}} + ({constant}))"
    drop = point - node.format.fraction
    inside = node.format.low <= low >> max(drop, 0) and high >> max(drop, 0) <= node.format.high
    return _fit(f"({text})", point, node, wrap=not inside)


def _mux(selector: int, a: int, b: int, shift: int, node: Node, nodes: Sequence[Node]) -> str:
    chosen = nodes[selector].format
    is_set = f"(n{selector} < 0)" if chosen.signed else f"(n{selector} >= {1 << (chosen.width - 1)})"
    when_set = _fit(f"n{a}", nodes[a].format.fraction, node, wrap=True)
    when_clear = _fit(f"n{b}", nodes[b].format.fraction - shift, node, wrap=True)
    return f"(({is_set}) & ({when_set})) | (~({is_set}) & ({when_clear}))"


def _bits(kind: BitUnary, source: int, node: Node, own: Format) -> str:
    match kind:
        case BitUnary.NOT:
            return _fit(f"(~n{source})", node.format.fraction, node, wrap=True)
        case BitUnary.ANY:
            return f"-(v)(n{source} != 0)"
        case BitUnary.ALL:
            return f"-(v)(n{source} == {-1 if own.signed else own.high})"


def _bits2(op: Bits2, node: Node, nodes: Sequence[Node]) -> str:
    left, right = nodes[op.left].format, nodes[op.right].format
    point = max(left.fraction, right.fraction - op.shift)
    sign = {BitBinary.AND: "&", BitBinary.OR: "|", BitBinary.XOR: "^"}[op.kind]
    a = _shift(f"n{op.left}", point - left.fraction)
    b = _shift(f"n{op.right}", point - right.fraction + op.shift)
    return _fit(f"({a} {sign} {b})", point, node, wrap=True)


def _fit(text: str, fraction: int, node: Node, *, wrap: bool) -> str:
    """`text` (with `fraction` bits) in the node's format, as `Format.fit` does it."""
    target = node.format
    text = _shift(text, target.fraction - fraction)
    if not wrap:
        return text
    if not target.signed:
        return f"({text} & {(1 << target.width) - 1})"
    return f"sign_extend({text}, {target.width})"


def _shift(text: str, left: int) -> str:
    if left > 0:
        return f"({text} << {left})"
    return f"shr({text}, {-left})" if left < 0 else text


def _moved(mantissa: int, fraction: int, target: int) -> int:
    left = target - fraction
    return mantissa << left if left >= 0 else mantissa >> -left


def _table(index: int, node: Node) -> str:
    assert isinstance(node.operation, Lookup)
    return f"static const lane_t t{index}[] = {{{', '.join(map(str, node.operation.table))}}};"


def _store(k: int, circuit: Circuit) -> str:
    term, own = circuit.outputs[k], circuit.output_formats[k]
    if term is None or own.width == 0:
        return f"        out[e * OUTPUTS + {k}] = 0;"
    value = f"{'-' if term.negative else ''}(int64_t)n{term.source}[e]"
    left = own.fraction - circuit.nodes[term.source].format.fraction + term.shift
    moved = f"({value}) << {left}" if left >= 0 else f"({value}) >> {-left}"
    return f"        out[e * OUTPUTS + {k}] = {moved};"
