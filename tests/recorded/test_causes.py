"""Every known fault, injected in front of or behind the real program, is named; and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trigforge.fixed import IntArray

from .cases import CONTRACT, column, compared, scores, words_of

EVENTS = 1000
JETS = [column(f"L1Jet{i}_pt") for i in range(3)]
HIGH = CONTRACT.limits()[1]

Injection = Callable[[IntArray], IntArray]


def seen(change: Callable[[IntArray], None]) -> Injection:
    """Scores of words that the firmware saw changed in place."""

    def scored(words: IntArray) -> IntArray:
        copy = words.copy()
        change(copy)
        return scores(copy)

    return scored


def half_units(words: IntArray) -> None:
    words[:, JETS[0]] -= words[:, JETS[0]] % 2


def half_units_everywhere(words: IntArray) -> None:
    for pt in (column("L1MET0_pt"), *JETS):
        words[:, pt] = words[:, pt] // 2 * 2


def flip_eta(words: IntArray) -> None:
    for pt in JETS:
        words[:, pt + 1] *= -1


def next_phi(words: IntArray) -> None:
    for pt in JETS:
        present = words[:, pt : pt + 3].any(axis=1)
        words[present, pt + 2] = (words[present, pt + 2] + 1) % 144


def wrap_saturated(words: IntArray) -> None:
    words[words[:, JETS[1]] == HIGH[JETS[1]], JETS[1]] = 0


def swap_jets(words: IntArray) -> None:
    words[:, [*range(3, 6), *range(9, 12)]] = words[:, [*range(9, 12), *range(3, 6)]]


def mask_jets(words: IntArray) -> None:
    words[:, 3:] = 0


def late_jets(words: IntArray) -> None:
    words[1:, 3:] = words[:-1, 3:].copy()


FAULTS: dict[str, Injection] = {
    "L1Jet0_pt is truncated by 1 bit": seen(half_units),
    "every pt is truncated by 1 bit": seen(half_units_everywhere),
    "every L1Jet eta has its sign flipped": seen(flip_eta),
    "every L1Jet phi is high by one": seen(next_phi),
    "L1Jet1_pt is read as 0 where saturated": seen(wrap_saturated),
    "L1Jet0 and L1Jet2 are swapped": seen(swap_jets),
    "L1Jet is zero (masked)": seen(mask_jets),
    "L1Jet is that of the preceding event": seen(late_jets),
    "the inputs are those of the preceding event": lambda words: np.roll(scores(words), 1),
    "the inputs are those of the following event": lambda words: np.roll(scores(words), -1),
    "the score is truncated by 3 low bits": lambda words: scores(words) // 8 * 8,
    "the score is recorded without its 2 low bits": lambda words: scores(words) // 4,
    "the score is wrapped to 14 bits": lambda words: scores(words) % 2**14,
    "the score is saturated at 14 bits": lambda words: np.minimum(scores(words), 2**14 - 1),
    "the bytes of the score are swapped in 32 bits": lambda words: scores(words).astype("<u4").view(">u4").astype("i8"),
    "bit 5 of the score is stuck at 1": lambda words: scores(words) | 32,
    "the score is always 0": lambda words: 0 * scores(words),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_injected_fault_is_named(tmp_path: Path, name: str) -> None:
    words = words_of(EVENTS)
    result = compared(tmp_path, words, FAULTS[name](words))
    (cause,) = result.causes
    assert cause.hypothesis.name == name, result.verdict
    assert not cause.intermittent
    most = result.mismatch.count
    assert most - 2 <= cause.explained <= most
    assert cause.hypothesis.broken <= 2
    assert f"{cause.explained} of {most} mismatches vanish if {name}" in result.verdict


def test_nothing_is_named_without_a_mismatch(tmp_path: Path) -> None:
    words = words_of(EVENTS)
    result = compared(tmp_path, words, scores(words))
    assert (result.mismatch.count, result.mismatch.total) == (0, EVENTS)
    assert result.causes == result.hypotheses == result.conditions == ()
    assert result.verdict == f"all {EVENTS} events agree; the mismatch rate is below 0.0037 (95 % interval)"


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("share", [0.003, 0.05, 0.9])
def test_noise_has_no_known_cause(tmp_path: Path, seed: int, share: float) -> None:
    rng, words = np.random.default_rng(seed), words_of(EVENTS, seed)
    wrong = rng.random(EVENTS) < share
    noise = rng.integers(1, 2**10, EVENTS) * rng.choice([-1, 1], EVENTS)
    result = compared(tmp_path, words, scores(words) + wrong * noise)
    assert result.mismatch.count == wrong.sum()
    assert result.causes == ()
    assert result.verdict.startswith(f"no known fault explains the {wrong.sum()} mismatches of {EVENTS} events")
    assert all(c.p_corrected > 1e-3 for c in result.conditions)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_noise_of_a_trigger_bit_has_no_known_cause(tmp_path: Path, seed: int, share: float) -> None:
    rng, words = np.random.default_rng(seed), words_of(EVENTS, seed)
    limit = int(np.quantile(scores(words), 0.8))
    fired = (scores(words) >= limit) ^ (rng.random(EVENTS) < share)
    assert compared(tmp_path, words, fired, thresholds=(limit,)).causes == ()


@pytest.mark.parametrize(
    "name", ["every L1Jet eta has its sign flipped", "the inputs are those of the preceding event"]
)
def test_a_fault_is_named_from_a_trigger_bit_alone(tmp_path: Path, name: str) -> None:
    words = words_of(EVENTS)
    limit = int(np.quantile(scores(words), 0.8))
    result = compared(tmp_path, words, FAULTS[name](words) >= limit, thresholds=(limit,))
    (cause,) = result.causes
    assert cause.hypothesis.name == name
    assert cause.explained >= result.mismatch.count - 1


def test_few_mismatches_have_no_named_cause(tmp_path: Path) -> None:
    words = words_of(EVENTS)
    recorded = scores(words)
    wrong = np.flatnonzero(recorded != FAULTS["L1Jet0_pt is truncated by 1 bit"](words))[:4]
    recorded[wrong] = FAULTS["L1Jet0_pt is truncated by 1 bit"](words)[wrong]
    assert compared(tmp_path, words, recorded).causes == ()


def test_a_fault_that_comes_and_goes_is_named_and_said_to(tmp_path: Path) -> None:
    words, rng = words_of(EVENTS), np.random.default_rng(1)
    now = rng.random(EVENTS) < 0.05
    result = compared(tmp_path, words, np.where(now, np.roll(scores(words), 1), scores(words)))
    (cause,) = result.causes
    assert cause.hypothesis.name == "the inputs are those of the preceding event"
    assert cause.explained == result.mismatch.count
    assert cause.intermittent
    assert "so the fault is not always there" in result.verdict


def test_two_faults_and_noise_are_told_apart(tmp_path: Path) -> None:
    words, rng = words_of(EVENTS), np.random.default_rng(1)
    first, second = (
        FAULTS[f](words) for f in ("every L1Jet eta has its sign flipped", "the score is truncated by 3 low bits")
    )
    half = np.arange(EVENTS) < EVENTS // 2
    recorded = np.where(half, first, second) + (rng.random(EVENTS) < 0.05) * rng.integers(1, 99, EVENTS)
    names = {c.hypothesis.name for c in compared(tmp_path, words, recorded).causes}
    assert names == {"every L1Jet eta has its sign flipped", "the score is truncated by 3 low bits"}


def test_the_condition_of_the_mismatches_is_the_first_of_the_list(tmp_path: Path) -> None:
    words = words_of(EVENTS)
    saturated = words[:, JETS[0]] == HIGH[JETS[0]]
    rng = np.random.default_rng(1)
    result = compared(tmp_path, words, scores(words) + saturated * rng.integers(1, 99, EVENTS))
    first = result.conditions[0]
    assert first.name == f"L1Jet0_pt = {HIGH[JETS[0]]} (highest)"
    assert (first.inside.count, first.inside.total) == (saturated.sum(), saturated.sum())
    assert first.outside.count == 0
    assert first.ratio is None
    assert first.p_corrected < 1e-10
