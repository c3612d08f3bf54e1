"""Plots of the trigger: rate against threshold, the menu and its overlaps, the streams."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trigforge.notation import bandwidth, with_error
from trigforge.plots.style import (
    CHOICE,
    INK,
    LINES,
    MARKERS,
    MUTED,
    PALETTE,
    decades,
    label,
    legend_below,
    new_figure,
    plain,
    score_axis,
)
from trigforge.results import Results
from trigforge.tla.streams import StreamRow, founding_figures
from trigforge.weighted import FloatArray

PLATEAU = 0.95
"""Thresholds that keep more than this share of the rate are not drawn."""

SMALLEST_RATE = 1e-4
"""Rates below this share of the chosen one are not drawn."""


def threshold_plot(results: Results) -> Figure:
    """Total and pure rate against the threshold of the score, with the target and the choice."""
    figure = new_figure(5.6)
    axes = figure.subplots()
    rows, chosen = results.thresholds.rows, results.threshold
    pure = [r for r in rows if r.pure_rate_khz is not None and r.pure_rate_err_khz is not None]
    x, y = np.array([r.threshold for r in rows]), np.array([r.rate_khz for r in rows])
    _band(axes, np.array([(r.threshold, r.rate_khz, r.rate_err_khz) for r in rows]), 0, "total rate")
    if pure:
        points = np.array([(r.threshold, r.pure_rate_khz, r.pure_rate_err_khz) for r in pure], dtype=np.float64)
        _band(axes, points, 1, "pure rate: no other seed accepts")
    target = results.config.rates.target_rate_khz
    axes.axhline(target, color=MUTED, linestyle=LINES[2], linewidth=1.2, label=f"target {target:g} kHz")
    axes.errorbar(
        chosen.threshold,
        chosen.rate_khz,
        yerr=chosen.rate_err_khz,
        fmt="*",
        markersize=13,
        color=CHOICE,
        markeredgecolor=INK,
        markeredgewidth=0.6,
        zorder=5,
        label=plain(f"score ≥ {chosen.threshold}: {with_error(chosen.rate_khz, chosen.rate_err_khz)} kHz"),
    )
    axes.set_yscale("log")
    lowest = max(0.5 * float(y.min()), SMALLEST_RATE * chosen.rate_khz)
    axes.set_ylim(lowest, 3 * float(y.max()))
    axes.set_ylabel("rate [kHz]")
    plateau = x[y >= PLATEAU * y.max()].max()
    score_axis(axes, float(plateau), float(max(x[y >= lowest].max(), chosen.threshold)) * 1.15 + 1)
    axes.set_xlabel("threshold on the anomaly score (firmware integer)")
    label(axes, results)
    legend_below(figure, axes)
    return figure


def menu_plot(results: Results) -> Figure:
    """Total, proportional and pure rate of every seed and the rate of their OR."""
    table = results.rates
    figure = new_figure(1.9 + 0.62 * (len(table.seeds) + 1))
    axes = figure.subplots()
    kinds = (("total", "total", 0), ("proportional", "proportional (shared)", 2), ("pure", "pure (no other seed)", 1))
    places = np.arange(len(table.seeds))
    for kind, name, i in kinds:
        values = np.array([getattr(s, f"{kind}_hz") for s in table.seeds]) / 1e3
        errors = np.array([getattr(s, f"{kind}_err_hz") for s in table.seeds]) / 1e3
        shown = values > 0
        where = places[shown] + 0.22 * (("total", "proportional", "pure").index(kind) - 1)
        axes.errorbar(values[shown], where, xerr=errors[shown], fmt=MARKERS[i], color=PALETTE[i], label=name)
    axes.errorbar(
        table.or_hz / 1e3, len(places), xerr=table.or_err_hz / 1e3, fmt="D", color=INK, label="OR of the menu"
    )
    axes.axvline(
        table.cap_hz / 1e3, color=MUTED, linestyle=LINES[1], linewidth=1.2, label=f"cap {table.cap_hz / 1e3:g} kHz"
    )
    names = [plain(s.name) + (f" (÷{s.prescale:g})" if s.prescale != 1 else "") for s in table.seeds]
    axes.set_yticks([*places, len(places)], [*names, "OR"])
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.set_ylim(len(places) + 0.6, -0.6)
    axes.set_ylabel("Level-1 seed")
    axes.set_xscale("log")
    rates = [v / 1e3 for s in table.seeds for v in (s.total_hz, s.proportional_hz, s.pure_hz)]
    axes.set_xlim(*decades([*rates, table.or_hz / 1e3, table.cap_hz / 1e3]))
    for place in places[[s.total_hz == 0 for s in table.seeds]]:
        axes.text(0.02, place, "no event accepted", transform=axes.get_yaxis_transform(), va="center", color=MUTED)
    axes.set_xlabel("rate [kHz]")
    axes.grid(axis="x", linewidth=0.5, alpha=0.4)
    label(axes, results)
    legend_below(figure, axes, 3)
    return figure


def overlap_plot(results: Results) -> Figure:
    """Share of each seed's rate that another seed accepts as well."""
    table = results.rates
    overlap = np.array(table.overlap_hz)
    own = np.diag(overlap)[:, None]
    share = np.divide(overlap, own, out=np.zeros_like(overlap), where=own > 0)
    n = len(table.seeds)
    figure = new_figure(2.4 + 0.7 * n)
    axes = figure.subplots()
    image = axes.imshow(100 * share, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    for i in range(n):
        for j in range(n):
            color = "#10141b" if share[i, j] > 0.55 else "#fcfcfd"
            text = _share(share[i, j]) if own[i, 0] > 0 else "–"
            axes.text(j, i, text, ha="center", va="center", color=color, fontsize=11)
    names = [plain(s.name) for s in table.seeds]
    axes.set_xticks(range(n), names, rotation=25, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), names)
    axes.tick_params(which="both", length=0)
    axes.minorticks_off()
    axes.set_xlabel("also accepted by")
    axes.set_ylabel("accepted by")
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("share of the row's rate [%]")
    label(axes, results)
    return figure


def streams_plot(results: Results) -> Figure:
    """Rate against event size of every stream; diagonals are equal bandwidths."""
    figure = new_figure(5.8)
    axes = figure.subplots()
    founding = founding_figures().rows
    rows = results.streams.rows
    low_x, high_x = decades([r.event_bytes / 1e3 for r in (*rows, *founding)], 0.2, 6.0)
    low_y, high_y = decades([r.rate_hz / 1e3 for r in (*rows, *founding)], 0.2, 6.0)
    axes.set(xscale="log", yscale="log", xlim=(low_x, high_x), ylim=(low_y, high_y))
    _bandwidth_lines(axes, low_x, high_x, low_y, high_y)
    for i, row in enumerate(rows):
        _stream_point(axes, row, i)
    axes.errorbar(
        [r.event_bytes / 1e3 for r in founding],
        [r.rate_hz / 1e3 for r in founding],
        fmt="d",
        markersize=9,
        color=MUTED,
        markerfacecolor="none",
        label="reference: 1 kHz × 1.5 MB and 4 kHz × 5 kB",
    )
    axes.set_xlabel("event size [kB]")
    axes.set_ylabel("rate [kHz]")
    label(axes, results)
    legend_below(figure, axes, 1)
    return figure


def _band(axes: Axes, points: FloatArray, style: int, name: str) -> None:
    """A line with its band; `points` (n, 3) are x, y and the error of y."""
    x, y, error = points.T
    color = PALETTE[style]
    axes.plot(x, y, color=color, linestyle=LINES[style], label=name)
    axes.fill_between(x, np.maximum(y - error, 1e-9), y + error, color=color, alpha=0.25, linewidth=0)


def _share(value: float) -> str:
    """A fraction as a short percentage."""
    if value == 0 or value >= 0.0995:
        return f"{100 * value:.0f}"
    return f"{100 * value:.1f}" if value >= 0.001 else "< 0.1"


def _stream_point(axes: Axes, row: StreamRow, place: int) -> None:
    measured = "measured" if row.size_is_measured else "assumed"
    color = PALETTE[place % 6]
    axes.errorbar(
        row.event_bytes / 1e3,
        row.rate_hz / 1e3,
        yerr=row.rate_err_hz / 1e3,
        fmt=MARKERS[place % 8],
        markersize=9,
        color=color,
        markerfacecolor=color if row.size_is_measured else "none",
        markeredgewidth=1.6,
        label=plain(f"{row.name}: {bandwidth(row.bandwidth_mb_s)}, event size {measured}"),
    )


def _bandwidth_lines(axes: Axes, low_x: float, high_x: float, low_y: float, high_y: float) -> None:
    """Lines rate × size = 10ᵏ MB/s (kHz × kB = MB/s), named where they leave the axes on the right or below."""
    for power in range(int(np.ceil(np.log10(low_x * low_y))), int(np.floor(np.log10(high_x * high_y))) + 1):
        value = 10.0**power
        x = np.array([low_x, high_x])
        axes.plot(x, value / x, color=MUTED, linewidth=0.7, alpha=0.6, zorder=0)
        at = max(low_x, value / high_y)
        where = (at * 1.12, value / (at * 1.12))
        if where[0] < high_x * 0.5 and low_y * 2 < where[1] and (at > low_x or where[1] < high_y * 0.6):
            axes.annotate(
                f"{value / 1e3:g} GB/s" if value >= 1e3 else f"{value:g} MB/s",
                where,
                xytext=(3, -3),
                textcoords="offset points",
                color=MUTED,
                fontsize=9.5,
                va="top" if at > low_x else "bottom",
            )
