"""RTL of a program: alkaid's pipelined Verilog or VHDL-2008 with the packed ports `model_inp` and `model_out`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.identifiers import require_identifier
from trigforge.firmware.pipeline import Pipeline, choose_pipeline, split
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Language, Targets
from trigforge.value import Value

INPUT_PORT = "model_inp"
OUTPUT_PORT = "model_out"
CLOCK_PORT = "clk"
DESIGN_FILE = "design.json"
SUFFIX: Mapping[Language, str] = {Language.VERILOG: ".v", Language.VHDL: ".vhd"}

_UNIT = {
    Language.VERILOG: re.compile(r"^\s*module\s+(\w+)", re.MULTILINE),
    Language.VHDL: re.compile(r"^\s*entity\s+(\w+)\s+is", re.MULTILINE | re.IGNORECASE),
}
_ENGINE_NAMES = re.compile(
    r"logic\d+|table_\w+|shift_adder|ternary_adder|multiplier|negative|mux|binop|clk|model_\w+|rtl", re.IGNORECASE
)


class DesignRecord(Value):
    """What the sources of a folder do not say themselves."""

    program_digest: str
    language: Language
    pipeline: Pipeline
    sources: tuple[str, ...] = Field(min_length=1)
    """Paths in the folder, a file after those that it uses."""


def write_rtl(program: IntegerProgram, targets: Targets, folder: Path, top: str) -> RtlDesign:
    """Write the program's RTL to `folder`, pipelined for the targets, replacing what was there.

    The name of every module begins with `top`, so that several designs fit into one simulation or one device.
    Raises `InputError` if no pipeline meets the targets (see `choose_pipeline`) or `top` is no name in both languages.
    """
    from alkaid.codegen.rtl import RTLModel

    require_identifier(top, "the name of a top module")
    if _ENGINE_NAMES.fullmatch(top):
        raise InputError(f"the name of a top module must not be one that alkaid gives, but {top!r} is; choose another")
    pipeline = choose_pipeline(program, targets)
    model = RTLModel(
        split(program, pipeline),
        folder,
        top,
        flavor=targets.language.value,
        part_name=targets.part,
        clock_period=targets.clock_ns,
        clock_uncertainty=targets.clock_uncertainty,
        print_latency=False,
        ternary_fuse=False,
    )
    if folder.exists():
        shutil.rmtree(folder)
    model.write()
    _claim_names(folder / "src", top, targets.language)
    sources = tuple(str(p.relative_to(folder)) for p in _in_order(folder / "src", top, SUFFIX[targets.language]))
    record = DesignRecord(program_digest=program.digest, language=targets.language, pipeline=pipeline, sources=sources)
    record.save(folder / DESIGN_FILE)
    return read_rtl(program, folder, top)


def read_rtl(program: IntegerProgram, folder: Path, top: str) -> RtlDesign:
    """The design that `write_rtl` wrote to `folder` for this program; another program's raises `InputError`."""
    record = DesignRecord.load(folder / DESIGN_FILE)
    if record.program_digest != program.digest:
        raise InputError(
            f"the RTL in {folder} must be of program {program.digest[:12]}, not {record.program_digest[:12]}; "
            "run 'trigforge build' again"
        )
    sources = tuple(folder / name for name in record.sources)
    missing = [source.name for source in sources if not source.is_file()]
    if missing or sources[-1].stem != top:
        raise InputError(
            f"{folder} must hold the RTL of {top!r}, but {', '.join(missing) or 'it is of ' + repr(sources[-1].stem)}"
            f"{' is missing' if missing else ''}; 'trigforge build' writes it"
        )
    inputs, outputs = core_ports(program)
    return RtlDesign(
        sources=sources,
        top=top,
        clock=CLOCK_PORT,
        inputs=inputs,
        outputs=outputs,
        latency_clocks=record.pipeline.latency_clocks,
    )


def core_ports(program: IntegerProgram) -> tuple[Port, Port]:
    """The packed input and output port of a program's RTL."""
    return _port(INPUT_PORT, program.comb.inp_kifs), _port(OUTPUT_PORT, program.comb.out_kifs)


def read_pipeline(folder: Path) -> Pipeline:
    """The pipeline of the RTL that `write_rtl` wrote to `folder`."""
    return DesignRecord.load(folder / DESIGN_FILE).pipeline


def _claim_names(folder: Path, top: str, language: Language) -> None:
    """Let the names of all modules, and of the files that hold them, begin with `top`."""
    files = {path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob(f"*{SUFFIX[language]}"))}
    units = {name for text in files.values() for name in _UNIT[language].findall(text)}
    foreign = sorted(name for name in units if name != top and not name.startswith(f"{top}_"))
    pattern = re.compile(rf"\b({'|'.join(foreign)})\b")
    for path, text in files.items():
        name = f"{top}_{path.name}" if path.stem in foreign else path.name
        path.unlink()
        path.with_name(name).write_text(pattern.sub(rf"{top}_\1", text), encoding="utf-8")


def _in_order(folder: Path, top: str, suffix: str) -> list[Path]:
    """The sources, a file after those that it uses: primitives, tables, stages, top."""
    stages = sorted(folder.glob(f"{top}_logic*{suffix}"), key=lambda p: int(p.stem.removeprefix(f"{top}_logic")))
    ordered = [*sorted((folder / "static").glob(f"*{suffix}")), folder / f"{top}_tables{suffix}", *stages]
    return [path for path in (*ordered, folder / f"{top}{suffix}") if path.is_file()]


def _port(name: str, kifs: npt.NDArray[np.int64]) -> Port:
    return Port(name, tuple(Word(int(k + i + f), bool(k)) for k, i, f in kifs.T))
