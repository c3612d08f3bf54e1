"""The tables of a `Comparison`: scores and baselines beside one another, and who wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from trigforge.models.metrics import (
    BASELINES,
    Comparison,
    Cut,
    Efficiency,
    Gain,
    Improvement,
    Measured,
    Outcome,
    Quoted,
    Refused,
    Row,
    Sculpting,
    Target,
    Verdict,
    WorkingPoint,
    gain_at,
)
from trigforge.models.metrics.comparison import SIGNIFICANT
from trigforge.notation import GROUP, number, percent, rate, with_error
from trigforge.plots.style import title_of
from trigforge.table import Table

NOT_QUOTED: Final = "not quoted"
ABOVE: Final = "▲"
BELOW: Final = "▽"
LEGEND: Final = (
    f"{ABOVE} above the subject, {BELOW} below it, by more than {SIGNIFICANT:g} errors of the difference on the same "
    "events; without a mark the two are level."
)


def comparison_tables(comparison: Comparison) -> dict[str, Table]:
    """All tables by name: `scores`, `verdicts`, `cuts`, `improvement`, `sculpting`."""
    return {
        "scores": scores_table(comparison),
        "verdicts": verdicts_table(comparison),
        "cuts": cuts_table(comparison),
        "improvement": improvement_table(comparison),
        "sculpting": sculpting_table(comparison),
    }


def scores_table(comparison: Comparison) -> Table:
    """Every score for every signal: area, efficiency at every working point, the best improvement."""
    columns = _columns(comparison)
    head = ("signal", "score", "AUC", *(_heading(p, g) for p, g in columns), "best ε_S/√ε_B")
    rows = tuple(
        (
            signal,
            row.name,
            with_error(row.rocs[signal].auc.value, row.rocs[signal].auc.error) + _mark(row.area_lead.get(signal)),
            *(_efficiency(row.efficiency(signal, point, gain)) for point, gain in columns),
            _best(row.improvement[signal]),
        )
        for signal in comparison.signals
        for row in comparison.rows
    )
    return Table(head, rows, words=2)


def verdicts_table(comparison: Comparison) -> Table:
    """For every signal and working point, whether the subject beats every baseline, and the strongest of them."""
    baselines = [r.name for r in comparison.rows if r.kind in BASELINES]
    columns = [(point, gain) for point, gain in _columns(comparison) if gain is not Gain.MENU]
    head = ("signal", *(_heading(point, gain) for point, gain in columns))
    rows = tuple(
        (
            title_of(signal),
            *(_verdict(comparison.subject, comparison.verdict(signal, point, gain)) for point, gain in columns),
        )
        for signal in comparison.signals
    )
    return Table(head, rows if baselines else (), words=len(head))


def cuts_table(comparison: Comparison) -> Table:
    """The threshold of every score at every working point, with its rates and the events behind it."""
    head = ("score", "working point", "threshold", "total rate", "pure rate", "effective events")
    rows = ((row.name, found.point.title, *_cut(found.cut)) for row in comparison.rows for found in row.points)
    return Table(head, tuple(rows), words=2)


def improvement_table(comparison: Comparison) -> Table:
    """Total improvement over the signals, and the subject's efficiency divided by a score's, averaged over them."""
    rates = [p for p in comparison.points if p.target is not Target.BACKGROUND_EFFICIENCY]
    points = [(p, gain) for p in rates for gain in dict.fromkeys((Gain.PLAIN, gain_at(p)))]
    kept = (f"{comparison.subject} / score, {_heading(*found)}" for found in points)
    head = ("score", "largest", "median", "smallest", *kept)
    rows = tuple(
        (
            row.name,
            *(_quoted(q, with_error) for q in _total(row)),
            *(_kept(row, point, gain) for point, gain in points),
        )
        for row in comparison.rows
    )
    return Table(head, rows)


def sculpting_table(comparison: Comparison) -> Table:
    """Divergence of accepted from all background by variable, and what chance gives."""
    head = ("score", "variable", "divergence [bit]", "by chance [bit]", "p-value", "effective events")
    rows = tuple(
        (row.name, variable, *_sculpting(found)) for row in comparison.rows for variable, found in row.sculpting.items()
    )
    return Table(head, rows, words=2)


def _columns(comparison: Comparison) -> list[tuple[WorkingPoint, Gain]]:
    """What is quoted at every working point; at a pure rate also the whole efficiency and that of the menu."""
    return list(_gains(comparison))


def _gains(comparison: Comparison) -> Iterator[tuple[WorkingPoint, Gain]]:
    for point in comparison.points:
        yield point, Gain.PLAIN
        if point.target is Target.PURE_RATE:
            yield point, Gain.PURE
            yield point, Gain.MENU


def _heading(point: WorkingPoint, gain: Gain) -> str:
    return f"{gain.value} at {point.title}"


def _quoted(quoted: Quoted, text: Callable[[float, float], str]) -> str:
    return NOT_QUOTED if isinstance(quoted, Refused) else text(quoted.value, quoted.error)


def _efficiency(found: Efficiency | Refused) -> str:
    if isinstance(found, Refused):
        return NOT_QUOTED
    return percent(found.value, found.error) + _mark(found.lead)


def _mark(lead: Measured | None) -> str:
    """Whether a score is above or below the subject, whose lead is given, beyond errors."""
    if lead is None or abs(lead.value) <= SIGNIFICANT * lead.error:
        return ""
    return f"{GROUP}{ABOVE if lead.value < 0 else BELOW}"


def _best(found: Improvement | Refused) -> str:
    if isinstance(found, Refused):
        return NOT_QUOTED
    return f"{with_error(found.best.value, found.best.error)} at {number(found.background, 2)}"


def _verdict(subject: str, verdict: Verdict) -> str:
    if verdict.lead is None:
        return f"{NOT_QUOTED}: too few background events"
    lead = percent(abs(verdict.lead.value), verdict.lead.error)
    if verdict.outcome is Outcome.WINS:
        return f"{subject} wins, {lead} above {verdict.rival}"
    if verdict.outcome is Outcome.LOSES:
        return f"{verdict.rival} wins, {lead} above {subject}"
    return f"level with {verdict.rival}, {lead} {'below' if verdict.lead.value >= 0 else 'above'} {subject}"


def _cut(cut: Cut | Refused) -> tuple[str, ...]:
    if isinstance(cut, Refused):
        return (f"{NOT_QUOTED}: {cut.reason}", "–", "–", "–")
    threshold = f"{cut.threshold}" if isinstance(cut.threshold, int) else number(cut.threshold, 4)
    pure = "–" if cut.pure_rate_khz is None else _khz(cut.pure_rate_khz)
    return (f"≥ {threshold}", _khz(cut.rate_khz), pure, number(cut.effective_events))


def _khz(measured: Measured) -> str:
    return rate(1e3 * measured.value, 1e3 * measured.error)


def _total(row: Row) -> tuple[Quoted, Quoted, Quoted]:
    total = row.total_improvement
    return total.maximum, total.median, total.minimum


def _kept(row: Row, point: WorkingPoint, gain: Gain) -> str:
    found = row.at(point)
    kept = found.kept.get(gain)
    return "–" if kept is None else _quoted(kept, with_error)


def _sculpting(found: Sculpting | Refused) -> tuple[str, ...]:
    if isinstance(found, Refused):
        return (f"{NOT_QUOTED}: {found.reason}", "–", "–", "–")
    divergence = with_error(found.divergence.value, found.divergence.error)
    return (
        divergence if found.beyond_chance else f"{divergence} (no more than by chance)",
        with_error(found.chance.value, found.chance.error),
        number(found.p_value, 2),
        number(found.effective_events),
    )
