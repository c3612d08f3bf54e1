"""How Verilator compiles a design: into a program for cocotb, with or without waves, or a library for bulk runs."""

from __future__ import annotations

import os
from enum import StrEnum
from importlib import resources
from pathlib import Path

from trigforge.firmware.design import Port, RtlDesign

ALLOWED_LINT = ("ALWNEVER", "DECLFILENAME", "UNUSEDSIGNAL")
"""Verilator's lint warnings that generated RTL may cause; every other one stops the build."""
TIMESCALE = "1ns/1ps"
BULK_SOURCE = "bulk.cpp"
STORED_SOURCE = "stored.hpp"
BULK_TOP = "trigforge_bulk"

_JOBS = 2
_SPLIT = ("--output-split", "10000", "--output-split-cfuncs", "300")
"""Small C++ functions: the compiler's time grows faster than linearly with their size."""
_LANGUAGE = ("-Wall", *(f"-Wno-{name}" for name in ALLOWED_LINT), "--x-assign", "unique", "--timescale", TIMESCALE)
_MAKE_SETTINGS = ("OPT_FAST=-O1", "OPT_GLOBAL=-O1")
_WAVES = ("--trace-fst", "--trace-underscore")
_WAVES_LIBRARIES = "LDLIBS=-pthread $(VM_USER_LDLIBS)"
"""Without lz4 and zlib, whose functions `stored.hpp` replaces."""
_LIBRARY_FLAGS = "-fPIC -fvisibility=hidden -fno-gnu-unique -DVL_USER_FATAL -DVL_USER_STOP -DVL_USER_FINISH"
"""Nothing of one library's model is visible to another's, and a model's $fatal does not end the process."""


class Purpose(StrEnum):
    """What a simulation is compiled for."""

    BENCH = "bench"
    """cocotb's bench."""
    WAVES = "waves"
    """cocotb's bench, which can record every signal."""
    BULK = "bulk"
    """A library that this process plays words into, without cocotb; Verilator only."""


def settings(purpose: Purpose) -> tuple[object, ...]:
    """All that the commands depend on besides design, simulator and purpose."""
    special = {
        Purpose.BENCH: (),
        Purpose.WAVES: (_WAVES, _WAVES_LIBRARIES),
        Purpose.BULK: (BULK_TOP, _source(BULK_SOURCE)),
    }
    return _LANGUAGE, _SPLIT, library_settings(purpose), special[purpose]


def library_settings(purpose: Purpose) -> tuple[object, ...]:
    """What Verilator's own library is compiled with for a purpose."""
    special = {Purpose.BENCH: "", Purpose.WAVES: _source(STORED_SOURCE), Purpose.BULK: _LIBRARY_FLAGS}
    return purpose.value, _MAKE_SETTINGS, special[purpose]


def verilate(
    design: RtlDesign, verilator: Path, purpose: Purpose, scratch: Path, sources: list[str]
) -> tuple[list[list[str]], Path]:
    """The commands that compile a design in the folder `scratch`, and what they make there; writes their inputs."""
    top, special = _bulk(design, scratch) if purpose is Purpose.BULK else _bench(design, scratch)
    common = [*_LANGUAGE, *_SPLIT, "--Mdir", str(scratch), "--prefix", "Vtop", "--top-module", top, "-o", "simulation"]
    command = [str(verilator), "--cc", "--exe", *common, *special, *sources]
    jobs = str(min(_JOBS, os.cpu_count() or 1))
    make = ["make", "-j", jobs, "-C", str(scratch), "-f", "Vtop.mk", *_MAKE_SETTINGS]
    if purpose is Purpose.WAVES:
        for header in ("lz4.h", "zlib.h"):
            _written(scratch / header, _source(STORED_SOURCE))
        command += _WAVES
        make.append(_WAVES_LIBRARIES)
    return [command, make], scratch / "simulation"


def _bench(design: RtlDesign, scratch: Path) -> tuple[str, list[str]]:
    """Opens the top's ports to cocotb and nothing else, so that all else is optimised."""
    from cocotb_tools.config import libs_dir, share_dir

    ports = (design.clock, design.inputs.name, design.outputs.name)
    lines = [f'public_flat_rw -module "{design.top}" -var "{port}"' for port in ports]
    control = _written(scratch / "ports.vlt", "\n".join(["`verilator_config", *lines, ""]))
    link = f"-Wl,-rpath,{libs_dir} -L{libs_dir} -lcocotbvpi_verilator"
    return design.top, ["--vpi", "-LDFLAGS", link, str(share_dir / "lib" / "verilator" / "verilator.cpp"), control]


def _bulk(design: RtlDesign, scratch: Path) -> tuple[str, list[str]]:
    """Wraps the design, so that the driver knows the names of its ports."""
    given, seen = design.inputs, design.outputs
    module = (
        f"module {BULK_TOP} (input clock, input [{given.bits - 1}:0] given, output [{seen.bits - 1}:0] seen);\n"
        f"    {design.top} dut (.{design.clock}(clock), .{given.name}(given), .{seen.name}(seen));\n"
        "endmodule\n"
    )
    _written(scratch / "ports.hpp", _port_tables(given, seen))
    driver = _written(scratch / BULK_SOURCE, _source(BULK_SOURCE))
    wrapper = _written(scratch / f"{BULK_TOP}.sv", module)
    return BULK_TOP, ["-CFLAGS", _LIBRARY_FLAGS, "-LDFLAGS", "-shared", driver, wrapper]


def _port_tables(given: Port, seen: Port) -> str:
    """C++ tables of the words of both ports."""
    lines = ["struct Word {", "    int width;", "    bool is_signed;", "};"]
    for name, port in (("INPUT", given), ("OUTPUT", seen)):
        words = ", ".join(f"{{{word.width}, {str(word.signed).lower()}}}" for word in port.words)
        lines.append(f"constexpr int {name}S = {len(port.words)}, {name}_BITS = {port.bits};")
        lines.append(f"constexpr Word {name}_WORDS[] = {{{words}}};")
    return "\n".join([*lines, ""])


def _source(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)
