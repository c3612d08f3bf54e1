"""`TriggerTop`: the hand-written trigger around a core, and the module that wires them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trigforge.errors import InputError
from trigforge.filling import LHC_ORBIT
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.identifiers import require_identifier
from trigforge.firmware.project import Language
from trigforge.firmware.rtl.core import SUFFIX
from trigforge.firmware.rtl.settings import PRESCALE_BITS, Algorithm, BusWrite, Commit, setting_writes

MODULES: Final = ("tf_align", "tf_threshold", "tf_prescale", "tf_rates", "tf_registers", "trigger_top")
"""The hand-written modules, each in the file of its name beside this one; a module after those that it uses."""
STAGES_AFTER_CORE: Final = 2
"""Registers behind the core's: the thresholds' and the prescales'."""

_FOLDER: Final = Path(__file__).parent
_SHAPE_BITS: Final = {"algorithms": 128, "latency_clocks of the core": 255, "clocks_per_bx": 127, "orbit": 1 << 16}


@dataclass(frozen=True, slots=True)
class TriggerTop:
    """A trigger that compares output words of a core, its scores, with thresholds, one event a bunch crossing.

    Raises `InputError` if the core is no Verilog, a score has no bits or more than 32, or a number is out of range.
    """

    name: str
    core: RtlDesign
    program_digest: str
    """SHA-256 of the core's program; its first 32 bits are readable in the hardware."""
    algorithms: int = 1
    compares: tuple[int, ...] = (0,)
    """Index of the output word that every algorithm compares: one for all of them, or one for each."""
    orbit: int = LHC_ORBIT
    clocks_per_bx: int = 1

    def __post_init__(self) -> None:
        require_identifier(self.top, "the name of a trigger")
        foreign = [source.name for source in self.core.sources if source.suffix != SUFFIX[Language.VERILOG]]
        if foreign:
            raise InputError(f"the core of a trigger must be Verilog, not {foreign[0]}; build it with that language")
        if not re.fullmatch("[0-9a-f]{64}", self.program_digest):
            raise InputError(f"a program's digest must be 64 hexadecimal digits, not {self.program_digest!r}")
        taken = {source.stem for source in self.core.sources} & {self.top, *MODULES}
        if taken:
            raise InputError(f"a module of the core must not be named {min(taken)!r} as one of the trigger is; rename")
        self._check_scores()
        numbers = (self.algorithms, self.core.latency_clocks, self.clocks_per_bx, self.orbit)
        for (what, most), number in zip(_SHAPE_BITS.items(), numbers, strict=True):
            least = 2 if what == "orbit" else 1
            if not least <= number <= most:
                raise InputError(f"{what} must be {least}..{most}, not {number!r}")

    @property
    def top(self) -> str:
        """Name of the wiring module."""
        return f"{self.name}_trigger"

    @property
    def scores(self) -> tuple[int, ...]:
        """Indices of the output words that are compared, each once, in their order."""
        return tuple(sorted(set(self.compares)))

    @property
    def score_port(self) -> Port:
        """The scores as `out_score` has them, the first in the least significant bits."""
        return Port("out_score", tuple(self.core.outputs.words[k] for k in self.scores))

    @property
    def compared(self) -> tuple[int, ...]:
        """For every algorithm the place of its score in `scores`."""
        each = self.compares if len(self.compares) == self.algorithms else self.compares * self.algorithms
        return tuple(self.scores.index(k) for k in each)

    @property
    def score_words(self) -> tuple[Word, ...]:
        """For every algorithm width and sign of its score."""
        return tuple(self.score_port.words[k] for k in self.compared)

    @property
    def score_starts(self) -> tuple[int, ...]:
        """For every algorithm the lowest bit of its score in `out_score`."""
        words = self.score_port.words
        return tuple(sum(word.width for word in words[:k]) for k in self.compared)

    @property
    def latency_clocks(self) -> int:
        """Rising clock edges from an event's words to its bits."""
        return self.core.latency_clocks + STAGES_AFTER_CORE

    @property
    def identity(self) -> int:
        """What the register `Control.IDENTITY` reads: the first 32 bits of the program's digest."""
        return int(self.program_digest[:8], 16)

    def writes(self, algorithms: Sequence[Algorithm], commit: Commit | None = Commit.AT_ORBIT) -> tuple[BusWrite, ...]:
        """Bus writes that give every algorithm its settings, as `setting_writes` makes them."""
        if len(algorithms) != self.algorithms:
            raise InputError(
                f"settings of {self.name!r} must be of {self.algorithms} algorithms, not {len(algorithms)}"
            )
        return setting_writes(algorithms, self.score_words, commit)

    def emit(self) -> dict[str, str]:
        """SystemVerilog by file name: the hand-written modules and the wiring; the core's sources are not repeated."""
        texts = {f"{module}.sv": (_FOLDER / f"{module}.sv").read_text(encoding="utf-8") for module in MODULES}
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
        return (*self.core.sources, *(folder / f"{module}.sv" for module in (*MODULES, self.top)))

    def _check_scores(self) -> None:
        if len(self.compares) not in {1, self.algorithms}:
            raise InputError(
                f"compares must hold one output for all or one for each of {self.algorithms} algorithms, "
                f"not {len(self.compares)}"
            )
        words = self.core.outputs.words
        for score in self.compares:
            if not 0 <= score < len(words):
                raise InputError(f"a score must be 0..{len(words) - 1}, an output, not {score!r}")
            if not 1 <= words[score].width <= 32:
                raise InputError(f"a score must have 1..32 bits, not {words[score].width}; cast the program's output")

    def _wiring(self) -> str:
        core, bits = self.core, self.score_port.bits
        starts = {k: sum(word.width for word in core.outputs.words[:k]) for k in self.scores}
        slices = [f"core_out[{starts[k]} +: {core.outputs.words[k].width}]" for k in reversed(self.scores)]
        inputs = {"clk": 1, "rst": 1, "in_bc0": 1, "in_lumi": 1, "in_valid": 1, "in_words": core.inputs.bits}
        inputs |= {"bus_addr": 12, "bus_write": 1, "bus_wdata": 32}
        outputs = {"bus_rdata": 32, "out_strobe": 1, "out_valid": 1, "out_bx": (self.orbit - 1).bit_length()}
        outputs |= {"out_score": bits, "out_raw": self.algorithms, "out_bits": self.algorithms, "out_accept": 1}
        ports = [_port("input", *p) for p in inputs.items()] + [_port("output", *p) for p in outputs.items()]
        parameters = {
            "LATENCY": core.latency_clocks,
            "N_ALGOS": self.algorithms,
            "SCORE_BITS": bits,
            "ALGO_FIRST": _packed(self.score_starts, 16),
            "ALGO_WIDTH": _packed([word.width for word in self.score_words], 8),
            "ALGO_SIGNED": _packed([word.signed for word in self.score_words], 1),
            "ORBIT": self.orbit,
            "CLOCKS_PER_BX": self.clocks_per_bx,
            "PRESCALE_BITS": PRESCALE_BITS,
            "IDENTITY": f"32'h{self.identity:08x}",
        }
        passed = ", ".join(f".{name}" for name in (*inputs, *outputs) if name != "in_words")
        return (
            f"// {core.top} of program {self.program_digest} in a trigger.\n"
            f"module {self.top} (\n" + ",\n".join(ports) + "\n);\n"
            f"    wire [{core.outputs.bits - 1}:0] core_out;\n"
            f"    wire [{bits - 1}:0] score = {{{', '.join(slices)}}};\n\n"
            f"    {core.top} core (\n"
            f"        .{core.clock}(clk), .{core.inputs.name}(in_words), .{core.outputs.name}(core_out)\n"
            "    );\n\n"
            "    trigger_top #(\n        "
            + ",\n        ".join(f".{name}({value})" for name, value in parameters.items())
            + f"\n    ) trigger (\n        {passed}, .score\n    );\nendmodule\n"
        )


def _packed(values: Sequence[int], bits: int) -> str:
    """A SystemVerilog vector of values of `bits` bits each, the first in the least significant."""
    return f"{bits * len(values)}'h{sum(int(value) << bits * i for i, value in enumerate(values)):x}"


def _port(direction: str, name: str, bits: int) -> str:
    width = f"[{bits - 1}:0] " if bits > 1 or name in {"out_bx", "out_score", "out_raw", "out_bits", "in_words"} else ""
    return f"    {direction:<6} logic {width}{name}"
