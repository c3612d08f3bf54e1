"""Vitis HLS: build a project that hls4ml wrote, where the tool is on PATH, and read what it reports."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from trigforge.errors import CheckError, InputError
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.process import Report, find_program, run_logged
from trigforge.firmware.vendor.reports import HlsReport, read_csynth
from trigforge.firmware.vendor.scripts import RUN, vitis_scripts, write_scripts

PROGRAMS: Final = ("vitis-run", "vitis_hls")
STEPS: Final = ("csim", "csynth", "cosim", "export")
LOG: Final = "vitis.log"
TIMEOUT_SECONDS: Final = 4 * 3600.0


def run_vitis(
    folder: Path,
    top: str,
    targets: Targets,
    steps: Collection[str] = ("csim", "csynth"),
    timeout_s: float = TIMEOUT_SECONDS,
    report: Report | None = None,
) -> HlsReport:
    """Build the Vitis project in `folder` and return what C synthesis says of it.

    Our scripts are written first, so that they are there to be run elsewhere if the tool is missing
    (`MissingToolError`). A tool that fails, takes too long or leaves no report raises `CheckError`.
    """
    _check_steps(steps)
    if not (folder / "firmware" / f"{top}.cpp").is_file():
        raise InputError(f"{folder} must hold the HLS project of {top!r}; 'trigforge convert' writes it")
    write_scripts(vitis_scripts(top, targets), folder)
    find_program(PROGRAMS, folder / RUN)
    written = folder / f"{top}_prj" / "solution1" / "syn" / "report" / "csynth.xml"
    written.unlink(missing_ok=True)
    chosen = [step for step in STEPS if step in steps]
    run_logged(["bash", RUN, *chosen], folder, folder / LOG, timeout_s, report)
    if not written.is_file():
        raise CheckError(f"Vitis HLS must write {written}, but did not; see {folder / LOG}")
    found = read_csynth(written)
    if found.top != top:
        raise CheckError(f"{written} must be of {top!r}, not {found.top!r}")
    return found


def _check_steps(steps: Collection[str]) -> None:
    for step in steps:
        if step not in STEPS:
            raise InputError(f"a step of Vitis HLS must be one of {', '.join(STEPS)}, not {step!r}")
    if "csynth" not in steps:
        raise InputError("the steps of Vitis HLS must include csynth, whose report is read")
