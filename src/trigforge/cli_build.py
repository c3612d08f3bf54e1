"""`trigforge build --tool`: what a vendor's tool says of a run's firmware."""

from __future__ import annotations

from pathlib import Path

from trigforge.cli_samples import print_json
from trigforge.config import Choices, choose_config
from trigforge.firmware.vendor.process import Report
from trigforge.firmware.vendor.reports import HlsReport, VivadoReport
from trigforge.firmware.vendor.vitis import run_vitis
from trigforge.firmware.vendor.vivado import run_vivado
from trigforge.pipeline import Run, open_run
from trigforge.stages_firmware import read_design
from trigforge.ui import Reporter


def build_with(tool: str, out: Path, projects: Path, as_json: bool) -> None:
    """Build the firmware of the run in `out`, whose stages for this tool are finished, and print what is reported."""
    reporter = Reporter()
    config, _ = choose_config(out, Choices(), projects)
    with open_run(config, out, projects) as run, reporter.stage(tool) as update:
        found = run_tool(run, tool, lambda step: update(0.0, step))
        path = run.path("firmware", f"{tool}.json")
        found.save(path)
    reporter.line(f"{tool:<10} {describe(found)}: {path}")
    if as_json:
        print_json({"tool": tool, "report": found.model_dump(mode="json")})


def run_tool(run: Run, tool: str, report: Report) -> HlsReport | VivadoReport:
    """Run a vendor's tool on what a run made."""
    project = run.config.project
    if tool == "vitis":
        return run_vitis(run.build / "hls", project.top, project.targets, report=report)
    return run_vivado(read_design(run), project.targets, run.build / "vivado", report=report)


def describe(found: HlsReport | VivadoReport) -> str:
    """The report in one line."""
    used = found.used
    cells = f"{used.lut} LUT, {used.ff} FF, {used.dsp} DSP, {used.bram18} BRAM18, {used.uram} URAM ({used.estimator})"
    if isinstance(found, HlsReport):
        timing = f"{found.latency_max} clocks, II {found.ii_max}, {found.estimated_clock_ns:g} of {found.clock_ns:g} ns"
    else:
        met = "timing met" if found.met else f"{found.failing_endpoints} endpoints fail"
        timing = f"{found.achieved_clock_ns:.3f} of {found.clock_ns:g} ns, {met}"
    return f"{cells}; {timing}"
