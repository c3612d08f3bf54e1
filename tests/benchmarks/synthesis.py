"""The tables of docs/synthesis.md: cells and clock by Yosys and nextpnr, latency at every clock, options of Yosys.

    python tests/benchmarks/synthesis.py CACHE [clocks] [mapping] [placing] [options] [--projects NAME ...]

The projects are converted into CACHE once, and what was mapped or placed is kept there: a call that was ended goes on
where it was. Without a table named, all are made.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from trigforge.cli_synth import blocks_around, kept_program, kept_rtl
from trigforge.errors import CheckError, InputError
from trigforge.firmware.pipeline import choose_pipeline
from trigforge.firmware.project import Project, Targets, Trigger
from trigforge.firmware.synthesis import Block, Family, place_and_route, synthesise
from trigforge.firmware.synthesis.netlist import read_statistics
from trigforge.firmware.synthesis.tools import run_tool, yosys_command

PROJECTS = Path(__file__).parents[2] / "hls_projects"
NAMES = ("vae_l1", "vae_small_l1", "vicreg_l1", "calo_student", "regions_brevitas", "jets_qkeras")
CLOCKS_MHZ = (40, 80, 120, 160, 200, 240, 320, 360)
PART = {Family.XCUP: "xcvu13p-flga2577-2-e", Family.XC7: "xc7vx690t-ffg1927-2"}
OPTIONS = ("", "-dff", "-widemux 5", "-nosrl", "-nowidelut", "-nocarry")
TABLES = ("clocks", "mapping", "placing", "options")


class Bench:
    """The projects in a cache."""

    def __init__(self, cache: Path, names: list[str]) -> None:
        self.cache, self.names = cache, names

    def project(self, name: str) -> Project:
        """A project whose latency budget does not bind."""
        project = Project.load(PROJECTS / name / "project.toml")
        targets = project.targets.model_copy(update={"latency_budget_ns": 1000.0})
        return project.model_copy(update={"targets": targets})

    def program(self, name: str):
        """The program of a project, converted once."""
        return kept_program(self.project(name), PROJECTS / name, self.cache / name)

    def core(self, name: str):
        """The RTL and the pipeline of a project."""
        return kept_rtl(self.project(name), self.program(name), self.cache / name)

    def clocks(self) -> None:
        """Latency, register bits and slack of the slowest stage by the pipeline's model, for every clock."""
        row("project", "device", "MHz", "clocks", "latency ns", "FF bits", "levels", "slack ns")
        for name in self.names:
            program = self.program(name)
            for family, part in PART.items():
                for mhz in CLOCKS_MHZ:
                    targets = Targets(part=part, clock_ns=1000 / mhz, latency_budget_ns=1000.0)
                    try:
                        p = choose_pipeline(program, targets)
                    except InputError as error:
                        row(name, family.device, mhz, *("–",) * 4, str(error).split(",")[0])
                        continue
                    slack = p.clock_ns - p.delay_ns
                    ns, levels = f"{p.latency_ns:.1f}", f"{p.levels:.1f}"
                    row(name, family.device, mhz, p.latency_clocks, ns, p.register_bits, levels, f"{slack:.2f}")

    def mapping(self) -> None:
        """Cells of every core, and of the trigger around it, in every family.

        A project without a trigger gets one with an algorithm on each score.
        """
        row("project", "family", "of", "LUT", "inverters", "FF", "carry", "DSP", "BRAM", "levels", "seconds")
        for name in self.names:
            project, (design, _) = self.project(name), self.core(name)
            asked = project.model_copy(update={"trigger": project.trigger or Trigger()})
            around = blocks_around(asked, self.program(name), design, self.cache / name)
            for block in (Block.of(design), *around.values()):
                for family in Family:
                    start = time.monotonic()
                    found = synthesise(block, family, self.cache / "synthesis")
                    used = found.resources
                    counts = (used.lut, used.inverters, used.ff, used.carry, used.dsp, used.bram, found.levels)
                    row(name, family.value, block.top, *counts, f"{time.monotonic() - start:.0f}")

    def placing(self) -> None:
        """The highest frequency of every core on an ECP5."""
        row("project", "cells", "FF", "MHz", "of seeds", "logic ns", "routing ns", "levels", "limited by", "seconds")
        for name in self.names:
            design, _ = self.core(name)
            start = time.monotonic()
            try:
                found = place_and_route(Block.of(design), self.cache / "synthesis")
            except CheckError as error:
                row(name, *("–",) * 8, str(error).split(";")[0])
                continue
            (low, high), path = found.fmax_range, found.worst.path
            seeds, limit = f"{low:.1f}–{high:.1f}", "core" if found.block_limits else "harness"
            numbers = (f"{found.fmax_mhz:.1f}", seeds, path.logic_ns, path.routing_ns, path.levels, limit)
            row(name, found.comb, found.ff, *numbers, f"{time.monotonic() - start:.0f}")

    def options(self) -> None:
        """What options of `synth_xilinx` change in the first project."""
        row("options", "LUT", "inverters", "FF", "carry", "seconds")
        design, _ = self.core(self.names[0])
        folder = self.cache / "options"
        folder.mkdir(parents=True, exist_ok=True)
        for source in design.sources:
            (folder / source.name).write_bytes(source.read_bytes())
        sources = " ".join(source.name for source in design.sources)
        for option in OPTIONS:
            start = time.monotonic()
            script = f"read_verilog -sv {sources}; {Family.XCUP.command} {option} -top {design.top}"
            script += "; tee -q -o cells.json stat -json -tech xilinx"
            try:
                run_tool([*yosys_command(), "-q", "-p", script], folder, design.top, folder / "log", 3600)
            except CheckError as error:
                row(f"`{option}`", *("–",) * 4, str(error).split(";")[0])
                continue
            used = read_statistics((folder / "cells.json").read_text(), "", Family.XCUP)
            row(f"`{option}`", used.lut, used.inverters, used.ff, used.carry, f"{time.monotonic() - start:.0f}")


def row(*cells: object) -> None:
    """One row of a Markdown table."""
    sys.stdout.write("| " + " | ".join(map(str, cells)) + " |\n")
    sys.stdout.flush()


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("tables", nargs="*", help="default: all")
    parser.add_argument("--projects", nargs="+", choices=NAMES, default=list(NAMES))
    asked = parser.parse_args()
    unknown = sorted(set(asked.tables) - set(TABLES))
    if unknown:
        parser.error(f"a table must be one of {', '.join(TABLES)}, not {unknown[0]}")
    bench = Bench(asked.cache, asked.projects)
    for table in asked.tables or TABLES:
        sys.stdout.write(f"\n## {table}\n\n")
        getattr(bench, table)()


if __name__ == "__main__":
    main()
