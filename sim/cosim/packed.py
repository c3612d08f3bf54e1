"""Modules with their ports packed into two, `given` and `seen`, so that the project's bench can play every bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import CheckError
from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.fixed import IntArray
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.certificate import LevelResult, compare
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.simulators import Simulator
from trigforge.sim.cosim.timing import Plan

Digits = npt.NDArray[np.uint8]
"""(clocks, bits) of the characters 0, 1, X and Z, the least significant bit first."""
BoolArray = npt.NDArray[np.bool_]
UNKNOWN: Final = ord("X")
RESET_CLOCK: Final = 3
"""The clock of the first reset; before it all inputs are undefined, after it no output is."""

_HARNESS: Final = "packed_ports"
_SLICE: Final = 32
"""Bits of a port that are compared as one word."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Modules that get the same inputs from one packed port, and their outputs in another, the first lowest."""

    design: RtlDesign
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    copies: int

    @classmethod
    def write(
        cls,
        sources: Sequence[Path],
        instances: Sequence[str],
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        folder: Path,
        clock: str = "clk",
    ) -> Packed:
        """Write the module that packs the ports, whose bits `inputs` and `outputs` say, to `folder`.

        `instances` are the modules' names and parameters.
        """
        path = folder / f"{_HARNESS}.sv"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(harness(_HARNESS, instances, inputs, outputs, clock), encoding="utf-8")
        widths = sum(inputs.values()), sum(outputs.values()) * len(instances)
        given, seen = (
            Port(name, (Word(1, signed=False),) * bits) for name, bits in zip(("given", "seen"), widths, strict=True)
        )
        design = RtlDesign((*sources, path), _HARNESS, "clk", given, seen, 1)
        return cls(design, dict(inputs), dict(outputs), len(instances))

    def play(
        self, given: Mapping[str, Digits], simulator: Simulator, folder: Path, timeout_s: float = 1800.0
    ) -> list[dict[str, Digits]]:
        """Every copy's outputs just before each clock edge, before which the inputs of that clock are applied.

        Raises `CheckError` if the modules do not compile.
        """
        digits = np.concatenate([given[name] for name in self.inputs], axis=1)
        clocks = np.arange(len(digits), dtype=np.int64)
        plan = Plan(len(digits), hold=1, probes=clocks[:0], order=clocks)
        bits = np.ascontiguousarray(digits[:, ::-1]).view(f"S{digits.shape[1]}")[:, 0]
        built = build(self.design, simulator, folder, timeout_s)
        trace, _ = play(self.design, simulator, built, bits, plan, 7, 5.0, timeout_s)
        return self._split(self.design.outputs.digits(trace)[:, ::-1])

    def _split(self, seen: Digits) -> list[dict[str, Digits]]:
        cuts = list(pairwise(np.cumsum([0, *self.outputs.values()]).tolist()))
        return [
            {name: own[:, low:high] for name, (low, high) in zip(self.outputs, cuts, strict=True)}
            for own in np.split(seen, self.copies, axis=1)
        ]


def harness(
    name: str, instances: Sequence[str], inputs: Mapping[str, int], outputs: Mapping[str, int], clock: str = "clk"
) -> str:
    """SystemVerilog of a module whose ports have the first input and the first output in the least significant bits.

    The outputs of several instances are side by side, the first instance's lowest.
    """
    suffixes = [f"_{index}" for index in range(len(instances))] if len(instances) > 1 else [""]
    shown = {f"{output}{suffix}": bits for suffix in suffixes for output, bits in outputs.items()}
    clocked = ".clk" if clock == "clk" else f".{clock}(clk)"
    widths = sum(inputs.values()), sum(shown.values())
    lines = [f"module {name} (input clk, input [{widths[0] - 1}:0] given, output [{widths[1] - 1}:0] seen);"]
    lines += [f"    wire [{bits - 1}:0] {wire};" for wire, bits in (*inputs.items(), *shown.items())]
    lines += [f"    assign {{{', '.join(reversed([*inputs]))}}} = given;"]
    lines += [f"    assign seen = {{{', '.join(reversed(shown))}}};"]
    for instance, suffix in zip(instances, suffixes, strict=True):
        ends = [f".{output}({output}{suffix})" if suffix else f".{output}" for output in outputs]
        lines.append(f"    {instance} dut{suffix} ({', '.join((clocked, *(f'.{port}' for port in inputs), *ends))});")
    return "\n".join([*lines, "endmodule\n"])


def digits_of(values: npt.NDArray[np.generic], bits: int) -> Digits:
    """(clocks, columns * bits) of integers or flags (clocks,) or (clocks, columns), the first column lowest."""
    table = values.reshape(len(values), -1, 1).astype(np.uint64)
    return (table >> np.arange(bits, dtype=np.uint64) & np.uint64(1)).astype(np.uint8).reshape(len(values), -1) + ord(
        "0"
    )


def numbers_of(digits: Digits) -> IntArray:
    """The numbers (clocks,) of at most 62 digits that are all 0 or 1."""
    assert np.isin(digits, (ord("0"), ord("1"))).all(), "undefined bits"
    return (digits - np.uint8(ord("0"))).astype(np.int64) @ (1 << np.arange(digits.shape[1], dtype=np.int64))


def compare_ports(
    level: str,
    expected: Mapping[str, Digits],
    seen: Mapping[str, Digits],
    kinds: npt.NDArray[np.str_],
    heeded: Mapping[str, BoolArray],
) -> LevelResult:
    """Compare ports on every clock after the first reset; an event is a clock of one of `kinds` (clocks,).

    A port of `heeded` counts on those clocks only. Raises `CheckError` that names port and clock if a bit that counts
    is neither 0 nor 1.
    """
    start = RESET_CLOCK + 1
    names: list[str] = []
    columns: list[tuple[IntArray, IntArray]] = []
    words = 0
    for name, digits in expected.items():
        counts = heeded.get(name, np.ones(len(digits), dtype=bool))
        _require_defined(level, name, seen[name], counts)
        got = np.where(counts[:, None], seen[name], digits)
        for low in range(0, digits.shape[1], _SLICE):
            piece = slice(low, min(low + _SLICE, digits.shape[1]))
            columns.append((numbers_of(digits[start:, piece]), numbers_of(got[start:, piece])))
            names.append(name if digits.shape[1] <= _SLICE else f"{name}[{piece.stop - 1}:{low}]")
            words += int(counts[start:].sum())
    wanted, found = (np.stack(side, axis=1) for side in zip(*columns, strict=True))
    return compare(level, wanted, found, kinds[start:], names, first_clock=start).model_copy(update={"words": words})


def _require_defined(level: str, name: str, digits: Digits, counts: BoolArray) -> None:
    undefined = (digits != ord("0")) & (digits != ord("1")) & counts[:, None]
    undefined[: RESET_CLOCK + 1] = False
    if undefined.any():
        clock, bit = (int(k) for k in np.argwhere(undefined)[0])
        raise CheckError(
            f"{level} must have no undefined bit after a reset, but bit {bit} of {name} is {chr(digits[clock, bit])} "
            f"at clock {clock}; {int(undefined.any(axis=1).sum())} of {len(digits)} clocks have undefined bits of it"
        )
