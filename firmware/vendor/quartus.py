"""Quartus Prime: synthesise, place and route an RTL design, its ports on virtual pins, and read its summaries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.hls_tools import INTEL_PART
from trigforge.firmware.vendor.process import Report
from trigforge.firmware.vendor.quartus_reports import QuartusReport, read_quartus
from trigforge.firmware.vendor.rtl_flow import TIMEOUT_SECONDS, RtlFlow, require_design, run_rtl_flow
from trigforge.firmware.vendor.scripts import quartus_scripts

PROGRAMS: Final = ("quartus_sh",)


def is_intel(part: str) -> bool:
    """Whether a part is one that Quartus builds for."""
    return re.fullmatch(INTEL_PART, part) is not None


def run_quartus(
    design: RtlDesign,
    targets: Targets,
    folder: Path,
    timeout_s: float = TIMEOUT_SECONDS,
    report: Report | None = None,
) -> QuartusReport:
    """Place and route a design for the device and clock of `targets` and return its area and timing.

    Raises what `run_rtl_flow` does; timing that is not met is no error: see `QuartusReport.failing`.
    """
    names = tuple(f"output/{design.top}.{stage}.summary" for stage in ("fit", "sta"))
    flow = RtlFlow("Quartus", PROGRAMS, quartus_scripts(design, targets, folder), names)
    fit, sta = run_rtl_flow(flow, folder, timeout_s, report)
    found = read_quartus(fit, sta, design.clock, targets.clock_ns)
    require_design(found.design, design.top, fit)
    return found
