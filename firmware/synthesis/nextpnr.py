"""Place and route on an ECP5 with nextpnr, and its report: the highest frequency and the path that limits it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field

from trigforge.errors import CheckError, InputError
from trigforge.firmware.synthesis.harness import INSTANCE, TOP, WRAPPED
from trigforge.firmware.synthesis.tools import nextpnr_command, run_tool
from trigforge.value import Value

TIMEOUT_SECONDS: Final = 4 * 3600
REPORT: Final = "report.json"
_PACKAGES: Final = {"BG": "CABGA", "MG": "CSFBGA", "TG": "TQFP"}
_ORDER_CODE: Final = re.compile(
    r"LFE5U-(?P<size>25|45|85)F-(?P<speed>[678])(?P<package>BG|MG|TG)(?P<pins>\d+)[CI]?", re.IGNORECASE
)
_LUT_INPUTS: Final = frozenset("ABCD")


class Ecp5(Value):
    """A Lattice ECP5; speed grade 8 is the fastest."""

    size: Literal["25k", "45k", "85k"] = "85k"
    speed: Literal[6, 7, 8] = 8
    package: str = "CABGA381"

    @classmethod
    def of_part(cls, part: str) -> Self:
        """The device of an order code such as LFE5U-85F-8BG381C; another part raises `InputError`."""
        code = _ORDER_CODE.fullmatch(part)
        if code is None:
            raise InputError(f"an ECP5's part must be an order code such as 'LFE5U-85F-8BG381C', not {part!r}")
        package = f"{_PACKAGES[code['package'].upper()]}{code['pins']}"
        return cls.parse({"size": f"{code['size']}k", "speed": int(code["speed"]), "package": package}, where=part)

    @property
    def name(self) -> str:
        """The device, without the order code of its package."""
        return f"LFE5U-{self.size[:-1]}F-{self.speed}"

    @property
    def options(self) -> tuple[str, ...]:
        """What nextpnr is told."""
        return (f"--{self.size}", "--speed", str(self.speed), "--package", self.package)


class CriticalPath(Value):
    """The path between two flip-flops that limits the clock."""

    start: str
    end: str
    logic_ns: float = Field(ge=0)
    """Clock to output, cells and set-up."""
    routing_ns: float = Field(ge=0)
    levels: int = Field(ge=0)
    """LUTs, also those in carry cells, that it goes through."""

    @property
    def inside(self) -> bool:
        """Whether both ends are flip-flops of the block; else the harness limits the clock, not the block."""
        return all(name.startswith(f"{INSTANCE}.") for name in (self.start, self.end))


class Route(Value):
    """One placed and routed design."""

    seed: int
    fmax_mhz: float = Field(gt=0)
    path: CriticalPath
    comb: int = Field(ge=0)
    """Logic cells (TRELLIS_COMB: a LUT4 or half a CCU2C), the harness's included."""
    ff: int = Field(ge=0)
    comb_share: float = Field(ge=0, le=1)
    """Share of the device's logic cells."""


def route(wrapped: Path, folder: Path, device: Ecp5, target_mhz: float, seed: int, subject: str) -> Route:
    """Place and route the netlist that `wrap` left in `wrapped`, another folder beside `folder`, which gets the report.

    Timing that is not met is no error.
    """
    log, report, netlist = folder / "nextpnr.log", folder / REPORT, Path(wrapped.name, WRAPPED)
    command = [
        *nextpnr_command(), *device.options, "--json", str(netlist), "--top", TOP, "--freq", f"{target_mhz:g}",
        "--seed", str(seed), "--timing-allow-fail", "--lpf-allow-unconstrained",
        "--report", f"{folder.name}/{REPORT}", "--log", f"{folder.name}/{log.name}", "--quiet",
    ]  # fmt: skip
    run_tool(command, wrapped.parent, subject, log, TIMEOUT_SECONDS)
    if not report.is_file():
        raise CheckError(f"nextpnr-ecp5 must write {report}, but did not; see {log}")
    return read_route(report, seed)


def read_route(path: Path, seed: int) -> Route:
    """Read what nextpnr's `--report` wrote of a design with one clock; what is missing raises `InputError`."""
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        clocks: dict[str, dict[str, float]] = report["fmax"]
        if len(clocks) != 1:
            raise InputError(f"{path} must be of a design with one clock, not {len(clocks)}; it has no paths to time")
        (clock, timing), used = next(iter(clocks.items())), report["utilization"]
        edge = f"posedge {clock}"
        hops = next(p["path"] for p in report["critical_paths"] if p["from"] == p["to"] == edge)
        comb, ff = used["TRELLIS_COMB"], used["TRELLIS_FF"]
        return Route(
            seed=seed,
            fmax_mhz=timing["achieved"],
            path=_critical_path(hops),
            comb=comb["used"],
            ff=ff["used"],
            comb_share=comb["used"] / comb["available"],
        )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, AttributeError, StopIteration, IndexError, json.JSONDecodeError) as error:
        said = f"{type(error).__name__} {error}".strip()
        raise InputError(f"{path} must be a whole report of nextpnr-ecp5, but lacks a part of it: {said}") from None


def _critical_path(hops: list[dict[str, Any]]) -> CriticalPath:
    routing = [hop["delay"] for hop in hops if hop["type"] == "routing"]
    logic = [hop["delay"] for hop in hops if hop["type"] != "routing"]
    return CriticalPath(
        start=hops[0]["from"]["cell"],
        end=hops[-1]["to"]["cell"],
        logic_ns=round(sum(logic), 4),
        routing_ns=round(sum(routing), 4),
        levels=sum(hop["type"] == "logic" and hop["from"]["port"] in _LUT_INPUTS for hop in hops),
    )
