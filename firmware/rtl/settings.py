"""Settings of a trigger's algorithms, and the bus addresses that `tf_registers.sv` gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Final, NamedTuple, Self

from trigforge.errors import InputError
from trigforge.firmware.design import Word

PRESCALE_BITS: Final = 24
MAGIC: Final = 0x54464732
"""What the register at `Control.MAGIC` reads: the map's name and version, 'TFG2'."""
SHADOW: Final = 0x400
ACTIVE: Final = 0x800
ALGORITHM_STRIDE: Final = 8
DATA_BITS: Final = 32
OFF: Final = "off"


class Control(IntEnum):
    """Addresses of the registers that are not an algorithm's."""

    MAGIC = 0
    IDENTITY = 1
    SHAPE = 2
    COMMIT = 3
    LOCKED = 4
    SYNC_ERRORS = 5
    SECTIONS = 6
    ORBITS = 7
    CROSSINGS = 8


class Field(IntEnum):
    """Registers of an algorithm: their places in its block."""

    ENABLE = 0
    THRESHOLD = 1
    PRESCALE = 2
    STEP = 3
    RAW = 4
    PASSED = 5
    SCORE = 6


class Commit(IntEnum):
    """What makes settings active: the beginning of the next orbit, or of the next luminosity section."""

    AT_ORBIT = 1
    AT_SECTION = 2


class BusWrite(NamedTuple):
    """One write on the configuration bus."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`score >= threshold`, of whose bits one in `prescale` passes, evenly; prescale 0 lets none pass.

    A prescale is 0 or a fraction of at least 1 whose numerator and denominator fit into 24 bits; 5/2 passes 2 of 5.
    """

    threshold: int
    prescale: Fraction = Fraction(1)
    enabled: bool = True

    def __post_init__(self) -> None:
        if not (self.prescale == 0 or self.prescale >= 1):
            raise InputError(f"a prescale must be 0 or at least 1, not {self.prescale}")
        if max(self.prescale.numerator, self.prescale.denominator) >> PRESCALE_BITS:
            raise InputError(
                f"numerator and denominator of a prescale must be below 2**{PRESCALE_BITS}, not {self.prescale}; "
                "round it with Fraction.limit_denominator"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str` gives: `1200`, `300@5/2` with a prescale, or `off`; anything else raises `InputError`."""
        if text == OFF:
            return cls(0, enabled=False)
        threshold, at, prescale = text.partition("@")
        try:
            return cls(int(threshold), Fraction(prescale) if at else Fraction(1))
        except (ValueError, ZeroDivisionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"an algorithm must be given as THRESHOLD, THRESHOLD@PRESCALE or {OFF}, such as 300@5/2, not {text!r}"
            ) from None

    def __str__(self) -> str:
        if not self.enabled:
            return OFF
        return str(self.threshold) if self.prescale == 1 else f"{self.threshold}@{self.prescale}"


def address(field: Field, algorithm: int, bank: int = SHADOW) -> int:
    """The bus address of an algorithm's register, in the shadow or in the active bank."""
    return bank + ALGORITHM_STRIDE * algorithm + field


def setting_writes(
    algorithms: Sequence[Algorithm], scores: Sequence[Word], commit: Commit | None = Commit.AT_ORBIT
) -> tuple[BusWrite, ...]:
    """The writes that give algorithms, each with the score that it compares, these settings.

    `commit` says when they become active. Raises `InputError` if a threshold is none of the score's values, which no
    comparison in hardware could mean.
    """
    writes = []
    for i, (algorithm, score) in enumerate(zip(algorithms, scores, strict=True)):
        low, high = score.limits
        if not low <= algorithm.threshold <= high:
            raise InputError(
                f"threshold {i} must be {low}..{high}, a value of the score, not {algorithm.threshold}; "
                "disable an algorithm that shall never accept"
            )
        values = {
            Field.ENABLE: int(algorithm.enabled),
            Field.THRESHOLD: algorithm.threshold % (1 << DATA_BITS),
            Field.PRESCALE: algorithm.prescale.numerator,
            Field.STEP: algorithm.prescale.denominator,
        }
        writes += [BusWrite(address(field, i), value) for field, value in values.items()]
    return (*writes, *(() if commit is None else (BusWrite(Control.COMMIT, commit),)))
