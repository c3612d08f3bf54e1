"""Figures of Level-1 rates and of event weights, and what all figures of the simulation share."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from trigforge.notation import number
from trigforge.plots.style import INK, LINES, MARKERS, MUTED, PALETTE, decades, legend_below, new_figure, plain
from trigforge.sim.collisions.validation import Point
from trigforge.units import SQRT_S_GEV
from trigforge.validation.public import PUBLIC_PILE_UP, PUBLIC_SEEDS, PublicSeed
from trigforge.validation.values import Closure, RateCurve, Validation

WIDE: Final = 9.6
"""Inches of figures with panels side by side."""

PLATEAU: Final = 0.95
"""Thresholds that keep more of the rate are hardly drawn."""

SEED_CURVES: Final = MappingProxyType(
    {"L1Jet": "single jet", "L1Mu": "single muon", "L1MET": "missing energy", "L1HT": "HT", "L1EG": "e/γ, |η| < 2.5"}
)


def rates_figure(result: Validation) -> Figure:
    """Level-1 rate against threshold of single objects, with public rates at their pile-up."""
    figure = new_figure(6.6, WIDE)
    grid = figure.subplots(2, 3)
    for i, (curve, reference) in enumerate(zip(result.curves, result.reference_curves, strict=True)):
        axes = grid.flat[i]
        _curve(axes, curve, 0, f"⟨µ⟩ = {result.enhanced.config.pileup:g}")
        _curve(axes, reference, 1, f"⟨µ⟩ = {PUBLIC_PILE_UP:g}")
        seeds = [seed for seed in PUBLIC_SEEDS if _name_of_curve(seed) == curve.name]
        axes.errorbar(
            [s.threshold_gev for s in seeds],
            [s.hz / 1e3 for s in seeds],
            yerr=[s.error_hz / 1e3 for s in seeds],
            fmt="o",
            color=INK,
            markersize=4,
            label=f"CMS 2018 data, ⟨µ⟩ = {PUBLIC_PILE_UP:g}",
        )
        axes.set(yscale="log", xscale="log", ylim=(1e-3, 4e4))
        falling = [p.threshold_gev for p in curve.points if 1 < p.hz < PLATEAU * curve.points[0].hz]
        plain_x(axes, 0.7 * min(falling), 1.1 * max(falling))
        axes.text(0.05, 0.06, plain(curve.name), transform=axes.transAxes)
        axes.set_xlabel("threshold [GeV]")
    for axes in grid[:, 0]:
        axes.set_ylabel("rate at 2544 bunches [kHz]")
    title(grid[0, 0], " ")
    grid[0, 2].set_title(f"Pythia 8, {SQRT_S_GEV / 1e3:g} TeV", loc="right")
    legend_below(figure, [grid[0, 0]], 3)
    return figure


def _name_of_curve(seed: PublicSeed) -> str:
    if seed.isolated:
        return "isolated e/γ, |η| < 2.5" if seed.max_abs_eta == 2.5 else ""
    return SEED_CURVES[seed.collection]


def _curve(axes: Axes, curve: RateCurve, i: int, name: str) -> None:
    x, y, e = np.array([(p.threshold_gev, p.hz, p.error_hz) for p in curve.points]).T
    axes.plot(x, y / 1e3, color=PALETTE[i], linestyle=LINES[i], label=name)
    axes.fill_between(x, np.maximum(y - e, 1e-3) / 1e3, (y + e) / 1e3, color=PALETTE[i], alpha=0.25, linewidth=0)


def closure_figure(result: Validation) -> Figure:
    """The enhanced over the natural distribution of the leading objects."""
    figure = new_figure(5.6, WIDE)
    grid = figure.subplots(2, 3, sharey=True)
    for axes, closure in zip(grid.flat, result.closures, strict=False):
        _ratio(axes, closure)
        axes.set_xlabel(f"{plain(closure.name)} [GeV]")
    for axes in list(grid.flat)[len(result.closures) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("enhanced / natural")
    grid[0, 0].set_ylim(0, 2)
    title(grid[0, 0], " ")
    title(grid[0, 2], conditions(result), left=False)
    return figure


def _ratio(axes: Axes, closure: Closure) -> None:
    pairs = [(a, b) for a, b in zip(closure.enhanced, closure.natural, strict=True) if a.value > 0 and b.value > 0]
    points = [
        Point(
            low=a.low,
            high=a.high,
            value=a.value / b.value,
            error=a.value / b.value * float(np.hypot(a.error / a.value, b.error / b.value)),
        )
        for a, b in pairs
    ]
    errors(axes, points, 0, "")
    axes.axhline(1, color=MUTED, linewidth=0.9)
    axes.text(
        0.05, 0.93, f"χ² = {number(closure.chi2)} / {closure.ndf} bins", transform=axes.transAxes, va="top", fontsize=10
    )


def statistics_figure(result: Validation) -> Figure:
    """The relative statistical error of a rate against the rate."""
    figure = new_figure(5.0)
    axes = figure.subplots()
    for i, curve in enumerate(result.curves):
        x, y = np.array([(p.hz, p.error_hz / p.hz) for p in curve.points if p.hz > 0]).T
        axes.plot(x, 100 * y, color=PALETTE[i], linestyle=LINES[i], label=plain(curve.name))
    axes.set(xscale="log", yscale="log", xlabel="rate [Hz]", ylabel="relative statistical error [%]")
    axes.set_xlim(0.3, 4e7)
    axes.set_ylim(*decades([100 * p.error_hz / p.hz for c in result.curves for p in c.points if p.hz > 1]))
    axes.axhline(100, color=MUTED, linewidth=0.8)
    title(axes, conditions(result))
    legend_below(figure, axes, 3)
    return figure


def errors(axes: Axes, points: Sequence[Point], i: int, name: str) -> None:
    """Points with the widths of their bins and their errors."""
    x = [(p.low + p.high) / 2 for p in points]
    half = [(p.high - p.low) / 2 for p in points]
    y, e = [p.value for p in points], [p.error for p in points]
    axes.errorbar(x, y, yerr=e, xerr=half, fmt=MARKERS[i], color=PALETTE[i], label=name)


def plain_x(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of every decade."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks([m * 10.0**k for k in range(4) for m in (1, 2, 5) if low <= m * 10.0**k <= high])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def conditions(result: Validation) -> str:
    """Generator, energy and mean pile-up."""
    return f"Pythia 8, {SQRT_S_GEV / 1e3:g} TeV, ⟨µ⟩ = {result.enhanced.config.pileup:g}"


def title(axes: Axes, right: str, *, left: bool = True) -> None:
    """Say above the axes that this is simulation, and of what."""
    if left:
        axes.set_title(r"$\mathbf{trigforge}$ $\mathit{simulation}$", loc="left")
    axes.set_title(right, loc="right")
