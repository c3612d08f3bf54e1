"""Plays vectors into every mutant of an instrumented design and judges it as the bench judges the original."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError
from trigforge.firmware.design import Bits, RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.fixed import IntArray
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.bulk import compile_bulk
from trigforge.sim.cosim.certificate import Divergence, compare
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.simulators import Simulator, SimulatorName
from trigforge.sim.cosim.timing import Plan, measure_latency, require_interval_one
from trigforge.sim.cosim.vectors import Vectors

PROBES = 24
"""Events held still, as `simulate` holds them."""
ROWS = 200_000
"""Rows of a simulation that starts anew for each batch; the rest of the memory is the simulator's."""

Trace = Callable[[IntArray], Bits]
"""The output port before each of the rows (n, inputs) is applied, one a clock."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bench says of a mutant: the checks that fail, of latency, interval, words and undefined."""

    caught_by: tuple[str, ...]
    first: Divergence | None = None

    @property
    def caught(self) -> bool:
        """Whether any check fails."""
        return bool(self.caught_by)


def open_bench(design: RtlDesign, simulator: Simulator, folder: Path, seed: int, timeout_s: float) -> Trace:
    """Compile an instrumented design: Verilator's plays in this process, any other simulator's through cocotb."""
    if simulator.name is SimulatorName.VERILATOR:
        model = compile_bulk(design, simulator, folder, timeout_s)
        return lambda rows: design.outputs.pack(model.play(rows, seed))
    built = build(design, simulator, folder, timeout_s)

    def trace(rows: IntArray) -> Bits:
        none = np.zeros(0, dtype=np.int64)
        plan = Plan(len(rows), hold=1, probes=none, order=np.arange(len(rows), dtype=np.int64))
        return play(design, simulator, built, design.inputs.pack(rows), plan, seed, 5.0, timeout_s)[0]

    return trace


def judge_mutants(
    design: RtlDesign, trace: Trace, program: IntegerProgram, vectors: Vectors, mutants: Iterable[int]
) -> dict[int, Verdict]:
    """The verdict on each of the mutants, by number, of an instrumented design; each gets all the vectors.

    Every mutant is given what `simulate` gives a design: some events held still, then all of them, one a clock.
    """
    expected = program(vectors.words)
    plan = Plan.of(len(vectors), design.latency_clocks, PROBES)
    words = vectors.words[plan.order]
    numbers = list(mutants)
    size = max(1, ROWS // len(words))
    verdicts = {}
    for start in range(0, len(numbers), size):
        batch = numbers[start : start + size]
        rows = np.concatenate([np.column_stack([words, np.full(len(words), number)]) for number in batch])
        parts = np.split(trace(rows), len(batch))
        for number, part in zip(batch, parts, strict=True):
            verdicts[number] = judge(design, plan, part, expected, vectors.kinds)
    return verdicts


def require_original(design: RtlDesign, trace: Trace, program: IntegerProgram, vectors: Vectors) -> None:
    """Raise `CheckError` unless mutant 0, the original, passes every check."""
    verdict = judge_mutants(design, trace, program, vectors, [0])[0]
    if verdict.caught:
        raise CheckError(
            f"the RTL without a fault must pass, but fails in {', '.join(verdict.caught_by)}; first at {verdict.first}"
        )


def judge(design: RtlDesign, plan: Plan, trace: Bits, expected: IntArray, kinds: npt.NDArray[np.str_]) -> Verdict:
    """The checks of `simulate` and `certify` on one trace."""
    digits = design.outputs.digits(trace[plan.hold :])
    if not np.isin(digits, [ord("0"), ord("1")]).all():
        return Verdict(("undefined",))
    failed = []
    streamed = plan.streamed(trace, design.latency_clocks)
    try:
        measure_latency(plan, trace, design)
    except CheckError:
        failed.append("latency")
    try:
        require_interval_one(plan, trace, streamed)
    except CheckError:
        failed.append("interval")
    level = compare("program_vs_rtl", expected, design.outputs.unpack(streamed), kinds)
    return Verdict((*failed, *(() if level.ok else ("words",))), level.first)
