"""What the score looks at: importance by object and by field, as figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from trigforge.explain import Explanations, Group, Importance, Kind
from trigforge.notation import count
from trigforge.plots.style import SIMULATION, conditions, heading, new_figure, plain, title_of
from trigforge.results import Results
from trigforge.weighted import FloatArray

MOST_COLUMNS: Final = 20
"""Objects or fields that are drawn; where there are more, those that move the scores most."""
SHORT_NAMES: Final = {"L1MET": "MET", "L1EG": "e/γ", "L1Mu": "µ", "L1Jet": "jet", "eta": "η", "phi": "φ", "pt": "pT"}
WIDE: Final = 9.6
"""Inches of a figure with many columns."""
DARK: Final = 0.55
"""Shares of the largest above it get dark letters."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is said above a figure: where the events come from."""

    left: str
    right: str


def origin_of(results: Results) -> Origin:
    """The origin of a run's events."""
    return Origin(SIMULATION, conditions(results))


def objects_plot(results: Results) -> Figure:
    """What objects the score of a run looks at."""
    return objects_figure(results.explanations, origin_of(results))


def fields_plot(results: Results) -> Figure:
    """What fields of objects the score of a run looks at."""
    return fields_figure(results.explanations, origin_of(results))


def short(name: str) -> str:
    """The short name of a collection or a field."""
    return SHORT_NAMES.get(name, name)


def object_titles(explanations: Explanations) -> tuple[str, ...]:
    """`jet 1`, `µ 2` … of every object; an object that is alone in its collection has no number."""
    collections = explanations.contract.collections
    return tuple(short(c.name) + (f" {i + 1}" if c.count > 1 else "") for c in collections for i in range(c.count))


def group_title(explanations: Explanations, group: Group) -> str:
    """What the events of a group are, in a few words."""
    if group.kind is Kind.SAMPLE:
        return title_of(group.sample)
    return "background" if group.kind is Kind.BACKGROUND else f"background, score ≥ {explanations.threshold}"


def objects_figure(explanations: Explanations, origin: Origin) -> Figure:
    """Share of every object in the mean size of all objects' contributions, for each group of events."""
    sizes = np.array([[p.size for p in g.objects] for g in explanations.groups])
    return _shares_figure(explanations, origin, sizes, object_titles(explanations), "object")


def fields_figure(explanations: Explanations, origin: Origin) -> Figure:
    """Share of every field of a collection in the mean size of all words' contributions, for each group of events."""
    titles, sums = field_sums(explanations, lambda word: word.size)
    return _shares_figure(explanations, origin, sums, titles, "field of all objects of a kind")


def field_sums(explanations: Explanations, value: Callable[[Importance], float]) -> tuple[tuple[str, ...], FloatArray]:
    """The titles of all fields of collections, and for each group (groups, fields) the sum of a value of their words.

    Fields whose range is one number are left out.
    """
    titles, sums, start = [], [], 0
    for c in explanations.contract.collections:
        for i, field in enumerate(c.fields):
            words = slice(start + i, start + c.width, len(c.fields))
            if field.low < field.high:
                titles.append(f"{short(c.name)} {short(field.name)}")
                sums.append([sum(map(value, g.words[words])) for g in explanations.groups])
        start += c.width
    return tuple(titles), np.array(sums).T


def _shares_figure(
    explanations: Explanations, origin: Origin, sizes: FloatArray, titles: Sequence[str], what: str
) -> Figure:
    """A table of colours: a row for each group, a column for each of the players."""
    total = sizes.sum(axis=1, keepdims=True)
    share = np.divide(sizes, total, out=np.zeros_like(sizes), where=total > 0)
    columns = np.sort(np.argsort(-share.max(axis=0), kind="stable")[:MOST_COLUMNS])
    share = share[:, columns]
    rows = [f"{group_title(explanations, g)}\n⟨score⟩ {count(round(g.mean_score))}" for g in explanations.groups]
    figure = new_figure(1.9 + 0.52 * len(rows), WIDE)
    axes = figure.subplots()
    top = 100 * max(float(share.max()), 0.01)
    image = axes.imshow(100 * share, cmap="cividis", vmin=0, vmax=top, aspect="auto")
    for i, j in np.ndindex(share.shape):
        color = "#10141b" if 100 * share[i, j] > DARK * top else "#fcfcfd"
        axes.text(j, i, _percent(share[i, j]), ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(columns)), [titles[j] for j in columns], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [plain(row) for row in rows], fontsize=10)
    axes.tick_params(which="both", length=0)
    axes.minorticks_off()
    axes.set_xlabel(what)
    axes.set_ylabel("events")
    figure.colorbar(image, ax=axes, pad=0.01).set_label("share [%]")
    heading(axes, origin.left, origin.right)
    return figure


def _percent(value: float) -> str:
    """A fraction as a short percentage, nothing where it is below a tenth of one."""
    if value >= 0.0995:
        return f"{100 * value:.0f}"
    return f"{100 * value:.1f}" if value >= 0.001 else ""
