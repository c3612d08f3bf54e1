"""RTL of a program: alkaid's pipelined Verilog with the packed ports `model_inp` and `model_out`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.value import Value

INPUT_PORT = "model_inp"
OUTPUT_PORT = "model_out"
CLOCK_PORT = "clk"
DESIGN_FILE = "design.json"


class DesignRecord(Value):
    """What the Verilog files of a folder do not say themselves."""

    program_digest: str
    latency_clocks: int


def write_rtl(program: IntegerProgram, targets: Targets, folder: Path, top: str) -> RtlDesign:
    """Write the program's Verilog to `folder`, pipelined for the target clock, replacing what was there."""
    from alkaid.codegen.rtl import RTLModel

    model = RTLModel(
        program.comb,
        folder,
        top,
        flavor="verilog",
        latency_cutoff=targets.logic_per_stage,
        part_name=targets.part,
        clock_period=targets.clock_ns,
        print_latency=False,
    )
    if folder.exists():
        shutil.rmtree(folder)
    model.write()
    DesignRecord(program_digest=program.digest, latency_clocks=round(model.latency) + 1).save(folder / DESIGN_FILE)
    return read_rtl(program, folder, top)


def read_rtl(program: IntegerProgram, folder: Path, top: str) -> RtlDesign:
    """The design that `write_rtl` wrote to `folder` for this program; another program's raises `InputError`."""
    record = DesignRecord.load(folder / DESIGN_FILE)
    if record.program_digest != program.digest:
        raise InputError(
            f"the RTL in {folder} must be of program {program.digest[:12]}, not {record.program_digest[:12]}; "
            "run 'trigforge build' again"
        )
    sources = tuple(sorted(p for p in (folder / "src").rglob("*.v") if p.stem != f"{top}_wrapper"))
    if not sources:
        raise InputError(f"{folder} must hold the Verilog of {top!r}; 'trigforge build' writes it")
    return RtlDesign(
        sources=sources,
        top=top,
        clock=CLOCK_PORT,
        inputs=_port(INPUT_PORT, program.comb.inp_kifs),
        outputs=_port(OUTPUT_PORT, program.comb.out_kifs),
        latency_clocks=record.latency_clocks,
    )


def _port(name: str, kifs: npt.NDArray[np.int64]) -> Port:
    return Port(name, tuple(Word(int(k + i + f), bool(k)) for k, i, f in kifs.T))
