"""The compiled encoder against the formulation with padded arrays, on every layout that events come in."""

from __future__ import annotations

from collections.abc import Callable

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference_encoding import reference_encode

from trigforge.contract import Collection, Field, InputContract, OutOfRange, level1_contract
from trigforge.encoding import BLOCK
from trigforge.errors import InputError


def field(name: str, lsb: float, low: int, high: int, *, cyclic: bool = False) -> Field:
    return Field(name=name, unit="u", lsb=lsb, bits=16, signed=low < 0, low=low, high=high, cyclic=cyclic)


STEEP = field("pt", 0.5, 0, 100), field("eta", 0.087 / 2, -40, 40), field("phi", 2 * np.pi / 144, 0, 143, cyclic=True)
SHIFTED = (field("x", 0.1, 3, 90),)
CONTRACT = InputContract(
    name="t",
    collections=(
        Collection(name="One", count=1, fields=STEEP),
        Collection(name="Few", count=2, fields=STEEP),
        Collection(name="Many", count=7, fields=(*SHIFTED, *STEEP)),
    ),
)
LAYOUTS: dict[str, Callable[[ak.Array], ak.Array]] = {
    "packed": lambda a: a,
    "view": lambda a: ak.concatenate([a, a, a])[len(a) : 2 * len(a)],
    "list array": lambda a: a[::-1][np.arange(len(a))[::-1]],
    "all there": lambda a: ak.mask(a, np.ones(len(a), dtype=bool)),
    "cut": lambda a: ak.concatenate([a, a], axis=1)[ak.local_index(ak.concatenate([a, a], axis=1)) < ak.num(a)],
    "objects there": lambda a: ak.mask(a, a["pt"] == a["pt"]) if not ak.any(np.isnan(a["pt"])) else a,
}


def numbers(rng: np.random.Generator, lsb: float, high: int, size: int, wild: float) -> np.ndarray:
    """Ties, values near ties, values out of range, and a share `wild` of huge and not finite ones."""
    steps = rng.integers(-high if wild else 0, high + 1, size) + rng.choice([0, 0.5, 0.49, 1e-9], size)
    strange = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e18, 2.0**53 * lsb, -0.0, -1e300], size)
    return np.where(rng.random(size) < wild, strange, steps * lsb)


def random_events(seed: int, events: int, kind: type, wild: float) -> dict[str, ak.Array]:
    rng = np.random.default_rng(seed)
    columns = {}
    for c in CONTRACT.collections:
        counts = np.ones(events, int) if c.count == 1 else rng.integers(0, c.count + 3, events)
        with np.errstate(over="ignore"):
            flat = {f.name: numbers(rng, f.lsb, f.high, counts.sum(), wild).astype(kind) for f in reversed(c.fields)}
        columns[c.name] = ak.unflatten(ak.zip(flat), counts)
    return columns


def outcome(encode: Callable[[], np.ndarray]) -> np.ndarray | str:
    try:
        return encode()
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(
    seed=st.integers(0, 2**32 - 1),
    events=st.integers(0, 9),
    kind=st.sampled_from([np.float64, np.float32, np.int16]),
    wild=st.sampled_from([0.0, 0.02]),
    policy=st.sampled_from(OutOfRange),
)
def test_words_and_errors_are_those_of_the_reference(
    layout: str, seed: int, events: int, kind: type, wild: float, policy: OutOfRange
) -> None:
    wild = 0.0 if kind is np.int16 else wild
    columns = random_events(seed, events, kind, wild)
    expected = outcome(lambda: reference_encode(CONTRACT, ak.zip(columns, depth_limit=1), policy))
    varied = ak.zip({name: LAYOUTS[layout](a) for name, a in columns.items()}, depth_limit=1)
    found = outcome(lambda: CONTRACT.encode(varied, policy))
    assert type(found) is type(expected)
    assert_array_equal(found, expected)
    if not isinstance(found, str):
        assert found.dtype == np.int64


def test_the_words_of_many_events_are_those_of_the_reference() -> None:
    columns = random_events(7, 2 * BLOCK + 5, np.float32, 0.0)
    events = ak.zip(columns, depth_limit=1)
    words = CONTRACT.encode(events)
    assert_array_equal(words, reference_encode(CONTRACT, events, OutOfRange.SATURATE))
    assert len(np.unique(words)) > 100


def single(values: np.ndarray, kind: type = np.float64) -> tuple[InputContract, ak.Array]:
    contract = InputContract(name="s", collections=(Collection(name="A", count=1, fields=(STEEP[0],)),))
    return contract, ak.Array({"A": ak.zip({"pt": values.astype(kind)})})


def test_ties_go_to_even_in_both_precisions() -> None:
    for kind in (np.float32, np.float64):
        contract, events = single(np.array([0.25, 0.75, 1.25, 1.75, 24.75]), kind)
        assert_array_equal(contract.encode(events)[:, 0], [0, 2, 2, 4, 50])


def test_the_first_offence_is_named_and_one_that_is_not_finite_goes_first() -> None:
    values = np.zeros(3 * BLOCK)
    values[[10, 20]] = 77, -3
    contract, events = single(values)
    with pytest.raises(InputError, match=r"^A\.pt must be in 0..50 u, not 77; the policy 'saturate' clips it$"):
        contract.encode(events, OutOfRange.REFUSE)
    values[2 * BLOCK + 1] = -np.inf
    contract, events = single(values)
    for policy in OutOfRange:
        with pytest.raises(InputError, match=r"^A\.pt must be finite, not -inf$"):
            contract.encode(events, policy)


def test_surplus_objects_are_not_looked_at() -> None:
    contract = level1_contract()
    jets = ak.Array([[{"pt": 1.0, "eta": 0.0, "phi": 0.0}] * 10 + [{"pt": np.nan, "eta": 99.0, "phi": 0.0}]])
    events = ak.zip({c.name: jets for c in contract.collections}, depth_limit=1)
    contract = contract.model_copy(update={"collections": contract.collections[-1:]})
    assert_array_equal(contract.encode(events, OutOfRange.REFUSE)[0], [2, 0, 0] * 10)


def test_missing_objects_in_a_list_are_padding_and_keep_their_place() -> None:
    contract = InputContract(name="s", collections=(Collection(name="A", count=3, fields=(STEEP[0],)),))
    events = ak.Array({"A": ak.Array([[{"pt": 1.0}, None, {"pt": 2.0}], [{"pt": None}]])})
    assert_array_equal(contract.encode(events), [[2, 0, 4], [0, 0, 0]])
    assert_array_equal(contract.encode(events), reference_encode(contract, events, OutOfRange.SATURATE))


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([[{"pt": 1.0}], None, []], r"^collection A must have a list in every event, not None in event 1; an event"),
        ([[{"e": 1.0}]], r"^collection A must have pt; missing pt$"),
        ([[], []], r"^collection A must have pt; missing pt$"),
        ([1.0], r"^collection A must have pt; missing pt$"),
        ([[[{"pt": 1.0}]]], r"^collection A must be records or lists of records, not lists in lists$"),
        ([[{"pt": [1.0]}]], r"^A\.pt must be one number an object, not var \* float64$"),
        ([[{"pt": "high"}]], r"^A\.pt must be one number an object, not string$"),
        ([[{"pt": "high"}, {"pt": 1.0}]], r"^A\.pt must be one number an object, not union\[string, float64\]$"),
    ],
)
def test_objects_of_another_kind_are_refused(objects: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        single(np.zeros(1))[0].encode(ak.Array({"A": ak.Array(objects)}))


def test_a_turn_that_cannot_be_counted_is_refused() -> None:
    contract = InputContract(name="s", collections=(Collection(name="A", count=1, fields=(STEEP[2],)),))
    with pytest.raises(InputError, match=r"^A\.phi must be finite, not 1e\+308$"):
        contract.encode(ak.Array({"A": ak.zip({"phi": [1e308]})}))
