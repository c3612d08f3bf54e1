"""What can be wrong in one statement of a core: (what, faulty statement) of every kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from trigforge.sim.mutation.netlist import Slice, Stage, Statement
from trigforge.sim.mutation.schemata import GOOD, TARGET

Text = tuple[str, str]
"""What is wrong, and the faulty statement."""

_LITERAL = re.compile(r"(\d+)'b([01]+)")
# positions in the parameters of alkaid's modules: per operand (width, signed), then the width of the result
_SIGNED: Final = {"shift_adder": (2, 3), "ternary_adder": (1, 5, 9), "mux": (2, 3), "multiplier": (2, 3)} | {
    "binop": (2, 3),
    "negative": (2,),
}
_SHIFT, _SUBTRACT = 6, 7


def is_comparison(stage: Stage, statement: Statement) -> bool:
    """Whether a value plus a constant selects what a multiplexer passes."""
    has_constant = statement.primitive == "shift_adder" and any(_LITERAL.fullmatch(o) for o in statement.operands)
    key = f"{statement.site.target}[{statement.site.width - 1}]"
    return has_constant and any(s.primitive == "mux" and s.operands[0] == key for s in stage.statements.values())


def weights(stage: Stage, statement: Statement) -> Iterator[Text]:
    """Shifts by one more or less, bits of constants and of tables."""
    yield from _shifts(statement)
    yield from constants(stage, statement)
    if statement.primitive == "constant":
        bits = statement.operands[0].zfill(statement.site.width)
        for bit in range(len(bits)):
            yield f"bit {bit} of the constant", f"assign {TARGET} = {len(bits)}'b{_flipped(bits, bit)};"
    if statement.primitive == "table":
        yield from _entries(stage, statement)


def constants(_: Stage, statement: Statement) -> Iterator[Text]:
    """Bits of the constant that an adder adds."""
    if statement.primitive != "shift_adder":
        return
    for position, operand in enumerate(statement.operands):
        literal = _LITERAL.fullmatch(operand)
        for bit in range(len(literal[2]) if literal else 0):
            assert literal is not None
            changed = f"{literal[1]}'b{_flipped(literal[2], bit)}"
            yield f"bit {bit} of the constant {operand}", _with_operand(statement, position, changed)


def wires(stage: Stage, statement: Statement) -> Iterator[Text]:
    """Bits of operands stuck or swapped; the key of a saturation apart."""
    for position, operand in enumerate(statement.operands):
        bits = stage.slice_of(operand)
        if bits is None or (position == 0 and any(_limits(stage, statement))):
            continue
        for bit in range(bits.low, bits.high + 1):
            for value in (0, 1):
                text = _joined(bits, {bit: f"1'b{value}"})
                yield f"{bits.signal}[{bit}] stuck at {value}", _with_operand(statement, position, text)
            if bit < bits.high:
                text = _joined(bits, {bit: f"{bits.signal}[{bit + 1}]", bit + 1: f"{bits.signal}[{bit}]"})
                yield f"{bits.signal}[{bit + 1}:{bit}] swapped", _with_operand(statement, position, text)


def signs(_: Stage, statement: Statement) -> Iterator[Text]:
    """The wrong extension of an operand, where it has an effect on the result's bits."""
    if statement.primitive == "extend":
        operands = (statement.operands[0], "1'b0", *statement.operands[2:])
        yield "extended by zeros", statement.faulty(operands=operands)
    for position in _SIGNED.get(statement.primitive, ()):
        parameters = _with(statement.parameters, position, 1 - statement.parameters[position])
        if _extends(statement, position) and _fits(statement.primitive, parameters):
            number = _SIGNED[statement.primitive].index(position)
            what = "extended by zeros" if statement.parameters[position] else "extended as if signed"
            yield f"operand {number} {what}", statement.faulty(parameters=parameters)


def saturations(stage: Stage, statement: Statement) -> Iterator[Text]:
    """A limit that is not applied: the constant of a multiplexer never passed, a negative value not cut to zero."""
    for value in _limits(stage, statement):
        yield f"key stuck at {value}", _with_operand(statement, 0, f"1'b{value}")
    if statement.primitive == "relu":
        yield "negative values passed", f"assign {TARGET} = {statement.operands[0]};"


def add_sub(_: Stage, statement: Statement) -> Iterator[Text]:
    """A term with the wrong sign."""
    if statement.primitive == "shift_adder":
        parameters = _with(statement.parameters, _SUBTRACT, 1 - statement.parameters[_SUBTRACT])
        if _fits("shift_adder", parameters):
            yield "operand 1 with the wrong sign", statement.faulty(parameters=parameters)
    if statement.primitive == "ternary_adder":
        for number, position in enumerate((2, 6, 10)):
            parameters = _with(statement.parameters, position, 1 - statement.parameters[position])
            yield f"operand {number} with the wrong sign", statement.faulty(parameters=parameters)
    if statement.primitive == "negative":
        given, result, signed = statement.parameters
        source = statement.operands[0]
        extension = f"{source}[{given - 1}]" if signed else "1'b0"
        missing = f"{{{result - given}{{{extension}}}}}, " if result > given else ""
        yield "not negated", f"assign {TARGET} = {{{missing}{source}[{min(given, result) - 1}:0]}};"


def widths(_: Stage, statement: Statement) -> Iterator[Text]:
    """The result's upper or lower bit lost."""
    top = statement.site.width - 1
    if statement.primitive == "constant" or top < 1:
        return
    rest = f"{GOOD}[{top - 1}:0]"
    yield "upper bit lost, 0 instead", f"assign {TARGET} = {{1'b0, {rest}}};"
    yield "upper bit lost, the next one instead", f"assign {TARGET} = {{{GOOD}[{top - 1}], {rest}}};"
    yield "lower bit lost, 0 instead", f"assign {TARGET} = {{{GOOD}[{top}:1], 1'b0}};"


SOURCES: Final[Mapping[str, Callable[[Stage, Statement], Iterator[Text]]]] = {
    "weight": weights,
    "constant": constants,
    "wire": wires,
    "sign": signs,
    "saturation": saturations,
    "add_sub": add_sub,
    "width": widths,
}


def _shifts(statement: Statement) -> Iterator[Text]:
    p = statement.parameters
    positions = {"shift_adder": (_SHIFT,), "ternary_adder": (3, 7, 11)}.get(statement.primitive, ())
    for position in positions:
        for step in (1, -1):
            parameters = _with(p, position, p[position] + step)
            if _fits(statement.primitive, parameters):
                yield f"shift {p[position]} taken as {p[position] + step}", statement.faulty(parameters=parameters)


def _entries(stage: Stage, statement: Statement) -> Iterator[Text]:
    bits = stage.slice_of(statement.operands[0])
    assert bits is not None
    width = statement.site.width
    for entry in range(1 << bits.width):
        for bit in range(width):
            flip = f"({bits} == {bits.width}'d{entry}) ? {width}'d{1 << bit} : {width}'d0"
            yield f"bit {bit} of entry {entry}", f"assign {TARGET} = {GOOD} ^ ({flip});"


def _limits(stage: Stage, statement: Statement) -> Iterator[int]:
    """Values of a multiplexer's key for which it does not pass a constant that it otherwise passes."""
    if statement.primitive != "mux":
        return
    for position, value in ((1, 0), (2, 1)):
        bits = stage.slice_of(statement.operands[position])
        if bits is None or stage.statements[bits.signal].primitive == "constant":
            yield value


def _fits(primitive: str, parameters: tuple[int, ...]) -> bool:
    """Whether the modules can be built with these parameters: no negative pad, no bit above an adder's own."""
    if primitive == "ternary_adder":
        return min(parameters[3], parameters[7], parameters[11]) >= 0
    if primitive != "shift_adder":
        return True
    one, two, sign_one, sign_two, result, dropped, shift, subtract = parameters
    widest = max(one + max(-shift, 0), two + max(shift, 0))
    return result + dropped <= widest + subtract + (sign_one != sign_two) + 1


def _extends(statement: Statement, position: int) -> bool:
    """Whether extension bits of the operand reach the result."""
    p = statement.parameters
    match statement.primitive:
        case "negative":
            return p[0] < p[1]
        case "multiplier":
            return p[4] > p[0 if position == 2 else 1]
        case "ternary_adder":
            return p[position - 1] + p[position + 2] < p[12] + p[13]
        case _:
            shift = p[5] if statement.primitive in ("mux", "binop") else p[_SHIFT]
            pad = max(-shift, 0) if position == 2 else max(shift, 0)
            dropped = p[5] if statement.primitive == "shift_adder" else 0
            return p[position - 2] + pad < p[4] + dropped


def _with(values: tuple[int, ...], position: int, value: int) -> tuple[int, ...]:
    return (*values[:position], value, *values[position + 1 :])


def _with_operand(statement: Statement, position: int, text: str) -> str:
    operands = statement.operands
    return statement.faulty(operands=(*operands[:position], text, *operands[position + 1 :]))


def _joined(bits: Slice, changed: Mapping[int, str]) -> str:
    """A slice some of whose bits are something else."""
    single = [changed.get(bit, f"{bits.signal}[{bit}]") for bit in range(bits.high, bits.low - 1, -1)]
    return f"{{{', '.join(single)}}}"


def _flipped(digits: str, bit: int) -> str:
    index = len(digits) - 1 - bit
    return f"{digits[:index]}{'10'[int(digits[index])]}{digits[index + 1 :]}"
