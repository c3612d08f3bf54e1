"""Plots of a `Comparison`: efficiency against rate for every score, and how much each sculpts."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from trigforge.models.metrics import AtPoint, Comparison, Gain, Refused, Roc, Row, ScoreKind, Sculpting, Target
from trigforge.notation import with_error
from trigforge.plots.style import (
    CHOICE,
    INK,
    LINES,
    MUTED,
    PALETTE,
    SIMULATION,
    heading,
    legend_below,
    new_figure,
    plain,
    proportional,
    title_of,
)
from trigforge.units import crossing_rate_hz
from trigforge.weighted import FloatArray

BASELINE_COLORS: Final = tuple(color for color in PALETTE if color != CHOICE)
MODEL_LINES: Final = {ScoreKind.FIRMWARE: LINES[0], ScoreKind.FLOAT: LINES[1], ScoreKind.LATENT: LINES[2]}
"""Lines of the model's own scores, all in ink; the quantised score is the firmware's and would only cover it."""

BELOW_WORKING_POINT: Final = 0.1
"""How far below the tightest working point curves are drawn."""

SMALL_EFFICIENCY: Final = 0.1
"""Below it at the loosest working point, signal efficiency is drawn on a logarithmic axis."""


def rate_plot(comparison: Comparison, signal: str, right: str) -> Figure:
    """Signal efficiency against background rate in kHz: every score, the working points of the subject."""
    figure = new_figure(6.2)
    axes = figure.subplots()
    crossing_khz = crossing_rate_hz(comparison.colliding_bunches) / 1e3
    baselines = 0
    for row in comparison.rows:
        subject = row.name == comparison.subject
        if subject or row.kind in MODEL_LINES:
            line = LINES[0] if subject else MODEL_LINES[row.kind]
            style: dict[str, Any] = {"color": INK, "linestyle": line, "linewidth": 2.2 if subject else 1.4}
        elif row.kind is ScoreKind.QUANTISED:
            continue
        else:
            color, line = BASELINE_COLORS[baselines % 5], LINES[1:][(baselines + baselines // 5) % 5]
            style = {"color": color, "linestyle": line, "linewidth": 1.4}
            baselines += 1
        _curve(axes, row.rocs[signal], row.name, crossing_khz, style)
    _band(axes, comparison.row(comparison.subject).rocs[signal], crossing_khz)
    _working_points(axes, comparison.row(comparison.subject), signal)
    _axes(axes, comparison, signal, crossing_khz)
    heading(axes, SIMULATION, right)
    axes.text(0.03, 0.96, plain(title_of(signal)), transform=axes.transAxes, va="top", fontweight="bold")
    legend_below(figure, axes)
    return figure


def sculpting_plot(comparison: Comparison, right: str) -> Figure:
    """Divergence of accepted from all background in every variable by score, and what chance gives."""
    variables = list(dict.fromkeys(v for row in comparison.rows for v in row.sculpting))
    rows = [row for row in comparison.rows if row.kind is not ScoreKind.QUANTISED]
    figure = new_figure(1.6 + 0.42 * len(rows) * max(len(variables), 1) ** 0.5)
    axes = figure.subplots()
    height, heights = 0.8 / max(len(variables), 1), np.arange(len(rows), dtype=np.float64)
    for i, variable in enumerate(variables):
        places = heights + (i - (len(variables) - 1) / 2) * height
        color = PALETTE[i % len(PALETTE)]
        for place, row in zip(places, rows, strict=True):
            _bar(axes, row.sculpting[variable], float(place), height, color)
    handles = [Patch(color=PALETTE[i % len(PALETTE)], label=plain(v)) for i, v in enumerate(variables)]
    handles.append(Patch(color=MUTED, alpha=0.6, label="by chance, ±1σ"))
    axes.set_yticks(heights, [plain(row.name) for row in rows])
    axes.set_ylabel("score")
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"Jensen-Shannon divergence [bit] at {comparison.sculpted_at.title}")
    heading(axes, SIMULATION, right)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _curve(axes: Axes, curve: Roc, name: str, crossing_khz: float, style: dict[str, Any]) -> None:
    """A score's curve, dotted where fewer than 10 effective background events are left."""
    background, signal = np.array(curve.background), np.array(curve.signal)
    supported = background >= curve.supported_from
    text = plain(f"{name}, AUC {with_error(curve.auc.value, curve.auc.error)}")
    axes.plot(crossing_khz * background[supported], signal[supported], label=text, **style)
    rest = ~supported | (np.cumsum(supported) == 1)
    axes.plot(crossing_khz * background[rest], signal[rest], color=style["color"], linewidth=0.9, linestyle=":")


def _band(axes: Axes, curve: Roc, crossing_khz: float) -> None:
    background, signal = np.array(curve.background), np.array(curve.signal)
    supported = background >= curve.supported_from
    error = _vertical_error(curve)
    low, high = np.maximum(signal - error, 1e-6), np.minimum(signal + error, 1)
    style: dict[str, Any] = {"color": INK, "alpha": 0.18, "linewidth": 0}
    axes.fill_between(crossing_khz * background, low, high, where=supported, label="stat. ±1σ", **style)


def _vertical_error(curve: Roc) -> FloatArray:
    """Error of the signal efficiency: its own, and that of the background's rate along the curve."""
    background, signal = np.array(curve.background), np.array(curve.signal)
    spread = np.array(curve.background_error) / np.maximum(background, 1e-12)
    log, order = np.log(np.maximum(background, 1e-12)), np.argsort(background, kind="stable")
    up = np.interp(log + spread, log[order], signal[order])
    down = np.interp(log - spread, log[order], signal[order])
    return np.asarray(np.hypot(curve.signal_error, (up - down) / 2))


def _working_points(axes: Axes, row: Row, signal: str) -> None:
    """The subject's working points, with errors of rate and efficiency."""
    marks = {Target.TOTAL_RATE: "o", Target.PURE_RATE: "s", Target.BACKGROUND_EFFICIENCY: "D"}
    filled = _loosest_rate(row)
    for found in row.points:
        if isinstance(found.cut, Refused):
            continue
        passed = found.signals[signal][Gain.PLAIN]
        axes.errorbar(
            found.cut.rate_khz.value,
            passed.value,
            xerr=found.cut.rate_khz.error,
            yerr=passed.error,
            fmt=marks[found.point.target],
            markersize=7,
            color=INK,
            markerfacecolor=CHOICE if found is filled else "white",
            markeredgewidth=1.0,
            zorder=5,
            label=plain(found.point.title),
        )


def _loosest_rate(row: Row) -> AtPoint | None:
    rates = [p for p in row.points if p.point.target is Target.TOTAL_RATE]
    return max(rates, key=lambda p: p.point.value, default=None)


def _axes(axes: Axes, comparison: Comparison, signal: str, crossing_khz: float) -> None:
    cuts = [p.cut.rate_khz.value for p in comparison.row(comparison.subject).points if not isinstance(p.cut, Refused)]
    loosest = _loosest_rate(comparison.row(comparison.subject))
    axes.set_xscale("log")
    axes.set_xlim(10 ** np.floor(np.log10(max(BELOW_WORKING_POINT * min(cuts, default=1.0), 1e-6))), crossing_khz)
    chosen = None if loosest is None or not loosest.signals else loosest.signals[signal][Gain.PLAIN].value
    if chosen is not None and chosen < SMALL_EFFICIENCY:
        axes.set_yscale("log")
        axes.set_ylim(10 ** np.floor(np.log10(max(chosen / 10, 1e-4))), 1.8)
    else:
        axes.set_ylim(0, 1.05)
    axes.set_xlabel(f"background rate [kHz], {comparison.colliding_bunches} colliding bunches")
    axes.set_ylabel("signal efficiency")
    axes.tick_params(axis="x", which="both", top=False)
    top = axes.secondary_xaxis("top", functions=proportional(1 / crossing_khz))
    top.set_xlabel("background efficiency")


def _bar(axes: Axes, found: Sculpting | Refused, place: float, height: float, color: str) -> None:
    """A divergence with its error, over the range that chance gives; a remark where it is not quoted."""
    if isinstance(found, Refused):
        axes.text(0.01, place, f"not quoted: {found.reason}", va="center", fontsize=9, color=MUTED)
        return
    error = {"ecolor": INK, "elinewidth": 1.0}
    axes.barh(place, found.divergence.value, 0.9 * height, xerr=found.divergence.error, color=color, error_kw=error)
    low = max(found.chance.value - found.chance.error, 0.0)
    width = found.chance.value + found.chance.error - low
    axes.barh(place, width, 0.5 * height, left=low, color=MUTED, alpha=0.6, zorder=3)
