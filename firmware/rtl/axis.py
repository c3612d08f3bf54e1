"""`AxisTop`: a core between two AXI4-Streams with back-pressure, and the module that wires them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.identifiers import require_identifier
from trigforge.firmware.project import Language
from trigforge.firmware.rtl.core import SUFFIX
from trigforge.fixed import MAX_WIDTH, IntArray

AXIS_MODULES: Final = ("tf_axis_in", "tf_axis_out", "tf_axis")
"""The hand-written modules, each in the file of its name beside this one; a module after those that it uses."""
STAGES: Final = 2
"""Registers of an event besides the core's: the queue's and the one that is sent from."""
MAX_DATA_BITS: Final = 4096
MAX_DEPTH: Final = 4096

Beats = npt.NDArray[np.uint8]
"""TDATA of events: (n, beats, bytes), byte 0 in the lowest bits."""

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class AxisTop:
    """A core that takes its words from one AXI4-Stream and gives its results to another, an event in whole beats.

    Raises `InputError` if the core is no Verilog or a number is out of range.
    """

    name: str
    core: RtlDesign
    data_bits: tuple[int, int] = (64, 64)
    """Bits of TDATA of the stream of words and of the stream of results: whole bytes."""
    lane_bits: int | None = None
    """Every word begins a lane of so many bits, its sign extended in it; without, words follow each other bit by bit.

    Lanes are of all words, those that the core does not use too.
    """
    depth: int | None = None
    """Events that the queue holds; without, as many as an event a clock needs."""

    def __post_init__(self) -> None:
        require_identifier(self.top, "the name of a core between streams")
        foreign = [source.name for source in self.core.sources if source.suffix != SUFFIX[Language.VERILOG]]
        if foreign:
            raise InputError(f"a core between streams must be Verilog, not {foreign[0]}; build it with that language")
        taken = {source.stem for source in self.core.sources} & {self.top, *AXIS_MODULES}
        if taken:
            raise InputError(f"a module of the core must not be named {min(taken)!r} as one of the streams is; rename")
        for bits in self.data_bits:
            if not 8 <= bits <= MAX_DATA_BITS or bits % 8:
                raise InputError(f"TDATA must have 8..{MAX_DATA_BITS} bits in whole bytes, not {bits!r}")
        widest = max(word.width for word in (*self.core.inputs.words, *self.core.outputs.words))
        if self.lane_bits is not None and not widest <= self.lane_bits <= MAX_WIDTH:
            raise InputError(
                f"a lane must have {widest}..{MAX_WIDTH} bits, the widest word's or more, not {self.lane_bits!r}"
            )
        if self.depth is not None and not 1 <= self.depth <= MAX_DEPTH:
            raise InputError(f"the depth of a queue must be 1..{MAX_DEPTH} events, not {self.depth!r}")

    @property
    def top(self) -> str:
        """Name of the wiring module."""
        return f"{self.name}_axis"

    @property
    def events(self) -> int:
        """Events that the queue holds."""
        return self.full_depth if self.depth is None else self.depth

    @property
    def full_depth(self) -> int:
        """Events that the queue must hold for an event a clock."""
        return self.core.latency_clocks + STAGES

    @property
    def latency_clocks(self) -> int:
        """Rising clock edges from the one that takes an event's last beat to the first that can give its results."""
        return self.core.latency_clocks + STAGES

    @property
    def ports(self) -> tuple[Port, Port]:
        """An event of words and one of results as the streams carry them, lanes included."""
        words, results = (
            Port(port.name, tuple(Word(self.lane_bits or word.width, word.signed) for word in port.words))
            for port in (self.core.inputs, self.core.outputs)
        )
        return words, results

    @property
    def beats(self) -> tuple[int, int]:
        """Beats of an event of words and of one of results."""
        words, results = (-(-port.bits // bits) for port, bits in zip(self.ports, self.data_bits, strict=True))
        return words, results

    def encode(self, words: IntArray) -> Beats:
        """TDATA (n, beats, bytes) of words (n, inputs); bits that the core does not use are 0.

        Raises `InputError` if a value does not fit into its word.
        """
        self.core.inputs.pack(words)
        wired = np.array([word.width > 0 for word in self.core.inputs.words])
        return _beats(self.ports[0], self.beats[0], self.data_bits[0], np.where(wired, words, 0))

    def encode_results(self, results: IntArray) -> Beats:
        """TDATA (n, beats, bytes) of results (n, outputs): what `decode` turns back."""
        return _beats(self.ports[1], self.beats[1], self.data_bits[1], results)

    def decode(self, beats: Beats) -> IntArray:
        """Results (n, outputs) of TDATA (n, beats, bytes)."""
        port, shape = self.ports[1], (self.beats[1], self.data_bits[1] // 8)
        if beats.ndim != 3 or beats.shape[1:] != shape or beats.dtype != np.uint8:
            raise InputError(
                f"beats must be uint8 of shape (n, {shape[0]}, {shape[1]}), not {beats.dtype} of shape {beats.shape}"
            )
        flat = beats.reshape(len(beats), shape[0] * shape[1])
        digits = np.unpackbits(flat, axis=1, bitorder="little")[:, : port.bits] + np.uint8(ord("0"))
        return port.unpack(np.ascontiguousarray(digits[:, ::-1]).view(f"S{port.bits}")[:, 0])

    def emit(self) -> dict[str, str]:
        """SystemVerilog by file name: the hand-written modules and the wiring; the core's sources are not repeated."""
        texts = {f"{module}.sv": (_FOLDER / f"{module}.sv").read_text(encoding="utf-8") for module in AXIS_MODULES}
        return texts | {f"{self.top}.sv": self._wiring()}

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the files of `emit` to `folder`; all sources, the core's first, a file after those that it uses."""
        folder.mkdir(parents=True, exist_ok=True)
        texts = self.emit()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        return self.sources_in(folder)

    def sources_in(self, folder: Path) -> tuple[Path, ...]:
        """What `write` returns, without writing."""
        return (*self.core.sources, *(folder / f"{module}.sv" for module in (*AXIS_MODULES, self.top)))

    @property
    def input_bits(self) -> dict[str, int]:
        """The input ports of the wiring module but its clock, and their bits."""
        flags = dict.fromkeys(("aresetn", "s_axis_tvalid", "s_axis_tlast", "m_axis_tready"), 1)
        return flags | {"s_axis_tdata": self.data_bits[0]}

    @property
    def output_bits(self) -> dict[str, int]:
        """The output ports of the wiring module and their bits."""
        flags = dict.fromkeys(("s_axis_tready", "m_axis_tvalid", "m_axis_tlast"), 1)
        return flags | {"m_axis_tdata": self.data_bits[1], "torn_packets": 32}

    def _wiring(self) -> str:
        core, (words, results), (s_bits, m_bits) = self.core, self.ports, self.data_bits
        ports = {
            "aclk": "input  logic", "aresetn": "input  logic",
            "s_axis_tvalid": "input  logic", "s_axis_tready": "output logic",
            "s_axis_tdata": f"input  logic [{s_bits - 1}:0]", "s_axis_tlast": "input  logic",
            "m_axis_tvalid": "output logic", "m_axis_tready": "input  logic",
            "m_axis_tdata": f"output logic [{m_bits - 1}:0]", "m_axis_tlast": "output logic",
            "torn_packets": "output logic [31:0]",
        }  # fmt: skip
        parameters = {"LATENCY": core.latency_clocks, "WORDS_BITS": words.bits, "RESULTS_BITS": results.bits}
        parameters |= {"S_DATA_BITS": s_bits, "M_DATA_BITS": m_bits, "DEPTH": self.events}
        return (
            f"// {core.top} between two AXI4-Streams.\n"
            f"module {self.top} (\n" + ",\n".join(f"    {kind} {name}" for name, kind in ports.items()) + "\n);\n"
            f"    wire [{words.bits - 1}:0] words;\n"
            f"    wire [{results.bits - 1}:0] results;\n"
            f"    wire [{core.inputs.bits - 1}:0] core_in;\n"
            f"    wire [{core.outputs.bits - 1}:0] core_out;\n"
            "    wire unused = &words;  // lanes are wider than their words\n\n"
            + _narrow(words, core.inputs)
            + _extend(results, core.outputs)
            + f"\n    {core.top} core (\n"
            f"        .{core.clock}(aclk), .{core.inputs.name}(core_in), .{core.outputs.name}(core_out)\n"
            "    );\n\n    tf_axis #(\n        "
            + ", ".join(f".{name}({value})" for name, value in parameters.items())
            + "\n    ) streams (\n        "
            + ", ".join(f".{name}" for name in ports)
            + ",\n        .words, .results\n    );\nendmodule\n"
        )


def _beats(port: Port, beats: int, bits: int, words: IntArray) -> Beats:
    """TDATA (n, beats, bytes) of the words (n, words) of a port, the first in the lowest bits of the first beat."""
    padded = np.zeros((len(words), beats * bits), dtype=np.uint8)
    padded[:, : port.bits] = port.digits(port.pack(words))[:, ::-1] - np.uint8(ord("0"))
    return np.packbits(padded, axis=1, bitorder="little").reshape(len(words), beats, bits // 8)


def _narrow(lanes: Port, port: Port) -> str:
    """Assignments of the lowest bits of every lane to the core's words."""
    lines, start, low = [], 0, 0
    for lane, word in zip(lanes.words, port.words, strict=True):
        if word.width:
            lines.append(f"    assign core_in[{low}+:{word.width}] = words[{start}+:{word.width}];\n")
        start, low = start + lane.width, low + word.width
    return "".join(lines)


def _extend(lanes: Port, port: Port) -> str:
    """Assignments of the core's results to their lanes, sign extended."""
    lines, start, low = [], 0, 0
    for lane, word in zip(lanes.words, port.words, strict=True):
        sign = f"core_out[{low + word.width - 1}]" if word.signed and word.width else "1'b0"
        extension = f"{{{lane.width - word.width}{{{sign}}}}}" if lane.width > word.width else ""
        value = f"core_out[{low}+:{word.width}]" if word.width else ""
        if lane.width:
            parts = ", ".join(part for part in (extension, value) if part)
            lines.append(f"    assign results[{start}+:{lane.width}] = {{{parts}}};\n")
        start, low = start + lane.width, low + word.width
    return "".join(lines)
