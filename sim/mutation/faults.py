"""The faults of a core: every kind that its statements and registers allow, drawn evenly over kinds and stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import islice, pairwise
from typing import Final

import numpy as np

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.sim.mutation.netlist import Netlist, Register, Slice, Stage, Statement, read_netlist
from trigforge.sim.mutation.operations import SOURCES, Text, is_comparison
from trigforge.sim.mutation.schemata import GOOD, TARGET, Change, Fault, Site


class Kind(StrEnum):
    """What is wrong in a mutant."""

    WEIGHT_BIT = "weight_bit"
    """A shift by one more or less, a bit of a constant, a bit of a table's entry."""
    WIRE = "wire"
    """A bit of an operand stuck at 0 or 1, or swapped with its neighbour."""
    PIPELINE_STAGE = "pipeline_stage"
    """A register, or one word of it, left out or there twice."""
    SIGN_EXTENSION = "sign_extension"
    """An operand extended by zeros instead of its sign, or the other way round."""
    SWAPPED_FIELDS = "swapped_fields"
    """Two neighbouring words of a packed input in the wrong order."""
    THRESHOLD_BIT = "threshold_bit"
    """A wrong bit of a constant that a value is compared with."""
    SATURATION = "saturation"
    """A limit that is not applied."""
    ADD_SUB = "add_sub"
    """A sum instead of a difference, or the other way round."""
    WIDTH = "width"
    """A result one bit too narrow, at its upper or its lower end."""


Group = Callable[[], list[Fault]]
"""Faults of one kind at one place, made when they are asked for."""


def core_faults(design: RtlDesign, count: int, seed: int) -> tuple[Fault, ...]:
    """`count` different faults of a core that `write_rtl` wrote in Verilog, reproducible from `seed`.

    As even over kinds as the core allows, within a kind over stages, within a stage over statements.
    Raises `InputError` if the core has fewer.
    """
    netlist, rng = read_netlist(design), np.random.default_rng(seed)
    kinds = [_interleaved([_drawn(groups, rng) for groups in _groups(kind, netlist, design)]) for kind in Kind]
    faults = tuple(islice(_interleaved(kinds), count))
    if len(faults) < count:
        raise InputError(f"mutants must be at most {len(faults)} of {design.top!r}, not {count}; ask for fewer")
    return faults


def _interleaved(sources: Sequence[Iterator[Fault]]) -> Iterator[Fault]:
    """One of each source in turn, until all are exhausted."""
    left = list(sources)
    while left:
        alive = []
        for source in left:
            fault = next(source, None)
            if fault is not None:
                alive.append(source)
                yield fault
        left = alive


def _drawn(groups: Sequence[Group], rng: np.random.Generator) -> Iterator[Fault]:
    """One fault of every group, the first group's at first, then all others in random order."""
    others: list[Fault] = []
    for index in (*range(min(len(groups), 1)), *(rng.permutation(max(len(groups) - 1, 0)) + 1)):
        faults = groups[index]()
        if faults:
            yield faults.pop(int(rng.integers(len(faults))))
            others += faults
    for index in rng.permutation(len(others)):
        yield others[index]


def _groups(kind: Kind, netlist: Netlist, design: RtlDesign) -> list[list[Group]]:
    """Per stage, the groups of a kind."""
    if kind is Kind.PIPELINE_STAGE:
        fields = [[bits for _, bits in stage.fields()] for stage in netlist.stages]
        before = [_register_groups(*pair) for pair in zip(netlist.registers, fields, strict=True)]
        return [*before, _output_groups(netlist, design)]
    if kind is Kind.SWAPPED_FIELDS:
        return [_swap_groups(stage) for stage in netlist.stages]
    return [
        [_statement_group(kind, stage, s) for s in stage.statements.values() if _concerns(kind, stage, s)]
        for stage in netlist.stages
    ]


_TEXTS: Final = {
    Kind.WEIGHT_BIT: SOURCES["weight"],
    Kind.WIRE: SOURCES["wire"],
    Kind.SIGN_EXTENSION: SOURCES["sign"],
    Kind.THRESHOLD_BIT: SOURCES["constant"],
    Kind.SATURATION: SOURCES["saturation"],
    Kind.ADD_SUB: SOURCES["add_sub"],
    Kind.WIDTH: SOURCES["width"],
}


def _concerns(kind: Kind, stage: Stage, statement: Statement) -> bool:
    """A comparison's constant is a threshold, any other one a weight."""
    if kind in (Kind.THRESHOLD_BIT, Kind.WEIGHT_BIT):
        return is_comparison(stage, statement) == (kind is Kind.THRESHOLD_BIT)
    return True


def _statement_group(kind: Kind, stage: Stage, statement: Statement) -> Group:
    def faults() -> list[Fault]:
        texts: Iterator[Text] = _TEXTS[kind](stage, statement)
        where = f"{statement.primitive} {statement.site.target}"
        return [
            Fault(kind, f"stage {stage.number}", f"{where}: {what}", (Change(statement.site, text),))
            for what, text in texts
        ]

    return faults


def _swap_groups(stage: Stage) -> list[Group]:
    fields = stage.fields()
    pairs = [(a, b) for a, b in pairwise(fields) if a[1].high + 1 == b[1].low]

    def group(lower: tuple[Statement, Slice], upper: tuple[Statement, Slice]) -> Group:
        (one, low), (two, high) = lower, upper
        moved = Slice(low.signal, low.low + high.width - 1, low.low), Slice(low.signal, high.high, low.low + high.width)
        changes = tuple(
            Change(statement.site, statement.faulty(operands=(f"{low.signal}[{bits.high}:{bits.low}]",)))
            for statement, bits in ((two, moved[0]), (one, moved[1]))
        )
        what = f"fields {one.site.target} and {two.site.target} of {low.signal}[{high.high}:{low.low}] swapped"
        return lambda: [Fault(Kind.SWAPPED_FIELDS, f"stage {stage.number}", what, changes)]

    return [group(a, b) for a, b in pairs]


def _register_groups(register: Register, fields: Sequence[Slice]) -> list[Group]:
    site, stage = register.site, f"register {register.site.target.removeprefix('INTERNAL_')}"

    def group(bits: Slice) -> Group:
        return lambda: [
            _retimed(site, bits, register.source, stage, f"{_span(bits, site)} a clock early"),
            _late(site, bits, stage),
        ]

    return [group(bits) for bits in (Slice("", site.width - 1, 0), *fields)]


def _output_groups(netlist: Netlist, design: RtlDesign) -> list[Group]:
    site, start, slices = netlist.output, 0, []
    for word in design.outputs.words:
        if word.width:
            slices.append(Slice("", start + word.width - 1, start))
        start += word.width
    whole = Slice("", site.width - 1, 0)
    return [_late_group(site, bits) for bits in dict.fromkeys((whole, *slices))]


def _late_group(site: Site, bits: Slice) -> Group:
    return lambda: [_late(site, bits, "register output")]


def _late(site: Site, bits: Slice, stage: str) -> Fault:
    declared = f"reg [{site.width - 1}:0] {TARGET}_late; always @(posedge clk) {TARGET}_late <= {GOOD}; "
    return _retimed(site, bits, f"{TARGET}_late", stage, f"{_span(bits, site)} a clock late", declared)


def _retimed(site: Site, bits: Slice, source: str, stage: str, what: str, declared: str = "") -> Fault:
    """`bits` of a signal from `source`, the rest as it is."""
    parts = []
    if bits.high + 1 < site.width:
        parts.append(f"{GOOD}[{site.width - 1}:{bits.high + 1}]")
    parts.append(f"{source}[{bits.high}:{bits.low}]")
    if bits.low:
        parts.append(f"{GOOD}[{bits.low - 1}:0]")
    text = f"{declared}assign {TARGET} = {{{', '.join(parts)}}};"
    return Fault(Kind.PIPELINE_STAGE, stage, what, (Change(site, text),), (bits.high, bits.low))


def _span(bits: Slice, site: Site) -> str:
    return "all bits" if bits.width == site.width else f"bits {bits.high}..{bits.low}"
