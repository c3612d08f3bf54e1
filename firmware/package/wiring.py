"""What a package takes from its program and its contract: the tables of inputs and outputs, and the program's code."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trigforge.contract import Field, InputContract
from trigforge.errors import InputError
from trigforge.firmware.package.scalar import scalar_source
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import FixedType

INT32 = range(-(1 << 31), 1 << 31)
DOUBLE_BITS = 53


def contract_table(contract: InputContract, outputs: Sequence[FixedType]) -> str:
    """`fields` and `outputs`: scale, range and name of every input word, and the type of every output word."""
    names = zip(contract.word_names, contract.fields, strict=True)
    rows = [
        f"    {{{_text(name)}, {_text(f.unit)}, {f.lsb.hex()}, {_range(f)}, {int(f.cyclic)}}},\n" for name, f in names
    ]
    types = [f"    {{{int(t.signed)}, {t.width}, {t.fraction}}},\n" for t in outputs]
    exact = int(all(t.width - t.signed <= DOUBLE_BITS for t in outputs))
    return (
        f"enum {{ INPUTS = {len(rows)}, OUTPUTS = {len(types)} }};\n"
        f"enum {{ DOUBLE_IS_EXACT = {exact} }};\n"
        "/* name, unit, lsb, low, high, cyclic */\n"
        f"static const field_t fields[INPUTS] = {{\n{''.join(rows)}}};\n"
        "/* signed, width, fraction bits */\n"
        f"static const output_t outputs[OUTPUTS] = {{\n{''.join(types)}}};\n"
    )


def program_code(program: IntegerProgram) -> str:
    """`evaluate(x, y)`: the output words of one event's input words."""
    head = f"/* Program {program.digest}: {len(program.circuit.nodes)} integer operations. */\n"
    return head + scalar_source(program.circuit, program.inputs, "evaluate")


def require_words(program: IntegerProgram, contract: InputContract) -> None:
    """Raise `InputError` unless the contract's words are those of the program, in 32 bits."""
    if contract.words != len(program.inputs):
        raise InputError(
            f"contract {contract.name!r} must have {len(program.inputs)} words, one an input of the program, "
            f"not {contract.words}"
        )
    for name, field, kind in zip(contract.word_names, contract.fields, program.inputs, strict=True):
        if not (kind.low <= field.low and field.high <= kind.high):
            raise InputError(
                f"word {name} must lie in {kind.low}..{kind.high}, the range of the program's input, "
                f"not in {field.low}..{field.high}; give the contract that the program was made with"
            )
        if field.low not in INT32 or field.high not in INT32:
            raise InputError(f"word {name} must fit into 32 bits with sign, not {field.low}..{field.high}")


def _range(field: Field) -> str:
    low = str(field.low) if field.low > INT32.start else f"({INT32.start + 1} - 1)"
    return f"{low}, {field.high}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
