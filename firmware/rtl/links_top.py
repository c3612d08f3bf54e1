"""`LinksTop`: a trigger between links, and the module that wires them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from trigforge.errors import InputError
from trigforge.firmware.design import Word
from trigforge.firmware.rtl.links import LINK_BITS, LinkMap
from trigforge.firmware.rtl.trigger import TriggerTop
from trigforge.firmware.rtl.trigger_model import BoolArray, Decisions
from trigforge.fixed import IntArray

LINK_MODULES: Final = ("tf_links", "tf_links_tx")
"""The hand-written modules, each in the file of its name beside this one."""

_FOLDER: Final = Path(__file__).parent
_PIECE: Final = 16
"""Bits of algorithms that travel in one word of a result, so that few bits of a frame stay empty."""


class Result(NamedTuple):
    """One word of a trigger's results: a slice of an output port from bit `low` on."""

    port: str
    low: int
    word: Word


def results_of(trigger: TriggerTop) -> tuple[Result, ...]:
    """What a trigger can say of a crossing: its number, the scores, and the bits after and before the prescales."""
    found = [Result("out_bx", 0, Word((trigger.orbit - 1).bit_length(), signed=False))]
    low = 0
    for word in trigger.score_port.words:
        found.append(Result("out_score", low, word))
        low += word.width
    for port in ("out_bits", "out_raw"):
        pieces = range(0, trigger.algorithms, _PIECE)
        found += [Result(port, k, Word(min(_PIECE, trigger.algorithms - k), signed=False)) for k in pieces]
    return tuple(found)


def result_words(trigger: TriggerTop, decisions: Decisions) -> IntArray:
    """The words (k, results) of `results_of(trigger)` for decisions."""
    scores, columns = iter(decisions.scores.T), []
    bits = {"out_bits": decisions.passed, "out_raw": decisions.raw}
    for port, low, word in results_of(trigger):
        if port == "out_bx":
            columns.append(decisions.bx)
        elif port == "out_score":
            columns.append(next(scores))
        else:
            columns.append(bits[port][:, low : low + word.width] @ (1 << np.arange(word.width, dtype=np.int64)))
    return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True)
class LinksTop:
    """A trigger whose words come in on links and whose results go out on links, a frame a clock.

    Raises `InputError` if a map does not fit the trigger.
    """

    trigger: TriggerTop
    receives: LinkMap
    """Of one word for each word of the core's input port; words that the core does not use may have bits."""
    sends: LinkMap
    """Of `results_of(trigger)`."""

    def __post_init__(self) -> None:
        trigger = self.trigger
        for link_map in (self.receives, self.sends):
            if link_map.frames != trigger.clocks_per_bx:
                raise InputError(
                    f"links of {trigger.name!r} must carry {trigger.clocks_per_bx} frames a crossing, one a clock, "
                    f"not {link_map.frames}; set the trigger's clocks_per_bx or the map's frames"
                )
        if self.sends.words != tuple(result.word for result in results_of(trigger)):
            raise InputError(f"the words of the sending map must be results_of({trigger.name!r}), not others")
        given, wired = self.receives.words, trigger.core.inputs.words
        if len(given) != len(wired):
            raise InputError(f"the receiving map must have {len(wired)} words as the core has, not {len(given)}")
        for index, (word, own) in enumerate(zip(given, wired, strict=True)):
            if own.width and word != own:
                raise InputError(
                    f"word {index} of the receiving map must be {own} as the core's, not {word}; "
                    "map the words of the contract that the program was converted with"
                )
        taken = {source.stem for source in trigger.core.sources} & {self.top, *LINK_MODULES}
        if taken:
            raise InputError(f"a module of the core must not be named {min(taken)!r} as one of the links is; rename")

    @classmethod
    def of(cls, trigger: TriggerTop, receives: LinkMap, width: int = LINK_BITS) -> LinksTop:
        """A trigger whose results go out in the packing that `LinkMap.pack` gives them."""
        words = [result.word for result in results_of(trigger)]
        return cls(trigger, receives, LinkMap.pack(words, trigger.clocks_per_bx, width))

    @property
    def top(self) -> str:
        """Name of the wiring module."""
        return f"{self.trigger.name}_links"

    @property
    def latency_clocks(self) -> int:
        """Rising clock edges from a crossing's first frame to its bits; its first frame of results is one later."""
        return self.receives.frames + self.trigger.latency_clocks

    def results(self, decisions: Decisions) -> tuple[IntArray, BoolArray, BoolArray]:
        """Words (k, results) that the sending links carry for decisions, and their valid and bc0 (k,)."""
        return result_words(self.trigger, decisions), decisions.valid, decisions.bx == 0

    def emit(self) -> dict[str, str]:
        """SystemVerilog by file name: the trigger's, the hand-written modules and the wiring; not the core's."""
        texts = {f"{module}.sv": (_FOLDER / f"{module}.sv").read_text(encoding="utf-8") for module in LINK_MODULES}
        return self.trigger.emit() | texts | {f"{self.top}.sv": self._wiring()}

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the files of `emit` to `folder`; all sources, the core's first, a file after those that it uses."""
        folder.mkdir(parents=True, exist_ok=True)
        texts = self.emit()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        return self.sources_in(folder)

    def sources_in(self, folder: Path) -> tuple[Path, ...]:
        """What `write` returns, without writing."""
        own = (folder / f"{module}.sv" for module in (*LINK_MODULES, self.top))
        return (*self.trigger.sources_in(folder), *own)

    @property
    def inputs(self) -> dict[str, int]:
        """The input ports of the wiring module but its clock, and their bits."""
        links, width = self.receives.links, self.receives.width
        frames = {"link_data": links * width, "link_valid": links, "link_bc0": links, "link_lumi": 1}
        return {"rst": 1} | frames | {"bus_addr": 12, "bus_write": 1, "bus_wdata": 32}

    @property
    def outputs(self) -> dict[str, int]:
        """The output ports of the wiring module and their bits."""
        trigger, links = self.trigger, self.sends.links
        state = {"link_locked": 1, "link_errors": 32, "link_suspects": self.receives.links}
        frames = {"tx_data": links * self.sends.width, "tx_valid": links, "tx_bc0": links}
        decided = {"bus_rdata": 32, "out_strobe": 1, "out_valid": 1, "out_bx": (trigger.orbit - 1).bit_length()}
        decided |= {"out_score": trigger.score_port.bits, "out_raw": trigger.algorithms}
        return state | frames | decided | {"out_bits": trigger.algorithms, "out_accept": 1}

    def _wiring(self) -> str:
        receives, sends, core = self.receives, self.sends, self.trigger.core
        vectors = {"link_data", "link_valid", "link_bc0", "link_suspects", "tx_data", "tx_valid", "tx_bc0"}
        vectors |= {"out_bx", "out_score", "out_raw", "out_bits"}
        ports = ["    input  logic clk"]
        for direction, names in (("input ", self.inputs), ("output", self.outputs)):
            for name, bits in names.items():
                size = f"[{bits - 1}:0] " if bits > 1 or name in vectors else ""
                ports.append(f"    {direction} logic {size}{name}")
        shared = ["rst", *(name for name in (*self.inputs, *self.outputs) if name.startswith(("bus_", "out_")))]
        return (
            f"// {self.trigger.top} between links of {receives.frames} frames a crossing.\n"
            f"module {self.top} (\n" + ",\n".join(ports) + "\n);\n"
            f"    wire [{receives.links * receives.frames * receives.width - 1}:0] frames;\n"
            f"    wire [{sends.links * sends.frames * sends.width - 1}:0] results;\n"
            f"    wire [{core.inputs.bits - 1}:0] in_words;\n"
            "    wire in_valid, in_bc0, in_lumi;\n"
            "    wire unused = &frames;  // bits that belong to no word, or to one that the core does not use\n\n"
            f"{_receiving(receives, core.inputs.words)}\n"
            f"{_sending(sends, results_of(self.trigger))}\n"
            f"    tf_links #(\n        {_shape(receives)}\n    ) receiver (\n"
            "        .clk, .rst, .link_data, .link_valid, .link_bc0, .link_lumi, .words(frames), .valid(in_valid),\n"
            "        .bc0(in_bc0), .lumi(in_lumi), .locked(link_locked), .errors(link_errors),\n"
            "        .suspects(link_suspects)\n    );\n\n"
            f"    {self.trigger.top} trigger (\n        .clk, .in_words, .in_valid, .in_bc0, .in_lumi, "
            + ", ".join(f".{name}" for name in shared)
            + f"\n    );\n\n    tf_links_tx #(\n        {_shape(sends)}\n    ) sender (\n"
            "        .clk, .rst, .strobe(out_strobe), .valid(out_valid), .bc0(out_bx == '0), .words(results),\n"
            "        .link_data(tx_data), .link_valid(tx_valid), .link_bc0(tx_bc0)\n    );\nendmodule\n"
        )


def _shape(link_map: LinkMap) -> str:
    return f".LINKS({link_map.links}), .FRAMES({link_map.frames}), .WIDTH({link_map.width})"


def _starts(link_map: LinkMap) -> list[int]:
    """The lowest bit of every word in all frames of a crossing side by side; -1 for a word without bits."""
    return [
        -1 if place is None else (place.link * link_map.frames + place.frame) * link_map.width + place.bit
        for place in link_map.places
    ]


def _receiving(link_map: LinkMap, wired: tuple[Word, ...]) -> str:
    """Assignments of frames to the core's words."""
    lines, low = [], 0
    for start, word in zip(_starts(link_map), wired, strict=True):
        if word.width:
            lines.append(f"    assign in_words[{low}+:{word.width}] = frames[{start}+:{word.width}];\n")
            low += word.width
    return "".join(lines)


def _sending(link_map: LinkMap, results: tuple[Result, ...]) -> str:
    """Assignments of results to frames, of zeros to the bits between them."""
    lines, free = [], 0
    total = link_map.links * link_map.frames * link_map.width
    for start, (port, low, word) in sorted(zip(_starts(link_map), results, strict=True)):
        if start > free:
            lines.append(f"    assign results[{start - 1}:{free}] = '0;\n")
        lines.append(f"    assign results[{start}+:{word.width}] = {port}[{low}+:{word.width}];\n")
        free = start + word.width
    return "".join([*lines, *([f"    assign results[{total - 1}:{free}] = '0;\n"] if free < total else [])])
