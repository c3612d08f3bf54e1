"""The scripts that build a project with a vendor tool: fixed files of `flows/` and a few settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Targets
from trigforge.firmware.vendor.hls_tools import INTEL_PART, XILINX_PART, HlsTool, check_part

FLOWS: Final = Path(__file__).with_name("flows")
RUN: Final = "run.sh"
BUILD: Final = "build.tcl"
SETTINGS: Final = "settings.tcl"
CLOCK_UNCERTAINTY: Final = "27%"
"""Share of the clock period that Vitis HLS keeps for routing; its own default."""

Files = dict[str, str]
"""Contents by name, relative to the project's folder."""


def vitis_scripts(top: str, targets: Targets) -> Files:
    """Scripts for any Vitis project of hls4ml: simulation, synthesis, co-simulation and export."""
    settings = {"top": top, "part": targets.part, "clock_ns": f"{targets.clock_ns:g}"}
    return {
        RUN: _flow("vitis.sh"),
        BUILD: _flow("vitis.tcl"),
        SETTINGS: tcl_settings({**settings, "clock_uncertainty": CLOCK_UNCERTAINTY}),
    }


def hls_scripts(tool: HlsTool, top: str, targets: Targets) -> Files:
    """Scripts for the project that hls4ml wrote for a tool."""
    if tool.backend == "Vitis":
        return vitis_scripts(top, targets)
    if tool.backend == "Quartus":
        return {RUN: _flow("quartus_hls.sh"), "settings.sh": f"TOP={top}\n"}
    return {RUN: _flow(f"{tool.backend.lower()}.sh")}


def vivado_scripts(design: RtlDesign, targets: Targets, folder: Path) -> Files:
    """Scripts in `folder` that synthesise, place and route a design out of context, for reports of area and timing.

    Paths between registers are timed, with the targets' clock uncertainty; those from the ports to the first register
    and from the last register to the ports are not.
    """
    check_part("Vivado", XILINX_PART, "xcvu13p-flga2577-2-e", targets)
    return {
        RUN: _flow("vivado.sh"),
        BUILD: _flow("vivado.tcl"),
        SETTINGS: _rtl_settings(design, targets, folder),
        "clock.xdc": _clock(design, targets, "set_clock_uncertainty -setup {kept:g} [get_clocks {clock}]"),
    }


def quartus_scripts(design: RtlDesign, targets: Targets, folder: Path) -> Files:
    """Scripts in `folder` that synthesise, place and route a design in Quartus Prime, its ports on virtual pins."""
    check_part("Quartus", INTEL_PART, "1SM21BHU2F53E1VG", targets)
    return {
        RUN: _flow("quartus.sh"),
        BUILD: _flow("quartus.tcl"),
        SETTINGS: _rtl_settings(design, targets, folder),
        "clock.sdc": _clock(design, targets, "set_clock_uncertainty -setup -to [get_clocks {clock}] {kept:g}"),
    }


def write_scripts(files: Files, folder: Path) -> None:
    """Write scripts to a project's folder; shell scripts become executable."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".sh":
            path.chmod(0o755)


def tcl_settings(values: dict[str, str]) -> str:
    """Tcl that sets variables; values with braces or backslashes raise `InputError`."""
    for name, value in values.items():
        if set(value) & set("{}\\"):
            raise InputError(f"{name} must have no braces and no backslashes to go into a Tcl script, not {value!r}")
    return "".join(f"set {name} {{{value}}}\n" for name, value in values.items())


def _rtl_settings(design: RtlDesign, targets: Targets, folder: Path) -> str:
    sources = [Path(os.path.relpath(source.resolve(), folder.resolve())).as_posix() for source in design.sources]
    for source in sources:
        if " " in source:
            raise InputError(f"the path of a source must have no spaces to go into a Tcl list, not {source!r}")
    settings = {"top": design.top, "part": targets.part, "clock": design.clock}
    return tcl_settings({**settings, "sources": "\n    ".join(["", *sources]) + "\n"})


def _clock(design: RtlDesign, targets: Targets, uncertainty: str) -> str:
    """The clock's constraints; Vivado and Quartus differ in how they take an uncertainty."""
    kept = uncertainty.format(kept=targets.clock_ns * targets.clock_uncertainty, clock=design.clock)
    return f"create_clock -period {targets.clock_ns:g} -name {design.clock} [get_ports {design.clock}]\n{kept}\n"


def _flow(name: str) -> str:
    return (FLOWS / name).read_text(encoding="utf-8")
