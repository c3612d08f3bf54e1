"""Reads alkaid's Verilog text back: the statements of every pipeline stage and the registers between the stages."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.sim.mutation.schemata import TARGET, Site

PRIMITIVES: Final = ("shift_adder", "ternary_adder", "mux", "multiplier", "negative", "binop", "table")
"""Instances; assignments are constant, field (of the stage's input), slice, extend, relu, not, any and all."""

_STATEMENT = re.compile(r"^ *wire \[(\d+):0\] (v\d+); (.*;)$", re.MULTILINE)
_OUTPUT = re.compile(r"^ *assign model_out\[(\d+):(\d+)\] = (v\d+)\[(\d+):(\d+)\];$", re.MULTILINE)
_WIRE = re.compile(r"^ *wire \[", re.MULTILINE)
_INSTANCE = re.compile(r"(\w+) (?:#\(([-\d, ]+)\) )?op_\d+ \((.*)\);")
_ASSIGNMENT = re.compile(r"assign v\d+\[\d+:0\] = (.*);")
_SLICE = re.compile(r"(v\d+|model_inp)(?:\[(\d+)(?::(\d+))?\])?")
_FORMS: Final = {
    "constant": re.compile(r"'b([01]+)"),
    "field": re.compile(r"(model_inp\[\d+:\d+\])"),
    "slice": re.compile(r"(v\d+\[\d+:\d+\])"),
    "relu": re.compile(r"(v\d+\[\d+:\d+\]) & \{\d+\{~(v\d+\[\d+\])\}\}"),
    "extend": re.compile(r"\{+(\d+)\{(v\d+\[\d+\])\}+(?:, (v\d+\[\d+:\d+\])\})?"),
    "not": re.compile(r"~(v\d+)"),
    "any": re.compile(r"\|(v\d+)"),
    "all": re.compile(r"&(v\d+)"),
}
_REGISTER = re.compile(r"^ *(\w+)\[(\d+):0\] <= (\w+)\[\d+:0\];$", re.MULTILINE)
_CONNECTION = re.compile(r"^ *(assign (INTERNAL_logic(\d+)_inp)\[(\d+):0\] = (\w+)\[\d+:0\];)$", re.MULTILINE)
_STAGE = re.compile(r"^ *(\w+ _inst_logic\d+ \(.*\.model_out\((\w+)\)\);)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Slice:
    """Bits `high..low` of a signal."""

    signal: str
    high: int
    low: int

    @property
    def width(self) -> int:
        """Number of bits."""
        return self.high - self.low + 1

    def __str__(self) -> str:
        return f"{self.signal}[{self.high}:{self.low}]" if self.width > 1 else f"{self.signal}[{self.low}]"


@dataclass(frozen=True, slots=True)
class Statement:
    """One operation of a stage: what it is, what it is parameterised with, and what it is given."""

    site: Site
    stage: int
    primitive: str
    module: str
    parameters: tuple[int, ...]
    operands: tuple[str, ...]
    """As written: slices, literals; of an assignment those that its right side names."""

    def faulty(self, **changes: tuple[int, ...] | tuple[str, ...]) -> str:
        """The statement with other parameters or operands, driving `TARGET`."""
        other = replace(self, **changes)  # type: ignore[arg-type]
        if self.module:
            parameters = f"#({','.join(map(str, other.parameters))}) " if self.parameters else ""
            return f"{self.module} {parameters}op_{TARGET} ({','.join((*other.operands, TARGET))});"
        text = _ASSIGNMENT.fullmatch(self.site.text)
        assert text is not None
        value, end = "", 0
        for old, new in zip(self.operands, other.operands, strict=True):
            start = text[1].index(old, end)
            value, end = value + text[1][end:start] + new, start + len(old)
        return f"assign {TARGET} = {value}{text[1][end:]};"


@dataclass(frozen=True, slots=True)
class Stage:
    """The statements of one stage by the signal that they drive."""

    number: int
    statements: dict[str, Statement]
    outputs: tuple[tuple[Slice, Slice], ...] = ()
    """Bits of `model_out`, and the signal's bits that they are."""

    def slice_of(self, operand: str) -> Slice | None:
        """The bits that an operand names; None of a literal."""
        match = _SLICE.fullmatch(operand)
        if match is None:
            return None
        signal, high, low = match.groups()
        if high is None:
            return Slice(signal, self.statements[signal].site.width - 1, 0)
        return Slice(signal, int(high), int(low if low is not None else high))

    def driving(self, bits: Slice) -> list[tuple[Slice, Slice]]:
        """The outputs that a slice of the next stage's input is made of."""
        return [(own, source) for own, source in self.outputs if own.low <= bits.high and bits.low <= own.high]

    def fields(self) -> list[tuple[Statement, Slice]]:
        """The statements that read the stage's input, from its least significant bit on."""
        read = [(s, self.slice_of(s.operands[0])) for s in self.statements.values() if s.primitive == "field"]
        return sorted(((s, bits) for s, bits in read if bits is not None), key=lambda pair: pair[1].low)


@dataclass(frozen=True, slots=True)
class Register:
    """What a stage (or, as the last, the output) is given: `site` drives it from a register whose input is `source`."""

    site: Site
    source: str
    """The same signal a clock earlier."""


@dataclass(frozen=True, slots=True)
class Netlist:
    """A core's stages and the registers before each of them; `output` drives the last register."""

    stages: tuple[Stage, ...]
    registers: tuple[Register, ...]
    output: Site


def read_netlist(design: RtlDesign) -> Netlist:
    """The netlist of a core that `write_rtl` wrote in Verilog; a text of another form raises `InputError`."""
    texts = {source.name: source.read_text(encoding="utf-8") for source in design.sources if source.suffix == ".v"}
    files = [Path(source.name) for source in design.sources]
    logic = re.compile(rf"{re.escape(design.top)}_logic(\d+)\.v")
    numbered = {int(m[1]): name.name for name in files if (m := logic.fullmatch(name.name))}
    if not numbered or f"{design.top}.v" not in texts:
        raise InputError(f"the design {design.top!r} must be a core that trigforge wrote in Verilog, stage by stage")
    stages = tuple(_stage(texts[numbered[k]], numbered[k], k, design.top) for k in sorted(numbered))
    netlist = _pipeline(texts[f"{design.top}.v"], f"{design.top}.v", stages)
    if len(netlist.registers) + 1 != design.latency_clocks or len(netlist.registers) != len(stages):
        raise InputError(f"{design.top!r} must have a register before each stage and after the last one")
    return netlist


def _stage(text: str, name: str, number: int, top: str) -> Stage:
    matches = list(_STATEMENT.finditer(text))
    if len(matches) != len(_WIRE.findall(text)):
        raise InputError(f"every signal of {name} must be declared and driven in one line; use alkaid 0.8")
    statements = {}
    for match in matches:
        site = Site(name, match.start(3), match[3], match[2], int(match[1]) + 1)
        statements[match[2]] = _statement(site, number, top)
    outputs = []
    for match in _OUTPUT.finditer(text):
        high, low, signal, top_bit, bottom = match.groups()
        outputs.append((Slice("model_out", int(high), int(low)), Slice(signal, int(top_bit), int(bottom))))
    return Stage(number, statements, tuple(outputs))


def _statement(site: Site, stage: int, top: str) -> Statement:
    instance, assignment = _INSTANCE.fullmatch(site.text), _ASSIGNMENT.fullmatch(site.text)
    if instance is not None:
        name = instance[1].removeprefix(f"{top}_")
        name = "table" if name.startswith("table_") else name
        operands = tuple(part.strip() for part in instance[3].split(","))
        if name in PRIMITIVES and operands[-1].split("[")[0] == site.target:
            parameters = tuple(int(part) for part in instance[2].split(",")) if instance[2] else ()
            return Statement(site, stage, name, instance[1], parameters, operands[:-1])
    elif assignment is not None:
        for form, pattern in _FORMS.items():
            value = pattern.fullmatch(assignment[1])
            if value is not None:
                operands = tuple(group for group in value.groups() if group is not None)
                return Statement(site, stage, form, "", (), operands)
    raise InputError(f"a statement of {site.source} must be of a known form, not {site.text!r}; use alkaid 0.8")


def _pipeline(text: str, name: str, stages: tuple[Stage, ...]) -> Netlist:
    sources = {match[1]: match[3] for match in _REGISTER.finditer(text)}
    registers = {}
    for match in _CONNECTION.finditer(text):
        site = Site(name, match.start(1), match[1], match[2], int(match[4]) + 1)
        registers[int(match[3])] = Register(site, sources.get(match[5], ""))
    last = [match for match in _STAGE.finditer(text) if match[2] == sources.get("model_out")]
    if not last or sorted(registers) != list(range(len(stages))) or not all(r.source for r in registers.values()):
        raise InputError(f"{name} must connect every stage by one register; use alkaid 0.8")
    width = next(int(match[2]) + 1 for match in _REGISTER.finditer(text) if match[1] == "model_out")
    output = Site(name, last[0].start(1), last[0][1], last[0][2], width)
    return Netlist(stages, tuple(registers[k] for k in sorted(registers)), output)
