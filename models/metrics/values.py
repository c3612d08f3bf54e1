"""Measured numbers, and those that a sample is too small for."""

from __future__ import annotations

from pydantic import Field

from trigforge.value import Value
from trigforge.weighted import MIN_EFFECTIVE_EVENTS

ROUNDING = 1e-9


class Measured(Value):
    """A number and its statistical standard error."""

    value: float
    error: float = Field(ge=0)


class Refused(Value):
    """A number that is not quoted, and why."""

    reason: str


Quoted = Measured | Refused
"""A number with its error, or the reason why there is none."""


def too_few(effective: float, what: str = "background events pass", required: float = MIN_EFFECTIVE_EVENTS) -> Refused:
    """The refusal of a number with fewer than `required` effective events behind it."""
    return Refused(reason=f"{effective:.2g} effective {what}, fewer than {required:g}")


def enough(effective: float, required: float = MIN_EFFECTIVE_EVENTS) -> bool:
    """Whether effective events suffice to quote a number, but for rounding."""
    return effective >= required * (1 - ROUNDING)
