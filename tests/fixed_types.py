"""Hypothesis strategies for fixed-point types."""

from __future__ import annotations

from hypothesis import strategies as st

from trigforge.fixed import FixedType, Overflow, Rounding

PLAIN = st.builds(
    lambda signed, width, integer: FixedType(signed=signed, width=width, integer=integer),
    st.booleans(),
    st.integers(1, 9),
    st.integers(-3, 8),
)


@st.composite
def types(draw: st.DrawFn) -> FixedType:
    signed, overflow = draw(st.booleans()), draw(st.sampled_from(Overflow))
    return FixedType(
        signed=signed,
        width=draw(st.integers(2 if signed and overflow is Overflow.SAT_SYM else 1, 9)),
        integer=draw(st.integers(-3, 8)),
        rounding=draw(st.sampled_from(Rounding)),
        overflow=overflow,
    )
