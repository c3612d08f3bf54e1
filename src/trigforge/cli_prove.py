"""`trigforge prove PROJECT`: what holds of a project's firmware for all inputs, proved with open tools."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trigforge.cli_samples import print_json
from trigforge.cli_verify import read_folder
from trigforge.contract import InputContract
from trigforge.conversion import convert_project
from trigforge.errors import InputError
from trigforge.firmware.project import Language, Project
from trigforge.firmware.rtl import write_rtl
from trigforge.firmware.synthesis import yosys_version
from trigforge.locks import locked
from trigforge.sim.formal.theorems import (
    Proofs,
    Question,
    Theorem,
    Verdict,
    core_question,
    normaliser_question,
    settle,
    trigger_questions,
)
from trigforge.ui import Reporter

PROOFS_FILE: Final = "proofs.json"
TIMEOUT_S: Final = 120.0
"""Seconds for a theorem, unless the user gives others."""


def prove_project(
    folder: Path, out: Path | None, projects: Path, timeout_s: float | None, core: bool, as_json: bool
) -> None:
    """Prove the theorems of the project in `folder`, the whole core's if `core`, and write them to `out`.

    Raises `CheckError` for a counterexample; a theorem that is not decided in time is unknown, and no error.
    """
    project, reporter, limit = read_folder(folder, projects, None), Reporter(), timeout_s or TIMEOUT_S
    if project.targets.language is not Language.VERILOG:
        raise InputError(f"the language of {project.name!r} must be verilog to be proved; Yosys reads no VHDL")
    out = out or Path("runs") / project.name
    tools = {"yosys": yosys_version()}
    with locked(out), reporter.stage("prove") as update:
        questions, digests = _questions(project, folder, out, limit, core)
        theorems = []
        for k, question in enumerate(questions):
            update(k / len(questions), question[0])
            theorems.append(settle(question))
        proofs = Proofs(name=project.name, theorems=tuple(theorems), tools=tools, digests=digests)
        proofs.save(out / PROOFS_FILE)
    for line in describe(proofs):
        reporter.line(line)
    reporter.line(str(out / PROOFS_FILE))
    if as_json:
        print_json({**proofs.model_dump(mode="json"), "ok": not proofs.counts[Verdict.REFUTED], "folder": str(out)})
    proofs.require()


def _questions(
    project: Project, folder: Path, out: Path, timeout_s: float, core: bool
) -> tuple[list[Question], dict[str, str]]:
    """What is to be proved, and the digests of what it is about."""
    place, found = out / "formal", []
    if core or project.model is None or not project.model.contract:
        converted = convert_project(project, folder, out)
        contract, digests = converted.contract, {"program": converted.program.digest}
    else:
        contract, digests = InputContract.load(folder / project.model.contract), {}
    digests["contract"] = contract.digest
    found.append(normaliser_question(contract, project.targets, place / "normaliser", timeout_s))
    if core:
        design = write_rtl(converted.program, project.targets, out / "rtl", project.top)
        digests["rtl"] = design.digest
        found.append(core_question(converted.program, design, place / "core", timeout_s))
    return [*trigger_questions(place, timeout_s), *found], digests


def describe(proofs: Proofs) -> list[str]:
    """The theorems in lines, and how many were proved."""
    tools = ", ".join(proofs.tools.values())
    counts = ", ".join(f"{count} {verdict.value}" for verdict, count in proofs.counts.items())
    return [*(_line(theorem) for theorem in proofs.theorems), f"{counts}; {tools}"]


def _line(theorem: Theorem) -> str:
    what = f"{theorem.name} ({theorem.scope})"
    return f"{what:<62} {theorem.verdict.value:<8} {theorem.seconds:7.1f} s  {theorem.detail}"
