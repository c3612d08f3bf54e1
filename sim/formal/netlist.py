"""`Netlist`: a design's gates and registers, bit by bit, as Yosys elaborates it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from trigforge.errors import CheckError, InputError
from trigforge.sim.formal.yosys import run_yosys

_ADDERS: Final = Path(__file__).with_name("ripple.v")
_REGISTER: Final = "$_DFF_P_"
_UNKNOWN: Final = "$anyseq"
_PINS: Final = {"$_NOT_": "A", "$_AND_": "AB", "$_OR_": "AB", "$_XOR_": "AB", "$_MUX_": "SBA"}

Bit = int
FALSE_BIT: Final = 0
TRUE_BIT: Final = 1
"""Yosys numbers the wires from 2 on."""


@dataclass(frozen=True, slots=True)
class Register:
    """A flip-flop of the one clock, rising edge; `first` is its value at power-up, None if nothing says so."""

    output: Bit
    next: Bit
    first: int | None


class Gate(NamedTuple):
    """Yosys' name of a gate and its inputs; those of '$_MUX_' are select, value if set and value if clear."""

    kind: str
    operands: tuple[Bit, ...]


@dataclass(frozen=True, slots=True)
class Netlist:
    """Gates by the bit that they drive, registers, ports, and bits of which nothing is known."""

    gates: Mapping[Bit, Gate]
    registers: tuple[Register, ...]
    inputs: Mapping[str, tuple[Bit, ...]]
    outputs: Mapping[str, tuple[Bit, ...]]
    unknown: tuple[Bit, ...]
    clock: Bit | None


def elaborate(
    sources: Sequence[Path],
    top: str,
    folder: Path,
    timeout_s: float,
    parameters: Mapping[str, int] | None = None,
) -> Netlist:
    """The netlist of a Verilog design.

    What the language leaves undefined ('x') stays so: a free bit for every one. Raises `InputError` for latches,
    asynchronous resets, falling edges and a second clock, and what `run_yosys` does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copies = [f"source_{k}{source.suffix}" for k, source in enumerate(sources)]
    for source, copy in zip((*sources, _ADDERS), (*copies, _ADDERS.name), strict=True):
        try:
            shutil.copyfile(source, folder / copy)
        except OSError as error:
            raise InputError(f"the source {source} of {top!r} cannot be read: {error.strerror}") from None
    settings = "".join(f" -chparam {name} {value}" for name, value in (parameters or {}).items())
    run_yosys(
        f"read_verilog -sv {' '.join(copies)}; hierarchy -check -top {top}{settings}; "
        "proc -noopt -norom; flatten -noscopeinfo; setundef -undriven -anyseq; opt_expr; opt_clean -purge; "
        f"memory -nomap; memory_map; techmap -map {_ADDERS.name} -map +/techmap.v; opt_clean -purge; "
        "write_json -noscopeinfo netlist.json",
        folder,
        timeout_s,
    )
    return read_netlist(json.loads((folder / "netlist.json").read_text()), top)


def read_netlist(design: Mapping[str, Any], top: str) -> Netlist:
    """The netlist in what Yosys' `write_json` wrote of gates."""
    module = next(m for m in design["modules"].values() if int(m["attributes"].get("top", "0"), 2))
    first = _first_values(module["netnames"].values())
    gates: dict[Bit, Gate] = {}
    registers, unknown, clocks = [], [], set()
    for cell in module["cells"].values():
        kind, pins = cell["type"], {name: [_bit(b) for b in bits] for name, bits in cell["connections"].items()}
        if kind in _PINS:
            gates[pins["Y"][0]] = Gate(kind, tuple(pins[name][0] for name in _PINS[kind]))
        elif kind == _REGISTER:
            registers.append(Register(pins["Q"][0], pins["D"][0], first.get(pins["Q"][0])))
            clocks.add(pins["C"][0])
        elif kind == _UNKNOWN:
            unknown += pins["Y"]
        else:
            raise InputError(
                f"{top!r} must consist of logic and of registers of one rising clock edge, without asynchronous "
                f"reset, but it holds a cell {kind}"
            )
    ports = {name: (p["direction"], tuple(_bit(b) for b in p["bits"])) for name, p in module["ports"].items()}
    inputs = {name: bits for name, (direction, bits) in ports.items() if direction == "input"}
    clock = _one_clock(clocks, inputs, top)
    return Netlist(
        gates=gates,
        registers=tuple(registers),
        inputs={name: bits for name, bits in inputs.items() if clock is None or bits != (clock,)},
        outputs={name: bits for name, (direction, bits) in ports.items() if direction == "output"},
        unknown=tuple(unknown),
        clock=clock,
    )


def _bit(name: int | str) -> Bit:
    """A wire's number, or that of a constant."""
    if isinstance(name, int):
        return name
    if name not in ("0", "1"):
        raise CheckError(f"every bit of a netlist must be driven, but one is {name!r}")
    return int(name)


def _one_clock(clocks: set[Bit], inputs: Mapping[str, tuple[Bit, ...]], top: str) -> Bit | None:
    if not clocks:
        return None
    if len(clocks) > 1 or (min(clocks),) not in inputs.values():
        raise InputError(f"the registers of {top!r} must share one clock that is an input, not {len(clocks)}")
    return min(clocks)


def _first_values(nets: Any) -> dict[Bit, int]:
    """The bits that an `initial` block gives a value."""
    first: dict[Bit, int] = {}
    for net in nets:
        text = net["attributes"].get("init")
        if text is not None:
            first |= {b: int(c) for b, c in zip(net["bits"], reversed(text), strict=False) if c in "01"}
    return first
