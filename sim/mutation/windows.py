"""Windows: the operations around a fault; what they are given is free within what is proved of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trigforge.sim.mutation.graph import Graph
from trigforge.sim.mutation.schemata import Fault

SIZES: Final = ((0, 0), (2, 0), (3, 1), (4, 2), (6, 3), (8, 4), (12, 4), (12, 12), (20, 8), (None, 4), (None, None))
"""Operations behind the faulty ones, and before all of those, of the windows that are tried; None: all."""


@dataclass(frozen=True, slots=True)
class Window:
    """Nodes of a core around faulty ones, whose effect is compared where others read it."""

    faulty: tuple[int, ...]
    wrong: tuple[int, ...]
    """Those that the faulty ones can make wrong, themselves included."""
    right: tuple[int, ...]
    """What those read beside each other, a number of operations back."""
    free: tuple[int, ...]
    """What the others read and is not made in the window, and words of the core's input that are wrong."""
    seen: tuple[int, ...]
    """Wrong nodes that are read outside, or are the core's output."""


def windows_of(graph: Graph, fault: Fault) -> Iterator[Window]:
    """Windows on a fault, small ones first, the whole core at last; none if nothing depends on what is faulty."""
    faulty = graph.faulty(fault)
    if faulty:
        yield from dict.fromkeys(window_of(graph, faulty, behind, before) for behind, before in SIZES)


def window_of(graph: Graph, faulty: Sequence[int], behind: int | None, before: int | None) -> Window:
    """The window of so many operations behind faulty nodes, and before all of those."""
    wrong = graph.behind(faulty, behind)
    right = {node for node in graph.before(wrong, before) - wrong if not graph.is_word(node)}
    free = {source for node in (*wrong, *right) for source in graph.sources(node)} - wrong - right
    free |= {node for node in wrong if graph.is_word(node)}
    seen = [node for node in wrong if node in graph.ends or not wrong.issuperset(graph.readers[node])]
    return Window(tuple(faulty), *(tuple(sorted(nodes)) for nodes in (wrong, right, free, seen)))
