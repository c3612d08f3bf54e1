"""Tables of a comparison: marks beyond errors, refusals with their reason, Markdown."""

from __future__ import annotations

import numpy as np
import pytest

from trigforge.comparison_tables import ABOVE, BELOW, NOT_QUOTED, comparison_tables
from trigforge.models.metrics import (
    Background,
    Comparison,
    Options,
    ScoreArrays,
    ScoreKind,
    Signal,
    Target,
    WorkingPoint,
    compare_scores,
)
from trigforge.table import Table


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    rng = np.random.default_rng(1)
    truth, signal = rng.normal(0, 1, 8000), rng.normal(2, 1, 2000)

    def seen(kind: ScoreKind, noise: float) -> ScoreArrays:
        background, found = (v + rng.normal(0, noise, len(v)) for v in (truth, signal))
        return ScoreArrays(kind, background, {"a_to_4l": found})

    scores = {
        "firmware score": seen(ScoreKind.FIRMWARE, 1.0),
        "MET": seen(ScoreKind.CUT, 0.01),
        "HT": seen(ScoreKind.CUT, 9.0),
    }
    points = (
        WorkingPoint(target=Target.TOTAL_RATE, value=300.0),
        WorkingPoint(target=Target.PURE_RATE, value=300.0),
        WorkingPoint(target=Target.BACKGROUND_EFFICIENCY, value=1e-3),
    )
    others = (rng.random(8000) < 0.2, rng.random(2000) < 0.2)
    return compare_scores(
        scores,
        Background(np.full(8000, 1 / 8000), None, others[0]),
        {"a_to_4l": Signal(2000, None, others[1])},
        "firmware score",
        Options(points, {"mass": truth, "noise": rng.normal(0, 1, 8000)}, points[0], 100),
    )


def test_a_baseline_that_wins_is_marked_and_named(comparison: Comparison) -> None:
    tables = comparison_tables(comparison)
    scores = {row[1]: row for row in tables["scores"].rows}
    head = tables["scores"].head
    assert head[3:7] == (
        "efficiency at 300 kHz total",
        "efficiency at 300 kHz pure",
        "pure efficiency at 300 kHz pure",
        "efficiency of menu or score at 300 kHz pure",
    )
    for column in (2, 3, 4, 5, 6):
        assert scores["MET"][column].endswith(ABOVE)
        assert scores["HT"][column].endswith(BELOW)
        assert scores["firmware score"][column][-1] not in {ABOVE, BELOW}
    (verdicts,) = tables["verdicts"].rows
    assert verdicts[1].startswith("MET wins, (")
    assert verdicts[1].endswith("above firmware score")


def test_what_is_not_quoted_says_why(comparison: Comparison) -> None:
    tables = comparison_tables(comparison)
    assert {row[7] for row in tables["scores"].rows} == {NOT_QUOTED}
    assert tables["verdicts"].rows[0][-1] == f"{NOT_QUOTED}: too few background events"
    refused = [row for row in tables["cuts"].rows if row[1] == "background efficiency 0.001"]
    assert len(refused) == 3
    assert {row[2] for row in refused} == {f"{NOT_QUOTED}: 8 effective background events pass, fewer than 10"}


def test_sculpting_is_told_from_chance(comparison: Comparison) -> None:
    rows = {row[:2]: row for row in comparison_tables(comparison)["sculpting"].rows}
    assert "chance" not in rows["MET", "mass"][2]
    assert rows["MET", "noise"][2].endswith("(no more than by chance)")


def test_all_rows_are_as_wide_as_their_head(comparison: Comparison) -> None:
    for name, table in comparison_tables(comparison).items():
        assert table.rows, name
        assert {len(row) for row in table.rows} == {len(table.head)}, name


def test_a_table_is_markdown_and_text() -> None:
    table = Table(("score", "value"), (("a|b", "1"), ("long name", "22")))
    assert table.markdown() == "| score | value |\n| --- | ---: |\n| a\\|b | 1 |\n| long name | 22 |\n"
    assert table.text() == "score      value\na|b            1\nlong name     22\n"
