"""A block on a device with fewer pins than it has ports: scan chains of hand-written RTL around the mapped block.

The block's netlist is put into the mapped harness as it is, so nothing of it is optimised away or shared, and the
harness's own cells are known. Every port of the block is one flip-flop away, every pin an untimed path.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from trigforge.errors import InputError
from trigforge.firmware.synthesis.families import Family
from trigforge.firmware.synthesis.netlist import NETLIST, top_module
from trigforge.firmware.synthesis.yosys import Block, map_in_folder
from trigforge.value import Value

MODULES: Final = ("tf_scan_in", "tf_scan_out")
TOP: Final = "tf_harness"
INSTANCE: Final = "core"
"""Name of the block's instance: in reports its cells begin with it."""
WRAPPED: Final = "wrapped.json"
_FOLDER: Final = Path(__file__).parent


class HarnessCost(Value):
    """The harness's own cells, none of them counted as the block's."""

    lut: int = Field(ge=0)
    ff: int = Field(ge=0)


def wrap(block: Block, mapped: Path, folder: Path, family: Family) -> HarnessCost:
    """Write to `folder` the netlist of a harness with the block that `map_block` left in `mapped`."""
    module = top_module(mapped / NETLIST)
    module["attributes"].pop("top")
    modules = map_in_folder(harness_text(block, module["ports"]), TOP, folder, family, f"the harness of {block.top}")
    own: Any = modules[TOP]
    cells = Counter(cell["type"] for cell in own["cells"].values())
    content = {"creator": "trigforge", "modules": {**modules, block.top: module}}
    (folder / WRAPPED).write_text(json.dumps(content), encoding="utf-8")
    known = family.cells
    return HarnessCost(lut=sum(cells[n] for n in known.lut), ff=sum(cells[n] for n in known.ff))


def harness_text(block: Block, ports: dict[str, dict[str, Any]]) -> str:
    """SystemVerilog of the harness: the hand-written modules, the block as a black box, and the wiring."""
    if block.top in {TOP, *MODULES}:
        raise InputError(f"a module to be placed must not be named {block.top!r} as one of the harness is; rename it")
    widths = {d: {n: len(p["bits"]) for n, p in ports.items() if p["direction"] == d} for d in ("input", "output")}
    if widths["input"].pop(block.clock, 0) != 1 or not all(widths.values()):
        raise InputError(
            f"{block.top!r} must have the clock {block.clock!r}, inputs and outputs to be timed, not {', '.join(ports)}"
        )
    inputs, outputs = sum(widths["input"].values()), sum(widths["output"].values())
    declared = [f"input {block.clock}"] + [f"{d} [{w - 1}:0] {n}" for d in widths for n, w in widths[d].items()]
    wired = [f".{block.clock}(clk)", *_slices(widths["input"], "given"), *_slices(widths["output"], "seen")]
    texts = [(_FOLDER / f"{module}.sv").read_text(encoding="utf-8") for module in MODULES]
    return "\n".join(
        [
            *texts,
            f"(* blackbox *)\nmodule {block.top} (\n    " + ",\n    ".join(declared) + "\n);\nendmodule\n",
            f"module {TOP} (input clk, input shift, input serial_in, input capture, output serial_out);",
            f"    wire [{inputs - 1}:0] given;\n    wire [{outputs - 1}:0] seen;",
            f"    tf_scan_in #({inputs}) scan_in (.clk, .shift, .serial(serial_in), .parallel(given));",
            f"    {block.top} {INSTANCE} (\n        " + ",\n        ".join(wired) + "\n    );",
            f"    tf_scan_out #({outputs}) scan_out (.clk, .capture, .parallel(seen), .serial(serial_out));",
            "endmodule\n",
        ]
    )


def _slices(widths: dict[str, int], bus: str) -> list[str]:
    """Every port on its own bits of a bus."""
    connections, start = [], 0
    for name, width in widths.items():
        connections.append(f".{name}({bus}[{start + width - 1}:{start}])")
        start += width
    return connections
