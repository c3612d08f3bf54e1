"""What vendor tools report: `csynth.xml` of Vitis HLS, `report_utilization` and `report_timing_summary` of Vivado."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from trigforge.errors import InputError
from trigforge.value import Value

FIRST_VITIS: Final = (2020, 2)
"""The first release of Vivado HLS's successor, by year and number."""

_ROUTED: Final = "Routed"


class Utilisation(Value):
    """Cells of a device by one tool at one stage; counts of other estimators are other quantities."""

    lut: int = Field(ge=0)
    ff: int = Field(ge=0)
    dsp: int = Field(ge=0)
    bram18: int = Field(ge=0)
    """Block RAM in units of 18 Kib: a RAMB36 counts twice."""
    uram: int = Field(ge=0)
    estimator: str


class HlsReport(Value):
    """C synthesis of one function by Vitis HLS or Vivado HLS: its schedule and its estimates before any mapping."""

    top: str
    part: str
    clock_ns: float = Field(gt=0)
    """The clock period that was asked for."""
    uncertainty_ns: float = Field(ge=0)
    """What is kept of it for routing."""
    estimated_clock_ns: float = Field(ge=0)
    latency_min: int = Field(ge=0)
    """Fewest clocks from start to result."""
    latency_max: int = Field(ge=0)
    ii_min: int = Field(ge=0)
    """Fewest clocks between two starts."""
    ii_max: int = Field(ge=0)
    used: Utilisation
    available: Utilisation


class VivadoReport(Value):
    """Area and timing of one design in Vivado."""

    design: str
    device: str
    clock_ns: float = Field(gt=0)
    wns_ns: float
    """Worst setup slack; negative if timing is not met."""
    tns_ns: float
    failing_endpoints: int = Field(ge=0)
    endpoints: int = Field(gt=0)
    whs_ns: float
    """Worst hold slack."""
    used: Utilisation

    @property
    def met(self) -> bool:
        """Whether setup and hold are met at every endpoint."""
        return self.wns_ns >= 0 and self.whs_ns >= 0

    @property
    def achieved_clock_ns(self) -> float:
        """The clock period at which the worst path would just be met: asked period minus WNS, uncertainty included."""
        return self.clock_ns - self.wns_ns


def read_csynth(path: Path) -> HlsReport:
    """Read `csynth.xml`; a file that is none, or lacks a field, raises `InputError` naming it."""
    try:
        root = ET.fromstring(read_report(path))  # noqa: S314  (a local tool's own report)
    except ET.ParseError as error:
        raise InputError(f"{path} must be a whole csynth.xml of Vitis HLS: {error}") from None
    fields = _XmlFields(path, root)
    version = fields.text("ReportVersion/Version")
    overall = "PerformanceEstimates/SummaryOfOverallLatency"
    found: dict[str, Any] = {
        "top": fields.text("UserAssignments/TopModelName"),
        "part": fields.text("UserAssignments/Part"),
        "clock_ns": fields.real("UserAssignments/TargetClockPeriod"),
        "uncertainty_ns": fields.real("UserAssignments/ClockUncertainty"),
        "estimated_clock_ns": fields.real("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"),
        "latency_min": fields.count(f"{overall}/Best-caseLatency"),
        "latency_max": fields.count(f"{overall}/Worst-caseLatency"),
        "ii_min": fields.count(f"{overall}/Interval-min"),
        "ii_max": fields.count(f"{overall}/Interval-max"),
        "used": fields.utilisation("Resources", f"{_hls_name(version)} {version} csynth"),
        "available": fields.utilisation("AvailableResources", "device"),
    }
    return HlsReport.parse(found, where=str(path))


def read_vivado(utilisation: Path, timing: Path) -> VivadoReport:
    """Read `report_utilization` and `report_timing_summary` of one design; what is missing raises `InputError`."""
    area, slack = _TextReport(utilisation), _TextReport(timing)
    design = area.header("Design")
    if slack.header("Design") != design:
        raise InputError(
            f"{timing} must be of the design {design!r} as {utilisation} is, not {slack.header('Design')!r}"
        )
    summary = slack.design_timing()
    found: dict[str, Any] = {
        "design": design,
        "device": area.header("Device"),
        "clock_ns": slack.clock_period(),
        "wns_ns": slack.number("WNS(ns)", summary),
        "tns_ns": slack.number("TNS(ns)", summary),
        "failing_endpoints": int(slack.number("TNS Failing Endpoints", summary)),
        "endpoints": int(slack.number("TNS Total Endpoints", summary)),
        "whs_ns": slack.number("WHS(ns)", summary),
        "used": area.utilisation(),
    }
    return VivadoReport.parse(found, where=str(timing))


class _XmlFields:
    """The fields of a `csynth.xml`, with errors that name them."""

    def __init__(self, path: Path, root: ET.Element) -> None:
        self.path, self.root = path, root

    def text(self, *names: str) -> str:
        """The text of the first of the elements that is there."""
        for name in names:
            found = self.root.findtext(name)
            if found is not None and found.strip():
                return found.strip()
        raise InputError(f"{self.path} must contain {' or '.join(names)}, as csynth.xml of Vitis HLS does")

    def real(self, name: str) -> float:
        text = self.text(name)
        try:
            return float(text)
        except ValueError:
            raise InputError(f"{name} in {self.path} must be a number, not {text!r}") from None

    def count(self, *names: str) -> int:
        text = self.text(*names)
        if not text.isdigit():
            why = "; the loop bounds of the design must be known" if "Overall" in names[0] else ""
            raise InputError(f"{names[0]} in {self.path} must be a whole number, not {text!r}{why}")
        return int(text)

    def utilisation(self, block: str, estimator: str) -> Utilisation:
        start = f"AreaEstimates/{block}"
        has_uram = self.root.find(f"{start}/URAM") is not None  # devices and releases before UltraScale+ have none
        return Utilisation(
            lut=self.count(f"{start}/LUT"),
            ff=self.count(f"{start}/FF"),
            dsp=self.count(f"{start}/DSP", f"{start}/DSP48E"),
            bram18=self.count(f"{start}/BRAM_18K"),
            uram=self.count(f"{start}/URAM") if has_uram else 0,
            estimator=estimator,
        )


class _TextReport:
    """A text report of Vivado, with errors that name the file and the field."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, read_report(path).splitlines()

    def header(self, name: str) -> str:
        """A line `| <name> : <value>` of the report's head."""
        for line in self.lines:
            match = re.match(rf"\|\s*{re.escape(name)}\s*:\s*(\S.*?)\s*$", line)
            if match:
                return match[1]
        raise self._lacks(f"'| {name} :'")

    def utilisation(self) -> Utilisation:
        """The used sites of UltraScale and 7-series devices."""
        sites = self._sites()
        if "DSPs" not in sites and "Block RAM Tile" not in sites:
            raise self._lacks("the tables 'Site Type | Used'")
        return Utilisation(
            lut=int(self._used(sites, "CLB LUTs", "Slice LUTs")),
            ff=int(self._used(sites, "CLB Registers", "Slice Registers")),
            dsp=int(self._used(sites, "DSPs")),
            bram18=round(2 * self._used(sites, "Block RAM Tile")),
            uram=int(self._used(sites, "URAM")) if "URAM" in sites else 0,
            estimator=self._estimator(),
        )

    def design_timing(self) -> dict[str, str]:
        """The one row of 'Design Timing Summary', by column."""
        rows = self._table("Design Timing Summary")
        if not rows:
            raise self._lacks("a row below 'Design Timing Summary'")
        return rows[0]

    def clock_period(self) -> float:
        """The period of the one clock in 'Clock Summary'."""
        rows = self._table("Clock Summary")
        if len(rows) != 1:
            raise InputError(f"{self.path} must have one clock in its Clock Summary, not {len(rows)}")
        return self.number("Period(ns)", rows[0])

    def number(self, name: str, row: dict[str, str]) -> float:
        """A number of a table's row."""
        if name not in row:
            raise self._lacks(repr(name))
        try:
            return float(row[name])
        except ValueError:
            raise InputError(
                f"{name} in {self.path} must be a number, not {row[name]!r}; a clock must be constrained"
            ) from None

    def _estimator(self) -> str:
        version = re.search(r"v\.?(\d{4}\.\d+(?:\.\d+)?)", self.header("Tool Version"))
        state = self.header("Design State")
        if not version:
            raise self._lacks("a version of Vivado in 'Tool Version'")
        return f"Vivado {version[1]} {'place and route' if state.endswith(_ROUTED) else state.lower()}"

    def _sites(self) -> dict[str, str]:
        """The used number by site type, of the first table that has it."""
        sites: dict[str, str] = {}
        for line in self.lines:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.lstrip().startswith("|") and len(cells) >= 5:  # type, used, fixed, [prohibited,] available, share
                sites.setdefault(cells[0].rstrip("*"), cells[1])
        return sites

    def _used(self, sites: dict[str, str], *names: str) -> float:
        for name in names:
            if name in sites:
                return self.number(name, sites)
        raise self._lacks(" or ".join(map(repr, names)))

    def _table(self, title: str) -> list[dict[str, str]]:
        """The rows of a section: a line of column names, one of dashes under them, rows until an empty line."""
        start = self._find(title)
        for i in range(start + 2, len(self.lines) - 1):
            if self.lines[i].startswith("|"):
                break
            if "(ns)" in self.lines[i] and re.fullmatch(r"[\s-]*-[\s-]*", self.lines[i + 1]):
                return self._rows(i)
        return []

    def _rows(self, head: int) -> list[dict[str, str]]:
        names = re.split(r"\s{2,}", self.lines[head].strip())
        rows = []
        for line in self.lines[head + 2 :]:
            if not line.strip():
                break
            cells = re.split(r"\s{2,}", line.strip())
            if len(cells) != len(names):
                raise InputError(f"{self.path} must have {len(names)} columns under {names[0]!r}, not {len(cells)}")
            rows.append(dict(zip(names, cells, strict=True)))
        return rows

    def _find(self, title: str) -> int:
        for i, line in enumerate(self.lines):
            if line.strip() == f"| {title}":
                return i
        raise self._lacks(repr(title))

    def _lacks(self, field: str) -> InputError:
        return InputError(f"{self.path} must contain {field}, as a whole report of Vivado does")


def _hls_name(version: str) -> str:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return "Vitis HLS" if numbers >= FIRST_VITIS else "Vivado HLS"


def read_report(path: Path) -> str:
    """The text of a report; `InputError` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
