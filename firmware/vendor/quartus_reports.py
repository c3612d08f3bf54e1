"""What Quartus Prime reports: `.fit.summary` of its Fitter and `.sta.summary` of its Timing Analyzer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from trigforge.errors import CheckError, InputError
from trigforge.firmware.vendor.reports import read_report
from trigforge.value import Value

_VERSION: Final = re.compile(r"(?P<number>\d+(?:\.\d+)+) Build .*?(?P<edition>\w+) Edition")
_TYPE: Final = re.compile(r"(?P<check>Setup|Hold|Recovery|Removal|Minimum Pulse Width) '(?P<clock>[^']*)'$")


class QuartusReport(Value):
    """Area and timing of one design in Quartus Prime."""

    design: str
    device: str
    estimator: str
    """Version and edition."""
    cells: int = Field(ge=0)
    """ALMs, or logic elements on a device that has no ALMs; `unit` says which."""
    unit: str
    ff: int = Field(ge=0)
    dsp: int = Field(ge=0)
    """DSP blocks, or 9-bit multipliers on a device that has no DSP blocks."""
    bram: int | None = Field(default=None, ge=0)
    """Blocks of memory; None if a device's summary counts their bits alone and some are used."""
    clock_ns: float = Field(gt=0)
    """The clock period that was asked for."""
    wns_ns: float
    """Worst setup slack of all corners; negative if timing is not met."""
    whs_ns: float
    """Worst hold slack of all corners."""
    failing: tuple[str, ...] = ()
    """Corner and check of every negative slack, as the Timing Analyzer names them."""

    @property
    def achieved_clock_ns(self) -> float:
        """The clock period at which the worst path would just be met: asked period less slack, uncertainty included."""
        return self.clock_ns - self.wns_ns


@dataclass(frozen=True, slots=True)
class _Slack:
    """One entry of the Timing Analyzer's summary."""

    name: str
    check: str
    clock: str
    slack_ns: float


def read_quartus(fit: Path, sta: Path, clock: str, clock_ns: float) -> QuartusReport:
    """Read the two summaries of a design with one clock, which was constrained to `clock_ns`.

    Raises `InputError` if something is missing, `CheckError` if the Fitter failed.
    """
    fields, slacks = _fields(fit), _slacks(sta)
    status = _text(fit, fields, "Fitter Status")
    if not status.startswith("Successful"):
        raise CheckError(f"the Fitter of Quartus must succeed, but {fit} says {status!r}")
    others = sorted({entry.clock for entry in slacks} - {clock})
    if others:
        raise InputError(f"{sta} must be of the one clock {clock!r}, but has {', '.join(map(repr, others))} too")
    unit, cells = _first(fit, fields, {"Logic utilization (in ALMs)": "ALM", "Total logic elements": "logic element"})
    _, ff = _first(fit, fields, {"Total dedicated logic registers": "", "Total registers": ""})
    found: dict[str, Any] = {
        "design": _text(fit, fields, "Top-level Entity Name"),
        "device": _text(fit, fields, "Device"),
        "estimator": _estimator(fit, fields),
        "cells": cells,
        "unit": unit,
        "ff": ff,
        "dsp": _optional(fit, fields, "Total DSP Blocks", "Embedded Multiplier 9-bit elements") or 0,
        "bram": _blocks(fit, fields),
        "clock_ns": clock_ns,
        "wns_ns": _worst(sta, slacks, "Setup", clock),
        "whs_ns": _worst(sta, slacks, "Hold", clock),
        "failing": tuple(entry.name for entry in slacks if entry.slack_ns < 0),
    }
    return QuartusReport.parse(found, where=str(fit))


def _fields(path: Path) -> dict[str, str]:
    """The lines `NAME : VALUE`."""
    pairs = (line.partition(" : ") for line in read_report(path).splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _text(path: Path, fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise InputError(f"{path} must contain '{name} :', as a whole .fit.summary of Quartus does")
    return fields[name]


def _estimator(path: Path, fields: Mapping[str, str]) -> str:
    text = _text(path, fields, "Quartus Prime Version")
    version = _VERSION.match(text)
    if version is None:
        raise InputError(f"the version of Quartus in {path} must be such as '21.1.0 Build 842 … Edition', not {text!r}")
    return f"Quartus Prime {version['number']} {version['edition']} place and route"


def _optional(path: Path, fields: Mapping[str, str], *names: str) -> int | None:
    """The used number of the first of the fields that is there: `1,234 / 41,910 ( 3 % )` or `1234`."""
    for name in names:
        if name in fields:
            used = fields[name].partition("/")[0].strip().replace(",", "")
            if not used.isdigit():
                raise InputError(f"{name} in {path} must be a whole number, not {fields[name]!r}")
            return int(used)
    return None


def _first(path: Path, fields: Mapping[str, str], units: Mapping[str, str]) -> tuple[str, int]:
    """Unit and used number of the first of the fields that is there."""
    for name, unit in units.items():
        used = _optional(path, fields, name)
        if used is not None:
            return unit, used
    raise InputError(f"{path} must contain {' or '.join(map(repr, units))}, as a whole .fit.summary of Quartus does")


def _blocks(path: Path, fields: Mapping[str, str]) -> int | None:
    blocks = _optional(path, fields, "Total RAM Blocks")
    if blocks is None and _optional(path, fields, "Total block memory bits", "Total memory bits") == 0:
        return 0
    return blocks


def _slacks(path: Path) -> tuple[_Slack, ...]:
    """The entries of a summary: a line `Type`, then a line `Slack`."""
    found, name = [], ""
    for line in read_report(path).splitlines():
        key, colon, value = (part.strip() for part in line.partition(" : "))
        if colon and key == "Type":
            name = value
        elif colon and key == "Slack":
            kind = _TYPE.search(name)
            if kind is None:
                raise InputError(f"{path} must name the check and the clock of every slack, not {name!r}")
            found.append(_Slack(name, kind["check"], kind["clock"], _number(path, name, value)))
    return tuple(found)


def _number(path: Path, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"the slack of {name} in {path} must be a number, not {text!r}") from None


def _worst(path: Path, slacks: tuple[_Slack, ...], check: str, clock: str) -> float:
    values = [entry.slack_ns for entry in slacks if entry.check == check]
    if not values:
        raise InputError(f"{path} must have a slack of {check} of {clock!r}; the clock must be constrained")
    return min(values)
