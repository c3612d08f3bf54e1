"""ABC's engines, reached through Yosys: whether outputs of an `Aig` can ever be 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from trigforge.errors import CheckError
from trigforge.sim.formal.aig import Aig, Literal
from trigforge.sim.formal.yosys import OutOfTimeError, run_yosys


class Engine(Enum):
    """ABC's command for a question; the numbers in it bound nothing, the time limit does."""

    COMBINATIONAL = "&r miter.aig; &cec -m -C 1000000000"
    """SAT sweeping: nodes that are equal are merged from inputs to outputs (Mishchenko et al., ICCAD 2006)."""
    SEQUENTIAL = "read_aiger miter.aig; pdr"
    """Property-directed reachability from the state in which every latch is 0 (Bradley, VMCAI 2011)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`never`: no output can be 1 (None: not found out); else values of the inputs, clock by clock, that make one 1."""

    never: bool | None
    trace: tuple[dict[int, bool], ...] = ()


# ABC runs inside a pass of Yosys that maps a design; this one is what it maps.
_CARRIER: Final = "module carrier(input a, input b, output y); assign y = a & b; endmodule\n"


def decide(aig: Aig, outputs: Sequence[Literal], engine: Engine, folder: Path, timeout_s: float) -> Answer:
    """Whether any output can be 1: by structure alone, or by ABC in `folder`; undecided after `timeout_s`."""
    outputs = [literal for literal in outputs if literal]
    if not outputs:
        return Answer(never=True)
    folder.mkdir(parents=True, exist_ok=True)
    status = folder / "status.txt"
    status.unlink(missing_ok=True)
    (folder / "miter.aig").write_bytes(aig.aiger(outputs))
    (folder / "carrier.v").write_text(_CARRIER)
    (folder / "abc.txt").write_text(f"backup\n{engine.value}\nwrite_status status.txt\nrestore\n".replace("; ", "\n"))
    try:
        run_yosys("read_verilog carrier.v; proc; simplemap; abc -script abc.txt", folder, timeout_s)
    except OutOfTimeError:
        return Answer(never=None)
    return _read_status(status, aig)


def _read_status(path: Path, aig: Aig) -> Answer:
    """What ABC's `write_status` says: 'snl_UNSAT', or 'snl_SAT' with the values of inputs at every clock."""
    lines = path.read_text().split("\n") if path.is_file() else []
    verdict = lines[0].split()[:1] if lines else []
    if verdict == ["snl_UNSAT"]:
        return Answer(never=True)
    if verdict == ["snl_UNK"]:
        return Answer(never=None)
    if verdict != ["snl_SAT"]:
        raise CheckError(f"abc must leave a verdict in {path}, not {lines[:1]}")
    return Answer(never=False, trace=_trace("".join(lines[1:]), aig, path))


def _trace(digits: str, aig: Aig, path: Path) -> tuple[dict[int, bool], ...]:
    wide, latches = len(aig.inputs), len(aig.latches)
    clocks = (len(digits) - latches) // wide
    if set(digits) - {"0", "1"} or latches + clocks * wide != len(digits) or not clocks:
        raise CheckError(f"abc must write {wide} bits a clock to {path}, not {digits[:40]!r}")
    rows = [digits[latches + k * wide : latches + (k + 1) * wide] for k in range(clocks)]
    return tuple({v: row[i] == "1" for i, v in enumerate(aig.inputs)} for row in rows)
