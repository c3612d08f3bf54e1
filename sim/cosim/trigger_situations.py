"""How often a stimulus has each situation that a trigger can get wrong: the coverage of its verification."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from trigforge.firmware.rtl import Stimulus, TriggerTop
from trigforge.firmware.rtl.settings import Commit, Control, Field
from trigforge.firmware.rtl.trigger_model import SETTINGS, Part, predict_parts
from trigforge.fixed import IntArray


def situations(trigger: TriggerTop, stimulus: Stimulus) -> dict[str, int]:
    """Number of times that the stimulus has every situation; one that it has not is 0."""
    parts = predict_parts(trigger, stimulus)
    found = [part.decisions for part in parts]
    raw, passed = (np.concatenate([getattr(d, name) for d in found]) for name in ("raw", "passed"))
    valid, bx = (np.concatenate([getattr(d, name) for d in found]) for name in ("valid", "bx"))
    margins = np.concatenate([_margins(trigger, part) for part in parts])[valid]
    begins = np.concatenate([d.clock for d in found]) - trigger.latency_clocks
    distances = np.concatenate([_commit_distances(trigger, stimulus, part) for part in parts])
    starts = begins[bx == 0]
    return {
        "resets": int(stimulus.reset.sum()),
        "orbits": len(starts),
        "orbits without BC0": int((~stimulus.bc0[starts]).sum()),
        "whole orbits": int((bx == trigger.orbit - 1).sum()),
        "missing or misplaced BC0s": sum(d.sync_errors for d in found),
        "sections": sum(len(d.sections) for d in found),
        "collisions": int(valid.sum()),
        "empty crossings": int((~valid).sum()),
        "valid between crossings": int(stimulus.valid.sum()) - int(stimulus.valid[begins].sum()),
        "scores at a threshold": int((margins == 0).sum()),
        "scores one below": int((margins == -1).sum()),
        "passed a prescale": int(passed.sum()),
        "stopped by a prescale": int((raw & ~passed).sum()),
        "new settings": sum(len({id(state.active) for state in part.settings}) - 1 for part in parts),
        "commits at the last clock that counts": int((distances == -1).sum()),
        "commits one clock late": int((distances == 0).sum()),
        "commits taken back": sum(_taken_back(part) for part in parts),
        "orbits that wait for a section": sum(_waiting(trigger, part) for part in parts),
        "bus reads": len(stimulus.reads),
        "registers read": len({address for _, address in stimulus.reads}),
    }


def _margins(trigger: TriggerTop, part: Part) -> IntArray:
    """Score minus threshold (crossings, algorithms); where an algorithm is off, far away."""
    decisions = part.decisions
    edge = decisions.clock - trigger.latency_clocks + trigger.core.latency_clocks - 1
    state = np.searchsorted([s.edge for s in part.settings], edge, side="right") - 1
    active = np.stack([s.active for s in part.settings])[state]
    enable, threshold = (active[:, :, SETTINGS.index(field)] for field in (Field.ENABLE, Field.THRESHOLD))
    far = np.int64(1) << 40
    margins: IntArray = np.where(enable != 0, decisions.scores[:, list(trigger.compared)] - threshold, far)
    return margins


def _taken_back(part: Part) -> int:
    """Writes that disarm a commit."""
    pairs = pairwise(part.settings)
    return sum(bool(a.armed and not b.armed and b.active is a.active) for a, b in pairs)


def _waiting(trigger: TriggerTop, part: Part) -> int:
    """Orbits at which settings are armed for a section that does not begin there."""
    first = part.decisions.clock[part.decisions.bx == 0] - trigger.latency_clocks
    before = np.searchsorted([s.edge for s in part.settings], first + trigger.core.latency_clocks - 1) - 1
    after = np.searchsorted([s.edge for s in part.settings], first + trigger.core.latency_clocks) - 1
    armed = np.array([s.armed for s in part.settings])
    return int(((armed[before] == Commit.AT_SECTION) & (armed[after] == Commit.AT_SECTION)).sum())


def _commit_distances(trigger: TriggerTop, stimulus: Stimulus, part: Part) -> IntArray:
    """Clocks from the nearest edge at which settings are taken over to every commit."""
    decisions = part.decisions
    first = decisions.clock[decisions.bx == 0] - trigger.latency_clocks
    edges = first + trigger.core.latency_clocks - 1
    commits = [c for c, w in stimulus.writes if w.address == Control.COMMIT and part.start <= c < part.end]
    if not len(edges):
        return np.zeros(0, dtype=np.int64)
    distance = np.array(commits, dtype=np.int64)[:, None] - edges
    nearest: IntArray = distance[np.arange(len(commits)), np.abs(distance).argmin(axis=1)]
    return nearest
