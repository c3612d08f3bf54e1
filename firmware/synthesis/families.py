"""The device families that Yosys maps to: its command for each, and what their cells are counted as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trigforge.errors import InputError


class Family(StrEnum):
    """A device family, by the name that Yosys has for it."""

    XCUP = "xcup"
    XC7 = "xc7"
    ECP5 = "ecp5"

    @property
    def device(self) -> str:
        """Its name at the vendor."""
        return {Family.XCUP: "UltraScale+", Family.XC7: "7 series", Family.ECP5: "ECP5"}[self]

    @property
    def command(self) -> str:
        """Yosys' pass for it with our options: hierarchy flattened, no pads, multipliers in logic."""
        if self is Family.ECP5:
            return "synth_ecp5 -nodsp"
        return f"synth_xilinx -family {self.value} -flatten -noiopad -nodsp"

    @property
    def cells(self) -> Cells:
        """The cells that its netlists are made of."""
        return _LATTICE if self is Family.ECP5 else _XILINX


@dataclass(frozen=True, slots=True)
class Cells:
    """Names of cells by what they are; all others (wide multiplexers, clock buffers) are not counted."""

    lut: frozenset[str]
    shift: frozenset[str]
    """LUTs that hold a shift register."""
    memory: frozenset[str]
    """LUTs that hold a small memory."""
    ff: frozenset[str]
    carry: frozenset[str]
    dsp: frozenset[str]
    bram: frozenset[str]

    @property
    def clocked(self) -> frozenset[str]:
        """Cells at which paths begin and end."""
        return self.shift | self.memory | self.ff | self.dsp | self.bram


_XILINX: Final = Cells(
    lut=frozenset(f"LUT{inputs}" for inputs in range(1, 7)),
    shift=frozenset({"SRL16E", "SRLC16E", "SRLC32E"}),
    memory=frozenset({"RAM32X1D", "RAM64X1D", "RAM128X1D", "RAM32M", "RAM64M", "RAM32M16", "RAM64M8"}),
    ff=frozenset({"FDRE", "FDSE", "FDCE", "FDPE"}),
    carry=frozenset({"CARRY4", "CARRY8"}),
    dsp=frozenset({"DSP48E1", "DSP48E2"}),
    bram=frozenset({"RAMB18E1", "RAMB36E1", "RAMB18E2", "RAMB36E2"}),
)
_LATTICE: Final = Cells(
    lut=frozenset({"LUT4"}),
    shift=frozenset(),
    memory=frozenset({"TRELLIS_DPR16X4"}),
    ff=frozenset({"TRELLIS_FF"}),
    carry=frozenset({"CCU2C"}),
    dsp=frozenset({"MULT18X18D", "ALU54B"}),
    bram=frozenset({"DP16KD"}),
)
_PARTS: Final = {
    r"xc([akv]u\d+p|zu\d|k2[46]|u\d)": Family.XCUP,
    r"xc7": Family.XC7,
    r"LFE5U": Family.ECP5,
}


def known_family(part: str) -> Family | None:
    """The family of a part, if Yosys maps to it here."""
    return next((family for pattern, family in _PARTS.items() if re.match(pattern, part, re.IGNORECASE)), None)


def family_of(part: str) -> Family:
    """The family of a part; one that is not known raises `InputError`."""
    family = known_family(part)
    if family is not None:
        return family
    known = ", ".join(f"{family.value} ({family.device})" for family in Family)
    raise InputError(f"the part must be of a family that Yosys maps to here, {known}, not {part!r}; give --family")
