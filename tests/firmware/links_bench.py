"""Plays bits into modules whose ports are packed into two, clock by clock, in a real simulator."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trigforge.firmware.design import Port, RtlDesign, Word
from trigforge.firmware.rtl.links_model import LinkStream
from trigforge.sim.cosim import Simulator
from trigforge.sim.cosim.build import build
from trigforge.sim.cosim.cosim import play
from trigforge.sim.cosim.timing import Plan

Digits = npt.NDArray[np.uint8]
"""(clocks, bits) of the characters 0, 1, X and Z, the least significant bit first."""
HARNESS = "packed_ports"
UNKNOWN = ord("X")
RESET_CLOCKS = 3
"""Clocks before the first reset, in which all inputs are undefined."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Modules that get the same inputs from one packed port, and their outputs in another, the first lowest."""

    design: RtlDesign
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    copies: int

    @classmethod
    def of(
        cls,
        sources: Sequence[Path],
        instances: Sequence[str],
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        clock: str = "clk",
    ) -> Packed:
        """`instances` are the modules' names and parameters; the harness is written beside the last of the sources."""
        wires = [f"    wire [{bits - 1}:0] {name};" for name, bits in inputs.items()]
        copies = []
        for index, instance in enumerate(instances):
            wires += [f"    wire [{bits - 1}:0] {name}_{index};" for name, bits in outputs.items()]
            names = ", ".join((*(f".{name}" for name in inputs), *(f".{name}({name}_{index})" for name in outputs)))
            copies.append(f"    {instance} dut_{index} (.{clock}(clk), {names});")
        seen = ", ".join(f"{name}_{index}" for index in reversed(range(len(copies))) for name in reversed(outputs))
        widths = sum(inputs.values()), sum(outputs.values()) * len(copies)
        text = "\n".join(
            [
                f"module {HARNESS} (input clk, input [{widths[0] - 1}:0] given, output [{widths[1] - 1}:0] seen);",
                *wires,
                f"    assign {{{', '.join(reversed(inputs))}}} = given;",
                f"    assign seen = {{{seen}}};",
                *copies,
                "endmodule\n",
            ]
        )
        harness = sources[-1].with_name(f"{HARNESS}.sv")
        harness.write_text(text)
        given, shown = (
            Port(name, (Word(1, signed=False),) * bits) for name, bits in zip(("given", "seen"), widths, strict=True)
        )
        design = RtlDesign((*sources, harness), HARNESS, "clk", given, shown, 1)
        return cls(design, dict(inputs), dict(outputs), len(copies))

    def play(self, given: Mapping[str, Digits], simulator: Simulator, folder: Path) -> list[dict[str, Digits]]:
        """Every copy's outputs just before each clock edge, before which the inputs of that clock are applied."""
        digits = np.concatenate([given[name] for name in self.inputs], axis=1)
        assert digits.shape[1] == self.design.inputs.bits
        clocks = np.arange(len(digits), dtype=np.int64)
        plan = Plan(len(digits), hold=1, probes=clocks[:0], order=clocks)
        bits = np.ascontiguousarray(digits[:, ::-1]).view(f"S{digits.shape[1]}")[:, 0]
        built = build(self.design, simulator, folder, 200)
        trace, _ = play(self.design, simulator, built, bits, plan, 7, 5.0, 200)
        return self.split(self.design.outputs.digits(trace)[:, ::-1])

    def split(self, seen: Digits) -> list[dict[str, Digits]]:
        """The outputs of every copy by name."""
        cuts = list(pairwise(np.cumsum([0, *self.outputs.values()]).tolist()))
        return [
            {name: own[:, low:high] for name, (low, high) in zip(self.outputs, cuts, strict=True)}
            for own in np.split(seen, self.copies, axis=1)
        ]


def digits_of(values: npt.NDArray[np.generic], bits: int) -> Digits:
    """(clocks, columns * bits) of integers or flags (clocks,) or (clocks, columns), the first column lowest."""
    table = values.reshape(len(values), -1, 1).astype(np.uint64)
    return (table >> np.arange(bits, dtype=np.uint64) & np.uint64(1)).astype(np.uint8).reshape(len(values), -1) + ord(
        "0"
    )


def numbers_of(digits: Digits) -> npt.NDArray[np.int64]:
    """The numbers (clocks,) of at most 62 digits that are all 0 or 1."""
    assert np.isin(digits, (ord("0"), ord("1"))).all(), "undefined bits"
    return (digits - np.uint8(ord("0"))).astype(np.int64) @ (1 << np.arange(digits.shape[1], dtype=np.int64))


def renamed(texts: Mapping[str, str], mutation: tuple[str, str, str], suffix: str) -> dict[str, str]:
    """Copies of modules, each of the name of its file and a suffix, with the one place of a text in one replaced."""
    module, old, new = mutation
    assert texts[f"{module}.sv"].count(old) == 1, f"{old!r} must occur once in {module}"
    changed = dict(texts) | {f"{module}.sv": texts[f"{module}.sv"].replace(old, new)}
    names = re.compile(rf"\b({'|'.join(name.removesuffix('.sv') for name in texts)})\b")
    return {name.replace(".sv", f"{suffix}.sv"): names.sub(rf"\1{suffix}", text) for name, text in changed.items()}


def mutants(texts: Mapping[str, str], module: str, mutations: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The sources of a module as it is and of its mutants, which have the number of their mutation in their names."""
    own = {f"{module}.sv": texts[f"{module}.sv"]}
    found = dict(own)
    for index, (old, new) in enumerate(mutations):
        found |= renamed(own, (module, old, new), f"_mutant_{index}")
    return found


def written(texts: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """The files of the texts, in their order, in a new folder."""
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return tuple(folder / name for name in texts)


def tools(folder: Path, command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Status of a tool and what it complains about."""
    run = subprocess.run(
        command, cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=300, check=False
    )
    return run.returncode, run.stderr


def spoil(stream: LinkStream, kind: str, link: int, clock: int, orbit: int, frames: int) -> None:
    """Put one fault into a stream: at a clock of a crossing, or at the clock `orbit` with which the orbit begins."""
    match kind:
        case "valid":
            stream.valid[clock, link] ^= True
        case "change":
            stream.valid[clock : clock + frames] ^= True
        case "stray":
            stream.bc0[clock, link] ^= True
        case "cut":
            stream.bc0[clock] = True
        case "missing":
            stream.bc0[orbit, link] = False
        case "late":
            stream.bc0[orbit : orbit + 2, link] = [False, True]
        case "none":
            stream.bc0[orbit] = False
