"""What every estimator at hand says of one core, side by side and never mixed: who said it, and of what."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import Field

from trigforge.firmware.design import RtlDesign
from trigforge.firmware.network import LEVELS_PER_UNIT
from trigforge.firmware.pipeline import Pipeline
from trigforge.firmware.program import IntegerProgram
from trigforge.firmware.project import Targets
from trigforge.firmware.synthesis.cached import SEEDS, Placement, Synthesis, place_and_route, synthesise
from trigforge.firmware.synthesis.families import Family, family_of, known_family
from trigforge.firmware.synthesis.nextpnr import Ecp5
from trigforge.firmware.synthesis.yosys import Block
from trigforge.firmware.vendor import quartus, vivado
from trigforge.firmware.vendor.quartus_reports import QuartusReport
from trigforge.firmware.vendor.reports import VivadoReport
from trigforge.value import Value

MULTIPLIERS: Final = "0 DSP because multipliers are mapped to logic (-nodsp)"
LEFT_TO_QUARTUS: Final = "Quartus decides which multipliers become DSP blocks"


class Row(Value):
    """What one tool says of one block; what it does not say is None."""

    subject: str
    stage: str
    """How far the tool went: estimate of operations, technology mapping, or place and route."""
    tool: str
    """Its name, version, family and options."""
    lut: int | None = Field(default=None, ge=0)
    ff: int | None = Field(default=None, ge=0)
    carry: int | None = Field(default=None, ge=0)
    dsp: int | None = Field(default=None, ge=0)
    bram: int | None = Field(default=None, ge=0)
    levels: float | None = Field(default=None, ge=0)
    """LUTs on the path that limits the clock."""
    period_ns: float | None = Field(default=None, gt=0)
    """The shortest clock period."""
    note: str = ""


class Comparison(Value):
    """One program at one clock, and every estimator's row."""

    project: str
    program: str
    """Its digest."""
    part: str
    clock_ns: float = Field(gt=0)
    latency_clocks: int = Field(ge=2)
    ii: int = 1
    """Clocks between two events: the pipeline takes one every clock."""
    rows: tuple[Row, ...]
    multipliers: str = MULTIPLIERS
    placement: Placement | None = None

    @property
    def latency_ns(self) -> float:
        """Time from an input word to its output word."""
        return self.latency_clocks * self.clock_ns


@dataclass(frozen=True, slots=True)
class Subject:
    """A program, its core, and what is around it that is synthesised too."""

    project: str
    program: IntegerProgram
    design: RtlDesign
    pipeline: Pipeline
    targets: Targets
    around: Mapping[str, Block] = field(default_factory=dict)
    """By what it is."""


def compare_estimates(
    subject: Subject, folder: Path, family: Family | None = None, seeds: tuple[int, ...] = SEEDS
) -> Comparison:
    """All estimators that are at hand: models, Yosys, nextpnr for an ECP5, Vivado or Quartus if on PATH for its parts.

    Yosys maps to no device of Intel's here: for one, Quartus or `family` must be there. Results of Yosys and nextpnr
    are kept in `folder` by digest. Raises `MissingToolError` without Yosys, or nextpnr for an ECP5.
    """
    own, by_quartus = known_family(subject.targets.part), _runs_quartus(subject.targets)
    if family is None and not by_quartus:
        family = family_of(subject.targets.part)
    core = Block.of(subject.design)
    rows = [alkaid_row(subject), pipeline_row(subject)]
    if family is not None:
        rows.append(mapped_row("core", synthesise(core, family, folder), subject.targets))
        for name, block in subject.around.items():
            rows.append(mapped_row(name, synthesise(block, family, folder), subject.targets))
    placement = None
    if family is Family.ECP5:
        device = Ecp5.of_part(subject.targets.part) if own is family else Ecp5()
        placement = place_and_route(core, folder, device, 1000 / subject.targets.clock_ns, seeds)
        rows.append(placed_row(placement))
    if family is own and family in {Family.XCUP, Family.XC7} and any(map(shutil.which, vivado.PROGRAMS)):
        rows.append(vivado_row(vivado.run_vivado(subject.design, subject.targets, folder / "vivado")))
    if by_quartus:
        rows.append(quartus_row(quartus.run_quartus(subject.design, subject.targets, folder / "quartus")))
    return Comparison(
        project=subject.project,
        program=subject.program.digest,
        part=subject.targets.part,
        clock_ns=subject.targets.clock_ns,
        latency_clocks=subject.pipeline.latency_clocks,
        rows=tuple(rows),
        multipliers=LEFT_TO_QUARTUS if family is None else MULTIPLIERS,
        placement=placement,
    )


def alkaid_row(subject: Subject) -> Row:
    """alkaid's cost of the operations and its delay of the longest chain of them."""
    units = max(subject.program.comb.latency)
    return Row(
        subject="core",
        stage="estimate",
        tool=f"alkaid {importlib.metadata.version('alkaid')}, ternary adders",
        lut=round(subject.pipeline.cost),
        note=f"{units:.1f} delay units from input to output, each at most {LEVELS_PER_UNIT:g} levels",
    )


def pipeline_row(subject: Subject) -> Row:
    """trigforge's own model, by which it places the registers."""
    pipeline = subject.pipeline
    return Row(
        subject="core",
        stage="estimate",
        tool="trigforge pipeline model",
        ff=pipeline.register_bits,
        levels=round(pipeline.levels, 2),
        period_ns=round(pipeline.delay_ns, 3),
        note=f"{pipeline.ns_per_level:g} ns a level assumed for {subject.targets.part}",
    )


def mapped_row(name: str, found: Synthesis, targets: Targets) -> Row:
    """Yosys' cells; it knows no wires, so it says no period."""
    used, notes = found.resources, []
    if used.inverters:
        notes.append(f"{used.inverters} inverters beside")
    if found.family is Family.ECP5:
        notes.append("a carry cell holds two LUTs more")
    if found.family is not known_family(targets.part):
        notes.append(f"pipelined for {targets.part}")
    return Row(
        subject=name,
        stage="mapping",
        tool=used.estimator,
        lut=used.lut,
        ff=used.ff,
        carry=used.carry,
        dsp=used.dsp,
        bram=used.bram,
        levels=found.levels,
        note="; ".join(notes),
    )


def placed_row(found: Placement) -> Row:
    """nextpnr's cells of the block alone and the median period of its seeds."""
    low, high = found.fmax_range
    path = found.worst.path
    limited = "" if found.block_limits else "; the harness limits it"
    return Row(
        subject="core",
        stage="place and route",
        tool=f"{found.estimator} ({found.device.name})",
        lut=found.comb,
        ff=found.ff,
        levels=path.levels,
        period_ns=round(1000 / found.fmax_mhz, 3),
        note=f"{found.fmax_mhz:.1f} MHz, median of {len(found.routes)} seeds, {low:.1f} to {high:.1f}; worst path "
        f"{path.logic_ns:.1f} ns logic, {path.routing_ns:.1f} ns routing; harness of {found.harness.lut} LUT and "
        f"{found.harness.ff} FF subtracted{limited}",
    )


def vivado_row(found: VivadoReport) -> Row:
    """Vivado's cells and the period at which its worst path is just met."""
    used = found.used
    return Row(
        subject="core",
        stage="place and route",
        tool=f"{used.estimator}, out of context",
        lut=used.lut,
        ff=used.ff,
        dsp=used.dsp,
        bram=used.bram18,
        period_ns=round(found.achieved_clock_ns, 3),
        note="" if found.met else f"{found.failing_endpoints} endpoints fail",
    )


def quartus_row(found: QuartusReport) -> Row:
    """Quartus' cells and the period at which its worst path is just met."""
    notes = [f"LUT: {found.unit}s of {found.device}", *(f"{name} fails" for name in found.failing)]
    return Row(
        subject="core",
        stage="place and route",
        tool=f"{found.estimator}, on virtual pins",
        lut=found.cells,
        ff=found.ff,
        dsp=found.dsp,
        bram=found.bram,
        period_ns=round(found.achieved_clock_ns, 3),
        note="; ".join(notes),
    )


def _runs_quartus(targets: Targets) -> bool:
    """Whether Quartus is on PATH and builds for the part."""
    return quartus.is_intel(targets.part) and any(map(shutil.which, quartus.PROGRAMS))
