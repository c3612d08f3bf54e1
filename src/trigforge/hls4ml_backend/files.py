"""What the backend writes into an hls4ml project, beside the HLS: program, interface and RTL in `trigforge/`."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trigforge.errors import InputError
from trigforge.firmware.design import RtlDesign
from trigforge.firmware.lowering import Loss, Lowering, lower
from trigforge.firmware.lowering.layer import fixed_type
from trigforge.firmware.program import IntegerProgram, Provenance
from trigforge.firmware.project import Targets
from trigforge.firmware.rtl import read_rtl, write_rtl
from trigforge.fixed import FixedType
from trigforge.hls4ml_backend.interface import InputTensor, Interface, OutputTensor, Settings, model_contract

SECTION = "Trigforge"
"""Key of the backend's settings in hls4ml's configuration."""
FOLDER = "trigforge"
PROGRAM_FILE = "program.json.gz"
INTERFACE_FILE = "interface.json"
REPORT_FILE = "report.json"
CERTIFICATE_FILE = "certificate.json"

TOOLS = ("alkaid", "hls4ml", "numpy")
NO_BUDGET_NS = 1e9


@dataclass(frozen=True, slots=True)
class Project:
    """A written project: where it is, its interface and its program."""

    folder: Path
    """hls4ml's output folder."""
    interface: Interface
    program: IntegerProgram

    @property
    def own(self) -> Path:
        """The folder of our files in it."""
        return self.folder / FOLDER

    @property
    def library(self) -> Path:
        """hls4ml's compiled simulation, if it was compiled."""
        return self.folder / "firmware" / f"{self.interface.project}-{self.interface.stamp}.so"

    @property
    def top(self) -> str:
        """Name of the RTL's top module: never a keyword, nor one of the engine's own names."""
        return "top_" + re.sub("_+", "_", self.interface.project).strip("_")

    @property
    def targets(self) -> Targets:
        """Device, clock and budget."""
        interface = self.interface
        asked = interface.settings.model_dump(include={"stages", "ns_per_level"})
        budget = interface.settings.latency_budget_ns or NO_BUDGET_NS
        device = {"part": interface.part, "clock_ns": interface.clock_ns}
        limits = {"clock_uncertainty": interface.clock_uncertainty, "latency_budget_ns": budget}
        return Targets.parse({**device, **limits, **asked}, where="the hls4ml config")

    def rtl(self) -> RtlDesign:
        """The RTL, written now unless it is there; `InputError` if the device cannot meet the clock or the budget."""
        folder = self.own / "rtl"
        try:
            return read_rtl(self.program, folder, self.top)
        except InputError:
            return write_rtl(self.program, self.targets, folder, self.top)


def lower_graph(graph: Any) -> tuple[Lowering, Interface]:
    """The lowering and the interface of a graph; `ExactnessError` for what has no exact integer meaning."""
    inputs = tuple(
        InputTensor(name=name, shape=_shape(variable), kind=_type(variable, name), ap_int=_is_ap_int(variable))
        for name, variable in zip(graph.inputs, graph.get_input_variables(), strict=True)
    )
    outputs = tuple(
        OutputTensor(name=name, shape=_shape(variable))
        for name, variable in zip(graph.outputs, graph.get_output_variables(), strict=True)
    )
    contract = model_contract(inputs)
    tools = {name: importlib.metadata.version(name) for name in TOOLS}
    lowering = lower(graph, contract, Provenance(framework="hls4ml", contract_digest=contract.digest, tools=tools))
    config = graph.config.config
    clock_ns = float(config["ClockPeriod"])
    interface = Interface(
        project=config["ProjectName"],
        stamp=str(config.get("Stamp", "")),
        inputs=inputs,
        outputs=outputs,
        part=str(config["Part"]),
        clock_ns=clock_ns,
        clock_uncertainty=parse_uncertainty(str(config["ClockUncertainty"]), clock_ns),
        settings=Settings.parse(config.get(SECTION) or {}, where=f"section {SECTION} of the hls4ml config"),
        may_wrap=tuple(str(width) for width in lowering.widths if width.loss is Loss.WRAPS),
    )
    return lowering, interface


def save_project(folder: Path, program: IntegerProgram, interface: Interface) -> Project:
    """Write program and interface into hls4ml's output folder."""
    program.save(folder / FOLDER / PROGRAM_FILE)
    interface.save(folder / FOLDER / INTERFACE_FILE)
    return Project(folder, interface, program)


def load_project(folder: Path) -> Project:
    """The project in hls4ml's output folder; `InputError` if trigforge did not write one there."""
    interface = folder / FOLDER / INTERFACE_FILE
    if not interface.is_file():
        raise InputError(f"{folder} must hold a project that the trigforge backend wrote; write() or convert the model")
    return Project(folder, Interface.load(interface), IntegerProgram.load(folder / FOLDER / PROGRAM_FILE))


def parse_uncertainty(text: str, clock_ns: float) -> float:
    """hls4ml's clock uncertainty, `27%` or nanoseconds, as a share of the period."""
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*(%|ns)?\s*", text)
    share = (float(match[1]) / (100 if match[2] == "%" else clock_ns)) if match else 1.0
    if share >= 1:
        raise InputError(f"ClockUncertainty must be less than the period, such as '27%' or '1.35ns', not {text!r}")
    return share


def _shape(variable: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in variable.shape)


def _type(variable: Any, name: str) -> FixedType:
    return fixed_type(variable.type.precision, f"input {name!r}")


def _is_ap_int(variable: Any) -> bool:
    from hls4ml.model.types import IntegerPrecisionType

    return isinstance(variable.type.precision, IntegerPrecisionType)
