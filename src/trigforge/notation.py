"""How numbers are written: significant figures by the PDG's rule, errors, units, thin spaces between thousands."""

from __future__ import annotations

import math
from typing import Final

GROUP: Final = "\u202f"
"""Narrow no-break space, between thousands and before units."""

_FREQUENCIES: Final = ((1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"))
_SIZES: Final = ((1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LARGE: Final = 1e6
_DECIMALS: Final = 5
"""Most decimals that are written; smaller numbers get a power of ten."""


def count(value: int) -> str:
    """An integer, thousands apart."""
    return _fixed(float(value), 0)


def number(value: float, digits: int = 3) -> str:
    """A number to so many significant figures."""
    if value == 0 or not math.isfinite(value):
        return _fixed(value, 0) if value == 0 else str(value)
    decimals = digits - 1 - _exponent(float(f"{value:.{digits - 1}e}"))
    if decimals > _DECIMALS or abs(value) >= _LARGE:
        power = _exponent(value)
        return f"{_fixed(value / 10.0**power, digits - 1)} × {_power(power)}"
    return _fixed(value, max(decimals, 0))


def with_error(value: float, error: float) -> str:
    """`value ± error`, the error to one or two figures by the PDG's rule; without an error just the number."""
    if not error > 0 or not math.isfinite(error):
        return number(value)
    decimals = _error_decimals(error)
    if decimals > _DECIMALS or max(abs(value), error) >= _LARGE:
        power = _exponent(max(abs(value), error))
        shown = decimals + power
        return f"({_pair(value / 10.0**power, error / 10.0**power, shown)}) × {_power(power)}"
    return _pair(value, error, decimals)


def percent(value: float, error: float | None = None) -> str:
    """A fraction in per cent."""
    if error is None or not error > 0:
        return f"{number(100 * value)}{GROUP}%"
    pair = with_error(100 * value, 100 * error)
    return f"({pair}){GROUP}%"


def rate(hz: float, error_hz: float | None = None) -> str:
    """A rate in Hz, kHz or MHz."""
    return _scaled(hz, error_hz, _FREQUENCIES)


def size(value: float) -> str:
    """A size in bytes as B, kB or MB."""
    return _scaled(value, None, _SIZES)


def bandwidth(mb_s: float) -> str:
    """A bandwidth in MB/s or GB/s."""
    return _scaled(mb_s, None, ((1e3, "GB/s"), (1.0, "MB/s"), (1e-3, "kB/s")))


def duration(seconds: float) -> str:
    """A time in seconds or minutes."""
    if seconds < 100:
        return f"{number(seconds, 2 if seconds < 10 else 3)}{GROUP}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}{GROUP}min {rest:02d}{GROUP}s"


def _scaled(value: float, error: float | None, units: tuple[tuple[float, str], ...]) -> str:
    scale, unit = next(((s, u) for s, u in units if abs(value) >= s), units[-1])
    if error is None or not error > 0:
        return f"{number(value / scale)}{GROUP}{unit}"
    return f"{with_error(value / scale, error / scale)}{GROUP}{unit}"


def _pair(value: float, error: float, decimals: int) -> str:
    return f"{_fixed(round(value, decimals), max(decimals, 0))} ± {_fixed(round(error, decimals), max(decimals, 0))}"


def _error_decimals(error: float) -> int:
    """Decimals of an error: two figures up to 354, one up to 949, else the next power of ten with two."""
    power = _exponent(error)
    lead = round(error / 10.0 ** (power - 2))
    return 1 - power if lead < 355 else -power


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    whole = text.split(".", maxsplit=1)[0].lstrip("-")
    text = text.replace(",", GROUP if len(whole) > 5 else "")
    return text.replace("-", "−") if any(c in "123456789" for c in text) else text.replace("-", "")
