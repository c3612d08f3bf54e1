"""Event displays: where a trigger's objects are, how hard they are, and what each adds to the score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import MaxNLocator, NullLocator

from trigforge.contract import Collection
from trigforge.explain import Explanations, Kind, ShownEvent
from trigforge.notation import count
from trigforge.plots.explanations import Origin, object_titles, short
from trigforge.plots.style import INK, MUTED, heading, legend_below, new_figure, plain, title_of
from trigforge.plots.tags import Spot, Tag, write_tags

MOST_BARS: Final = 9
"""Objects with a bar of their own; the others share one."""
NAMED: Final = 4
"""Objects with their names beside them."""
MARKERS: Final = {"L1Jet": "o", "L1EG": "s", "L1Mu": "P"}
OTHER_MARKER: Final = "D"
AREA: Final = 6.0
"""Square points of a marker per GeV up to `FULL_GEV`, where it stops growing."""
FULL_GEV: Final = 120.0
ROOM: Final = 0.42
"""Of the span of scores: what a number beside a bar takes."""
COLORS: Final = "RdBu_r"
WIDE: Final = 9.6
RINGS_GEV: Final = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One object of an event; `eta` is None for missing momentum, `pt` where the contract has no kinematics."""

    title: str
    kind: str
    """Its collection."""
    pt: float | None
    eta: float | None
    phi: float
    contribution: float

    @property
    def marker(self) -> str:
        """What its collection is drawn as."""
        return MARKERS.get(self.kind, OTHER_MARKER)


def display(explanations: Explanations, event: ShownEvent, origin: Origin) -> Figure:
    """The η-φ plane, the transverse plane and what adds up to the score; the last alone without kinematics.

    Sizes of markers and lengths of lines say how hard an object is, colours what it contributes: red raises the score.
    """
    drawn = tuple(objects_of(explanations, event))
    placed = tuple(d for d in drawn if d.pt is not None)
    largest = max((abs(d.contribution) for d in drawn), default=0.0) or 1.0
    colors = Colors(largest)
    figure = new_figure(4.7, WIDE)
    if placed:
        grid = figure.add_gridspec(1, 3, width_ratios=(1.35, 1.0, 1.0))
        plane: Axes = figure.add_subplot(grid[0])
        _plane(plane, placed, explanations, colors)
        wheel: Any = figure.add_subplot(grid[1], projection="polar")
        _transverse(wheel, placed, colors)
        bars: Axes = figure.add_subplot(grid[2])
        _legend(figure, plane, explanations, placed)
    else:
        plane = bars = figure.subplots()
    _bars(bars, drawn, event.score, explanations.empty_score, colors)
    heading(plane, origin.left, "")
    bars.set_title(origin.right, loc="right")
    figure.suptitle(plain(title_of_event(event)), x=0.01, ha="left", fontsize=12)
    return figure


def title_of_event(event: ShownEvent) -> str:
    """What an event is, and its score."""
    sample = title_of(event.sample) if event.kind is Kind.SAMPLE else "background"
    middle = ", half of the accepted rate above it" if event.kind is Kind.ACCEPTED else ""
    return f"{sample}, event {count(event.event)}: score {count(event.score)}{middle}"


@dataclass(frozen=True, slots=True)
class Colors:
    """Colours of contributions up to `largest`, by the root of their size so that small ones show their sign."""

    largest: float

    def __call__(self, contribution: float) -> Any:
        """The colour of a contribution."""
        share = np.sign(contribution) * np.sqrt(abs(contribution) / self.largest)
        return matplotlib.colormaps[COLORS](0.5 + 0.45 * float(share))


def objects_of(explanations: Explanations, event: ShownEvent) -> Iterator[Drawn]:
    """The objects of an event that are there, in word order."""
    titles, number, start = object_titles(explanations), 0, 0
    for collection in explanations.contract.collections:
        for _ in range(collection.count):
            words = event.words[start : start + len(collection.fields)]
            if any(words):
                placed = _kinematics(collection, words)
                yield Drawn(titles[number], collection.name, *placed, event.contributions[number])
            start, number = start + len(collection.fields), number + 1


def _kinematics(collection: Collection, words: tuple[int, ...]) -> tuple[float | None, float | None, float]:
    """pT, η (None without a range) and φ in -π..π of an object; pT is None if its collection has none of them."""
    fields = {f.name: (f, word * f.lsb) for f, word in zip(collection.fields, words, strict=True)}
    if not fields.keys() >= {"pt", "eta", "phi"}:
        return None, None, 0.0
    field, eta = fields["eta"]
    phi = (fields["phi"][1] + np.pi) % (2 * np.pi) - np.pi
    return fields["pt"][1], eta if field.low < field.high else None, phi


def _plane(axes: Axes, drawn: tuple[Drawn, ...], explanations: Explanations, colors: Colors) -> None:
    """Objects in the η-φ plane; missing momentum, which has no η, is a line at its φ."""
    edge = max(_eta_edge(c) for c in explanations.contract.collections)
    axes.set(xlim=(-edge, edge), ylim=(-np.pi, np.pi), xlabel="η", ylabel="φ [rad]")
    axes.set_yticks(np.pi * np.array([-1, -0.5, 0, 0.5, 1]), ["−π", "−π/2", "0", "π/2", "π"])
    axes.grid(linewidth=0.4, alpha=0.35)
    for d in sorted(drawn, key=lambda d: -(d.pt or 0.0)):
        if d.eta is None:
            axes.axhline(d.phi, color=colors(d.contribution), linewidth=5, alpha=0.8, zorder=1)
            axes.axhline(d.phi, color=INK, linewidth=1.3, linestyle=(0, (5, 3)), zorder=1)
        else:
            where = [d.phi - 2 * np.pi, d.phi, d.phi + 2 * np.pi]  # what crosses ±π comes in on the other side
            axes.scatter(
                [d.eta] * 3, where, s=_area(d), marker=d.marker, color=[colors(d.contribution)] * 3,
                edgecolors=INK, linewidths=0.9, zorder=3, alpha=0.95,
            )  # fmt: skip
    named = sorted(drawn, key=lambda d: -abs(d.contribution))[:NAMED]
    spots = [Spot(d.eta, d.phi, np.sqrt(_area(d)) / 2) for d in drawn if d.eta is not None]
    tags = [Tag(plain(f"{d.title}, {d.pt:g} GeV"), -0.97 * edge if d.eta is None else d.eta, d.phi) for d in named]
    radii = [0.0 if d.eta is None else np.sqrt(_area(d)) / 2 for d in named]
    write_tags(axes, tags, radii, spots, [d.phi for d in drawn if d.eta is None])


def _area(d: Drawn) -> float:
    """Square points of a marker."""
    return 14 + AREA * min(d.pt or 0.0, FULL_GEV)


def _eta_edge(collection: Collection) -> float:
    return max((f.high * f.lsb for f in collection.fields if f.name == "eta"), default=0.0)


def _transverse(axes: PolarAxes, drawn: tuple[Drawn, ...], colors: Colors) -> None:
    """Objects as lines of length √pT from the beam; missing momentum is an arrow."""
    top = max(d.pt or 0.0 for d in drawn) or 1.0
    for d in sorted(drawn, key=lambda d: d.pt or 0.0):
        length = np.sqrt(d.pt or 0.0)
        axes.plot([d.phi, d.phi], [0, length], color=INK, linewidth=4.0, solid_capstyle="butt", zorder=2)
        axes.plot([d.phi, d.phi], [0, length], color=colors(d.contribution), linewidth=2.8, zorder=3)
        if d.eta is None:
            arrow = {"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "color": INK, "linestyle": (0, (3, 2))}
            axes.annotate(
                "",
                (d.phi, 1.12 * length + 0.3),
                (0, 0),
                arrowprops={**arrow, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0},
                zorder=4,
            )
    rings = [r for r in RINGS_GEV if 0.03 * top < r < top][-3:]
    axes.set_ylim(0, 1.06 * np.sqrt(top))
    axes.set_yticks(np.sqrt(rings), [f"{r:g} GeV" for r in rings], fontsize=8.5, color=MUTED)
    axes.set_rlabel_position(_gap(drawn))
    axes.set_xticks(np.pi * np.array([0, 0.5, 1, 1.5]), ["0", "π/2", "π", "−π/2"])
    axes.tick_params(axis="x", pad=0)
    axes.grid(linewidth=0.5, alpha=0.5)
    axes.set_xlabel("transverse plane, radius √$p_T$", loc="center")
    axes.set_ylabel(" ")


def _gap(drawn: tuple[Drawn, ...]) -> float:
    """A direction in degrees that is far from all objects."""
    directions = np.deg2rad([30, 60, 120, 150, 210, 240, 300, 330])  # away from the axis and its letters
    away = np.abs((directions[:, None] - [d.phi for d in drawn] + np.pi) % (2 * np.pi) - np.pi).min(axis=1)
    return float(np.rad2deg(directions[np.argmax(away)]))


def _bars(axes: Axes, drawn: tuple[Drawn, ...], score: int, empty: int, colors: Colors) -> None:
    """From the score of no object to the event's, step by step, the largest first."""
    ordered = sorted(drawn, key=lambda d: -abs(d.contribution))
    most = ordered if len(ordered) <= MOST_BARS + 1 else ordered[:MOST_BARS]
    steps = [(d.title, d.contribution) for d in most]
    if ordered[len(most) :]:
        steps.append((f"{len(ordered) - len(most)} others", sum(d.contribution for d in ordered[len(most) :])))
    reached = float(empty)
    for i, (_, value) in enumerate(steps):
        axes.barh(i, value, left=reached, height=0.72, color=[colors(value)], edgecolor=INK, linewidth=0.8)
        reached += value
        axes.plot([reached, reached], [i - 0.36, i + 1.36], color=MUTED, linewidth=0.7, zorder=0)
    span = max(abs(score - empty), *(abs(v) for _, v in steps), 1.0) if steps else 1.0
    _values(axes, steps, empty, span)
    axes.axvline(empty, color=MUTED, linewidth=0.9, linestyle=":")
    axes.axvline(score, color=MUTED, linewidth=0.9, linestyle="--", zorder=0)
    axes.set_yticks(range(len(steps)), [plain(name) for name, _ in steps], fontsize=10)
    axes.set_ylim(len(steps) - 0.4, -0.6)
    axes.tick_params(axis="y", which="both", length=0)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(lambda value, _: plain(count(round(value))))
    axes.set_xlabel(plain(f"score, from {count(empty)} to {count(score)}"))
    axes.set_ylabel(" ")


def _values(axes: Axes, steps: list[tuple[str, float]], empty: int, span: float) -> None:
    """The contributions as numbers: in long bars, else beside them where there is room."""
    reached, ends = float(empty), [float(empty)]
    for i, (_, value) in enumerate(steps):
        low, high = sorted((reached, reached + value))
        reached += value
        inside, right = high - low > ROOM * span, high < empty + (1 - ROOM) * span
        at = (low + high) / 2 if inside else high + 0.03 * span if right else low - 0.03 * span
        side = "center" if inside else "left" if right else "right"
        text = plain(("+" if value > 0 else "") + count(round(value)))
        light = inside and abs(value) > 0.25 * max(abs(v) for _, v in steps)
        color = "#fcfcfd" if light else INK
        axes.text(at, i, text, va="center", ha=side, fontsize=9.5, color=color)
        ends += [low - (0 if inside or right else ROOM * span), high + (ROOM * span if right and not inside else 0)]
    axes.set_xlim(min(ends) - 0.04 * span, max(ends) + 0.04 * span)


def _legend(figure: Figure, axes: Axes, explanations: Explanations, drawn: tuple[Drawn, ...]) -> None:
    """One entry a kind of object that is there."""
    for collection in explanations.contract.collections:
        here = [d for d in drawn if d.kind == collection.name]
        if not here:
            continue
        if here[0].eta is None:
            handle = Line2D([], [], color=INK, linestyle=(0, (5, 3)), label=f"{short(collection.name)} (no η)")
        else:
            handle = Line2D(
                [], [], color=INK, marker=here[0].marker, linestyle="none", markersize=8,
                markerfacecolor="none", label=short(collection.name),
            )  # fmt: skip
        axes.add_line(handle)
    legend_below(figure, axes, 6)
