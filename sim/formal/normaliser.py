"""`prove_normaliser`: the RTL of a contract's normaliser is its definition, for all words that the wires can carry.

The definition is written as Verilog from the contract alone, `cast((word - offset) · 2^-shift)` in arithmetic that is
wide enough for every intermediate value, and is itself compared with `InputContract.normalise` word by word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.contract import Collection, Field, InputContract
from trigforge.errors import CheckError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.lowering.lower import normalised, word_symbols
from trigforge.firmware.program import IntegerProgram, trace_program
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import write_rtl
from trigforge.fixed import FixedType, IntArray, Overflow, Rounding
from trigforge.sim.formal.aig import Aig
from trigforge.sim.formal.clock import Clock
from trigforge.sim.formal.equal import Elaborated, Events, Result, Unknown, compare_elaborated
from trigforge.sim.formal.netlist import elaborate
from trigforge.sim.formal.yosys import OutOfTimeError

EXHAUSTIVE_BITS: Final = 16
_DEFINITION: Final = "definition"
_WIDENED: Final = "widened"
_CORE: Final = "normaliser_core"


def prove_normaliser(contract: InputContract, targets: Targets, folder: Path, timeout_s: float) -> Result:
    """Whether the RTL of a contract's normaliser equals its definition, field by field of those that differ.

    For fields of up to 16 bits the definition is first compared with `InputContract.normalise` for every word; a
    difference raises `CheckError`. Raises what `write_rtl` and `prove_equal` do.
    """
    clock, fields = Clock(timeout_s), one_of_each(contract)
    words, types = word_symbols(fields)
    program = trace_program(words, normalised(words, fields), types)
    design = widened(program, write_rtl(program, targets, folder / "rtl", _CORE), contract.model_input, folder)
    source = folder / f"{_DEFINITION}.sv"
    source.write_text(definition(fields, design.inputs, design.outputs))
    try:
        netlist = elaborate((source,), _DEFINITION, folder / "gold", clock.rest)
        gate = Elaborated.of(design, folder / "gate", clock.rest)
    except OutOfTimeError as error:
        return Unknown(str(error), clock.seconds)
    gold = Elaborated(netlist, _DEFINITION, design.inputs, design.outputs, 0)
    _require_definition(gold, fields)
    return compare_elaborated(gold, gate, folder, clock)


def one_of_each(contract: InputContract) -> InputContract:
    """A contract that holds every field that its normaliser treats in its own way once."""
    treated = {(f.bits, f.signed, f.low, f.high, f.offset, f.shift): f for f in contract.fields}
    fields = tuple(f.model_copy(update={"name": f"field_{k}"}) for k, f in enumerate(treated.values()))
    return contract.model_copy(update={"collections": (Collection(name="words", count=1, fields=fields),)})


def definition(contract: InputContract, inputs: Port, outputs: Port) -> str:
    """The module that normalises words, each to a mantissa of the contract's type in a word of `outputs`."""
    kind = contract.model_input
    lines = [f"module {_DEFINITION} (input [{inputs.bits - 1}:0] {inputs.name},"]
    lines.append(f"    output [{outputs.bits - 1}:0] {outputs.name});")
    start = 0
    for k, (field, word, out) in enumerate(zip(contract.fields, inputs.words, outputs.words, strict=True)):
        bits = f"{inputs.name}[{start + word.width - 1}:{start}]" if word.width else ""
        number = f"$signed({bits})" if field.signed else f"$signed({{1'b0, {bits}}})"
        lines += _cast(k, field, kind, number if word.width else str(field.low))
        lines.append(f"assign {outputs.name}[{k * out.width}+:{out.width}] = cast_{k};")
        start += word.width
    return "\n".join((*lines, "endmodule", ""))


def _cast(k: int, field: Field, kind: FixedType, number: str) -> Iterator[str]:
    drop = field.shift - kind.fraction
    wide = max(field.bits, field.offset.bit_length(), kind.width) + abs(drop) + 4
    yield f"wire signed [{wide - 1}:0] word_{k} = {number};"
    yield f"wire signed [{wide - 1}:0] centred_{k} = word_{k} - ({_literal(field.offset, wide)});"
    exact = f"centred_{k} <<< {-drop}" if drop <= 0 else _rounded(f"centred_{k}", drop, kind.rounding, wide)
    yield f"wire signed [{wide - 1}:0] rounded_{k} = {exact};"
    if kind.overflow is Overflow.WRAP:
        low = f"rounded_{k}[{kind.width - 1}:0]"
        held = f"$signed({low})" if kind.signed else f"$signed({{1'b0, {low}}})"
    else:
        least, most = _literal(kind.low, wide), _literal(kind.high, wide)
        held = f"rounded_{k} < {least} ? {least} : rounded_{k} > {most} ? {most} : rounded_{k}"
    yield f"wire signed [{wide - 1}:0] cast_{k} = {held};"


def _rounded(value: str, drop: int, mode: Rounding, wide: int) -> str:
    """A quotient by 2^drop as the mode rounds it; `>>>` rounds down, and negative numbers may be turned over."""
    half, one, minus = _literal(1 << (drop - 1), wide), _literal(1, wide), f"(-{value})"
    nearest_up, nearest_down = f"{{}} + {half}", f"{{}} + {half} - {one}"

    def turned(text: str) -> str:
        """Rounded by size, whatever the sign."""
        return f"{value} < 0 ? -(({text.format(minus)}) >>> {drop}) : (({text.format(value)}) >>> {drop})"

    match mode:
        case Rounding.TRN:
            return f"{value} >>> {drop}"
        case Rounding.TRN_ZERO:
            return turned("{}")
        case Rounding.RND:
            return f"({nearest_up.format(value)}) >>> {drop}"
        case Rounding.RND_MIN_INF:
            return f"({nearest_down.format(value)}) >>> {drop}"
        case Rounding.RND_INF:
            return turned(nearest_up)
        case Rounding.RND_ZERO:
            return turned(nearest_down)
        case Rounding.RND_CONV:
            tie = f"{value}[{drop - 1}:0] == {drop}'d{1 << (drop - 1)}"
            up = f"(({nearest_up.format(value)}) >>> {drop})"
            return f"({tie}) ? ({up} & ~{one}) : {up}"


def _literal(value: int, wide: int) -> str:
    return f"{'-' if value < 0 else ''}{wide}'sd{abs(value)}"


def widened(program: IntegerProgram, design: RtlDesign, kind: FixedType, folder: Path) -> RtlDesign:
    """The design behind a module that brings all output words to one width and to the fraction bits of a type."""
    fractions = [t.fraction for t in program.outputs]
    width = max(
        kind.width + 1, *(w.width + kind.fraction - f + 1 for w, f in zip(design.outputs.words, fractions, strict=True))
    )
    outputs = Port("wide_out", tuple(Word(width, signed=True) for _ in design.outputs.words))
    lines = [f"module {_WIDENED} (input {design.clock}, input [{design.inputs.bits - 1}:0] {design.inputs.name},"]
    lines += [f"    output [{outputs.bits - 1}:0] {outputs.name});", f"wire [{design.outputs.bits - 1}:0] narrow;"]
    lines.append(f"{design.top} core (.{design.clock}, .{design.inputs.name}, .{design.outputs.name}(narrow));")
    start = 0
    for k, (word, fraction) in enumerate(zip(design.outputs.words, fractions, strict=True)):
        bits = f"narrow[{start + word.width - 1}:{start}]" if word.width else "1'b0"
        number = f"$signed({bits})" if word.signed else f"$signed({{1'b0, {bits}}})"
        lines.append(f"wire signed [{width - 1}:0] wide_{k} = {number};")
        lines.append(f"assign {outputs.name}[{k * width}+:{width}] = wide_{k} <<< {kind.fraction - fraction};")
        start += word.width
    source = folder / f"{_WIDENED}.sv"
    source.write_text("\n".join((*lines, "endmodule", "")))
    return replace(design, sources=(*design.sources, source), top=_WIDENED, outputs=outputs)


def _require_definition(gold: Elaborated, contract: InputContract) -> None:
    """Raise `CheckError` unless the definition is `InputContract.normalise` for every word of the shorter fields."""
    short = [f for f in contract.fields if f.bits <= EXHAUSTIVE_BITS]
    size = max((f.high - f.low + 1 for f in short), default=1)
    words = np.stack([np.minimum(f.low + np.arange(size), f.high) for f in contract.fields], axis=1)
    events = Events(Aig(), gold.inputs)
    bits = gold.values(events)
    patterns: dict[int, int] = {}
    for index, word in enumerate(gold.inputs.words):
        for position in range(word.width):
            patterns[events.word(0, index)[position] >> 1] = _packed(words[:, index] >> position & 1)
    columns = [_unpacked(value, size) for value in events.aig.simulate(patterns, bits, (1 << size) - 1)]
    text = np.stack(columns[::-1], axis=1).astype(np.uint8) + np.uint8(ord("0"))
    found = gold.outputs.unpack(np.ascontiguousarray(text).view(f"S{len(bits)}")[:, 0])
    expected = contract.normalise(words)
    if not np.array_equal(found, expected):
        event, place = (int(k) for k in np.argwhere(found != expected)[0])
        raise CheckError(
            f"the definition of the normaliser of contract {contract.name!r} must give {expected[event, place]} for "
            f"word {words[event, place]} of {contract.fields[place].name}, not {found[event, place]}"
        )


def _packed(bits: IntArray) -> int:
    return int.from_bytes(np.packbits(bits.astype(np.uint8), bitorder="little").tobytes(), "little")


def _unpacked(pattern: int, size: int) -> IntArray:
    raw = np.frombuffer(pattern.to_bytes((size + 7) // 8, "little"), dtype=np.uint8)
    return np.unpackbits(raw, bitorder="little")[:size].astype(np.int64)
