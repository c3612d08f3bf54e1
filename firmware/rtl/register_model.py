"""What a trigger's bus answers, clock for clock: the register map of docs/trigger_top.md as a reference."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from trigforge.firmware.rtl.settings import ACTIVE, ALGORITHM_STRIDE, DATA_BITS, MAGIC, SHADOW, Control, Field
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.firmware.rtl.trigger_model import SETTINGS, Part, Section, Stimulus, predict_parts
from trigforge.fixed import IntArray

_STAGES_OF_ERRORS = 2
"""Edges from a missing or misplaced BC0 to its count: it is recognised, then counted."""


def predict_bus(trigger: TriggerTop, stimulus: Stimulus) -> IntArray:
    """`bus_rdata` (n,) just before every rising edge: what was addressed at the edge before; 0 after a reset.

    Before the first reset the entries are 0 and mean nothing.
    """
    asked = dict(stimulus.reads) | {clock: write.address for clock, write in stimulus.writes}
    seen = np.zeros(len(stimulus.reset), dtype=np.int64)
    for part in predict_parts(trigger, stimulus):
        seen[part.start + 1 : part.end + 1] = MAGIC
        for clock in (c for c in asked if part.start <= c < min(part.end, len(seen) - 1)):
            seen[clock + 1] = _register(trigger, part, asked[clock], clock)
    return seen


def _register(trigger: TriggerTop, part: Part, address: int, edge: int) -> int:
    """What the register at an address holds just before an edge."""
    if address < SHADOW:
        return _control(trigger, part, address, edge)
    algorithm, field = divmod(address % SHADOW, ALGORITHM_STRIDE)
    if address >= ACTIVE + SHADOW or algorithm >= trigger.algorithms or field >= len(Field):
        return 0
    if field == Field.SCORE:
        word = trigger.score_words[algorithm]
        return word.signed << 24 | word.width << 16 | trigger.score_starts[algorithm]
    if field < len(SETTINGS):
        state = part.settings[bisect_left([s.edge for s in part.settings], edge) - 1]
        bank = state.shadow if address < ACTIVE else state.active
        return int(bank[algorithm, field]) % (1 << DATA_BITS)
    last = _section(part, edge)
    if last is None:
        return 0
    return (last.raw if field == Field.RAW else last.passed)[algorithm]


def _control(trigger: TriggerTop, part: Part, address: int, edge: int) -> int:
    last = _section(part, edge)
    match address:
        case Control.MAGIC:
            return MAGIC
        case Control.IDENTITY:
            return trigger.identity
        case Control.SHAPE:
            return trigger.algorithms << 24 | trigger.core.latency_clocks << 16 | trigger.clocks_per_bx
        case Control.COMMIT:
            return part.settings[bisect_left([s.edge for s in part.settings], edge) - 1].armed
        case Control.LOCKED:
            return int(part.locked < edge)
        case Control.SYNC_ERRORS:
            return int((part.errors + _STAGES_OF_ERRORS <= edge).sum())
        case Control.SECTIONS:
            return int((part.latched < edge).sum())
        case Control.ORBITS:
            return 0 if last is None else last.orbits
        case Control.CROSSINGS:
            return 0 if last is None else last.crossings
        case _:
            return 0


def _section(part: Part, edge: int) -> Section | None:
    """The section whose counts are latched just before an edge."""
    completed = int((part.latched < edge).sum())
    return part.decisions.sections[completed - 1] if completed else None
