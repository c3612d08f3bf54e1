"""The trigger that a project asks for, made around its core, and what software must know of it."""

from __future__ import annotations

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Project
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.value import Value


class ScoreRecord(Value):
    """What an algorithm compares: an output word of the program, and where `out_score` has it."""

    output: int
    first_bit: int
    bits: int
    signed: bool


class TriggerRecord(Value):
    """What software must know of a trigger beside the register map of docs/trigger_top.md."""

    top: str
    program_digest: str
    algorithms: tuple[ScoreRecord, ...]
    orbit: int
    filling: str
    """Of the verification."""
    clock_ns: float
    clocks_per_bx: int
    latency_clocks: int
    sources: tuple[str, ...]
    """Files beside this one, and before them those of the core; a file after those that it uses."""


def project_trigger(project: Project, program: IntegerProgram, core: RtlDesign) -> TriggerTop:
    """The trigger of a project that has one, around its core in Verilog.

    Raises `InputError` if it does not fit the program's outputs, or its latency, two clocks more than the core's,
    exceeds the budget.
    """
    assert project.trigger is not None
    compares = project.trigger.compares(len(core.outputs.words))
    trigger = TriggerTop(
        name=project.name,
        core=core,
        program_digest=program.digest,
        algorithms=len(compares),
        compares=compares,
        orbit=project.trigger.orbit,
        clocks_per_bx=project.clocks_per_bx,
    )
    latency, budget = trigger.latency_clocks * project.targets.clock_ns, project.targets.latency_budget_ns
    if latency > budget:
        raise InputError(
            f"latency_budget_ns must be at least {latency:g} ns for the trigger of {project.name!r} "
            f"({core.latency_clocks} clocks of the core and {trigger.latency_clocks - core.latency_clocks} behind it), "
            f"not {budget:g}; raise the budget, lower stages or shrink the model"
        )
    return trigger


def trigger_record(project: Project, trigger: TriggerTop) -> TriggerRecord:
    """What is written beside the trigger of a project."""
    assert project.trigger is not None
    places = zip(trigger.compared, trigger.score_starts, trigger.score_words, strict=True)
    return TriggerRecord(
        top=trigger.top,
        program_digest=trigger.program_digest,
        algorithms=tuple(
            ScoreRecord(output=trigger.scores[k], first_bit=first, bits=word.width, signed=word.signed)
            for k, first, word in places
        ),
        orbit=trigger.orbit,
        filling=project.trigger.scheme.formula,
        clock_ns=project.targets.clock_ns,
        clocks_per_bx=trigger.clocks_per_bx,
        latency_clocks=trigger.latency_clocks,
        sources=tuple(trigger.emit()),
    )
