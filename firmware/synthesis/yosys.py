"""Technology mapping with Yosys, for UltraScale+, 7 series and ECP5."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from trigforge.errors import InputError, MissingToolError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Language
from trigforge.firmware.rtl import SUFFIX
from trigforge.firmware.synthesis.families import Family
from trigforge.firmware.synthesis.netlist import NETLIST, Resources, read_statistics
from trigforge.firmware.synthesis.tools import run_tool, yosys_command, yosys_version

TIMEOUT_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Block:
    """Sources, a file after those that it uses, with a top module of any ports and one clock."""

    sources: tuple[Path, ...]
    top: str
    clock: str

    @classmethod
    def of(cls, design: RtlDesign) -> Self:
        """A core."""
        return cls(design.sources, design.top, design.clock)

    @property
    def digest(self) -> str:
        """SHA-256 of top, clock and the sources' names and contents, in hexadecimal."""
        total = hashlib.sha256(repr((self.top, self.clock)).encode())
        for source in self.sources:
            content = self.read(source)
            total.update(f"\0{source.name}\0{len(content)}\0".encode() + content)
        return total.hexdigest()

    def read(self, source: Path) -> bytes:
        """The content of one of the sources; `InputError` if it cannot be read."""
        try:
            return source.read_bytes()
        except OSError as error:
            raise InputError(f"the source {source} of {self.top!r} cannot be read: {error.strerror}") from None


def estimate(design: RtlDesign, folder: Path, family: Family = Family.XCUP) -> Resources:
    """Map a design to a family's cells, multipliers in logic, and count them; `folder` gets sources, netlist and log.

    Yosys reads no VHDL: a design in it is elaborated to Verilog with GHDL first. Raises `MissingToolError` without one
    of them and `CheckError` with the last line of the one that fails.
    """
    return map_block(Block.of(design), folder, family)


def map_block(block: Block, folder: Path, family: Family) -> Resources:
    """`estimate` of any block."""
    folder.mkdir(parents=True, exist_ok=True)
    statistics, log = folder / "cells.json", folder / "yosys.log"
    estimator = f"{yosys_version()} {family.command}"
    verilog = block.sources
    if any(source.suffix == SUFFIX[Language.VHDL] for source in block.sources):
        verilog, estimator = (_elaborate_vhdl(block, folder),), f"{estimator}, of VHDL through GHDL"
    copies = [folder / f"{number:03d}_{path.name}" for number, path in enumerate(verilog)]
    for copy, path in zip(copies, verilog, strict=True):
        copy.write_bytes(block.read(path))
    technology = "" if family is Family.ECP5 else " -tech xilinx"
    script = (
        f"read_verilog -sv {' '.join(copy.name for copy in copies)}; {family.command} -top {block.top}; "
        f"tee -q -o {statistics.name} stat -json{technology}; write_json {NETLIST}"
    )
    run_tool([*yosys_command(), "-q", "-l", log.name, "-p", script], folder, block.top, log, TIMEOUT_SECONDS)
    return read_statistics(statistics.read_text(), estimator, family)


def map_in_folder(text: str, top: str, folder: Path, family: Family, subject: str) -> dict[str, object]:
    """Modules of the netlist of SystemVerilog text."""
    source, netlist, log = folder / f"{top}.sv", folder / f"{top}.json", folder / f"{top}.log"
    source.write_text(text, encoding="utf-8")
    script = f"read_verilog -sv {source.name}; {family.command} -top {top}; write_json {netlist.name}"
    run_tool([*yosys_command(), "-q", "-l", log.name, "-p", script], folder, subject, log, TIMEOUT_SECONDS)
    modules: dict[str, object] = json.loads(netlist.read_text())["modules"]
    return modules


def _elaborate_vhdl(block: Block, folder: Path) -> Path:
    """The Verilog netlist of a VHDL design, written by GHDL."""
    ghdl = shutil.which("ghdl")
    if ghdl is None:
        raise MissingToolError("ghdl must be installed for resource estimates of VHDL; 'apt-get install ghdl'")
    options = ["--std=08", f"--workdir={folder.resolve()}"]
    log, netlist = folder / "ghdl.log", folder / f"{block.top}_netlist.v"
    sources = [str(path.resolve()) for path in block.sources]
    run_tool([ghdl, "-a", *options, *sources], folder, block.top, log, TIMEOUT_SECONDS)
    written = run_tool([ghdl, "--synth", *options, "--out=verilog", block.top], folder, block.top, log, TIMEOUT_SECONDS)
    netlist.write_text(written)
    return netlist
