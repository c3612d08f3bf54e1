"""Figures of the validation of the simulation: pure functions from `Validation` to matplotlib figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trigforge.calibration.response import ResponseBin
from trigforge.notation import number
from trigforge.plots.simulation_rates import (
    WIDE,
    closure_figure,
    conditions,
    errors,
    plain_x,
    rates_figure,
    statistics_figure,
    title,
)
from trigforge.plots.style import (
    INK,
    LINES,
    MARKERS,
    MUTED,
    PALETTE,
    legend_below,
    new_figure,
    plot_style,
)
from trigforge.sim.collisions.validation import Point
from trigforge.units import SQRT_S_GEV
from trigforge.validation.public import (
    CMS_CHARGED_DENSITY,
    CMS_CHARGED_DENSITY_ERROR,
    CMS_JETS_ERROR_PB_GEV,
    CMS_JETS_PB_GEV,
    CMS_OFFLINE_RESOLUTION,
    CMS_PILE_UP,
)
from trigforge.validation.values import Validation

DOCS_DPI: Final = 100
COLORS: Final = 64


def draw(result: Validation) -> dict[str, Figure]:
    """All figures by name."""
    with plot_style():
        return {name: function(result) for name, function in FIGURES.items()}


def render_png(figure: Figure) -> bytes:
    """A small PNG on white for documents, of 64 colours, the same bytes for the same figure."""
    from PIL import Image

    drawn, small = BytesIO(), BytesIO()
    with plot_style():
        figure.savefig(drawn, format="png", dpi=DOCS_DPI, facecolor="white")
    Image.open(drawn).convert("RGB").quantize(COLORS).save(small, format="png", optimize=True)
    return small.getvalue()


def generator_figure(result: Validation) -> Figure:
    """Pythia against measurements at 13 TeV: charged hadrons, and jets with their ratio."""
    figure = new_figure(4.6, WIDE)
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.15))
    density, (upper, lower) = halves[0].subplots(), halves[1].subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    errors(density, result.generator.density, 0, "Pythia 8")
    _reference(density, result.generator.density, CMS_CHARGED_DENSITY, CMS_CHARGED_DENSITY_ERROR, "CMS 1507.05915")
    density.set(xlabel="|η|", ylabel="charged hadrons per unit of η", ylim=(0, 9), xlim=(0, 2))
    jets = result.generator.jets
    errors(upper, jets, 0, "Pythia 8")
    _reference(upper, jets, CMS_JETS_PB_GEV, CMS_JETS_ERROR_PB_GEV, "CMS 2111.10431")
    upper.set(yscale="log", ylabel="d²σ/d$p_T$dy [pb/GeV]")
    ratio = [
        Point(low=p.low, high=p.high, value=p.value / known, error=p.error / known)
        for p, known in zip(jets, CMS_JETS_PB_GEV, strict=True)
    ]
    errors(lower, ratio, 0, "")
    band = np.array(CMS_JETS_ERROR_PB_GEV) / np.array(CMS_JETS_PB_GEV)
    edges = [jets[0].low, *(p.high for p in jets)]
    lower.stairs(1 + band, edges, baseline=1 - band, fill=True, color=MUTED, alpha=0.35, linewidth=0)
    lower.axhline(1, color=MUTED, linewidth=0.9)
    lower.set(xlabel="jet $p_T$ [GeV], |y| < 1", ylabel="ratio", ylim=(0, 2.4), xscale="log")
    plain_x(lower, edges[0], edges[-1])
    for axes in (density, upper):
        title(axes, "Pythia 8, 13 TeV")
        axes.legend(loc="upper right" if axes is upper else "lower left")
    return figure


def pile_up_figure(result: Validation) -> Figure:
    """Mean multiplicities and densities against µ."""
    panels = (
        (("jets", "Level-1 jets ≥ 15 GeV"), ("egs", "Level-1 e/γ ≥ 4 GeV")),
        (("muons", "Level-1 muons ≥ 2 GeV"),),
        (("lit_regions", "lit regions of 252"),),
        (("region_gev", "Σ regions [GeV]"),),
        (("rho", "ρ, HLT [GeV]"), ("rho_offline", "ρ, offline [GeV]")),
        (("vertices", "reconstructed vertices"),),
    )
    figure = new_figure(5.8, WIDE)
    grid = figure.subplots(2, 3, sharex=True)
    x = [p.pileup for p in result.pileup]
    for axes, names in zip(grid.flat, panels, strict=True):
        for i, (name, text) in enumerate(names):
            y, e = np.array([getattr(p, name) for p in result.pileup]).T
            axes.errorbar(x, y, yerr=e, fmt=MARKERS[i] + "-", color=PALETTE[i], linewidth=0.8, label=text)
        for i, (name, _) in enumerate(names):
            if name in CMS_PILE_UP:
                line = [CMS_PILE_UP[name] * value for value in x]
                axes.plot(x, line, color=PALETTE[i], linestyle=LINES[1], linewidth=1, label="CMS simulation")
        axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
        axes.legend(loc="upper left", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("⟨µ⟩")
    title(grid[0, 0], " ")
    grid[0, 2].set_title(f"zero bias, {SQRT_S_GEV / 1e3:g} TeV", loc="right")
    return figure


def jets_figure(result: Validation) -> Figure:
    """Response and resolution of jets against true pt, central and endcap."""
    figure = new_figure(6.4, WIDE)
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    for column, (low, slab) in enumerate(((0.0, "|η| < 1.3"), (1.3, "1.3 ≤ |η| < 2.5"))):
        upper, lower = grid[0, column], grid[1, column]
        for i, level in enumerate(result.jets):
            _response(upper, lower, [b for b in level.bins if b.abs_eta_low == low], i, level.name)
        upper.axhline(1, color=MUTED, linewidth=0.9)
        upper.text(0.96, 0.08, slab, transform=upper.transAxes, ha="right")
        lower.set_xlabel("true jet $p_T$ [GeV]")
    known = CMS_OFFLINE_RESOLUTION
    grid[1, 0].plot(list(known), [100 * v for v in known.values()], color=INK, linestyle=LINES[1], linewidth=1.2)
    grid[1, 0].plot([], [], color=INK, linestyle=LINES[1], label="CMS offline, η = 0.5, ρ = 33 GeV")
    grid[0, 0].set(ylabel="response", ylim=(0.55, 1.15), xscale="log")
    grid[1, 0].set(ylabel="σ / mean [%]", ylim=(0, 38))
    plain_x(grid[1, 0], 20, 1500)
    title(grid[0, 0], " ")
    title(grid[0, 1], conditions(result), left=False)
    legend_below(figure, [grid[1, 0]], 4)
    return figure


def _response(upper: Axes, lower: Axes, bins: Sequence[ResponseBin], i: int, name: str) -> None:
    pt = [b.pt_mean_gev for b in bins]
    style: dict[str, Any] = {"fmt": MARKERS[i] + "-", "color": PALETTE[i], "linewidth": 0.8}
    upper.errorbar(pt, [b.response for b in bins], yerr=[b.response_err for b in bins], **style)
    error = [100 * b.resolution / np.sqrt(2 * b.effective_jets) for b in bins]
    lower.errorbar(pt, [100 * b.resolution for b in bins], yerr=error, label=name, **style)


def turn_on_figure(result: Validation) -> Figure:
    """Efficiency of a threshold of 60 GeV against true pt."""
    figure = new_figure(4.6)
    axes = figure.subplots()
    for i, level in enumerate(result.jets):
        points = level.turn_on.points
        half = "" if level.turn_on.half_gev is None else f", half at {number(level.turn_on.half_gev)} GeV"
        x = [(p.low + p.high) / 2 for p in points]
        y, e = [p.value for p in points], [p.error for p in points]
        axes.errorbar(x, y, yerr=e, fmt=MARKERS[i] + "-", color=PALETTE[i], linewidth=0.8, label=level.name + half)
    axes.axvline(60, color=MUTED, linestyle=LINES[2], linewidth=1)
    axes.axhline(1, color=MUTED, linewidth=0.8)
    axes.set(xlabel="true jet $p_T$ [GeV], |η| < 2.5", ylabel="fraction with a jet ≥ 60 GeV", xlim=(20, 160))
    axes.set_ylim(0, 1.1)
    title(axes, conditions(result))
    legend_below(figure, axes, 3)
    return figure


def _reference(
    axes: Axes, points: Sequence[Point], values: Sequence[float], errors: Sequence[float], name: str
) -> None:
    edges = [points[0].low, *(p.high for p in points)]
    y, e = np.array(values), np.array(errors)
    axes.stairs(y + e, edges, baseline=y - e, fill=True, color=MUTED, alpha=0.5, linewidth=0, label=name)


FIGURES: Final[Mapping[str, Callable[[Validation], Figure]]] = MappingProxyType(
    {
        "generator": generator_figure,
        "pileup": pile_up_figure,
        "jets": jets_figure,
        "turn_on": turn_on_figure,
        "rates": rates_figure,
        "closure": closure_figure,
        "statistics": statistics_figure,
    }
)
"""Every figure of docs/simulation.md."""
