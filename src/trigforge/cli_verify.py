"""`trigforge verify PROJECT`: the certificate of a project that names a model file."""

from __future__ import annotations

from pathlib import Path

from trigforge.cli_convert import PROJECT_FILE
from trigforge.cli_samples import print_json
from trigforge.config import STORED
from trigforge.conversion import REPORT_FILE, convert_project
from trigforge.errors import InputError
from trigforge.firmware.project import Project
from trigforge.firmware.rtl import write_rtl
from trigforge.locks import locked
from trigforge.sim.cosim import Certificate, Simulator, SimulatorName, find_simulator
from trigforge.sim.cosim.simulators import LANGUAGE
from trigforge.ui import Reporter
from trigforge.verification import CERTIFICATE_FILE, Verified, verify


def verify_alone(
    folder: Path, out: Path | None, projects: Path, simulator: str | None, events: int | None, as_json: bool
) -> None:
    """Convert the project in `folder` into `out` (`runs/NAME`), compare every level and write the certificate there.

    Raises `CheckError` for the first word that differs, for a latency above the project's budget, and if the project
    holds a certificate of something else.
    """
    project, reporter = read_folder(folder, projects, simulator), Reporter()
    out = out or Path("runs") / project.name
    if (out / STORED).is_file():
        raise InputError(f"--out must not be the folder of a run, whose certificate is another, but {out} is")
    found = find_simulator(project.verification.simulator)
    with locked(out):
        (out / CERTIFICATE_FILE).unlink(missing_ok=True)
        verified = _verify(project, folder, out, found, events, reporter)
    for line in describe(verified.certificate):
        reporter.line(line)
    reporter.line(str(out / CERTIFICATE_FILE))
    if as_json:
        print_json(_content(verified, out))
    verified.require()
    stored = folder / CERTIFICATE_FILE
    if stored.is_file() and stored.resolve() != (out / CERTIFICATE_FILE).resolve():
        Certificate.load(stored).require_digests(verified.certificate.digests)


def read_folder(folder: Path, projects: Path, simulator: str | None) -> Project:
    """The project in a folder, to be verified in its own or the given simulator; anything else is refused."""
    if folder.is_file():
        raise InputError(
            f"PROJECT must be the folder of a {PROJECT_FILE} that names its model file, not the file {folder}"
        )
    if (folder / STORED).is_file():
        raise InputError(f"PROJECT must be the folder of a {PROJECT_FILE}; verify the run with --out {folder}")
    if not (folder / PROJECT_FILE).is_file():
        known = sorted(path.parent.name for path in projects.glob(f"*/{PROJECT_FILE}"))
        raise InputError(
            f"PROJECT must be the folder of a {PROJECT_FILE}, but {folder} "
            f"{'has none' if folder.is_dir() else 'does not exist'}"
            + (f"; {projects} holds {', '.join(known)}" if known else "")
        )
    project = Project.load(folder / PROJECT_FILE)
    if simulator is None:
        return project
    language = project.targets.language
    if LANGUAGE[SimulatorName(simulator)] is not language:
        able = " or ".join(name.value for name, known in LANGUAGE.items() if known is language)
        raise InputError(f"--simulator must read {language.value}, as {able} does, not {simulator!r}")
    verification = project.verification.model_copy(update={"simulator": simulator})
    return project.model_copy(update={"verification": verification})


def _verify(
    project: Project, folder: Path, out: Path, simulator: Simulator, events: int | None, reporter: Reporter
) -> Verified:
    with reporter.stage("verify") as update:
        update(0.0, "hls4ml and lowering")
        converted = convert_project(project, folder, out)
        update(0.2, "pipelining")
        design = write_rtl(converted.program, project.targets, out / "rtl", project.top)
        verified = verify(converted, folder, design, out, simulator, update, events)
        verified.report.save(out / REPORT_FILE)
        verified.certificate.save(out / CERTIFICATE_FILE)
    return verified


def describe(certificate: Certificate) -> list[str]:
    """The certificate in lines: every level with its vectors, the timing, and what was verified with what."""
    levels = [
        f"{level.name:<20} {level.mismatches} of {level.words} words differ "
        f"({', '.join(f'{count} {kind}' for kind, count in level.vectors.items())})"
        for level in certificate.levels
    ]
    clocks, simulator = certificate.latency_clocks, certificate.tools["simulator"]
    timing = f"{clocks} clocks = {certificate.latency_ns:g} ns, II {certificate.ii}, measured in {simulator}"
    if certificate.trigger_latency_clocks is not None:
        timing += f"; trigger {certificate.trigger_latency_clocks} clocks = {certificate.trigger_latency_ns:g} ns"
    for name, around in (("links", certificate.links), ("streams", certificate.axis)):
        if around is not None:
            latency = around.latency_clocks * certificate.clock_ns
            timing += f"; {name} {around.latency_clocks} clocks = {latency:g} ns, II {around.ii}"
    digests = ", ".join(f"{name} {digest[:12]}" for name, digest in certificate.digests.items())
    return [*levels, *_covered(certificate), timing, digests]


def _covered(certificate: Certificate) -> list[str]:
    """Bins of functional coverage that the RTL's events hit, of those that are not proved impossible."""
    classes = (f"{name} {c['hit']} of {c['hit'] + c['open']}" for name, c in certificate.coverage.items())
    return [f"coverage: {', '.join(classes)}"] if certificate.coverage else []


def _content(verified: Verified, out: Path) -> dict[str, object]:
    """What `--json` prints."""
    certificate, divergence = verified.certificate, verified.report.divergence
    return {
        **certificate.model_dump(mode="json"),
        "ok": certificate.ok and verified.report.ok,
        "latency_ns": certificate.latency_ns,
        "trigger_latency_ns": certificate.trigger_latency_ns,
        "divergence": None if divergence is None else divergence.model_dump(mode="json"),
        "folder": str(out),
    }
