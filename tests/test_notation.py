"""How numbers are written: rounding, errors, units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.notation import bandwidth, duration, number, percent, rate, size, with_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (27.345, 1.234, "27.3 ± 1.2"),
        (27.345, 0.354, "27.34 ± 0.35"),
        (27.345, 0.4, "27.3 ± 0.4"),
        (27.345, 0.96, "27.3 ± 1.0"),
        (0.75612, 0.00512, "0.756 ± 0.005"),
        (1000.4, 43.2, "1000 ± 40"),
        (12345.0, 120.0, "12\u202f340 ± 120"),
        (-0.0012, 0.0034, "−0.0012 ± 0.0034"),
        (3.21e8, 2.2e7, "(3.21 ± 0.22) × 10⁸"),
        (2e-7, 1e-8, "(2.00 ± 0.10) × 10⁻⁷"),
        (5.0, 0.0, "5.00"),
    ],
)
def test_errors_are_rounded_by_the_rule(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


def test_numbers_and_units_are_written_sensibly() -> None:
    thin = "\u202f"
    assert [number(v) for v in (0.0, 1.0, 0.9999, 1234.5, 99999.0, 1.5e-6, -2.5)] == [
        *("0", "1.00", "1.00", "1234", f"99{thin}999", "1.50 × 10⁻⁶", "−2.50"),
    ]
    assert rate(28.6e6) == f"28.6{thin}MHz"
    assert rate(10_012.0, 120.0) == f"10.01 ± 0.12{thin}kHz"
    assert rate(0.0, 0.0) == f"0{thin}Hz"
    assert size(1.5e6) == f"1.50{thin}MB"
    assert bandwidth(1500.0) == f"1.50{thin}GB/s"
    assert percent(0.123, 0.004) == f"(12.3 ± 0.4){thin}%"
    assert [duration(s) for s in (3.21, 96.4, 512.3, 119.7)] == [
        *(f"3.2{thin}s", f"96.4{thin}s", f"8{thin}min 32{thin}s", f"2{thin}min 00{thin}s"),
    ]


@given(st.floats(-1e12, 1e12), st.floats(1e-12, 1e12))
def test_what_is_written_is_the_value_within_its_error(value: float, error: float) -> None:
    text = with_error(value, error).replace("−", "-").replace("\u202f", "")
    scale = 1.0
    if text.startswith("("):
        text, power = text[1:].split(") × 10")
        scale = 10.0 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    shown, its_error = (scale * float(part) for part in text.split(" ± "))
    assert math.isclose(its_error, error, rel_tol=0.16)
    assert abs(shown - value) <= 0.2 * error + 1e-9 * abs(value)
