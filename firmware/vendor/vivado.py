"""Vivado: synthesise, place and route an RTL design out of context, where the tool is on PATH, and read its reports."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trigforge.errors import CheckError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.process import Report, find_program, run_logged
from trigforge.firmware.vendor.reports import VivadoReport, read_vivado
from trigforge.firmware.vendor.scripts import RUN, vivado_scripts, write_scripts

PROGRAMS: Final = ("vivado",)
LOG: Final = "run.log"
TIMEOUT_SECONDS: Final = 4 * 3600.0


def run_vivado(
    design: RtlDesign,
    targets: Targets,
    folder: Path,
    timeout_s: float = TIMEOUT_SECONDS,
    report: Report | None = None,
) -> VivadoReport:
    """Place and route a design for the device and clock of `targets` and return its area and timing.

    Our scripts are written to `folder` first, so that they are there to be run elsewhere if the tool is missing
    (`MissingToolError`). A tool that fails, takes too long or leaves no report raises `CheckError`; timing that is not
    met does not: see `VivadoReport.met`.
    """
    write_scripts(vivado_scripts(design, targets, folder), folder)
    find_program(PROGRAMS, folder / RUN)
    utilisation, timing = (folder / "reports" / name for name in ("utilization.rpt", "timing.rpt"))
    for old in (utilisation, timing):
        old.unlink(missing_ok=True)
    run_logged(["bash", RUN], folder, folder / LOG, timeout_s, report)
    for written in (utilisation, timing):
        if not written.is_file():
            raise CheckError(f"Vivado must write {written}, but did not; see {folder / LOG}")
    found = read_vivado(utilisation, timing)
    if found.design != design.top:
        raise CheckError(f"{utilisation} must be of {design.top!r}, not {found.design!r}")
    return found
