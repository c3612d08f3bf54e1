"""A window on a core and on a mutant of it, as one module of Verilog made of the core's own statements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.sim.mutation.graph import Graph
from trigforge.sim.mutation.netlist import Slice
from trigforge.sim.mutation.schemata import GOOD, TARGET, Fault
from trigforge.sim.mutation.windows import Window

TOP: Final = "mutation_window"
FREE: Final = "free"
"""The port of what is free: the window's free nodes, then the wrong words of a register; at least one bit."""
GOLD, GATE = "gold", "gate"
"""The ports of what is seen, without and with the fault."""

_MODULE = re.compile(r"^module (\w+).*?^endmodule", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WindowDesign:
    """A window's module, and the nodes that its free words are."""

    source: Path
    given: Port
    nodes: tuple[int, ...]
    seen: tuple[tuple[int, int], ...]
    """Nodes and how many of their bits are compared, the first ones in the least significant bits."""


def modules_of(design: RtlDesign) -> dict[str, str]:
    """The modules of a core that its stages use: primitives and tables."""
    texts = [source.read_text(encoding="utf-8") for source in design.sources if source.suffix == ".v"]
    return {match[1]: match[0] for text in texts for match in _MODULE.finditer(text)}


def write_window(graph: Graph, modules: Mapping[str, str], fault: Fault, window: Window, folder: Path) -> WindowDesign:
    """Write a window on a fault to `folder`; of the core's modules it holds those that it uses."""
    text = _Text(graph, fault, window)
    nodes = (*window.free, *text.moved)
    formats = [graph.flat.circuit.nodes[node].format for node in nodes]
    given = Port(FREE, tuple(Word(own.width, own.signed) for own in formats))
    seen = tuple(text.seen())
    width = sum(bits for _, bits in seen)
    ports = [f"input [{max(given.bits, 1) - 1}:0] {FREE}", *(f"output [{width - 1}:0] {name}" for name in (GOLD, GATE))]
    ends = [
        f"assign {port} = {{{', '.join(text.low(*own, wrong=port == GATE) for own in reversed(seen))}}};"
        for port in (GOLD, GATE)
    ]
    body = "\n    ".join([f"module {TOP} (\n    {', '.join(ports)});", *text.lines(nodes), *ends])
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{TOP}.v"
    parts = [*(modules[name] for name in _used(body, modules)), f"{body}\nendmodule\n"]
    source.write_text("\n\n".join(parts), encoding="utf-8")
    return WindowDesign(source, given, nodes, seen)


def _used(body: str, modules: Mapping[str, str]) -> list[str]:
    """The modules that a text uses, and those that these use."""
    found: dict[str, None] = {}
    texts = [body]
    while texts:
        words = set(re.findall(r"\w+", texts.pop()))
        new = [name for name in modules if name in words and name not in found]
        found |= dict.fromkeys(new)
        texts += [modules[name] for name in new]
    return list(found)


@dataclass(frozen=True, slots=True)
class _Text:
    """The statements of a window: what is right under a name of its stage, what is wrong once more under another."""

    graph: Graph
    fault: Fault
    window: Window

    @property
    def moved(self) -> tuple[int, ...]:
        """The words of a register that are of another clock: anything that they can be."""
        return self.window.faulty if self.fault.moved is not None else ()

    def lines(self, free: Sequence[int]) -> Iterator[str]:
        """All declarations and statements."""
        own, low = self.window, 0
        made = sorted({*own.right, *own.wrong})
        yield from self.inputs(made)
        for place, node in enumerate(free):
            width = self.graph.flat.circuit.nodes[node].format.width
            yield self.freed(node, f"{FREE}[{low + width - 1}:{low}]", wrong=place >= len(own.free))
            low += width
        for node in made:
            if node not in own.free or node in own.wrong:
                yield self.right(node)
            if node in own.wrong and node not in self.moved:
                yield self.wrong(node)

    def inputs(self, made: Sequence[int]) -> Iterator[str]:
        """The inputs of stages, as far as fields of theirs are in the window."""
        fields = [own for own in map(self.graph.statement, made) if own.primitive == "field"]
        netlist = self.graph.netlist
        for number in sorted({own.stage for own in fields}):
            width = netlist.registers[number].site.width
            right, wrong = (_prefixed(number, "model_inp", wrong=wrong) for wrong in (False, True))
            yield f"wire [{width - 1}:0] {right}, {wrong};"
            if not number:
                yield f"assign {wrong} = {right};"
                continue
            bits = [netlist.stages[number].slice_of(own.operands[0]) for own in fields if own.stage == number]
            links = {link for own in bits if own is not None for link in netlist.stages[number - 1].driving(own)}
            for given, source in sorted(links, key=lambda link: link[0].low):
                for name, is_wrong in ((right, False), (wrong, True)):
                    value = self.bits(number - 1, source, wrong=is_wrong)
                    yield f"assign {name}[{given.high}:{given.low}] = {value};"

    def freed(self, node: int, bits: str, *, wrong: bool) -> str:
        """A free signal, or a wrong word's place in the core's input."""
        if self.graph.is_word(node) and node in self.window.wrong and not wrong:
            field = self.graph.netlist.stages[0].slice_of(self.graph.statement(node).operands[0])
            assert field is not None
            return f"assign {_prefixed(0, 'model_inp', wrong=False)}[{field.high}:{field.low}] = {bits};"
        stage, signal = self.graph.place(node)
        name = self.name(stage, signal, wrong=wrong)
        return f"{self.declared(node, name)} assign {name} = {bits};"

    def right(self, node: int) -> str:
        """A node's own statement."""
        own = self.graph.statement(node)
        declared = self.declared(node, self.name(own.stage, own.site.target, wrong=False))
        return f"{declared} {self.renamed(own.stage, own.site.text, wrong=False)}"

    def wrong(self, node: int) -> str:
        """A node's statement with the fault, or with operands that are wrong."""
        own = self.graph.statement(node)
        name = self.name(own.stage, own.site.target, wrong=True)
        good = f"{self.declared(node, name)} {self.renamed(own.stage, own.site.text, wrong=True)}"
        changes = [change.text for change in self.fault.changes if change.site == own.site]
        if not changes:
            return good
        text = self.renamed(own.stage, changes[0], wrong=True).replace(TARGET, name).replace(GOOD, f"{name}_good")
        kept = re.sub(rf"\b{name}\b", f"{name}_good", good) if GOOD in changes[0] else ""
        return f"{kept} {self.declared(node, name)} {text}"

    def seen(self) -> Iterator[tuple[int, int]]:
        """Nodes and how many of their low bits are compared: all, unless only the core's output reads them."""
        last = self.graph.netlist.stages[-1]
        widths = {self.graph.node(last.number, own.signal): own.width for _, own in last.outputs}
        for node in self.window.seen:
            inside = set(self.graph.readers[node]) <= set(self.window.wrong)
            yield node, widths[node] if node in widths and inside else self.graph.flat.circuit.nodes[node].format.width

    def low(self, node: int, width: int, *, wrong: bool) -> str:
        """The low bits of a node, wrong if it can be."""
        stage, signal = self.graph.place(node)
        return self.bits(stage, Slice(signal, width - 1, 0), wrong=wrong)

    def bits(self, stage: int, own: Slice, *, wrong: bool) -> str:
        """A slice of a signal, wrong if it can be."""
        return f"{self.name(stage, own.signal, wrong=wrong)}[{own.high}:{own.low}]"

    def name(self, stage: int, signal: str, *, wrong: bool) -> str:
        """A signal's name, that of its wrong copy if it has one and that is asked for."""
        return _prefixed(stage, signal, wrong=wrong and self.graph.node(stage, signal) in self.window.wrong)

    def renamed(self, stage: int, text: str, *, wrong: bool) -> str:
        """A statement of a stage with the window's names."""
        text = re.sub(r"\bv\d+\b", lambda match: self.name(stage, match[0], wrong=wrong), text)
        return re.sub(r"\b(model_inp\b|op_)", lambda match: _prefixed(stage, match[0], wrong=wrong), text)

    def declared(self, node: int, name: str) -> str:
        """The declaration of a node's signal."""
        return f"wire [{self.graph.flat.circuit.nodes[node].format.width - 1}:0] {name};"


def _prefixed(stage: int, name: str, *, wrong: bool) -> str:
    return f"{'wrong' if wrong else 'right'}{stage}_{name}"
