"""Plots of what the trigger-level stream is used for: the jet energy scale and the dijet search."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from trigforge.calibration.jets import CLOSURE_PT_GEV
from trigforge.calibration.response import ResponseBin
from trigforge.notation import number
from trigforge.plots.style import INK, LINES, MARKERS, MUTED, PALETTE, label, legend_below, new_figure, plain
from trigforge.results import Results
from trigforge.tla.dijet import evaluate
from trigforge.weighted import FloatArray

CLOSURE_BAND = 0.01


def response_plot(results: Results) -> Figure:
    """Mean response against true pt before and after calibration."""
    figure = new_figure(7.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, bins in ((upper, results.jets.raw), (lower, results.jets.closure)):
        for i, members in enumerate(_slabs(bins)):
            _points(axes, members, i)
        axes.axhline(1, color=MUTED, linewidth=0.9)
    lower.axhspan(1 - CLOSURE_BAND, 1 + CLOSURE_BAND, color=MUTED, alpha=0.25, linewidth=0, label="±1 %")
    lower.set_ylim(*_around_one(results.jets.closure))
    upper.set_ylabel("raw response")
    lower.set_ylabel("calibrated response")
    _pt_axis(lower, results)
    label(upper, results)
    legend_below(figure, (upper, lower), 3)
    return figure


def closure_plot(results: Results) -> Figure:
    """Closure in every |η| bin, in per cent."""
    slabs = _slabs(results.jets.closure)
    columns = min(len(slabs), 2)
    rows = -(-len(slabs) // columns)
    figure = new_figure(1.3 + 2.0 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    low, high = _around_one(results.jets.closure)
    for i, axes in enumerate(grid.flat):
        if i >= len(slabs):
            axes.set_visible(False)
            grid[-2, i % columns].xaxis.set_tick_params(labelbottom=True)
            continue
        axes.axhspan(-100 * CLOSURE_BAND, 100 * CLOSURE_BAND, color=MUTED, alpha=0.25, linewidth=0, label="±1 %")
        axes.axhline(0, color=MUTED, linewidth=0.9)
        axes.axvline(CLOSURE_PT_GEV, color=MUTED, linestyle=LINES[2], linewidth=1)
        _points(axes, slabs[i], i, offset=-1.0, scale=100.0)
        axes.set_ylim(100 * (low - 1), 100 * (high - 1))
        _pt_axis(axes, results)
        axes.set_xlabel("")
        axes.text(0.97, 0.93, plain(_eta(slabs[i])), transform=axes.transAxes, ha="right", va="top")
    figure.supxlabel("true jet $p_T$ [GeV]", fontsize=12.5)
    figure.supylabel("calibrated response − 1 [%]", fontsize=12.5)
    label(grid[0, 0], results, " ")
    return figure


def resolution_plot(results: Results) -> Figure:
    """Width of the response over its mean against true pt, after calibration."""
    figure = new_figure(5.4)
    axes = figure.subplots()
    for i, members in enumerate(_slabs(results.jets.closure)):
        pt, width = (np.array([getattr(b, f) for b in members]) for f in ("pt_mean_gev", "resolution"))
        error = width / np.sqrt(2 * np.maximum([b.effective_jets for b in members], 1))
        style: dict[str, Any] = {"color": PALETTE[i % 6], "marker": MARKERS[i % 8], "linestyle": "-", "linewidth": 0.7}
        axes.errorbar(pt, 100 * width, yerr=100 * error, elinewidth=1.2, label=plain(_eta(members)), **style)
    axes.set_ylabel("jet energy resolution σ / mean [%]")
    axes.set_ylim(bottom=0)
    _pt_axis(axes, results)
    label(axes, results)
    legend_below(figure, axes, 3)
    return figure


def dijet_plot(results: Results) -> Figure:
    """The dijet mass spectrum with its fit; below, the significance of every bin and the largest excess."""
    fit = results.search
    figure = new_figure(6.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.15))
    edges, width = np.array(fit.edges_gev), np.diff(fit.edges_gev)
    centre = (edges[1:] + edges[:-1]) / 2
    y, e = np.array(fit.contents) / width, np.array(fit.errors) / width
    upper.errorbar(centre, y, yerr=e, xerr=width / 2, fmt="o", color=INK, markersize=4, label="trigger-level stream")
    mass = np.geomspace(edges[0], edges[-1], 300)
    text = f"{fit.function}: χ²/ndf = {number(fit.chi2)}/{fit.ndf}, p = {number(fit.p_value, 2)}"
    upper.plot(mass, evaluate(np.array(fit.parameters), mass / fit.sqrt_s_gev), color=PALETTE[1], label=text)
    mu, band = np.array(fit.fit_values) / width, np.array(fit.fit_errors) / width
    upper.stairs(mu + band, edges, baseline=mu - band, fill=True, color=PALETTE[1], alpha=0.22, linewidth=0)
    upper.set_yscale("log")
    upper.set_ylabel("rate density [Hz / GeV]")
    _pulls(lower, results, edges)
    w = fit.window
    excess = f"largest excess: {w.low_gev:g}–{w.high_gev:g} GeV, {fit.max_local_significance:.1f} σ local"
    upper.axvspan(w.low_gev, w.high_gev, color=PALETTE[2], alpha=0.18, linewidth=0, label=excess)
    lower.axvspan(w.low_gev, w.high_gev, color=PALETTE[2], alpha=0.18, linewidth=0)
    label(upper, results)
    legend_below(figure, upper, 1)
    return figure


def _pulls(axes: Axes, results: Results, edges: FloatArray) -> None:
    pulls = np.array(results.search.bin_significance)
    axes.stairs(pulls, edges, fill=True, color=PALETTE[0], alpha=0.8)
    axes.axhline(0, color=INK, linewidth=0.8)
    for level in (-2, 2):
        axes.axhline(level, color=MUTED, linewidth=0.7, linestyle=LINES[1])
    limit = max(3.0, 1.15 * float(np.max(np.abs(pulls))))
    axes.set_ylim(-limit, limit)
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    _plain_ticks(axes)
    axes.set_ylabel("significance [σ]", loc="center")
    axes.set_xlabel("dijet mass [GeV]")


def _slabs(bins: tuple[ResponseBin, ...]) -> list[tuple[ResponseBin, ...]]:
    return [tuple(group) for _, group in groupby(bins, key=lambda b: b.abs_eta_low)]


def _eta(members: tuple[ResponseBin, ...]) -> str:
    return f"{members[0].abs_eta_low:g} ≤ |η| < {members[0].abs_eta_high:g}"


def _points(axes: Axes, members: tuple[ResponseBin, ...], i: int, offset: float = 0.0, scale: float = 1.0) -> None:
    axes.errorbar(
        [b.pt_mean_gev for b in members],
        [scale * (b.response + offset) for b in members],
        yerr=[scale * b.response_err for b in members],
        color=PALETTE[i % 6],
        marker=MARKERS[i % 8],
        linestyle="-",
        linewidth=0.7,
        elinewidth=1.3,
        label=plain(_eta(members)),
    )


def _around_one(bins: tuple[ResponseBin, ...]) -> tuple[float, float]:
    """Limits that hold the points with small errors, at least ±2.5 %, at most ±15 %."""
    distance = [abs(b.response - 1) + b.response_err for b in bins if b.response_err < 0.03]
    reach = min(max([0.025, *(1.15 * d for d in distance)]), 0.15)
    return 1 - reach, 1 + reach


def _pt_axis(axes: Axes, results: Results) -> None:
    bins = (*results.jets.raw, *results.jets.closure)
    axes.set_xscale("log")
    axes.set_xlim(0.85 * min(b.pt_low_gev for b in bins), 1.05 * max(b.pt_high_gev for b in bins))
    _plain_ticks(axes)
    axes.set_xlabel("true jet $p_T$ [GeV]")


def _plain_ticks(axes: Axes) -> None:
    """Masses and momenta as plain numbers at 1, 2 and 5 of every decade."""
    low, high = axes.get_xlim()
    ticks = [m * 10.0**k for k in range(5) for m in (1, 2, 5) if low <= m * 10.0**k <= high]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
