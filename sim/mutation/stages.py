"""Consecutive stages of a core as a design of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trigforge.firmware.design import Port, RtlDesign
from trigforge.sim.mutation.flat import FlatCore

PART: Final = "mutation_part"
"""The module around consecutive stages."""


def part_of(
    design: RtlDesign, flat: FlatCore, first: int, last: int, folder: Path, cut: Port | None = None
) -> RtlDesign:
    """Stages `first..last` without registers between them and with one at the end, as a design of latency 1.

    Its wrapper is written to `folder`; the stages' sources are the design's. If the first stage has one more port `cut`
    (`windows.py`), its words follow those of the stage.
    """
    words = flat.words[first] if cut is None else (*flat.words[first], *cut.words)
    given, seen = Port("model_inp", words), Port("model_out", flat.words[last + 1])
    free = {} if cut is None else {first: f".{cut.name}({given.name}[{given.bits - 1}:{given.bits - cut.bits}]), "}
    ports = [f"input [{given.bits - 1}:0] {given.name}", f"output reg [{seen.bits - 1}:0] {seen.name}"]
    numbers = range(first, last + 1)
    text = "\n".join(
        [
            f"module {PART} (\n    input clk,\n    " + ",\n    ".join(ports) + "\n);",
            *(f"    wire [{sum(w.width for w in flat.words[k]) - 1}:0] link{k};" for k in (*numbers, last + 1)),
            f"    assign link{first} = {given.name}[{given.bits - 1 - (cut.bits if cut else 0)}:0];",
            *(
                f"    {design.top}_logic{k} stage{k} ({free.get(k, '')}.model_inp(link{k}), .model_out(link{k + 1}));"
                for k in numbers
            ),
            f"    always @(posedge clk) {seen.name} <= link{last + 1};",
            "endmodule\n",
        ]
    )
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = folder / f"{PART}.v"
    wrapper.write_text(text, encoding="utf-8")
    return RtlDesign((*design.sources[:-1], wrapper), PART, "clk", given, seen, 1)
