"""C++ of quantisers whose type differs from lane to lane (HGQ2), for the tools where hls4ml's own is missing or wrong.

hls4ml 1.3.0 refuses such quantisers for Catapult and Libero, writes none for Quartus, and casts 1-bit lanes for the
`ac_fixed` tools to `ac_fixed<2, i>`, whose step is half of `ac_fixed<1, i>`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trigforge.errors import ExactnessError

Bits = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a tool's C++ names fixed-point types and passes arrays."""

    prefix: str
    arguments: str
    one_bit: bool
    """Whether the tool has fixed-point types of one bit."""


ARRAYS: Final = "input_t *inp, output_t *out"
REFERENCES: Final = "const input_t &inp, output_t &out"

DIALECTS: Final = {
    "catapult": Dialect("ac_", ARRAYS, one_bit=True),
    "libero": Dialect("ap_", ARRAYS, one_bit=True),
    "quartus": Dialect("ac_", ARRAYS, one_bit=True),
    "oneapi": Dialect("ac_", REFERENCES, one_bit=False),
}


@dataclass(frozen=True, slots=True)
class LaneType:
    """The type of one lane: sign, width, integer bits with the sign, rounding and overflow as `ap_fixed` has them."""

    signed: bool
    width: int
    integer: int
    rounding: str
    overflow: str

    def cpp(self, dialect: Dialect) -> str:
        """The type's name."""
        if dialect.prefix == "ac_":
            sign = "true" if self.signed else "false"
            return f"ac_fixed<{self.width}, {self.integer}, {sign}, AC_{self.rounding}, AC_{self.overflow}>"
        name = "ap_fixpt" if self.signed else "ap_ufixpt"
        return f"hls::{name}<{self.width}, {self.integer}, hls::AP_{self.rounding}, hls::AP_{self.overflow}>"


def quantiser(name: str, lanes: list[LaneType], dialect: Dialect) -> str:
    """The function `name(inp, out)` that casts lane by lane, for the dialect's namespace `nnet`."""
    body = [line for lane, kind in enumerate(lanes) for line in _cast(name, lane, kind, dialect)]
    return "\n".join(
        [
            "template <typename input_t, typename output_t>",
            f"void {name}({dialect.arguments}) {{",
            *(f"    {line}" for line in body),
            "}",
            "",
        ]
    )


def lane_types(shape: tuple[int, ...], k: Bits, b: Bits, i: Bits, rounding: str, overflow: str) -> list[LaneType]:
    """The types of all lanes in order, from hls4ml's arrays (1, *shape) of sign, width and integer bits."""
    signs, widths, integers = (np.broadcast_to(array[0], shape).ravel().astype(int) for array in (k, b, i))
    return [
        LaneType(bool(sign), int(width), int(integer), rounding, overflow)
        for sign, width, integer in zip(signs, widths, integers, strict=True)
    ]


def _cast(name: str, lane: int, kind: LaneType, dialect: Dialect) -> Iterator[str]:
    if kind.width == 0:
        yield f"out[{lane}] = 0;"
        return
    if kind.width == 1 and kind.signed and kind.overflow == "SAT_SYM":
        raise ExactnessError(
            f"lane {lane} of the quantiser {name!r} must have at least 2 bits, since a signed SAT_SYM type of one bit "
            "holds nothing but 0; train with SAT or give the lane another bit"
        )
    if kind.width > 1 or dialect.one_bit:
        yield f"out[{lane}] = {kind.cpp(dialect)}(inp[{lane}]);"
        return
    yield from _one_bit_cast(lane, kind, dialect)


def _one_bit_cast(lane: int, kind: LaneType, dialect: Dialect) -> Iterator[str]:
    """A 1-bit cast by way of a type with one more integer bit, hence the same step."""
    wider = LaneType(kind.signed, 2, kind.integer + 1, kind.rounding, kind.overflow)
    yield "{"
    yield f"    {wider.cpp(dialect)} wide = inp[{lane}];"
    if kind.overflow == "WRAP":
        yield "    wide[1] = " + ("wide[0];" if kind.signed else "0;")
    elif kind.signed:  # -1 and 0 are what one bit holds of -2, -1, 0 and 1
        yield "    wide[0] = wide[1];"
    else:  # 0 and 1 of 0, 1, 2 and 3
        yield "    wide[0] = wide[0] | wide[1];"
        yield "    wide[1] = 0;"
    yield f"    out[{lane}] = wide;"
    yield "}"
