"""Plots of the model: ROC curves, spectra of the score, training."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trigforge.models.metrics import FloatArray, Roc
from trigforge.notation import with_error
from trigforge.plots.style import (
    CHOICE,
    INK,
    LINES,
    MUTED,
    PALETTE,
    decades,
    label,
    legend_below,
    new_figure,
    plain,
    proportional,
    score_axis,
    title_of,
)
from trigforge.results import Results, Spectrum
from trigforge.units import crossing_rate_hz

BASELINE_COLORS = tuple(color for color in PALETTE if color != CHOICE)
BELOW_WORKING_POINT = 0.1
"""How far below the smaller of the two working points ROC curves are drawn."""

SMALL_EFFICIENCY = 0.1
"""Below it at the working point, signal efficiency is drawn on a logarithmic axis."""


def roc_plot(results: Results, curve: Roc) -> Figure:
    """Signal efficiency against background efficiency and rate: the score, the baselines, the working point."""
    figure = new_figure(6.0)
    axes = figure.subplots()
    sample = results.samples.get(curve.name)
    signal_events = sample.events if sample else 0
    _score_curve(axes, results, curve, signal_events)
    for i, baseline in enumerate(results.performance.baselines.get(curve.name, ())):
        style: dict[str, Any] = {"color": BASELINE_COLORS[i % 5], "linestyle": LINES[1:][i % 5], "linewidth": 1.4}
        axes.plot(baseline.background, baseline.signal, label=_legend(baseline, baseline.name), **style)
    chance = np.geomspace(1e-9, 1, 200)
    axes.plot(chance, chance, color=MUTED, linewidth=0.8, linestyle=":", label="no separation")
    _working_points(axes, results, curve.name)
    _roc_axes(axes, results, curve)
    label(axes, results)
    axes.text(0.03, 0.96, plain(title_of(curve.name)), transform=axes.transAxes, va="top", fontweight="bold")
    legend_below(figure, axes)
    return figure


def spectrum_plot(results: Results) -> Figure:
    """The background's rate per bin of the score, the signals scaled to the same sum, and the threshold."""
    figure = new_figure(5.6)
    axes = figure.subplots()
    background, *signals = results.performance.spectra
    total = sum(background.contents)
    _histogram(axes, background, 1.0, INK, LINES[0], "minimum bias")
    for i, spectrum in enumerate(signals):
        _histogram(axes, spectrum, total, PALETTE[i % 6], LINES[1:][i % 5], title_of(spectrum.name))
    threshold = results.threshold.threshold
    axes.axvline(threshold - 0.5, color=INK, linewidth=1.0, label=f"threshold: score ≥ {threshold}")
    axes.axvspan(threshold - 0.5, background.edges[-1], color=MUTED, alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_ylim(*decades([*background.contents, *(total * c for s in signals for c in s.contents)], 0.3, 3.0))
    axes.set_ylabel("background rate [Hz / bin]")
    right = axes.secondary_yaxis("right", functions=proportional(1 / total))
    right.set_ylabel("fraction of the sample / bin")
    axes.tick_params(axis="y", which="both", right=False)
    score_axis(axes, background.edges[0], background.edges[-1])
    label(axes, results)
    legend_below(figure, axes)
    return figure


def training_plot(results: Results) -> Figure:
    """Loss and cost of every epoch."""
    record = results.training
    figure = new_figure(5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    steps = np.arange(1, len(record.epochs) + 1)
    losses = {"training loss": "loss", "validation loss": "validation_loss"}
    for (title, name), color, style in zip(losses.items(), PALETTE, LINES, strict=False):
        for i, phase in enumerate(record.phases):  # each has a loss of its own
            here = [epoch.phase == phase for epoch in record.epochs]
            values = [getattr(epoch, name) for epoch in record.epochs if epoch.phase == phase]
            upper.plot(steps[here], values, color=color, linestyle=style, label=title if i == 0 else None)
    upper.set_ylabel("loss per event")
    history = [epoch.ebops for epoch in record.epochs]
    lower.plot(steps, history, color=PALETTE[3], label="EBOPs during training")
    lower.axhline(record.ebops, color=MUTED, linestyle=LINES[2], linewidth=1.2, label=f"final: {record.ebops} EBOPs")
    lower.set_yscale("log")
    lower.set_ylabel("EBOPs")
    lower.set_xlabel("epoch")
    lower.set_xlim(0.5, len(history) + 0.5)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    label(upper, results, plain(f"recipe {record.recipe}, {record.framework}"))
    legend_below(figure, (upper, lower))
    return figure


def _score_curve(axes: Axes, results: Results, curve: Roc, signal_events: int) -> None:
    """The score's ROC with its statistical band, dotted where too few background events are left."""
    background, signal = np.array(curve.background), np.array(curve.signal)
    supported = background >= _supported_from(results)
    axes.plot(
        background[supported], signal[supported], color=INK, linewidth=2.2, label=_legend(curve, "firmware score")
    )
    axes.plot(background[~supported], signal[~supported], color=INK, linewidth=1.2, linestyle=":")
    error = _roc_errors(results, background, signal, signal_events)
    low, high = np.maximum(signal - error, 1e-6), np.minimum(signal + error, 1)
    axes.fill_between(background, low, high, where=supported, color=INK, alpha=0.18, linewidth=0, label="stat. ±1σ")


def _supported_from(results: Results) -> float:
    """The smallest background efficiency with enough effective events, that of the last row of the rate scan."""
    return results.thresholds.rows[-1].rate_khz * 1e3 / crossing_rate_hz(results.thresholds.colliding_bunches)


def _roc_errors(results: Results, background: FloatArray, signal: FloatArray, signal_events: int) -> FloatArray:
    """Error of the signal efficiency: binomial (Jeffreys), and the error of the background's rate along the curve."""
    a, b = signal * signal_events + 0.5, (1 - signal) * signal_events + 0.5
    binomial = a * b / ((a + b) ** 2 * (a + b + 1))
    rows = results.thresholds.rows[::-1]
    crossing_khz = crossing_rate_hz(results.thresholds.colliding_bunches) / 1e3
    relative = [row.rate_err_khz / row.rate_khz for row in rows]
    spread = np.interp(background, [row.rate_khz / crossing_khz for row in rows], relative)
    log, order = np.log(np.maximum(background, 1e-12)), np.argsort(background, kind="stable")
    up = np.interp(log + spread, log[order], signal[order])
    down = np.interp(log - spread, log[order], signal[order])
    return np.asarray(np.sqrt(binomial + ((up - down) / 2) ** 2))


def _working_points(axes: Axes, results: Results, name: str) -> None:
    """The calibrated threshold, with errors of both efficiencies, and the quoted background efficiency."""
    row, performance = results.threshold, results.performance
    crossing_khz = crossing_rate_hz(results.thresholds.colliding_bunches) / 1e3
    chosen = performance.tpr_at_threshold.get(name)
    if chosen is not None:
        axes.errorbar(
            row.rate_khz / crossing_khz,
            chosen.value,
            xerr=row.rate_err_khz / crossing_khz,
            yerr=chosen.error,
            fmt="*",
            markersize=13,
            color=CHOICE,
            markeredgecolor=INK,
            markeredgewidth=0.6,
            zorder=5,
            label=plain(f"threshold {row.threshold}: {with_error(row.rate_khz, row.rate_err_khz)} kHz"),
        )
    quoted = performance.tpr_at_fpr.get(name)
    if quoted is not None:
        axes.errorbar(
            performance.fpr,
            quoted.value,
            yerr=quoted.error,
            fmt="o",
            markersize=6,
            color=INK,
            markerfacecolor="none",
            zorder=5,
            label=f"background efficiency {performance.fpr:g}",
        )


def _roc_axes(axes: Axes, results: Results, curve: Roc) -> None:
    performance = results.performance
    crossing_khz = crossing_rate_hz(results.thresholds.colliding_bunches) / 1e3
    lowest = min(results.threshold.rate_khz / crossing_khz, performance.fpr)
    axes.set_xscale("log")
    axes.set_xlim(10 ** np.floor(np.log10(max(BELOW_WORKING_POINT * lowest, 1e-9))), 1)
    chosen = performance.tpr_at_threshold.get(curve.name)
    if chosen is not None and chosen.value < SMALL_EFFICIENCY:
        axes.set_yscale("log")
        axes.set_ylim(10 ** np.floor(np.log10(max(chosen.value / 3, 1e-4))), 1.8)
    else:
        axes.set_ylim(0, 1.05)
    axes.set_xlabel("background efficiency")
    axes.set_ylabel("signal efficiency")
    axes.tick_params(axis="x", which="both", top=False)
    top = axes.secondary_xaxis("top", functions=proportional(crossing_khz))
    top.set_xlabel(f"background rate [kHz], {results.thresholds.colliding_bunches} colliding bunches")


def _legend(curve: Roc, name: str) -> str:
    return plain(f"{name}, AUC {with_error(curve.auc.value, curve.auc.error)}")


def _histogram(
    axes: Axes, spectrum: Spectrum, scale: float, color: str, line: tuple[int, tuple[float, ...]], name: str
) -> None:
    edges = np.array(spectrum.edges)
    contents, errors = scale * np.array(spectrum.contents), scale * np.array(spectrum.errors)
    filled = contents > 0
    heights = np.where(filled, contents, np.nan)
    axes.stairs(heights, edges, baseline=None, color=color, linestyle=line, linewidth=1.8, label=plain(name))
    centres = np.where(edges[:-1] > 0, np.sqrt(np.abs(edges[1:] * edges[:-1])), (edges[1:] + edges[:-1]) / 2)
    style: dict[str, Any] = {"fmt": "none", "ecolor": color, "elinewidth": 1.0, "alpha": 0.7}
    axes.errorbar(centres[filled], contents[filled], yerr=errors[filled], **style)
