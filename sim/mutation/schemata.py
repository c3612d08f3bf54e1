"""Mutant schemata: one copy of a design's sources that holds all faults at once, a port selecting which one is active.

Every statement or expression that some mutants change becomes `mutant == K ? faulty : … : good`. What was there before
is kept in the text, so that `original` gives it back byte for byte.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign, Word

BENCH: Final = "mutation_bench"
"""The module around the design: its input port holds the design's words and, above them, the number of the mutant."""
TARGET: Final = "<target>"
"""In a faulty statement: the signal that it drives."""
GOOD: Final = "<good>"
"""In a faulty statement: the signal as the original drives it."""

_EDITED = re.compile(r"/\*was (.*?)\*/.*?/\*now\*/", re.DOTALL)
_LINT = "// verilator lint_off WIDTH\n"


@dataclass(frozen=True, slots=True)
class Site:
    """A piece of a source that can be faulty: a statement that drives one signal, or (no target) an expression."""

    source: str
    """Name of the file."""
    start: int
    """Offset of the text in the file."""
    text: str
    target: str = ""
    width: int = 0
    """Bits of the target."""


@dataclass(frozen=True, slots=True)
class Change:
    """A site and what stands there instead: statements that drive `TARGET` and may use `GOOD`, or an expression."""

    site: Site
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One mutant: what it changes, all at once."""

    kind: str
    stage: str
    """The pipeline stage, or the module, in which it is."""
    what: str
    changes: tuple[Change, ...]
    moved: tuple[int, int] | None = None
    """Of a fault in a register: the highest and the lowest bit that is of another clock."""


def instrument(design: RtlDesign, faults: Sequence[Fault], folder: Path) -> RtlDesign:
    """Write the design with all faults in it to `folder`; mutant 0 is the original, mutant k + 1 has `faults[k]`.

    The selector is the last word of its input port, used in all stages at once: it must not change while events that
    count are in the pipeline.
    """
    if not faults:
        raise InputError(f"{design.top!r} must have at least one fault to be instrumented")
    selector = Word(len(faults).bit_length(), signed=False)
    cases = {f"{BENCH}.mutant == {selector.width}'d{k}": fault for k, fault in enumerate(faults, 1)}
    sources = _write(design, cases, folder)
    bench = folder / f"{BENCH}.sv"
    given = Port("given", (*design.inputs.words, selector))
    seen = Port("seen", design.outputs.words)
    bench.write_text(_bench(design, given, seen, selector), encoding="utf-8")
    return RtlDesign((*sources, bench), BENCH, "clk", given, seen, design.latency_clocks)


def mutate(design: RtlDesign, fault: Fault, folder: Path) -> RtlDesign:
    """Write the design with one fault, always active, to `folder`; its ports are the original's."""
    return replace(design, sources=_write(design, {"1'b1": fault}, folder))


def original(text: str) -> str:
    """The source that a text of `instrument` or `mutate` was made of."""
    return _EDITED.sub(r"\1", text.removeprefix(_LINT))


def _write(design: RtlDesign, cases: Mapping[str, Fault], folder: Path) -> tuple[Path, ...]:
    alternatives: dict[str, dict[Site, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for condition, fault in cases.items():
        for change in fault.changes:
            alternatives[change.site.source][change.site].append((condition, change.text))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in design.sources:
        path = folder / source.name
        text = source.read_text(encoding="utf-8")
        path.write_text(_edited(text, alternatives.pop(source.name, {}), source.name), encoding="utf-8")
        written.append(path)
    if alternatives:
        raise InputError(f"a fault of {design.top!r} must be in one of its sources, not in {min(alternatives)}")
    return tuple(written)


def _edited(text: str, sites: Mapping[Site, Iterable[tuple[str, str]]], name: str) -> str:
    parts, end = [_LINT], 0
    for site in sorted(sites, key=lambda s: s.start):
        if site.start < end or not text.startswith(site.text, site.start) or "*/" in site.text:
            raise InputError(f"the site {site.text!r} must be in {name} at {site.start} and overlap no other one")
        parts += [text[end : site.start], f"/*was {site.text}*/", _forked(site, list(sites[site])), "/*now*/"]
        end = site.start + len(site.text)
    return "".join([*parts, text[end:]])


def _forked(site: Site, alternatives: Sequence[tuple[str, str]]) -> str:
    """What a site becomes: its own text as the default and every alternative under its condition."""
    if not site.target:
        return "(" + " ".join(f"({condition}) ? ({text}) :" for condition, text in alternatives) + f" ({site.text}))"
    good, wires = f"{site.target}_good", f"wire [{site.width - 1}:0]"
    parts = [f"{wires} {good}; " + re.sub(rf"\b{site.target}\b", good, site.text)]
    chain = ""
    for number, (condition, text) in enumerate(alternatives):
        name = f"{site.target}_alt{number}"
        parts.append(f"{wires} {name}; " + text.replace(TARGET, name).replace(GOOD, good))
        chain += f"({condition}) ? {name} : "
    # the signal itself is declared where the original declares it
    return "\n    ".join([*parts, f"assign {site.target} = {chain}{good};"])


def _bench(design: RtlDesign, given: Port, seen: Port, selector: Word) -> str:
    return (
        f"module {BENCH} (\n    input clk,\n    input [{given.bits - 1}:0] {given.name},\n"
        f"    output [{seen.bits - 1}:0] {seen.name}\n);\n"
        f"    wire [{selector.width - 1}:0] mutant = {given.name}[{given.bits - 1}:{design.inputs.bits}];\n\n"
        f"    {design.top} mutated (\n"
        f"        .{design.clock}(clk), .{design.inputs.name}({given.name}[{design.inputs.bits - 1}:0]),\n"
        f"        .{design.outputs.name}({seen.name})\n    );\nendmodule\n"
    )
