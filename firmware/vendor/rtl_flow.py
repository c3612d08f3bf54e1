"""Place and route of an RTL design with a vendor's tool: scripts, the run, and the reports that it must leave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trigforge.errors import CheckError
from trigforge.firmware.vendor.process import Report, find_program, run_logged
from trigforge.firmware.vendor.scripts import RUN, Files, write_scripts

LOG: Final = "run.log"
TIMEOUT_SECONDS: Final = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class RtlFlow:
    """How a tool is run on a design."""

    tool: str
    programs: tuple[str, ...]
    """Any one of them must be on PATH."""
    scripts: Files
    reports: tuple[str, ...]
    """What it must write, relative to its folder."""


def run_rtl_flow(
    flow: RtlFlow, folder: Path, timeout_s: float = TIMEOUT_SECONDS, report: Report | None = None
) -> tuple[Path, ...]:
    """Run a flow in `folder` and return the reports that it wrote there.

    The scripts are written first, so that they are there to be run elsewhere if the tool is missing
    (`MissingToolError`). A tool that fails, takes too long or leaves no report raises `CheckError`.
    """
    write_scripts(flow.scripts, folder)
    find_program(flow.programs, folder / RUN)
    reports = tuple(folder / name for name in flow.reports)
    for old in reports:
        old.unlink(missing_ok=True)
    run_logged(["bash", RUN], folder, folder / LOG, timeout_s, report)
    for written in reports:
        if not written.is_file():
            raise CheckError(f"{flow.tool} must write {written}, but did not; see {folder / LOG}")
    return reports


def require_design(found: str, wanted: str, where: Path) -> None:
    """Raise `CheckError` unless a report is of a design."""
    if found != wanted:
        raise CheckError(f"{where} must be of {wanted!r}, not {found!r}")
