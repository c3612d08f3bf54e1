"""A program as one plain Verilog expression a node, straight from the meaning that `firmware.circuit` gives it.

Nothing here comes from what writes the RTL: no widths of its adders, no pipeline, no fused or shared operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    Operation,
    Product,
    Relu,
    Sum,
    Wrap,
    alignment,
    width_needed,
)
from trigforge.firmware.design import Port

_BINARY = {BitBinary.AND: "&", BitBinary.OR: "|", BitBinary.XOR: "^"}


def specification(circuit: Circuit, fractions: Sequence[int], inputs: Port, outputs: Port, name: str) -> str:
    """The module `name` with these packed ports; `fractions` are the fraction bits of the input words."""
    formats = [node.format for node in circuit.nodes]
    lines = [f"module {name} (input [{inputs.bits - 1}:0] {inputs.name},"]
    lines.append(f"    output [{outputs.bits - 1}:0] {outputs.name});")
    lines += _inputs(inputs)
    for k, node in enumerate(circuit.nodes):
        lines += _node(k, node, formats, fractions, inputs)
    start = 0
    for k, (term, own) in enumerate(zip(circuit.outputs, circuit.output_formats, strict=True)):
        if not own.width:
            continue
        if term is None:
            lines.append(f"wire [{own.width - 1}:0] o{k} = 0;")
        else:
            source = formats[term.source]
            exact = f"{'-' if term.negative else ''}v{term.source}"
            lines += _fit(f"o{k}", exact, source.width + 2, source.fraction - term.shift, own)
        lines.append(f"assign {outputs.name}[{start + own.width - 1}:{start}] = o{k};")
        start += own.width
    return "\n".join((*lines, "endmodule", ""))


def _inputs(port: Port) -> Iterator[str]:
    start = 0
    for k, word in enumerate(port.words):
        bits = f"{port.name}[{start + word.width - 1}:{start}]" if word.width else "1'b0"
        yield f"wire signed [{word.width}:0] x{k} = {_number(bits, word.signed)};"
        start += word.width


def _number(bits: str, signed: bool) -> str:
    """Bits as a signed number, whose width the wire that gets it says."""
    return f"$signed({bits})" if signed else f"$signed({{1'b0, {bits}}})"


def _fit(name: str, exact: str, bits: int, fraction: int, target: Format) -> Iterator[str]:
    """`name`: the bits of an exact number, of `bits` bits and `fraction` of them behind the point, in a format."""
    move = target.fraction - fraction
    wide = max(bits, target.width)
    yield f"wire signed [{wide - 1}:0] {name}_exact = {exact};"
    shift = f" <<< {move}" if move > 0 else f" >>> {-move}" if move < 0 else ""
    yield f"wire [{target.width - 1}:0] {name} = {name}_exact{shift};"


def _widths(operation: Operation, formats: Sequence[Format], inputs: Port) -> list[int]:
    """Bits of what an operation takes, 0 first."""
    match operation:
        case Input(index):
            return [0, inputs.words[index].width]
        case Relu(source) | Wrap(source) | Bits(source):
            return [0, formats[source].width]
        case _:
            return [0]


def _node(k: int, node: Node, formats: Sequence[Format], fractions: Sequence[int], inputs: Port) -> Iterator[str]:
    own = node.format
    if not own.width:
        yield f"wire signed [0:0] v{k} = 0;"
        return
    if isinstance(node.operation, Mux):
        yield from _mux(k, node.operation, own, formats)
    elif isinstance(node.operation, Lookup):
        yield from _lookup(k, node.operation, own, formats[node.operation.source])
    else:
        bits = max(width_needed(node, formats), *_widths(node.operation, formats, inputs)) + 2
        exact, fraction = _exact(node.operation, own, formats, fractions, bits)
        yield from _fit(f"b{k}", exact, bits, fraction, own)
    yield f"wire signed [{own.width}:0] v{k} = {_number(f'b{k}', own.signed)};"


def _exact(
    operation: Operation, own: Format, formats: Sequence[Format], fractions: Sequence[int], bits: int
) -> tuple[str, int]:
    """The expression of a result before it is brought into its format, and the fraction bits of that."""
    match operation:
        case Input(index):
            return f"x{index}", fractions[index]
        case Sum():
            return _sum(operation, formats, bits)
        case Relu(source):
            return f"v{source} < 0 ? 0 : v{source}", formats[source].fraction
        case Wrap(source, shift):
            return f"v{source}", formats[source].fraction - shift
        case Product(left, right):
            return f"v{left} * v{right}", formats[left].fraction + formats[right].fraction
        case Bits(source, kind):
            return _unary(source, kind, formats[source]), own.fraction
        case Bits2(left, right, shift, kind):
            point = max(formats[left].fraction, formats[right].fraction - shift)
            a = f"(v{left} <<< {point - formats[left].fraction})"
            b = f"(v{right} <<< {point - formats[right].fraction + shift})"
            return f"{a} {_BINARY[kind]} {b}", point
        case _:
            raise AssertionError(operation)


def _sum(operation: Sum, formats: Sequence[Format], bits: int) -> tuple[str, int]:
    point = alignment(operation, formats)
    whole = operation.constant << max(point - operation.constant_fraction, 0)
    text = f"{'-' if whole < 0 else ''}{bits}'sd{abs(whole)}"
    for term in operation.terms:
        left = point - formats[term.source].fraction + term.shift
        text += f" {'-' if term.negative else '+'} (v{term.source} <<< {left})"
    return text, point


def _unary(source: int, kind: BitUnary, own: Format) -> str:
    match kind:
        case BitUnary.NOT:
            return f"~v{source}"
        case BitUnary.ANY:
            return f"v{source} != 0"
        case BitUnary.ALL:
            ones = "-1" if own.signed else f"{own.width + 1}'sd{own.high}"
            return f"v{source} == {ones}"


def _mux(k: int, operation: Mux, own: Format, formats: Sequence[Format]) -> Iterator[str]:
    for name, source, shift in (("set", operation.when_set, 0), ("clear", operation.when_clear, operation.shift)):
        value = formats[source]
        yield from _fit(f"b{k}_{name}", f"v{source}", value.width + 2, value.fraction - shift, own)
    chosen = formats[operation.selector]
    above = "< 0" if chosen.signed else f">= {chosen.width + 1}'sd{1 << (chosen.width - 1)}"
    yield f"wire [{own.width - 1}:0] b{k} = v{operation.selector} {above} ? b{k}_set : b{k}_clear;"


def _lookup(k: int, operation: Lookup, own: Format, source: Format) -> Iterator[str]:
    yield f"reg [{own.width - 1}:0] b{k};"
    yield f"always @* case (v{operation.source})"
    for i, entry in enumerate(operation.table):
        value = (operation.low + i) % (1 << (source.width + 1))
        yield f"    {source.width + 1}'d{value}: b{k} = {own.width}'d{entry % (1 << own.width)};"
    yield f"    default: b{k} = 0;"
    yield "endcase"
