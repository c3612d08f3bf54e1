"""`Theorem`: what was to be proved, and what came of it; those of the hand-written trigger and of a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import Field

from trigforge.contract import InputContract
from trigforge.errors import CheckError
from trigforge.firmware import rtl
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.sim.formal.equal import Counterexample, Proof, Unknown
from trigforge.sim.formal.normaliser import one_of_each, prove_normaliser
from trigforge.sim.formal.program import prove_program
from trigforge.sim.formal.properties import Trace, prove_property
from trigforge.value import Value

MODULES: Final = Path(rtl.__file__).parent
SHAPES: Final[Mapping[str, tuple[Mapping[str, int], ...]]] = {
    "tf_threshold": ({"BITS": 1}, {"BITS": 8}, {"BITS": 16}, {"BITS": 32}),
    "tf_align": (
        {"LATENCY": 1, "ORBIT": 2, "CLOCKS_PER_BX": 1},
        {"LATENCY": 3, "ORBIT": 5, "CLOCKS_PER_BX": 2},
        {"LATENCY": 4, "ORBIT": 7, "CLOCKS_PER_BX": 3},
    ),
    "tf_prescale": ({"BITS": 2}, {"BITS": 3}),
}
"""Parameters for which the hand-written modules are proved; where state is deep they are small, and that is said."""
STATEMENTS: Final[Mapping[str, str]] = {
    "tf_threshold": "bits are valid, enabled and score >= threshold, signed and unsigned",
    "tf_align": "flags and crossing number belong to the inputs LATENCY clocks ago",
    "tf_prescale": "candidate n passes iff floor(nS/P) > floor((n-1)S/P): of P exactly min(S, P)",
}


class Verdict(StrEnum):
    """What came of a proof."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


class Theorem(Value):
    """One statement about all inputs, the size for which it was tried, and what came of it."""

    name: str
    statement: str
    scope: str
    verdict: Verdict
    detail: str
    """The method of a proof, the counterexample, or why nothing is known."""
    seconds: float = Field(ge=0)


class Proofs(Value):
    """All theorems of a project, the tools, and the digests of what they are about."""

    name: str
    theorems: tuple[Theorem, ...] = Field(min_length=1)
    tools: dict[str, str]
    digests: dict[str, str]

    @property
    def counts(self) -> dict[Verdict, int]:
        """Number of theorems by what came of them."""
        return {verdict: sum(t.verdict is verdict for t in self.theorems) for verdict in Verdict}

    def require(self) -> None:
        """Raise `CheckError` that names the first theorem that is refuted."""
        for theorem in self.theorems:
            if theorem.verdict is Verdict.REFUTED:
                raise CheckError(f"{theorem.name} ({theorem.scope}) must hold, but does not: {theorem.detail}")


Question = tuple[str, str, str, Callable[[], "Proof | Counterexample | Unknown | Trace"]]
"""Name, statement and scope of a theorem, and what finds out about it."""


def trigger_questions(folder: Path, timeout_s: float) -> Iterator[Question]:
    """The questions about the hand-written modules."""
    for module, shapes in SHAPES.items():
        for shape in shapes:
            scope = ", ".join(f"{name} {value}" for name, value in shape.items())
            place = folder / f"{module}_{'_'.join(map(str, shape.values()))}"
            yield module, STATEMENTS[module], scope, _bound(module, shape, place, timeout_s)


def _bound(
    module: str, shape: Mapping[str, int], folder: Path, timeout_s: float
) -> Callable[[], Proof | Trace | Unknown]:
    return lambda: prove_property(MODULES / f"{module}.sv", shape, folder, timeout_s)


def normaliser_question(contract: InputContract, targets: Targets, folder: Path, timeout_s: float) -> Question:
    """The question about a contract's normaliser."""
    statement = f"the RTL is cast((word - offset) 2^-shift) to {contract.model_input}"
    scope = f"{len(one_of_each(contract).fields)} kinds of field, all words"
    return "normaliser", statement, scope, lambda: prove_normaliser(contract, targets, folder, timeout_s)


def core_question(program: IntegerProgram, design: RtlDesign, folder: Path, timeout_s: float) -> Question:
    """The question about the whole core."""
    scope = f"{len(program.circuit.nodes)} operations, all words"
    statement = "the RTL is the program, for every stream of events"
    return "core", statement, scope, lambda: prove_program(program, design, folder, timeout_s)


def settle(question: Question) -> Theorem:
    """What comes of a question."""
    name, statement, scope, find_out = question
    result = find_out()
    verdict, detail = _verdict(result)
    return Theorem(
        name=name, statement=statement, scope=scope, verdict=verdict, detail=detail, seconds=round(result.seconds, 2)
    )


def _verdict(result: Proof | Counterexample | Unknown | Trace) -> tuple[Verdict, str]:
    match result:
        case Proof(method=method):
            return Verdict.PROVED, method
        case Unknown(reason=reason):
            return Verdict.UNKNOWN, reason
        case Counterexample():
            words = result.words[result.event].tolist()
            return Verdict.REFUTED, f"words {words}: expected {result.expected.tolist()}, got {result.got.tolist()}"
        case Trace(clocks=clocks):
            return Verdict.REFUTED, "; ".join(
                f"clock {k}: " + " ".join(f"{name}={value}" for name, value in row.items())
                for k, row in enumerate(clocks)
            )
