"""hls4ml's `build`: RTL, co-simulation, certificate and resource estimate of a written project, and its report."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.emulator import compile_emulator
from trigforge.firmware.rtl import read_pipeline
from trigforge.firmware.synthesis import estimate
from trigforge.firmware.vendor.vivado import run_vivado
from trigforge.hls4ml_backend.check import check_csim, check_emulator
from trigforge.hls4ml_backend.csim import compile_library, load_csim
from trigforge.hls4ml_backend.files import CERTIFICATE_FILE, REPORT_FILE, Project
from trigforge.hls4ml_backend.interface import to_reals
from trigforge.hls4ml_backend.stimuli import Stimuli, make_stimuli
from trigforge.sim.cosim import Certificate, LevelResult, find_simulator
from trigforge.sim.cosim.certify import Subject, certify
from trigforge.value import write_atomic

Report = dict[str, Any]

BUILT = ("rtl", "sim", "yosys", "vivado")
"""Folders that `reset` removes."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What a build is asked to do."""

    csim: bool = True
    synth: bool = True
    cosim: bool = True
    vsynth: bool = False
    reset: bool = False
    simulator: str = "verilator"
    vectors: int = 2000

    @classmethod
    def of(cls, *, export: bool, fifo_opt: bool, **asked: Any) -> Self:
        """The steps of hls4ml's arguments; those that RTL from trigforge cannot take raise `InputError`."""
        if export:
            raise InputError(
                "export must be False: an IP package is made by Vivado; take the RTL in trigforge/rtl, or convert with "
                "backend='Vitis'"
            )
        if fifo_opt:
            raise InputError("fifo_opt must be False: the RTL has no FIFOs")
        steps = cls(**asked)
        if steps.vectors < 1:
            raise InputError(f"vectors must be at least 1, not {steps.vectors}")
        return steps


def build_project(project: Project, steps: Steps) -> Report:
    """Run the steps on a project and write the report; the first word that differs anywhere raises `CheckError`."""
    if steps.reset:
        for name in BUILT:
            shutil.rmtree(project.own / name, ignore_errors=True)
    for name in (REPORT_FILE, CERTIFICATE_FILE):
        (project.own / name).unlink(missing_ok=True)
    design = project.rtl()
    stimuli = make_stimuli(project, steps.vectors)
    rows = bench_rows(project, stimuli)
    report: Report = {}
    emulator, levels = compile_emulator(project.program, project.own), tuple[LevelResult, ...]()
    if emulator.library is not None:  # else it is the program itself, and nothing may be claimed of native code
        levels = (check_emulator(project, emulator, stimuli),)
    if steps.csim:
        if not project.library.is_file():
            compile_library(project)
        levels = (check_csim(project, load_csim(project), stimuli), *levels)
        report |= {"CSimResults": rows} if rows else {}
    if steps.cosim:
        certificate = verify_rtl(project, design, stimuli, levels, steps.simulator)
        report |= {"CosimResults": rows} if rows else {}
        report["CosimReport"] = cosim_report(certificate)
        levels = certificate.levels
    report["TrigforgeReport"] = {
        "Top": design.top,
        "Sources": [str(path) for path in design.sources],
        "ProgramDigest": project.program.digest,
        "Mismatches": {level.name: level.mismatches for level in levels},
        "MayWrap": list(project.interface.may_wrap),
    }
    save_report(project, report)  # mapping takes longest, and may fail
    if steps.synth:
        report["CSynthesisReport"] = synthesis_report(project, design)
    if steps.vsynth:
        report["VivadoSynthReport"] = vivado_report(project, design)
    save_report(project, report)
    return report


def save_report(project: Project, report: Report) -> None:
    """Write the report where `hls4ml report` reads it."""
    write_atomic(project.own / REPORT_FILE, json.dumps(report, indent=1) + "\n")


def verify_rtl(
    project: Project, design: RtlDesign, stimuli: Stimuli, levels: tuple[LevelResult, ...], simulator: str
) -> Certificate:
    """Simulate the RTL and write the certificate of it and of `levels`; `CheckError` if a word differs."""
    program, interface = project.program, project.interface
    subject = Subject(interface.project, program, design, interface.clock_ns, {}, program.provenance.tools)
    folder = project.own / "sim" / simulator
    certificate, _ = certify(subject, levels, stimuli.vectors, find_simulator(simulator), folder)
    certificate.save(project.own / CERTIFICATE_FILE)
    certificate.require()
    return certificate


def cosim_report(certificate: Certificate) -> Report:
    """hls4ml's `CosimReport`, with the simulator and the number of events."""
    latency, interval = certificate.latency_clocks, certificate.ii
    return {
        "RTL": "Verilog",
        "Status": "Pass",
        "LatencyMin": latency,
        "LatencyMax": latency,
        "LatencyAvg": float(latency),
        "IntervalMin": interval,
        "IntervalMax": interval,
        "IntervalAvg": float(interval),
        "Simulator": certificate.tools["simulator"],
        "Events": certificate.events,
    }


def synthesis_report(project: Project, design: RtlDesign) -> Report:
    """hls4ml's `CSynthesisReport`, its numbers text as there, of the RTL mapped by Yosys: see `Estimator`."""
    cells, pipeline = estimate(design, project.own / "yosys"), read_pipeline(project.own / "rtl")
    return {
        "TargetClockPeriod": f"{project.interface.clock_ns:.2f}",
        "EstimatedClockPeriod": f"{pipeline.delay_ns:.3f}",
        "BestLatency": str(design.latency_clocks),
        "WorstLatency": str(design.latency_clocks),
        "IntervalMin": "1",
        "IntervalMax": "1",
        "BRAM_18K": str(cells.bram),
        "DSP": str(cells.dsp),
        "FF": str(cells.ff),
        "LUT": str(cells.lut),
        "URAM": "0",
        "Estimator": cells.estimator,
    }


def vivado_report(project: Project, design: RtlDesign) -> Report:
    """hls4ml's `VivadoSynthReport`, placed and routed out of context, where Vivado is on PATH."""
    used = run_vivado(design, project.targets, project.own / "vivado").used
    counts = {"LUT": used.lut, "FF": used.ff, "BRAM_18K": used.bram18, "URAM": used.uram, "DSP48E": used.dsp}
    return {**{name: str(count) for name, count in counts.items()}, "Estimator": used.estimator}


def bench_rows(project: Project, stimuli: Stimuli) -> list[list[str]]:
    """hls4ml's result rows: the outputs as text for every event of the conversion's test bench."""
    words = stimuli.vectors.words[stimuli.vectors.kinds == "physics"]
    reals = to_reals(project.program(words), project.program, np.float64)
    return [[repr(float(value)) for value in row] for row in reals]
