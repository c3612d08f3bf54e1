"""`prove_program`: a program's RTL computes what the program says, for all words that its wires can carry."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from trigforge.errors import CheckError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.sim.formal.clock import Clock
from trigforge.sim.formal.equal import (
    Counterexample,
    Elaborated,
    Limits,
    Result,
    Unknown,
    compare_elaborated,
)
from trigforge.sim.formal.netlist import elaborate
from trigforge.sim.formal.specification import specification
from trigforge.sim.formal.yosys import OutOfTimeError

SPECIFICATION: Final = "specification"


def prove_program(program: IntegerProgram, design: RtlDesign, folder: Path, timeout_s: float) -> Result:
    """Whether a program's RTL gives the program's words for every stream of events.

    The program is written anew, one plain expression a node (`specification`), and the RTL proved equal to that. A
    counterexample's expected words are the program's own. Raises what `prove_equal` does.
    """
    clock = Clock(timeout_s)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{SPECIFICATION}.sv"
    fractions = [kind.fraction for kind in program.inputs]
    source.write_text(specification(program.circuit, fractions, design.inputs, design.outputs, SPECIFICATION))
    try:
        netlist = elaborate((source,), SPECIFICATION, folder / "gold", clock.rest)
        gate = Elaborated.of(design, folder / "gate", clock.rest)
    except OutOfTimeError as error:
        return Unknown(str(error), clock.seconds)
    gold = Elaborated(netlist, SPECIFICATION, design.inputs, design.outputs, 0)
    result = compare_elaborated(gold, gate, folder, clock, limits(program, design))
    if isinstance(result, Counterexample):
        own = program(result.words)[result.event]
        if not np.array_equal(own, result.expected):
            raise CheckError(f"{source} must be the program's meaning, but for {result.words[result.event]} it is not")
    return result


def limits(program: IntegerProgram, design: RtlDesign) -> Limits:
    """What a word may be: what both its type and its wires can hold."""
    pairs = zip(program.inputs, (word.limits for word in design.inputs.words), strict=True)
    return [(max(kind.low, low), min(kind.high, high)) for kind, (low, high) in pairs]
