"""Mutants proved equivalent: in a window, for all that what is free there can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from trigforge.firmware.design import RtlDesign
from trigforge.sim.bounds.prover import BY
from trigforge.sim.bounds.reach import Reach
from trigforge.sim.formal.abc import Engine, decide
from trigforge.sim.formal.aig import FALSE, Aig, Literal, Word, constant
from trigforge.sim.formal.clock import Clock
from trigforge.sim.formal.equal import number
from trigforge.sim.formal.netlist import Bit, Netlist, elaborate
from trigforge.sim.formal.unroll import unroll
from trigforge.sim.formal.yosys import OutOfTimeError
from trigforge.sim.mutation.graph import Graph
from trigforge.sim.mutation.schemata import Fault
from trigforge.sim.mutation.window_rtl import GATE, GOLD, TOP, WindowDesign, modules_of, write_window
from trigforge.sim.mutation.windows import Window

PATTERNS: Final = 4096
"""Random values of what is free that are tried before ABC is asked."""

Known = Callable[[int], Reach]
"""What is proved of a node's values."""


class Equal:
    """Proved: no difference is seen."""


@dataclass(frozen=True, slots=True)
class Different:
    """Values of the window's free nodes for which a difference is seen; they need not occur together."""

    values: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Miter:
    """A window as a graph of gates, without and with the fault; the words that are free are within what is known."""

    aig: Aig
    nodes: tuple[int, ...]
    words: tuple[Word, ...]
    signed: tuple[bool, ...]
    gold: Word
    gate: Word
    compared: tuple[tuple[int, int], ...]
    """Nodes and how many of their bits `gold` and `gate` are, the first ones first."""

    def seen(self, assignment: Mapping[int, bool]) -> Different:
        """The values of what is free in an assignment."""
        literals = [bit for word in self.words for bit in word]
        bits = iter(self.aig.evaluate({k: assignment.get(k, False) for k in self.aig.inputs}, literals))
        rows = zip(self.nodes, self.words, self.signed, strict=True)
        return Different({node: number([next(bits) for _ in word], signed) for node, word, signed in rows})


@dataclass(frozen=True, slots=True, eq=False)
class Elaborated:
    """A window's gates, for whatever its free words are."""

    design: WindowDesign
    netlist: Netlist

    def miter(self, known: Known) -> Miter:
        """With its free words within what is known of them."""
        aig, design = Aig(), self.design
        words = tuple(
            _free(aig, known(node), word.width, word.signed)
            for node, word in zip(design.nodes, design.given.words, strict=True)
        )
        bits = [bit for word in words for bit in word] or [FALSE]
        literals: dict[Bit, Literal] = dict(zip(self.netlist.inputs[design.given.name], bits, strict=True))
        made = unroll(self.netlist, aig, lambda bit, _: literals[bit], TOP)
        signed = tuple(word.signed for word in design.given.words)
        return Miter(aig, design.nodes, words, signed, made[GOLD], made[GATE], design.seen)

    def compare(self, known: Known, folder: Path, timeout_s: float) -> Equal | Different | None:
        """Whether the fault changes nothing that is seen, whatever the free words are; None if out of time."""
        miter = self.miter(known)
        differences = [miter.aig.differ(a, b) for a, b in zip(miter.gold, miter.gate, strict=True)]
        guess = _guessed(miter.aig, differences)
        if guess is not None:
            return miter.seen(guess)
        answer = decide(miter.aig, differences, Engine.COMBINATIONAL, folder, timeout_s)
        if answer.never is None:
            return None
        return Equal() if answer.never else miter.seen(answer.trace[0])


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """What windows on a core are made of."""

    graph: Graph
    modules: Mapping[str, str]

    @classmethod
    def of(cls, graph: Graph, design: RtlDesign) -> Workshop:
        """Of a core that `write_rtl` wrote in Verilog."""
        return cls(graph, modules_of(design))

    def elaborate(self, fault: Fault, window: Window, folder: Path, timeout_s: float) -> Elaborated:
        """A window on a fault, written to `folder`; raises `OutOfTimeError`."""
        design = write_window(self.graph, self.modules, fault, window, folder)
        return Elaborated(design, elaborate([design.source], TOP, folder / "netlist", timeout_s))

    def compare(
        self, fault: Fault, window: Window, known: Known, folder: Path, timeout_s: float
    ) -> Equal | Different | None:
        """What `Elaborated.compare` says of a window on a fault."""
        clock = Clock(timeout_s)
        try:
            return self.elaborate(fault, window, folder, clock.rest).compare(known, folder / "abc", clock.rest)
        except OutOfTimeError:
            return None

    def statement(self, fault: Fault, window: Window, known: Known) -> str:
        """What is proved of a window in which no difference can be seen."""
        graph = self.graph
        words = sum(graph.is_word(node) for node in window.free)
        given = [
            f"{_shown(graph, node)} in {known(node).low}..{known(node).high}"
            for node in dict.fromkeys((*window.free, *(window.faulty if fault.moved else ())))
            if not graph.is_word(node)
        ]
        free = [*given, *([f"{words} words of the input"] if words else [])]
        seen = ", ".join(_shown(graph, node) for node in window.seen)
        return f"{seen} equal for all {', '.join(free) or 'events'}" + (f", {BY}" if given else "")


def _shown(graph: Graph, node: int) -> str:
    stage, signal = graph.place(node)
    return f"{signal} of stage {stage}"


def _free(aig: Aig, known: Reach, width: int, signed: bool) -> Word:
    """A word that takes all values in an interval that have the low bits that are known, and no others."""
    fixed = min(known.residue.bits, width)
    bits = (*constant(known.residue.value, fixed), *(aig.input() for _ in range(width - fixed)))
    return aig.clamped(bits, known.low, known.high, signed)


def _guessed(aig: Aig, outputs: list[Literal]) -> dict[int, bool] | None:
    """Values of a graph's inputs for which an output is 1, if random ones happen to be."""
    generator, mask = np.random.default_rng(1), (1 << PATTERNS) - 1
    patterns = {k: int.from_bytes(generator.bytes(PATTERNS // 8), "little") for k in aig.inputs}
    for value in aig.simulate(patterns, outputs, mask):
        if value:
            place = (value & -value).bit_length() - 1
            return {k: bool(pattern >> place & 1) for k, pattern in patterns.items()}
    return None
