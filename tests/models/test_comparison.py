"""Comparisons: small exact ones, honest winners, refusals, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trigforge.errors import InputError
from trigforge.models.metrics import (
    Background,
    Comparison,
    Gain,
    Measured,
    Options,
    Outcome,
    Refused,
    ScoreArrays,
    ScoreKind,
    Sculpting,
    Signal,
    Target,
    WorkingPoint,
    compare_scores,
    find_cut,
    gain_at,
)

PERCENT = WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=0.01)
TOTAL, PURE = (WorkingPoint(target=t, value=300.0) for t in (Target.TOTAL_RATE, Target.PURE_RATE))


def samples(seed: int = 3, n: int = 20_000, m: int = 2000) -> dict[str, np.ndarray]:
    """A background and two signals of which `b` is hardly one."""
    rng = np.random.default_rng(seed)
    return {"background": rng.normal(0, 1, n), "a": rng.normal(2.5, 1, m), "b": rng.normal(0.3, 1, m)}


def arrays(kind: ScoreKind, truth: dict[str, np.ndarray], noise: float, seed: int) -> ScoreArrays:
    rng = np.random.default_rng(seed)
    found = {n: np.rint(100 * (v + rng.normal(0, noise, len(v)))).astype(np.int64) for n, v in truth.items()}
    return ScoreArrays(kind, found.pop("background"), found)


def compare(**changes: object) -> Comparison:
    truth = samples()
    rng = np.random.default_rng(8)
    scores = {
        "firmware": arrays(ScoreKind.FIRMWARE, truth, 0.5, 1),
        "float": arrays(ScoreKind.FLOAT, truth, 0.45, 2),
        "good cut": arrays(ScoreKind.CUT, truth, 0.0, 3),
        "bad cut": arrays(ScoreKind.CUT, truth, 3.0, 4),
    }
    background = Background(np.full(20_000, 1 / 20_000), None, rng.random(20_000) < 0.2)
    signals = {n: Signal(2000, None, rng.random(2000) < 0.1) for n in ("a", "b")}
    options = Options(
        points=(PERCENT, TOTAL, PURE),
        variables={"mass": truth["background"], "noise": rng.normal(0, 1, 20_000)},
        sculpted_at=TOTAL,
        replicas=100,
    )
    given = {"scores": scores, "background": background, "signals": signals, "subject": "firmware", "options": options}
    return compare_scores(**{**given, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare()


def test_a_comparison_is_kept_as_it_is(comparison: Comparison, tmp_path: Path) -> None:
    comparison.save(tmp_path / "comparison.json")
    assert Comparison.load(tmp_path / "comparison.json") == comparison
    assert compare() == comparison


def test_every_score_is_measured_alike(comparison: Comparison) -> None:
    assert [r.name for r in comparison.rows] == ["firmware", "float", "good cut", "bad cut"]
    for row in comparison.rows:
        assert [p.point for p in row.points] == [PERCENT, TOTAL, PURE]
        assert set(row.rocs) == set(row.improvement) == {"a", "b"}
        for found in row.points:
            assert not isinstance(found.cut, Refused)
            assert found.cut.effective_events >= 10
            for efficiencies in found.signals.values():
                assert list(efficiencies) == list(Gain)
                assert efficiencies[Gain.PURE].value <= efficiencies[Gain.PLAIN].value <= efficiencies[Gain.MENU].value
                assert all((e.lead is None) == (row.name == "firmware") for e in efficiencies.values())


def test_a_winner_is_named_only_beyond_errors(comparison: Comparison) -> None:
    cuts = frozenset({ScoreKind.CUT})
    lost = comparison.verdict("a", PERCENT, Gain.PLAIN, cuts)
    assert (lost.outcome, lost.rival) == (Outcome.LOSES, "good cut")
    assert lost.lead is not None
    assert lost.lead.value < -2 * lost.lead.error
    assert comparison.verdict("a", PERCENT, Gain.PLAIN, {ScoreKind.FOREST}).outcome is Outcome.UNKNOWN
    bad = compare(scores={n: a for n, a in scores_of().items() if n != "good cut"})
    won = bad.verdict("a", PERCENT, Gain.PLAIN, cuts)
    assert (won.outcome, won.rival) == (Outcome.WINS, "bad cut")
    twins = compare(scores={"firmware": scores_of()["firmware"], "twin": twin()})
    assert twins.verdict("a", PURE, gain_at(PURE), cuts).outcome is Outcome.EVEN


def scores_of() -> dict[str, ScoreArrays]:
    truth = samples()
    return {
        "firmware": arrays(ScoreKind.FIRMWARE, truth, 0.5, 1),
        "good cut": arrays(ScoreKind.CUT, truth, 0.0, 3),
        "bad cut": arrays(ScoreKind.CUT, truth, 3.0, 4),
    }


def twin() -> ScoreArrays:
    return arrays(ScoreKind.CUT, samples(), 0.5, 1)


def test_a_twin_is_level_in_everything() -> None:
    found = compare(scores={"firmware": scores_of()["firmware"], "twin": twin()})
    first, second = found.rows
    assert second.area_lead["a"] == Measured(value=0, error=0)
    assert {g: k.value for g, k in second.at(PURE).kept.items() if isinstance(k, Measured)} == dict.fromkeys(Gain, 1.0)
    assert first.total_improvement == second.total_improvement
    assert first.sculpting == second.sculpting


def test_the_total_improvement_is_the_best_of_three_working_points(comparison: Comparison) -> None:
    truth, row = samples(), comparison.row("good cut")
    scores, background = arrays(ScoreKind.CUT, truth, 0.0, 3), Background(np.full(20_000, 1 / 20_000))
    expected = {}
    for name in ("a", "b"):
        found = []
        for fpr in (1e-2, 1e-3, 1e-4):
            cut = find_cut(scores.background, background, WorkingPoint(target=PERCENT.target, value=fpr))
            if not isinstance(cut, Refused):
                found.append(np.mean(scores.signals[name] >= cut.threshold) / np.sqrt(fpr))
        assert len(found) == 2
        expected[name] = max(found)
    total = row.total_improvement
    got = [m.value for m in (*total.signals.values(), total.maximum, total.median, total.minimum) if m]
    mean = np.mean(list(expected.values()))
    assert got == pytest.approx([*expected.values(), max(expected.values()), mean, min(expected.values())])


def test_sculpting_is_measured_at_its_working_point(comparison: Comparison) -> None:
    for row in comparison.rows:
        assert isinstance(row.sculpting["mass"], Sculpting)
        assert row.sculpting["mass"].beyond_chance
        assert isinstance(row.sculpting["noise"], Sculpting)
        assert not row.sculpting["noise"].beyond_chance


def test_what_is_too_rare_is_refused_everywhere() -> None:
    rare = WorkingPoint(target=Target.TOTAL_RATE, value=10.0)
    found = compare(
        options=Options(points=(rare, PERCENT), variables={"mass": samples()["background"]}, sculpted_at=rare)
    )
    reason = Refused(reason="6 effective background events pass, fewer than 10")
    row = found.row("float")
    assert row.at(rare).cut == row.efficiency("a", rare, Gain.PLAIN) == row.sculpting["mass"] == reason
    assert row.at(rare).signals == row.at(rare).kept == {}
    assert found.verdict("a", rare, Gain.PLAIN).outcome is Outcome.UNKNOWN
    few = compare(
        scores={"x": ScoreArrays(ScoreKind.CUT, np.arange(50), {"s": np.arange(30)})},
        background=Background(np.full(50, 0.02)),
        signals={"s": Signal(30)},
        subject="x",
        options=Options(points=(WorkingPoint(target=PERCENT.target, value=0.5),), replicas=10),
    )
    total = few.rows[0].total_improvement
    assert total.maximum == total.median == total.minimum == total.signals["s"]
    assert isinstance(total.maximum, Refused)


def test_arrays_of_other_events_are_refused() -> None:
    scores = scores_of()
    with pytest.raises(InputError, match="the subject must be one of the scores firmware, good cut, bad cut, not 'x'"):
        compare(scores=scores, subject="x")
    with pytest.raises(InputError, match="needs at least one signal"):
        compare(signals={})
    with pytest.raises(InputError, match="score 'firmware' must have scores of all signals; c are missing"):
        compare(signals={"c": Signal(3)})
    with pytest.raises(InputError, match=r"score 'firmware' of a must have shape \(3,\), not \(2000,\)"):
        compare(signals={"a": Signal(3)})
    broken = ScoreArrays(ScoreKind.CUT, np.full(20_000, np.nan), scores["firmware"].signals)
    with pytest.raises(InputError, match="score 'broken' of background must be finite"):
        compare(scores={**scores, "broken": broken})


def test_unknown_rows_and_points_are_named(comparison: Comparison) -> None:
    with pytest.raises(InputError, match="score must be one of firmware, float, good cut, bad cut, not 'HT'"):
        comparison.row("HT")
    with pytest.raises(InputError, match=r"working point must be one of .*, not 2 kHz total"):
        comparison.rows[0].at(WorkingPoint(target=Target.TOTAL_RATE, value=2.0))
