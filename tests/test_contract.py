"""The input contract: exact words, padding, cyclic φ, half units, the normaliser and its errors."""

from __future__ import annotations

import subprocess
import sys

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trigforge.contract import Collection, Field, InputContract, OutOfRange, level1_contract
from trigforge.errors import InputError

CONTRACT = level1_contract()


def random_words(n: int, seed: int) -> np.ndarray:
    low, high = CONTRACT.limits()
    return np.random.default_rng(seed).integers(low, high + 1, (n, CONTRACT.words))


def one_event(pt: float = 10.5, eta: float = 0.0, phi: float = 0.0) -> ak.Array:
    empty = ak.Array([[{"pt": pt, "eta": eta, "phi": phi}]])[:, :0]
    return ak.Array(
        {
            "L1MET": ak.Array([{"pt": pt, "eta": 0.0, "phi": phi}]),
            "L1EG": empty,
            "L1Mu": empty,
            "L1Jet": ak.Array([[{"pt": pt, "eta": eta, "phi": phi}]]),
        }
    )


def test_the_level1_contract_has_57_words_in_object_order() -> None:
    assert CONTRACT.words == 57
    assert CONTRACT.word_names[:4] == ("L1MET0_pt", "L1MET0_eta", "L1MET0_phi", "L1EG0_pt")
    assert CONTRACT.word_names[-1] == "L1Jet9_phi"


@given(st.integers(0, 2**32 - 1))
def test_encode_inverts_decode_on_sorted_present_objects(seed: int) -> None:
    words = random_words(20, seed)
    words[:, np.arange(0, 57, 3)] |= 1  # every pt at least 0.5 GeV: every object present
    assert_array_equal(CONTRACT.encode(CONTRACT.decode(words), OutOfRange.REFUSE), words)


def test_half_units_of_pt_survive() -> None:
    words = CONTRACT.encode(one_event(pt=10.5))
    assert words[0, CONTRACT.word_names.index("L1Jet0_pt")] == 21


def test_missing_objects_are_padded_with_zero_words() -> None:
    words = CONTRACT.encode(one_event())
    assert_array_equal(words[0, 3:27], 0)
    assert ak.num(CONTRACT.decode(words)["L1EG"])[0] == 0


@pytest.mark.parametrize(("phi", "word"), [(0.0, 0), (-np.pi / 72, 143), (2 * np.pi, 0), (-2 * np.pi, 0), (7.0, 16)])
def test_phi_is_cyclic(phi: float, word: int) -> None:
    assert CONTRACT.encode(one_event(phi=phi))[0, CONTRACT.word_names.index("L1Jet0_phi")] == word


def test_saturation_and_refusal() -> None:
    event = one_event(pt=5000.0)
    assert CONTRACT.encode(event)[0, CONTRACT.word_names.index("L1Jet0_pt")] == 2047
    with pytest.raises(
        InputError, match=r"^L1MET.pt must be in 0..2047.5 GeV, not 5000; the policy 'saturate' clips it$"
    ):
        CONTRACT.encode(event, OutOfRange.REFUSE)


@pytest.mark.parametrize("count", [3, 5000])
def test_the_normaliser_is_the_cast_of_the_model_input(count: int) -> None:
    wide = Field(name="sum", unit="", lsb=1, bits=32, signed=True, low=-(2**31), high=2**31 - 1, offset=-5, shift=9)
    fitted = CONTRACT.fit_normaliser(random_words(500, 4))
    contract = fitted.model_copy(
        update={"collections": (*fitted.collections, Collection(name="T", count=1, fields=(wide,)))}
    )
    low, high = contract.limits()
    words = np.random.default_rng(count).integers(low, high + 1, (count, 58))
    words[0], words[-1] = low, high
    offset, shift = (np.array([getattr(f, name) for f in contract.fields]) for name in ("offset", "shift"))
    assert_array_equal(contract.normalise(words), contract.model_input.cast(words - offset, shift))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint64])
def test_words_of_any_integer_type_are_taken(kind: type) -> None:
    words = np.ones((3, 57), dtype=kind)
    words[:, 1] = 0
    assert CONTRACT.check(words).dtype == np.int64
    assert CONTRACT.check(words[:0]).shape == CONTRACT.normalise(words[:0]).shape == (0, 57)
    assert len(CONTRACT.decode(words[:0])) == 0
    words[2, 4] = 200
    with pytest.raises(InputError, match=r"word L1EG0_eta of event 2 must be in -69..69, not (200|-56)"):
        CONTRACT.check(words)


def test_numba_is_loaded_by_encoding_only() -> None:
    check = "import sys, trigforge.contract as c; c.level1_contract(); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
    call = [sys.executable, "-X", "importtime", "-m", "trigforge", "--help"]
    loaded = subprocess.run(call, capture_output=True, text=True, check=True).stderr
    assert "trigforge.cli" in loaded
    assert "numba" not in loaded


def test_the_normaliser_shifts_rounds_to_even_and_saturates() -> None:
    word = Field(name="pt", unit="GeV", lsb=0.5, bits=12, signed=False, low=0, high=4095, offset=3, shift=9)
    contract = InputContract(name="t", collections=(Collection(name="A", count=1, fields=(word,)),))
    # model input: 8 fraction bits, so (word - 3) loses one bit: ties go to even
    assert_array_equal(contract.normalise(np.array([[3], [4], [5], [6], [8]]))[:, 0], [0, 0, 1, 2, 2])
    assert_array_equal(contract.normalise(np.array([[0]]))[:, 0], [-2])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            np.zeros((2, 56), int),
            r"words must be integers of shape \(n, 57\) for contract 'level1-57', not int64 of",
        ),
        (np.zeros((2, 57)), r"not float64 of shape \(2, 57\)"),
        (np.full((1, 57), -1), r"word L1MET0_pt of event 0 must be in 0..4095, not -1; encode"),
    ],
)
def test_wrong_words_are_refused(words: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CONTRACT.check(words)


def test_events_without_a_collection_are_refused() -> None:
    with pytest.raises(InputError, match="missing: L1EG, L1Mu, L1Jet"):
        CONTRACT.encode(one_event()[["L1MET"]])


def test_not_finite_values_are_refused() -> None:
    with pytest.raises(InputError, match=r"L1MET\.pt must be finite, not nan"):
        CONTRACT.encode(one_event(pt=float("nan")))


def test_fitted_normaliser_brings_the_spread_to_about_one() -> None:
    words = random_words(2000, 1)
    fitted = CONTRACT.fit_normaliser(words)
    values = fitted.model_input.to_float(fitted.normalise(words))
    spread = np.sqrt((values**2).mean(axis=0))
    assert ((spread <= 1.0) & ((spread > 0.4) | (spread == 0))).all()


def test_save_load_and_digest(tmp_path) -> None:
    fitted = CONTRACT.fit_normaliser(random_words(100, 2))
    fitted.save(tmp_path / "contract.json")
    assert InputContract.load(tmp_path / "contract.json") == fitted
    assert fitted.digest != CONTRACT.digest
