"""Vivado: synthesise, place and route an RTL design out of context, where the tool is on PATH, and read its reports."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.process import Report
from trigforge.firmware.vendor.reports import VivadoReport, read_vivado
from trigforge.firmware.vendor.rtl_flow import TIMEOUT_SECONDS, RtlFlow, require_design, run_rtl_flow
from trigforge.firmware.vendor.scripts import vivado_scripts

PROGRAMS: Final = ("vivado",)
_REPORTS: Final = ("reports/utilization.rpt", "reports/timing.rpt")


def run_vivado(
    design: RtlDesign,
    targets: Targets,
    folder: Path,
    timeout_s: float = TIMEOUT_SECONDS,
    report: Report | None = None,
) -> VivadoReport:
    """Place and route a design for the device and clock of `targets` and return its area and timing.

    Raises what `run_rtl_flow` does; timing that is not met is no error: see `VivadoReport.met`.
    """
    flow = RtlFlow("Vivado", PROGRAMS, vivado_scripts(design, targets, folder), _REPORTS)
    utilisation, timing = run_rtl_flow(flow, folder, timeout_s, report)
    found = read_vivado(utilisation, timing)
    require_design(found.design, design.top, utilisation)
    return found
