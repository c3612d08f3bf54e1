"""Faults in the hand-written modules around a core, and what the trigger's bench finds of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from trigforge.errors import CheckError
from trigforge.firmware.rtl import TriggerTop
from trigforge.firmware.rtl.trigger import MODULES
from trigforge.sim.cosim.trigger import PackedTrigger
from trigforge.sim.cosim.trigger_stimulus import TriggerVectors
from trigforge.sim.mutation.faults import Kind
from trigforge.sim.mutation.run import Trace, Verdict
from trigforge.sim.mutation.schemata import Change, Fault, Site

_DRIVEN: Final = re.compile(
    r"^ *(?:wire (?:\[[^\]]*\] )?\w+ =|assign [^=;]+? =|(?:if \([^;]*?\) |else )*[\w\[\]:+*{}, ]+? <=)\s*([^;]+);",
    re.MULTILINE,
)
_CONDITION: Final = re.compile(r"\bif \((?=\w|\()")
_SWAPS: Final[Mapping[str, tuple[Kind, str]]] = {
    " && ": (Kind.WIRE, " || "),
    " || ": (Kind.WIRE, " && "),
    " == ": (Kind.WIRE, " != "),
    " != ": (Kind.WIRE, " == "),
    " >= ": (Kind.THRESHOLD_BIT, " > "),
    " + ": (Kind.ADD_SUB, " - "),
    " - ": (Kind.ADD_SUB, " + "),
    " ^ SIGN": (Kind.SIGN_EXTENSION, ""),
    "_1": (Kind.PIPELINE_STAGE, ""),
    "*LATENCY": (Kind.PIPELINE_STAGE, "*(LATENCY-1)"),
}
"""What replaces an operator or an end of a name; the name of a register's input is that of its output without `_1`."""
_LIMIT: Final = "threshold[32*i+:BITS]"
"""In the comparison: the threshold of algorithm `i`."""
_SHOWN: Final = 60
"""Characters of an expression that describe a fault in it."""


def trigger_faults(packed: PackedTrigger) -> tuple[Fault, ...]:
    """Every fault that the texts of a trigger's hand-written modules allow.

    Each bit of every algorithm's threshold stuck at 0 and at 1; then in every expression, one at a time: an operator
    replaced, a sign not regarded, a register bypassed, the whole stuck at 0 and at 1.
    """
    sources = {source.name: source for source in packed.design.sources}
    faults: list[Fault] = []
    for module in MODULES:
        text = sources[f"{module}.sv"].read_text(encoding="utf-8")
        for start, end, is_condition in _expressions(text):
            site = Site(f"{module}.sv", start, text[start:end])
            faults += _of_threshold(packed.trigger, site) if site.text == _LIMIT else _of(site, module, is_condition)
    return tuple(faults)


def judge_trigger(packed: PackedTrigger, vectors: TriggerVectors, trace: Trace, number: int) -> Verdict:
    """What the trigger's bench says of a mutant of an instrumented trigger: every output on every clock, the latency.

    `trace` must begin with a new model each time (in Verilator it does): what one mutant leaves in a counter is not
    another's.
    """
    given = packed.design.inputs.unpack(packed.given(vectors, undefined=False))
    seen = trace(np.column_stack([given, np.full(len(given), number)]))
    try:
        level = packed.compare(vectors, seen)
    except CheckError:
        return Verdict(("undefined",))
    failed = [] if level.ok else ["words"]
    try:
        packed.latency(vectors, seen)
    except CheckError:
        failed.insert(0, "latency")
    return Verdict(tuple(failed), level.first)


def _expressions(text: str) -> Iterator[tuple[int, int, bool]]:
    """Start, end and whether it is a condition, of all that drives a signal and of all conditions, none in another."""
    found = [(m.start(1), m.end(1), False) for m in _DRIVEN.finditer(text)]
    for match in _CONDITION.finditer(text):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        found.append((match.end(), end - 1, True))
    last = 0
    for start, end, is_condition in sorted(found):
        if start >= last and "unused" not in text[text.rfind("\n", 0, start) : start]:
            yield start, end, is_condition
            last = end


def _of(site: Site, module: str, is_condition: bool) -> Iterator[Fault]:
    def fault(kind: Kind, what: str, text: str) -> Fault:
        return Fault(kind, module, f"{' '.join(site.text.split())[:_SHOWN]}: {what}", (Change(site, text),))

    for old, (kind, new) in _SWAPS.items():
        for match in re.finditer(re.escape(old) + r"(?!\w)" * old[-1].isalnum(), site.text):
            text = site.text[: match.start()] + new + site.text[match.end() :]
            yield fault(kind, f"{old.strip()!r} at {match.start()} taken as {new.strip()!r}", text)
    if not re.fullmatch(r"'0|\d*'[bdh]\w+", site.text):
        zero, one = ("1'b0", "1'b1") if is_condition else ("'0", "'1")
        yield fault(Kind.WIRE, "stuck at 0", zero)
        yield fault(Kind.WIRE, "stuck at 1", one)


def _of_threshold(trigger: TriggerTop, site: Site) -> Iterator[Fault]:
    for algorithm in range(trigger.algorithms):
        for bit in range(trigger.score_words[algorithm].width):
            for value in (0, 1):
                mask = f"(BITS'(i == {algorithm}) << {bit})"
                text = f"{site.text} | {mask}" if value else f"{site.text} & ~{mask}"
                what = f"bit {bit} of the threshold of algorithm {algorithm} stuck at {value}"
                yield Fault(Kind.THRESHOLD_BIT, "tf_threshold", what, (Change(site, text),))
