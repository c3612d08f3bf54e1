"""A VHDL core as Verilog, through GHDL: what is SystemVerilog is simulated around."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from trigforge.errors import CheckError, MissingToolError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.project import Language
from trigforge.firmware.rtl.core import SUFFIX

_TIMEOUT_SECONDS: Final = 600
_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def is_vhdl(design: RtlDesign) -> bool:
    """Whether a design is written in VHDL."""
    return any(source.suffix == SUFFIX[Language.VHDL] for source in design.sources)


def elaborated(design: RtlDesign, folder: Path) -> RtlDesign:
    """The design as one Verilog netlist in `folder`, with the same ports; a Verilog design as it is.

    Raises `MissingToolError` without GHDL, and `CheckError` with what it says if it refuses the design.
    """
    if not is_vhdl(design):
        return design
    ghdl = shutil.which("ghdl")
    if ghdl is None:
        raise MissingToolError("ghdl must be installed for SystemVerilog around a VHDL core; 'apt-get install ghdl'")
    with tempfile.TemporaryDirectory() as scratch:
        options = ["--std=08", f"--workdir={scratch}"]
        _run([ghdl, "-a", *options, *(str(path.resolve()) for path in design.sources)], design, Path(scratch))
        netlist = _run([ghdl, "--synth", *options, "--out=verilog", design.top], design, Path(scratch))
    folder.mkdir(parents=True, exist_ok=True)
    written = netlist_in(design, folder)
    lines = (line.rstrip() for line in _COMMENT.sub("", netlist).splitlines())  # comments hold the sources' paths
    written.sources[0].write_text("\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    return written


def netlist_in(design: RtlDesign, folder: Path) -> RtlDesign:
    """What `elaborated` returns, without writing."""
    if not is_vhdl(design):
        return design
    return replace(design, sources=(folder / f"{design.top}{SUFFIX[Language.VERILOG]}",))


def _run(command: list[str], design: RtlDesign, folder: Path) -> str:
    """What GHDL prints."""
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise CheckError(f"ghdl did not finish {design.top} within {_TIMEOUT_SECONDS} s") from None
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if ":warning" not in line]
        raise CheckError(f"ghdl failed on {design.top}: {lines[0] if lines else 'no message'}")
    return result.stdout
