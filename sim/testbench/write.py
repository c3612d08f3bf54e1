"""A core, vectors and a self-checking test bench as a folder that any simulator runs, with a script for each."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from trigforge.errors import InputError
from trigforge.firmware.design import Bits, Port, RtlDesign
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Language
from trigforge.fixed import IntArray
from trigforge.value import Value

TOP: Final = "testbench"
RECORD_FILE: Final = "testbench.json"
FILES: Final = Path(__file__).parent
"""The test bench and the scripts of the simulators, in a folder a language."""

_SUFFIX: Mapping[Language, str] = {Language.VERILOG: ".sv", Language.VHDL: ".vhd"}
_BLOCK = 1 << 16


class TestbenchRecord(Value):
    """What a folder of a test bench holds."""

    __test__ = False  # pytest collects classes whose name begins so

    core: str
    language: Language
    program: str
    """Digest of the program that says what the outputs must be."""
    design: str
    """Digest of the RTL."""
    events: int = Field(ge=1)
    latency_clocks: int = Field(ge=1)


@dataclass(frozen=True, slots=True)
class Testbench:
    """A written test bench: its folder, its scripts by simulator, and what it holds."""

    __test__ = False

    folder: Path
    scripts: Mapping[str, Path]
    record: TestbenchRecord


def write_testbench(
    design: RtlDesign, program: IntegerProgram, words: IntArray, folder: Path, clock_ns: float = 5.0
) -> Testbench:
    """Write the sources of `design`, the words (n, inputs) with the outputs of `program`, a bench and scripts.

    The bench plays an event a clock and compares every output bit at the declared latency. `folder` must be new, empty
    or a test bench, which is then replaced; anything else raises `InputError`.
    """
    if not len(words):
        raise InputError("a test bench must have at least one event")
    language = _language(design)
    _clear(folder)
    names = _copy_sources(design, folder)
    expected = program(words)
    identity = hashlib.sha256(f"{program.digest}{design.digest}".encode() + words.tobytes()).hexdigest()[:8]
    for name, port, values in (("stimulus", design.inputs, words), ("expected", design.outputs, expected)):
        _write_words(folder / "vectors" / f"{name}.hex", port, values, identity)
    bench = f"tf_testbench{_SUFFIX[language]}"
    wiring = f"{TOP}{_SUFFIX[language]}"
    (folder / wiring).write_text(_WIRING[language](design, clock_ns), encoding="utf-8")
    (folder / "sources.f").write_text("\n".join([*names, bench, wiring, ""]), encoding="utf-8")
    record = TestbenchRecord(
        core=design.top,
        language=language,
        program=program.digest,
        design=design.digest,
        events=len(words),
        latency_clocks=design.latency_clocks,
    )
    scripts = {}
    for source in sorted((FILES / language.value).iterdir()):
        copy = folder / source.name
        shutil.copyfile(source, copy)
        if source.suffix == ".sh":
            copy.chmod(0o755)  # a wheel does not keep it
            scripts[source.stem.removeprefix("run_")] = copy
    record.save(folder / RECORD_FILE)
    return Testbench(folder, scripts, record)


def _language(design: RtlDesign) -> Language:
    vhdl = {source.suffix in (".vhd", ".vhdl") for source in design.sources}
    if len(vhdl) > 1:
        raise InputError(f"the sources of {design.top!r} must be of one language for a test bench")
    return Language.VHDL if vhdl.pop() else Language.VERILOG


def _clear(folder: Path) -> None:
    if (folder / RECORD_FILE).is_file():
        shutil.rmtree(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"the folder of a test bench must be new, empty or a test bench, but {folder} is not")
    (folder / "vectors").mkdir(parents=True)
    (folder / "sources").mkdir()


def _copy_sources(design: RtlDesign, folder: Path) -> list[str]:
    """The names, relative to the folder, of its copies of the sources."""
    names = [f"sources/{source.name}" for source in design.sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"the sources of {design.top!r} must have distinct names, but two are {Path(twice).name}")
    for source, name in zip(design.sources, names, strict=True):
        try:
            shutil.copyfile(source, folder / name)
        except OSError as error:
            raise InputError(f"the source {source} of {design.top!r} cannot be read: {error.strerror}") from None
    return names


def _write_words(path: Path, port: Port, values: IntArray, identity: str) -> None:
    with path.open("wb") as file:
        file.write(f"{len(values)} {port.bits} {identity}\n".encode())
        for block in _blocks(values):
            file.write(hex_lines(port, port.pack(block)))


def _blocks(values: IntArray) -> Iterator[IntArray]:
    for start in range(0, len(values), _BLOCK):
        yield values[start : start + _BLOCK]


def hex_lines(port: Port, bits: Bits) -> bytes:
    """Bit strings (n,) of a port as lines of lower-case hexadecimal digits, leading zeros kept."""
    digits = -(-port.bits // 4)
    ones = np.zeros((len(bits), 4 * digits), dtype=np.uint8)
    ones[:, 4 * digits - port.bits :] = port.digits(bits) - ord("0")
    nibbles = ones.reshape(len(bits), digits, 4) @ np.array([8, 4, 2, 1], dtype=np.uint8)
    lines = np.full((len(bits), digits + 1), ord("\n"), dtype=np.uint8)
    lines[:, :-1] = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[nibbles]
    return lines.tobytes()


def _verilog(design: RtlDesign, clock_ns: float) -> str:
    given, seen = design.inputs, design.outputs
    widths = ", ".join(f"16'd{word.width}" for word in reversed(seen.words))
    return f"""// {design.top} and what plays it.
module {TOP};
    wire clk;
    wire [{given.bits - 1}:0] given;
    wire [{seen.bits - 1}:0] seen;

    tf_testbench #(
        .INPUT_BITS({given.bits}),
        .OUTPUT_BITS({seen.bits}),
        .WORDS({len(seen.words)}),
        .WIDTHS({{{widths}}}),
        .LATENCY({design.latency_clocks}),
        .HALF_PERIOD({clock_ns / 2:g})
    ) bench (
        .clk(clk),
        .given(given),
        .seen(seen)
    );

    {design.top} core (
        .{design.clock}(clk),
        .{given.name}(given),
        .{seen.name}(seen)
    );
endmodule
"""


def _vhdl(design: RtlDesign, clock_ns: float) -> str:
    given, seen = design.inputs, design.outputs
    widths = ", ".join(f"{index} => {word.width}" for index, word in enumerate(seen.words))
    return f"""-- {design.top} and what plays it.
library ieee;
use ieee.std_logic_1164.all;

entity {TOP} is
end entity {TOP};

architecture bench of {TOP} is
    signal clk   : std_logic;
    signal given : std_logic_vector({given.bits - 1} downto 0);
    signal seen  : std_logic_vector({seen.bits - 1} downto 0);
begin
    bench : entity work.tf_testbench
        generic map (
            INPUT_BITS  => {given.bits},
            OUTPUT_BITS => {seen.bits},
            WIDTHS      => ({widths}),
            LATENCY     => {design.latency_clocks},
            HALF_PERIOD => {round(clock_ns * 500)} ps
        )
        port map (clk => clk, given => given, seen => seen);

    core : entity work.{design.top}
        port map ({design.clock} => clk, {given.name} => given, {seen.name} => seen);
end architecture bench;
"""


_WIRING = {Language.VERILOG: _verilog, Language.VHDL: _vhdl}
