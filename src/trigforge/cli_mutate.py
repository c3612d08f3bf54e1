"""`trigforge mutate PROJECT`: whether the bench catches faulty RTL of a project's core."""

from __future__ import annotations

from pathlib import Path

from trigforge.cli_samples import print_json
from trigforge.cli_verify import read_folder
from trigforge.config import STORED
from trigforge.conversion import convert_project
from trigforge.errors import InputError
from trigforge.firmware.project import Language
from trigforge.firmware.rtl import write_rtl
from trigforge.firmware.rtl.core import read_pipeline
from trigforge.locks import locked
from trigforge.sim.cosim import SimulatorName, find_simulator
from trigforge.sim.mutation.campaign import Core, Effort, run_campaign
from trigforge.sim.mutation.report import MutationReport, Outcome
from trigforge.ui import Reporter
from trigforge.verification import project_vectors

MUTATION_FILE = "mutation.json"


def mutate_project(
    folder: Path, out: Path | None, projects: Path, simulator: str | None, effort: Effort, as_json: bool
) -> None:
    """Convert the project in `folder` into `out` (`runs/NAME`), mutate its core there and write `mutation.json`.

    The vectors and the checks are those of `trigforge verify`. Raises `CheckError` if a mutant is neither caught nor
    proved equivalent, `InputError` for a project in VHDL.
    """
    project, reporter = read_folder(folder, projects, None), Reporter()
    if project.targets.language is not Language.VERILOG:
        raise InputError(
            f"the language of {folder} must be verilog, not {project.targets.language.value}, to be mutated"
        )
    out = out or Path("runs") / project.name
    if (out / STORED).is_file():
        raise InputError(f"--out must not be the folder of a run, but {out} is")
    found = find_simulator(simulator or SimulatorName.VERILATOR)
    with locked(out), reporter.stage("mutate") as update:
        (out / MUTATION_FILE).unlink(missing_ok=True)
        update(0.0, "hls4ml and lowering")
        converted = convert_project(project, folder, out)
        update(0.1, "pipelining")
        design = write_rtl(converted.program, project.targets, out / "rtl", project.top)
        low, high = converted.contract.limits()
        vectors, _ = project_vectors(converted, folder, out)
        core = Core(
            name=project.name,
            program=converted.program,
            design=design,
            pipeline=read_pipeline(out / "rtl"),
            low=low,
            high=high,
            vectors=vectors,
        )
        report = run_campaign(
            core, found, out / "mutation", effort, lambda share, text: update(0.1 + 0.9 * share, text)
        )
        report.save(out / MUTATION_FILE)
    for line in describe(report):
        reporter.line(line)
    reporter.line(str(out / MUTATION_FILE))
    if as_json:
        print_json({**report.model_dump(mode="json"), "ok": report.ok, "folder": str(out)})
    report.require()


def describe(report: MutationReport) -> list[str]:
    """The report in lines: the table by kind, every mutant that the bench's own vectors do not catch, the times."""
    others = [
        f"mutant {m.number} ({m.kind}, {m.stage}, {m.what}): {m.outcome.value}"
        + (f", {m.proof}" if m.proof else f", {m.first}" if m.first else "")
        for m in report.mutants
        if m.outcome is not Outcome.CAUGHT
    ]
    parts = {"build": report.build_seconds, "runs": report.run_seconds, "search and proofs": report.proof_seconds}
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in parts.items())
    tools = ", ".join(report.tools.values())
    digests = ", ".join(f"{name} {digest[:12]}" for name, digest in report.digests.items())
    return [*report.table(), *others, f"{seconds}; {tools}", digests]
