"""Plots of the model: spectra of the score, training."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trigforge.plots.style import (
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
