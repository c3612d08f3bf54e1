"""`simulate`: from a configuration to background and signal events in the schema of `trigforge.events`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import awkward as ak
import numpy as np
from pydantic import Field, field_validator

from trigforge.events import check_events
from trigforge.sim.collisions import mixing
from trigforge.sim.collisions.generate import Library, Request, cost, generate
from trigforge.sim.collisions.interactions import concatenate
from trigforge.sim.collisions.mixing import Crossings, PileUp
from trigforge.sim.collisions.processes import HARD, SOFT, signal
from trigforge.sim.collisions.reconstruct import reconstruct
from trigforge.sim.collisions.workers import Progress, start_workers
from trigforge.value import Value

TASK: Final = 2000
"""Crossings of one task."""
CROSSING_COST: Final = 0.2
"""What one crossing costs, in units of one soft interaction."""


class CollisionConfig(Value):
    """What is simulated: how many interactions are generated and how many crossings are made of them.

    `signal_interactions` are generated for each of `signals` and used in turn in `signal_events` crossings;
    `pileup` is the mean number of inelastic interactions in a crossing. Crossings whose hardest Level-1 jet is
    below `hlt_seed_gev` get no HLT jets. `workers` = 0 takes all cores; results do not depend on it.
    """

    soft_interactions: int = Field(default=16_000, ge=1)
    hard_interactions: int = Field(default=16_000, ge=1)
    signal_interactions: int = Field(default=4_000, ge=1)
    crossings: int = Field(default=200_000, ge=1)
    signal_events: int = Field(default=4_000, ge=1)
    signals: tuple[str, ...] = ("a_to_4l", "lq_to_btau", "h_to_tautau")
    pileup: float = Field(default=40.0, gt=0, le=200)
    hlt_seed_gev: float = Field(default=30.0, ge=0)
    seed: int = Field(default=1, ge=0)
    workers: int = Field(default=0, ge=0)

    @field_validator("signals")
    @classmethod
    def _signals_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError(f"signals must be different, not {names!r}")
        for name in names:
            signal(name)
        return names


def simulate(config: CollisionConfig, progress: Progress = lambda _: None) -> dict[str, ak.Array]:
    """Simulate the samples `background` and each of `config.signals`; `progress` receives fractions up to 1.

    Σ weight of the background estimates 1; a signal event has weight 1/n. Collections are those of
    `trigforge.events`; Level-1 words lie on the grid of `level1_contract()`, φ in [0, 2π) there and in [-π, π)
    for HLT and particle-level jets. `GenJet` are the jets of all interactions but the soft ones.
    Raises `CheckError` if a worker fails.
    """
    requests = [
        Request(SOFT, config.soft_interactions),
        Request(HARD, config.hard_interactions),
        *(Request(signal(name), config.signal_interactions) for name in config.signals),
    ]
    crossings = config.crossings + len(config.signals) * config.signal_events
    advance = _Meter(cost(requests) + CROSSING_COST * crossings, progress)
    with (
        start_workers(config.workers or os.cpu_count() or 1) as workers,
        TemporaryDirectory(prefix="trigforge-") as folder,
    ):
        libraries = generate(requests, config.seed, workers, advance)
        concatenate([library.interactions for library in libraries.values()]).save(Path(folder))
        plans = compose(config, libraries)
        pieces = [(name, i, part) for name, plan in plans.items() for i, part in enumerate(_parts(plan))]
        tasks = [
            partial(reconstruct, Path(folder), p, (config.seed, name, i), config.hlt_seed_gev) for name, i, p in pieces
        ]
        blocks = workers.run(tasks, [CROSSING_COST * len(part) for *_, part in pieces], advance)
    return {
        name: check_events(ak.concatenate([b for b, p in zip(blocks, pieces, strict=True) if p[0] == name]), name)
        for name in plans
    }


def compose(config: CollisionConfig, libraries: dict[str, Library]) -> dict[str, Crossings]:
    """The crossings of each sample over the concatenation of all libraries."""
    soft, hard = libraries[SOFT.name], libraries[HARD.name]
    weight = hard.interactions.weight
    source = PileUp(
        soft=len(soft.interactions),
        hard_weight=weight / weight.mean(),
        mean=config.pileup,
        hard_fraction=hard.sigma_mb / (soft.sigma_mb + hard.sigma_mb),
    )
    rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(config.seed).spawn(1 + len(config.signals))]
    plans = {"background": mixing.background(source, config.crossings, rngs[0])}
    first = source.soft + len(weight)
    for name, rng in zip(config.signals, rngs[1:], strict=True):
        last = first + len(libraries[name].interactions)
        plans[name] = mixing.signal(source, first, last, config.signal_events, rng)
        first = last
    return plans


def _parts(plan: Crossings) -> list[Crossings]:
    return [plan.part(first, min(first + TASK, len(plan))) for first in range(0, len(plan), TASK)]


class _Meter:
    """Adds up costs and reports them as a fraction of the total."""

    def __init__(self, total: float, progress: Progress) -> None:
        self._total, self._done, self._progress = total, 0.0, progress

    def __call__(self, cost: float) -> None:
        self._done += cost
        self._progress(min(self._done / self._total, 1.0))
