"""A stage in which some signals are free: what a fault changes, given what is proved of its operands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.sim.mutation.flat import FlatCore, Limits
from trigforge.sim.mutation.netlist import Netlist, Stage, Statement
from trigforge.sim.mutation.schemata import Fault
from trigforge.sim.mutation.stages import part_of

CUT: Final = "window_cut"
"""The port of a stage that drives its free signals."""
DEPTHS: Final = 3
"""Most operations from the free signals to the faulty ones."""


@dataclass(frozen=True, slots=True)
class Window:
    """Stages `stage..last` of a core, some signals of the first of them free, each within its proved interval."""

    stage: int
    last: int
    signals: tuple[str, ...]
    words: tuple[Word, ...]
    limits: Limits

    def design(self, design: RtlDesign, flat: FlatCore, folder: Path) -> RtlDesign:
        """The window on a core (or on a mutant of it) as a design of latency 1, written to `folder`."""
        name = f"{design.top}_logic{self.stage}.v"
        folder.mkdir(parents=True, exist_ok=True)
        free = folder / name
        source = next(path for path in design.sources if path.name == name)
        free.write_text(self.freed(source.read_text(encoding="utf-8")), encoding="utf-8")
        sources = tuple(free if path.name == name else path for path in design.sources)
        cut = Port(CUT, self.words)
        return part_of(replace(design, sources=sources), flat, self.stage, self.last, folder, cut)

    def freed(self, text: str) -> str:
        """A stage's source with its free signals driven by a port; what drove them is gone."""
        text = text.replace(
            "    output [", f"    input [{sum(w.width for w in self.words) - 1}:0] {CUT},\n    output [", 1
        )
        low = 0
        for signal, word in zip(self.signals, self.words, strict=True):
            driven = f"wire [{word.width - 1}:0] {signal}; assign {signal} = {CUT}[{low + word.width - 1}:{low}];"
            text, count = re.subn(rf"^ *wire \[\d+:0\] {signal}; .*;$", f"    {driven}", text, flags=re.MULTILINE)
            assert count == 1, signal
            low += word.width
        return text


def free_signals(netlist: Netlist, fault: Fault) -> Iterable[tuple[str, ...]]:
    """Signals of the faulty stage that cut its faulty statements off, nearer ones first; none for one of a register."""
    place = fault.stage.split()
    if place[0] != "stage":
        return
    stage = netlist.stages[int(place[1])]
    faulty = {change.site.target for change in fault.changes}
    if not _operands(stage, faulty):
        faulty |= {name for name, own in stage.statements.items() if faulty & set(_read(stage, own))}
    front = _operands(stage, faulty) - faulty
    for _ in range(DEPTHS):
        if front:
            yield tuple(sorted(front, key=lambda name: int(name[1:])))
        front = {other for name in front for other in _operands(stage, {name}) or {name}} - faulty


def windows_of(
    netlist: Netlist, flat: FlatCore, fault: Fault, interval: Callable[[int], tuple[int, int]]
) -> Iterator[Window]:
    """Windows on the stages from the faulty one on; `interval` says what is proved of a node of the flat core."""
    for signals in free_signals(netlist, fault):
        stage = netlist.stages[int(fault.stage.split()[1])]
        nodes = [flat.starts[stage.number] + int(signal[1:]) for signal in signals]
        words = tuple(
            Word(stage.statements[signal].site.width, flat.circuit.nodes[node].format.signed)
            for signal, node in zip(signals, nodes, strict=True)
        )
        limits = tuple(interval(node) for node in nodes)
        for last in dict.fromkeys((stage.number, len(flat.starts) - 1)):
            yield Window(stage.number, last, signals, words, limits)


def _operands(stage: Stage, names: Iterable[str]) -> set[str]:
    """The signals that statements read, constants aside."""
    found = {signal for name in names for signal in _read(stage, stage.statements[name])}
    return {name for name in found if stage.statements[name].primitive != "constant"}


def _read(stage: Stage, statement: Statement) -> Sequence[str]:
    slices = [stage.slice_of(operand) for operand in statement.operands]
    return [own.signal for own in slices if own is not None and own.signal in stage.statements]
