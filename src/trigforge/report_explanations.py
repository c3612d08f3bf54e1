"""The report's part on what the score looks at: its tables, and the titles of its event displays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trigforge.explain import Explanations, Group
from trigforge.notation import GROUP, count, number, with_error
from trigforge.plots.event_display import title_of_event
from trigforge.plots.explanations import field_sums, group_title, object_titles
from trigforge.results import Results
from trigforge.table import Table

UNBROKEN: Final = "\u00a0"
MOST_OBJECTS: Final = 5
"""Objects of a group in the table."""


def explanation_tables(results: Results) -> dict[str, Table]:
    """The tables of importance by object and by field."""
    found = results.explanations
    return {"importance": _importance(found), "fields": _fields(found)}


def display_titles(results: Results) -> list[tuple[str, str]]:
    """The name of every event display and what it shows."""
    return [(f"event_{i}", title_of_event(e)) for i, e in enumerate(results.explanations.shown, start=1)]


def _importance(found: Explanations) -> Table:
    titles = object_titles(found)
    head = (
        "events",
        "objects that move the score most: mean size of the contribution, share",
        "mean score",
        "explained",
    )
    rows = (
        (group_title(found, g), "; ".join(_leading(g, titles)), count(round(g.mean_score)), count(g.events))
        for g in found.groups
    )
    return Table(head, tuple(rows), words=2)


def _leading(group: Group, titles: tuple[str, ...]) -> Iterator[str]:
    """The objects with the largest contributions of a group, in words."""
    total = sum(o.size for o in group.objects) or 1.0
    ordered = sorted(zip(titles, group.objects, strict=True), key=lambda pair: -pair[1].size)
    for title, o in ordered[:MOST_OBJECTS]:
        share = f"{number(100 * o.size / total, 2)}{GROUP}%"
        yield f"{title}: {with_error(o.size, o.error)}, {share}".replace(" ", UNBROKEN)


def _fields(found: Explanations) -> Table:
    titles, sizes = field_sums(found, lambda word: word.size)
    _, noise = field_sums(found, lambda word: word.noise)
    _, means = field_sums(found, lambda word: word.mean)
    rows = [
        (group_title(found, g), title, number(sizes[i, j]), number(noise[i, j]), number(means[i, j]))
        for i, g in enumerate(found.groups)
        for j, title in enumerate(titles)
    ]
    head = ("events", "field", "mean size of the contribution", "of which noise would give", "mean contribution")
    return Table(head, tuple(rows), words=2)
