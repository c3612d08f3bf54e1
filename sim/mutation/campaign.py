"""A whole campaign on a core: faults drawn, played, and what passes proved equivalent or turned into a new vector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trigforge.firmware.circuit import Input
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.pipeline import Pipeline
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.synthesis import yosys_version
from trigforge.fixed import IntArray
from trigforge.sim.bounds.decide import Limits
from trigforge.sim.cosim.simulators import Simulator
from trigforge.sim.cosim.vectors import Vectors
from trigforge.sim.formal.clock import Clock
from trigforge.sim.mutation.cases import cases
from trigforge.sim.mutation.conditions import conditions
from trigforge.sim.mutation.effects import Effect
from trigforge.sim.mutation.faults import core_faults
from trigforge.sim.mutation.flat import flatten
from trigforge.sim.mutation.graph import Graph
from trigforge.sim.mutation.netlist import read_netlist
from trigforge.sim.mutation.proofs import Different, Equal, Known, Workshop
from trigforge.sim.mutation.report import MutationReport, Outcome, Result
from trigforge.sim.mutation.run import Trace, Verdict, judge_mutants, open_bench, require_original
from trigforge.sim.mutation.schemata import Fault, instrument
from trigforge.sim.mutation.search import telling_vectors
from trigforge.sim.mutation.windows import Window, windows_of

FEW = 300
"""Events that every mutant gets at first; those that pass get all."""
SEARCHES = 5
"""Searches from other events for a mutant that neither the first one nor a proof settles."""
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
    """Most time for what must be proved of a mutant's windows, and once more for the whole core."""
    window_seconds: float = 10.0
    """Most time for a mutant's windows with what is known of them."""
    limits: Limits = field(default_factory=lambda: Limits(branches=400, seconds=60.0))
    """Of each question for a value of a node."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """An instrumented core, compiled."""

    core: Core
    faults: tuple[Fault, ...]
    instrumented: RtlDesign
    trace: Trace
    shop: Workshop
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
        """The result of a mutant that passes.

        It is proved equivalent in a window for what is known of its free nodes, or shown by a vector that a search
        found, or proved for what is then asked of them, or decided for the whole core.
        """
        fault = self.faults[number - 1]
        if not self.shop.graph.faulty(fault):
            return self._result(number, Outcome.EQUIVALENT, proof="no output depends on what is faulty")
        *windows, whole = windows_of(self.shop.graph, fault)
        known = self.shop.graph.flat.prover.reach
        clock = Clock(self.effort.window_seconds)
        for place, window in enumerate(windows):
            answer = self.shop.compare(fault, window, known, self._folder(number, place), clock.rest)
            if isinstance(answer, Equal):
                return self._proved(number, window, known)
            if answer is None:
                break
        near = self.core.vectors.words[:0]
        result = self._searched(number, 1, near)
        if result is None:
            result, near = self._conditioned(number, windows)
        return (
            result
            or self._searched(number, SEARCHES, near)
            or self._cased(number, windows, near)
            or self._decided(number, whole)
            or self._result(number, Outcome.SURVIVED)
        )

    def _searched(self, number: int, times: int, near: IntArray) -> Result | None:
        """By a search, begun anew a number of times, each from the events `near` (n, words) and some of the bench's."""
        core, seed = self.core, self.effort.seed + number
        effect = Effect.of(self.shop, self.faults[number - 1], self._folder(number, "effect"))
        for attempt in range(times):
            words = telling_vectors(effect, (core.low, core.high), near, core.vectors.words, (seed, times, attempt))
            shown = None if words is None else self._shown(number, words)
            if shown is not None:
                return shown
        return None

    def _conditioned(self, number: int, windows: Sequence[Window]) -> tuple[Result | None, IntArray]:
        """For what is asked of the free nodes of a window, larger ones at last; and the events that this led to."""
        fault, events, clock = self.faults[number - 1], self.core.vectors.words, Clock(self.effort.proof_seconds)
        count = len(events)
        for place, window in enumerate(windows):
            if not clock.rest:
                break
            folder = self._folder(number, f"conditions_{place}")
            known, found = conditions(self.shop, fault, window, events, self.effort.limits, folder, clock)
            if known is not None:
                return self._proved(number, window, known), events[count:]
            if len(found):
                shown = self._shown(number, found)
                if shown is not None:
                    return shown, found
                events = np.concatenate([events, found])
        return None, events[count:]

    def _cased(self, number: int, windows: Sequence[Window], near: IntArray) -> Result | None:
        """Where the statement is wrong at all: by a search that begins there, or for what other nodes can be there."""
        fault, folder, clock = self.faults[number - 1], self._folder(number, "cases"), Clock(self.effort.proof_seconds)
        if fault.moved is not None:
            return None
        known = np.concatenate([self.core.vectors.words, near])
        for place, case in enumerate(cases(self.shop, fault, windows, folder, clock)):
            events = case.events(known)
            result = self._searched(number, SEARCHES, events)
            if result is not None:
                return result
            proof = case.proof(windows, events, self.effort.limits, folder / f"case_{place}", clock)
            if proof is not None:
                return self._result(number, Outcome.EQUIVALENT, proof=proof)
        return None

    def _decided(self, number: int, whole: Window) -> Result | None:
        """By all of the core: then what tells is an event, unless a register is faulty."""
        core, fault, known = self.core, self.faults[number - 1], self.shop.graph.flat.prover.reach
        folder, seconds = self._folder(number, "whole"), self.effort.proof_seconds
        answer = self.shop.compare(fault, whole, known, folder, seconds)
        if isinstance(answer, Equal):
            return self._proved(number, whole, known)
        if not isinstance(answer, Different) or fault.moved is not None:
            return None
        words = np.clip(np.zeros_like(core.low), core.low, core.high)
        for node, value in answer.values.items():
            operation = self.shop.graph.flat.circuit.nodes[node].operation
            assert isinstance(operation, Input)
            words[operation.index] = value
        return self._shown(number, words[None])

    def _proved(self, number: int, window: Window, known: Known) -> Result:
        return self._result(
            number, Outcome.EQUIVALENT, proof=self.shop.statement(self.faults[number - 1], window, known)
        )

    def _folder(self, number: int, place: int | str) -> Path:
        return self.folder / str(number) / str(place)

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
    shop = Workshop.of(Graph(read_netlist(core.design), flat), core.design)
    return Campaign(core, faults, instrumented, trace, shop, effort, folder / "proofs")


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
