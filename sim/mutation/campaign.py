"""A whole campaign on a core: faults drawn, played, and what passes proved equivalent or turned into a new vector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trigforge.firmware.design import RtlDesign
from trigforge.firmware.pipeline import Pipeline
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.synthesis import yosys_version
from trigforge.fixed import IntArray
from trigforge.sim.bounds.decide import Limits
from trigforge.sim.cosim.simulators import Simulator
from trigforge.sim.cosim.vectors import Vectors
from trigforge.sim.mutation.faults import core_faults
from trigforge.sim.mutation.flat import FlatCore, flatten
from trigforge.sim.mutation.narrow import Narrow
from trigforge.sim.mutation.netlist import Netlist, read_netlist
from trigforge.sim.mutation.proofs import (
    Different,
    Equivalent,
    Part,
    far_parts,
    near_parts,
    seek_local_proof,
    seek_proof,
)
from trigforge.sim.mutation.report import MutationReport, Outcome, Result
from trigforge.sim.mutation.run import Trace, Verdict, judge_mutants, open_bench, require_original
from trigforge.sim.mutation.schemata import Fault, instrument
from trigforge.sim.mutation.search import climbing_vectors
from trigforge.sim.mutation.windows import windows_of

FEW = 300
"""Events that every mutant gets at first; those that pass get all."""
BUILD_TIMEOUT_S = 1800.0

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Core:
    """What is mutated: a core, the program that it must compute, and the bench's vectors."""

    name: str
    program: IntegerProgram
    design: RtlDesign
    pipeline: Pipeline
    low: IntArray
    high: IntArray
    """Limits (words,) of the input words."""
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Effort:
    """How many mutants of a core are made, and how much time a proof may take."""

    mutants: int = 200
    seed: int = 1
    proof_seconds: float = 120.0
    """Most time for each part of a core that is tried."""
    window_seconds: float = 20.0
    """Most time for each window on a faulty operation."""
    limits: Limits = field(default_factory=lambda: Limits(branches=60, seconds=8.0))
    """Of each question for a value of a node."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """An instrumented core, compiled."""

    core: Core
    faults: tuple[Fault, ...]
    instrumented: RtlDesign
    trace: Trace
    netlist: Netlist
    flat: FlatCore
    narrow: Narrow
    effort: Effort
    folder: Path

    def played(self) -> dict[int, Verdict]:
        """The verdict on every mutant: few of the vectors first, all of them for those that pass."""
        core, design = self.core, self.instrumented
        require_original(design, self.trace, core.program, core.vectors)
        numbers = range(1, len(self.faults) + 1)
        verdicts = judge_mutants(design, self.trace, core.program, core.vectors.thinned(FEW), numbers)
        alive = [number for number in numbers if not verdicts[number].caught]
        return verdicts | judge_mutants(design, self.trace, core.program, core.vectors, alive)

    def caught(self, number: int, verdict: Verdict) -> Result:
        """The result of a mutant that the bench's own vectors catch."""
        return self._result(number, Outcome.CAUGHT, caught_by=verdict.caught_by, first=verdict.first)

    def accounted(self, number: int) -> Result:
        """The result of a mutant that passes: proved by few stages, caught by a search, or proved by more stages."""
        fault, stages = self.faults[number - 1], len(self.flat.starts)
        return (
            self._proved_in_windows(number)
            or self._searched(number)
            or self._proved(number, near_parts(fault, stages))
            or self._proved(number, far_parts(fault, stages))
            or self._result(number, Outcome.SURVIVED)
        )

    def _proved_in_windows(self, number: int) -> Result | None:
        core, fault = self.core, self.faults[number - 1]
        folder, seconds = self.folder / str(number), self.effort.window_seconds
        for interval in (self.flat.prover.interval, self.narrow.interval):  # what is known already, then what can be
            windows = windows_of(self.netlist, self.flat, fault, interval)
            answer = seek_local_proof(core.design, self.flat, fault, windows, folder, seconds)
            if answer is not None:
                return self._result(number, Outcome.EQUIVALENT, proof=answer.statement)
        return None

    def _proved(self, number: int, parts: Sequence[Part]) -> Result | None:
        core = self.core
        inputs = tuple(zip(core.low.tolist(), core.high.tolist(), strict=True))
        folder, seconds = self.folder / str(number), self.effort.proof_seconds
        answer = seek_proof(core.design, self.flat, self.faults[number - 1], parts, inputs, folder, seconds)
        if isinstance(answer, Equivalent):
            return self._result(number, Outcome.EQUIVALENT, proof=answer.statement)
        return self._shown(number, answer.words) if isinstance(answer, Different) else None

    def _searched(self, number: int) -> Result | None:
        core, nodes = self.core, _nodes(self.flat, self.faults[number - 1])
        if not nodes:
            return None
        limits, seed = (core.low, core.high), self.effort.seed + number
        known = np.concatenate([core.vectors.words, self.narrow.events])
        words = climbing_vectors(core.program, self.flat, nodes, limits, known, seed)
        return self._shown(number, np.concatenate([self.narrow.events, words]))

    def _shown(self, number: int, words: IntArray) -> Result | None:
        """What the bench says of a mutant on other events, behind few of its own; None if it passes."""
        core = self.core
        vectors = core.vectors.thinned(FEW).extended("directed", np.clip(words, core.low, core.high))
        verdict = judge_mutants(self.instrumented, self.trace, core.program, vectors, [number])[number]
        if verdict.first is None:
            return None
        row = vectors.words[verdict.first.event].tolist()
        return self._result(
            number, Outcome.CAUGHT_BY_SEARCH, caught_by=verdict.caught_by, first=verdict.first, vector=tuple(row)
        )

    def _result(self, number: int, outcome: Outcome, **evidence: object) -> Result:
        fault = self.faults[number - 1]
        return Result.model_validate(
            {"number": number, "kind": str(fault.kind), "stage": fault.stage, "what": fault.what, "outcome": outcome}
            | evidence
        )


def prepare(core: Core, faults: tuple[Fault, ...], simulator: Simulator, folder: Path, effort: Effort) -> Campaign:
    """Write a core with all faults to `folder` and compile it there."""
    instrumented = instrument(core.design, faults, folder / "rtl")
    trace = open_bench(instrumented, simulator, folder / "sim", effort.seed, BUILD_TIMEOUT_S)
    flat = flatten(core.program, core.pipeline, core.low, core.high)
    narrow = Narrow(flat.prover, core.vectors.words, effort.limits)
    return Campaign(
        core, faults, instrumented, trace, read_netlist(core.design), flat, narrow, effort, folder / "proofs"
    )


def run_campaign(core: Core, simulator: Simulator, folder: Path, effort: Effort, progress: Progress) -> MutationReport:
    """Mutate a core in `folder`, play all mutants in one compiled simulation, and account for those that pass.

    Raises `CheckError` if the instrumented original does not pass, `InputError` if the core has fewer faults.
    """
    progress(0.0, f"{simulator.label} compiles {effort.mutants} mutants")
    start = time.perf_counter()
    faults = core_faults(core.design, effort.mutants, effort.seed)
    campaign = prepare(core, faults, simulator, folder, effort)
    built = time.perf_counter()
    progress(0.3, f"{len(faults)} mutants on {len(core.vectors)} vectors")
    verdicts = campaign.played()
    played = time.perf_counter()
    results = []
    for number, verdict in sorted(verdicts.items()):
        if verdict.caught:
            results.append(campaign.caught(number, verdict))
        else:
            progress(0.4 + 0.6 * number / len(faults), f"mutant {number} passes: search and proof")
            results.append(campaign.accounted(number))
    return MutationReport(
        name=core.name,
        digests={"program": core.program.digest, "rtl": core.design.digest},
        seed=effort.seed,
        vectors=core.vectors.counts(),
        tools={"simulator": simulator.label, "prover": f"{yosys_version()} with ABC"},
        mutants=tuple(results),
        build_seconds=built - start,
        run_seconds=played - built,
        proof_seconds=time.perf_counter() - played,
    )


def _nodes(flat: FlatCore, fault: Fault) -> list[int]:
    """The nodes of the statements that a fault changes; none for one of a register."""
    place = fault.stage.split()
    if place[0] != "stage":
        return []
    return [flat.starts[int(place[1])] + int(change.site.target[1:]) for change in fault.changes]
