"""Figures of a comparison: pure functions from `Comparison` to matplotlib figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trigforge.notation import count, percent
from trigforge.plots.style import CHOICE, INK, LINES, MUTED, PALETTE, legend_below, new_figure, plain, plot_style
from trigforge.recorded.values import Bin, Column, Comparison, Rate

SHOWN: Final = 12
"""Conditions and hypotheses in a figure."""
RECORDED, EMULATED = PALETTE[0], PALETTE[1]
WIDE: Final = 8.2
SMALLEST_P: Final = 1e-300
"""Smaller p-values are written as an upper limit."""


def draw(result: Comparison) -> dict[str, Figure]:
    """All figures that there is something to show in, by name."""
    with plot_style():
        found = {"where": where_figure(result)} if result.parts else {}
        for column, suffix in zip(result.columns, _suffixes(result), strict=True):
            if column.threshold is None and column.mismatch.total:
                found[f"score{suffix}"] = score_figure(result, column)
            if column.threshold is None and column.mismatch.count:
                found[f"bits{suffix}"] = bits_figure(result, column)
                found[f"plane{suffix}"] = plane_figure(result, column)
        if any(h.explained for h in result.hypotheses):
            found["causes"] = causes_figure(result)
        if result.conditions:
            found["conditions"] = conditions_figure(result)
        return found


def score_figure(result: Comparison, column: Column) -> Figure:
    """Events and mismatches by emulated score, and their ratio with its interval."""
    figure = new_figure(5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    bins = _filled(column.scores)
    edges = [bins[0].low - 0.5, *(b.high + 0.5 for b in bins)]
    upper.stairs([b.events for b in bins], edges, color=INK, linewidth=1.4, label="compared")
    wrong = [b.mismatches for b in bins]
    upper.stairs(wrong, edges, color=EMULATED, fill=True, alpha=0.8, label="mismatching")
    upper.set(yscale="log", ylabel="events / bin")
    upper.set_ylim(0.5, 3 * max(b.events for b in bins))
    filled = [(b, Rate.of(b.mismatches, b.events)) for b in bins if b.events]
    _log_points(lower, [(b.low + b.high) / 2 for b, _ in filled], [r for _, r in filled], EMULATED)
    lower.set_ylabel("mismatch rate")
    lower.set_xlabel(f"emulated score, output {column.output} (firmware integer)")
    for axes in (upper, lower):
        for i, t in enumerate(column.thresholds):
            axes.axvline(t.threshold - 0.5, color=CHOICE, linestyle=LINES[1 + i % 5], label=f"score ≥ {t.threshold}")
        _score_axis(axes, edges)
    _title(upper, result, column)
    legend_below(figure, upper, columns=3)
    return figure


def bits_figure(result: Comparison, column: Column) -> Figure:
    """Which bits of the score differ, and by how much it differs."""
    figure = new_figure(6.4)
    upper, lower = figure.subplots(2, 1)
    bits = np.array([b.bit for b in column.bits])
    mine, theirs = (np.array([getattr(b, n) for b in column.bits]) for n in ("recorded_only", "emulated_only"))
    total = max(column.mismatch.count, 1)
    upper.bar(bits, mine / total, color=RECORDED, width=0.8, label="set in the recorded score only; recorded higher")
    set_in = "set in the emulated one only; emulated higher"
    upper.bar(bits, theirs / total, bottom=mine / total, color=EMULATED, width=0.8, label=set_in)
    upper.set(xlabel="bit (0: least significant)", ylabel="share of mismatches", xlim=(bits[0] - 0.6, bits[-1] + 0.6))
    upper.set_ylim(0, 1.05 * max(0.01, ((mine + theirs) / total).max()))
    upper.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16))
    upper.minorticks_off()
    differences = column.differences
    place = [np.sign(b.low) * max(abs(b.low), abs(b.high)).bit_length() for b in differences]
    colors = [RECORDED if b.low > 0 else EMULATED for b in differences]
    lower.bar(place, [b.events / total for b in differences], color=colors, width=0.8)
    ticks = np.arange(min(0, *place), max(0, *place) + 1)
    step = -(-len(ticks) // 12)
    shown = [t for t in ticks if t % step == 0]
    lower.set_xticks(shown, [_power(int(t)) for t in shown])
    lower.minorticks_off()
    lower.set(xlabel="recorded − emulated, from this power of two up to the next", ylabel="share of mismatches")
    _title(upper, result, column)
    legend_below(figure, upper, columns=1)
    return figure


def plane_figure(result: Comparison, column: Column) -> Figure:
    """Recorded against emulated score of the mismatching events."""
    figure = new_figure(5.8)
    axes = figure.subplots()
    bins = column.scores
    edges = np.array([bins[0].low - 0.5, *(b.high + 0.5 for b in bins)])
    contents = np.zeros((len(bins), len(bins)))
    for i, j, events in column.plane:
        contents[i, j] = events
    from matplotlib.colors import LogNorm

    shown = np.ma.masked_equal(contents.T, 0)
    norm = LogNorm(vmin=1, vmax=max(10, contents.max()))
    mesh = axes.pcolormesh(edges, edges, shown, norm=norm, cmap="viridis_r", rasterized=True)
    figure.colorbar(mesh, ax=axes, label="mismatching events")
    used = np.flatnonzero(contents.any(axis=0) | contents.any(axis=1))
    span = edges[[used[0], used[-1] + 1]]
    axes.plot(span, span, color=MUTED, linewidth=1, linestyle=LINES[1])
    for t in column.thresholds:
        axes.axvline(t.threshold - 0.5, color=CHOICE, linewidth=1.2)
        axes.axhline(t.threshold - 0.5, color=CHOICE, linewidth=1.2)
    for which in ("x", "y"):
        _score_axis(axes, list(span), which)
    axes.set(xlabel="emulated score", ylabel="recorded score")
    _title(axes, result, column)
    return figure


def causes_figure(result: Comparison) -> Figure:
    """What the best hypotheses explain, and what they would break."""
    shown = [h for h in result.hypotheses if h.explained][:SHOWN]
    figure = new_figure(1.9 + 0.42 * len(shown), WIDE)
    axes = figure.subplots()
    y = np.arange(len(shown))
    mended = [h.explained / h.tested for h in shown]
    broken = [h.broken / max(h.tested_equal, 1) for h in shown]
    axes.barh(y - 0.19, mended, height=0.36, color=PALETTE[0], label="mismatches that it explains")
    axes.barh(y + 0.19, broken, height=0.36, color=PALETTE[1], label="equal events that it would break")
    named = {c.hypothesis.name for c in result.causes}
    _names(axes, [h.name for h in shown], named)
    axes.set(xlabel="share of the events tested", xlim=(0, 1.02))
    _title(axes, result, None)
    legend_below(figure, axes)
    return figure


def conditions_figure(result: Comparison) -> Figure:
    """Mismatch rates with and without the conditions that go with mismatches most significantly."""
    shown = result.distinct_conditions[:SHOWN]
    figure = new_figure(1.9 + 0.42 * len(shown), WIDE)
    axes = figure.subplots()
    kinds = ((-0.15, "inside", PALETTE[1], "o", "condition holds"), (0.15, "outside", PALETTE[0], "s", "it does not"))
    for shift, name, color, marker, text in kinds:
        rates = [getattr(c, name) for c in shown]
        y = np.arange(len(shown)) + shift
        for at, r in zip(y, rates, strict=True):
            point: dict[str, Any] = {"fmt": marker, "xerr": _errors([r])} if r.count else {"fmt": "<", "alpha": 0.4}
            axes.errorbar(r.value if r.count else r.high, at, color=color, markersize=4.5, linewidth=1.2, **point)
        axes.errorbar([], [], fmt=marker, color=color, label=text)
    _log_axis(axes.set_xscale, axes.set_xlim, [r for c in shown for r in (c.inside, c.outside)])
    _names(axes, [f"{c.name}   p {_p_value(c.p_corrected)}" for c in shown], set())
    axes.axvline(result.mismatch.value, color=MUTED, linestyle=LINES[2], linewidth=1, label="all events")
    axes.set_xlabel("mismatch rate, 95 % interval (arrow: upper limit)")
    _title(axes, result, None)
    legend_below(figure, axes, columns=3)
    return figure


def where_figure(result: Comparison) -> Figure:
    """Mismatch rate along the input, and by run and bunch crossing where these were recorded."""
    by_run = sorted(result.places.get("run", ()), key=lambda p: p.place)
    by_crossing = sorted(result.places.get("bunchCrossing", ()), key=lambda p: p.place)
    rows = 1 + bool(by_run) + bool(by_crossing)
    figure = new_figure(1.6 + 1.9 * rows)
    panels: list[Axes] = list(np.ravel(np.array(figure.subplots(rows, 1), dtype=object)))
    first = panels[0]
    _points(first, [p.place[0] * 2 + 1 for p in result.parts], [p.mismatch for p in result.parts], INK)
    first.set(xlabel="part of the input, in its order [%]", xlim=(0, 100))
    following = iter(panels[1:])
    if by_run:
        axes = next(following)
        _points(axes, range(len(by_run)), [p.mismatch for p in by_run], PALETTE[0])
        step = -(-len(by_run) // 8)
        axes.set_xticks(range(0, len(by_run), step), [str(p.place[0]) for p in by_run][::step])
        axes.minorticks_off()
        axes.set(xlabel="run", xlim=(-0.5, len(by_run) - 0.5))
    if by_crossing:
        axes = next(following)
        low, high, size = _grouped(by_crossing)
        _points(axes, (low + high) / 2, size, PALETTE[3])
        axes.set_xlabel("bunch crossing")
    for axes in panels:
        axes.set_ylabel("mismatch rate")
        axes.axhline(result.mismatch.value, color=MUTED, linestyle=LINES[2], linewidth=1)
        axes.set_ylim(0, min(1.05, 1.15 * axes.get_ylim()[1]))
    _title(first, result, None)
    return figure


def _grouped(places: Sequence[Any], groups: int = 60) -> tuple[Any, Any, list[Rate]]:
    """Bunch crossings in at most so many groups of neighbours: first and last of each, and its rate."""
    values = np.array([p.place[0] for p in places])
    parts = [p for p in np.array_split(np.arange(len(values)), min(groups, len(values))) if len(p)]
    hits = np.array([p.mismatch.count for p in places])
    totals = np.array([p.mismatch.total for p in places])
    rates = [Rate.of(int(hits[p].sum()), int(totals[p].sum())) for p in parts]
    return np.array([values[p[0]] for p in parts]), np.array([values[p[-1]] for p in parts]), rates


def _points(axes: Axes, x: Any, rates: Sequence[Rate], color: str, label: str = "") -> None:
    """Rates with their intervals."""
    style: dict[str, Any] = {"fmt": "o", "markersize": 3.5, "linewidth": 1, "color": color, "label": label or None}
    axes.errorbar(x, [r.value for r in rates], yerr=_errors(rates), **style)


def _errors(rates: Sequence[Rate]) -> Any:
    return np.array([(r.value - r.low, r.high - r.value) for r in rates]).T


def _log_points(axes: Axes, x: Sequence[float], rates: Sequence[Rate], color: str, label: str = "") -> None:
    """Rates with their intervals on a logarithmic axis; where nothing mismatches, the upper limit."""
    found = [(at, r) for at, r in zip(x, rates, strict=True) if r.count]
    none = [(at, r) for at, r in zip(x, rates, strict=True) if not r.count]
    if found:
        at, shown = zip(*found, strict=True)
        _points(axes, at, shown, color, label)
    axes.plot([at for at, _ in none], [r.high for _, r in none], "v", markersize=4, color=color, alpha=0.35)
    _log_axis(axes.set_yscale, axes.set_ylim, rates)


def _log_axis(scale: Any, limit: Any, rates: Sequence[Rate]) -> None:
    scale("log")
    limit(0.6 * min(r.low if r.count else r.high for r in rates), 1.6)


def _score_axis(axes: Axes, edges: Sequence[float], which: str = "x") -> None:
    """Logarithmic where scores are large, linear up to 1."""
    scale, limit = (axes.set_xscale, axes.set_xlim) if which == "x" else (axes.set_yscale, axes.set_ylim)
    if edges[0] >= 1:
        scale("log")
    else:
        scale("symlog", linthresh=1, linscale=0.4)
    limit(edges[0], edges[-1])


def _filled(bins: Sequence[Bin]) -> list[Bin]:
    """From the first to the last bin with events."""
    used = [i for i, b in enumerate(bins) if b.events]
    return list(bins[used[0] : used[-1] + 1])


def _names(axes: Axes, names: Sequence[str], bold: set[str]) -> None:
    axes.set_yticks(range(len(names)), [plain(n) for n in names])
    axes.tick_params(axis="y", which="both", length=0, labelsize=10)
    axes.minorticks_off()
    axes.set_ylim(len(names) - 0.5, -0.5)
    for tick, name in zip(axes.get_yticklabels(), names, strict=True):
        tick.set_fontweight("bold" if name in bold else "normal")


def _title(axes: Axes, result: Comparison, column: Column | None) -> None:
    """Above the axes: what was compared, and how much of it differs."""
    rate = result.mismatch if column is None else column.mismatch
    axes.set_title("$\\mathbf{trigforge}$" + ("" if column is None else f"  {plain(column.label)}"), loc="left")
    text = f"{count(rate.count)} of {count(rate.total)} events mismatch ({percent(rate.value)})"
    axes.set_title(plain(text), loc="right")


def _p_value(p: float) -> str:
    return f"= {p:.0e}" if p > SMALLEST_P else f"< {SMALLEST_P:.0e}"


def _power(place: int) -> str:
    """The power of two at which a bin of differences begins."""
    if place == 0:
        return "0"
    return f"{'−' if place < 0 else ''}$2^{{{abs(place) - 1}}}$"


def _suffixes(result: Comparison) -> list[str]:
    scores = [c for c in result.columns if c.threshold is None]
    numbers = iter(range(1, len(scores) + 1))
    return ["" if c.threshold is not None or len(scores) == 1 else f"_{next(numbers)}" for c in result.columns]
