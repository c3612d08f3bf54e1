"""Packing of words into ports and out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import InputError
from trigforge.firmware.design import Port, RtlDesign, Word

WORDS = st.lists(st.builds(Word, width=st.integers(0, 62), signed=st.booleans()), min_size=1, max_size=6)


@given(words=WORDS.filter(lambda ws: any(w.width for w in ws)), seed=st.integers(0, 2**32))
def test_packing_and_unpacking_are_inverse(words: list[Word], seed: int) -> None:
    port = Port("p", tuple(words))
    low, high = np.array([w.limits for w in words], dtype=np.int64).T
    drawn = np.random.default_rng(seed).integers(low, high, (5, len(words)), endpoint=True)
    values = np.concatenate([drawn, low[None], high[None]])
    bits = port.pack(values)
    assert bits.dtype == f"S{port.bits}"
    np.testing.assert_array_equal(port.unpack(bits), values)


@given(words=WORDS.filter(lambda ws: any(w.width for w in ws)), seed=st.integers(0, 2**32))
def test_packing_is_concatenation_from_the_least_significant_bit(words: list[Word], seed: int) -> None:
    port = Port("p", tuple(words))
    low, high = np.array([w.limits for w in words], dtype=np.int64).T
    values = np.random.default_rng(seed).integers(low, high, (1, len(words)), endpoint=True)
    packed, start = 0, 0
    for word, value in zip(words, values[0].tolist(), strict=True):
        packed |= (value & ((1 << word.width) - 1)) << start
        start += word.width
    assert int(port.pack(values)[0], 2) == packed


def test_words_without_wires_take_any_value_and_read_as_zero() -> None:
    port = Port("p", (Word(0, True), Word(3, False)))
    bits = port.pack(np.array([[77, 5]]))
    assert bits.tolist() == [b"101"]
    np.testing.assert_array_equal(port.unpack(bits), [[0, 5]])


def test_bit_positions_are_located_in_their_words() -> None:
    port = Port("p", (Word(3, True), Word(0, True), Word(2, False)))
    assert [port.locate(k) for k in range(5)] == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]
    with pytest.raises(InputError, match="bit position of p must be below 5"):
        port.locate(5)


def test_values_that_do_not_fit_are_refused() -> None:
    port = Port("model_inp", (Word(4, True), Word(4, False)))
    with pytest.raises(InputError, match=r"word 1 of event 1 must be 0\.\.15 to fit model_inp, not 16"):
        port.pack(np.array([[7, 15], [-8, 16]]))
    with pytest.raises(InputError, match=r"int64 of shape \(n, 2\), not float64 of shape \(1, 2\)"):
        port.pack(np.zeros((1, 2)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"not int64 of shape \(1, 3\)"):
        port.pack(np.zeros((1, 3), dtype=np.int64))


def test_widths_beyond_int64_are_refused() -> None:
    with pytest.raises(InputError, match=r"must be 0\.\.62 bits, not 63"):
        Word(63, True)


def test_designs_must_have_sources_registers_and_bits(tmp_path: Path) -> None:
    port = Port("p", (Word(1, False),))
    source = tmp_path / "top.v"
    with pytest.raises(InputError, match="'top' must have at least one source file"):
        RtlDesign((), "top", "clk", port, port, 1)
    with pytest.raises(InputError, match="latency_clocks of 'top' must be at least 1, not 0"):
        RtlDesign((source,), "top", "clk", port, port, 0)
    with pytest.raises(InputError, match="port 'empty' of 'top' must have at least one bit"):
        RtlDesign((source,), "top", "clk", port, Port("empty", (Word(0, False),)), 1)
    with pytest.raises(InputError, match=r"top\.v of 'top' cannot be read"):
        _ = RtlDesign((source,), "top", "clk", port, port, 1).digest


def test_the_digest_follows_the_contents(tmp_path: Path) -> None:
    port, source = Port("p", (Word(1, False),)), tmp_path / "top.v"
    design = RtlDesign((source,), "top", "clk", port, port, 1)
    source.write_text("module top; endmodule\n")
    before = design.digest
    assert design.digest == before
    source.write_text("module top; wire w; endmodule\n")
    assert design.digest != before
