"""Directed and constrained events: they obey their contract, and every pattern that was asked for occurs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.contract import Collection, Field, InputContract, kinematics, level1_contract
from trigforge.errors import InputError
from trigforge.fixed import FixedType, IntArray
from trigforge.sim.cosim.directed import constrained_words, object_words
from trigforge.sim.cosim.vectors import KINDS, contract_vectors

LEVEL1 = level1_contract()


def blocks(contract: InputContract, words: IntArray) -> Iterator[tuple[Collection, IntArray]]:
    """Every collection with its words (n, count, fields)."""
    start = 0
    for collection in contract.collections:
        own = words[:, start : start + collection.width]
        yield collection, own.reshape(len(words), collection.count, len(collection.fields))
        start += collection.width


def require_obeyed(contract: InputContract, words: IntArray) -> None:
    """Limits, hardest object first, and nothing but padding behind the last object."""
    contract.check(words)
    for collection, block in blocks(contract, words):
        names = [field.name for field in collection.fields]
        if "pt" in names and collection.count > 1:
            pt = block[:, :, names.index("pt")]
            assert (np.diff(pt, axis=1) <= 0).all()
            present = (block != 0).any(axis=2)
            assert (present == (pt > 0)).all()


def test_constrained_events_obey_the_level1_contract_and_reach_every_edge() -> None:
    words = constrained_words(LEVEL1, 4000, seed=1)
    require_obeyed(LEVEL1, words)
    for collection, block in blocks(LEVEL1, words):
        multiplicities = (block != 0).any(axis=2).sum(axis=1)
        if collection.count > 1:
            assert set(multiplicities.tolist()) == set(range(collection.count + 1))
        for k, field in enumerate(collection.fields):
            values = block[:, :, k]
            assert {field.low, field.high} <= set(values.ravel().tolist()), field.name
            if field.name == "pt":
                assert (values % 2 == 1).any()
                assert ((values > 0) & (values < 8)).any()


def test_they_are_reproducible_and_their_number_is_checked() -> None:
    first, again, other = (constrained_words(LEVEL1, 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert constrained_words(LEVEL1, 0, 1).shape == (0, 57)
    with pytest.raises(InputError, match="number of constrained events must not be negative, not -1"):
        constrained_words(LEVEL1, -1, 1)


def test_directed_events_hold_every_pattern() -> None:
    words = object_words(LEVEL1)
    low, high = LEVEL1.limits()
    rows = {row.tobytes() for row in words}
    assert len(rows) == len(words) < 500
    assert {np.zeros(57, dtype=np.int64).tobytes(), low.tobytes(), high.tobytes()} <= rows
    for collection, block in blocks(LEVEL1, words):
        present = (block != 0).any(axis=2)
        for slot in range(collection.count):
            alone = block[present[:, slot] & (present.sum(axis=1) == 1), slot]
            pt, eta, phi = collection.fields
            found = {tuple(one) for one in alone.tolist()}
            assert {(1, eta.low, phi.low), (1, eta.high, phi.high)} <= found
            assert {(pt.high, eta.low, phi.high), (pt.high, eta.high, phi.low)} <= found
            assert any(1 < one[0] < pt.high and one[0] % 2 == 1 for one in found)
            if collection.count > 1:
                assert (~present[:, slot] & (present.sum(axis=1) == collection.count - 1)).any()
        full = block[present.all(axis=1)]
        assert len(full) > 0
        if collection.count > 1:
            assert ((full[:, 0, 2] == 0) & (full[:, 1, 2] == collection.fields[2].high)).any()
            assert (np.diff(full[:, :, 0], axis=1) == -1).all(axis=1).any()


@st.composite
def contracts(draw: st.DrawFn) -> InputContract:
    collections = []
    for index in range(draw(st.integers(1, 3))):
        fields = kinematics(
            pt_bits=draw(st.integers(1, 12)), eta_max=draw(st.integers(0, 127)), eta_bits=8, eta_lsb=0.1,
            phi_steps=draw(st.integers(2, 200)),
        )  # fmt: skip
        extra = Field(name="q", unit="", lsb=1, bits=2, signed=True, low=-1, high=draw(st.integers(0, 1)))
        chosen = draw(st.sampled_from([fields, (extra,), (*fields, extra), fields[:1], (fields[1], extra)]))
        collections.append(Collection(name=f"c{index}", count=draw(st.integers(1, 5)), fields=chosen))
    return InputContract(name="any", collections=tuple(collections))


@given(contract=contracts(), seed=st.integers(0, 2**31))
def test_every_contract_is_obeyed(contract: InputContract, seed: int) -> None:
    contract.check(object_words(contract))
    require_obeyed(contract, constrained_words(contract, 40, seed))


def test_plain_words_have_directed_events_too() -> None:
    contract = InputContract.of_type("plain", 3, FixedType(signed=True, width=4, integer=2))
    words = object_words(contract)
    contract.check(words)
    assert {(-8, -8, -8), (7, 7, 7), (0, 0, 0), (0, -8, 0), (0, 7, 0)} <= {tuple(row) for row in words.tolist()}


def test_they_are_kinds_of_vectors_and_each_is_counted() -> None:
    vectors = contract_vectors(LEVEL1, random=30, saturating=10, constrained=20, seed=1)
    counts = vectors.counts()
    assert counts["constrained"] == 20
    assert counts["object"] == len(object_words(LEVEL1))
    assert set(counts) == set(KINDS) - {"physics", "frozen", "directed"}
    more = vectors.extended("directed", np.zeros((2, 57), dtype=np.int64))
    assert more.counts() == counts | {"directed": 2}
    with pytest.raises(InputError, match=r"kind of a vector must be one of physics, .*directed, not 'lucky'"):
        vectors.extended("lucky", np.zeros((2, 57), dtype=np.int64))
    with pytest.raises(InputError, match="vectors that are added must have 57 words, not 3"):
        vectors.extended("directed", np.zeros((2, 3), dtype=np.int64))
