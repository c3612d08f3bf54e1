"""Certificates: exact comparison, first divergence, round trip, messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigforge.errors import CheckError, InputError
from trigforge.sim.cosim import LEVELS, Certificate, LevelResult, compare

KINDS = np.array(["physics", "random", "random", "corner"])
WORDS = np.arange(8, dtype=np.int64).reshape(4, 2) - 3


def certificate(*levels: LevelResult) -> Certificate:
    return Certificate(
        name="jets",
        levels=levels,
        vectors={"physics": 1, "random": 2, "corner": 1},
        latency_clocks=7,
        ii=1,
        clock_ns=2.5,
        tools={"verilator": "5.048"},
        digests={"program": "ab", "rtl": "cd"},
    )


def test_equal_words_agree() -> None:
    result = compare("program_vs_rtl", WORDS, WORDS.copy(), KINDS)
    assert (result.words, result.mismatches, result.first, result.ok) == (8, 0, None, True)
    assert result.vectors == {"corner": 1, "physics": 1, "random": 2}


@given(event=st.integers(0, 3), element=st.integers(0, 1), bit=st.integers(0, 62))
def test_any_single_bit_is_found_and_located(event: int, element: int, bit: int) -> None:
    got = WORDS.copy()
    got[event, element] ^= np.int64(1) << bit
    result = compare("program_vs_rtl", WORDS, got, KINDS)
    assert result.mismatches == 1
    assert result.first is not None
    assert (result.first.event, result.first.element, result.first.bit) == (event, element, bit)
    assert (result.first.expected, result.first.got) == (WORDS[event, element], got[event, element])
    assert result.first.kind == KINDS[event]


def test_the_first_divergence_is_the_earliest_event() -> None:
    got = WORDS.copy()
    got[3, 0] += 1
    got[1, 1] += 4
    got[1, 0] ^= 0b10100
    result = compare("csim_vs_program", WORDS, got, KINDS)
    assert result.mismatches == 3
    with pytest.raises(
        CheckError,
        match=r"csim_vs_program must agree on every word, but 3 of 8 differ; "
        r"first at event 1 \(random\), output 0, bit 2: expected -1, got -21",
    ):
        result.require()


@pytest.mark.parametrize(
    ("expected", "got", "kinds", "message"),
    [
        (WORDS * 1.0, WORDS, KINDS, r"expected words of a_vs_b must be int64 .* not float64"),
        (WORDS, WORDS[:0], KINDS, r"got words of a_vs_b must be int64 .* n, outputs > 0, not int64 of shape \(0, 2\)"),
        (WORDS, WORDS[:2], KINDS, r"one shape and a kind for every event, not \(4, 2\), \(2, 2\)"),
        (WORDS, WORDS, KINDS[:3], r"one shape and a kind for every event"),
    ],
)
def test_unequal_shapes_and_floats_are_refused(expected: object, got: object, kinds: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare("a_vs_b", expected, got, kinds)  # type: ignore[arg-type]


def test_a_certificate_survives_the_round_trip(tmp_path: Path) -> None:
    got = WORDS.copy()
    got[2, 1] -= 8
    levels = [compare(name, WORDS, WORDS, KINDS) for name in LEVELS[:3]]
    original = certificate(*levels, compare(LEVELS[3], WORDS, got, KINDS))
    original.save(tmp_path / "certificate.json")
    loaded = Certificate.load(tmp_path / "certificate.json")
    assert loaded == original
    assert loaded.digest == original.digest
    assert not loaded.ok
    assert loaded.mismatches() == dict.fromkeys(LEVELS[:3], 0) | {"program_vs_rtl": 1}
    assert (loaded.events, loaded.latency_ns) == (4, 17.5)


def test_requirements_name_the_mismatch_or_the_missing_level() -> None:
    green = certificate(compare("program_vs_rtl", WORDS, WORDS, KINDS))
    assert green.ok
    green.require("program_vs_rtl")
    with pytest.raises(CheckError, match="'jets' must hold the levels trainer_vs_csim, csim_vs_program, but"):
        green.require("trainer_vs_csim", "csim_vs_program", "program_vs_rtl")
    red = certificate(compare("program_vs_rtl", WORDS, WORDS + 2, KINDS))
    assert not red.ok
    with pytest.raises(
        CheckError, match=r"program_vs_rtl must agree .* 8 of 8 differ; first at event 0 \(physics\)"
    ) as e:
        red.require()
    assert "\n" not in str(e.value)


def test_certificates_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    level = {"name": "program_vs_rtl", "words": 8, "mismatches": 1}
    with pytest.raises(InputError, match="must have a first divergence if and only if words differ"):
        LevelResult.parse(level, "x")
    with pytest.raises(InputError, match="must be at most its 8 words, not 9"):
        LevelResult.parse(level | {"mismatches": 9}, "x")
    with pytest.raises(InputError, match="words = 0"):
        LevelResult.parse(level | {"words": 0, "mismatches": 0}, "x")
    data = certificate(compare("program_vs_rtl", WORDS, WORDS, KINDS)).model_dump(mode="json")
    with pytest.raises(InputError, match=r"c\.json: levels"):
        Certificate.parse(data | {"levels": []}, "c.json")
    with pytest.raises(InputError, match="levels of a certificate must be distinct"):
        Certificate.parse(data | {"levels": data["levels"] * 2}, "c.json")


def test_a_certificate_of_something_else_is_refused() -> None:
    made = certificate(compare("program_vs_rtl", WORDS, WORDS, KINDS))
    made.require_digests({"program": "ab"})
    with pytest.raises(CheckError, match=r"^the certificate of 'jets' must be of the rtl ce, but it is of cd; verify"):
        made.require_digests({"program": "ab", "rtl": "ce"})
    with pytest.raises(CheckError, match=r"must be of the contract ab, but it is of none; verify again$"):
        made.require_digests({"contract": "ab"})


def test_a_latency_above_the_budget_fails() -> None:
    made = certificate(compare("program_vs_rtl", WORDS, WORDS, KINDS))
    made.require_latency(17.5)
    with pytest.raises(
        CheckError, match=r"the latency of 'jets' must be at most 17 ns, but 7 clocks of 2\.5 ns are 17\.5 ns; raise"
    ):
        made.require_latency(17.0)
