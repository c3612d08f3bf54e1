"""Groups of events, their importance, the events that are shown, and the table of all of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from trigforge.contract import Collection, Field, InputContract
from trigforge.errors import InputError
from trigforge.explain import Effort, Explanations, Kind, SampleWords, Subject, study
from trigforge.explain.objects import Layout
from trigforge.explain.study import draw, spread
from trigforge.explain.table import write_table
from trigforge.plots.event_display import display, objects_of
from trigforge.plots.explanations import MOST_COLUMNS, Origin, fields_figure, objects_figure
from trigforge.plots.style import plot_style

from .games import contract, entangled, events, linear

EFFORT = Effort(events=40, by_word=8, shown_background=2)


def made(threshold: int | None = 6000):
    used = contract()
    weights = np.random.default_rng(1).exponential(1.0, 500)
    samples = (
        SampleWords("enhanced_bias", Kind.BACKGROUND, events(used, 500, seed=1), weights),
        SampleWords("signal", Kind.SAMPLE, events(used, 30, seed=2), np.ones(30)),
    )
    subject = Subject(entangled, used, "ab" * 32, 0, threshold)
    return samples, *study(subject, samples, events(used, 16, seed=3), EFFORT, lambda share, text: None)


def test_groups_are_the_background_what_is_accepted_and_every_sample() -> None:
    samples, found, groups = made()
    assert [(g.sample, g.kind) for g in found.groups] == [
        ("enhanced_bias", Kind.BACKGROUND),
        ("enhanced_bias", Kind.ACCEPTED),
        ("signal", Kind.SAMPLE),
    ]
    assert_array_equal(groups[2].events, np.arange(30))
    scores = entangled(samples[0].words)
    assert (scores[groups[1].events] >= 6000).all()
    assert found.groups[1].events == len(groups[1].events) <= 40
    for group, kept in zip(groups, found.groups, strict=True):
        values = np.abs(group.objects.values)
        for j, o in enumerate(kept.objects):
            assert o.size == pytest.approx(np.average(values[:, j], weights=group.copies))
            assert o.noise == 0
        assert kept.mean_score == pytest.approx(np.average(group.objects.scores, weights=group.copies))
        assert all(w.noise > 0 for w in kept.words if not w.name.endswith("eta") or "MET" not in w.name)
    assert sum(found.summary()[0]["shares"].values()) == pytest.approx(1)


def test_without_a_threshold_nothing_is_accepted() -> None:
    _, found, _ = made(threshold=None)
    assert [g.kind for g in found.groups] == [Kind.BACKGROUND, Kind.SAMPLE]
    assert Kind.ACCEPTED not in [e.kind for e in found.shown]


def test_the_shown_events_are_those_of_the_highest_scores_and_half_of_the_accepted_rate() -> None:
    samples, found, _ = made()
    scores, weights = entangled(samples[0].words), samples[0].weights
    first, second, middle, signal = found.shown
    assert [first.score, second.score] == np.sort(scores)[-2:][::-1].tolist()
    assert signal.score == entangled(samples[1].words).max()
    above = weights[scores >= 6000].sum()
    assert weights[scores >= middle.score].sum() >= above / 2 >= weights[scores > middle.score].sum() - 1e-9
    for event in (first, second, middle):
        assert_array_equal(event.words, samples[0].words[event.event])
        assert sum(event.contributions) == pytest.approx(event.score - found.empty_score)


def test_equal_events_are_shown_once() -> None:
    used = contract()
    words = events(used, 6, seed=4, absent=0.0)
    words[[1, 3, 5]] = words[0]
    _, score = linear(used)
    sample = SampleWords("signal", Kind.SAMPLE, words, np.ones(6))
    found, _ = study(Subject(score, used, ""), [sample], words, Effort(2, 1, 0, 6), lambda *_: None)
    assert len({e.words for e in found.shown}) == len(found.shown) == 3


def test_events_are_drawn_by_weight() -> None:
    chosen, copies = draw(np.array([1.0, 0.0, 3.0, 4.0]), 8)
    assert_array_equal(chosen, [0, 2, 3])
    assert_array_equal(copies, [1, 3, 4])
    chosen, copies = draw(np.ones(5), 9)
    assert_array_equal(chosen, np.arange(5))
    assert_array_equal(copies, np.ones(5))
    assert_array_equal(spread(101, 5), [0, 25, 50, 75, 100])
    assert_array_equal(spread(3, 5), [0, 1, 2])


def test_a_sample_without_events_is_refused() -> None:
    used = contract()
    empty = SampleWords("signal", Kind.SAMPLE, np.empty((0, used.words), dtype=np.int64), np.empty(0))
    with pytest.raises(InputError, match="every sample to explain must have events"):
        study(Subject(entangled, used, ""), [empty], events(used, 4), EFFORT, lambda *_: None)


def test_objects_out_of_order_are_named_with_their_sample() -> None:
    used = contract()
    words = events(used, 5, absent=0.0)
    words[3, 9:15] = words[3, [12, 13, 14, 9, 10, 11]]
    sample = SampleWords("mine", Kind.SAMPLE, words, np.ones(5))
    with pytest.raises(InputError, match=r"^mine: the objects of event 3 must be hardest first"):
        study(Subject(entangled, used, ""), [sample], events(used, 4), Effort(events=1), lambda *_: None)


def test_explanations_are_saved_and_loaded(tmp_path: Path) -> None:
    _, found, _ = made()
    found.save(tmp_path / "explanations.json")
    assert Explanations.load(tmp_path / "explanations.json") == found


def test_the_table_has_exact_contributions_of_every_event(tmp_path: Path) -> None:
    _, found, groups = made()
    write_table(tmp_path / "t.parquet", groups, "ab" * 32)
    table = pq.read_table(tmp_path / "t.parquet")
    assert json.loads(table.schema.metadata[b"trigforge"]) == {"program": "ab" * 32}
    columns = {name: table[name].to_numpy() for name in table.column_names}
    names = Layout.of(contract()).names
    total = sum(columns[f"numerator_{name}"] for name in names)
    gained = columns["score"] - columns["score_without_objects"]
    assert_array_equal(total, gained * columns["denominator"])
    by_word = ~np.isnan(columns["shap_L1Jet0_pt"])
    assert by_word.sum() == sum(g.events_by_word for g in found.groups)
    words = sum(columns[f"shap_{name}"] for name in contract().word_names)[by_word]
    np.testing.assert_allclose(words, (columns["score"] - columns["score_of_background"])[by_word], atol=1e-6)
    assert {name for name in columns if name.startswith("without_")} == {f"without_{name}" for name in names}


def test_an_event_display_has_every_object_where_it_is() -> None:
    _, found, _ = made()
    event = found.shown[0]
    drawn = {d.title: d for d in objects_of(found, event)}
    there = Layout.of(contract()).present(np.array([event.words]))[0]
    assert len(drawn) == there.sum()
    jet, words = drawn["jet 1"], event.words[9:12]
    assert (jet.pt, jet.eta) == (words[0] / 2, pytest.approx(words[1] * 0.0435))
    assert jet.phi % (2 * np.pi) == pytest.approx(words[2] * 2 * np.pi / 144)
    assert drawn["MET"].eta is None
    with plot_style():
        figure = display(found, event, Origin("simulation", "toys"))
    bars = figure.axes[2]
    ends = [p.get_x() + p.get_width() for p in bars.patches]
    assert ends[-1] == pytest.approx(event.score)
    assert bars.patches[0].get_x() == found.empty_score


def test_contracts_without_kinematics_are_drawn_too() -> None:
    field = Field(name="et", unit="GeV", lsb=0.5, bits=8, signed=False, low=0, high=255)
    used = InputContract(name="regions", collections=(Collection(name="Region", count=30, fields=(field,)),))
    words = np.random.default_rng(1).integers(0, 256, (9, 30))
    sample = SampleWords("mine", Kind.BACKGROUND, words, np.ones(9))
    subject = Subject(lambda w: w.astype(np.int64) @ np.arange(30), used, "", 0, 50_000)
    found, _ = study(subject, [sample], words, Effort(4, 2, 1), lambda *_: None)
    origin = Origin("emulation", "")
    with plot_style():
        shown = display(found, found.shown[0], origin)
        objects, fields = objects_figure(found, origin), fields_figure(found, origin)
    assert len(shown.axes) == 1
    assert len(objects.axes[0].get_xticks()) == MOST_COLUMNS
    assert len(fields.axes[0].get_xticks()) == 1
